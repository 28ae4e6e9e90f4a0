"""The ledger of replacements: which reserve code went out for which sold code. No code leaves without its row here.

Two guards make a second issue impossible: a code is taken by a compare-and-set of its state, and unique constraints
allow one replacement per claim and per replaced code. Reading first only gives the better answer.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import and_, col, or_
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record_now
from shop import reveals
from shop.codes import read_code
from shop.errors import AlreadyReplaced, ChainTooLong, PoolEmpty, SealBroken
from shop.port import CodeRef, Order
from shop.states import OUT, keep_back, step
from shop.tables import Code, CodeState, Pool, Product, Replacement
from shop.vault import Vault

CHAIN_LIMIT = 2  # a replacement and its replacement; what follows is for a person


@dataclass(frozen=True, slots=True)
class Wanted:
    """For which claim a code goes out or is kept, of which order's product, and who says so."""

    now: datetime
    claim_id: int
    order: Order
    actor: str


class Candidate(NamedTuple):
    """A code that may go out, sealed."""

    id: int
    product_id: int
    seal_id: str
    key_id: str
    ciphertext: bytes
    fingerprint: str


class Before(NamedTuple):
    """A replacement that stands beside the one that is wanted."""

    claim_id: int
    replaced_fingerprint: str
    code_id: int
    chain: int


async def issue_replacement(
    session: AsyncSession,
    now: datetime,
    vault: Vault,
    *,
    claim_id: int,
    order: Order,
    replaced: CodeRef,
    actor: str,
    may_lengthen: bool = False,
) -> Replacement:
    """Take one reserve code of the order's product for `replaced` and write it down.

    Raises `AlreadyReplaced`, `PoolEmpty` or, unless a person `may_lengthen` the chain, `ChainTooLong`; the transaction
    stays usable.
    """
    wanted = Wanted(now, claim_id, order, actor)
    return await rows.in_one_trip(session, lambda connection: _issue(connection, vault, wanted, replaced, may_lengthen))


def _issue(connection: Connection, vault: Vault, wanted: Wanted, replaced: CodeRef, may_lengthen: bool) -> Replacement:
    before = _find_before(connection, wanted, replaced)
    chain = _next_link(before, wanted.order, may_lengthen)
    try:
        with connection.begin_nested():
            code, state = _take_for(connection, vault, wanted)
            replacement = _replacement(wanted, replaced, code, chain)
            rows.enter(connection, replacement)
    except IntegrityError:
        # Another transaction replaced it between our look and our write; the code that we took is back.
        _find_before(connection, wanted, replaced)
        raise
    place = f"{wanted.order.shop}/{wanted.order.order_no}"
    after = {"claim": wanted.claim_id, "order": place, "replaces": replaced.masked, "chain": chain}
    record_now(connection, wanted.now, wanted.actor, "code.issued", f"code:{code.id}", {"state": state}, after)
    if before is not None:
        _call_back(connection, wanted.now, before.code_id, wanted.actor, "replaced")
    return replacement


def _replacement(wanted: Wanted, replaced: CodeRef, code: Candidate, chain: int) -> Replacement:
    return Replacement(
        claim_id=wanted.claim_id,
        shop=wanted.order.shop,
        order_no=wanted.order.order_no,
        replaced_fingerprint=replaced.fingerprint,
        code_id=code.id,
        fingerprint=code.fingerprint,
        chain=chain,
        issued_at=wanted.now,
        issued_by=wanted.actor,
    )


async def reserve(
    session: AsyncSession, now: datetime, vault: Vault, *, claim_id: int, order: Order, actor: str
) -> None:
    """Keep one reserve code for a claim whose decision takes time; it has one at most. Raises `PoolEmpty`."""
    wanted = Wanted(now, claim_id, order, actor)
    await rows.in_one_trip(session, lambda connection: _reserve(connection, vault, wanted))


def _reserve(connection: Connection, vault: Vault, wanted: Wanted) -> None:
    if _find_kept(connection, wanted.claim_id) is None:
        code = _take(connection, vault, wanted, CodeState.RESERVED)
        before, after = {"state": CodeState.FREE}, {"claim": wanted.claim_id}
        record_now(connection, wanted.now, wanted.actor, "code.reserved", f"code:{code.id}", before, after)


