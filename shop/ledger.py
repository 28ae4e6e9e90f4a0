"""The ledger of replacements: which reserve code went out for which sold code. No code leaves without its row here.

Two guards make a second issue impossible: a code is taken by a compare-and-set of its state, and unique constraints
allow one replacement per claim and per replaced code. Reading first only gives the better answer.
"""

from datetime import datetime

from sqlalchemy import func, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from audit.trail import record
from shop.codes import read_code
from shop.errors import AlreadyReplaced, ChainTooLong, PoolEmpty, SealBroken
from shop.port import CodeRef, Order
from shop.reveals import close_links, was_seen
from shop.tables import Code, CodeState, Pool, Product, Replacement
from shop.vault import Vault

CHAIN_LIMIT = 2  # a replacement and its replacement; what follows is for a person


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
    await _refuse_second(session, claim_id, order, replaced)
    before = await find_issued(session, order.shop, order.order_no, replaced.fingerprint)
    chain = _next_link(before, order, may_lengthen)
    code = await _take_reserve_code(session, now, vault, order, actor)
    replacement = Replacement(
        claim_id=claim_id,
        shop=order.shop,
        order_no=order.order_no,
        replaced_fingerprint=replaced.fingerprint,
        code_id=code.id,
        fingerprint=code.fingerprint,
        chain=chain,
        issued_at=now,
        issued_by=actor,
    )
    try:
        async with session.begin_nested():
            session.add(replacement)
    except IntegrityError:
        # Another transaction replaced it between our look and our write: the code that we took goes back.
        await _move(session, code, CodeState.ISSUED, CodeState.FREE)
        await _refuse_second(session, claim_id, order, replaced)
        raise
    after = {"claim": claim_id, "order": f"{order.shop}/{order.order_no}", "replaces": replaced.masked, "chain": chain}
    record(session, now, actor, "code.issued", f"code:{code.id}", {"state": CodeState.FREE}, after)
    if before is not None:
        await _call_back(session, now, before.code_id, actor, "replaced")
    return replacement


async def withdraw(session: AsyncSession, now: datetime, code_id: int, actor: str) -> bool:
    """Put a replacement out of use that nobody has seen; False, and it stays in use, when somebody has.

    Links are closed before we look: who opens one in this moment is waited for, and has seen it.
    """
    await close_links(session, now, code_id, actor=actor)
    if await was_seen(session, code_id):
        return False
    await _call_back(session, now, code_id, actor, "refunded")
    return True


async def find_replacement(session: AsyncSession, shop: str, order_no: str, fingerprint: str) -> Replacement | None:
    """What was issued for this code of this order."""
    found = await session.exec(
        _replacements_of(shop, order_no).where(col(Replacement.replaced_fingerprint) == fingerprint)
    )
    return found.first()


async def find_issued(session: AsyncSession, shop: str, order_no: str, fingerprint: str) -> Replacement | None:
    """The replacement that gave this code to this order; None of a code that was sold."""
    found = await session.exec(_replacements_of(shop, order_no).where(col(Replacement.fingerprint) == fingerprint))
    return found.first()


async def find_last(session: AsyncSession, shop: str, order_no: str, fingerprint: str) -> Replacement | None:
    """The end of the chain that began with this code of this order; None when nothing was issued for it."""
    last = None
    while (found := await find_replacement(session, shop, order_no, fingerprint)) is not None:
        last, fingerprint = found, found.fingerprint
    return last


async def find_granted(session: AsyncSession, claim_id: int) -> Replacement | None:
    """What was issued for this claim."""
    return (await session.exec(select(Replacement).where(col(Replacement.claim_id) == claim_id))).first()


async def codes_issued(session: AsyncSession, shop: str, order_no: str, after: int = 0) -> list[CodeRef]:
    """The replacements of an order as codes of it, oldest first, numbered from `after` + 1."""
    found = await session.exec(
        select(Code.fingerprint, Code.masked)
        .join(Replacement, col(Replacement.code_id) == col(Code.id))
        .where(col(Replacement.shop) == shop, col(Replacement.order_no) == order_no)
        .order_by(col(Replacement.id))
    )
    return [CodeRef(fingerprint, masked, position) for position, (fingerprint, masked) in enumerate(found, after + 1)]


