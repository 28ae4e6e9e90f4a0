"""What is done with a page of products, of codes, of orders."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.rows import add as add_rows
from audit.rows import carry_out, in_one_trip
from audit.trail import record
from shop import import_rows
from shop.adapters.local import hash_payment_tail, hash_query_password
from shop.batches import keep_back_added
from shop.codes import seal_row
from shop.import_rows import CodeRow, OrderRow, ProductRow
from shop.imports import Refusal, Report
from shop.masking import mask_text
from shop.sources import find_or_add_batch
from shop.tables import Batch, Code, CodeState, OrderCode, Pool, Product, ShopOrder
from shop.vault import Vault

KNOWN = "this code is known already"
_PRODUCTS = select(Product).where(
    col(Product.shop) == bindparam("shop"), col(Product.sku).in_(bindparam("skus", expanding=True))
)
_CODES = select(Code.fingerprint).where(col(Code.fingerprint).in_(bindparam("fingerprints", expanding=True)))
_ORDERS = select(ShopOrder.order_no).where(
    col(ShopOrder.shop) == bindparam("shop"), col(ShopOrder.order_no).in_(bindparam("numbers", expanding=True))
)
_BROUGHT = (
    update(Batch).where(col(Batch.id) == bindparam("batch")).values(imported=col(Batch.imported) + bindparam("more"))
)


@dataclass
class Products:
    """Adds what is new, and changes what the file says otherwise."""

    shop: str
    name = "products"
    columns = import_rows.PRODUCTS
    read = staticmethod(import_rows.read_product)

    async def add(
        self,
        session: AsyncSession,
        now: datetime,
        file_id: int | None,
        rows: list[tuple[int, ProductRow]],
        report: Report,
    ) -> None:
        there = await products_of(session, self.shop, {row.sku for _, row in rows})
        for _, row in rows:
            product = there.get(row.sku)
            if product is None:
                product = Product(shop=self.shop, sku=row.sku, **({"warranty": timedelta()} | row.facts))
                there[row.sku] = product
                report.added += 1
            else:
                before = {name: str(getattr(product, name)) for name in row.facts}
                product.sqlmodel_update(row.facts)
                after = {name: str(getattr(product, name)) for name in row.facts}
                report.changed += before != after
                if before != after and file_id is not None:
                    record(session, now, "system", "product.changed", f"product:{product.id}", before, after)
            session.add(product)
        await session.flush()


@dataclass
class Codes:
    """Seals codes and puts them into their batches."""

    shop: str
    vault: Vault
    name = "codes"
    columns = import_rows.CODES
    read = staticmethod(import_rows.read_code)
    _seen: dict[str, int] = field(default_factory=dict)  # fingerprint → line, of this file
    _batches: dict[tuple[int, str, str], int] = field(default_factory=dict)

    async def add(
        self, session: AsyncSession, now: datetime, file_id: int | None, rows: list[tuple[int, CodeRow]], report: Report
    ) -> None:
        products = await products_of(session, self.shop, {row.sku for _, row in rows})
        marked = [(line, row, self.vault.fingerprint(row.text)) for line, row in rows]
        fingerprints = {fingerprint for *_, fingerprint in marked}
        there = set((await session.exec(_CODES, params={"fingerprints": list(fingerprints)})).all())
        brought: dict[int, int] = {}
        sealed = []
        for line, row, fingerprint in marked:
            product = products.get(row.sku)
            problem = self._problem(row, product, fingerprint, there)
            if problem or product is None:
                report.refused.append(Refusal(line, problem))
                continue
            self._seen[fingerprint] = line
            batch_id = await self._batch(session, now, file_id, product, row)
            brought[batch_id] = brought.get(batch_id, 0) + 1
            sealed.append(seal_row(self.vault, product.id, batch_id, row.pool, row.text, fingerprint))
        await add_rows(await session.connection(), Code, sealed)
        await in_one_trip(session, lambda connection: _count(connection, brought))
        await keep_back_added(session, now, brought, "system")
        report.added += len(sealed)

    def _problem(self, row: CodeRow, product: Product | None, fingerprint: str, there: set[str]) -> str:
        if product is None:
            return f"there is no product {mask_text(row.sku)[:40]}"
        if fingerprint in self._seen:
            return f"this code stands in line {self._seen[fingerprint]} already"
        if fingerprint in there:
            return KNOWN
        if product.code_pattern and not re.fullmatch(product.code_pattern, row.text):
            return f"it does not look like a code of {row.sku[:40]}"
        return ""

    async def _batch(
        self, session: AsyncSession, now: datetime, file_id: int | None, product: Product, row: CodeRow
    ) -> int:
        name = row.batch or f"{now:%Y%m%d}-{product.sku}"
        key = (product.id, row.supplier, name)
        if key not in self._batches:
            batch = await find_or_add_batch(session, now, product.id, row.supplier, name, row.cost, file_id)
            self._batches[key] = batch.id
        return self._batches[key]


@dataclass
class Orders:
    """Adds orders with their codes; a code of the stock is sold by it, any other is new."""

    shop: str
    vault: Vault
    name = "orders"
    columns = import_rows.ORDERS
    read = staticmethod(import_rows.read_order)

    async def add(
        self,
        session: AsyncSession,
        now: datetime,
        file_id: int | None,
        rows: list[tuple[int, OrderRow]],
        report: Report,
    ) -> None:
        products = await products_of(session, self.shop, {row.sku for _, row in rows})
        numbers = {row.order_no for _, row in rows}
        there = set((await session.exec(_ORDERS, params={"shop": self.shop, "numbers": list(numbers)})).all())
        codes = await self._codes_there(session, rows)
        for line, row in rows:
            product = products.get(row.sku)
            problem = self._problem(row, product, there, codes)
            if problem or product is None:
                report.refused.append(Refusal(line, problem))
                continue
            there.add(row.order_no)
            await self._sell(session, now, file_id, row, product, codes)
            report.added += 1
        await session.flush()

    async def _codes_there(self, session: AsyncSession, rows: list[tuple[int, OrderRow]]) -> dict[str, Code]:
        fingerprints = {self.vault.fingerprint(text) for _, row in rows for text in row.codes}
        found = await session.exec(select(Code).where(col(Code.fingerprint).in_(fingerprints)))
        return {code.fingerprint: code for code in found}

    def _problem(self, row: OrderRow, product: Product | None, there: set[str], codes: dict[str, Code]) -> str:
        if product is None:
            return f"there is no product {mask_text(row.sku)[:40]}"
        if row.order_no in there:
            return "this order is known already"
        marks = [self.vault.fingerprint(text) for text in row.codes]
        if len(set(marks)) < len(marks):
            return "it has the same code twice"
        for code in (codes[mark] for mark in marks if mark in codes):
            if code.state != CodeState.FREE or code.pool != Pool.STOCK or code.product_id != product.id:
                return f"its code {code.masked} is not free in the stock of this product"
        return ""

    async def _sell(
        self,
        session: AsyncSession,
        now: datetime,
        file_id: int | None,
        row: OrderRow,
        product: Product,
        codes: dict[str, Code],
    ) -> None:
        place = self.shop, row.order_no
        order = ShopOrder(
            shop=self.shop, order_no=row.order_no, product_id=product.id, **({"created_at": now} | row.facts)
        )
        if row.query_password:
            order.password_hash = hash_query_password(self.vault, *place, row.query_password)
        if row.payment_no:
            order.payment_tail_hash = hash_payment_tail(self.vault, *place, row.payment_no)
        session.add(order)
        sold = [await self._take(session, now, file_id, text, product, codes) for text in row.codes]
        await session.flush()
        session.add_all(
            OrderCode(order_id=order.id, code_id=code.id, position=position) for position, code in enumerate(sold, 1)
        )

    async def _take(
        self,
        session: AsyncSession,
        now: datetime,
        file_id: int | None,
        text: str,
        product: Product,
        codes: dict[str, Code],
    ) -> Code:
        mark = self.vault.fingerprint(text)
        code = codes.get(mark)
        if code is None:
            batch = await find_or_add_batch(session, now, product.id, "", f"sold-{product.sku}", 0, file_id)
            code = Code(**seal_row(self.vault, product.id, batch.id, Pool.STOCK, text, mark))
            await in_one_trip(session, lambda connection: _count(connection, {batch.id: 1}))
        code.state = CodeState.ISSUED
        codes[mark] = code
        session.add(code)
        return code


async def products_of(session: AsyncSession, shop: str, skus: set[str]) -> dict[str, Product]:
    found = await session.exec(_PRODUCTS, params={"shop": shop, "skus": list(skus)})
    return {product.sku: product for product in found}


def _count(connection: Connection, brought: dict[int, int]) -> None:
    """How many codes came with each batch."""
    for batch_id, count in sorted(brought.items()):
        carry_out(connection, _BROUGHT, batch=batch_id, more=count)