async def release(session: AsyncSession, now: datetime, claim_id: int, actor: str) -> None:
    """The claim was decided otherwise: the code that was kept for it is free again."""
    await rows.in_one_trip(session, lambda connection: _release(connection, now, claim_id, actor))


def _release(connection: Connection, now: datetime, claim_id: int, actor: str) -> None:
    code = _find_kept(connection, claim_id)
    if code is not None and step(connection, code.id, CodeState.RESERVED, CodeState.FREE, claim_id):
        before, after = {"claim": claim_id}, {"state": CodeState.FREE}
        record_now(connection, now, actor, "code.released", f"code:{code.id}", before, after)


async def withdraw(session: AsyncSession, now: datetime, code_id: int, actor: str) -> bool:
    """Put a replacement out of use that nobody has seen; False, and it stays in use, when somebody has.

    Links are closed before we look: who opens one in this moment is waited for, and has seen it.
    """
    return await rows.in_one_trip(session, lambda connection: _withdraw(connection, now, code_id, actor))


def _withdraw(connection: Connection, now: datetime, code_id: int, actor: str) -> bool:
    reveals.close(connection, now, code_id, actor)
    if reveals.is_opened(connection, code_id):
        return False
    _call_back(connection, now, code_id, actor, "refunded")
    return True


async def find_replacement(session: AsyncSession, shop: str, order_no: str, fingerprint: str) -> Replacement | None:
    """What was issued for this code of this order."""
    place = {"shop": shop, "order_no": order_no, "fingerprint": fingerprint}
    return (await session.exec(_FOR_CODE, params=place)).first()


async def find_issued(session: AsyncSession, shop: str, order_no: str, fingerprint: str) -> Replacement | None:
    """The replacement that gave this code to this order; None of a code that was sold."""
    place = {"shop": shop, "order_no": order_no, "fingerprint": fingerprint}
    return (await session.exec(_THAT_GAVE, params=place)).first()


async def find_last(session: AsyncSession, shop: str, order_no: str, fingerprint: str) -> Replacement | None:
    """The end of the chain that began with this code of this order; None when nothing was issued for it."""
    last = None
    while (found := await find_replacement(session, shop, order_no, fingerprint)) is not None:
        last, fingerprint = found, found.fingerprint
    return last


async def find_granted(session: AsyncSession, claim_id: int) -> Replacement | None:
    """What was issued for this claim."""
    return (await session.exec(_FOR_CLAIM, params={"claim": claim_id})).first()


async def codes_issued(session: AsyncSession, shop: str, order_no: str, after: int = 0) -> list[CodeRef]:
    """The replacements of an order as codes of it, oldest first, numbered from `after` + 1."""
    found = await session.exec(
        select_rows(Code.fingerprint, Code.masked)
        .join(Replacement, col(Replacement.code_id) == col(Code.id))
        .where(col(Replacement.shop) == shop, col(Replacement.order_no) == order_no)
        .order_by(col(Replacement.id))
    )
    return [CodeRef(fingerprint, masked, position) for position, (fingerprint, masked) in enumerate(found, after + 1)]


async def count_reserve(session: AsyncSession, shop: str, sku: str) -> int:
    """How many replacements of this product can still be issued."""
    reserve = _free_reserve(shop, sku).subquery()
    return (await session.exec(select_rows(func.count()).select_from(reserve))).one()


def _free_reserve(shop: Any, sku: Any) -> Select[Any]:
    # Not a join: PostgreSQL does not see that its one product leaves the codes in the order of their index, and walks
    # through all that ever were.
    product = select(col(Product.id)).where(col(Product.shop) == shop, col(Product.sku) == sku).scalar_subquery()
    return (
        select(*(getattr(Code, name) for name in Candidate._fields))
        .where(col(Code.product_id) == product, col(Code.pool) == Pool.RESERVE)
        # Written out: a database takes a partial index only for the words that it was made with.
        .where(col(Code.state) == literal_column(f"'{CodeState.FREE}'"))
    )


