"""Refunds to the balance that members of dujiaoka's fork have there: once for a key, which stands in their record."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import column as named
from sqlalchemy import func, insert, select, update
from sqlalchemy import table as called
from sqlalchemy.ext.asyncio import AsyncConnection

from shop.adapters.connection import ShopDatabase
from shop.adapters.foreign import minor
from shop.errors import ShopDown
from shop.port import Answer, Reply
from shop.vault import Vault

MARK, MARKED = "退款#", 20  # characters of a record's description, which is the mark of the key
LOCKED = 3  # seconds that one waits for another with the same order
ORDERS = called("orders", *map(named, ("order_sn", "user_id", "actual_price", "status", "deleted_at")))
USERS = called("users", *map(named, ("id", "balance")))
RECORDS = called(
    "user_balance_records",
    *map(named, ("id", "user_id", "type", "amount", "balance_before", "balance_after", "description")),
    *map(named, ("related_order_sn", "created_at", "updated_at")),
)
PAID = (2, 3, 4, 5, 6)  # what orders.status says of an order whose money came


@dataclass(frozen=True, slots=True)
class Balances:
    """What refunds to balances need; without it they are a person's."""

    shop: str
    database: ShopDatabase  # that may write
    vault: Vault
    clock: Callable[[], datetime]
    zone: ZoneInfo

    async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
        """Pay so much (minor units) to the member who bought the order; the number of the record. Raises `ShopDown`."""
        mark = MARK + self.vault.keyed_hash("refund", f"{self.shop}/{order_no}/{key}")[:MARKED]
        async with self.database.held() as connection:
            lock = f"{MARK}{order_no}"
            if await connection.scalar(select(func.get_lock(lock, LOCKED))) != 1:
                raise ShopDown(shop=self.shop)
            try:
                await connection.exec_driver_sql("START TRANSACTION")
                reply = await self._pay(connection, order_no, amount, mark)
                await connection.exec_driver_sql("COMMIT")
            except BaseException:
                await connection.exec_driver_sql("ROLLBACK")
                raise
            finally:
                await connection.execute(select(func.release_lock(lock)))
        return reply

    async def _pay(self, connection: AsyncConnection, order_no: str, amount: int, mark: str) -> Reply[str]:
        of, record = ORDERS.c, RECORDS.c
        bought = select(of.user_id, of.actual_price, of.status).where(of.order_sn == order_no, of.deleted_at.is_(None))
        order = (await connection.execute(bought)).first()
        if order is None or order.status not in PAID:
            return Reply(Answer.REFUSED, note="no paid order")
        if order.user_id is None:
            return Reply(Answer.MANUAL, note="its buyer is no member, and has no balance there")
        refunds = select(record.id, record.amount, record.description).where(
            record.related_order_sn == order_no, record.type == "refund"
        )
        before = (await connection.execute(refunds)).all()
        if (done := next((one for one in before if one.description == mark), None)) is not None:
            return Reply(Answer.DONE, str(done.id))
        if amount + sum(minor(abs(one.amount)) for one in before) > minor(order.actual_price):
            return Reply(Answer.REFUSED, note="more than was paid for it, with what went back before")
        return Reply(Answer.DONE, await self._add(connection, order_no, order.user_id, Decimal(amount) / 100, mark))

    async def _add(self, connection: AsyncConnection, order_no: str, user_id: int, amount: Decimal, mark: str) -> str:
        held: Any = select(USERS.c.balance).where(USERS.c.id == user_id).with_for_update()
        balance = (await connection.execute(held)).scalar_one()
        await connection.execute(update(USERS).where(USERS.c.id == user_id).values(balance=balance + amount))
        now = self.clock().astimezone(self.zone).replace(tzinfo=None)
        record = {
            "user_id": user_id,
            "type": "refund",
            "amount": amount,
            "balance_before": balance,
            "balance_after": balance + amount,
            "description": mark,
            "related_order_sn": order_no,
            "created_at": now,
            "updated_at": now,
        }
        await connection.execute(insert(RECORDS).values(record))
        return str(await connection.scalar(select(func.last_insert_id())))
