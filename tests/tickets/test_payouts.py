"""Asking the shop to pay: outside the transaction, once per key, again after silence or a crash, else by a person."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from shop.errors import ShopDown
from shop.port import Answer, Reply
from shop.tables import OrderMoney, Refund
from tests.tickets.counter import Counter
from tickets import payouts
from tickets.claims import Reason
from tickets.payouts import LEASE, WAITS, pay_refunds
from tickets.tables import Claim, Notice, Phase, Ticket

MINUTE = timedelta(minutes=1)


@dataclass
class Till:
    """A shop that pays once per key, whatever it answers, and how often it was asked."""

    counter: Counter
    answers: list[Reply[str] | Exception]
    paid: dict[str, int] = field(default_factory=dict)
    asked: int = 0

    async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
        async with self.counter.floor.database.writing():  # nobody holds the database while it is asked
            pass
        self.asked += 1
        self.paid.setdefault(key, amount)
        answer = self.answers.pop(0) if self.answers else Reply(Answer.DONE, "T-1")
        if isinstance(answer, Exception):
            raise answer
        return answer


async def approved(counter: Counter, agent: int) -> tuple[Ticket, Refund]:
    ticket = (await counter.file(reason=Reason.OTHER)).ticket
    assert ticket is not None
    return ticket, await counter.ask_refund(ticket, agent)


async def run(counter: Counter, till: Till | None, at: datetime | None = None) -> int:
    return await pay_refunds(
        counter.floor.database, lambda: at or counter.floor.now, counter.refunds, lambda name: till
    )


async def test_a_shop_that_pays_ends_the_matter(counter: Counter, chen: int) -> None:
    ticket, _ = await approved(counter, chen)
    till = Till(counter, [])

    assert await run(counter, till) == 1
    assert await run(counter, till) == 0

    refund = await counter.floor.one(Refund)
    assert (refund.state, refund.reference, refund.attempts) == ("done", "T-1", 1)
    assert list(till.paid.values()) == [4_850]
    assert (await counter.floor.fresh(ticket)).phase == Phase.RESOLVED


async def test_a_shop_without_a_way_to_pay_leaves_it_to_a_person(counter: Counter, chen: int) -> None:
    ticket, _ = await approved(counter, chen)

    await run(counter, None)

    assert (await counter.floor.one(Refund)).state == "manual"
    assert (await counter.floor.fresh(ticket)).phase == Phase.OPEN
    assert any("refund_by_hand" in notice.text for notice in await counter.floor.all(Notice))


async def test_a_shop_that_says_no_frees_the_money(counter: Counter, chen: int) -> None:
    await approved(counter, chen)

    await run(counter, Till(counter, [Reply(Answer.REFUSED, note="too old")]))

    assert (await counter.floor.one(Refund)).state == "failed"
    assert (await counter.floor.one(OrderMoney)).refunded == 0
    assert (await counter.floor.one(Claim)).outcome is None


@pytest.mark.parametrize("silence", [ShopDown(shop="demo"), TimeoutError()], ids=["down", "no answer"])
async def test_silence_is_asked_again_with_the_same_key(counter: Counter, chen: int, silence: Exception) -> None:
    await approved(counter, chen)
    till = Till(counter, [silence])

    await run(counter, till)
    refund = await counter.floor.one(Refund)
    assert (refund.state, refund.not_before) == ("approved", counter.floor.now + WAITS[0])
    assert refund.problem
    assert await run(counter, till, counter.floor.now + WAITS[0] / 2) == 0
    assert await run(counter, till, counter.floor.now + WAITS[0]) == 1

    assert (till.asked, len(till.paid)) == (2, 1)
    assert (await counter.floor.one(Refund)).state == "done"


async def test_a_shop_that_never_answers_is_left_to_a_person(counter: Counter, chen: int) -> None:
    await approved(counter, chen)
    till, now = Till(counter, [ShopDown(shop="demo")] * 20), counter.floor.now

    for wait in (timedelta(), *WAITS):
        now += wait
        await run(counter, till, now)

    refund = await counter.floor.one(Refund)
    assert (refund.state, refund.attempts) == ("manual", len(WAITS) + 1)
    assert len(till.paid) == 1
    assert refund.problem == "Shop demo does not answer."


async def test_after_a_crash_the_shop_is_asked_again_with_the_same_key(
    counter: Counter, chen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It paid; the process died before that was written down."""
    await approved(counter, chen)
    till = Till(counter, [])

    async def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tickets.refunds.Refunds.paid", die)
        with pytest.raises(KeyboardInterrupt):
            await run(counter, till)
    assert await run(counter, till, counter.floor.now + MINUTE) == 0
    assert await run(counter, till, counter.floor.now + LEASE) == 1

    assert (till.asked, len(till.paid)) == (2, 1)
    assert (await counter.floor.one(Refund)).state == "done"


async def test_of_sixteen_workers_one_asks(counter: Counter, chen: int) -> None:
    await approved(counter, chen)
    till = Till(counter, [])

    answered = await asyncio.gather(*(run(counter, till) for _ in range(16)))

    assert (sum(answered), till.asked) == (1, 1)


async def test_without_the_lease_workers_ask_at_once(
    counter: Counter, chen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: whoever sees that it is due asks. The key still keeps it at one payment."""
    from shop import refunds

    await approved(counter, chen)
    till = Till(counter, [])

    async def look(session: object, now: datetime, refund_id: int, until: datetime) -> Refund:
        return await counter.floor.one(Refund, id=refund_id)

    monkeypatch.setattr(refunds, "begin_try", look)
    await asyncio.gather(*(run(counter, till) for _ in range(4)))

    assert till.asked > 1
    assert len(till.paid) == 1


async def test_one_that_cannot_be_dealt_with_holds_up_no_other(
    counter: Counter, chen: int, caplog: pytest.LogCaptureFixture
) -> None:
    await approved(counter, chen)
    other = await counter.floor.open(await counter.floor.meet("buyer-2"))
    from dataclasses import replace

    from tests.tickets.counter import ORDER

    await counter.ask_refund(other, chen, replace(ORDER, order_no="ZZ99ZZ99"), claim_id=None)
    till = Till(counter, [RuntimeError("a bug")])

    assert await run(counter, till) == 1

    assert [one.state for one in await counter.floor.all(Refund)] == ["approved", "done"]
    assert "cannot be carried out" in caplog.text


async def test_a_slow_shop_is_no_longer_waited_for(
    counter: Counter, chen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await approved(counter, chen)
    monkeypatch.setattr(payouts, "ANSWERS_WITHIN", timedelta(milliseconds=20))

    class Slow(Till):
        async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
            await asyncio.Event().wait()
            raise AssertionError

    assert await run(counter, Slow(counter, [])) == 0
    assert (await counter.floor.one(Refund)).problem == "no answer in time"
