"""What asks the shop to pay approved refunds: outside any transaction, again with the same key until it has answered.

A try is written down before the shop is asked, and keeps others away until its lease ends; so after a crash, or when no
answer came, the next try carries the same key, by which the shop knows what it has paid.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol

from sqlmodel.ext.asyncio.session import AsyncSession

from shop import refunds
from shop.errors import ShopDown
from shop.port import Answer, Reply
from shop.tables import Refund
from tickets.refunds import Refunds

log = logging.getLogger(__name__)

PAGE = 50  # refunds of one round
ANSWERS_WITHIN = timedelta(seconds=30)  # a shop that takes longer is asked again
LEASE = timedelta(minutes=2)  # longer than that, so that no two ask at once
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 60, 120, 240))  # after each try without an answer


class Payer(Protocol):
    """The shop, as far as it pays back."""

    async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
        """As `shop.port.Shop.refund`; raises `ShopDown`."""


class Database(Protocol):
    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]: ...


async def pay_refunds(
    database: Database, clock: Callable[[], datetime], verbs: Refunds, payers: Callable[[str], Payer | None]
) -> int:
    """Ask the shops about everything that is due; how many refunds got an answer. `payers` finds a shop by its name.

    One that cannot be dealt with holds up no other: it is tried again later.
    """
    answered = 0
    async with database.reading() as session:
        due = await refunds.due(session, clock(), PAGE)
    for refund_id in due:
        async with database.writing() as session:
            refund = await refunds.begin_try(session, clock(), refund_id, clock() + LEASE)
        if refund is None:
            continue
        try:
            answered += await _pay(database, clock, verbs, refund, payers(refund.shop))
        except Exception:
            log.exception("refund %s cannot be carried out; it is tried again", refund_id)
    return answered


async def _pay(
    database: Database, clock: Callable[[], datetime], verbs: Refunds, refund: Refund, payer: Payer | None
) -> bool:
    try:
        reply = await _ask(payer, refund)
    except (ShopDown, TimeoutError) as silence:
        problem = str(silence) or "no answer in time"
        if refund.attempts <= len(WAITS):
            async with database.writing() as session:
                await refunds.put_off(session, clock(), refund, WAITS[refund.attempts - 1], problem)
            return False
        # Nobody knows whether it has paid: a person looks there.
        reply = Reply(Answer.MANUAL, note=problem)
    async with database.writing() as session:
        match reply.answer:
            case Answer.DONE:
                await verbs.paid(session, clock(), refund.id, reply.value or "")
            case Answer.MANUAL | Answer.UNSUPPORTED:
                await verbs.by_hand(session, clock(), refund.id, reply.note)
            case Answer.REFUSED:
                await verbs.rejected(session, clock(), refund.id, reply.note)
    return True


async def _ask(payer: Payer | None, refund: Refund) -> Reply[str]:
    if payer is None:
        return Reply(Answer.MANUAL)
    async with asyncio.timeout(ANSWERS_WITHIN.total_seconds()):
        return await payer.refund(refund.order_no, refund.amount, refund.key)
