"""The shop that Kadesk carries itself: orders and codes in our own tables."""

import asyncio
import hmac
import unicodedata
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop.addresses import STAND_INS, make_contact
from shop.codes import read_code
from shop.comparing import compare
from shop.ledger import codes_issued
from shop.masking import normalise_code
from shop.port import (
    Answer,
    CodeCheck,
    CodeRef,
    Contact,
    Goods,
    Order,
    OrderStatus,
    Origin,
    Power,
    Powerless,
    ProofWay,
    Reply,
    Stock,
    Verdict,
)
from shop.tables import (
    Batch,
    Code,
    CodeState,
    OrderCode,
    Pool,
    Product,
    Proof,
    ShopOrder,
    Supplier,
    WarrantyFrom,
)
from shop.vault import Vault

TAIL = 6  # characters of a payment number that prove ownership

# Lighter than for staff passwords, since orders come by the hundred thousand. What is hashed is peppered with a key
# that the database does not hold, so a stolen database gives nothing to guess on.
_HASHER = PasswordHasher(time_cost=1, memory_cost=4 * 1024, parallelism=1)
_NO_PASSWORD = _HASHER.hash("")  # compared with when there is no order or no password, so that this costs the same


class Readable(Protocol):
    """A database that can be read."""

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...


class LocalShop(Powerless):
    """`shop.port.Shop` on our own tables.

    Its codes are in our vault: replacing and quarantining them are the desk's own verbs, in its own transaction.
    """

    powers = frozenset(
        {
            *(Power.PROVE_OWNER, Power.CONTACT, Power.LIST_CODES, Power.CHECK_CODE),
            *(Power.STOCK, Power.ORIGIN, Power.REFUND),
        }
    )

    def __init__(self, database: Readable, vault: Vault, name: str = "demo") -> None:
        self.name = name
        self._database = database
        self._vault = vault

    async def has_order(self, order_no: str) -> bool:
        async with self._database.reading() as session:
            return await self._find(session, normalise_code(order_no)) is not None

    async def find_order(self, order_no: str) -> Order | None:
        """The order; its codes are those delivered, then the replacements issued for it."""
        async with self._database.reading() as session:
            found = await session.exec(
                select(ShopOrder, Product)
                .join(Product, col(Product.id) == col(ShopOrder.product_id))
                .where(col(ShopOrder.shop) == self.name, col(ShopOrder.order_no) == normalise_code(order_no))
            )
            row = found.first()
            if row is None:
                return None
            order, product = row
            return _as_order(order, product, await self._codes_of(session, order))

    async def prove_owner(self, order_no: str, proof: str) -> ProofWay | None:
        """One look-up, one slow hash and one keyed hash, whether the order exists or not."""
        order_no = normalise_code(order_no)
        async with self._database.reading() as session:
            order = await self._find(session, order_no)
        password_hash = order.password_hash if order else None
        tail_hash = order.payment_tail_hash if order else None
        knows_tail = hmac.compare_digest(hash_payment_tail(self._vault, self.name, order_no, proof), tail_hash or "")
        pepper = _pepper(self._vault, self.name, order_no, proof)
        knows_password = await asyncio.to_thread(_verify, password_hash, pepper)
        if knows_password:
            return ProofWay.QUERY_PASSWORD
        return ProofWay.PAYMENT_TAIL if knows_tail and len(normalise_code(proof)) >= TAIL else None

    async def contact_of(self, order_no: str) -> Reply[Contact]:
        """Two look-ups, whether the order exists or not."""
        order_no = normalise_code(order_no)
        with_address = col(ShopOrder.contact).contains("@", autoescape=True)
        first = select(ShopOrder.contact).where(col(ShopOrder.shop) == self.name, with_address)
        async with self._database.reading() as session:
            order = await self._find(session, order_no)
            others = (await session.exec(first.order_by(col(ShopOrder.id)).limit(STAND_INS))).all()
        contact = make_contact(self._vault, self.name, order_no, order.contact if order else "", others)
        return Reply(Answer.DONE, contact)

    async def check_code(self, order_no: str, code: str) -> CodeCheck:
        """Exact by fingerprint, near when a typing error away: the answer depends on this order's codes alone."""
        async with self._database.reading() as session:
            order = await self._find(session, normalise_code(order_no))
            if order is None:
                return CodeCheck(Verdict.OTHER)
            refs = {ref.fingerprint: ref for ref in await self._codes_of(session, order)}
            fingerprint = self._vault.fingerprint(code)
            if ref := refs.get(fingerprint):
                return CodeCheck(Verdict.EXACT, ref)
            known = (await session.exec(select(Code).where(col(Code.fingerprint).in_(list(refs))))).all()
        return compare(code, [(refs[row.fingerprint], read_code(self._vault, row)) for row in known])

    async def stock(self, sku: str) -> Reply[Stock]:
        free = (
            select(Code.pool, func.count())
            .join(Product, col(Product.id) == col(Code.product_id))
            .where(Product.shop == self.name, Product.sku == sku, Code.state == CodeState.FREE)
            .group_by(col(Code.pool))
        )
        async with self._database.reading() as session:
            counts = dict((await session.exec(free)).all())
        return Reply(Answer.DONE, Stock(counts.get(Pool.STOCK, 0), counts.get(Pool.RESERVE, 0)))

    async def origin_of(self, order_no: str, fingerprint: str) -> Reply[Origin]:
        """Of a code that the order has; any other is not said to exist."""
        found = (
            select(Supplier.name, Batch.name, Batch.cost)
            .join(Batch, col(Batch.supplier_id) == col(Supplier.id))
            .join(Code, col(Code.batch_id) == col(Batch.id))
            .where(Code.fingerprint == fingerprint)
        )
        async with self._database.reading() as session:
            order = await self._find(session, normalise_code(order_no))
            refs = await self._codes_of(session, order) if order else []
            row = (await session.exec(found)).first() if fingerprint in {ref.fingerprint for ref in refs} else None
        return Reply(Answer.DONE, Origin(*row)) if row else Reply(Answer.REFUSED, note="no such code in this order")

    async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
        """The money came through somebody else's hands, and goes back through a person's."""
        return Reply(Answer.MANUAL)

    async def _find(self, session: AsyncSession, order_no: str) -> ShopOrder | None:
        found = await session.exec(
            select(ShopOrder).where(col(ShopOrder.shop) == self.name, col(ShopOrder.order_no) == order_no)
        )
        return found.first()

    async def _codes_of(self, session: AsyncSession, order: ShopOrder) -> list[CodeRef]:
        found = await session.exec(
            select(Code.fingerprint, Code.masked, OrderCode.position)
            .join(OrderCode, col(OrderCode.code_id) == col(Code.id))
            .where(col(OrderCode.order_id) == order.id)
            .order_by(col(OrderCode.position))
        )
        delivered = [CodeRef(*row) for row in found]
        last = delivered[-1].position if delivered else 0
        return delivered + await codes_issued(session, self.name, order.order_no, after=last)


