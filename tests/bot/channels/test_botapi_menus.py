"""The menus of commands: shown at the start by every bot, whatever the server makes of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from bot.channels.botapi import menus as module
from bot.channels.botapi.menus import IN_PRIVATE, Menu, in_chat, set_menus
from bot.channels.telegram import Telegram
from bot.dialogue.commands import menus
from bot.errors import ChannelDown
from bot.fakes.telegram import TOKEN, FakeTelegram, Refusal
from bot.phrases import Phrases


class Shelf:
    """A server that shows menus; `answers` are what comes of the first calls: an error, or whether it took it."""

    def __init__(self, *answers: Exception | bool) -> None:
        self.answers = list(answers)
        self.shown: list[Menu] = []

    async def set_menu(self, menu: Menu) -> bool:
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        if answer:
            self.shown.append(menu)
        return answer


HERE, THERE = (Menu(scope, "", {"help": "帮助"}) for scope in (IN_PRIVATE, in_chat("-100")))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.0)


@pytest.mark.parametrize(
    ("answers", "shown"),
    [
        pytest.param((), [HERE, THERE], id="taken"),
        pytest.param((False,), [THERE], id="one is refused for good"),
        pytest.param((ChannelDown(reason="x"), ValueError("odd")), [HERE, THERE], id="away at first"),
        pytest.param((True, ChannelDown(reason="x")), [HERE, THERE], id="the second comes later, the first once"),
    ],
)
async def test_each_menu_is_shown_once_or_refused_for_good(answers: tuple[Any, ...], shown: list[Menu]) -> None:
    shelf = Shelf(*answers)

    async with asyncio.timeout(5):
        await set_menus(shelf, "telegram 1", [HERE, THERE])  # type: ignore[arg-type]  # all that is asked of a server

    assert shelf.shown == shown


@asynccontextmanager
async def running(fake: FakeTelegram) -> AsyncIterator[None]:
    telegram = Telegram(TOKEN, fake.base, menus=menus(Phrases(), "en"))

    @asynccontextmanager
    async def elected(_: str) -> AsyncIterator[bool]:
        yield False

    async def accept(*_: Any) -> int:
        return 0

    worker = asyncio.create_task(telegram.run(accept, elected))
    yield
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker


async def until_asked(fake: FakeTelegram, times: int) -> None:
    async with asyncio.timeout(5):
        while sum(path.endswith("/setMyCommands") for path in fake.paths) < times:  # noqa: ASYNC110  # at the far end
            await asyncio.sleep(0.01)


async def test_buyers_see_the_commands_in_their_language(fake: FakeTelegram) -> None:
    fake.next_fault("setMyCommands", Refusal(502, "Bad Gateway"))
    async with running(fake):
        await until_asked(fake, 4)

    shown = {scope: [one["description"] for one in commands] for scope, commands in fake.bot.commands.items()}
    listed = {tuple(one["command"] for one in commands) for commands in fake.bot.commands.values()}
    assert listed == {("help", "orders", "tickets", "hurry", "human", "cancel")}
    others, zh, en = (shown[f"all_private_chats {one}".strip()] for one in ("", "zh", "en"))
    assert others == en != zh
    assert "转人工" in zh


@pytest.mark.parametrize("refusal", [Refusal(404, "Not Found: method not found"), Refusal(400, "Bad Request: no")])
async def test_a_server_without_menus_is_not_asked_again(fake: FakeTelegram, refusal: Refusal) -> None:
    for _ in range(3):
        fake.next_fault("setMyCommands", refusal)
    async with running(fake):
        await until_asked(fake, 3)
        await asyncio.sleep(0)

    assert fake.bot.commands == {}
    assert sum(path.endswith("/setMyCommands") for path in fake.paths) == 3
