"""The whole of Kadesk on a port of its own, for tests that need a real browser."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import uvicorn

from bot.bell import Bell
from bot.channels.web import WebChat
from bot.delivery import Delivery
from bot.dialogue import Dialogue
from bot.door import Door
from bot.inbox import Inbox
from bot.phrases import Phrases
from console.rules import ConsoleRules
from faq.answers import KnownAnswers
from faq.knowledge import load
from faq.matcher import Matcher
from kadesk.database import Database
from shop.adapters.local import LocalShop
from shop.deep_links import DeepLinks
from tests.console.conftest import Clock, Stage
from tickets.ownership import Ownership, OwnershipRules

LINKS = DeepLinks("demo", "a secret of the shop, long enough")


class House:
    """A test can close it and open it again."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        matchers: Path,  # where one that was made is kept
        rules: ConsoleRules | None = None,
        *,
        is_secure: bool = False,
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.stage = Stage(database, clock, rules or ConsoleRules(), origin=f"http://127.0.0.1:{self.port}")
        stage, phrases, bells = self.stage, Phrases(), (Bell(), Bell())
        door = Door(database, stage.vault, clock, bells[0])
        self.web = WebChat(database, door.accept, phrases, clock, links=stage.claims.links, is_secure=is_secure)
        stage.app.include_router(self.web.router)
        entries = load()
        dialogue = Dialogue(
            desk=stage.desk,
            claims=stage.claims,
            ownership=Ownership(stage.vault, OwnershipRules(5, timedelta(minutes=10))),
            shop=LocalShop(database, stage.vault),
            answers=KnownAnswers(entries, Matcher.build(entries, cache=matchers)),
            phrases=phrases,
            links=[LINKS],
            hours="09:00-23:00",
        )
        self.inbox = Inbox(database, stage.vault, [self.web], dialogue, clock, bell=bells[0], outbox_bell=bells[1])
        then, links = dialogue.follow_delivery, stage.claims.links
        self.delivery = Delivery(database, [self.web], clock, bell=bells[1], links=links, then=then)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Serve, and let the bot work, while the block runs."""
        self.web._is_closing = False
        config = uvicorn.Config(self.stage.app, port=self.port, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        workers = [asyncio.create_task(self.inbox.run()), asyncio.create_task(self.delivery.run())]
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            self.web.close()
            server.should_exit = True
            await serving
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    @property
    def address(self) -> str:
        return self.stage.origin
