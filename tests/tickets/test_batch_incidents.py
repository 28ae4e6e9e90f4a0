"""Many claims on one batch: it goes off sale once, and one incident answers all of their buyers."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop.port import CodeRef, Origin
from shop.tables import Batch, Code, CodeState
from shop.vault import Vault
from tests.tickets.conftest import Floor
from tests.tickets.counter import DAY, HOUR, ORDER, RULES, sell, stock
from tickets.batch_incidents import gather_all
from tickets.claims import Claims, Outcome, Reason, Settled
from tickets.errors import BatchStands, NotAllowed
from tickets.rules import BatchRules, DeskRules
from tickets.supplier_report import batch_figures
from tickets.tables import BatchIncident, Claim, Escalation, Level, Notice, Outgoing, Phase, Ticket, Trigger, id_of

SOLD = [f"SOLD-{number:04}-AAAA-BBBB" for number in range(12)]


@dataclass
class Hall:
    """A batch of twelve sold codes, each to a buyer of their own, and three in reserve."""

    floor: Floor
    claims: Claims
    vault: Vault

    async def file(
        self, number: int, *, buyer: int | None = None, at: timedelta = timedelta(), reason: Reason = Reason.OTHER
    ) -> Settled:
        """The buyer of this code, or another, claims it; for this reason no bot decides."""
        order = replace(ORDER, order_no=f"ORDER-{number:04}", delivered_at=self.floor.now - DAY)
        code = CodeRef(self.vault.fingerprint(SOLD[number]), f"****-{number:04}", 1)
        conversation = await self.floor.meet(f"buyer-{number if buyer is None else buyer}")
        return await self.floor.do(self.claims.file, conversation, order, code, reason, at=self.floor.now + at)

    async def ticket(self, number: int, **options: Any) -> Ticket:
        settled = await self.file(number, **options)
        assert settled.ticket is not None
        return await self.floor.fresh(settled.ticket)

    async def incident(self) -> Ticket:
        return await self.floor.one(Ticket, id=(await self.floor.one(BatchIncident)).ticket_id)

    async def count(self, action: str) -> int:
        return len(await self.floor.all(AuditRow, action=action))


@pytest.fixture
async def hall(floor: Floor, vault: Vault, reserve: tuple[str, ...]) -> Hall:
    await stock(floor, vault, reserve)
    async with floor.database.writing() as session:
        for number, text in enumerate(SOLD):
            await sell(session, vault, text, f"ORDER-{number:04}", floor.now - DAY)
    return Hall(floor, Claims(floor.desk, vault, RULES), vault)


async def test_a_claim_knows_its_supplier_and_batch(hall: Hall) -> None:
    settled = await hall.file(0)

    assert (settled.claim.supplier_id, settled.claim.batch_id) == (1, 1)


async def test_the_third_code_in_a_day_takes_the_batch_off_sale(hall: Hall, chen: int) -> None:
    tickets = [await hall.ticket(number) for number in range(2)]
    assert (await hall.floor.one(Batch)).quarantined_at is None

    last = await hall.ticket(2)

    assert (await hall.floor.one(Batch)).quarantined_at == hall.floor.now
    assert len(await hall.floor.all(Code, state=CodeState.QUARANTINED)) == 3
    incident = await hall.incident()
    assert (incident.level, incident.phase) == (Level.LEAD, Phase.OPEN)
    parents = {(await hall.floor.fresh(ticket)).parent_id for ticket in (*tickets, last)}
    assert parents == {incident.id}
    (risen,) = await hall.floor.all(Escalation, ticket_id=incident.id)
    assert (risen.trigger, risen.told) == (Trigger.BATCH, [f"agent:{chen}"])
    assert [notice.agent_id for notice in await hall.floor.all(Notice, ticket_id=incident.id)] == [chen]


async def test_one_buyer_alone_takes_no_batch_off_sale(hall: Hall) -> None:
    for number in range(4):
        await hall.file(number, buyer=0)

    assert (await hall.floor.one(Batch)).quarantined_at is None


async def test_the_claim_that_reached_it_gets_no_code_of_the_batch(hall: Hall) -> None:
    await hall.file(0)
    await hall.file(1)

    settled = await hall.file(2, reason=Reason.ALREADY_USED)

    assert (settled.kind, settled.why) == ("ticket", "pool_empty")


async def test_later_claims_join_the_incident(hall: Hall) -> None:
    for number in range(3):
        await hall.file(number)

    later = await hall.ticket(3, at=30 * HOUR)

    assert later.parent_id == (await hall.incident()).id
    assert await hall.count("batch.quarantined") == 1


async def test_one_reply_answers_all_of_them(hall: Hall, chen: int) -> None:
    tickets = [await hall.ticket(number) for number in range(3)]
    incident = await hall.incident()

    said = await hall.floor.do(hall.floor.desk.reply_to_all, id_of(incident), chen, "这批有问题，今天内补发")

    assert {message.ticket_id for message in said} == {incident.id, *(ticket.id for ticket in tickets)}
    addresses = {row.address for row in await hall.floor.all(Outgoing, channel="web") if row.handles}
    assert addresses == {"buyer-0", "buyer-1", "buyer-2"}


@pytest.mark.parametrize(
    ("rules", "spans"),
    [
        pytest.param(BatchRules(after=4), (0, 0, 0), id="too few"),
        pytest.param(BatchRules(within=HOUR), (0, 1, 2), id="too slowly"),
        pytest.param(BatchRules(share=0.3), (0, 0, 0), id="too small a share of twelve"),
    ],
)
async def test_less_than_that_leaves_it_on_sale(hall: Hall, rules: BatchRules, spans: tuple[int, ...]) -> None:
    desk = type(hall.floor.desk)(hall.floor.desk.say, DeskRules(batches=rules))
    hall.claims = Claims(desk, hall.vault, RULES)

    for number, span in enumerate(spans):
        await hall.file(number, at=span * HOUR)

    assert (await hall.floor.one(Batch)).quarantined_at is None


async def test_a_span_ends_after_its_last_instant(hall: Hall) -> None:
    await hall.file(0)
    await hall.file(1, at=HOUR)

    await hall.file(2, at=24 * HOUR)

    assert (await hall.floor.one(Batch)).quarantined_at is not None


async def test_a_code_claimed_twice_counts_once_and_an_untrue_claim_not_at_all(hall: Hall, chen: int) -> None:
    refused = await hall.ticket(0)
    await hall.floor.do(hall.floor.desk.resolve, refused.id, chen, Outcome.REJECT)
    await hall.file(0)
    await hall.file(1)

    assert (await hall.floor.one(Batch)).quarantined_at is None


async def test_a_lead_releases_it_and_earlier_claims_count_no_more(hall: Hall, chen: int, lin: int) -> None:
    for number in range(3):
        await hall.file(number)
    with pytest.raises(NotAllowed):
        await hall.floor.do(hall.floor.desk.release_batch, 1, lin, "没问题")

    await hall.floor.do(hall.floor.desk.release_batch, 1, chen, "没问题", at=hall.floor.now + HOUR)

    later = await hall.ticket(3, at=2 * HOUR)
    assert later.parent_id is None
    assert (await hall.floor.one(Batch)).quarantined_at is None
    assert len(await hall.floor.all(Code, state=CodeState.FREE)) == 3
    with pytest.raises(BatchStands, match="一"):
        await hall.floor.do(hall.floor.desk.release_batch, 1, chen, "没问题")


async def test_a_lead_quarantines_by_hand_and_the_open_claims_become_an_incident(
    hall: Hall, chen: int, lin: int
) -> None:
    ticket = await hall.ticket(0)
    with pytest.raises(NotAllowed):
        await hall.floor.do(hall.floor.desk.quarantine_batch, 1, lin, "供应商来电")

    await hall.floor.do(hall.floor.desk.quarantine_batch, 1, chen, "供应商来电")

    assert (await hall.floor.fresh(ticket)).parent_id == (await hall.incident()).id
    with pytest.raises(BatchStands):
        await hall.floor.do(hall.floor.desk.quarantine_batch, 1, chen, "供应商来电")


async def test_without_claims_there_is_no_incident_until_the_first(hall: Hall, chen: int) -> None:
    await hall.floor.do(hall.floor.desk.quarantine_batch, 1, chen, "供应商来电")
    assert await hall.floor.all(BatchIncident) == []

    ticket = await hall.ticket(0)

    assert ticket.parent_id == (await hall.incident()).id


@pytest.mark.parametrize(
    ("days", "is_same"), [pytest.param(1, True, id="opened again"), pytest.param(9, False, id="a new one")]
)
async def test_after_an_incident_was_resolved_the_next_claim_opens_it_again(
    hall: Hall, chen: int, days: int, is_same: bool
) -> None:
    for number in range(3):
        await hall.file(number)
    first = await hall.incident()
    await hall.floor.do(hall.floor.desk.resolve_all, id_of(first), chen, Outcome.INSTRUCT)

    ticket = await hall.ticket(3, at=days * DAY)

    incident = await hall.incident()
    assert (incident.id == first.id, incident.phase) == (is_same, Phase.OPEN)
    assert ticket.parent_id == incident.id


async def test_what_was_busy_is_gathered_later(hall: Hall, chen: int) -> None:
    for number in range(3):
        await hall.file(number)
    astray = (await hall.floor.all(Claim))[0].ticket_id
    await hall.floor.do(hall.floor.desk.set_parent, astray, None, chen)

    gathered = await gather_all(hall.floor.database, lambda: hall.floor.now, hall.floor.desk)

    assert gathered == 1
    assert (await hall.floor.one(Ticket, id=astray)).parent_id == (await hall.incident()).id
    assert await gather_all(hall.floor.database, lambda: hall.floor.now, hall.floor.desk) == 0


async def test_claims_at_once_quarantine_it_exactly_once(hall: Hall) -> None:
    settled = await asyncio.gather(*(hall.file(number) for number in range(8)))

    incident = await hall.incident()
    await gather_all(hall.floor.database, lambda: hall.floor.now, hall.floor.desk)
    parents = [(await hall.floor.one(Ticket, id=one.ticket.id)).parent_id for one in settled if one.ticket]
    assert await hall.count("batch.quarantined") == 1
    assert await hall.count("batch.incident_opened") == 1
    assert parents == [incident.id] * 8


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # SQLite has one writer
async def test_without_the_lock_claims_at_once_miss_it(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    there = asyncio.Barrier(3)

    async def look(session: AsyncSession, batch_id: int) -> Batch:
        """The broken twin: each counts before another's claim is committed."""
        await session.flush()
        await there.wait()
        return await session.get_one(Batch, batch_id)

    monkeypatch.setattr("tickets.batch_incidents.lock_batch", look)
    monkeypatch.setattr(type(hall.floor.desk), "join_incident", _nothing)

    await asyncio.gather(*(hall.file(number) for number in range(3)))

    assert (await hall.floor.one(Batch)).quarantined_at is None


