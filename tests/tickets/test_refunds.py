"""Refunds as staff carry them out: who approves what, what the buyer hears, and never money beside a code."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from audit.tables import AuditRow
from shop.errors import AlreadyRefunded, BadAmount, LinkGone, OverPaid, RefundMoved
from shop.tables import Code, OrderMoney, Refund, Replacement
from tests.tickets.counter import DAY, HOUR, ORDER, Counter
from tickets import alarms
from tickets.claims import Outcome, Reason, Settled
from tickets.desk import Desk, DeskRules
from tickets.errors import (
    AlreadyCompensated,
    CodeInText,
    CodeSeen,
    HeldByColleague,
    InvalidTransition,
    NoOpenClaim,
    NotAllowed,
)
from tickets.money_errors import (
    NobodyToAgree,
    NotRefunded,
    OtherOrder,
    OverShare,
    PaidByAsker,
    ReferenceMissing,
    RefundPending,
    SamePerson,
)
from tickets.rules import MoneyRules
from tickets.tables import Approval, Claim, Clock, Cycle, Escalation, Level, Message, Notice, Phase, Ticket


@pytest.fixture
def money() -> MoneyRules:
    return MoneyRules(agent_limit=1_000, two_persons=None)


@pytest.fixture
def desk(money: MoneyRules) -> Desk:
    from tests.tickets.conftest import say

    return Desk(say, DeskRules(money=money))


async def claimed(counter: Counter) -> Ticket:
    """A claim that people decide on."""
    ticket = (await counter.file(reason=Reason.OTHER)).ticket
    assert ticket is not None
    return ticket


async def fresh(counter: Counter, refund: Refund) -> Refund:
    return await counter.floor.one(Refund, id=refund.id)


async def approve(counter: Counter, refund: Refund, agent: int) -> Refund:
    return await counter.floor.do(counter.refunds.approve, refund.id, agent)


# Asked for


async def test_a_small_refund_is_approved_with_its_request_and_the_delivered_word_handles(
    counter: Counter, lin: int
) -> None:
    ticket = await claimed(counter)

    refund = await counter.ask_refund(ticket, lin, amount=1_000)
    sent = await counter.floor.deliver(at=counter.floor.now + HOUR)

    assert (refund.state, refund.amount, refund.decided_by) == ("approved", 1_000, f"agent:{lin}")
    assert sent == [f"zh:refund.approved number={ticket.number} amount=10.00 CNY"]
    handling, payment = await counter.floor.all(Clock, metric="handling")
    assert (handling.met_at, payment.met_at) == (counter.floor.now + HOUR, None)
    now = await counter.floor.fresh(ticket)
    assert (now.phase, now.assignee_id) == (Phase.OPEN, lin)


async def test_above_an_agents_limit_a_lead_approves(counter: Counter, lin: int, chen: int) -> None:
    ticket = await claimed(counter)

    refund = await counter.ask_refund(ticket, lin)
    with pytest.raises(NotAllowed, match="approve so large a refund"):
        await approve(counter, refund, lin)

    assert (refund.state, refund.amount) == ("requested", 4_850)
    assert await counter.floor.queued() == [f"zh:refund.asked number={ticket.number} amount=48.50 CNY"]
    (notice,) = await counter.floor.all(Notice, agent_id=chen)
    assert notice.text.startswith(f"zh:notice.refund_asked number={ticket.number}")
    assert "agent=Lin amount=48.50 CNY" in notice.text
    assert (await approve(counter, refund, chen)).state == "approved"


async def test_a_lead_needs_nobody_for_what_a_lead_may(counter: Counter, chen: int) -> None:
    assert (await counter.ask_refund(await claimed(counter), chen)).state == "approved"


async def test_where_there_is_no_lead_an_agents_word_is_enough(counter: Counter, lin: int) -> None:
    assert (await counter.ask_refund(await claimed(counter), lin)).state == "approved"


async def test_a_code_is_worth_its_share_of_what_was_paid(counter: Counter, chen: int) -> None:
    second = counter.new_code("SOLD-2", 2)
    order = replace(ORDER, quantity=3, paid=10_000, codes=(counter.code, second))
    ticket = (await counter.file(order, second, reason=Reason.OTHER)).ticket

    refund = await counter.ask_refund(ticket, chen, order)

    assert refund.amount == 3_333
    assert (await counter.floor.one(OrderMoney)).refunded == 3_333


async def test_a_code_gets_no_more_than_its_share_whose_others_may_be_replaced(counter: Counter, chen: int) -> None:
    order = replace(ORDER, quantity=2, paid=9_700, codes=(counter.code, counter.new_code("SOLD-2", 2)))
    ticket = (await counter.file(order, reason=Reason.OTHER)).ticket

    with pytest.raises(OverShare, match=r"48\.50 CNY was paid"):
        await counter.ask_refund(ticket, chen, order, amount=4_851)

    assert await counter.floor.all(Refund) == []


async def test_what_is_left_is_all_that_a_share_can_be(counter: Counter, chen: int) -> None:
    refund = await counter.ask_refund(await claimed(counter), chen, replace(ORDER, refunded=4_000))

    assert refund.amount == 850


async def test_an_order_as_a_whole_is_refunded_with_what_is_left(counter: Counter, chen: int) -> None:
    ticket = await counter.floor.open(counter.conversation)

    refund = await counter.ask_refund(ticket, chen, replace(ORDER, refunded=1_000), claim_id=None)

    assert (refund.amount, refund.fingerprint, refund.claim_id) == (3_850, None, None)
    assert (await counter.floor.fresh(ticket)).order_ref == f"demo/{ORDER.order_no}"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param({"amount": 4_851}, OverPaid, id="more than was paid"),
        pytest.param({"amount": 0}, BadAmount, id="nothing"),
        pytest.param({"order": replace(ORDER, order_no="ZZ99")}, OtherOrder, id="another order"),
        pytest.param({"claim_id": 404}, NoOpenClaim, id="no such claim"),
        pytest.param({"order": replace(ORDER, order_no="ZZ99"), "claim_id": None}, OtherOrder, id="not the ticket's"),
    ],
)
async def test_what_is_no_refund_leaves_nothing_behind(
    counter: Counter, chen: int, options: dict[str, Any], error: type[Exception]
) -> None:
    ticket = await claimed(counter)

    with pytest.raises(error):
        await counter.ask_refund(ticket, chen, **options)

    assert await counter.floor.all(Refund) == []
    assert await counter.floor.queued() == []


async def test_an_order_that_nobody_proved_and_no_ticket_names_is_for_a_lead_to_name(
    counter: Counter, lin: int, chen: int
) -> None:
    ticket = await counter.floor.open(counter.conversation)

    with pytest.raises(OtherOrder):
        await counter.ask_refund(ticket, lin, claim_id=None, amount=100)
    assert (await counter.ask_refund(ticket, chen, claim_id=None, amount=100)).state == "approved"


async def test_a_colleagues_ticket_is_theirs(counter: Counter, lin: int, ming: int) -> None:
    ticket = await claimed(counter)
    await counter.floor.do(counter.floor.desk.take, ticket.id, lin)

    with pytest.raises(HeldByColleague):
        await counter.ask_refund(ticket, ming)


async def test_a_settled_ticket_where_no_promise_runs_brings_no_refund(counter: Counter, lin: int) -> None:
    ticket = await claimed(counter)
    await counter.resolve(ticket, lin, Outcome.REJECT)

    with pytest.raises(InvalidTransition):
        await counter.ask_refund(ticket, lin)


async def test_another_tickets_claim_is_not_for_this_one(counter: Counter, lin: int) -> None:
    settled = await counter.file(reason=Reason.OTHER)
    other = await counter.floor.open(await counter.floor.meet("buyer-2"))

    with pytest.raises(NoOpenClaim):
        await counter.ask_refund(other, lin, claim_id=settled.claim.id)


# Refused


async def test_a_refused_refund_is_free_again_and_the_buyer_is_told_why(counter: Counter, lin: int, chen: int) -> None:
    ticket = await claimed(counter)
    refund = await counter.ask_refund(ticket, lin)

    with pytest.raises(CodeInText):
        await counter.floor.do(counter.refunds.refuse, refund.id, chen, "新卡 K7Q2M-9XH4T-R3VNP")
    await counter.floor.do(counter.refunds.refuse, refund.id, chen, "质保期已过")

    assert (await fresh(counter, refund)).state == "refused"
    assert (await counter.floor.one(OrderMoney)).refunded == 0
    said = (await counter.floor.queued())[-1]
    assert said == f"zh:refund.refused number={ticket.number} amount=48.50 CNY\n\n质保期已过"
    assert (await counter.floor.fresh(ticket)).phase == Phase.WAITING


async def test_after_a_refusal_the_code_may_be_replaced(counter: Counter, lin: int, chen: int) -> None:
    ticket = await claimed(counter)
    refund = await counter.ask_refund(ticket, lin)
    with pytest.raises(AlreadyCompensated):
        await counter.grant(ticket, lin)

    await counter.floor.do(counter.refunds.refuse, refund.id, chen)

    assert (await counter.grant(ticket, lin)).kind == "replaced"


async def test_nothing_is_decided_twice(counter: Counter, lin: int, chen: int) -> None:
    refund = await counter.ask_refund(await claimed(counter), lin)
    ends = await asyncio.gather(
        approve(counter, refund, chen),
        counter.floor.do(counter.refunds.refuse, refund.id, chen),
        return_exceptions=True,
    )

    assert sorted(type(end).__name__ for end in ends) == ["Refund", "RefundMoved"]


async def test_a_buyer_who_waits_for_a_decision_is_not_silent(counter: Counter, lin: int, chen: int) -> None:
    ticket = await claimed(counter)
    await counter.ask_refund(ticket, lin)
    await counter.floor.do(counter.floor.desk.reply, ticket.id, lin, "组长看过就告诉您")
    await counter.floor.deliver()

    rested = await alarms.ring(counter.floor.database, lambda: counter.floor.now + 3 * DAY, counter.floor.desk)

    assert rested == alarms.Acted()
    assert await counter.floor.queued() == []
    with pytest.raises(RefundPending):
        await counter.floor.do(counter.floor.desk.close, ticket.id, lin)


# Carried out


async def test_when_it_is_paid_the_claim_and_the_ticket_are_settled(counter: Counter, chen: int) -> None:
    ticket = await claimed(counter)
    refund = await counter.ask_refund(ticket, chen)

    await counter.floor.do(counter.refunds.paid, refund.id, "4200-77")

    assert ((await fresh(counter, refund)).state, (await fresh(counter, refund)).reference) == ("done", "4200-77")
    claim = await counter.floor.one(Claim)
    assert (claim.outcome, claim.state, claim.decided_by) == ("refund", "decided", "system")
    assert (await counter.floor.fresh(ticket)).phase == Phase.RESOLVED
    assert (await counter.floor.one(Cycle)).outcome == "refund"
    said = (await counter.floor.queued())[-1]
    assert said.startswith(f"zh:refund.done number={ticket.number} amount=48.50 CNY reference=4200-77\n\n")
    assert (await counter.floor.all(Message))[-1].agent_id == chen


async def test_less_than_its_share_is_a_partial_refund(counter: Counter, chen: int) -> None:
    ticket = await claimed(counter)
    await counter.pay(await counter.ask_refund(ticket, chen, amount=100), chen)

    assert (await counter.floor.one(Claim)).outcome == "partial_refund"
    assert (await counter.floor.one(Cycle)).outcome == "partial_refund"


async def test_what_the_shop_cannot_pay_is_a_task_for_a_person(counter: Counter, lin: int, chen: int) -> None:
    ticket = await claimed(counter)
    refund = await counter.ask_refund(ticket, chen)

    await counter.floor.do(counter.refunds.by_hand, refund.id)
    with pytest.raises(ReferenceMissing, match="number of the payment"):
        await counter.floor.do(counter.refunds.mark_paid, refund.id, chen, "  ")
    with pytest.raises(RefundPending):
        await counter.resolve(ticket, chen, Outcome.REJECT)
    await counter.floor.do(counter.refunds.mark_paid, refund.id, chen, "wx-1")

    assert (await counter.floor.fresh(ticket)).phase == Phase.RESOLVED
    notices = [notice.text for notice in await counter.floor.all(Notice, agent_id=chen)]
    assert any(text.startswith("zh:notice.refund_by_hand") and "amount=48.50 CNY" in text for text in notices)
    with pytest.raises(RefundMoved):
        await counter.floor.do(counter.refunds.mark_paid, refund.id, chen, "wx-2")


async def test_a_refund_that_fails_gives_its_amount_back_and_says_so(counter: Counter, chen: int) -> None:
    ticket = await claimed(counter)
    refund = await counter.ask_refund(ticket, chen)

    await counter.floor.do(counter.refunds.rejected, refund.id, "card closed")

    assert ((await fresh(counter, refund)).state, (await fresh(counter, refund)).problem) == ("failed", "card closed")
    assert (await counter.floor.one(OrderMoney)).refunded == 0
    assert (await counter.floor.queued())[-1] == f"zh:refund.failed number={ticket.number} amount=48.50 CNY"
    assert (await counter.floor.fresh(ticket)).phase == Phase.OPEN
    assert (await counter.floor.one(Claim)).outcome is None
    assert any("card closed" in notice.text for notice in await counter.floor.all(Notice))


async def test_what_a_person_cannot_pay_either_fails(counter: Counter, chen: int) -> None:
    refund = await counter.ask_refund(await claimed(counter), chen)
    await counter.floor.do(counter.refunds.by_hand, refund.id)

    await counter.floor.do(counter.refunds.give_up, refund.id, chen, "account closed")

    assert (await fresh(counter, refund)).state == "failed"


@pytest.mark.parametrize("how", ["by hand", "failed"])
async def test_a_payment_that_nobody_makes_reaches_the_managers(
    counter: Counter, chen: int, wang: int, how: str
) -> None:
    refund = await counter.ask_refund(await claimed(counter), chen)
    await counter.floor.deliver(at=counter.floor.now + HOUR)
    verb = counter.refunds.by_hand if how == "by hand" else counter.refunds.rejected
    await counter.floor.do(verb, refund.id, "no such card", at=counter.floor.now + HOUR)
    await counter.floor.deliver(at=counter.floor.now + HOUR)

    await counter.floor.sweep(counter.floor.now + 10 * DAY)

    assert [one.level for one in await counter.floor.all(Escalation)][-1] == Level.MANAGER


async def test_a_refund_of_one_claim_handles_no_other(counter: Counter, chen: int) -> None:
    order = replace(ORDER, quantity=2, paid=9_700, codes=(counter.code, counter.new_code("SOLD-2", 2)))
    filed = await counter.file_all(order.codes, order, reason=Reason.OTHER)

    first = await counter.ask_refund(filed[0].ticket, chen, order, claim_id=filed[0].claim.id)
    await counter.pay(first, chen)
    await counter.floor.deliver()

    (handling,) = await counter.floor.all(Clock, metric="handling")
    assert handling.met_at is None
    await counter.ask_refund(filed[0].ticket, chen, order, claim_id=filed[1].claim.id)
    await counter.floor.deliver()
    assert [clock.met_at for clock in await counter.floor.all(Clock, metric="handling")] == [counter.floor.now, None]


async def test_a_ticket_with_more_to_decide_stays_open(counter: Counter, chen: int) -> None:
    second = counter.new_code("SOLD-2", 2)
    order = replace(ORDER, quantity=2, paid=9_700, codes=(counter.code, second))
    filed = await counter.file_all(order.codes, order, reason=Reason.OTHER)
    ticket = filed[0].ticket
    assert ticket is not None

    first = await counter.ask_refund(ticket, chen, order, claim_id=filed[0].claim.id)
    await counter.pay(first, chen)
    assert (await counter.floor.fresh(ticket)).phase == Phase.OPEN
    await counter.pay(await counter.ask_refund(ticket, chen, order, claim_id=filed[1].claim.id), chen)

    assert (await counter.floor.fresh(ticket)).phase == Phase.RESOLVED
    assert [claim.outcome for claim in await counter.floor.all(Claim)] == ["refund", "refund"]
    assert (await counter.floor.one(OrderMoney)).refunded == 9_700


async def test_a_refund_follows_its_ticket_through_a_merge(counter: Counter, chen: int) -> None:
    ticket = await claimed(counter)
    other = await counter.floor.open(counter.conversation)
    refund = await counter.ask_refund(ticket, chen)
    await counter.floor.do(counter.floor.desk.merge, ticket.id, other.id, chen)

    await counter.pay(refund, chen)

    assert (await counter.floor.fresh(other)).phase == Phase.RESOLVED


async def test_a_refund_without_a_claim_follows_through_merges_of_merges(counter: Counter, chen: int) -> None:
    refund = await of_the_order(counter, chen)
    first, second, last = refund.ticket_id, *[await counter.floor.open(counter.conversation) for _ in range(2)]
    await counter.floor.do(counter.floor.desk.merge, first, second.id, chen)
    await counter.floor.do(counter.floor.desk.merge, second.id, last.id, chen)

    with pytest.raises(RefundPending):
        await counter.resolve(last, chen, Outcome.REJECT)
    await counter.pay(refund, chen)

    assert (await counter.floor.fresh(last)).phase == Phase.RESOLVED


# Never both


async def test_a_ticket_ends_as_refunded_only_when_it_was(counter: Counter, chen: int) -> None:
    ticket = await counter.floor.open(counter.conversation)

    for outcome in (Outcome.REFUND, Outcome.PARTIAL_REFUND):
        with pytest.raises(NotRefunded, match="ask for it"):
            await counter.floor.do(counter.floor.desk.resolve, ticket.id, chen, outcome)

    assert (await counter.floor.fresh(ticket)).phase == Phase.OPEN


async def seen(counter: Counter, chen: int) -> Settled:
    """A claim that was replaced, and whose buyer has looked."""
    settled = await counter.grant(await claimed(counter), chen)
    await counter.look(settled.link)
    return settled


async def of_the_order(counter: Counter, chen: int) -> Refund:
    ticket = await counter.floor.open(counter.conversation, order_ref=f"demo/{ORDER.order_no}")
    return await counter.ask_refund(ticket, chen, claim_id=None)


async def test_a_refund_without_a_claim_asks_too_what_was_given(counter: Counter, chen: int) -> None:
    await seen(counter, chen)

    with pytest.raises(CodeSeen):
        await of_the_order(counter, chen)

    assert await counter.floor.all(Refund) == []


async def test_a_refund_without_a_claim_puts_unseen_replacements_out_of_use(counter: Counter, chen: int) -> None:
    settled = await counter.grant(await claimed(counter), chen)

    await of_the_order(counter, chen)

    with pytest.raises(LinkGone):
        await counter.look(settled.link)


async def test_what_was_refunded_without_a_claim_is_not_replaced(counter: Counter, chen: int) -> None:
    refund = await of_the_order(counter, chen)
    settled = await counter.file()

    with pytest.raises(AlreadyCompensated):
        await counter.grant(settled.ticket, chen)

    assert settled.why == "decided_before"
    assert refund.state == "approved"
    assert await counter.floor.all(Replacement) == []


async def test_a_chain_is_one_unit_whichever_of_its_codes_is_claimed(counter: Counter, chen: int) -> None:
    """The sold code was replaced, the replacement refunded: the sold code gets nothing more."""
    first = await counter.file()
    second = await counter.file(code=counter.new_code(await counter.look(first.link)), reason=Reason.OTHER)
    await counter.ask_refund(second.ticket, chen)
    ticket = (await counter.file(reason=Reason.OTHER)).ticket

    with pytest.raises(AlreadyCompensated):
        await counter.ask_refund(ticket, chen)


async def test_a_replacement_looked_at_before_the_approval_stops_it(counter: Counter, lin: int, chen: int) -> None:
    settled = await counter.grant(await claimed(counter), chen)
    assert settled.ticket is not None
    await counter.floor.speak(settled.ticket)
    refund = await counter.ask_refund(settled.ticket, lin, claim_id=settled.claim.id)
    await counter.look(settled.link)

    with pytest.raises(CodeSeen):
        await approve(counter, refund, chen)

    assert (await fresh(counter, refund)).state == "requested"


@pytest.mark.parametrize("times", range(3))
async def test_replacing_and_refunding_at_once_give_one(counter: Counter, chen: int, times: int) -> None:
    """Two tickets about one order: the one of the claim, and one without."""
    ticket = await claimed(counter)

    ends = await asyncio.gather(counter.grant(ticket, chen), of_the_order(counter, chen), return_exceptions=True)

    given = [code for code in await counter.floor.all(Code) if code.state == "issued"]
    live = [one for one in await counter.floor.all(Refund) if one.state != "refused"]
    assert len(given) + len(live) == 1, ends


@pytest.mark.parametrize("times", range(3))
async def test_filing_and_refunding_at_once_give_one(counter: Counter, chen: int, times: int) -> None:
    """The bot has not met the claim yet: there is no row that both could have seen."""
    ends = await asyncio.gather(counter.file(), of_the_order(counter, chen), return_exceptions=True)

    given = [code for code in await counter.floor.all(Code) if code.state == "issued"]
    live = await counter.floor.all(Refund)
    assert len(given) + len(live) == 1, ends


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_without_the_hold_both_go_out(counter: Counter, chen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: it looks, but nobody waits for anybody."""
    from shop import refunds

    barrier = asyncio.Barrier(2)

    async def look_alone(*place: object) -> None:
        await barrier.wait()

    async def request(*facts: Any, **more: Any) -> Any:
        monkeypatch.setattr("shop.refunds.hold_order", held)
        return await asked(*facts, **more)

    held, asked = refunds.hold_order, refunds.request_refund
    monkeypatch.setattr("shop.refunds.hold_order", look_alone)
    monkeypatch.setattr("shop.refunds.request_refund", request)

    ends = await asyncio.gather(counter.file(), of_the_order(counter, chen))

    assert [type(end) for end in ends] == [Settled, Refund]
    assert ends[0].kind == "replaced"


