"""A market stall: products, orders and reserve codes, put up in one line each."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from kadesk.database import Database
from shop.adapters.local import LocalShop, hash_payment_tail, hash_query_password
from shop.codes import seal_code
from shop.invariants import check_invariants
from shop.port import Order, OrderStatus
from shop.tables import Batch, CodeState, OrderCode, Pool, Product, ShopOrder, Supplier
from shop.vault import Keys, Vault

KEYS = Keys.generate()


@pytest.fixture
def vault() -> Vault:
    return Vault(KEYS)


@dataclass
class Stall:
    database: Database
    vault: Vault
    now: datetime
    name: str = "demo"

    @property
    def shop(self) -> LocalShop:
        return LocalShop(self.database, self.vault, self.name)

    async def add_product(self, sku: str = "STEAM-50", reserve: Sequence[str] = ()) -> None:
        async with self.database.writing() as session:
            supplier = Supplier(name=f"supplier of {sku}")
            product = Product(shop=self.name, sku=sku, name=f"{sku} 充值卡", price=4850, warranty=timedelta(days=30))
            session.add_all([supplier, product])
            await session.flush()
            batch = Batch(supplier_id=supplier.id, product_id=product.id, name=sku, arrived_at=self.now)
            session.add(batch)
            await session.flush()
            self.product_id, self.batch_id = product.id, batch.id
            for text in reserve:
                session.add(self._seal(text, Pool.RESERVE, CodeState.FREE))

    async def sell(self, *codes: str, order_no: str = "AB12CD34EF56GH78", **changes: object) -> Order:
        """An order of the product added last; `codes` are delivered."""
        facts: dict[str, object] = {
            "status": OrderStatus.DELIVERED,
            "quantity": len(codes),
            "paid": 4850,
            "password_hash": hash_query_password(self.vault, self.name, order_no, "open sesame"),
            "payment_tail_hash": hash_payment_tail(self.vault, self.name, order_no, "4200001234567890"),
            "created_at": self.now,
        }
        async with self.database.writing() as session:
            row = ShopOrder(shop=self.name, order_no=order_no, product_id=self.product_id, **(facts | changes))
            sealed = [self._seal(text, Pool.STOCK, CodeState.ISSUED) for text in codes]
            session.add_all([row, *sealed])
            await session.flush()
            session.add_all(
                OrderCode(order_id=row.id, code_id=code.id, position=position)
                for position, code in enumerate(sealed, start=1)
            )
        return await self.order(order_no)

    async def order(self, order_no: str = "AB12CD34EF56GH78") -> Order:
        order = await self.shop.find_order(order_no)
        assert order is not None
        return order

    def _seal(self, text: str, pool: Pool, state: CodeState) -> object:
        return seal_code(
            self.vault, product_id=self.product_id, batch_id=self.batch_id, text=text, pool=pool, state=state
        )


@pytest.fixture
async def stall(database: Database, vault: Vault, now: datetime) -> AsyncIterator[Stall]:
    """Whatever a test does at the stall, the invariants hold afterwards."""
    yield Stall(database, vault, now)
    async with database.reading() as session:
        assert await check_invariants(session) == []
