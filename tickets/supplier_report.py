"""What suppliers are worth: how many of their codes turned out bad, how fast they answer, and what they owe.

Two cohorts, each by its own instant: codes by when they went out, questions by when the complaint was sent.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import func, literal
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.batches import count_out, count_states, outgoings
from shop.tables import Batch, Code, Product, Supplier
from tickets.supplier_checks import SILENT
from tickets.tables import BatchIncident, Claim, Outcome, SupplierCheck, Ticket

ACCEPTED = frozenset({Outcome.REPLACE, Outcome.REFUND, Outcome.PARTIAL_REFUND})  # the shop found the code to be bad


class Claimed(NamedTuple):
    """A claim about a code of a cohort; a foreign shop's code is none of ours, and when it went out is not known."""

    claim: Claim
    code_id: int | None
    out_at: datetime | None
    batch: Batch
    number: str | None  # of its ticket; None: the bot settled it
    check: SupplierCheck | None

    @property
    def is_accepted(self) -> bool:
        return self.claim.outcome in ACCEPTED


class Asked(NamedTuple):
    """A question to a supplier."""

    check: SupplierCheck
    claim: Claim
    number: str | None

    @property
    def waited(self) -> timedelta | None:
        """How long the answer took; None while there is none."""
        answered_at = self.check.answered_at
        return answered_at - self.check.asked_at if answered_at and self.check.answer != SILENT else None


class Gone(NamedTuple):
    """A code that went out."""

    code: Code
    batch: Batch
    at: datetime
    order_no: str


def _codes(rows: Iterable[Claimed]) -> int:
    return len({row.claim.fingerprint for row in rows})


@dataclass(frozen=True, slots=True)
class Defects:
    """Of `out` codes, those that were claimed to be bad, and those that were found to be."""

    out: int
    claims: tuple[Claimed, ...]  # the newest first

    @property
    def accepted(self) -> tuple[Claimed, ...]:
        return tuple(row for row in self.claims if row.is_accepted)

    @property
    def claimed_codes(self) -> int:
        return _codes(self.claims)

    @property
    def bad_codes(self) -> int:
        return _codes(self.accepted)

    @property
    def bad_of_out(self) -> int:
        """The bad codes among those counted in `out`: foreign ones are not."""
        return _codes(row for row in self.accepted if row.code_id is not None)

    @property
    def rate(self) -> float | None:
        """Bad codes of those that went out; None of none."""
        return self.bad_of_out / self.out if self.out else None

    @property
    def first_bad(self) -> Claimed | None:
        """The first claim that was found to be true."""
        return min(self.accepted, key=lambda row: row.claim.created_at, default=None)


@dataclass(frozen=True, slots=True)
class SupplierFigures:
    """One supplier in a span."""

    supplier: Supplier
    defects: Defects
    asked: tuple[Asked, ...]  # the newest first

    @property
    def answered(self) -> tuple[Asked, ...]:
        return tuple(row for row in self.asked if row.waited is not None)

    @property
    def silent(self) -> tuple[Asked, ...]:
        return tuple(row for row in self.asked if row.check.answer == SILENT)

    @property
    def open(self) -> tuple[Asked, ...]:
        return tuple(row for row in self.asked if row.check.answered_at is None)

    @property
    def owing(self) -> tuple[Asked, ...]:
        return tuple(row for row in self.asked if row.check.owed)

    @property
    def median_answer(self) -> timedelta | None:
        """Of those that answered, from when the complaint was sent."""
        waits = [row.waited.total_seconds() for row in self.answered if row.waited is not None]
        return timedelta(seconds=median(waits)) if waits else None

    @property
    def owed(self) -> dict[str, int]:
        """Minor units by currency."""
        sums: Counter[str] = Counter()
        for row in self.owing:
            sums[row.claim.currency] += row.check.owed
        return dict(sorted(sums.items()))


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """One batch since it came."""

    batch: Batch
    supplier: Supplier
    product: Product
    left: int  # codes that can still go out
    kept_back: int
    defects: Defects
    incident: str | None  # number of its ticket


async def supplier_figures(session: AsyncSession, start: datetime, end: datetime) -> list[SupplierFigures]:
    """Every supplier, the worst rate first: codes that went out and questions that were asked from `start` to `end`.

    Of codes of foreign shops those that were claimed then.
    """
    suppliers = (await session.exec(select(Supplier).order_by(col(Supplier.name)))).all()
    out = await _count_out(session, start, end)
    claims: dict[int, list[Claimed]] = defaultdict(list)
    foreign = await _foreign(session, [col(Claim.created_at) >= start, col(Claim.created_at) < end])
    for row in [*foreign, *await _claimed(session, _went_out(start, end))]:
        claims[row.batch.supplier_id].append(row)
    asked = await _asked(session, start, end)
    figures = [
        SupplierFigures(one, Defects(out.get(one.id, 0), tuple(claims[one.id])), tuple(asked[one.id]))
        for one in suppliers
    ]
    return sorted(figures, key=lambda one: -(one.defects.rate or 0))


