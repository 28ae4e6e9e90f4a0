"""Ratings as the buyer meets them: five buttons once a matter is closed, thanks, and one comment if they like."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from bot.dialogue import greeting
from bot.dialogue.acts import Act
from bot.dialogue.state import Step
from bot.dialogue.turn import Choice, Turn, make_buttons
from tickets.desk import Desk
from tickets.errors import RatingClosed, UnknownRating
from tickets.outbox import post
from tickets.ratings import SCORES
from tickets.tables import Author, Buyer, Conversation, Priority, Rating, Ticket

POOR = 2  # a score up to this is met with an apology and a person


async def ask(desk: Desk, session: AsyncSession, now: datetime, outgoing_id: int) -> None:
    """This message has arrived: when it closed what people worked on, ask what the buyer thought of it."""
    rating = await desk.ask_rating(session, now, outgoing_id)
    if rating is not None:
        ticket = await session.get_one(Ticket, rating.ticket_id)
        conversation = await session.get_one(Conversation, ticket.conversation_id)
        await _ask(desk, session, now, conversation, ticket, rating)


async def ask_of_talk(desk: Desk, session: AsyncSession, now: datetime, conversation: Conversation) -> None:
    """A person has ended the talk on the messenger itself: ask what the buyer thought of it."""
    rating = await desk.ask_rating_of_talk(session, now, conversation)
    if rating is not None:
        await _ask(desk, session, now, conversation, await session.get_one(Ticket, rating.ticket_id), rating)


async def _ask(
    desk: Desk, session: AsyncSession, now: datetime, conversation: Conversation, ticket: Ticket, rating: Rating
) -> None:
    buyer = await session.get_one(Buyer, ticket.buyer_id)
    # From 1 up, so that who answers with a number of the list gives that score.
    scores = [Choice(Act.RATE, _word(desk, buyer, score), f"{rating.cycle_id}/{score}") for score in SCORES]
    text = desk.say(buyer.language, "rating.ask", number=ticket.number)
    buttons = await make_buttons(session, now, conversation, scores)
    says = {"author": Author.BOT, "ticket": ticket, "priority": Priority.NOTICE}
    await post(session, now, conversation, text, buttons=buttons, **says)  # type: ignore[arg-type]


def _word(desk: Desk, buyer: Buyer, score: int) -> str:
    return desk.say(buyer.language, f"rating.score.{score}")


async def take_score(turn: Turn) -> None:
    """A score, pressed or typed."""
    cycle_id, score = map(int, turn.intent.argument.split("/"))
    try:
        rating = await turn.parts.desk.rate(turn.session, turn.now, turn.conversation.buyer_id, cycle_id, score)
    except RatingClosed:
        await turn.tell("rating.closed")
    except UnknownRating:
        await greeting.excuse_button(turn)
    else:
        add = [turn.choice(Act.ADD_COMMENT, "button.comment", str(cycle_id))] if rating.comment is None else []
        is_poor = score <= POOR
        person = [turn.person] if is_poor else []
        await turn.tell("rating.sorry" if is_poor else "rating.thanks", *add, *person, score=score)


async def ask_comment(turn: Turn) -> None:
    """The next words are the comment. Asked for by a button, so that a new question is never taken for one."""
    turn.go(Step.COMMENT, rating=int(turn.intent.argument))
    await turn.tell("rating.ask_comment", turn.choice(Act.CANCEL, "button.cancel"))


async def ask_comment_again(turn: Turn) -> None:
    await turn.tell("rating.ask_comment", turn.choice(Act.CANCEL, "button.cancel"))


async def take_comment(turn: Turn) -> None:
    """The comment, with its codes masked."""
    cycle_id, words = turn.state.rating, turn.intent.stored
    turn.rest()
    try:
        await turn.parts.desk.comment(turn.session, turn.now, turn.conversation.buyer_id, cycle_id, words)
    except (RatingClosed, UnknownRating):
        await turn.tell("rating.closed")
    else:
        await turn.tell("rating.heard")