# PostgreSQL passes over codes that other transactions hold; SQLite has one writer and leaves these words out.
_NEXT_FREE = (
    _free_reserve(bindparam("shop"), bindparam("sku"))
    .order_by(col(Code.id))
    .limit(literal_column("1"))
    .with_for_update(of=Code, skip_locked=True, key_share=True)
)
_KEPT = select(*(getattr(Code, name) for name in Candidate._fields)).where(col(Code.reserved_for) == bindparam("claim"))
_OF_ORDER = (col(Replacement.shop) == bindparam("shop")) & (col(Replacement.order_no) == bindparam("order_no"))
_FOR_CODE = select_rows(Replacement).where(_OF_ORDER, col(Replacement.replaced_fingerprint) == bindparam("fingerprint"))
_THAT_GAVE = select_rows(Replacement).where(_OF_ORDER, col(Replacement.fingerprint) == bindparam("fingerprint"))
_FOR_CLAIM = select_rows(Replacement).where(col(Replacement.claim_id) == bindparam("claim"))
_HELD_STATE = select(col(Code.state)).where(col(Code.id) == bindparam("code")).with_for_update()
_BESIDE = select(*(getattr(Replacement, name) for name in Before._fields)).where(
    or_(
        col(Replacement.claim_id) == bindparam("claim"),
        and_(_OF_ORDER, col(Replacement.replaced_fingerprint) == bindparam("replaced")),
        and_(_OF_ORDER, col(Replacement.fingerprint) == bindparam("replaced")),
    )
)


def _find_before(connection: Connection, wanted: Wanted, replaced: CodeRef) -> Before | None:
    """The replacement that gave this code to the order; raises `AlreadyReplaced`."""
    place = {"shop": wanted.order.shop, "order_no": wanted.order.order_no}
    found = rows.find_all(connection, _BESIDE, claim=wanted.claim_id, replaced=replaced.fingerprint, **place)
    beside = [Before(*row) for row in found]
    if any(wanted.claim_id == one.claim_id or replaced.fingerprint == one.replaced_fingerprint for one in beside):
        raise AlreadyReplaced(order_no=wanted.order.order_no)
    return beside[0] if beside else None


def _next_link(before: Before | None, order: Order, may_lengthen: bool) -> int:
    """Where a replacement stands in its chain: 1 after a sold code, 2 after the replacement `before`."""
    chain = before.chain + 1 if before else 1
    if chain > CHAIN_LIMIT and not may_lengthen:
        raise ChainTooLong(order_no=order.order_no)
    return chain


def _take_for(connection: Connection, vault: Vault, wanted: Wanted) -> tuple[Candidate, CodeState]:
    """The code that is kept for the claim, else a free one: issued from here on, and the state that it had."""
    kept = _find_kept(connection, wanted.claim_id)
    if kept is not None and step(connection, kept.id, CodeState.RESERVED, CodeState.ISSUED, wanted.claim_id):
        return kept, CodeState.RESERVED
    return _take(connection, vault, wanted, CodeState.ISSUED), CodeState.FREE


def _find_kept(connection: Connection, claim_id: int) -> Candidate | None:
    found = rows.find(connection, _KEPT, claim=claim_id)
    return Candidate(*found) if found else None


def _take(connection: Connection, vault: Vault, wanted: Wanted, state: CodeState) -> Candidate:
    """Move one reserve code that can be read from free to `state`."""
    product = {"shop": wanted.order.shop, "sku": wanted.order.goods.sku}
    while (found := rows.find(connection, _NEXT_FREE, **product)) is not None:
        code = Candidate(*found)
        try:
            read_code(vault, code)
        except SealBroken:
            # A code that nobody can read any more must not be promised to a buyer.
            keep_back(connection, wanted.now, code.id, CodeState.FREE, wanted.actor, "seal broken")
            continue
        if step(connection, code.id, CodeState.FREE, state, wanted.claim_id):
            return code
    raise PoolEmpty(sku=wanted.order.goods.sku)


def _call_back(connection: Connection, now: datetime, code_id: int, actor: str, why: str) -> None:
    """A replacement that was replaced or refunded is out of use: nobody may open it any more."""
    # Locked: who opens its link in this moment comes before us or finds it gone.
    ((state,),) = rows.find_all(connection, _HELD_STATE, code=code_id)
    if state in OUT:
        keep_back(connection, now, code_id, CodeState(state), actor, why)
    reveals.close(connection, now, code_id, actor)
