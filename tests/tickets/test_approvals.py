"""Replacements that two persons grant: one asks and a code is kept, another grants; the database tells them apart."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from audit.tables import AuditRow
from shop.errors import PoolEmpty
from shop.tables import Code, Replacement
from tests.tickets.conftest import say
from tests.tickets.counter import DAY, ORDER, RESERVE, Counter
from tickets import alarms, approvals
from tickets.claims import Reason, Settled
from tickets.desk import Desk, DeskRules
from tickets.errors import NotAllowed
from tickets.money_errors import AlreadyAsked, NeedsSecondPerson, NobodyToAgree, SamePerson, UnknownApproval
from tickets.rules import MoneyRules
from tickets.second_person import SecondPerson
from tickets.tables import Agent, Approval, Claim, Notice, Outcome, Phase, Ticket

DEAR = MoneyRules(two_persons=4_000)


@pytest.fixture
def desk() -> Desk:
    return Desk(say, DeskRules(money=DEAR))


@pytest.fixture
def second(counter: Counter) -> SecondPerson:
    return SecondPerson(counter.claims)


async def claimed(counter: Counter) -> Ticket:
    ticket = (await counter.file(reason=Reason.OTHER)).ticket
    assert ticket is not None
    return ticket


async def ask(counter: Counter, second: SecondPerson, ticket: Ticket, agent: int) -> Approval:
    asked = await counter.floor.do(second.replace, ticket.id, agent)
    assert isinstance(asked, Approval)
    return asked


async def waiting(counter: Counter) -> list[Approval]:
    async with counter.floor.database.reading() as session:
        return [approval for approval, _, _ in await approvals.waiting(session)]


async def test_one_asks_a_code_is_kept_and_another_grants(
    counter: Counter, second: SecondPerson, lin: int, chen: int
) -> None:
    ticket = await claimed(counter)

    approval = await ask(counter, second, ticket, lin)
    kept = await counter.floor.one(Code, state="reserved")
    assert [one.id for one in await waiting(counter)] == [approval.id]
    settled = await counter.floor.do(second.grant, approval.id, chen)

    assert (kept.reserved_for, settled.kind) == (approval.claim_id, "replaced")
    replacement = await counter.floor.one(Replacement)
    assert (replacement.code_id, replacement.issued_by) == (kept.id, f"agent:{chen}")
    assert (await counter.floor.fresh(ticket)).phase == Phase.RESOLVED
    assert await waiting(counter) == []
    actions = [row.action for row in await counter.floor.all(AuditRow, subject=f"claim:{approval.claim_id}")]
    assert actions.index("approval.asked") < actions.index("approval.granted") < actions.index("claim.decided")
    (notice,) = await counter.floor.all(Notice, agent_id=chen)
    assert "agent=Lin amount=48.50 CNY what=zh:approval.replace" in notice.text


async def test_nobody_goes_around_it(counter: Counter, second: SecondPerson, lin: int, chen: int) -> None:
    ticket = await claimed(counter)
    await ask(counter, second, ticket, lin)

    for agent in (lin, chen):
        with pytest.raises(NeedsSecondPerson, match=r"48\.50 CNY needs a second person"):
            await counter.grant(ticket, agent)
        with pytest.raises(NeedsSecondPerson):
            await counter.floor.do(counter.claims.replace_all, ticket.id, agent)

    assert await counter.floor.all(Replacement) == []


async def test_without_the_guard_one_person_is_enough(
    counter: Counter, chen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin."""

    async def pass_by(*arguments: object) -> None:
        return None

    monkeypatch.setattr("tickets.approvals.require_granted", pass_by)

    assert (await counter.grant(await claimed(counter), chen)).kind == "replaced"


async def test_nobody_is_their_own_second(counter: Counter, second: SecondPerson, chen: int, wang: int) -> None:
    ticket = await claimed(counter)
    approval = await ask(counter, second, ticket, chen)

    with pytest.raises(SamePerson):
        await counter.floor.do(second.grant, approval.id, chen)
    with pytest.raises(AlreadyAsked):
        await counter.floor.do(second.replace, ticket.id, chen)

    assert (await counter.floor.do(second.grant, approval.id, wang)).kind == "replaced"


async def test_the_database_refuses_the_same_person(
    counter: Counter, second: SecondPerson, chen: int, wang: int
) -> None:
    approval = await ask(counter, second, await claimed(counter), chen)

    same = update(Approval).where(col(Approval.id) == approval.id).values(decided_by_id=chen)

    async with counter.floor.database.reading() as session:
        with pytest.raises(IntegrityError):
            await session.exec(same)


async def test_a_lead_who_grants_what_another_asked_is_the_second(
    counter: Counter, second: SecondPerson, lin: int, chen: int
) -> None:
    ticket = await claimed(counter)
    await ask(counter, second, ticket, lin)

    settled = await counter.floor.do(second.replace, ticket.id, chen)

    assert isinstance(settled, Settled)
    assert settled.kind == "replaced"


async def test_an_agent_is_no_second(counter: Counter, second: SecondPerson, lin: int, ming: int, chen: int) -> None:
    approval = await ask(counter, second, await claimed(counter), lin)

    with pytest.raises(NotAllowed):
        await counter.floor.do(second.grant, approval.id, ming)


