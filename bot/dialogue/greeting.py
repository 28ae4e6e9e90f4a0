"""Hello, the menu, and kind words for what is no request."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.channels.port import Kind
from bot.dialogue import reading
from bot.dialogue.acts import Act, Goal
from bot.dialogue.state import Step
from bot.dialogue.turn import Choice, Turn
from tickets.pixels import BYTES

NAMED = (*(Kind.PHOTO, Kind.DOCUMENT, Kind.VOICE, Kind.STICKER), *(Kind.VIDEO, Kind.LOCATION, Kind.CONTACT))


def menu(turn: Turn) -> tuple[Choice, ...]:
    return (
        turn.choice(Act.REPORT, "button.report"),
        turn.choice(Act.FIND, "button.find", Goal.LOOK),
        turn.choice(Act.TICKETS, "button.tickets"),
        turn.person,
    )


async def greet(turn: Turn) -> None:
    turn.rest()
    await turn.tell("greeting.hello", *menu(turn), promise=turn.span(turn.parts.desk.rules.handling))


async def introduce(turn: Turn) -> None:
    """Before the first answer of a conversation that did not begin with a greeting."""
    await turn.tell("greeting.introduction")


async def show_menu(turn: Turn) -> None:
    turn.rest()
    await turn.tell("greeting.menu", *menu(turn))


async def cancel(turn: Turn) -> None:
    was_busy = turn.state.step != Step.IDLE
    turn.rest()
    turn.state = replace(turn.state, words="")
    await turn.tell("greeting.cancelled" if was_busy else "greeting.nothing_to_cancel", *menu(turn))


async def return_greeting(turn: Turn) -> None:
    """For "hello", "thanks" and "all right" in between."""
    if turn.state.step == Step.IDLE:
        words = turn.inbound.text
        kind = "any_time" if reading.acknowledges(words) else "welcome" if reading.gives_thanks(words) else "again"
        await turn.tell(f"greeting.{kind}", *menu(turn))


async def ask_for_less(turn: Turn) -> None:
    limit = turn.parts.desk.rules.message_limit
    await turn.tell("greeting.too_long", turn.person, limit=limit)


async def ask_for_text(turn: Turn) -> None:
    """For a photo, a sticker or a voice message where no ticket takes it."""
    kind = turn.inbound.kind
    key = f"media.{kind}" if kind in NAMED else "media.other"
    kept = "media.kept" if turn.inbound.pictures else "media.file_kept" if turn.inbound.files else ""
    if kept or not _unread(turn):
        await turn.tell(kept or key, turn.person)


async def tell_unread(turn: Turn) -> None:
    """Something that came along could not be kept: the buyer can do something about it."""
    if unread := _unread(turn):
        problem = unread["problem"]
        key = problem if problem in ("too_large", "no_picture", "file_too_large", "file_kind") else "gone"
        await turn.tell(f"media.{key}", turn.person, megabytes=unread.get("megabytes", BYTES >> 20))


def _unread(turn: Turn) -> Mapping[str, Any] | None:
    """What came along and could not be kept, with its `problem`."""
    return next((one for one in turn.inbound.attachments if "problem" in one), None)


async def excuse_button(turn: Turn) -> None:
    await turn.tell("button.expired", *menu(turn))
