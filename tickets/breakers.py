"""Circuit breakers: when too many replacements go out for one buyer, product, batch, supplier or agent, or in all,
the next ones wait for a person, and a lead is told. Nothing is refused silently.

The replacement that reaches a limit goes out and opens the breaker; what is counted is the ledger.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, case, func, update
from sqlalchemy import select as select_columns
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record
from shop.tables import Batch, Product, Replacement, Supplier
from tickets.desk import Desk
from tickets.errors import BreakerOpen, NotAllowed, UnknownBreaker
from tickets.notices import find_staff, written
from tickets.rights import is_lead
from tickets.staff import get_agent
from tickets.tables import Agent, Breaker, Buyer, Claim, Level, Notice
from tickets.turns import take_turn

TURN = "breakers"  # of two that count at once, one would not see what the other is about to issue
BOT = "bot"
SHOWN = 30  # that closed, the latest


class Scope(StrEnum):
    """What a breaker is about."""

    BUYER = "buyer"
    PRODUCT = "product"
    BATCH = "batch"  # that the bad codes came from
    SUPPLIER = "supplier"
    AGENT = "agent"  # who grants by hand; all others are of the bot alone
    HOUR = "hour"  # everything that the bot replaces


NUMBERED = frozenset({Scope.BUYER, Scope.BATCH, Scope.SUPPLIER})  # whose keys are numbers of rows


@dataclass(frozen=True, slots=True)
class Limit:
    count: int  # replacements
    window: timedelta


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """The owner's choices; of a scope without a limit nothing is counted."""

    limits: Mapping[Scope, Limit] = field(default_factory=dict)
    closes_after: timedelta | None = timedelta(hours=24)  # by itself; None: only a lead closes it


@dataclass(frozen=True, slots=True)
class Breakers:
    """Whoever issues does it inside of `turn`."""

    desk: Desk
    rules: BreakerRules = field(default_factory=BreakerRules)

    @asynccontextmanager
    async def turn(self, session: AsyncSession, now: datetime, claim: Claim, actor: str) -> AsyncIterator[None]:
        """The block issues one replacement for the claim. Raises `BreakerOpen` before it; counts after it.

        From here to the commit nobody else counts.
        """
        watched = self._watched(claim, actor)
        if not watched:
            yield
            return
        await take_turn(session, now, TURN)
        since = await self._begin(session, now, watched)
        yield
        for scope, count in (await _count(session, watched, since)).items():
            if count >= self.rules.limits[scope].count:
                await self._trip(session, now, scope, watched[scope], count, actor)

    async def reset(self, session: AsyncSession, now: datetime, breaker_id: int, agent_id: int) -> Breaker:
        """A lead has looked: counting begins anew. Raises `UnknownBreaker`, `NotAllowed`, also of one's own."""
        agent, breaker = await get_agent(session, agent_id), await session.get(Breaker, breaker_id)
        if breaker is None:
            raise UnknownBreaker(breaker=breaker_id)
        if not is_lead(agent) or (breaker.scope, breaker.key) == (Scope.AGENT, str(agent_id)):
            raise NotAllowed(role=agent.role, verb="reset this breaker")
        if not await _close(session, now, breaker, f"agent:{agent_id}", now):
            raise UnknownBreaker(breaker=breaker_id)
        return breaker

    def _watched(self, claim: Claim, actor: str) -> dict[Scope, str]:
        """The breakers that a replacement has to pass, by scope."""
        kind, _, number = actor.partition(":")
        if kind == "agent":
            keys: dict[Scope, object] = {Scope.AGENT: number}
        else:
            product = f"{claim.shop}/{claim.sku}"
            keys = {Scope.BUYER: claim.buyer_id, Scope.PRODUCT: product, Scope.BATCH: claim.batch_id}
            keys |= {Scope.SUPPLIER: claim.supplier_id, Scope.HOUR: ""}
        return {scope: str(key) for scope, key in keys.items() if key is not None and scope in self.rules.limits}

    async def _begin(self, session: AsyncSession, now: datetime, watched: Mapping[Scope, str]) -> dict[Scope, datetime]:
        """Since when each is counted; raises `BreakerOpen`."""
        since = {scope: now - self.rules.limits[scope].window for scope in watched}
        keys, oldest = {str(scope): key for scope, key in watched.items()}, min(since.values())
        recent = _recent(tuple(watched))
        found = await rows.in_one_trip(
            session, lambda connection: rows.find_all(connection, recent, oldest=oldest, **keys)
        )
        for (number,) in found:
            breaker = await session.get_one(Breaker, number, populate_existing=True)
            if is_open(breaker, now):
                raise BreakerOpen(scope=breaker.scope)
            closed_at = breaker.reset_at or breaker.until_at or now
            await _close(session, now, breaker, "system", closed_at)
            # What goes out in the very instant of the closing counts.
            since[Scope(breaker.scope)] = max(since[Scope(breaker.scope)], closed_at - timedelta.resolution)
        return since

    async def _trip(self, session: AsyncSession, now: datetime, scope: Scope, key: str, count: int, actor: str) -> None:
        until_at = now + self.rules.closes_after if self.rules.closes_after else None
        breaker = Breaker(scope=scope, key=key, count=count, tripped_at=now, until_at=until_at)
        session.add(breaker)
        await session.flush()
        after = {"scope": scope, "key": key, "count": count}
        record(session, now, actor, "breaker.tripped", f"breaker:{breaker.id}", after=after)
        language, quiet = self.desk.rules.staff_language, self.desk.rules.quiet
        what = self.desk.say(language, f"breaker.{scope}", name=await name_of(session, scope, key))
        hours = self.rules.limits[scope].window / timedelta(hours=1)
        text = self.desk.say(language, "notice.breaker", what=what, count=count, hours=f"{hours:g}")
        people = (await find_staff(session)).told(Level.LEAD, f"about the breaker {scope}")
        session.add_all([Notice(**row) for row in written(now, quiet, None, Level.LEAD, text, people)])


