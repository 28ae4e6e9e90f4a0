"""The other forms of the ticket page: each is one verb of the desk, and says in one sentence when it is refused."""

import re

import pytest
from sqlmodel import select

from tests.console.conftest import Stage, Visitor, text_of
from tickets.conversations import add_message
from tickets.rules import DeskRules
from tickets.statuses import Status, statuses
from tickets.tables import Agent, Buyer, Conversation, Cycle, Ending, Message, Notice, Phase, Role, Ticket, TicketLink


@pytest.fixture
async def ticket(stage: Stage) -> Ticket:
    return await stage.open(await stage.meet())


@pytest.fixture
async def chen(stage: Stage) -> Agent:
    return await stage.add_agent("chen", Role.LEAD)


async def look(stage: Stage, ticket: Ticket) -> Ticket:
    async with stage.database.reading() as session:
        return await session.get_one(Ticket, ticket.id)


async def send(stage: Stage, browser: Visitor, ticket: Ticket, verb: str, **form: str) -> str:
    """Press a form of the page as it is now; what the page says then."""
    address = f"/console/tickets/{ticket.number}/{verb}"
    answer = await browser.submit(address, version=str((await look(stage, ticket)).version), **form)
    if answer.status_code == 303:
        answer = await browser.get(answer.headers["location"])
    return text_of(answer)


async def test_a_holder_assigns_a_ticket_to_a_colleague(
    stage: Stage, signed_in: Visitor, ticket: Ticket, chen: Agent
) -> None:
    assert "你的角色" in await send(stage, signed_in, ticket, "assign", to=str(chen.id))
    await send(stage, signed_in, ticket, "take")

    said = await send(stage, signed_in, ticket, "assign", to=str(chen.id))

    assert f"{ticket.number} 已转交。" in said
    assert "Chen 小林 在处理" in said


async def test_a_snoozed_ticket_says_until_when_and_is_woken(stage: Stage, signed_in: Visitor, ticket: Ticket) -> None:
    said = await send(stage, signed_in, ticket, "snooze", **{"for": "morning"})
    until = (await look(stage, ticket)).snoozed_until
    woken = await send(stage, signed_in, ticket, "wake")

    assert until is not None
    assert until.isoformat() == "2026-03-03T01:00:00+00:00"  # nine in Shanghai
    assert "03-03 09:00 再处理" in said
    assert "03-03 09:00 再处理" not in woken
    assert (await look(stage, ticket)).snoozed_until is None


@pytest.mark.parametrize("until", ["", "2026-03-02T11:59", "soon", "9999999-01-01T00:00"])
async def test_a_snooze_ends_later_than_now(stage: Stage, signed_in: Visitor, ticket: Ticket, until: str) -> None:
    assert "请选一个晚于现在的时间。" in await send(stage, signed_in, ticket, "snooze", until=until)


async def test_a_status_of_the_owners_own_is_set_and_shown_in_words(
    stage: Stage, signed_in: Visitor, ticket: Ticket
) -> None:
    own = Status("at_supplier", Phase.OPEN, {"zh": "等供应商", "en": "at the supplier"})
    object.__setattr__(stage.desk, "rules", DeskRules(statuses=statuses([own])))

    said = await send(stage, signed_in, ticket, "status", status="at_supplier")
    unknown = await send(stage, signed_in, ticket, "status", status="asleep")

    assert re.search(r"卡密用不了 等供应商", said)
    assert "没有叫 asleep 的状态。" in unknown


async def test_tickets_are_linked_by_any_way_of_writing_a_number(
    stage: Stage, signed_in: Visitor, ticket: Ticket
) -> None:
    other = await stage.open(await stage.meet(address="b"), "别的")

    said = await send(stage, signed_in, ticket, "link", other="k-2")
    unknown = await send(stage, signed_in, ticket, "link", other="K-9")
    itself = await send(stage, signed_in, ticket, "link", other="1")
    await send(stage, signed_in, ticket, "unlink", other=other.number)

    assert f"{other.number} 别的" in said
    assert "没有这个工单" in unknown
    assert "不能和自己" in itself
    async with stage.database.reading() as session:
        assert (await session.exec(select(TicketLink))).all() == []


async def test_an_incident_is_answered_and_resolved_as_one(stage: Stage, signed_in: Visitor, ticket: Ticket) -> None:
    parts = [await stage.open(await stage.meet(address=name), name) for name in "bc"]
    for part in parts:
        await send(stage, signed_in, part, "parent", other=ticket.number)

    page = text_of(await signed_in.get(f"/console/tickets/{ticket.number}"))
    await send(stage, signed_in, ticket, "reply", text="供应商在修。", everyone="yes")
    await send(stage, signed_in, ticket, "resolve", outcome="instruct", everyone="yes")

    assert "同时发给同一事故里的 2 张工单" in page
    async with stage.database.reading() as session:
        said = (await session.exec(select(Message).where(Message.text == "供应商在修。"))).all()
        phases = (await session.exec(select(Ticket.phase))).all()
    assert {message.ticket_id for message in said} == {ticket.id, *(part.id for part in parts)}
    assert phases == [Phase.RESOLVED] * 3


async def test_a_part_is_taken_out_of_its_incident(stage: Stage, signed_in: Visitor, ticket: Ticket) -> None:
    part = await stage.open(await stage.meet(address="b"))
    await send(stage, signed_in, part, "parent", other=ticket.number)

    await send(stage, signed_in, part, "parent", other="")

    assert (await look(stage, part)).parent_id is None