async def count_reserve(session: AsyncSession, shop: str, sku: str) -> int:
    """How many replacements of this product can still be issued."""
    reserve = _free_reserve(shop, sku).subquery()
    return (await session.exec(select(func.count()).select_from(reserve))).one()


def _replacements_of(shop: str, order_no: str) -> SelectOfScalar[Replacement]:
    return select(Replacement).where(col(Replacement.shop) == shop, col(Replacement.order_no) == order_no)


def _free_reserve(shop: str, sku: str) -> SelectOfScalar[Code]:
    return (
        select(Code)
        .join(Product, col(Product.id) == col(Code.product_id))
        .where(col(Product.shop) == shop, col(Product.sku) == sku)
        .where(col(Code.pool) == Pool.RESERVE, col(Code.state) == CodeState.FREE)
    )


async def _refuse_second(session: AsyncSession, claim_id: int, order: Order, replaced: CodeRef) -> None:
    of_code = (
        (col(Replacement.shop) == order.shop)
        & (col(Replacement.order_no) == order.order_no)
        & (col(Replacement.replaced_fingerprint) == replaced.fingerprint)
    )
    found = await session.exec(select(Replacement.id).where(or_(col(Replacement.claim_id) == claim_id, of_code)))
    if found.first() is not None:
        raise AlreadyReplaced(order_no=order.order_no)


def _next_link(before: Replacement | None, order: Order, may_lengthen: bool) -> int:
    """Where a replacement stands in its chain: 1 after a sold code, 2 after the replacement `before`."""
    chain = before.chain + 1 if before else 1
    if chain > CHAIN_LIMIT and not may_lengthen:
        raise ChainTooLong(order_no=order.order_no)
    return chain


async def _take_reserve_code(session: AsyncSession, now: datetime, vault: Vault, order: Order, actor: str) -> Code:
    sku = order.goods.sku
    # PostgreSQL passes over codes that other transactions hold; SQLite has one writer and leaves these words out.
    candidates = (
        _free_reserve(order.shop, sku)
        .order_by(col(Code.id))
        .limit(1)
        .with_for_update(of=Code, skip_locked=True, key_share=True)
    )
    while (code := (await session.exec(candidates)).first()) is not None:
        try:
            read_code(vault, code)
        except SealBroken:
            await _quarantine(session, now, code, actor)
            continue
        if await _move(session, code, CodeState.FREE, CodeState.ISSUED):
            return code
    raise PoolEmpty(sku=sku)


async def _call_back(session: AsyncSession, now: datetime, code_id: int, actor: str, why: str) -> None:
    """A replacement that was replaced or refunded is out of use: nobody may open it any more."""
    code = await session.get_one(Code, code_id)
    if await _move(session, code, CodeState.ISSUED, CodeState.QUARANTINED):
        before, after = {"state": CodeState.ISSUED}, {"state": CodeState.QUARANTINED, "why": why}
        record(session, now, actor, "code.quarantined", f"code:{code_id}", before, after)
    await close_links(session, now, code_id, actor=actor)


async def _quarantine(session: AsyncSession, now: datetime, code: Code, actor: str) -> None:
    """A code that nobody can read any more must not be promised to a buyer."""
    if await _move(session, code, CodeState.FREE, CodeState.QUARANTINED):
        before, after = {"state": CodeState.FREE}, {"state": CodeState.QUARANTINED, "why": "seal broken"}
        record(session, now, actor, "code.quarantined", f"code:{code.id}", before, after)


async def _move(session: AsyncSession, code: Code, old: CodeState, new: CodeState) -> bool:
    """Compare-and-set: whether this call, and no other, moved the code from `old` to `new`."""
    moved = await session.exec(update(Code).where(col(Code.id) == code.id, col(Code.state) == old).values(state=new))
    return bool(moved.rowcount == 1)
