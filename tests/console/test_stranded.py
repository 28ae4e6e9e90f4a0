"""What got stuck is counted on every page, listed on one, and tried again by a lead."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlmodel import col, select

from audit.tables import AuditRow
from bot.tables import InboxRow, InboxState
from tests.console.conftest import Stage, Visitor, text_of
from tickets import outbox
from tickets.tables import Author, Mail, Message, Outgoing, Role, Sending


@pytest.fixture
async def lead(stage: Stage) -> AsyncIterator[Visitor]:
    await stage.add_agent("chen", Role.LEAD)
    async with stage.browser() as browser:
        await browser.sign_in("chen")
        yield browser


async def lay_aside(stage: Stage, address: str = "a", problem: str = "ValueError at bot/x.py:3") -> int:
    """A dead letter of this buyer; its number."""
    row = InboxRow(
        channel="web",
        account="shop",
        update_id=f"of {address}",
        thread=f"web:shop:{address}",
        sealed="sealed words",
        received_at=stage.clock(),
        state=InboxState.DEAD,
        attempts=5,
        not_before=stage.clock(),
        problem=problem,
    )
    async with stage.database.writing() as session:
        session.add(row)
        await session.flush()
        assert row.id is not None
        return row.id


async def lose(stage: Stage, text: str, state: Sending = Sending.FAILED, problem: str = "refused <b>") -> None:
    """A message to buyer a that does not arrive."""
    conversation = await stage.meet()
    async with stage.database.writing() as session:
        message = await outbox.post(session, stage.clock(), conversation, text, author=Author.AGENT)
        found = await session.exec(select(Outgoing.id).where(Outgoing.message_id == message.id))
        await outbox.mark_failed(session, stage.clock(), found.one() or 0, state, problem)


async def state_of(stage: Stage, row: int) -> str:
    async with stage.database.reading() as session:
        return (await session.get_one(InboxRow, row)).state


async def test_nothing_stuck_says_nothing(stage: Stage, signed_in: Visitor) -> None:
    assert "没能处理" not in text_of(await signed_in.get("/console/"))
    assert "没能处理的买家消息" in text_of(await signed_in.get("/console/stranded"))


@pytest.mark.parametrize("page", ["/console/", "/console/reports", "ticket"])
async def test_what_is_stuck_is_counted_on_every_page(stage: Stage, signed_in: Visitor, page: str) -> None:
    ticket = await stage.open(await stage.meet())
    await lay_aside(stage)
    for state in (Sending.FAILED, Sending.BLOCKED, Sending.UNKNOWN):
        await lose(stage, "您好", state)
    stage.clock.pass_(seconds=15)

    shown = await signed_in.get(f"/console/tickets/{ticket.number}" if page == "ticket" else page)

    assert "1 条买家消息没能处理。 3 条发出的消息没有送达。" in text_of(shown)
    assert 'href="/console/stranded"' in shown.text


async def test_a_message_that_was_lost_long_ago_is_counted_no_more(stage: Stage, signed_in: Visitor) -> None:
    await lose(stage, "您好")
    stage.clock.pass_(days=3)
    await signed_in.sign_in()

    assert "没有送达。" not in text_of(await signed_in.get("/console/"))


async def test_the_page_leads_from_each_row_to_its_ticket(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet("<i>晴天</i>"))
    await lay_aside(stage)
    await lay_aside(stage, "stranger", "KeyError")
    await lose(stage, "请看 ⟦link⟧ <script>", Sending.UNKNOWN)

    page = await signed_in.get("/console/stranded")

    shown = text_of(page)
    assert "ValueError at bot/x.py:3" in shown
    assert "还不认识的买家" in shown
    assert "是否送达未知 : refused &lt;b&gt;" in shown.replace("未知:", "未知 :")
    assert "请看 … &lt;script&gt;" in page.text
    assert page.text.count(f'href="/console/tickets/{ticket.number}"') == 2
    assert "<i>晴天" not in page.text
    assert "sealed words" not in page.text
    assert "再试一次</button>" not in page.text  # for leads


@pytest.mark.parametrize(
    ("verb", "state", "action"), [("retry", "pending", "inbox.retried"), ("drop", "done", "inbox.dropped")]
)
async def test_a_lead_tries_it_again_or_drops_it(
    stage: Stage, lead: Visitor, verb: str, state: str, action: str
) -> None:
    row = await lay_aside(stage)
    stage.clock.pass_(seconds=15)
    before = text_of(await lead.get("/console/stranded"))

    first = await lead.submit(f"/console/stranded/{row}/{verb}")
    after = text_of(await lead.get("/console/stranded"))
    await lead.submit(f"/console/stranded/{row}/{verb}")
    again = text_of(await lead.get("/console/stranded"))

    assert "1 条买家消息没能处理" in before
    assert first.status_code == 303
    assert "1 条买家消息没能处理" not in after
    assert "这条消息已经有人处理了" in again
    assert await state_of(stage, row) == state
    async with stage.database.reading() as session:
        (audit,) = (await session.exec(select(AuditRow).where(AuditRow.action == action))).all()
    assert (audit.actor, audit.subject) == ("agent:1", f"inbox:{row}")


async def test_a_lead_sends_again_what_may_not_have_arrived(stage: Stage, lead: Visitor) -> None:
    await lose(stage, "您好", Sending.UNKNOWN)

    done = await lead.submit("/console/stranded/message/1/again")
    queued = text_of(await lead.get(done.headers["location"]))
    sent = await stage.deliver()
    await lead.submit("/console/stranded/message/1/again")

    assert "已重新排队发送" in queued
    assert sent == 1
    assert "这条消息已经送达" in text_of(await lead.get("/console/stranded"))


async def test_an_agent_may_not(stage: Stage, signed_in: Visitor) -> None:
    row = await lay_aside(stage)

    for verb in ("retry", "drop"):
        assert (await signed_in.submit(f"/console/stranded/{row}/{verb}")).status_code == 403
    assert (await signed_in.submit("/console/stranded/message/1/again")).status_code == 403

    assert await state_of(stage, row) == "dead"


async def test_a_row_or_a_verb_that_does_not_exist_is_not_found(stage: Stage, lead: Visitor) -> None:
    row = await lay_aside(stage)

    for path in (f"{row}/eat", "9" * 40 + "/retry", "x/retry", "-1/retry"):
        assert (await lead.submit(f"/console/stranded/{path}")).status_code == 404, path
    assert (await lead.submit("/console/stranded/999999999999/retry")).status_code == 303
    assert "这条消息已经有人处理了" in text_of(await lead.get("/console/stranded"))


async def test_pages_count_now_and_then_only(stage: Stage, signed_in: Visitor) -> None:
    await signed_in.get("/console/")
    await lay_aside(stage)
    stage.clock.pass_(seconds=14)
    soon = text_of(await signed_in.get("/console/"))
    stage.clock.pass_(seconds=1)

    assert "没能处理" not in soon
    assert "没能处理" in text_of(await signed_in.get("/console/"))


async def test_the_page_speaks_english_too(stage: Stage, agent: object) -> None:
    await lay_aside(stage)
    async with stage.browser("en") as browser:
        await browser.sign_in()

        page = text_of(await browser.get("/console/stranded"))

    assert "Messages of ours that did not arrive (last 3 days)" in page
    assert "Messages of buyers that could not be processed: 1." in page
    async with stage.database.reading() as session:
        assert (await session.exec(select(Message))).all() == []


async def mail_of(stage: Stage, state: Sending, attempts: int = 3) -> int:
    """A letter to a buyer that the mail server does not take; its number."""
    now = stage.clock()
    async with stage.database.writing() as session:
        mail = Mail(
            seal_id=f"{state} {attempts}",
            sealed="sealed words" if state == Sending.QUEUED else "",
            subject="您的验证码",
            state=state,
            attempts=attempts,
            created_at=now,
            not_before=now + timedelta(minutes=5),
            expires_at=now + timedelta(minutes=10),
            problem="the server refused <b>",
        )
        session.add(mail)
        await session.flush()
        assert mail.id is not None
        return mail.id


async def mails(stage: Stage) -> list[Mail]:
    async with stage.database.reading() as session:
        return list((await session.exec(select(Mail).order_by(col(Mail.id)))).all())


async def test_mail_that_was_not_sent_is_listed_without_its_text(stage: Stage, signed_in: Visitor) -> None:
    await mail_of(stage, Sending.FAILED)
    await mail_of(stage, Sending.QUEUED, attempts=2)
    await mail_of(stage, Sending.QUEUED, attempts=0)  # its turn has not come

    page = await signed_in.get("/console/stranded")

    shown = text_of(page)
    assert "试过 3 次，已放弃" in shown
    assert "试过 2 次" in shown
    assert shown.count("您的验证码") == 2
    assert "the server refused &lt;b&gt;" in page.text
    assert "sealed words" not in page.text
    assert "/console/stranded/mail/" not in page.text  # for leads


async def test_a_lead_sends_a_waiting_mail_at_once_and_drops_one_that_was_given_up(stage: Stage, lead: Visitor) -> None:
    lost, waiting = await mail_of(stage, Sending.FAILED), await mail_of(stage, Sending.QUEUED)

    refused = []
    for row, verb in ((waiting, "retry"), (lost, "retry"), (lost, "drop"), (lost, "drop")):
        await lead.submit(f"/console/stranded/mail/{row}/{verb}")
        refused.append("这封邮件已经寄出或去掉了" in text_of(await lead.get("/console/stranded")))

    assert refused == [False, True, False, True]
    (left,) = await mails(stage)
    assert (left.id, left.not_before) == (waiting, stage.clock())
    async with stage.database.reading() as session:
        rows = (await session.exec(select(AuditRow).where(col(AuditRow.action).startswith("mail.")))).all()
    assert [(row.actor, row.action, row.subject) for row in sorted(rows, key=lambda row: row.id or 0)] == [
        ("agent:1", "mail.retried", f"mail:{waiting}"),
        ("agent:1", "mail.dropped", f"mail:{lost}"),
    ]
