"""Every way in which talking to Telegram fails, with everything logged: the token never stands in a line."""

import asyncio
import logging
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog
from aiohttp import web

from bot.channels.botapi.hook import Hook
from bot.channels.port import Update
from bot.channels.telegram import Telegram
from bot.channels.telegram.methods import GetMe, SetWebhook
from bot.fakes.telegram import FakeTelegram, Refusal, serving
from kadesk.logs import set_up_logs
from kadesk.settings import SHIPPED, Settings
from tickets.tables import Message, Outgoing

TOKEN = "123456789:AAH-a-token-that-nobody-may-see-in-a-log-0"
SECRET = TOKEN.partition(":")[2]
ANSWERS = (
    Refusal(400, "Bad Request: oh"),
    Refusal(401, "Unauthorized"),
    Refusal(403, "Forbidden"),
    Refusal(404, "Not Found"),
    Refusal(409, "Conflict"),
    Refusal(500, "Internal Server Error"),
    "lost",
    "garbage",
)
log = logging.getLogger("a.library")


@pytest.fixture
def talkative(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Set our logs up, and let every library say all it has to say."""
    root, hook = logging.getLogger(), sys.excepthook
    before, level = list(root.handlers), root.level
    names = ("aiogram", "aiohttp", "aiohttp.client", "asyncio")
    levels = {name: logging.getLogger(name).level for name in names}

    def set_up() -> None:
        monkeypatch.setenv("KADESK_LOG__LEVEL", "debug")
        monkeypatch.setenv("KADESK_TELEGRAM__TOKEN", TOKEN)
        set_up_logs(Settings.load(SHIPPED))
        for name in names:
            logging.getLogger(name).setLevel(logging.DEBUG)

    yield set_up
    root.handlers[:] = before
    root.setLevel(level)
    sys.excepthook = hook
    structlog.reset_defaults()
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


@pytest.fixture
async def loop_of_redirects() -> AsyncIterator[str]:
    """A server whose every answer leads back to itself: aiohttp tells the address in its error."""

    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.path)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


class Elected:
    def __init__(self, name: str) -> None: ...
    async def __aenter__(self) -> bool:
        return True

    async def __aexit__(self, *_: object) -> None: ...


async def refuse(*updates: Update) -> int:
    raise OSError(f"https://x/bot{TOKEN}/none")


async def provoke(fake: FakeTelegram, base: str) -> None:
    """Fail in every way, and log what was raised as a careless library would: with its words and its traceback."""
    fake.add_bot(TOKEN)
    for address in (fake.base, base, "http://127.0.0.1:9"):
        telegram = Telegram(TOKEN, address, first_wait=timedelta(milliseconds=1))
        hooked = Telegram(TOKEN, address, hook=Hook("https://a/b", "s"), first_wait=timedelta(milliseconds=1))
        for method in ("getUpdates", "getMe", "sendMessage", "setWebhook", "deleteWebhook"):
            for answer in ANSWERS if address == fake.base else ():
                fake.next_fault(method, answer)
        work = [asyncio.create_task(one.run(refuse, Elected)) for one in (telegram, hooked)]
        await asyncio.sleep(0.05)
        for one in work:
            one.cancel()
        for call in (GetMe(), SetWebhook(url="https://a/b", secret_token="s", max_connections=1)):
            for _ in ANSWERS if address == fake.base else "123":
                try:
                    await telegram._bot(call, request_timeout=10)
                except Exception:
                    log.exception("a call of %s failed", telegram._bot)
        try:
            outgoing = Outgoing(conversation_id=1, message_id=1, channel="telegram", account="1", address="42")
            await telegram.deliver(outgoing, Message(id=1, text="hello"))
        except Exception as error:
            log.error("not sent: %r", error, exc_info=True)
        await asyncio.gather(*work, telegram._bot.session.close(), return_exceptions=True)
    log.debug("%d", f"/bot{TOKEN}/")  # a line that cannot be written
    log.warning("%s and %s", TOKEN.replace(":", "%3A"), {"half": SECRET})
    sys.excepthook(OSError, OSError(f"/file/bot{TOKEN}/photo"), None)


async def lines_of(base: str, capsys: pytest.CaptureFixture[str]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with serving(FakeTelegram()) as fake:
            await provoke(fake, base)
    return capsys.readouterr().err


async def test_no_error_shows_the_token(
    talkative: Callable[[], None], loop_of_redirects: str, capsys: pytest.CaptureFixture[str]
) -> None:
    talkative()

    lines = await lines_of(loop_of_redirects, capsys)

    assert TOKEN not in lines
    assert SECRET not in lines
    assert "TooManyRedirects" in lines
    assert "Traceback" in lines
    assert "the bot token was refused" in lines
    assert "stopped by an error" in lines


async def test_a_broken_twin_without_the_filter_shows_it(
    talkative: Callable[[], None], loop_of_redirects: str, capsys: pytest.CaptureFixture[str]
) -> None:
    talkative()
    handler: Any = logging.StreamHandler(sys.stderr)
    logging.getLogger().handlers[:] = [handler]

    lines = await lines_of(loop_of_redirects, capsys)

    assert f"/bot{TOKEN}/" in lines