async def test_merging_leads_to_the_ticket_that_goes_on(stage: Stage, signed_in: Visitor, ticket: Ticket) -> None:
    later = await stage.open(await stage.meet(), "又问一次")
    stranger = await stage.open(await stage.meet(address="b"))

    refused = await send(stage, signed_in, later, "merge", other=stranger.number)
    merged = await send(stage, signed_in, later, "merge", other=ticket.number)
    old = text_of(await signed_in.get(f"/console/tickets/{later.number}"))

    assert "不是同一个买家的" in refused
    assert f"{later.number} 已合并到 {ticket.number}。" in merged
    assert f"已合并到 {ticket.number}" in old


async def test_splitting_leads_to_the_new_ticket(stage: Stage, signed_in: Visitor, ticket: Ticket) -> None:
    nothing = await send(stage, signed_in, ticket, "split", subject="退款的事")
    async with stage.database.reading() as session:
        message = (await session.exec(select(Message.id).where(Message.direction == "in"))).first()

    said = await send(stage, signed_in, ticket, "split", subject="退款的事", message=str(message))

    assert "请勾选要从" in nothing
    assert (
        'value="退款的事"'
        in (await signed_in.submit(f"/console/tickets/{ticket.number}/split", subject="退款的事")).text
    )
    assert "K-000002 退款的事" in said
    assert f"已从 {ticket.number} 拆出 K-000002。" in said


async def test_a_refused_form_keeps_what_was_ticked_and_chosen(
    stage: Stage, signed_in: Visitor, ticket: Ticket, chen: Agent
) -> None:
    async with stage.database.writing() as session:
        conversation = await session.get_one(Conversation, ticket.conversation_id)
        said = [
            await add_message(session, stage.clock(), conversation, text, ticket=ticket) for text in ("甲", "乙", "丙")
        ]
    chosen = [str(message.id) for message in said[:2]]
    page = f"/console/tickets/{ticket.number}"

    split = await signed_in.submit(f"{page}/split", message=chosen, subject="退款的事", version="0")
    status = await signed_in.submit(f"{page}/status", status="waiting", version="0")
    resolve = await signed_in.submit(f"{page}/resolve", outcome="reject", text="核实过了。", version="0")

    assert (split.status_code, status.status_code, resolve.status_code) == (409, 409, 409)
    assert re.findall(r'name="message" value="(\d+)" checked', split.text) == chosen
    assert '<option value="waiting" selected>' in status.text
    assert '<option value="reject" selected>' in resolve.text
    assert not re.search(r'name="message" value="\d+" checked', resolve.text)


async def test_spam_is_closed_silently_and_only_a_lead_takes_it_back(
    stage: Stage, signed_in: Visitor, visitor: Visitor, ticket: Ticket, chen: Agent
) -> None:
    marked = await send(stage, signed_in, ticket, "spam")
    refused = await send(stage, signed_in, ticket, "no-spam")
    await visitor.sign_in("chen")

    back = await send(stage, visitor, ticket, "no-spam")

    assert "已标为垃圾并关闭" in marked
    assert "不是垃圾" not in marked  # no form for an agent
    assert "你的角色" in refused
    assert f"{ticket.number} 已恢复。" in back
    async with stage.database.reading() as session:
        assert (await session.exec(select(Cycle.outcome))).all() != [Ending.SPAM]


async def test_a_lead_chooses_who_looks_after_a_buyer(
    stage: Stage, signed_in: Visitor, visitor: Visitor, agent: Agent, ticket: Ticket, chen: Agent
) -> None:
    refused = await send(stage, signed_in, ticket, "manager", to=str(agent.id))
    await visitor.sign_in("chen")

    chosen = await send(stage, visitor, ticket, "manager", to=str(agent.id))
    await send(stage, visitor, ticket, "manager", to="")

    assert "你的角色" in refused
    assert "专属客服 Lin 小林" in chosen
    async with stage.database.reading() as session:
        assert (await session.exec(select(Buyer.account_manager_id))).all() == [None]


async def test_a_mentioned_colleague_finds_the_ticket_in_the_notices(
    stage: Stage, signed_in: Visitor, ticket: Ticket, chen: Agent
) -> None:
    await send(stage, signed_in, ticket, "note", text="@chen 看一下")

    async with stage.database.reading() as session:
        (notice,) = (await session.exec(select(Notice).where(Notice.agent_id == chen.id))).all()
    assert "@chen 看一下" in notice.text
    assert notice.ticket_id == ticket.id


async def test_the_next_ticket_comes_into_the_readers_hands(stage: Stage, signed_in: Visitor) -> None:
    nobody = await signed_in.submit("/console/tickets/next")
    ticket = await stage.open(await stage.meet(), level=1)  # type: ignore[arg-type]

    taken = await signed_in.submit("/console/tickets/next")

    assert nobody.headers["location"] == "/console/"
    assert taken.headers["location"] == f"/console/tickets/{ticket.number}"
    assert "我在处理" in text_of(await signed_in.get(taken.headers["location"]))


@pytest.mark.parametrize("verb", ["__init__", "find", "_waking", "do_take", "delete", "no-such"])
async def test_only_verbs_are_found(stage: Stage, signed_in: Visitor, ticket: Ticket, verb: str) -> None:
    assert (await signed_in.submit(f"/console/tickets/{ticket.number}/{verb}")).status_code == 404
