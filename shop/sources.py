"""Suppliers, products and batches as rows: found by name, or added when a file or a foreign shop names them first."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, bindparam, literal_column
from sqlalchemy import select as select_columns
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.once import add_once
from shop.port import Order, Origin
from shop.provenance import Source
from shop.tables import Batch, Code, Product, Supplier

NAMELESS = "?"  # the supplier that nobody named
Row = TypeVar("Row", bound=SQLModel)
_SAME: Any = (
    select_columns(col(Batch.id), col(Batch.supplier_id))
    .join(Supplier, col(Supplier.id) == col(Batch.supplier_id))
    .where(col(Supplier.name) == bindparam("supplier"))
    .where(col(Batch.product_id) == bindparam("product"), col(Batch.name) == bindparam("name"))
    .order_by(col(Batch.id))
    .limit(literal_column("1"))
)


class BatchIds(NamedTuple):
    """A batch, and who it came from."""

    id: int
    supplier_id: int


async def learn_sources(
    session: AsyncSession, now: datetime, order: Order, origins: Mapping[str, Origin]
) -> dict[str, Source]:
    """Where the shop says that codes of its order came from, as rows, by fingerprint; our own codes are left out.

    The batches are held until the transaction ends, in the order of their ids, as whoever weighs them holds them.
    """
    ours = select(Code.fingerprint).where(col(Code.fingerprint).in_(origins))
    known = set((await session.exec(ours)).all()) if origins else set()
    foreign = {fingerprint: origin for fingerprint, origin in origins.items() if fingerprint not in known}
    found: dict[Origin, Source] = {}
    for origin in sorted(set(foreign.values()), key=lambda one: (one.supplier, one.batch, one.order_no, one.cost or 0)):
        found[origin] = await _learn(session, now, order, origin)
    batch_ids = {source.batch_id for source in found.values() if source.batch_id is not None}
    if batch_ids:
        held = select(Batch.id).where(col(Batch.id).in_(batch_ids)).order_by(col(Batch.id)).with_for_update()
        await session.exec(held)
    return {fingerprint: found[origin] for fingerprint, origin in foreign.items()}


async def find_or_add_batch(
    session: AsyncSession,
    now: datetime,
    product_id: int,
    supplier: str,
    name: str,
    cost: int,
    file_id: int | None = None,
) -> BatchIds:
    """The batch of this name from this supplier; "" is the supplier that nobody named. Of many at once one adds it."""
    same = {"supplier": supplier or NAMELESS, "product": product_id, "name": name}
    if (known := await _find_batch(session, same)) is not None:
        return known
    source = await _find_or_add_supplier(session, supplier)
    # Batches may share a name, so no constraint decides who is first: whoever holds the supplier is.
    await session.exec(select(Supplier.id).where(col(Supplier.id) == source.id).with_for_update())
    if (known := await _find_batch(session, same)) is not None:
        return known
    batch = Batch(supplier_id=source.id, product_id=product_id, name=name, arrived_at=now, cost=cost, import_id=file_id)
    session.add(batch)
    await session.flush()
    return BatchIds(batch.id, source.id)


async def _find_batch(session: AsyncSession, same: dict[str, Any]) -> BatchIds | None:
    found = await rows.in_one_trip(session, lambda connection: rows.find(connection, _SAME, **same))
    return BatchIds(*found) if found else None


async def _learn(session: AsyncSession, now: datetime, order: Order, origin: Origin) -> Source:
    """Of a batch without a name only the supplier is kept: codes that may have come apart are not counted together."""
    if not origin.batch:
        return Source((await _find_or_add_supplier(session, origin.supplier)).id, None)
    product = await find_or_add_product(session, order)
    batch = await find_or_add_batch(session, now, product.id, origin.supplier, origin.batch, origin.cost or 0)
    return Source(batch.supplier_id, batch.id)


async def _find_or_add_supplier(session: AsyncSession, name: str) -> Supplier:
    name = name or NAMELESS
    return await _find_or_add(session, Supplier, Supplier(name=name), col(Supplier.name) == name)


async def find_or_add_product(session: AsyncSession, order: Order) -> Product:
    """The product of an order, on the terms that the order bears."""
    goods = order.goods
    product = Product(
        shop=order.shop,
        sku=goods.sku,
        name=goods.name,
        price=goods.price,
        currency=goods.currency,
        warranty=goods.warranty,
        warranty_from=goods.warranty_from,
        proof=goods.proof,
        return_within=goods.return_within,
    )
    return await _find_or_add(session, Product, product, col(Product.shop) == order.shop, col(Product.sku) == goods.sku)


async def _find_or_add(session: AsyncSession, table: type[Row], row: Row, *is_it: ColumnElement[bool]) -> Row:
    same = select(table).where(*is_it)
    if (known := (await session.exec(same)).first()) is not None:
        return known
    if not await add_once(session, row):  # somebody else was as quick
        return (await session.exec(same)).one()
    return row
