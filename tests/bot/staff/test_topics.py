"""Topics: one for each ticket, made once, filled within the budget, made anew when deleted, caught up later."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from audit.tables import AuditRow
from bot import topics
from bot.fakes.refusal import bad, too_many
from bot.fakes.telegram import Limits, Refusal
from bot.staff.calls import UNNAMED, StaffBot
from bot.staff.pacing import Pacing
from bot.staff.tables import Mirrored
from bot.tables import Topic, TopicState
from tests.bot.conftest import CODE, House
from tests.bot.staff.conftest import ANNA
from tests.bot.staff.office import Counting, Office, opened
from tickets.routing import GENERAL
from tickets.tables import Level, Outcome


def living(office: Office) -> list[str]:
    return [one.name for one in office.fake.groups[office.group].topics.values() if not one.is_deleted]


async def test_a_ticket_with_people_gets_a_topic_with_its_card(office: Office) -> None:
    hidden = await office.open("露露", level=Level.BOT_LANE)
    ticket = await office.open("小陈", "充值 AB12CD34EF56GH78 没到")

    await office.settle()

    topic = await office.topic(ticket)
    card, said = office.texts(topic.id)
    assert topic.name == "K-000002 小陈 · 充值 ****-GH78 没到"
    assert card.splitlines()[0] == "K-000002 · 待处理 · L1"
    assert "截止：03-03 12:00" in card
    assert said == "👤 小陈: 充值 ****-GH78 没到，怎么办"
    assert await office.house.all(Topic, ticket_id=hidden.id) == []


async def test_two_processes_make_one_topic_even_if_both_think_that_they_write(office: Office) -> None:
    await office.open()
    other = office.twin()

    await asyncio.gather(*(one.work() for one in (office.staff, other, office.staff, other)))
    await office.settle()

    assert living(office) == ["K-000001 小陈 · 卡密无效"]


async def test_without_the_claimed_row_there_would_be_several(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def careless(session: Any, now: Any, bot: str, chat_id: str, ticket_id: int, old: Any) -> Topic:
        return Topic(id=0, bot="", ticket_id=ticket_id, chat_id=chat_id, claimed_at=now)

    monkeypatch.setattr(topics, "claim", careless)
    await office.open()

    await office.settle()

    assert len(living(office)) > 1


async def test_a_topic_whose_making_was_not_confirmed_is_made_again_after_a_while(office: Office) -> None:
    ticket = await office.open()
    office.fake.next_fault("createForumTopic", "lost")

    await office.settle()
    unsure = await office.house.one(Topic)
    await office.later(seconds=60)
    waiting = living(office)
    await office.later(seconds=90)

    assert (unsure.state, unsure.thread_id) == (TopicState.UNKNOWN, None)
    assert len(waiting) == 1
    assert len(living(office)) == 2
    assert (await office.house.one(Topic)).state == TopicState.OPEN
    assert len(office.texts(await office.thread(ticket))) == 2


async def test_who_writes_in_an_unconfirmed_topic_names_it(office: Office) -> None:
    await office.open()
    office.fake.next_fault("createForumTopic", "lost")
    await office.settle()

    await office.write(ANNA, "您好", 1)
    await office.later(seconds=5)
    await office.write(ANNA, "您好，请稍等", 1)

    assert living(office) == ["K-000001 小陈 · 卡密无效"]
    assert any("这个话题就是 K-000001" in text for text in office.texts(1))
    assert [message.text for message in await office.sent_by_staff()] == ["您好，请稍等"]


async def test_a_deleted_topic_is_made_anew_with_the_conversation(office: Office) -> None:
    ticket = await office.open()
    await office.settle()
    await office.write(ANNA, "您好", await office.thread(ticket))
    office.fake.delete_topic(office.group, await office.thread(ticket))

    await office.hear(ticket, "在吗")
    await office.later(seconds=10)

    assert len(living(office)) == 1
    text = "\n".join(office.texts(await office.thread(ticket)))
    assert "👤 小陈: 卡密无效，怎么办\n💬 安娜: 您好\n👤 小陈: 在吗" in text
    assert "处理人：安娜" in text


async def test_a_topic_closes_with_its_ticket_and_opens_again(office: Office) -> None:
    ticket = await office.open()
    await office.settle()
    await office.do(office.house.desk.resolve, ticket.id, await office.agent("anna"), Outcome.INSTRUCT)
    await office.later(seconds=5)
    closed = await office.topic(ticket)
    was_closed, name = closed.is_closed, closed.name

    await office.hear(ticket, "还是不行")
    await office.later(seconds=5)

    assert (was_closed, name) == (True, "✅ K-000001 小陈 · 卡密无效")
    assert not (await office.topic(ticket)).is_closed
    assert "👤 小陈: 还是不行" in office.texts(closed.id)


async def test_a_topic_that_a_person_closed_is_written_in_all_the_same(office: Office) -> None:
    ticket = await office.open()
    await office.settle()
    thread = await office.thread(ticket)
    office.fake.close_topic(office.group, thread, sender=ANNA)
    office.fake.next_fault("sendMessage", Refusal(400, "Bad Request: TOPIC_CLOSED"))

    await office.hear(ticket, "在吗")
    await office.later(seconds=5)

    assert "👤 小陈: 在吗" in office.texts(thread)
    assert not (await office.topic(ticket)).is_closed


async def test_with_the_group_gone_nothing_is_lost_and_it_catches_up_with_a_summary(office: Office) -> None:
    ticket = await office.open()
    await office.settle()
    office.expel()
    for number in range(15):
        await office.hear(ticket, f"第 {number + 1} 句")
        await office.later(seconds=5)
    silent = office.texts(await office.thread(ticket))[2:]

    office.readmit()
    await office.later(seconds=60)

    news = office.texts(await office.thread(ticket))[2:]
    assert silent == []
    assert news[0].startswith("（还有 10 条更早的没有列出，全部在 https://kadesk.test/console/tickets/K-000001）")
    assert news[0].endswith("👤 小陈: 第 15 句")
    assert len(await office.house.all(Mirrored)) == 16


async def test_an_answer_that_was_lost_is_shown_again_and_nothing_is_skipped(office: Office) -> None:
    ticket = await office.open()
    await office.settle()
    office.fake.next_fault("sendMessage", "lost")

    await office.hear(ticket, "在吗")
    await office.later(seconds=10)

    assert office.texts(await office.thread(ticket)).count("👤 小陈: 在吗") == 2


async def test_the_group_is_never_written_to_faster_than_it_takes(house: House) -> None:
    async with opened(house) as office:
        limits = office.account.limits = Counting()
        tickets = [await office.open(f"买家{number}") for number in range(6)]

        for _ in range(9):
            house.clock.advance(seconds=14)
            await office.settle()
            await office.hear(tickets[0], "催一下")

        assert len(living(office)) == 6
        assert limits.refused == 0


async def test_an_edit_of_the_buyer_and_a_lost_reply_are_told_in_the_topic(office: Office) -> None:
    ticket = await office.open()
    await office.settle()
    thread = await office.thread(ticket)
    said = await office.hear(ticket, "少了 10 块")
    await office.write(ANNA, "好的", thread)

    await office.edit(said, "少了 20 块")
    await office.fail_last("The buyer cannot be reached: bot was blocked by the user")
    await office.later(seconds=5)

    assert "🖊 小陈 改成：少了 20 块" in office.texts(thread)
    assert "❗ 没有送达买家：“好的”。联系不到买家 (bot was blocked by the user)" in office.texts(thread)


@pytest.mark.parametrize("pictures", [True, False])
async def test_pictures_are_shown_as_pictures_unless_the_owner_says_no(house: House, pictures: bool) -> None:
    async with opened(house, per_minute=600, pictures=pictures) as office:
        ticket = await office.open()
        await office.settle()
        await office.show_pictures(ticket, "截图", 2)
        await office.later(seconds=5)

        thread = await office.thread(ticket)
        methods = [sent.method for sent in office.fake.sent if sent.thread_id == thread]
        assert ("sendMediaGroup" in methods) == pictures
        assert ("👤 小陈: [2 张图片，请在控制台查看] 截图" in office.texts(thread)) != pictures


async def test_rows_that_were_committed_late_are_found(office: Office) -> None:
    """A number that was passed over may be another transaction's, still under way."""
    from bot.staff.watch import Tail

    tail, now = Tail(), office.house.clock()
    tail.begin(0)
    tail.take([1, 2, 5], now)

    waiting = dict(tail.gaps)
    tail.take([3], now)
    later = dict(tail.gaps)
    tail.take([6], now + timedelta(seconds=31))

    assert waiting.keys() == {3, 4}
    assert later.keys() == {4}
    assert not tail.gaps
    assert tail.last == 6


