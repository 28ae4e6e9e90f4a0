"""One buyer on any channel, over its real adapter; the far end of a foreign one is a stand-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from bot.channels.telegram import Telegram
from bot.channels.web import WebChat
from bot.fakes.buyer import Buyer, TelegramFront, WebFront
from bot.fakes.telegram import TOKEN, FakeTelegram, serving
from tests.bot.conftest import House


@asynccontextmanager
async def buyer_on(channel: str, house: House) -> AsyncIterator[Buyer]:
    """`channel` is "terminal", "web" or "telegram"."""
    if channel == "terminal":
        yield house.buyer()
    elif channel == "web":
        web = WebChat(house.database, house.door.accept, house.phrases, house.clock, links=house.claims.links)
        app = FastAPI()
        app.include_router(web.router)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kadesk.test") as client:
            yield Buyer(WebFront(client, web), house.settle(web))
    else:
        async with serving(FakeTelegram()) as fake:
            telegram = Telegram(TOKEN, fake.base)

            async def look() -> None:
                await telegram.look(house.door.accept, None)

            yield Buyer(TelegramFront(fake, telegram, look), house.settle(telegram))
            await telegram._bot.session.close()