@pytest.mark.parametrize("by_asker", [False, True], ids=["refused", "taken back"])
async def test_a_no_frees_the_code_and_leaves_the_claim_open(
    counter: Counter, second: SecondPerson, lin: int, chen: int, by_asker: bool
) -> None:
    ticket = await claimed(counter)
    approval = await ask(counter, second, ticket, lin)

    closed = await counter.floor.do(second.refuse, approval.id, lin if by_asker else chen)

    assert (closed.is_granted, closed.decided_by_id) == (False, None if by_asker else chen)
    assert {code.state for code in await counter.floor.all(Code)} == {"free"}
    assert (await counter.floor.one(Claim)).outcome is None
    told = [notice.text for notice in await counter.floor.all(Notice, agent_id=lin)]
    assert any(text.startswith("zh:notice.second_refused") for text in told) is not by_asker
    with pytest.raises(UnknownApproval):
        await counter.floor.do(second.grant, approval.id, chen)
    assert (await ask(counter, second, ticket, lin)).id != approval.id


async def test_a_claim_that_ended_otherwise_waits_for_nobody(
    counter: Counter, second: SecondPerson, lin: int, chen: int
) -> None:
    ticket = await claimed(counter)
    await ask(counter, second, ticket, lin)

    await counter.resolve(ticket, lin, Outcome.REJECT)

    assert await waiting(counter) == []
    assert {code.state for code in await counter.floor.all(Code)} == {"free"}
    await counter.floor.speak(ticket)
    assert (await counter.ask_refund(ticket, lin)).state == "requested"  # after all


async def test_a_refused_refund_is_no_answer_to_the_question_of_a_replacement(
    counter: Counter, second: SecondPerson, lin: int, chen: int
) -> None:
    ticket = await claimed(counter)
    approval = await ask(counter, second, ticket, lin)
    actor = f"buyer:{ticket.buyer_id}"
    refund = await counter.floor.do(counter.refunds.request, ticket, ORDER, counter.code, actor, amount=100)

    await counter.floor.do(counter.refunds.refuse, refund.id, chen)

    assert (await counter.floor.do(second.grant, approval.id, chen)).kind == "replaced"


async def test_what_waits_for_a_second_person_goes_along_with_a_merge(
    counter: Counter, second: SecondPerson, lin: int, chen: int
) -> None:
    ticket, other = await claimed(counter), await counter.floor.open(counter.conversation)
    approval = await ask(counter, second, ticket, lin)
    await counter.floor.do(counter.floor.desk.merge, ticket.id, other.id, chen)

    settled = await counter.floor.do(second.grant, approval.id, chen)

    assert settled.kind == "replaced"
    assert (await counter.floor.fresh(other)).phase == Phase.RESOLVED


async def test_a_buyer_who_waits_for_a_second_person_is_not_silent(
    counter: Counter, second: SecondPerson, lin: int, chen: int
) -> None:
    ticket = await claimed(counter)
    await ask(counter, second, ticket, lin)
    await counter.floor.do(counter.floor.desk.reply, ticket.id, lin, "组长看过就补发")
    await counter.floor.deliver()

    rested = await alarms.ring(counter.floor.database, lambda: counter.floor.now + 3 * DAY, counter.floor.desk)

    assert rested == alarms.Acted()
    with pytest.raises(AlreadyAsked):
        await counter.floor.do(counter.floor.desk.close, ticket.id, lin)


async def test_alone_in_the_shop_one_is_told_what_to_do(counter: Counter, second: SecondPerson, chen: int) -> None:
    ticket = await claimed(counter)

    with pytest.raises(NobodyToAgree, match=r"Above 40\.00 CNY another lead or manager must agree, and there is none"):
        await counter.floor.do(second.replace, ticket.id, chen)

    assert await counter.floor.all(Approval) == []
    assert {code.state for code in await counter.floor.all(Code)} == {"free"}


async def test_a_lead_who_was_switched_off_is_nobody(
    counter: Counter, second: SecondPerson, lin: int, chen: int
) -> None:
    ticket = await claimed(counter)
    async with counter.floor.database.writing() as session:
        (await session.get_one(Agent, chen)).is_active = False

    with pytest.raises(NobodyToAgree):
        await counter.floor.do(second.replace, ticket.id, lin)


async def test_an_empty_pool_is_said_at_once(counter: Counter, second: SecondPerson, lin: int, chen: int) -> None:
    ticket = await claimed(counter)
    async with counter.floor.database.writing() as session:
        await session.exec(update(Code).values(state="void"))

    with pytest.raises(PoolEmpty):
        await counter.floor.do(second.replace, ticket.id, lin)

    assert await counter.floor.all(Approval) == []


async def test_two_leads_at_once_give_one_code(
    counter: Counter, second: SecondPerson, lin: int, chen: int, wang: int
) -> None:
    approval = await ask(counter, second, await claimed(counter), lin)

    ends: list[Any] = await asyncio.gather(
        *(counter.floor.do(second.grant, approval.id, one) for one in (chen, wang)), return_exceptions=True
    )

    assert sorted(type(end).__name__ for end in ends) == ["Settled", "UnknownApproval"]
    assert len(await counter.floor.all(Replacement)) == 1


@pytest.mark.parametrize("desk", [Desk(say, DeskRules(money=MoneyRules(two_persons=4_850)))], ids=["at the limit"])
async def test_what_one_person_may_grant_needs_no_second(counter: Counter, second: SecondPerson, lin: int) -> None:
    settled = await counter.floor.do(second.replace, (await claimed(counter)).id, lin)

    assert isinstance(settled, Settled)
    assert await counter.look(settled.link) == RESERVE[0]