async def _nothing(*_: object) -> None:
    return None


async def test_codes_of_a_foreign_shop_count_for_the_batch_that_it_names(hall: Hall) -> None:
    origin = Origin("上游一号", "B-7", cost=800)

    for number in range(3):
        order = replace(ORDER, shop="abroad", order_no=f"ABROAD-{number}", delivered_at=hall.floor.now - DAY)
        code = CodeRef(hall.vault.fingerprint(f"ABROAD-CODE-{number}"), f"****-{number:04}", 1)
        conversation, filed = await hall.floor.meet(f"buyer-{number}"), (order, [code], Reason.OTHER)
        await hall.floor.do(
            hall.claims.file_all, conversation, *filed, "", {code.fingerprint: origin}, at=hall.floor.now
        )

    batch = await hall.floor.one(Batch, name="B-7")
    async with hall.floor.database.reading() as session:
        (figures,) = await batch_figures(session, supplier_id=batch.supplier_id)
    assert batch.quarantined_at is not None
    assert {claim.batch_id for claim in await hall.floor.all(Claim)} == {batch.id}
    assert len(await hall.floor.all(Ticket, parent_id=(await hall.incident()).id)) == 3
    assert (figures.defects.claimed_codes, figures.defects.out, figures.defects.rate) == (3, 0, None)
