"""What a lead looks at before a code goes out: a claim that is held for its risk, and money that the shop gave back."""

from dataclasses import replace

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from shop import refunds
from shop.port import Order
from shop.tables import Replacement
from tests.tickets.counter import ORDER, Counter
from tickets import grants
from tickets.claim_states import ClaimState
from tickets.claims import Claims, Reason, Stop
from tickets.money_errors import AllPaidBack, HeldForRisk, OrderSeen, PaidBackByShop
from tickets.tables import Claim, Ticket

TEN = replace(ORDER, quantity=10, paid=48_500)


async def held(counter: Counter) -> Ticket:
    async def gate(session: AsyncSession, now: object, claim: Claim, order: Order) -> Stop | None:
        return Stop("risk", ClaimState.HELD)

    counter.claims = Claims(counter.floor.desk, counter.claims.vault, counter.claims.rules, gates=(gate,))
    return await claimed(counter)


async def claimed(counter: Counter, order: Order = ORDER) -> Ticket:
    ticket = (await counter.file(order, reason=Reason.OTHER)).ticket
    assert ticket is not None
    return ticket


async def learn(counter: Counter, order: Order, refunded: int) -> None:
    """The shop says so when it is asked before a code goes out."""
    async with counter.floor.database.writing() as session:
        await refunds.learn(session, replace(order, refunded=refunded))


async def test_what_is_held_for_its_risk_a_lead_grants(counter: Counter, lin: int, chen: int) -> None:
    ticket = await held(counter)

    with pytest.raises(HeldForRisk, match=r"about \*{4}-OLD1 is held for its risk"):
        await counter.grant(ticket, lin)

    assert await counter.floor.all(Replacement) == []
    assert (await counter.grant(ticket, chen)).kind == "replaced"


async def test_where_there_is_no_lead_the_agent_decides(counter: Counter, lin: int) -> None:
    assert (await counter.grant(await held(counter), lin)).kind == "replaced"


async def test_what_the_shop_has_paid_back_in_full_gets_no_code_from_anybody(
    counter: Counter, lin: int, chen: int
) -> None:
    ticket = await claimed(counter)
    await learn(counter, ORDER, ORDER.paid)

    for who in (lin, chen):
        with pytest.raises(AllPaidBack, match=f"all of order {ORDER.order_no}"):
            await counter.grant(ticket, who)

    assert await counter.floor.all(Replacement) == []


async def test_what_the_shop_has_paid_back_in_part_a_lead_looks_at(counter: Counter, lin: int, chen: int) -> None:
    ticket = await claimed(counter, TEN)
    await learn(counter, TEN, 4_850)

    with pytest.raises(PaidBackByShop, match=r"paid back 48\.50 CNY of order"):
        await counter.grant(ticket, lin)

    assert (await counter.grant(ticket, chen)).kind == "replaced"


async def test_our_own_refund_of_another_code_is_not_the_shops(counter: Counter, lin: int, chen: int) -> None:
    other = (await counter.file(TEN, counter.new_code("OTHER-CODE-0002", 2), reason=Reason.OTHER)).ticket
    refund = await counter.ask_refund(other, chen, TEN)
    await counter.pay(refund, chen)
    await learn(counter, TEN, refund.amount)  # the person paid in the shop's own pages, and it says so
    ticket = await claimed(counter, TEN)

    assert (await counter.grant(ticket, lin)).kind == "replaced"


async def test_who_does_not_ask_replaces_what_was_paid_back(
    counter: Counter, lin: int, chen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pass_by(*_: object) -> None:
        """The broken twin."""

    monkeypatch.setattr(grants, "_refuse_what_was_paid_back", pass_by)
    ticket = await claimed(counter)
    await learn(counter, ORDER, ORDER.paid)

    assert (await counter.grant(ticket, lin)).kind == "replaced"


async def test_goodwill_for_an_order_says_why_a_seen_replacement_stops_it(counter: Counter, chen: int) -> None:
    settled = await counter.grant(await claimed(counter), chen)
    await counter.look(settled.link)
    ticket = await counter.floor.open(counter.conversation, order_ref=f"demo/{ORDER.order_no}")

    with pytest.raises(OrderSeen, match="one by one, each by its claim"):
        await counter.ask_refund(ticket, chen, claim_id=None, amount=100)
