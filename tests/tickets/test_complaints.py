"""Complaints that the supplier's own system takes: sent once, answered, and left to people where nobody knows."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from audit.tables import AuditRow
from audit.trail import record
from shop.adapters.supplier_api import SupplierApi
from shop.port import Answer, CodeRef, Origin, Reply
from shop.supplier_port import SupplierSite
from shop.tables import Batch, Supplier
from shop.vault import Vault
from tests.shop.adapters.sites import Handler, Mood, answers, hangs_up, hangs_up_when_done
from tests.shop.adapters.wholesale import ACCOUNT, KEY, Wholesale
from tests.tickets.conftest import Floor
from tests.tickets.counter import DAY, HOUR, ORDER, RULES, sell, stock
from tickets.claim_states import ClaimState
from tickets.claims import Claims, Reason
from tickets.complaints import LEASE, SENDING, Complaints, Started
from tickets.tables import Claim, Notice, SupplierCheck, Ticket

SOLD = "SOLD-0001-AAAA-BBBB"
MINUTE = timedelta(minutes=1)


def answers_well(handler: Handler) -> None:
    """Of a few moods in a row, the one that is none."""
    handler.say(handler.server.answer(handler.server.asked[-1]))


class Till:
    """A shop that knows our order at the supplier, or nothing of it."""

    def __init__(self, order_no: str) -> None:
        self.order_no = order_no

    async def origin_of(self, order_no: str, fingerprint: str) -> Reply[Origin]:
        return Reply(Answer.DONE, Origin("卡商A", order_no=self.order_no))


@dataclass
class Post:
    """A claim whose complaint lies ready, a supplier who takes complaints, and who carries them there."""

    floor: Floor
    wholesale: Wholesale
    vault: Vault
    sites: dict[str, SupplierSite]
    now: datetime
    ticket: Ticket
    lin: int
    till: Till = field(default_factory=lambda: Till("W-1"))
    complaints: Complaints = field(init=False)

    def __post_init__(self) -> None:
        self.complaints = self.carrier()

    def carrier(self, kind: type[Complaints] = Complaints) -> Complaints:
        """One more process that carries complaints."""
        desk, shops = self.floor.desk, {"demo": self.till}
        return kind(self.floor.database, lambda: self.now, desk, self.vault, shops.get, self.sites)

    async def work(self, after: timedelta = timedelta()) -> int:
        self.now += after
        return await self.complaints.work()

    async def texts(self) -> list[str]:
        return [notice.text.split()[0].partition(":")[2] for notice in await self.floor.all(Notice)]


@pytest.fixture
def wholesale() -> Iterator[Wholesale]:
    wholesale = Wholesale()
    wholesale.sell("W-1", SOLD)
    yield wholesale
    wholesale.site.shutdown()
    wholesale.site.server_close()


@pytest.fixture
async def post(
    floor: Floor, vault: Vault, reserve: tuple[str, ...], wholesale: Wholesale, lin: int
) -> AsyncIterator[Post]:
    await stock(floor, vault, reserve)
    async with floor.database.writing() as session:
        supplier = (await session.exec(select(Supplier))).one()
        supplier.answers_within, name = DAY, supplier.name
        (await session.exec(select(Batch))).one().cost = 4_100
        await sell(session, vault, SOLD, ORDER.order_no, floor.now - DAY)
    conversation, code = await floor.meet(), CodeRef(vault.fingerprint(SOLD), "****-BBBB", 1)
    (settled,) = await floor.do(Claims(floor.desk, vault, RULES).file_all, conversation, ORDER, [code], Reason.OTHER)
    assert settled.ticket is not None
    site = SupplierApi("supplier star", wholesale.url, ACCOUNT, KEY, apart=0)
    yield Post(floor, wholesale, vault, {name: site}, floor.now + HOUR, settled.ticket, lin)
    await site.close()


async def test_a_complaint_is_sent_once_and_its_answer_written_down(post: Post) -> None:
    assert await post.work() == 1
    check = await post.floor.one(SupplierCheck)
    assert (check.asked_at, check.due_at, check.reference) == (post.now, post.now + DAY, "7001")
    (filed,) = post.wholesale.complaints.values()
    assert filed["content"].strip() == check.text.strip()
    assert "SOLD-0001" not in str(filed)

    assert [await post.work(), await post.work(10 * MINUTE)] == [0, 0]
    post.wholesale.decide(3, "核实无误 已补卡 NEWW-1111-CCCC")
    assert [await post.work(9 * MINUTE), await post.work(MINUTE), await post.work(HOUR)] == [0, 1, 0]

    check, claim = await post.floor.one(SupplierCheck), await post.floor.one(Claim)
    assert (check.answer, check.owed, check.answered_by) == ("bad", 0, "scheduler")  # they gave a card, and no money
    assert (check.remark, claim.state) == ("核实无误 已补卡 ****", ClaimState.REVIEW)
    assert "notice.supplier_answered" in await post.texts()
    assert len(post.wholesale.complaints) == 1


async def test_a_complaint_whose_receipt_was_lost_is_looked_for_and_not_sent_again(post: Post) -> None:
    post.wholesale.site.moods.extend([answers_well, hangs_up_when_done])

    assert [await post.work(), await post.work(HOUR)] == [1, 0]

    assert (await post.floor.one(SupplierCheck)).reference == "7001"
    assert len(post.wholesale.complaints) == 1


@pytest.mark.parametrize(
    ("mood", "notice"),
    [
        (hangs_up, "notice.complaint_unknown"),
        (answers(), "notice.complaint_unknown"),
        (answers({"code": "1012"}), "notice.complaint_refused"),
    ],
    ids=["no answer", "html", "refused"],
)
async def test_what_was_not_taken_or_may_have_been_is_left_to_people(post: Post, mood: Mood, notice: str) -> None:
    post.wholesale.site.moods.extend([answers_well, mood])

    assert [await post.work(), await post.work(9 * HOUR), await post.work(DAY)] == [1, 0, 0]

    assert (await post.texts(), post.wholesale.complaints) == ([notice], {})
    assert await post.floor.all(SupplierCheck) == []
    claim = await post.floor.one(Claim)
    assert claim.state == ClaimState.SUPPLIER_CHECK
    await post.floor.do(post.floor.desk.ask_supplier, post.ticket.id, post.lin, claim.id)


async def test_a_system_that_is_away_is_weather(post: Post) -> None:
    post.wholesale.site.moods.extend([hangs_up, hangs_up])

    assert [await post.work(), await post.work(MINUTE), await post.work(HOUR)] == [0, 0, 1]

    assert len(post.wholesale.complaints) == 1
    assert await post.texts() == []


class Killed(SupplierApi):
    """Its complaint arrives, and nobody is left to hear of it."""

    async def complain(self, order_no: str, subject: str, content: str) -> Reply[str]:
        await super().complain(order_no, subject, content)
        raise asyncio.CancelledError


class Forgetful(Complaints):
    """The broken twin: it does not write down what it is about to send."""

    async def _start(self, claim: Claim) -> Started | None:
        async with self.database.reading() as session:
            return Started(await self._subject(session, claim), "content")


@pytest.mark.parametrize(("carrier", "sent"), [(Complaints, 1), (Forgetful, 2)])
async def test_a_kill_after_sending_sends_nothing_twice(post: Post, carrier: type[Complaints], sent: int) -> None:
    (name, site), url = next(iter(post.sites.items())), post.wholesale.url
    post.sites[name] = killed = Killed("supplier star", url, ACCOUNT, KEY, apart=0)
    with pytest.raises(asyncio.CancelledError):
        await post.carrier(carrier).work()
    await killed.close()

    post.sites[name], post.now = site, post.now + LEASE + MINUTE
    assert await post.carrier(carrier).work() == 1

    assert len(post.wholesale.complaints) == sent


@pytest.mark.parametrize("arrived", [True, False])
async def test_who_was_stopped_while_sending_looks_and_does_not_send_again(post: Post, arrived: bool) -> None:
    claim = await post.floor.one(Claim)
    async with post.floor.database.writing() as session:
        record(session, post.now, "scheduler", SENDING, f"claim:{claim.id}", None, None)
        subject = await post.complaints._subject(session, claim)
    if arrived:
        post.wholesale.complaints["7001"] = {"comid": "7001", "subject": subject}

    assert [await post.work(), await post.work(LEASE + MINUTE), await post.work(DAY)] == [0, 1, 0]

    assert len(post.wholesale.complaints) == arrived
    assert [check.reference for check in await post.floor.all(SupplierCheck)] == ["7001"] * arrived


@pytest.mark.parametrize(
    ("order_no", "sold", "sent"),
    [("W-1", "another----card", 1), ("W-2", SOLD, 0), ("", SOLD, 1), ("", "another----card", 0)],
    ids=["the shop knows it", "not known there", "the batch is called so", "the batch is called so by chance"],
)
async def test_only_an_order_that_is_ours_there_is_complained_about(
    post: Post, order_no: str, sold: str, sent: int
) -> None:
    post.till.order_no = order_no
    post.wholesale.sell("W-1", sold)
    async with post.floor.database.writing() as session:
        (await session.exec(select(Batch))).one().name = "W-1"

    assert await post.work() == sent

    assert len(post.wholesale.complaints) == sent
    rows = await post.floor.all(AuditRow, action=SENDING)
    assert len(rows) == sent


async def test_of_two_processes_at_once_one_sends(post: Post) -> None:
    done = await asyncio.gather(post.carrier().work(), post.carrier().work())

    assert sorted(done) == [0, 1]
    assert len(post.wholesale.complaints) == 1


async def test_what_somebody_sent_by_hand_is_not_sent_by_us(post: Post) -> None:
    claim = await post.floor.one(Claim)
    await post.floor.do(post.floor.desk.ask_supplier, post.ticket.id, post.lin, claim.id)

    assert await post.work(HOUR) == 0

    assert post.wholesale.site.asked == []
