"""What staff are told that they can type: the menus, /help and docs/staff-bot.md say the same, and it is there."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.fakes.telegram import Refusal
from bot.phrases import LANGUAGES, Phrases
from bot.staff import menu
from bot.staff.buttons import Act
from bot.staff.commands import COMMANDS, NAMES, Where
from tests.bot.staff.conftest import ANNA, BEN, STRANGER
from tests.bot.staff.office import Office, office_room
from tickets.tables import Phase, Ticket

PAGE = Path(__file__).parents[3] / "docs" / "staff-bot.md"
NO_COMMANDS = {"newbot", "setprivacy", "metrics"}  # of ours: of @BotFather, and a page


def names_of(*wheres: Where) -> list[str]:
    return [one.name for one in COMMANDS if one.where in wheres]


@asynccontextmanager
async def started(office: Office) -> AsyncIterator[None]:
    """The office hears, as at its start."""
    worker = asyncio.create_task(office.staff.receive())
    yield
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


async def until_asked(office: Office, times: int) -> None:
    async with asyncio.timeout(5):
        while sum(path.endswith("/setMyCommands") for path in office.fake.paths) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_whatever_is_listed_is_understood_and_said_in_every_language() -> None:
    templates = [Phrases().templates(language) for language in LANGUAGES]

    assert set(Act) <= {one.name for one in COMMANDS}
    for one in COMMANDS:
        assert all(f"staff.command.{one.name}" in known for known in templates)
        assert all((f"staff.typed.{one.name}" in known) == one.has_words for known in templates)


def test_the_page_of_the_staff_bot_names_what_there_is() -> None:
    named = set(re.findall(r"`/([a-z]+|[\u4e00-\u9fff]+)", PAGE.read_text(encoding="utf-8"))) - NO_COMMANDS

    assert named <= NAMES.keys()
    assert {one.name for one in COMMANDS} <= named


async def test_the_group_and_each_in_private_see_what_they_can_type_there(office: Office) -> None:
    async with started(office):
        await until_asked(office, 6)

    shown = office.account.commands
    listed = {scope: [one["command"] for one in commands] for scope, commands in shown.items()}
    group, private = names_of(Where.TOPIC, Where.ANYWHERE), names_of(Where.ANYWHERE, Where.PRIVATE)
    readers = [f" {language}".rstrip() for language in ("", *LANGUAGES)]
    assert listed == {
        **{f"chat {office.group}{reader}": group for reader in readers},
        **{f"all_private_chats{reader}": private for reader in readers},
    }
    described = {scope: commands[0]["description"] for scope, commands in shown.items() if scope.startswith("chat")}
    assert list(described.values()) == [
        "备注，只有同事看到 · 文字",
        "备注，只有同事看到 · 文字",
        "a note that only staff see · text",
    ]


@pytest.mark.parametrize(
    ("refusal", "left"),
    [
        pytest.param(Refusal(404, "Not Found: method not found"), 5, id="an unknown method"),
        pytest.param(Refusal(400, "Bad Request: BOT_COMMAND_INVALID"), 5, id="a refused menu"),
    ],
)
async def test_the_staff_bot_hears_where_its_menu_is_refused(office: Office, refusal: Refusal, left: int) -> None:
    office.fake.next_fault("setMyCommands", refusal)
    async with started(office):
        await until_asked(office, 6)

    assert len(office.account.commands) == left
    assert "/take" in await office.whisper(ANNA, "/help")


async def test_a_group_that_does_not_let_the_bot_in_yet_gets_its_menu_later(office: Office) -> None:
    bot, group = office.staff.line.server, menu.menus(office_room(office.house, office.group))[-1]
    office.expel()
    with pytest.raises(Exception, match="not a member"):
        await bot.set_menu(group)
    office.readmit()

    assert await bot.set_menu(group)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_help_names_every_command(office: Office, language: str) -> None:
    text = menu.help_text(office_room(office.house, office.group, language=language))

    assert re.findall(r"^/([a-z]+)", text, re.MULTILINE) == [one.name for one in COMMANDS]
    assert set(re.findall(r"/([\u4e00-\u9fff]+)", text)) == {name for one in COMMANDS for name in one.chinese}


async def test_whoever_asks_for_help_is_told_what_they_can_do(office: Office) -> None:
    assert "/refund [金额] — 申请退款" in await office.whisper(BEN, "/help")
    assert "/link 码" in await office.whisper(STRANGER, "/help")


async def test_a_tap_on_the_menu_settles_nothing_before_a_second(office: Office) -> None:
    """The menu sends a command without words."""
    ticket: Ticket = await office.open()
    await office.later(seconds=5)
    thread = await office.thread(ticket)

    await office.write(BEN, "/resolve@kadesk_staff_bot", thread)
    before = (await office.fresh(ticket)).phase
    await office.press("确定", BEN, thread=thread)

    assert (before, (await office.fresh(ticket)).phase) == (Phase.OPEN, Phase.RESOLVED)
