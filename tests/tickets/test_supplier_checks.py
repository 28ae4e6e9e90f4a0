"""Suppliers are asked, reminded of, and late; their answers are written down, and what they owe."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from audit.tables import AuditRow
from shop.port import CodeRef
from shop.tables import Batch, Supplier
from shop.vault import Vault
from tests.tickets.conftest import Floor
from tests.tickets.counter import DAY, HOUR, ORDER, RULES, sell, stock
from tests.tickets.test_lock_order import until_somebody_waits
from tickets.changes import lock_ticket
from tickets.claim_states import ClaimState
from tickets.claims import Claims, Outcome, Reason
from tickets.errors import AnsweredAlready, AskedAlready, CodeInText, HeldByColleague, NoSupplier, NotAsked
from tickets.supplier_checks import VOCABULARY, Answer, find_unsent, next_watch, watch
from tickets.tables import Claim, Escalation, Level, Notice, SupplierCheck, Ticket, Trigger, id_of

SOLD = "SOLD-0001-AAAA-BBBB"


@dataclass
class Desk:
    """A sold code of a supplier who answers within a day, and what its buyer and staff do."""

    floor: Floor
    claims: Claims
    vault: Vault

    async def file(self, reason: Reason = Reason.OTHER, words: str = "") -> Ticket:
        """A claim that came to people, and whose complaint lies ready."""
        conversation, code = await self.floor.meet(), CodeRef(self.vault.fingerprint(SOLD), "****-BBBB", 1)
        (settled,) = await self.floor.do(self.claims.file_all, conversation, ORDER, [code], reason, words)
        assert settled.ticket is not None
        return settled.ticket

    async def send(self, reason: Reason = Reason.OTHER, words: str = "") -> Ticket:
        """The same, and somebody has sent the complaint."""
        ticket, claim = await self.file(reason, words), await self.floor.one(Claim)
        await self.floor.do(self.floor.desk.ask_supplier, ticket.id, await self.floor.hire("sender"), claim.id)
        return ticket

    async def answer(self, ticket: Ticket, agent: int, answer: Answer, **options: Any) -> SupplierCheck:
        claim = await self.floor.one(Claim)
        return await self.floor.do(self.floor.desk.take_down_answer, ticket.id, agent, claim.id, answer, **options)

    async def watch(self, at: datetime) -> int:
        return await watch(self.floor.database, lambda: at, self.floor.desk)

    async def check(self) -> SupplierCheck:
        return await self.floor.one(SupplierCheck)

    async def texts(self) -> list[str]:
        return [notice.text for notice in await self.floor.all(Notice)]


@pytest.fixture
async def desk_of(floor: Floor, vault: Vault, reserve: tuple[str, ...]) -> Desk:
    await stock(floor, vault, reserve)
    async with floor.database.writing() as session:
        (await session.exec(select(Supplier))).one().answers_within = DAY
        (await session.exec(select(Batch))).one().cost = 4_100
        await sell(session, vault, SOLD, ORDER.order_no, floor.now - DAY)
    return Desk(floor, Claims(floor.desk, vault, RULES), vault)


async def test_a_claim_that_comes_to_people_has_its_complaint_ready_and_no_clock_yet(desk_of: Desk, chen: int) -> None:
    ticket = await desk_of.file()

    claim = await desk_of.floor.one(Claim)
    assert (claim.state, claim.ticket_id) == (ClaimState.SUPPLIER_CHECK, ticket.id)
    assert await desk_of.floor.all(SupplierCheck) == []
    async with desk_of.floor.database.reading() as session:
        assert [one.number for one in (await find_unsent(session))[1]] == [ticket.number]
        assert await next_watch(session) is None
    assert await desk_of.watch(desk_of.floor.now + 9 * DAY) == 0


async def test_the_clock_starts_when_the_complaint_was_sent(desk_of: Desk, now: datetime, lin: int) -> None:
    ticket, claim = await desk_of.file(), await desk_of.floor.one(Claim)

    await desk_of.floor.do(desk_of.floor.desk.ask_supplier, ticket.id, lin, claim.id, at=now + 3 * HOUR)

    check = await desk_of.check()
    assert (check.asked_at, check.due_at) == (now + 3 * HOUR, now + 3 * HOUR + DAY)
    assert check.remind_at == now + 7 * HOUR
    assert (await desk_of.floor.one(Claim)).state == ClaimState.SUPPLIER_CHECK
    async with desk_of.floor.database.reading() as session:
        assert await find_unsent(session) == {}


async def test_the_complaint_finds_the_code_and_does_not_tell_it(desk_of: Desk) -> None:
    ticket = await desk_of.send(Reason.WRONG_REGION, "提示：此卡限港服")

    text = (await desk_of.check()).text
    for fact in (
        ORDER.order_no,
        ticket.number,
        "****-BBBB",
        "其它",
        "zh:reason.wrong_region",
        "提示：此卡限港服",
        "2026-03-01 04:00",
    ):
        assert fact in text
    assert "SOLD-0001" not in text


async def test_what_the_supplier_cannot_know_is_not_asked(desk_of: Desk) -> None:
    conversation, code = await desk_of.floor.meet(), CodeRef(desk_of.vault.fingerprint(SOLD), "****-BBBB", 1)
    settled = await desk_of.floor.do(
        desk_of.claims.file, conversation, ORDER, code, Reason.ALREADY_USED, at=desk_of.floor.now + 90 * DAY
    )
    assert settled.ticket is not None
    assert await desk_of.floor.all(SupplierCheck) == []


async def test_a_supplier_who_does_not_answer_is_not_asked(desk_of: Desk, lin: int) -> None:
    async with desk_of.floor.database.writing() as session:
        (await session.exec(select(Supplier))).one().answers_within = None

    ticket = await desk_of.file()

    claim = await desk_of.floor.one(Claim)
    assert (await desk_of.floor.all(SupplierCheck), claim.state) == ([], ClaimState.REVIEW)
    with pytest.raises(NoSupplier):
        await desk_of.floor.do(desk_of.floor.desk.ask_supplier, ticket.id, lin, claim.id)
    with pytest.raises(NotAsked):
        await desk_of.answer(ticket, lin, Answer(is_bad=True))


async def test_an_agent_asks_where_nobody_has(desk_of: Desk, lin: int, ming: int) -> None:
    async with desk_of.floor.database.writing() as session:
        (await session.exec(select(Supplier))).one().answers_within = None
    ticket = await desk_of.file()
    async with desk_of.floor.database.writing() as session:
        (await session.exec(select(Supplier))).one().answers_within = 2 * HOUR
    claim = await desk_of.floor.one(Claim)

    check = await desk_of.floor.do(desk_of.floor.desk.ask_supplier, ticket.id, lin, claim.id)

    assert check.remind_at is None  # due before the first reminder
    assert (await desk_of.floor.one(Claim)).state == ClaimState.SUPPLIER_CHECK
    with pytest.raises(AskedAlready):
        await desk_of.floor.do(desk_of.floor.desk.ask_supplier, ticket.id, lin, claim.id)
    await desk_of.floor.do(desk_of.floor.desk.take, ticket.id, ming)
    with pytest.raises(HeldByColleague):
        await desk_of.floor.do(desk_of.floor.desk.ask_supplier, ticket.id, lin, claim.id)


async def test_staff_are_reminded_twice_and_then_the_check_is_silent(
    desk_of: Desk, now: datetime, lin: int, chen: int
) -> None:
    ticket = await desk_of.send()
    await desk_of.floor.do(desk_of.floor.desk.take, ticket.id, lin)

    assert await desk_of.watch(now + 4 * HOUR - timedelta(seconds=1)) == 0
    assert await desk_of.watch(now + 4 * HOUR) == 1
    assert await desk_of.watch(now + 12 * HOUR) == 1
    assert await desk_of.watch(now + DAY) == 0  # in the instant itself they may yet answer
    assert [notice.agent_id for notice in await desk_of.floor.all(Notice)] == [lin, lin]
    assert await desk_of.watch(now + DAY + HOUR) == 1

    check, claim = await desk_of.check(), await desk_of.floor.one(Claim)
    assert (check.answer, check.answered_at, check.reminders) == ("silent", now + DAY, 2)
    assert claim.state == ClaimState.REVIEW
    (risen,) = await desk_of.floor.all(Escalation)
    assert (risen.level, risen.trigger, risen.told) == (Level.LEAD, Trigger.SUPPLIER_SILENT, [f"agent:{chen}"])
    assert await desk_of.watch(now + 2 * DAY) == 0


async def test_after_an_outage_one_look_does_what_is_left(desk_of: Desk, now: datetime, chen: int) -> None:
    await desk_of.send()

    assert await desk_of.watch(now + 13 * HOUR) == 1
    assert (await desk_of.check()).reminders == 2
    assert await desk_of.watch(now + 13 * HOUR) == 0


async def test_the_next_look_is_known(desk_of: Desk, now: datetime) -> None:
    async with desk_of.floor.database.reading() as session:
        assert await next_watch(session) is None
    await desk_of.send()
    async with desk_of.floor.database.reading() as session:
        assert await next_watch(session) == now + 4 * HOUR
    await desk_of.watch(now + 12 * HOUR)
    async with desk_of.floor.database.reading() as session:
        assert await next_watch(session) == now + DAY + datetime.resolution


async def test_a_settled_ticket_does_not_rise_for_a_silent_supplier(desk_of: Desk, now: datetime, chen: int) -> None:
    ticket = await desk_of.send()
    await desk_of.floor.do(desk_of.floor.desk.resolve, ticket.id, chen, Outcome.REJECT)

    await desk_of.watch(now + 2 * DAY)

    assert (await desk_of.check()).answer == "silent"
    assert await desk_of.floor.all(Escalation) == []
    assert await desk_of.texts() == []


async def test_many_schedulers_act_on_a_check_once(desk_of: Desk, now: datetime, chen: int) -> None:
    await desk_of.send()

    acted = await asyncio.gather(*(desk_of.watch(now + 2 * DAY) for _ in range(4)))

    assert sum(acted) == 1
    assert len(await desk_of.floor.all(AuditRow, action="supplier.silent")) == 1
    assert len(await desk_of.floor.all(Escalation)) == 1


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_a_claim_that_is_decided_while_its_check_falls_silent_stays_decided(
    desk_of: Desk, now: datetime, chen: int
) -> None:
    ticket, claim = await desk_of.send(), await desk_of.floor.one(Claim)

    async with desk_of.floor.database.writing() as session:
        await lock_ticket(session, ticket.id)
        watched = asyncio.create_task(desk_of.watch(now + 2 * DAY))
        await until_somebody_waits(desk_of.floor)
        await desk_of.claims.replace(session, now, id_of(ticket), chen, claim.id)
    await watched

    claim = await desk_of.floor.one(Claim)
    assert (claim.state, claim.outcome) == (ClaimState.DECIDED, Outcome.REPLACE)
    assert (await desk_of.check()).answer == "silent"


async def test_a_bad_answer_books_what_is_owed_and_lets_the_claim_go_on(desk_of: Desk, now: datetime, lin: int) -> None:
    ticket = await desk_of.send()

    check = await desk_of.answer(ticket, lin, Answer(True, reference=" TS-88 "), at=now + 3 * HOUR)

    assert (check.answer, check.owed, check.reference, check.answered_by) == ("bad", 4_100, "TS-88", f"agent:{lin}")
    assert (await desk_of.floor.one(Claim)).state == ClaimState.REVIEW
    settled = await desk_of.floor.do(desk_of.claims.replace, ticket.id, lin)
    assert settled.kind == "replaced"
    with pytest.raises(AnsweredAlready):
        await desk_of.answer(ticket, lin, Answer(is_bad=False))
    assert await desk_of.watch(now + 2 * DAY) == 0


async def test_a_good_answer_owes_nothing(desk_of: Desk, lin: int) -> None:
    ticket = await desk_of.send()

    check = await desk_of.answer(ticket, lin, Answer(False, owed=4_100, remark="已核实，未使用"))

    assert (check.answer, check.owed, check.remark) == ("good", 0, "已核实，未使用")


async def test_an_answer_after_the_silence_is_written_down_all_the_same(desk_of: Desk, now: datetime, lin: int) -> None:
    ticket = await desk_of.send()
    await desk_of.watch(now + 2 * DAY)

    check = await desk_of.answer(ticket, lin, Answer(True, owed=100), at=now + 3 * DAY)

    assert (check.answer, check.owed, check.answered_at) == ("bad", 100, now + 3 * DAY)


async def test_a_code_in_a_remark_is_refused(desk_of: Desk, lin: int) -> None:
    ticket = await desk_of.send()

    with pytest.raises(CodeInText):
        await desk_of.answer(ticket, lin, Answer(True, remark=f"换成 {SOLD}"))


async def test_one_check_that_cannot_be_acted_on_holds_up_no_other(
    desk_of: Desk, now: datetime, chen: int, caplog: pytest.LogCaptureFixture
) -> None:
    await desk_of.send()
    async with desk_of.floor.database.writing() as session:
        claim = (await session.exec(select(Claim))).one()
        astray = Claim(**claim.model_dump(exclude={"id", "ticket_id", "order_no"}), order_no="ASTRAY")
        session.add(astray)
        await session.flush()
        facts = {"supplier_id": 1, "text": "", "asked_at": now, "due_at": now + HOUR}
        session.add(SupplierCheck(claim_id=id_of(astray), **facts))
        check = (await session.exec(select(SupplierCheck).where(SupplierCheck.claim_id == claim.id))).one()
        await session.delete(check)
        await session.flush()
        session.add(SupplierCheck(claim_id=id_of(claim), **facts))

    assert await desk_of.watch(now + DAY) == 1
    assert "cannot be acted on" in caplog.text


def test_every_reason_has_a_word_that_wholesalers_know() -> None:
    assert set(VOCABULARY) <= set(Reason)
    assert set(VOCABULARY.values()) <= {"面值不符(已绑)", "卡号/卡密错误", "未激活", "卡已被使用/失效"}
