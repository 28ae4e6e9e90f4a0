"""The ticket page: what it shows, what its forms do, and what they refuse."""

import re
from datetime import timedelta

import pytest
from sqlmodel import select

from audit.tables import AuditRow
from console.refusals import status_of
from shop.errors import ShopDown
from tests.console.conftest import Stage, Visitor, text_of
from tickets import outbox, reply_windows
from tickets.absence import leave
from tickets.conversations import add_message
from tickets.errors import NotAllowed, StaleTicket, UnknownTicket
from tickets.overheard import hold
from tickets.reply_windows import Allowance
from tickets.said import revise
from tickets.tables import (
    Agent,
    Clock,
    Conversation,
    Level,
    Message,
    Metric,
    Outcome,
    Outgoing,
    Phase,
    Sending,
    Ticket,
)


async def _ticket(stage: Stage, number: str) -> Ticket:
    async with stage.database.reading() as session:
        return (await session.exec(select(Ticket).where(Ticket.number == number))).one()


async def _version(stage: Stage, number: str) -> str:
    return str((await _ticket(stage, number)).version)


async def _messages(stage: Stage) -> list[tuple[str, bool]]:
    async with stage.database.reading() as session:
        return [(row.text, row.is_note) for row in (await session.exec(select(Message).order_by(Message.id))).all()]


async def test_buyer_text_is_shown_as_text_and_never_runs(stage: Stage, signed_in: Visitor) -> None:
    hostile = "</div><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }} javascript:alert(3)"
    ticket = await stage.open(await stage.meet("<b>name</b>"), "<i>subject</i>", hostile)

    page = (await signed_in.get(f"/console/tickets/{ticket.number}")).text

    assert "&lt;/div&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7*7 }}" in page
    assert not re.search(r"<script>|<img src=x|<b>name|<i>subject|onerror=alert\(2\)>[^&]", page.replace("&gt;", ""))


async def test_a_photo_is_a_placeholder(stage: Stage, signed_in: Visitor) -> None:
    conversation = await stage.meet()
    ticket = await stage.open(conversation)
    async with stage.database.writing() as session:
        attachments = [{"kind": "photo", "file": "https://evil.example/x.png"}, {"kind": "<b>odd</b>"}]
        await add_message(session, stage.clock(), conversation, "看图", attachments=attachments, ticket=ticket)

    page = (await signed_in.get(f"/console/tickets/{ticket.number}")).text

    assert "[图片]" in page
    assert "evil.example" not in page
    assert "<b>odd</b>" not in page


async def test_what_was_changed_or_taken_back_is_shown_with_what_it_said_before(
    stage: Stage, signed_in: Visitor
) -> None:
    conversation = await stage.meet()
    ticket = await stage.open(conversation)
    async with stage.database.writing() as session:
        attachments = [{"kind": "contact", "phone": "****8000"}, {"kind": "document", "problem": "too_large"}]
        added = await add_message(
            session, stage.clock(), conversation, "<i>早的</i>", attachments=attachments, ticket=ticket
        )
        await revise(session, stage.clock(), added, "新的", "buyer:1")
        added.withdrawn_at = stage.clock()
        session.add(added)
        await leave(session, stage.clock(), await session.get_one(Conversation, conversation.id), "gone")

    page = (await signed_in.get(f"/console/tickets/{ticket.number}")).text

    assert "&lt;i&gt;早的&lt;/i&gt;" in page
    for shown in ("新的", "改过 1 次", "已撤回", "买家已屏蔽机器人", "[联系方式] ****8000", "[文件] (太大，没有存下)"):
        assert shown in page


