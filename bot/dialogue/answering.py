"""An answer as the buyer sees it: variables filled, and under it the way on, what is related, thumbs, a person."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.dialogue import tickets
from bot.dialogue.acts import Act, Goal
from bot.dialogue.state import Step
from bot.dialogue.turn import Choice, Turn, name_span
from bot.dialogue.understanding import DELIVERY_THEME, HUMAN_ENTRY, REASON_OF_ENTRY, REFUND_ENTRIES, find_entry
from faq.answers import KnownAnswers
from faq.phrasing import Entry, Text
from tickets.outbox import Say

ROOM = 2  # buttons that lead on from an answer, before thumbs and a person


async def give(turn: Turn, entries: Sequence[Entry], questions: Sequence[int] = ()) -> None:
    """Answer with these entries, in one message. The last one is what is spoken of from now on."""
    texts = [await fill(turn, entry) for entry in entries]
    before = turn.state.entry
    turn.state = replace(turn.state, entry=entries[-1].key)
    leads = _leads(turn, entries) if turn.state.step == Step.IDLE else []
    related = _related(turn, entries[0], before) if turn.state.step == Step.IDLE and len(entries) == 1 else []
    on = [*leads, *related][:ROOM]
    person = [] if turn.person in on else [turn.person]
    await turn.say("\n\n".join(texts), *on, *_thumbs(turn, questions), *person)


async def fill(turn: Turn, entry: Entry) -> str:
    """The entry's answer in the buyer's language."""
    parts, answer = turn.parts, text_of(turn.language, entry).answer
    place = await tickets.own_place(turn) if "{position}" in answer else ""
    warranty = timedelta(seconds=turn.state.warranty)
    return fill_in(parts.say, turn.language, answer, parts.desk.rules.handling, parts.hours, warranty, place)


def fill_in(
    say: Say,
    language: str,
    answer: str,
    promise: timedelta,
    hours: str,
    warranty: timedelta = timedelta(),
    place: str = "",
) -> str:
    """An answer with what the shop promises; `warranty` and `place` are those of a buyer of whom they are known."""
    facts = {
        "promise": name_span(say, language, promise),
        "hours": hours or say(language, "question.hours"),
        "warranty": name_span(say, language, warranty) if warranty else say(language, "question.warranty"),
        "position": place or say(language, "ticket.place.nowhere"),
    }
    return KnownAnswers.fill(answer, **facts)


def text_of(language: str, entry: Entry) -> Text:
    return entry.texts.get(language) or next(iter(entry.texts.values()))


def _thumbs(turn: Turn, questions: Sequence[int]) -> list[Choice]:
    ids = ",".join(map(str, questions))
    return [turn.choice(Act.HELPED, "button.helped", ids), turn.choice(Act.MISSED, "button.missed", ids)] if ids else []


def _leads(turn: Turn, entries: Sequence[Entry]) -> list[Choice]:
    """The ways into the entries' flows, each once."""
    leads = {choice.label: choice for entry in entries if (choice := _lead(turn, entry))}
    return list(leads.values())


def _lead(turn: Turn, entry: Entry) -> Choice | None:
    """Into the entry's flow; with the order in hand where there is one."""
    order = turn.state.in_hand
    if entry.key in REFUND_ENTRIES:
        on = (Act.USE_ORDER, f"{Goal.REFUND}/{order}") if order else (Act.FIND, Goal.REFUND)
        return turn.choice(on[0], "button.refund", on[1])
    match entry.flow:
        case "claim" if order:
            return turn.choice(Act.USE_ORDER, "button.report", f"{Goal.CLAIM}/{order}")
        case "claim":
            return turn.choice(Act.REPORT, "button.report", REASON_OF_ENTRY.get(entry.key, ""))
        case "order":
            goal = Goal.UNDELIVERED if entry.theme == DELIVERY_THEME else Goal.LOOK
            if order:
                return turn.choice(Act.USE_ORDER, "button.find_this", f"{goal}/{order}")
            return turn.choice(Act.FIND, "button.find", goal)
        case "tickets":
            return turn.choice(Act.TICKETS, "button.tickets")
        case "human":
            return turn.person
    return None


def _related(turn: Turn, entry: Entry, before: str) -> list[Choice]:
    """What one may want to know next; not what was just said, nor what did not help."""
    skipped = {HUMAN_ENTRY, before, turn.state.disliked, entry.key}
    found = [find_entry(turn.parts.answers, key) for key in entry.related if key not in skipped]
    return [Choice(Act.RELATED, text_of(turn.language, other).question, other.key) for other in found if other]
