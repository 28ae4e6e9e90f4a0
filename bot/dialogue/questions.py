"""Questions: a sure answer, or two, a few suggestions, or a person; and what the buyer thought of it."""

from dataclasses import replace

from bot.dialogue import answering, patience, tickets
from bot.dialogue.acts import Act
from bot.dialogue.greeting import menu
from bot.dialogue.state import Step
from bot.dialogue.turn import Choice, Turn
from bot.dialogue.understanding import HUMAN_ENTRY, find_entry
from faq import entries as store
from faq.matcher import Match
from faq.phrasing import Entry
from faq.tables import FaqQuestion

SUGGESTIONS = 3


async def answer_question(turn: Turn) -> None:
    """Answer, suggest, or count a miss; what was asked is kept for learning."""
    match = turn.intent.match
    assert match is not None
    question = await _keep(turn, match)
    if match.outcome == "answer" and match.entry:
        await _answer(turn, match.entry, question)
    elif match.outcome == "suggest" and turn.state.step == Step.IDLE:
        await _suggest(turn, match, question)
    else:
        await patience.miss(turn)


async def answer_beside(turn: Turn, match: Match) -> None:
    """The second question of a message that above all wants something done: its answer alone."""
    await _keep(turn, match)
    await turn.say(await answering.fill(turn, turn.parts.answers.get(match.entry or "")))


async def choose(turn: Turn) -> None:
    """A suggestion was pressed: it is the answer, and the verdict on the question."""
    question, _, key = turn.intent.argument.partition("/")
    entry = find_entry(turn.parts.answers, key)
    if entry is None:
        await turn.tell("button.expired", *menu(turn))
        return
    await store.choose(turn.session, turn.now, int(question), key)
    await _act_on(turn, entry, int(question))


async def show_related(turn: Turn) -> None:
    """An entry that was offered after another. Nothing was asked in words, so there is nothing to judge."""
    entry = find_entry(turn.parts.answers, turn.intent.argument)
    if entry is None:
        await turn.tell("button.expired", *menu(turn))
    else:
        await _act_on(turn, entry)


async def thank(turn: Turn) -> None:
    await _judge(turn, "helped")
    turn.state = replace(turn.state, disliked="")
    await turn.tell("question.thanks")


async def regret(turn: Turn) -> None:
    answered = await _judge(turn, "missed")
    turn.state = replace(turn.state, disliked=answered)
    await turn.tell("question.sorry", turn.person)


async def _answer(turn: Turn, key: str, question: int) -> None:
    """One answer, or two when two things were asked; never one that was just found useless."""
    beside = turn.intent.beside
    keys, questions = [key], [question]
    if beside is not None and beside.entry:
        keys, questions = [key, beside.entry], [question, await _keep(turn, beside)]
    elif key == turn.state.disliked:
        if not await patience.is_spent(turn):
            await turn.tell("question.same_again", turn.person)
        return
    turn.forget_misses()
    await answering.give(turn, [turn.parts.answers.get(one) for one in keys], questions)


async def _act_on(turn: Turn, entry: Entry, *questions: int) -> None:
    """The entry was pressed: two are not answered but done."""
    turn.forget_misses()
    if entry.key == HUMAN_ENTRY:
        await tickets.hand_over(turn)
    elif entry.flow == "tickets":
        await tickets.list_tickets(turn)
    else:
        await answering.give(turn, [entry], questions)


async def _suggest(turn: Turn, match: Match, question: int) -> None:
    """Up to three entries. Suggestions after suggestions that did not help are a miss."""
    if turn.offered and await patience.is_spent(turn):
        return
    turn.state = replace(turn.state, offered=question)
    entries = [turn.parts.answers.get(candidate.entry) for candidate in match.candidates[:SUGGESTIONS]]
    choices = [
        Choice(Act.CHOOSE, answering.text_of(turn.language, entry).question, f"{question}/{entry.key}")
        for entry in entries
    ]
    none = turn.choice(Act.NONE_FITS, "button.none_fits", str(question))
    key = "question.suggest_again" if turn.state.misses > 1 else "question.suggest"
    await turn.tell(key, *choices, none, turn.person)


async def _keep(turn: Turn, match: Match) -> int:
    return await store.keep(turn.session, turn.now, turn.intent.stored, match)


async def _judge(turn: Turn, verdict: str) -> str:
    """Keep the verdict on every question that the answer was to; the key of the entry, if it was one alone."""
    questions = [int(question) for question in turn.intent.argument.split(",")]
    for question in questions:
        await store.judge(turn.session, turn.now, question, verdict)
    row = await turn.session.get(FaqQuestion, questions[0])
    if row is None or len(questions) > 1:
        return ""
    return str(row.detail.get("chosen") or row.entry_key or "")
