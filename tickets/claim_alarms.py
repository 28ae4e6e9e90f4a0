"""Claims that wait for what does not come: a screenshot, or one more complaint. Then they are closed.

A tick only finds them and acts, guarded by the state that it found: however late, however often and by however many
schedulers it runs, each is closed once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, text
from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import filing
from tickets.alarms import ACTOR, Database
from tickets.claim_states import SETTLED, ClaimState
from tickets.claims import Claims
from tickets.outbox import post
from tickets.tables import Author, Buyer, Claim, Conversation, Priority

_LIVE = text("claim.state <> 'closed'")  # as the index says it: a value that is told later does not match it


@dataclass(frozen=True, slots=True)
class Rested:
    """What a tick closed."""

    silent: int = 0  # claims whose screenshot did not come
    settled: int = 0  # about which nothing more was heard


Unheard = Callable[[AsyncSession, Conversation], Awaitable[bool]]


async def ring(
    database: Database, clock: Callable[[], datetime], claims: Claims, unheard: Unheard, limit: int = 100
) -> Rested:
    """Close what has waited long enough, `limit` claims to a transaction. In the last instant the buyer may yet speak.

    Whether they have spoken, and it was not read yet, `unheard` knows.
    """
    rules = claims.rules

    async def lapse(session: AsyncSession, now: datetime, claim: Claim) -> bool:
        conversation = await session.get_one(Conversation, claim.conversation_id)
        if await unheard(session, conversation):
            return False
        await filing.lapse(session, now, claim, ACTOR)
        await _tell(session, now, claims, claim, conversation)
        return True

    async def close(session: AsyncSession, now: datetime, claim: Claim) -> bool:
        filing.move(session, now, claim, ClaimState.CLOSED, ACTOR)
        return True

    # Where people asked for it, the silence is the ticket's.
    is_unproved = and_(col(Claim.state) == ClaimState.EVIDENCE, col(Claim.ticket_id).is_(None))
    silent = await _act(database, clock, is_unproved, rules.proof_within, lapse, limit)
    settled = await _act(database, clock, col(Claim.state).in_(sorted(SETTLED)), rules.closed_after, close, limit)
    return Rested(silent, settled)


Act = Callable[[AsyncSession, datetime, Claim], Awaitable[bool]]


async def _act(
    database: Database,
    clock: Callable[[], datetime],
    which: ColumnElement[bool],
    span: timedelta,
    act: Act,
    limit: int,
) -> int:
    done = 0
    while True:
        now = clock()
        # An idle tick is one look at an index, and no transaction that writes.
        async with database.reading() as session:
            if (await session.exec(select(Claim.id).where(*_waited(which, now - span)).limit(1))).first() is None:
                return done
        async with database.writing() as session:
            due = select(Claim).where(*_waited(which, now - span)).order_by(col(Claim.state_at), col(Claim.id))
            found = (await session.exec(due.limit(limit).with_for_update(skip_locked=True))).all()
            acted = sum([await act(session, now, claim) for claim in found])
        if not acted:  # somebody else holds the rest, or their buyers have spoken: the next tick looks again
            return done
        done += acted


def _waited(which: ColumnElement[bool], since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (_LIVE, which, col(Claim.state_at) < since)  # type: ignore[return-value]


async def _tell(session: AsyncSession, now: datetime, claims: Claims, claim: Claim, conversation: Conversation) -> None:
    buyer = await session.get_one(Buyer, claim.buyer_id)
    words = claims.desk.say(buyer.language, "claim.proof_late", masked=claim.masked)
    await post(session, now, conversation, words, author=Author.BOT, priority=Priority.NOTICE)
