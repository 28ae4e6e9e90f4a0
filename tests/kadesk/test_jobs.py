"""The jobs on a real install, rung by hand."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import update
from sqlmodel import select

from audit.trail import count_unlinked
from bot.channels.port import Update
from bot.door import store
from bot.tables import InboxRow, InboxState
from faq.tables import FaqEntry, FaqQuestion
from faq.versions import unpublish
from kadesk.jobs import jobs
from kadesk.settings import SHIPPED, Settings
from kadesk.wiring import Kadesk, clock, wire
from scheduler import Job
from shop.port import Goods, Order, OrderStatus
from shop.tables import Refund, Supplier
from tests.stories.family import share_cache
from tickets import outbox, watch
from tickets.conversations import find_or_create
from tickets.refunds import Refunds
from tickets.staff import add_agent
from tickets.tables import Claim, Level, Notice, Role, SupplierCheck, Ticket
from tickets.watch import look


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, matcher_cache: Path) -> Path:
    """What a first start leaves; copying it is faster than a start for every test."""
    folder = tmp_path_factory.mktemp("install")
    share_cache(folder, matcher_cache)

    async def begin() -> None:
        await (await wire(Settings.load(SHIPPED))).close()

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KADESK_DATA__DIR", str(folder))
        environment.setenv("KADESK_FAQ__ENCODER", "false")
        asyncio.run(begin())
    return folder


@pytest.fixture
async def install(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kadesk]:
    folder = tmp_path / "data"
    shutil.copytree(template, folder, symlinks=True)
    monkeypatch.setenv("KADESK_DATA__DIR", str(folder))
    monkeypatch.setenv("KADESK_FAQ__ENCODER", "false")
    kadesk = await wire(Settings.load(SHIPPED))
    yield kadesk
    await kadesk.database.close()


def job(install: Kadesk, name: str) -> Job:
    return next(one for one in jobs(install) if one.name == name)


async def test_the_sweep_leaves_its_heartbeat(install: Kadesk) -> None:
    await job(install, "sweep").work()

    async with install.database.reading() as session:
        seen = await watch.look(session, clock(), timedelta(seconds=30))
    assert not seen.is_stalled


async def test_the_outbox_is_rung_when_a_sweep_told_a_buyer_that_it_is_late(install: Kadesk) -> None:
    then = clock() - timedelta(hours=25)
    async with install.database.writing() as session:
        conversation = await find_or_create(session, then, "web", "main", "a", "a", "zh")
        await install.desk.open(session, then, conversation, "question", "卡密无效", level=Level.HUMAN_QUEUE)

    await job(install, "sweep").work()

    before = monotonic()
    await install.outbox_bell.wait(5)
    assert monotonic() - before < 1


async def test_the_canary_and_the_reminders_run(install: Kadesk) -> None:
    async with install.database.writing() as session:
        session.add(Notice(text="K-1", created_at=clock()))

    await job(install, "canary").work()
    await job(install, "remind staff").work()

    async with install.database.reading() as session:
        seen = await look(session, clock())
    assert (seen.canary_late, seen.undeliverable) == (timedelta(), 1)


async def test_audit_rows_are_chained(install: Kadesk) -> None:
    async with install.database.reading() as session:
        assert await count_unlinked(session) > 0  # the seed entries were written

    await job(install, "link audit rows").work()

    async with install.database.reading() as session:
        assert await count_unlinked(session) == 0


async def test_a_snooze_ends_in_time(install: Kadesk) -> None:
    async with install.database.writing() as session:
        met = await find_or_create(session, clock(), "web", "shop", "x", "x", "zh")
        ticket = await install.desk.open(session, clock(), met, "question", "卡密无效")
        ticket.snoozed_until = clock() - timedelta(seconds=1)
        soon = await install.desk.open(session, clock(), met, "question", "卡密无效")
        soon.snoozed_until = clock() + timedelta(hours=1)

    wanted = await job(install, "wake and close").work()

    async with install.database.reading() as session:
        woken = await session.get_one(Ticket, ticket.id)
    assert woken.snoozed_until is None
    assert wanted == soon.snoozed_until + timedelta.resolution


async def test_an_entry_that_was_taken_back_is_not_answered_any_more(install: Kadesk) -> None:
    rebuild = job(install, "rebuild answers")
    async with install.database.writing() as session:  # of a few entries a matcher is made in no time
        for key in (await session.exec(select(FaqEntry.key).order_by(FaqEntry.key))).all():
            if key not in ("find_order", "refund_policy"):
                await unpublish(session, clock(), "system", key)
    await rebuild.work()
    assert install.answers.match("怎么查订单").entry == "find_order"

    async with install.database.writing() as session:
        await unpublish(session, clock(), "system", "find_order")
    await rebuild.work()

    assert install.answers.match("怎么查订单").entry != "find_order"


async def test_what_need_not_be_kept_is_forgotten(install: Kadesk) -> None:
    long_ago = clock() - timedelta(days=400)
    async with install.database.writing() as session:
        session.add(FaqQuestion(text="?", language="zh", outcome="none", score=0, asked_at=long_ago))
        session.add(FaqQuestion(text="??", language="zh", outcome="none", score=0, asked_at=clock()))
        common = {"channel": "web", "account": "shop", "thread": "web:shop:x", "sealed": "", "not_before": long_ago}
        session.add(InboxRow(**common, update_id="1", received_at=long_ago, state=InboxState.DONE))
        session.add(InboxRow(**common, update_id="2", received_at=long_ago, state=InboxState.DEAD))
        session.add(InboxRow(**common, update_id="3", received_at=clock(), state=InboxState.DONE))

    await job(install, "tidy").work()

    async with install.database.reading() as session:
        assert (await session.exec(select(FaqQuestion.text))).all() == ["??"]
        assert sorted((await session.exec(select(InboxRow.update_id))).all()) == ["2", "3"]


async def test_an_update_is_taken_in_through_the_door(install: Kadesk) -> None:
    update = Update("web", "shop", "1", "x", "{}")

    assert await install.door.accept(update, update) == 1


async def silent_ticket(install: Kadesk) -> Ticket:
    """Its buyer was warned, and is to be let go."""
    then = clock() - timedelta(days=9)
    async with install.database.writing() as session:
        conversation = await find_or_create(session, then, "web", "main", "a", "a", "zh")
        ticket = await install.desk.open(session, then, conversation, "question", "卡密无效")
        agent = await add_agent(session, then, "lin", "Lin", Role.AGENT, "a long password")
        await install.desk.reply(session, then, ticket.id or 0, agent.id or 0, "您好")
        (reply,) = await outbox.waiting(session, then, "web", "main")
        await outbox.mark_sent(session, then, reply.id or 0, "")
        ticket.warned_at, ticket.closes_at = then, then + timedelta(days=1)
        return ticket


async def phase(install: Kadesk, ticket: Ticket) -> str:
    async with install.database.reading() as session:
        return (await session.get_one(Ticket, ticket.id)).phase


async def test_silence_does_not_count_until_the_channels_have_brought_what_was_said_during_a_stop(
    install: Kadesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await silent_ticket(install)
    wake = job(install, "wake and close")

    assert await wake.work() is None
    assert await phase(install, ticket) == "waiting"

    monkeypatch.setattr("kadesk.jobs.HEARD_WITHIN", timedelta())
    await wake.work()
    assert await phase(install, ticket) == "closed"


@pytest.mark.parametrize("state", [InboxState.PENDING, InboxState.DEAD])
async def test_who_wrote_during_a_stop_does_not_find_the_ticket_closed(
    install: Kadesk, monkeypatch: pytest.MonkeyPatch, state: InboxState
) -> None:
    monkeypatch.setattr("kadesk.jobs.HEARD_WITHIN", timedelta())
    ticket = await silent_ticket(install)
    async with install.database.writing() as session:
        assert await store(session, clock(), install.vault, Update("web", "main", "1", "a", "还在吗"))
        await session.exec(update(InboxRow).values(state=state))

    await job(install, "wake and close").work()

    assert await phase(install, ticket) == "waiting"


async def test_a_silent_supplier_is_noticed(install: Kadesk) -> None:
    now = clock()
    asked_at = now - timedelta(days=2)
    async with install.database.writing() as session:
        conversation = await find_or_create(session, asked_at, "web", "main", "a", "a", "zh")
        ticket = await install.desk.open(session, asked_at, conversation, "claim", "卡密无效")
        supplier = Supplier(name="供货商", answers_within=timedelta(days=1))
        session.add(supplier)
        claim = Claim(
            conversation_id=conversation.id or 0,
            buyer_id=conversation.buyer_id,
            ticket_id=ticket.id,
            shop="demo",
            order_no="1",
            fingerprint="f",
            masked="****",
            position=1,
            sku="A",
            product_name="A",
            price=1,
            currency="CNY",
            reason="other",
            state="supplier_check",
            created_at=asked_at,
        )
        session.add(claim)
        await session.flush()
        due_at = asked_at + timedelta(days=1)
        check = {"supplier_id": supplier.id, "text": "", "asked_at": asked_at, "due_at": due_at}
        session.add(SupplierCheck(claim_id=claim.id or 0, **check))

    next_look = await job(install, "watch suppliers").work()

    async with install.database.reading() as session:
        assert (await session.exec(select(SupplierCheck.answer))).one() == "silent"
        assert (await session.exec(select(Ticket.level).where(Ticket.id == ticket.id))).one() == Level.LEAD
    assert next_look is None


async def test_approved_refunds_are_paid_or_left_to_a_person(install: Kadesk) -> None:
    now = clock()
    goods = Goods("STEAM-50", "Steam", 4_850, "CNY", timedelta(days=30))
    order = Order("demo", "AB12", OrderStatus.DELIVERED, goods, 1, 4_850, 0, now, now)
    async with install.database.writing() as session:
        conversation = await find_or_create(session, now, "web", "main", "a", "a", "zh")
        ticket = await install.desk.open(session, now, conversation, "refund", "退款")
        verbs = Refunds(install.desk)
        refund = await verbs.request(session, now, ticket, order, None, "buyer:1")
        await verbs.go_ahead(session, now, ticket, refund, "bot", None)

    await job(install, "pay refunds").work()

    async with install.database.reading() as session:
        assert (await session.exec(select(Refund.state))).one() == "manual"
