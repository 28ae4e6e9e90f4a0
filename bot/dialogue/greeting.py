"""Hello, the menu, and kind words for what is no request."""

from dataclasses import replace

from bot.dialogue import reading
from bot.dialogue.acts import Act, Goal
from bot.dialogue.state import Step
from bot.dialogue.turn import Choice, Turn


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
        is_settled = reading.acknowledges(turn.inbound.text)
        await turn.tell("greeting.any_time" if is_settled else "greeting.again", *menu(turn))


async def ask_for_less(turn: Turn) -> None:
    limit = turn.parts.desk.rules.message_limit
    await turn.tell("greeting.too_long", turn.person, limit=limit)


async def ask_for_text(turn: Turn) -> None:
    """For a photo, a sticker or a voice message where no ticket takes it."""
    kind = turn.inbound.kind
    key = f"media.{kind}" if kind in ("photo", "document", "voice", "sticker") else "media.other"
    key = "media.kept" if turn.inbound.pictures else key
    await turn.tell(key, turn.person)


async def excuse_button(turn: Turn) -> None:
    await turn.tell("button.expired", *menu(turn))