async def test_the_clock_names_its_due_instant_and_the_zone(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    stage.clock.pass_(hours=1)

    page = text_of(await signed_in.get(f"/console/tickets/{ticket.number}"))

    assert "24 小时承诺 Asia/Shanghai 还剩 23 小时" in page
    assert "截止 2026-03-03 12:00:00" in page


async def test_the_messengers_own_clock_is_shown(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    async with stage.database.writing() as session:
        word = Allowance(timedelta(hours=48), 5)
        await reply_windows.renew(session, stage.clock(), ticket.conversation_id, word)
        await reply_windows.spend(session, stage.clock(), ticket.conversation_id, 2)

    running = text_of(await signed_in.get(f"/console/tickets/{ticket.number}"))
    async with stage.database.writing() as session:
        await reply_windows.spend(session, stage.clock(), ticket.conversation_id, 3)
    over = text_of(await signed_in.get(f"/console/tickets/{ticket.number}"))

    assert "还可发 3 条，2 天内" in running
    assert "买家再说话之前不能发" in over


async def test_a_conversation_that_a_person_has_elsewhere_is_shown(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    async with stage.database.writing() as session:
        conversation = await session.get_one(Conversation, ticket.conversation_id)
        hold(session, stage.clock(), conversation, stage.clock())

    assert "有人在聊天软件里直接接待，最长还有2 天" in text_of(await signed_in.get(f"/console/tickets/{ticket.number}"))


async def test_taking_a_ticket_puts_it_into_my_hands_and_stops_no_clock(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())

    done = await signed_in.submit(f"/console/tickets/{ticket.number}/take")

    page = text_of(await signed_in.get(done.headers["location"]))
    assert f"已领取 {ticket.number}。" in page
    assert "我在处理" in page
    assert "还剩 24 小时" in page


async def test_who_comes_second_is_told_who_was_first(stage: Stage, signed_in: Visitor) -> None:
    await stage.add_agent("chen")
    ticket = await stage.open(await stage.meet())
    async with stage.browser() as chen:
        await chen.sign_in("chen")
        await chen.submit(f"/console/tickets/{ticket.number}/take")

    answer = await signed_in.submit(f"/console/tickets/{ticket.number}/take")

    assert answer.status_code == 409
    assert f"Chen 小林 已经先领取了 {ticket.number}。" in text_of(answer)


async def test_a_reply_is_queued_and_shows_what_became_of_it(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    page = f"/console/tickets/{ticket.number}"

    await signed_in.submit(f"{page}/reply", text=" 请稍等\n马上查 ", version=await _version(stage, ticket.number))
    before = text_of(await signed_in.get(page))
    await stage.deliver()
    after = text_of(await signed_in.get(page))

    assert "Lin 小林 12:00 发送中 请稍等 马上查" in before
    assert "还剩 24 小时" in before
    assert "Lin 小林 12:00 已送达 请稍等 马上查" in after
    assert "按时完成" in after
    assert (await _ticket(stage, ticket.number)).phase == Phase.WAITING


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        pytest.param(Sending.FAILED, "发送失败: 对方已注销", id="failed"),
        pytest.param(Sending.BLOCKED, "被买家屏蔽: 对方已注销", id="blocked"),
        pytest.param(Sending.UNKNOWN, "是否送达未知: 对方已注销", id="unknown"),
    ],
)
async def test_a_reply_that_did_not_arrive_says_so_and_why(
    stage: Stage, signed_in: Visitor, state: Sending, sentence: str
) -> None:
    ticket = await stage.open(await stage.meet())
    page = f"/console/tickets/{ticket.number}"
    await signed_in.submit(f"{page}/reply", text="你好", version=await _version(stage, ticket.number))
    async with stage.database.writing() as session:
        outgoing = (await session.exec(select(Outgoing))).one()
        assert outgoing.id is not None
        await outbox.mark_failed(session, stage.clock(), outgoing.id, state, "对方已注销")

    shown = text_of(await signed_in.get(page))
    assert sentence in shown
    assert "按时完成" not in shown
    assert ("没有送达：对方已注销。买家没有看到" in shown) == (state != Sending.UNKNOWN)
    assert ("不知道最后一条回复有没有送达：对方已注销。" in shown) == (state == Sending.UNKNOWN)
    assert 'title="最后一条回复没有送达买家">没送达' in (await signed_in.get("/console/?tab=waiting")).text

    await signed_in.submit(f"{page}/reply", text="再发一次", version=await _version(stage, ticket.number))

    assert "最后一条回复" not in text_of(await signed_in.get(page))
    assert "没送达" not in text_of(await signed_in.get("/console/?tab=waiting"))


async def test_a_reply_that_may_not_have_arrived_is_sent_again_by_one_press(stage: Stage, signed_in: Visitor) -> None:
    ticket, other = await stage.open(await stage.meet()), await stage.open(await stage.meet("b"))
    page, foreign = f"/console/tickets/{ticket.number}", f"/console/tickets/{other.number}"
    await signed_in.submit(f"{page}/reply", text="你好", version=await _version(stage, ticket.number))
    async with stage.database.writing() as session:
        outgoing = (await session.exec(select(Outgoing))).one()
        await outbox.mark_failed(session, stage.clock(), outgoing.id or 0, Sending.UNKNOWN, "no answer")
    offered = "再发一次</button>" in (await signed_in.get(page)).text

    refused = await signed_in.submit(f"{foreign}/send-again", message=outgoing.message_id)
    done = await signed_in.submit(f"{page}/send-again", message=outgoing.message_id)

    assert offered
    assert refused.status_code == 409
    assert "已重新排队发送" in text_of(await signed_in.get(done.headers["location"]))
    assert await stage.deliver() == 1
    assert "再发一次</button>" not in (await signed_in.get(page)).text


async def test_a_note_looks_different_and_is_never_sent(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())

    await signed_in.submit(f"/console/tickets/{ticket.number}/note", text="问过供应商")

    page = (await signed_in.get(f"/console/tickets/{ticket.number}")).text
    assert re.search(r'<li id="m-\d+" class="note', page)
    assert "内部备注" in page
    assert ("问过供应商", True) in await _messages(stage)
    assert await stage.deliver() == 0


async def test_a_note_on_another_ticket_of_the_buyer_stays_there(stage: Stage, signed_in: Visitor) -> None:
    conversation = await stage.meet()
    first, second = await stage.open(conversation, "第一件"), await stage.open(conversation, "第二件")
    await signed_in.submit(f"/console/tickets/{first.number}/note", text="只说第一件")

    assert "只说第一件" in (await signed_in.get(f"/console/tickets/{first.number}")).text
    other = text_of(await signed_in.get(f"/console/tickets/{second.number}"))
    assert "只说第一件" not in other
    assert f"{first.number} 第一件" in other


async def test_a_reply_on_an_old_page_is_refused_and_its_text_kept(
    stage: Stage, signed_in: Visitor, agent: Agent
) -> None:
    ticket = await stage.open(await stage.meet())
    old = await _version(stage, ticket.number)
    async with stage.database.writing() as session:
        assert ticket.id is not None
        assert agent.id is not None
        await stage.desk.reply(session, stage.clock(), ticket.id, agent.id, "同事已经答了")

    answer = await signed_in.submit(f"/console/tickets/{ticket.number}/reply", text='我的<草稿>"', version=old)

    assert answer.status_code == 409
    assert f"{ticket.number} 在你打开页面之后有变化" in text_of(answer)
    assert "我的&lt;草稿&gt;&#34;</textarea>" in answer.text
    assert ('我的<草稿>"', False) not in await _messages(stage)
    assert f'id="version-reply" value="{await _version(stage, ticket.number)}"' in answer.text


@pytest.mark.parametrize("verb", ["reply", "resolve", "replace"])
async def test_a_form_that_shows_no_version_may_not_write(stage: Stage, signed_in: Visitor, verb: str) -> None:
    ticket = await stage.open(await stage.meet())

    for version in ("", "0", "-1", "9" * 30, "two", "1 OR 1=1"):
        form = {"text": "x", "outcome": "instruct", "version": version}
        answer = await signed_in.submit(f"/console/tickets/{ticket.number}/{verb}", **form)
        assert answer.status_code == 409, version

    assert (await _ticket(stage, ticket.number)).phase == Phase.OPEN


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("   \n", "请先写点内容。", id="blank"),
        pytest.param("\x00", "请先写点内容。", id="zero byte"),
        pytest.param("长" * 4_001, "太长了：最多 4000 个字。", id="too long"),
    ],
)
@pytest.mark.parametrize("verb", ["reply", "note"])
async def test_bad_text_is_refused_in_one_sentence(
    stage: Stage, signed_in: Visitor, verb: str, text: str, sentence: str
) -> None:
    ticket = await stage.open(await stage.meet())

    version = await _version(stage, ticket.number)
    answer = await signed_in.submit(f"/console/tickets/{ticket.number}/{verb}", text=text, version=version)

    assert answer.status_code == 422
    assert sentence in text_of(answer)