async def test_sixteen_agents_ask_for_one_refund(counter: Counter, chen: int) -> None:
    ticket = await claimed(counter)

    ends = await asyncio.gather(*(counter.ask_refund(ticket, chen) for _ in range(16)), return_exceptions=True)

    assert sum(isinstance(end, Refund) for end in ends) == 1
    assert {type(end) for end in ends} <= {Refund, AlreadyCompensated, AlreadyRefunded}
    assert (await counter.floor.one(OrderMoney)).refunded == 4_850


# Two persons


@pytest.mark.parametrize("money", [MoneyRules(agent_limit=1_000, two_persons=4_000)])
class TestTwoPersons:
    async def test_above_the_limit_a_second_person_agrees(self, counter: Counter, lin: int, chen: int) -> None:
        ticket = await claimed(counter)

        refund = await counter.ask_refund(ticket, lin)
        approval = await counter.floor.one(Approval)
        done = await approve(counter, refund, chen)

        assert (approval.action, approval.amount, approval.asked_by_id) == ("refund", 4_850, lin)
        assert done.state == "approved"
        approval = await counter.floor.one(Approval)
        assert (approval.decided_by_id, approval.is_granted) == (chen, True)
        (notice,) = await counter.floor.all(Notice, agent_id=chen)
        assert notice.text.startswith("zh:notice.second_person")
        actions = [row.action for row in await counter.floor.all(AuditRow, subject=f"claim:{approval.claim_id}")]
        assert actions[-2:] == ["approval.asked", "approval.granted"]

    async def test_nobody_is_their_own_second(self, counter: Counter, chen: int, wang: int) -> None:
        refund = await counter.ask_refund(await claimed(counter), chen)

        with pytest.raises(SamePerson, match="another lead or manager"):
            await approve(counter, refund, chen)
        assert (await approve(counter, refund, wang)).state == "approved"

    async def test_who_asked_for_so_much_does_not_pay_it_as_well(self, counter: Counter, lin: int, chen: int) -> None:
        ticket = await claimed(counter)
        await counter.floor.do(counter.floor.desk.take, ticket.id, lin)
        refund = await counter.ask_refund(ticket, lin)
        await approve(counter, refund, chen)

        with pytest.raises(PaidByAsker, match=r"above 40\.00 CNY another person pays it"):
            await counter.pay(refund, lin)

        assert (await fresh(counter, refund)).state == "manual"
        paid = await counter.floor.do(counter.refunds.mark_paid, refund.id, chen, "wx-4200001")
        assert (paid.state, paid.reference) == ("done", "wx-4200001")

    async def test_who_asked_for_a_little_may(self, counter: Counter, lin: int) -> None:
        refund = await counter.ask_refund(await claimed(counter), lin, amount=1_000)

        assert (await counter.pay(refund, lin)).state == "done"

    async def test_an_agent_is_no_second_person(self, counter: Counter, lin: int, ming: int, chen: int) -> None:
        refund = await counter.ask_refund(await claimed(counter), lin)

        with pytest.raises(NotAllowed):
            await approve(counter, refund, ming)

    async def test_without_a_claim_the_refund_itself_remembers_the_first(
        self, counter: Counter, lin: int, chen: int, wang: int
    ) -> None:
        refund = await of_the_order(counter, chen)
        with pytest.raises(SamePerson):
            await approve(counter, refund, chen)

        assert await counter.floor.all(Approval) == []
        assert (await approve(counter, refund, wang)).state == "approved"

    async def test_an_order_paid_back_in_parts_needs_the_second_person_too(
        self, counter: Counter, chen: int, wang: int
    ) -> None:
        ticket = await counter.floor.open(counter.conversation, order_ref=f"demo/{ORDER.order_no}")

        parts = [await counter.ask_refund(ticket, chen, claim_id=None, amount=2_100) for _ in range(2)]

        assert [refund.state for refund in parts] == ["approved", "requested"]
        with pytest.raises(SamePerson):
            await approve(counter, parts[1], chen)
        assert (await approve(counter, parts[1], wang)).state == "approved"

    async def test_a_code_and_then_its_order_are_parts_as_well(self, counter: Counter, chen: int, wang: int) -> None:
        ticket = await claimed(counter)

        parts = [await counter.ask_refund(ticket, chen, amount=2_100)]
        parts += [await counter.ask_refund(ticket, chen, claim_id=None, amount=2_100)]

        assert [refund.state for refund in parts] == ["approved", "requested"]

    async def test_codes_paid_back_one_by_one_are_parts_of_their_order_too(
        self, counter: Counter, chen: int, wang: int
    ) -> None:
        order = replace(ORDER, quantity=2, paid=9_700, codes=(counter.code, counter.new_code("SOLD-2", 2)))
        filed = await counter.file_all(order.codes, order, reason=Reason.OTHER)

        parts = [
            await counter.ask_refund(one.ticket, chen, order, claim_id=one.claim.id, amount=2_100) for one in filed
        ]

        assert [refund.state for refund in parts] == ["approved", "requested"]

    async def test_what_a_buyer_asked_needs_two_of_us(self, counter: Counter, lin: int, chen: int, wang: int) -> None:
        ticket = await claimed(counter)
        actor = f"buyer:{ticket.buyer_id}"
        refund = await counter.floor.do(counter.refunds.request, ticket, ORDER, counter.code, actor)

        first = await approve(counter, refund, lin)
        assert (first.state, first.decided_by) == ("requested", f"agent:{lin}")
        with pytest.raises(SamePerson):
            await approve(counter, refund, lin)
        assert (await approve(counter, refund, chen)).state == "approved"

    async def test_a_second_person_refuses(self, counter: Counter, lin: int, chen: int) -> None:
        ticket = await claimed(counter)
        refund = await counter.ask_refund(ticket, lin)

        await counter.floor.do(counter.refunds.refuse, refund.id, chen)

        assert (await counter.floor.one(Approval)).is_granted is False
        assert (await counter.ask_refund(ticket, lin)).state == "requested"

    async def test_who_asked_takes_it_back(self, counter: Counter, lin: int, chen: int) -> None:
        refund = await counter.ask_refund(await claimed(counter), lin)

        await counter.floor.do(counter.refunds.refuse, refund.id, lin)

        approval = await counter.floor.one(Approval)
        assert (approval.decided_by_id, approval.is_granted) == (None, False)
        assert (await fresh(counter, refund)).state == "refused"

    async def test_alone_in_the_shop_one_is_told_what_to_do(self, counter: Counter, chen: int, ming: int) -> None:
        ticket = await claimed(counter)

        with pytest.raises(NobodyToAgree, match=r"Above 40\.00 CNY .* add one, or empty claims\.two_persons"):
            await counter.ask_refund(ticket, chen)

        assert await counter.floor.all(Refund) == []
        assert await counter.floor.all(Approval) == []

    async def test_at_the_limit_one_person_is_enough(self, counter: Counter, chen: int) -> None:
        assert (await counter.ask_refund(await claimed(counter), chen, amount=4_000)).state == "approved"
