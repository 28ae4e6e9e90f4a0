"""What buyers thought, as a figure: of the cycles that ended in a span, who was asked, who answered, and what."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import canary
from tickets.ratings import SCORES, UNASKED
from tickets.tables import Agent, Author, Conversation, Cycle, Ending, Message, Rating, Ticket
from tickets.words import INCIDENT


class Asking(StrEnum):
    """Where a cycle stands in the question what its buyer thought of it."""

    ANSWERED = "answered"
    AWAITED = "awaited"  # asked, and may still answer
    SILENT = "silent"  # asked in vain
    UNASKED = "unasked"  # people worked on it, and the buyer was not asked
    ALONE = "alone"  # the bot alone spoke, or silence ended it: never asked


@dataclass(frozen=True, slots=True)
class SatisfactionRow:
    """One cycle of the cohort."""

    number: str
    ended_at: datetime
    agent: str | None  # who held the ticket at its end
    asking: Asking
    score: int | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """What buyers thought: of the cycles that ended from `start` up to `end`, as of `as_of`.

    Merged tickets, spam, incidents and the canary are no cycles of a buyer's own and left out.
    """

    start: datetime
    end: datetime
    as_of: datetime
    rows: tuple[SatisfactionRow, ...]  # the latest end first

    @property
    def n(self) -> int:
        """Cycles that ended."""
        return len(self.rows)

    @property
    def served(self) -> int:
        """Those that people worked on: who could be asked."""
        return self.n - self.count(Asking.ALONE)

    @property
    def asked(self) -> int:
        return self.served - self.count(Asking.UNASKED)

    @property
    def answered(self) -> int:
        return self.count(Asking.ANSWERED)

    @property
    def scores(self) -> dict[int, int]:
        """How often each score was given, the best first."""
        given = Counter(row.score for row in self.rows)
        return {score: given[score] for score in reversed(SCORES)}

    @property
    def mean(self) -> float | None:
        """Of the scores given; None of none."""
        given = sum(score * times for score, times in self.scores.items())
        return given / self.answered if self.answered else None

    def count(self, asking: Asking) -> int:
        return sum(1 for row in self.rows if row.asking == asking)


async def satisfaction(
    session: AsyncSession, start: datetime, end: datetime, now: datetime, answer_within: timedelta
) -> Satisfaction:
    """The ratings of the cycles that ended in [start, end); `answer_within` is how long a buyer may answer."""
    spoken = and_(
        col(Message.ticket_id) == col(Cycle.ticket_id),
        col(Message.author) == Author.AGENT,
        col(Message.is_note).is_(False),
        col(Message.created_at) >= col(Cycle.opened_at),
        col(Message.created_at) <= col(Cycle.resolved_at),
    )
    found = await session.exec(
        select(Cycle, Ticket.number, Rating, Agent.name, select(Message.id).where(spoken).exists())  # type: ignore[call-overload]
        .join(Ticket, col(Ticket.id) == col(Cycle.ticket_id))
        .join(Rating, col(Rating.cycle_id) == col(Cycle.id), isouter=True)
        .join(Agent, col(Agent.id) == col(Rating.agent_id), isouter=True)
        .where(col(Cycle.resolved_at) >= start, col(Cycle.resolved_at) < end)
        .where(col(Cycle.outcome).is_distinct_from(Ending.MERGED), col(Cycle.outcome).is_distinct_from(Ending.SPAM))
        .join(Conversation, col(Conversation.id) == col(Ticket.conversation_id))
        .where(col(Conversation.channel).not_in((canary.NAME, INCIDENT)))
        .order_by(col(Cycle.resolved_at).desc(), col(Cycle.id).desc())
    )
    rows = []
    for cycle, number, rating, agent, is_served in found.all():
        asking = _asking(cycle, rating, is_served, now - answer_within)
        score, comment = (rating.score, rating.comment) if rating else (None, None)
        rows.append(SatisfactionRow(number, cycle.resolved_at, agent, asking, score, comment))
    return Satisfaction(start, end, now, tuple(rows))


def _asking(cycle: Cycle, rating: Rating | None, is_served: bool, open_since: datetime) -> Asking:
    if rating is None:
        return Asking.UNASKED if is_served and cycle.outcome not in UNASKED else Asking.ALONE
    if rating.score is not None:
        return Asking.ANSWERED
    return Asking.AWAITED if rating.asked_at >= open_since else Asking.SILENT