async def test_resolving_tells_the_buyer_the_outcome(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    page = f"/console/tickets/{ticket.number}"

    form = {"outcome": Outcome.INSTRUCT, "text": "请在国区兑换", "version": await _version(stage, ticket.number)}
    await signed_in.submit(f"{page}/resolve", **form)

    shown = text_of(await signed_in.get(page))
    assert (await _ticket(stage, ticket.number)).phase == Phase.RESOLVED
    assert "已解决" in shown
    assert "请在国区兑换" in shown
    assert "领取" not in shown.replace("领取下一张", "").split("操作记录")[0]
    assert await stage.deliver() == 1


async def test_a_ticket_that_has_ended_takes_notes_and_is_opened_again(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    page = f"/console/tickets/{ticket.number}"
    await signed_in.submit(f"{page}/take")
    form = {"outcome": Outcome.INSTRUCT, "text": "", "version": await _version(stage, ticket.number)}
    await signed_in.submit(f"{page}/resolve", **form)

    ended = await signed_in.get(page)
    await signed_in.submit(f"{page}/status", status="open", version=await _version(stage, ticket.number))
    again = await signed_in.get(page)

    assert "最后由我处理" in text_of(ended)
    assert "我在处理" not in text_of(ended)
    assert "这张工单已经结束" in text_of(ended)
    assert set(re.findall(rf'action="{page}/(reply|resolve|macro|note)"', ended.text)) == {"note"}
    assert {"reply", "resolve", "note"} <= set(re.findall(rf'action="{page}/([a-z]+)"', again.text))
    assert (await _ticket(stage, ticket.number)).phase == Phase.OPEN


async def test_an_outcome_that_does_not_exist_is_refused(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())

    form = {"outcome": "give everything", "version": await _version(stage, ticket.number)}
    answer = await signed_in.submit(f"/console/tickets/{ticket.number}/resolve", **form)

    assert answer.status_code == 422
    assert (await _ticket(stage, ticket.number)).phase == Phase.OPEN


async def test_giving_back_keeps_the_place(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet(address="a"))
    await stage.open(await stage.meet(address="b"))
    await signed_in.submit(f"/console/tickets/{ticket.number}/take")

    await signed_in.submit(f"/console/tickets/{ticket.number}/release")

    assert "队列第 1 位" in text_of(await signed_in.get(f"/console/tickets/{ticket.number}"))


async def test_an_agent_cannot_give_back_what_a_colleague_holds(stage: Stage, signed_in: Visitor) -> None:
    await stage.add_agent("chen")
    ticket = await stage.open(await stage.meet())
    await signed_in.submit(f"/console/tickets/{ticket.number}/take")
    async with stage.browser() as chen:
        await chen.sign_in("chen")

        answer = await chen.submit(f"/console/tickets/{ticket.number}/release")

    assert answer.status_code == 403
    assert "你的角色（客服）不能做这个操作。" in text_of(answer)


async def test_the_page_tells_the_history(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet("晴天"), level=Level.HUMAN_QUEUE)
    await signed_in.submit(f"/console/tickets/{ticket.number}/take")

    page = text_of(await signed_in.get(f"/console/tickets/{ticket.number}"))

    assert "升级记录 L1 直接转人工 12:00 已通知 Lin 小林" in page
    assert "Lin 小林 领取" in page
    assert "晴天 开单" in page


async def test_every_action_is_audited_as_the_agent(stage: Stage, signed_in: Visitor, agent: Agent) -> None:
    ticket = await stage.open(await stage.meet())
    page = f"/console/tickets/{ticket.number}"
    await signed_in.submit(f"{page}/take")
    await signed_in.submit(f"{page}/note", text="看过了")
    await signed_in.submit(f"{page}/reply", text="你好", version=await _version(stage, ticket.number))
    await signed_in.submit(f"{page}/resolve", outcome="reject", version=await _version(stage, ticket.number))

    async with stage.database.reading() as session:
        found = await session.exec(select(AuditRow.action).where(AuditRow.actor == f"agent:{agent.id}"))
        actions = set(found.all())
    assert {"ticket.taken", "ticket.noted", "ticket.replied", "ticket.resolved"} <= actions


async def test_a_ticket_that_does_not_exist_is_a_kind_page(signed_in: Visitor) -> None:
    for number in ("K-999999", "0", "K-000001'--", "<script>", "%E2%80%AE"):
        page = await signed_in.get(f"/console/tickets/{number}")
        assert page.status_code == 404
        assert "没有这个页面" in text_of(page)
        assert "<script>" not in page.text


async def test_an_unknown_verb_is_not_found(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())

    assert (await signed_in.submit(f"/console/tickets/{ticket.number}/delete")).status_code == 404
    assert (await signed_in.submit("/console/tickets/K-999999/take")).status_code == 404


async def test_signing_in_again_leads_back_to_the_page_of_the_form(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())

    back = await signed_in.get(f"/console/tickets/{ticket.number}/reply")

    assert back.headers["location"] == f"/console/tickets/{ticket.number}"


async def test_the_page_speaks_the_readers_language(stage: Stage, agent: Agent) -> None:
    ticket = await stage.open(await stage.meet())
    async with stage.browser("en-US,en;q=0.9") as browser:
        await browser.sign_in()

        page = text_of(await browser.get(f"/console/tickets/{ticket.number}"))

    assert "No. 1 in the queue" in page
    assert "The 24 h promise" in page
    assert not re.search(
        r"[一-鿿]", page.replace("卡密用不了", "").replace("买家甲", "").replace("小林", "").replace("中文", "")
    )


async def test_a_late_ticket_shows_its_overrun(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    async with stage.database.writing() as session:
        clock = (await session.exec(select(Clock).where(Clock.metric == Metric.HANDLING))).one()
        clock.due_at = stage.clock()
    stage.clock.pass_(minutes=90)

    page = text_of(await signed_in.get(f"/console/tickets/{ticket.number}"))

    assert "已超时" in page
    assert "已超 1 小时 30 分" in page


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(UnknownTicket(ticket=1), 404, id="unknown"),
        pytest.param(NotAllowed(role="agent", verb="x"), 403, id="not allowed"),
        pytest.param(StaleTicket(number="K"), 409, id="stale"),
        pytest.param(ShopDown(shop="demo"), 503, id="shop down"),
    ],
)
def test_a_refusal_has_its_status(error: UnknownTicket, status: int) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize("verb", ["reply", "note", "resolve"])
async def test_a_code_in_the_words_of_staff_is_refused_and_stays_in_the_form_alone(
    stage: Stage, signed_in: Visitor, verb: str
) -> None:
    ticket = await stage.open(await stage.meet())
    page, before = f"/console/tickets/{ticket.number}", len(await _messages(stage))

    form = {"text": "新卡 7K2Q9-XPLM4-TRWE3", "outcome": "instruct", "version": await _version(stage, ticket.number)}
    answer = await signed_in.submit(f"{page}/{verb}", **form)

    assert answer.status_code == 422
    assert "像卡密的内容（****-RWE3），没有发出" in text_of(answer)
    assert "新卡 7K2Q9-XPLM4-TRWE3</textarea>" in answer.text
    assert len(await _messages(stage)) == before
    assert "7K2Q9" not in (await signed_in.get(page)).text


async def test_an_agent_cannot_resolve_what_a_colleague_holds(stage: Stage, signed_in: Visitor) -> None:
    await stage.add_agent("chen")
    ticket = await stage.open(await stage.meet())
    await signed_in.submit(f"/console/tickets/{ticket.number}/take")
    async with stage.browser() as chen:
        await chen.sign_in("chen")

        form = {"outcome": "reject", "version": await _version(stage, ticket.number)}
        answer = await chen.submit(f"/console/tickets/{ticket.number}/resolve", **form)

    assert answer.status_code == 403
    assert "在 Lin 小林 手上" in text_of(answer)
