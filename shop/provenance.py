"""Where a code came from and where it went: all that our own tables know of one code. Never its text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop import ledger
from shop.batches import sold_at
from shop.masking import normalise_code
from shop.tables import Batch, Code, ImportFile, OrderCode, Product, Replacement, RevealLink, ShopOrder, Supplier
from shop.vault import Vault

LONGEST_TAIL = 4  # characters of a code that its mask shows
CHAIN = 20  # replacements that are followed; two is what happens without a person


class Source(NamedTuple):
    """Where a code came from."""

    supplier_id: int
    batch_id: int | None  # None: a foreign shop knows the supplier alone


class Out(NamedTuple):
    """When a code went out, and in which order."""

    at: datetime
    shop: str
    order_no: str


@dataclass(frozen=True, slots=True)
class Step:
    """One code of a chain of replacements, the sold one first."""

    fingerprint: str
    code: Code | None  # of a foreign shop there is none
    given: Replacement | None  # what gave it; None: it was sold


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of one code. Of a foreign shop's code only what Kadesk did about it."""

    fingerprint: str
    code: Code | None = None
    product: Product | None = None
    batch: Batch | None = None
    supplier: Supplier | None = None
    file: ImportFile | None = None
    order: ShopOrder | None = None
    position: int | None = None  # in the order that sold it
    out: Out | None = None
    links: list[RevealLink] = field(default_factory=list)  # oldest first
    chain: list[Step] = field(default_factory=list)  # it is one of these


async def find_out(session: AsyncSession, fingerprint: str) -> Out | None:
    """When the code went out, and in which order: as a replacement, or sold."""
    given = (
        select(Replacement.issued_at, Replacement.shop, Replacement.order_no)
        .where(Replacement.fingerprint == fingerprint)
        .limit(1)
    )
    sold = (
        select(sold_at(), ShopOrder.shop, ShopOrder.order_no)
        .join(OrderCode, col(OrderCode.order_id) == col(ShopOrder.id))
        .join(Code, col(Code.id) == col(OrderCode.code_id))
        .where(Code.fingerprint == fingerprint)
        .limit(1)
    )
    row = (await session.exec(given)).first() or (await session.exec(sold)).first()
    return Out(*row) if row else None


async def find_provenance(session: AsyncSession, fingerprint: str, place: tuple[str, str] | None = None) -> Provenance:
    """Everything about the code with this fingerprint; `place` is its shop and order number where no table has them."""
    out = await find_out(session, fingerprint)
    if out is not None:
        place = out.shop, out.order_no
    chain = await _chain(session, *place, fingerprint) if place else []
    found = await session.exec(
        select(Code, Product, Batch, Supplier)
        .join(Product, col(Product.id) == col(Code.product_id))
        .join(Batch, col(Batch.id) == col(Code.batch_id))
        .join(Supplier, col(Supplier.id) == col(Batch.supplier_id))
        .where(Code.fingerprint == fingerprint)
    )
    row = found.first()
    if row is None:
        return Provenance(fingerprint, chain=chain)
    code, product, batch, supplier = row
    return Provenance(
        fingerprint,
        code,
        product,
        batch,
        supplier,
        file=await session.get(ImportFile, batch.import_id) if batch.import_id else None,
        order=await _order(session, *place) if place else None,
        position=await _position(session, code.id),
        out=out,
        links=await _links(session, code.id),
        chain=chain,
    )


async def find_by_tail(session: AsyncSession, tail: str, limit: int = 50) -> Sequence[Code]:
    """The codes whose masks end like this, the newest first."""
    masked = f"****-{normalise_code(tail)}"
    found = await session.exec(
        select(Code).where(col(Code.masked) == masked).order_by(col(Code.id).desc()).limit(limit)
    )
    return found.all()


async def search(session: AsyncSession, vault: Vault, typed: str, limit: int = 50) -> Sequence[Code]:
    """The codes that were meant: by the tail of their mask, or by the whole code, of which only a hash is used."""
    plain = normalise_code(typed).lstrip("*")
    if not plain:
        return []
    if len(plain) <= LONGEST_TAIL:
        return await find_by_tail(session, plain, limit)
    return (await session.exec(select(Code).where(Code.fingerprint == vault.fingerprint(typed)))).all()


async def _order(session: AsyncSession, shop: str, order_no: str) -> ShopOrder | None:
    found = await session.exec(select(ShopOrder).where(ShopOrder.shop == shop, ShopOrder.order_no == order_no))
    return found.first()


async def _position(session: AsyncSession, code_id: int) -> int | None:
    return (await session.exec(select(OrderCode.position).where(OrderCode.code_id == code_id))).first()


async def _links(session: AsyncSession, code_id: int) -> list[RevealLink]:
    mine = select(RevealLink).where(RevealLink.code_id == code_id).order_by(col(RevealLink.id))
    return list((await session.exec(mine)).all())


async def _chain(session: AsyncSession, shop: str, order_no: str, fingerprint: str) -> list[Step]:
    """The codes of an order that stood in for each other, this one among them."""
    first, given = fingerprint, None
    for _ in range(CHAIN):
        given = await ledger.find_issued(session, shop, order_no, first)
        if given is None:
            break
        first = given.replaced_fingerprint
    steps = [await _step(session, first, None)]
    for _ in range(CHAIN):
        given = await ledger.find_replacement(session, shop, order_no, steps[-1].fingerprint)
        if given is None:
            break
        steps.append(await _step(session, given.fingerprint, given))
    return steps


async def _step(session: AsyncSession, fingerprint: str, given: Replacement | None) -> Step:
    code = (await session.exec(select(Code).where(Code.fingerprint == fingerprint))).first()
    return Step(fingerprint, code, given)