async def test_what_is_never_confirmed_is_said_again_later_each_time(office: Office) -> None:
    ticket, other = await office.open(), await office.open("阿强")
    await office.settle(2)
    thread = await office.thread(ticket)
    for _ in range(20):
        office.fake.next_fault("sendMessage", "lost")

    await office.hear(ticket, "在吗")
    await office.later(minutes=5)
    said = office.texts(thread).count("👤 小陈: 在吗")
    office.fake.faults._next["sendMessage"].clear()
    await office.hear(other, "我也在")
    await office.later(seconds=5)

    assert 3 <= said <= 7  # after 5, 10, 20, 40, 80, 160 seconds
    assert "👤 阿强: 我也在" in office.texts(await office.thread(other))  # it holds no other topic up


async def test_a_card_whose_number_is_unknown_is_followed_by_another(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = StaffBot.send

    async def unnamed(*arguments: Any, **options: Any) -> int:
        await send(*arguments, **options)
        return UNNAMED

    monkeypatch.setattr(StaffBot, "send", unnamed)
    ticket = await office.open()
    await office.settle()
    await office.press("接手", ANNA, thread=await office.thread(ticket))
    await office.later(seconds=5)

    cards = [text for text in office.texts(await office.thread(ticket)) if "处理人" in text]
    assert [card.splitlines()[-1] for card in cards] == ["处理人：还没有人", "处理人：安娜"]
    assert await office.press("退回", ANNA, thread=await office.thread(ticket)) == "✅ 已退回队列"


async def test_a_card_that_somebody_deleted_is_sent_anew(office: Office) -> None:
    ticket = await office.open()
    await office.settle()
    thread = await office.thread(ticket)
    card = (await office.house.one(Topic)).card_id
    office.fake.groups[office.group].messages.pop(card)

    await office.write(ANNA, "/take", thread)
    await office.later(seconds=5)

    row = await office.house.one(Topic)
    assert row.card_id not in (None, card)
    assert "处理人：安娜" in office.texts(thread)[-1]
    assert row.problem is None


async def test_telegram_counts_new_topics_apart_and_nothing_else_waits_for_them(office: Office) -> None:
    known = await office.open()
    await office.settle()
    office.fake.next_fault("createForumTopic", too_many(40))
    new, third = await office.open("阿强"), await office.open("小李")

    await office.settle()
    await office.hear(known, "在吗")
    await office.write(ANNA, "/note 等等", await office.thread(known))
    await office.settle()
    meanwhile = office.texts(await office.thread(known))[2:]
    asked = [path for path in office.fake.paths if path.endswith("createForumTopic")]
    await office.later(seconds=50)

    assert meanwhile == ["👤 小陈: 在吗"]
    assert len(asked) == 2  # it is not asked for again before Telegram's time
    for ticket in (new, third):
        assert len(office.texts(await office.thread(ticket))) == 2


def test_new_topics_have_a_budget_of_their_own(now: datetime) -> None:
    pacing, limits, made = Pacing(per_minute=600), Limits(topics_per_minute=15), 0

    for second in range(120):
        at = now + timedelta(seconds=second)
        while pacing.may_make_topic("-1", at):
            pacing.topic_asked(at)
            made += 1
            assert limits.wait_for_topic(-1, at.timestamp()) == 0
        assert pacing.may_send("-1", at)

    assert made == 24


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_the_right_to_make_topics_those_that_stand_are_written_in(office: Office) -> None:
    """Their tickets come before and after the one that has none."""
    known = await office.open()
    await office.settle()
    office.fake.groups[office.group].admins.clear()
    waiting = await office.open("阿强")
    await office.settle()

    await office.hear(known, "在吗")
    await office.later(seconds=5)
    problem = office.staff._pacing.problem(office.house.clock())
    office.fake.groups[office.group].admins.add(office.account.id)
    await office.later(seconds=40)

    assert "👤 小陈: 在吗" in office.texts(await office.thread(known))
    assert problem == "Not enough rights to create a topic"
    assert len(office.texts(await office.thread(waiting))) == 2
    assert office.staff._pacing.problem(office.house.clock()) == ""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("words", "times"), [("😀" * 1500, 3), ("长" * 1400, 14)], ids=["emoji that count twice", "a long backlog"]
)
async def test_long_words_never_silence_a_topic(office: Office, words: str, times: int) -> None:
    ticket = await office.open()
    await office.settle()

    for _ in range(times):
        await office.hear(ticket, words)
    await office.hear(ticket, "最后一句")
    await office.later(seconds=5)

    assert office.texts(await office.thread(ticket))[-1].endswith(" …\n👤 小陈: 最后一句")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_picture_that_telegram_does_not_take_is_named_and_the_topic_goes_on(office: Office) -> None:
    ticket = await office.open()
    await office.settle()
    await office.show_pictures(ticket, "长截图", 1)
    office.fake.next_fault("sendPhoto", bad("PHOTO_INVALID_DIMENSIONS"))

    await office.settle()
    await office.hear(ticket, "看到了吗")
    await office.later(seconds=5)

    told = office.texts(await office.thread(ticket))[2:]
    assert told == ["👤 小陈: 长截图 [1 张图片，请在控制台查看]", "👤 小陈: 看到了吗"]
    assert not await office.house.all(AuditRow, action="picture.shown_to_group")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("choice", ["group", "groups"])
