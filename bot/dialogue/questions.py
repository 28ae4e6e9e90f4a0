"""Questions: a sure answer, a few suggestions, or a person."""

from bot.dialogue import tickets
from bot.dialogue.acts import Act, Goal
from bot.dialogue.greeting import menu
from bot.dialogue.state import Step
from bot.dialogue.turn import Choice, Turn
from bot.dialogue.understanding import DELIVERY_THEME, HUMAN_ENTRY, REASON_OF_ENTRY
from faq.entries import judge
from faq.errors import UnknownEntry
from faq.matcher import Match
from faq.phrasing import Entry, Text
from faq.tables import FaqQuestion

SUGGESTIONS = 3
PATIENCE = 3  # questions in a row that are not understood before a person takes over


async def answer_question(turn: Turn) -> None:
    """Answer, suggest, or count a miss; what was asked is kept for learning."""
    match = turn.intent.match
    assert match is not None
    question = await _keep(turn, match)
    if match.outcome == "answer" and match.entry:
        await _answer(turn, turn.parts.answers.get(match.entry), question)
        turn.forget_misses()
    elif match.outcome == "suggest" and turn.state.step == Step.IDLE:
        await _suggest(turn, match, question)
        turn.forget_misses()
    else:
        await miss(turn)


async def choose(turn: Turn) -> None:
    """A suggestion was pressed: it is the answer, and the verdict on the question."""
    question, _, key = turn.intent.argument.partition("/")
    try:
        entry = turn.parts.answers.get(key)
    except UnknownEntry:
        await turn.tell("button.expired", *menu(turn))
        return
    await judge(turn.session, turn.now, int(question), key)
    if key == HUMAN_ENTRY:
        await tickets.hand_over(turn)
    else:
        await _answer(turn, entry, int(question))


async def thank(turn: Turn) -> None:
    await judge(turn.session, turn.now, int(turn.intent.argument), "helped")
    await turn.tell("question.thanks")


async def regret(turn: Turn) -> None:
    await judge(turn.session, turn.now, int(turn.intent.argument), "missed")
    await turn.tell("question.sorry", turn.person)


async def miss(turn: Turn) -> None:
    """Not understood: say so kindly, offer a person, and from the third time on let one take over."""
    turn.count_miss()
    if turn.state.misses >= PATIENCE:
        await tickets.hand_over(turn)
    elif turn.state.misses == 2:
        await turn.tell("question.miss_again", turn.person)
    elif turn.state.step == Step.IDLE:
        await turn.tell("question.miss", *menu(turn))
    else:
        await turn.tell("question.unclear", turn.person)


async def _keep(turn: Turn, match: Match) -> int:
    question = FaqQuestion(
        text=turn.intent.stored,
        language=match.language,
        outcome=match.outcome,
        entry_key=match.candidates[0].entry if match.candidates else None,
        score=match.score,
        asked_at=turn.now,
    )
    turn.session.add(question)
    await turn.session.flush()
    assert question.id is not None
    return question.id


async def _answer(turn: Turn, entry: Entry, question: int) -> None:
    answer = turn.parts.answers.fill(
        _text(turn, entry).answer,
        promise=turn.span(turn.parts.desk.rules.handling),
        hours=turn.parts.hours or turn.word("question.hours"),
        warranty=turn.word("question.warranty"),
    )
    leads = [] if turn.state.step != Step.IDLE else _leads(turn, entry)
    helped = turn.choice(Act.HELPED, "button.helped", str(question))
    missed = turn.choice(Act.MISSED, "button.missed", str(question))
    await turn.say(answer, *leads, helped, missed, turn.person)


def _leads(turn: Turn, entry: Entry) -> list[Choice]:
    """The button into the entry's flow; a person is offered under every answer anyway."""
    match entry.flow:
        case "claim":
            return [turn.choice(Act.REPORT, "button.report", REASON_OF_ENTRY.get(entry.key, ""))]
        case "order":
            goal = Goal.UNDELIVERED if entry.theme == DELIVERY_THEME else Goal.LOOK
            return [turn.choice(Act.FIND, "button.find", goal)]
        case "tickets":
            return [turn.choice(Act.TICKETS, "button.tickets")]
        case _:
            return []


async def _suggest(turn: Turn, match: Match, question: int) -> None:
    entries = [turn.parts.answers.get(candidate.entry) for candidate in match.candidates[:SUGGESTIONS]]
    choices = [Choice(Act.CHOOSE, _text(turn, entry).question, f"{question}/{entry.key}") for entry in entries]
    await turn.tell("question.suggest", *choices, turn.person)


def _text(turn: Turn, entry: Entry) -> Text:
    return entry.texts.get(turn.language) or next(iter(entry.texts.values()))