def is_open(breaker: Breaker, now: datetime) -> bool:
    return breaker.reset_at is None and (breaker.until_at is None or now < breaker.until_at)


def still_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """`is_open`, as a condition."""
    return (
        col(Breaker.reset_at).is_(None),
        or_(col(Breaker.until_at).is_(None), col(Breaker.until_at) > now),
    )


async def count_open(session: AsyncSession, now: datetime) -> int:
    return (await session.exec(select(func.count()).select_from(Breaker).where(*still_open(now)))).one()


async def latest(session: AsyncSession, now: datetime) -> Sequence[Breaker]:
    """The open breakers, then those that closed lately, the newest first."""
    is_closed = case((and_(*still_open(now)), 0), else_=1)
    return (await session.exec(select(Breaker).order_by(is_closed, col(Breaker.id).desc()).limit(SHOWN))).all()


async def name_of(session: AsyncSession, scope: str, key: str) -> str:
    """What people call the one that a breaker is about."""
    if scope == Scope.PRODUCT:
        shop, _, sku = key.partition("/")
        found = await session.exec(select(Product.name).where(Product.shop == shop, Product.sku == sku))
        return found.first() or sku
    table: Any = {Scope.BUYER: Buyer, Scope.BATCH: Batch, Scope.SUPPLIER: Supplier, Scope.AGENT: Agent}.get(
        Scope(scope)
    )
    row = await session.get(table, int(key)) if table is not None else None
    return row.name if row is not None else key


async def _count(
    session: AsyncSession, watched: Mapping[Scope, str], since: Mapping[Scope, datetime]
) -> dict[Scope, int]:
    """The replacements since then, this one included."""
    counting = _counting(tuple(watched))
    keys: dict[str, Any] = {scope: int(key) if scope in NUMBERED else key for scope, key in watched.items()}
    begun = {f"{scope}_since": since[scope] for scope in watched}
    counts = await rows.in_one_trip(
        session,
        lambda connection: rows.find(connection, counting, oldest=min(since.values()), **keys, **begun),
    )
    return {scope: int(count or 0) for scope, count in zip(watched, counts or (), strict=True)}


@cache
def _recent(scopes: tuple[Scope, ...]) -> Select[Any]:
    """The breakers that are open, or closed later than `oldest`; their keys by the names of the scopes."""
    these = or_(*(and_(col(Breaker.scope) == scope, col(Breaker.key) == bindparam(str(scope))) for scope in scopes))
    recent = or_(col(Breaker.reset_at).is_(None), col(Breaker.reset_at) > bindparam("oldest"))
    return select_columns(col(Breaker.id)).where(these, recent).order_by(col(Breaker.id))


@cache
def _counting(scopes: tuple[Scope, ...]) -> Select[Any]:
    """The replacements of each scope since its own instant, none of them older than `oldest`."""
    by_bot = col(Replacement.issued_by) == BOT
    of: dict[Scope, ColumnElement[bool]] = {
        Scope.BUYER: by_bot & (col(Claim.buyer_id) == bindparam(Scope.BUYER)),
        Scope.PRODUCT: by_bot & (col(Claim.shop) + "/" + col(Claim.sku) == bindparam(Scope.PRODUCT)),
        Scope.BATCH: by_bot & (col(Claim.batch_id) == bindparam(Scope.BATCH)),
        Scope.SUPPLIER: by_bot & (col(Claim.supplier_id) == bindparam(Scope.SUPPLIER)),
        Scope.AGENT: col(Replacement.issued_by) == "agent:" + bindparam(Scope.AGENT, type_=String),
        Scope.HOUR: by_bot,
    }
    begun = {scope: col(Replacement.issued_at) > bindparam(f"{scope}_since") for scope in scopes}
    return (
        select_columns(*(func.sum(case((of[scope] & begun[scope], 1), else_=0)) for scope in scopes))
        .select_from(Replacement)
        .join(Claim, col(Claim.id) == col(Replacement.claim_id))
        .where(col(Replacement.issued_at) > bindparam("oldest"))
    )


async def _close(session: AsyncSession, now: datetime, breaker: Breaker, actor: str, at: datetime) -> bool:
    """Whether this call closed it."""
    still = (col(Breaker.id) == breaker.id, col(Breaker.reset_at).is_(None))
    closed = await session.exec(update(Breaker).where(*still).values(reset_at=at, reset_by=actor))
    if closed.rowcount:
        record(session, now, actor, "breaker.reset", f"breaker:{breaker.id}", {"open": True}, {"open": False})
    return bool(closed.rowcount)