async def test_a_ticket_whose_group_changes_goes_on_in_the_other(office: Office, choice: str) -> None:
    """The settings name another group; or the ticket goes to a queue that has one of its own."""
    ticket = await office.open()
    await office.settle()
    old, fake = await office.topic(ticket), office.fake
    other = fake.group("退款组", people=[ANNA], admins=[office.account.id], is_forum=True)
    mirror, talk = office.staff._mirror, office.staff.talk
    changed: Any = str(other) if choice == "group" else {GENERAL: str(other)}
    mirror._rules = talk._rules = replace(mirror._rules, **{choice: changed})

    await office.hear(ticket, "在吗")
    await office.later(seconds=5)
    await office.write(ANNA, "您好", old.id)

    assert [sent.text for sent in fake.sent if sent.chat_id == other][1:] == [
        "👤 小陈: 卡密无效，怎么办\n👤 小陈: 在吗"
    ]
    assert old.is_closed
    assert f"K-000001 在这里：https://t.me/c/{str(other)[4:]}/1" in office.texts(old.id)[-1]
    assert await office.sent_by_staff() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_files_are_named_and_those_that_were_kept_are_marked(office: Office) -> None:
    ticket = await office.open()
    message = await office.hear(ticket, "看视频")
    kept, named = {"kind": "video", "file": 1}, {"kind": "document", "file_name": f"{CODE}.exe", "problem": "file_kind"}
    message.attachments = [kept, named]
    await office.house.add(message)

    await office.settle()

    shown = office.texts(await office.thread(ticket))[-1].splitlines()[-1]
    assert shown == "👤 小陈: [视频] 📎 [文件] ****-3VNP.exe 看视频"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_closes_the_topic_of_an_open_ticket_is_told_that_it_is_not_settled(office: Office) -> None:
    ticket = await office.open()
    await office.settle()
    topic = await office.topic(ticket)

    office.fake.close_topic(office.group, topic.id, sender=ANNA)
    await office.settle(2)

    assert not topic.is_closed
    assert office.texts(topic.id)[-1].startswith("关闭话题不等于解决工单：K-000001 还在处理中")
    assert "✋ " not in await office.press("接手", ANNA, thread=topic.id)
