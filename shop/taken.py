"""Codes that came out of the stock of another shop: sealed at once, kept back until it is sure that they are ours."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.once import add_once
from audit.trail import record
from shop.codes import seal_code
from shop.port import Issued, Order
from shop.sources import find_or_add_batch, find_or_add_product
from shop.states import step
from shop.tables import Batch, Code, CodeState, Pool, Product, Supplier
from shop.vault import Vault

BATCH = "stock"  # of the codes that came this way; their supplier bears the name of the shop


def supplier_of(shop: str) -> str:
    return f"{shop} (stock)"


async def keep_taken(
    session: AsyncSession, now: datetime, vault: Vault, order: Order, issued: Issued, actor: str
) -> Code | None:
    """The code as a row of the reserve, not to be given yet; None when we have, or had, the same code already."""
    product = await find_or_add_product(session, order)
    batch = await find_or_add_batch(session, now, product.id, supplier_of(order.shop), BATCH, 0)
    held_back = CodeState.QUARANTINED
    code = seal_code(
        vault, product_id=product.id, batch_id=batch.id, text=issued.text, pool=Pool.RESERVE, state=held_back
    )
    if not await add_once(session, code):
        return None
    facts = {"from": f"{order.shop}/{issued.reference}", "state": held_back}
    record(session, now, actor, "code.taken", f"code:{code.id}", None, facts)
    return code


async def set_free(session: AsyncSession, now: datetime, code_id: int, actor: str, claim_id: int | None = None) -> bool:
    """Nobody else has it: a reserve code like any other, kept for the claim where one is named.

    False when it is not held back any more, or when its batch is.
    """
    held = select(Batch).join(Code, col(Code.batch_id) == col(Batch.id)).where(col(Code.id) == code_id)
    batch = (await session.exec(held.with_for_update(of=Batch).execution_options(populate_existing=True))).one()
    if batch.quarantined_at is not None or not await rows.in_one_trip(
        session, lambda connection: step(connection, code_id, CodeState.QUARANTINED, CodeState.FREE)
    ):
        return False
    state = CodeState.FREE
    if claim_id is not None:
        await rows.in_one_trip(
            session, lambda connection: step(connection, code_id, CodeState.FREE, CodeState.RESERVED, claim_id)
        )
        state = CodeState.RESERVED
    before, after = {"state": CodeState.QUARANTINED}, {"state": state, "claim": claim_id}
    record(session, now, actor, "code.cleared", f"code:{code_id}", before, after)
    return True


async def is_kept_back(session: AsyncSession, shop: str, sku: str) -> bool:
    """Whether what came out of this stock before was so bad that its batch is kept back: no more of it is given."""
    kept = (
        select(Batch.id)
        .join(Product, col(Product.id) == col(Batch.product_id))
        .join(Supplier, col(Supplier.id) == col(Batch.supplier_id))
        .where(Product.shop == shop, Product.sku == sku, Supplier.name == supplier_of(shop), Batch.name == BATCH)
        .where(col(Batch.quarantined_at).is_not(None))
    )
    return (await session.exec(kept.limit(1))).first() is not None
