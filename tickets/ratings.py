"""Ratings: what the buyer thought of a cycle that people worked on. Asked once, when its closing word has arrived,
or when the person who answered has ended the talk on the messenger itself.

Not asked: where only the bot spoke (its answers have thumbs of their own), where the buyer's silence ended the matter
(days after the talk), and where no closing word arrived (merged, spam, blocked, or the buyer came back before it did).
"""

from datetime import datetime

from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import clocks, lifecycle, meant
from tickets.errors import RatingClosed, UnknownRating
from tickets.ladder import Ladder
from tickets.tables import Author, Conversation, Cycle, Ending, Message, Outgoing, Phase, Rating, Sending, Ticket, id_of
from tickets.words import INCIDENT

SCORES = range(1, 6)  # 5 is best
COMMENT_LIMIT = 1_000  # characters
UNASKED = frozenset({Ending.MERGED, Ending.SPAM, Ending.SILENCE})


class Ratings(Ladder):
    """The verbs of ratings."""

    async def ask_rating(self, session: AsyncSession, now: datetime, outgoing_id: int) -> Rating | None:
        """Note that the buyer is asked, when this message was the closing word of a cycle; None when they are not.

        Called in the transaction that records the delivery; the caller speaks the question.
        """
        cycle = await _find_closed_by(session, outgoing_id) if self.rules.ratings.ask else None
        ticket = await session.get_one(Ticket, cycle.ticket_id) if cycle else None
        if cycle is None or ticket is None or lifecycle.is_active(ticket.phase):
            return None
        return await self._ask_about(session, now, ticket, cycle)

    async def ask_rating_of_talk(
        self, session: AsyncSession, now: datetime, conversation: Conversation
    ) -> Rating | None:
        """Likewise, when a person ended a talk of which nothing of the buyer's waits for an answer."""
        spoken_of = await meant.spoken_of(session, conversation) if self.rules.ratings.ask else []
        if not spoken_of or spoken_of[0].phase != Phase.WAITING or not await _is_answered(session, spoken_of[0]):
            return None
        return await self._ask_about(session, now, spoken_of[0], await clocks.get_cycle(session, spoken_of[0]))

    async def _ask_about(self, session: AsyncSession, now: datetime, ticket: Ticket, cycle: Cycle) -> Rating | None:
        if cycle.outcome in UNASKED or not await _is_served(session, cycle):
            return None
        if await session.get(Rating, cycle.id) is not None:
            return None
        if (await session.get_one(Conversation, ticket.conversation_id)).channel == INCIDENT:
            return None  # nobody is there to be asked; the buyers of its parts are
        rating = Rating(cycle_id=id_of(cycle), ticket_id=id_of(ticket), agent_id=ticket.assignee_id, asked_at=now)
        session.add(rating)
        await session.flush()
        record(session, now, "bot", "rating.asked", f"ticket:{ticket.id}", after={"cycle": cycle.id})
        return rating

    async def rate(self, session: AsyncSession, now: datetime, buyer_id: int, cycle_id: int, score: int) -> Rating:
        """The buyer's score, 1 to 5. The first counts; it may be corrected within `correct_within`.

        Raises `UnknownRating` for what this buyer was never asked, `RatingClosed` when it is too late.
        """
        rating = await self._get_rating(session, now, buyer_id, cycle_id)
        if score not in SCORES:
            raise UnknownRating(cycle=cycle_id)
        if rating.rated_at is not None and now - rating.rated_at > self.rules.ratings.correct_within:
            raise RatingClosed()
        before = rating.score
        rating.score, rating.rated_at = score, rating.rated_at or now
        session.add(rating)
        if before != score:
            old = None if before is None else {"score": before}
            action = "rating.given" if before is None else "rating.corrected"
            record(session, now, f"buyer:{buyer_id}", action, f"ticket:{rating.ticket_id}", old, {"score": score})
        return rating

    async def comment(self, session: AsyncSession, now: datetime, buyer_id: int, cycle_id: int, text: str) -> Rating:
        """One comment on a score that was given; raises as `rate` does. The caller has masked the codes in `text`."""
        rating = await self._get_rating(session, now, buyer_id, cycle_id)
        if rating.score is None or rating.comment is not None:
            raise RatingClosed()
        rating.comment = text.strip()[:COMMENT_LIMIT]
        session.add(rating)
        record(session, now, f"buyer:{buyer_id}", "rating.commented", f"ticket:{rating.ticket_id}")
        return rating

    async def find_asked(self, session: AsyncSession, now: datetime, conversation_id: int) -> int | None:
        """The cycle whose rating was asked for last in this conversation, and may still be given or corrected."""
        rules = self.rules.ratings
        found = await session.exec(
            select(Rating.cycle_id)
            .join(Ticket, col(Ticket.id) == col(Rating.ticket_id))
            .where(Ticket.conversation_id == conversation_id, col(Rating.asked_at) >= now - rules.answer_within)
            .where(or_(col(Rating.score).is_(None), col(Rating.rated_at) >= now - rules.correct_within))
            .order_by(col(Rating.asked_at).desc())
            .limit(1)
        )
        return found.first()

    async def _get_rating(self, session: AsyncSession, now: datetime, buyer_id: int, cycle_id: int) -> Rating:
        rating = await session.get(Rating, cycle_id, with_for_update=True, populate_existing=True)
        ticket = await session.get(Ticket, rating.ticket_id) if rating else None
        if rating is None or ticket is None or ticket.buyer_id != buyer_id:
            raise UnknownRating(cycle=cycle_id)
        if now - rating.asked_at > self.rules.ratings.answer_within:
            raise RatingClosed()
        return rating


async def _find_closed_by(session: AsyncSession, outgoing_id: int) -> Cycle | None:
    """The cycle that ended with this message: written in the same instant, on the same ticket."""
    ended = (col(Outgoing.ticket_id) == col(Cycle.ticket_id), col(Outgoing.created_at) == col(Cycle.resolved_at))
    found = await session.exec(select(Cycle).join(Outgoing, and_(*ended)).where(Outgoing.id == outgoing_id))
    return found.first()


async def _is_answered(session: AsyncSession, ticket: Ticket) -> bool:
    """Whether what a person said last has arrived."""
    said = (Message.ticket_id == ticket.id, Message.author == Author.AGENT, col(Message.is_note).is_(False))
    found = select(Outgoing.state).join(Message, col(Message.id) == col(Outgoing.message_id)).where(*said)
    return (await session.exec(found.order_by(col(Message.id).desc()).limit(1))).first() == Sending.SENT


async def _is_served(session: AsyncSession, cycle: Cycle) -> bool:
    """Whether a person spoke to the buyer in this cycle."""
    spoken = select(Message.id).where(
        Message.ticket_id == cycle.ticket_id,
        Message.author == Author.AGENT,
        col(Message.is_note).is_(False),
        col(Message.created_at) >= cycle.opened_at,
    )
    return (await session.exec(spoken.limit(1))).first() is not None
