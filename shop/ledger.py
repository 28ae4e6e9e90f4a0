"""The ledger of replacements: which reserve code went out for which sold code. No code leaves without its row here.

Two guards make a second issue impossible: a code is taken by a compare-and-set of its state, and unique constraints
allow one replacement per claim and per replaced code. Reading first only gives the better answer.
"""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from audit.trail import record
from shop.codes import read_code
from shop.errors import AlreadyReplaced, ChainTooLong, PoolEmpty, SealBroken
from shop.port import CodeRef, Order
from shop.reveals import close_links, was_seen
from shop.states import OUT, move, quarantine
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
    try:
        async with session.begin_nested():
            code, state = await _take_for(session, now, vault, order, claim_id, actor)
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
            session.add(replacement)
    except IntegrityError:
        # Another transaction replaced it between our look and our write; the code that we took is back.
        await _refuse_second(session, claim_id, order, replaced)
        raise
    after = {"claim": claim_id, "order": f"{order.shop}/{order.order_no}", "replaces": replaced.masked, "chain": chain}
    record(session, now, actor, "code.issued", f"code:{replacement.code_id}", {"state": state}, after)
    if before is not None:
        await _call_back(session, now, before.code_id, actor, "replaced")
    return replacement


async def reserve(
    session: AsyncSession, now: datetime, vault: Vault, *, claim_id: int, order: Order, actor: str
) -> None:
    """Keep one reserve code for a claim whose decision takes time; it has one at most. Raises `PoolEmpty`."""
    if await _find_reserved(session, claim_id) is None:
        code = await _take(session, now, vault, order, CodeState.RESERVED, actor, claim_id)
        record(session, now, actor, "code.reserved", f"code:{code.id}", {"state": CodeState.FREE}, {"claim": claim_id})


async def release(session: AsyncSession, now: datetime, claim_id: int, actor: str) -> None:
    """The claim was decided otherwise: the code that was kept for it is free again."""
    code = await _find_reserved(session, claim_id)
    if code is not None and await move(session, code.id, CodeState.RESERVED, CodeState.FREE, claim_id):
        record(session, now, actor, "code.released", f"code:{code.id}", {"claim": claim_id}, {"state": CodeState.FREE})


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


async def _take_for(
    session: AsyncSession, now: datetime, vault: Vault, order: Order, claim_id: int, actor: str
) -> tuple[Code, CodeState]:
    """The code that is kept for the claim, else a free one: issued from here on, and the state that it had."""
    kept = await _find_reserved(session, claim_id)
    if kept is not None and await move(session, kept.id, CodeState.RESERVED, CodeState.ISSUED, claim_id):
        return kept, CodeState.RESERVED
    return await _take(session, now, vault, order, CodeState.ISSUED, actor, claim_id), CodeState.FREE


async def _find_reserved(session: AsyncSession, claim_id: int) -> Code | None:
    return (await session.exec(select(Code).where(col(Code.reserved_for) == claim_id))).first()


async def _take(
    session: AsyncSession, now: datetime, vault: Vault, order: Order, state: CodeState, actor: str, claim_id: int
) -> Code:
    """Move one reserve code that can be read from free to `state`."""
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
            # A code that nobody can read any more must not be promised to a buyer.
            await quarantine(session, now, code.id, CodeState.FREE, actor, "seal broken")
            continue
        if await move(session, code.id, CodeState.FREE, state, claim_id):
            return code
    raise PoolEmpty(sku=sku)


async def _call_back(session: AsyncSession, now: datetime, code_id: int, actor: str, why: str) -> None:
    """A replacement that was replaced or refunded is out of use: nobody may open it any more."""
    # Locked: who opens its link in this moment comes before us or finds it gone.
    code = await session.get_one(Code, code_id, with_for_update=True)
    if code.state in OUT:
        await quarantine(session, now, code_id, CodeState(code.state), actor, why)
    await close_links(session, now, code_id, actor=actor)