def hash_query_password(vault: Vault, shop: str, order_no: str, password: str) -> str:
    """argon2id of a query password, peppered and bound to its order."""
    return _HASHER.hash(_pepper(vault, shop, order_no, password))


def hash_payment_tail(vault: Vault, shop: str, order_no: str, payment_no: str) -> str:
    """Keyed hash of the last characters of a payment number, bound to its order."""
    tail = normalise_code(payment_no)[-TAIL:]
    return vault.keyed_hash("payment tail", f"{shop}/{order_no}/{tail}")


def _pepper(vault: Vault, shop: str, order_no: str, password: str) -> str:
    typed = unicodedata.normalize("NFKC", password).strip()
    return vault.keyed_hash("query password", f"{shop}/{order_no}/{typed}")


def _verify(password_hash: str | None, pepper: str) -> bool:
    try:
        return _HASHER.verify(password_hash or _NO_PASSWORD, pepper)
    except VerificationError:
        return False


def _as_order(order: ShopOrder, product: Product, codes: list[CodeRef]) -> Order:
    ways = {ProofWay.QUERY_PASSWORD: order.password_hash, ProofWay.PAYMENT_TAIL: order.payment_tail_hash}
    return Order(
        shop=order.shop,
        order_no=order.order_no,
        status=OrderStatus(order.status),
        goods=Goods(
            product.sku,
            product.name,
            product.price,
            product.currency,
            product.warranty,
            WarrantyFrom(product.warranty_from),
            Proof(product.proof),
            product.return_within,
        ),
        quantity=order.quantity,
        paid=order.paid,
        refunded=order.refunded,
        paid_at=order.paid_at,
        delivered_at=order.delivered_at,
        codes=tuple(codes),
        ways=frozenset(way for way, proof in ways.items() if proof),
        contact=order.contact,
        bought_from=order.bought_from,
    )