async def batch_figures(session: AsyncSession, supplier_id: int | None = None, limit: int = 200) -> list[BatchFigures]:
    """The batches that are kept back, then those that came last; each the newest first."""
    wanted = (
        select(Batch, Supplier, Product, Ticket.number)
        .join(Supplier, col(Supplier.id) == col(Batch.supplier_id))
        .join(Product, col(Product.id) == col(Batch.product_id))
        .join(BatchIncident, col(BatchIncident.batch_id) == col(Batch.id), isouter=True)
        .join(Ticket, col(Ticket.id) == col(BatchIncident.ticket_id), isouter=True)
        .order_by(col(Batch.quarantined_at).is_(None), col(Batch.arrived_at).desc(), col(Batch.id).desc())
        .limit(limit)
    )
    if supplier_id is not None:
        wanted = wanted.where(Batch.supplier_id == supplier_id)
    rows = (await session.exec(wanted)).all()
    ids = [batch.id for batch, *_ in rows]
    out, states = await count_out(session, ids), await count_states(session, ids)
    claims: dict[int, list[Claimed]] = defaultdict(list)
    foreign = await _foreign(session, [col(Claim.batch_id).in_(ids)])
    for row in [*foreign, *await _claimed(session, [col(Code.batch_id).in_(ids)])]:
        claims[row.batch.id].append(row)
    return [
        BatchFigures(
            batch,
            supplier,
            product,
            left=states.get((batch.id, "free"), 0) + states.get((batch.id, "reserved"), 0),
            kept_back=states.get((batch.id, "quarantined"), 0),
            defects=Defects(out.get(batch.id, 0), tuple(claims[batch.id])),
            incident=number,
        )
        for batch, supplier, product, number in rows
    ]


async def codes_out(session: AsyncSession, start: datetime, end: datetime, supplier_id: int, limit: int) -> list[Gone]:
    """The codes of a supplier that went out, the latest first."""
    found = await session.exec(
        select(Code, Batch, _OUT.c.at, _OUT.c.order_no)
        .join(Batch, col(Batch.id) == col(Code.batch_id))
        .join(_OUT, _OUT.c.code_id == col(Code.id))
        .where(col(Batch.supplier_id) == supplier_id, *_went_out(start, end))
        .order_by(_OUT.c.at.desc(), col(Code.id).desc())
        .limit(limit)
    )
    return [Gone(*row) for row in found.all()]


_OUT = outgoings().subquery("out")


def _went_out(start: datetime, end: datetime) -> Sequence[Any]:
    return [_OUT.c.at >= start, _OUT.c.at < end]


async def _count_out(session: AsyncSession, start: datetime, end: datetime) -> dict[int, int]:
    counted = (
        select(Batch.supplier_id, func.count())
        .join(Code, col(Code.batch_id) == col(Batch.id))
        .join(_OUT, _OUT.c.code_id == col(Code.id))
        .where(*_went_out(start, end))
        .group_by(col(Batch.supplier_id))
    )
    return dict((await session.exec(counted)).all())


async def _claimed(session: AsyncSession, which: Collection[Any]) -> list[Claimed]:
    """The claims about our codes that went out, the newest first."""
    columns: tuple[Any, ...] = (Claim, Code.id, _OUT.c.at, Batch, Ticket.number, SupplierCheck)
    claimed: Any = (  # more columns than `select` has types for
        select_columns(*columns)
        .join(Code, col(Code.fingerprint) == col(Claim.fingerprint))
        .join(_OUT, _OUT.c.code_id == col(Code.id))
        .join(Batch, col(Batch.id) == col(Code.batch_id))
        .join(Ticket, col(Ticket.id) == col(Claim.ticket_id), isouter=True)
        .join(SupplierCheck, col(SupplierCheck.claim_id) == col(Claim.id), isouter=True)
        .where(*which)
        .order_by(col(Claim.id).desc())
    )
    found = await session.exec(claimed)
    return [Claimed(*row) for row in found.all()]


async def _foreign(session: AsyncSession, which: Collection[Any]) -> list[Claimed]:
    """The claims about codes of other shops whose batch is known, the newest first."""
    columns: tuple[Any, ...] = (Claim, literal(None), literal(None), Batch, Ticket.number, SupplierCheck)
    claimed: Any = (
        select_columns(*columns)
        .join(Batch, col(Batch.id) == col(Claim.batch_id))
        .join(Ticket, col(Ticket.id) == col(Claim.ticket_id), isouter=True)
        .join(SupplierCheck, col(SupplierCheck.claim_id) == col(Claim.id), isouter=True)
        .where(*which, ~select(Code.id).where(col(Code.fingerprint) == col(Claim.fingerprint)).exists())
        .order_by(col(Claim.id).desc())
    )
    return [Claimed(*row) for row in (await session.exec(claimed)).all()]


async def _asked(session: AsyncSession, start: datetime, end: datetime) -> dict[int, list[Asked]]:
    found = await session.exec(
        select(SupplierCheck, Claim, Ticket.number)
        .join(Claim, col(Claim.id) == col(SupplierCheck.claim_id))
        .join(Ticket, col(Ticket.id) == col(Claim.ticket_id), isouter=True)
        .where(col(SupplierCheck.asked_at) >= start, col(SupplierCheck.asked_at) < end)
        .order_by(col(SupplierCheck.id).desc())
    )
    asked: dict[int, list[Asked]] = defaultdict(list)
    for row in found.all():
        asked[row[0].supplier_id].append(Asked(*row))
    return asked
