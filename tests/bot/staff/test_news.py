"""What staff are told: notices in private or once to the group, not in quiet hours; figures; and never a code."""

import shutil
from datetime import time, timedelta
from pathlib import Path

import pytest

from bot.staff.forgetting import forget
from bot.staff.tables import StaffPost
from tests.bot.conftest import CODE, House
from tests.bot.staff.conftest import ANNA, BEN
from tests.bot.staff.office import Office, opened
from tickets import notices
from tickets.quiet import QuietHours
from tickets.tables import Author, Message, Notice, Role, Ticket


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "kadesk.db")
    return f"sqlite:///{tmp_path / 'kadesk.db'}"


async def test_a_notice_goes_to_who_is_linked_and_once_to_the_group_for_the_rest(office: Office) -> None:
    await office.hire("dora", "多拉")
    await office.hire("emil", "埃米尔")

    ticket = await office.open()
    await office.settle()
    await office.settle()

    link = f"https://t.me/c/{str(office.group)[4:]}/{await office.thread(ticket)}"
    told = f"🔔 K-000001 卡密无效：需要真人处理\n{link}"
    assert office.texts(chat=ANNA) == [told]
    assert office.texts(chat=BEN) == [told]
    assert office.texts() == [told]
    assert len(await office.house.all(StaffPost)) == len(await office.house.all(Notice)) == 5


async def test_what_was_seen_in_the_console_and_what_waits_for_the_morning_is_not_told(office: Office) -> None:
    anna, now = await office.agent("anna"), office.house.clock()
    ticket = await office.open()
    await office.do(notices.mark_seen, anna, 10**6)
    async with office.house.database.writing() as session:
        kept = await session.get_one(Ticket, ticket.id)
        await notices.tell(session, now, kept, "K-000001 夜里", QuietHours(), agent_id=anna)
        await session.flush()
        last = (await notices.unseen(session, now, anna))[0]
        last.not_before = now + timedelta(hours=1)

    await office.settle()
    early = office.texts(chat=ANNA)
    office.house.clock.advance(hours=1)
    await office.settle()

    assert early == []
    assert [text.splitlines()[0] for text in office.texts(chat=ANNA)] == ["🔔 K-000001 夜里"]


async def test_many_notices_at_once_come_as_one_message(office: Office) -> None:
    for number in range(6):
        await office.open(f"买家{number}")

    await office.settle(3)

    (told,) = office.texts(chat=ANNA)
    assert [line[:10] for line in told.splitlines()[::2]] == [f"🔔 K-00000{number}" for number in range(1, 7)]


async def test_managers_get_yesterdays_figures_once(house: House) -> None:
    async with opened(house, digest_at=time(9)) as office:
        await office.hire("wang", "王经理", Role.MANAGER, user=201)
        await office.hire("anna", "安娜", user=ANNA)
        house.clock.advance(hours=20, minutes=59)  # 08:59 of the next day in Shanghai
        await office.settle()
        early = office.texts(chat=201)
        await office.later(minutes=2)
        await office.settle()

        assert early == []
        (told,) = office.texts(chat=201)
        assert told.startswith("📊 03-02 没有到期的工单；现在排队 0 个")
        assert told.endswith("https://kadesk.test/console/reports")
        assert office.texts(chat=ANNA) == []


async def test_no_code_reaches_the_group_even_if_one_slipped_into_what_is_kept(office: Office) -> None:
    ticket = await office.open(f"小陈 {CODE}", f"卡 {CODE} 无效")
    async with office.house.database.writing() as session:
        kept = await session.get_one(Ticket, ticket.id)
        met = kept.conversation_id
        for author, is_note in ((Author.BOT, False), (Author.AGENT, True)):
            said = Message(conversation_id=met, ticket_id=kept.id, direction="out", author=author, text=f"是 {CODE}")
            said.is_note, said.created_at, said.attachments, said.buttons = is_note, office.house.clock(), [], []
            session.add(said)
        await office.house.desk.tell_staff(session, office.house.clock(), kept, "notice.reopened")
    said = await office.hear(ticket, "看 https://kadesk.test/r/abcdefghijklmnopqrstuvwxyz")
    await office.settle()
    await office.edit(said, f"看 {CODE}")
    await office.later(seconds=10)
    await office.write(ANNA, f"/find {CODE}")
    await office.write(ANNA, f"/assign {CODE}", await office.thread(ticket))
    await office.write(ANNA, f"/merge {CODE}", await office.thread(ticket))
    await office.press("接手", ANNA, thread=await office.thread(ticket))

    group = office.fake.groups[office.group]
    shown = [sent.text for sent in office.fake.sent] + [str(sent.fields) for sent in office.fake.sent]
    shown += [topic.name for topic in group.topics.values()] + office.account.notices
    assert "是 ****-3VNP" in "\n".join(shown)
    for part in (CODE, *CODE.split("-")[:2], "abcdefghijklmnop"):
        assert [text for text in shown if part in text] == []
    posts = await office.house.all(StaffPost)
    assert not any(CODE in post.text for post in posts)


async def test_what_was_stored_before_a_kill_takes_effect_once_after_it(office: Office) -> None:
    ticket = await office.open()
    await office.settle()
    thread = await office.thread(ticket)
    update = office.fake.send(office.group, {"text": "您好"}, bot=office.account, sender=ANNA, thread_id=thread)
    await office.receive(update)  # and the process dies

    twin = office.twin()
    inbox = office.house.inbox(twin.channel, dialogue=twin.talk)
    await twin.look(None)  # the same update once more: its offset was never confirmed
    await inbox.drain()
    await office.inbox.drain()

    assert [one.text for one in await office.sent_by_staff()] == ["您好"]


async def test_what_was_said_long_ago_is_forgotten_and_not_said_again(office: Office) -> None:
    ticket = await office.open()
    await office.settle(2)
    said = len(office.fake.sent)
    office.house.clock.advance(days=4)

    async with office.house.database.writing() as session:
        await forget(session, office.house.clock())
    await office.settle()

    assert await office.house.all(StaffPost) == []
    assert len(office.fake.sent) == said
    assert office.find_button("接手", await office.thread(ticket))
