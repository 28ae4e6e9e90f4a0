"""No loops: what is not understood is met kindly once, with a person offered twice, by a person the third time."""

from bot.dialogue import tickets
from bot.dialogue.greeting import menu
from bot.dialogue.state import Step
from bot.dialogue.turn import Turn
from faq.entries import judge

PATIENCE = 3  # misses in a row before a person takes over
CALM = 2  # messages of nothing but abuse before a person takes over


async def miss(turn: Turn, key: str = "") -> None:
    """Not understood: `key` says so the first time."""
    if await is_spent(turn):
        return
    if turn.state.misses == PATIENCE - 1:
        await turn.tell("question.miss_again", turn.person)
    elif turn.state.step == Step.IDLE:
        await turn.tell(key or "question.miss", *menu(turn))
    else:
        await turn.tell(key or "question.unclear", turn.person)


async def is_spent(turn: Turn) -> bool:
    """Count a miss; whether it was the last one, and a person has taken over."""
    turn.count_miss()
    if turn.state.misses < PATIENCE:
        return False
    await tickets.hand_over(turn)
    return True


async def miss_suggestions(turn: Turn) -> None:
    """None of the suggestions fits."""
    await judge(turn.session, turn.now, int(turn.intent.argument), "missed")
    await miss(turn, "question.none_fits")


async def ask_for_words(turn: Turn) -> None:
    """For emoji and marks alone. After "？？？" something was not clear."""
    is_puzzled = any(mark in turn.inbound.text for mark in "?？")
    await miss(turn, "greeting.puzzled" if is_puzzled else "greeting.words_please")


async def stay_calm(turn: Turn) -> None:
    """Swearing and nothing else: kind words once, then a person."""
    turn.count_miss()
    if turn.state.misses >= CALM:
        await tickets.hand_over(turn)
    else:
        await turn.tell("greeting.calm", turn.person)
