"""An afternoon as an agent in the forum group: ten tickets, two agents, and what goes wrong on such a day.

Real buyers' bot, real staff bot, Telegram's limits. With TRANSCRIPT=path what the group showed is written there.
"""

import os
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from bot.channels.telegram import Telegram
from bot.fakes.buyer import Buyer, TelegramFront
from bot.tables import Topic, TopicState
from tests.bot.conftest import CODE, ORDER, PASSWORD, House
from tests.bot.staff.conftest import ANNA, BEN, CHEN, STRANGER
from tests.bot.staff.office import Counting, Office, opened
from tickets.tables import Buyer as Person
from tickets.tables import Claim, Macro, Message, Outgoing, Role, Sending, Ticket

NAMES = ("小陈", "阿强", "露露", "老王", "Tom", "小美", "大刘", "阿珍", "小周", "老李")
SECOND = "Q9W8E-7R6T5-Y4U3I"  # the code of the second order


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """One database is enough for a story; `test_topics.py` has both."""
    shutil.copy(sqlite_template, tmp_path / "kadesk.db")
    return f"sqlite:///{tmp_path / 'kadesk.db'}"


class Afternoon:
    """The office, its buyers, and how time goes on."""

    def __init__(self, office: Office, telegram: Telegram) -> None:
        self.office = office
        self.house = office.house
        self.telegram = telegram
        office.channels.append(telegram)
        self._inbox = self.house.inbox(telegram)
        self.buyers = [self._buyer(200 + number, name) for number, name in enumerate(NAMES)]

    def _buyer(self, chat: int, name: str) -> Buyer:
        self.office.fake.people[chat] = {"first_name": name, "language_code": "zh-hans"}
        look = partial(self.telegram.look, self.house.door.accept, None)
        return Buyer(TelegramFront(self.office.fake, self.telegram, look, chat), self.settle)

    async def settle(self) -> None:
        await self._inbox.drain()
        await self.house.delivery(self.telegram).drain()

    async def pause(self, minutes: float = 1) -> None:
        """Life goes on in steps of twenty seconds."""
        for _ in range(round(minutes * 3)):
            self.house.clock.advance(seconds=20)
            await self._inbox.drain()
            await self.office.settle()

    async def ticket(self, buyer: int) -> Ticket:
        """The newest of this buyer."""
        async with self.house.database.reading() as session:
            mine = select(Ticket).join(Person, col(Person.id) == col(Ticket.buyer_id))
            found = await session.exec(mine.where(Person.name == NAMES[buyer]).order_by(col(Ticket.id).desc()))
            ticket = found.first()
        assert ticket is not None, NAMES[buyer]
        return ticket

    async def thread(self, buyer: int) -> int:
        return await self.office.thread(await self.ticket(buyer))


@pytest.mark.slow
@pytest.mark.alone
async def test_an_afternoon_of_ten_tickets_and_two_agents(house: House) -> None:
    async with opened(house) as office:
        limits = office.account.limits = Counting()
        await office.hire("anna", "安娜", user=ANNA)
        await office.hire("ben", "小本", user=BEN)
        await office.hire("chen", "陈组长", Role.LEAD, user=CHEN)
        office.enter(STRANGER, "路人")
        telegram = Telegram(office.fake.token, office.fake.base)
        day = Afternoon(office, telegram)
        try:
            await _live(day)
            await _look_back(day, limits)
        finally:
            await telegram.close()
            if path := os.environ.get("TRANSCRIPT"):
                Path(path).write_text(transcript(day), encoding="utf-8")  # noqa: ASYNC240  # at the end


async def _live(day: Afternoon) -> None:
    await _ten_come(day)
    await _anna_and_ben_answer(day)
    await _claims_are_settled(day)
    await _a_topic_is_deleted(day)
    await _a_buyer_blocks_the_bot(day)
    await _the_lead_helps(day)
    await _the_group_is_gone_for_a_while(day)
    await day.pause(4)


async def _ten_come(day: Afternoon) -> None:
    house = day.house
    await house.sell(SECOND, order_no="ZX98CV76BN54MA32")
    await house.add(
        Macro(name="稍等", reply="{buyer} 您好，{number} 正在核实，请稍等。", tags=[], created_at=house.clock())
    )
    for buyer in (0, 1):
        order, code = ((ORDER, CODE), ("ZX98CV76BN54MA32", SECOND))[buyer]
        await day.buyers[buyer].say(f"{order} {PASSWORD}")
        await day.buyers[buyer].press("卡密用不了")
        await day.buyers[buyer].say(code)
        await day.buyers[buyer].press("其他问题")
        await day.buyers[buyer].say("转人工")
        await day.pause(0.25)
    for number, words in enumerate(
        (
            "充值到账了但是少了 10 块",
            "怎么还没有人理我",
            "My code shows a region error",
            "可以开发票吗",
            "兑换页面一直转圈",
            "我要买 50 张有优惠吗",
            "换绑手机怎么弄",
            "上次的问题又来了",
        ),
        start=2,
    ):
        await day.buyers[number].say(words)
        await day.buyers[number].say("转人工")
        await day.pause(0.25)
    await day.pause(3)


async def _anna_and_ben_answer(day: Afternoon) -> None:
    office, buyers = day.office, day.buyers
    third, fourth = await day.thread(2), await day.thread(3)
    taken = await office.press("接手", ANNA, BEN, thread=third)  # at one moment: one has it
    assert taken.splitlines() == ["✅ 安娜 接手", "✋ 这个按钮已经用过或过期了，请用工单最新的卡片。"]
    await office.write(ANNA, "您好，麻烦发一下到账截图和订单截图", third)
    await day.pause()
    await buyers[2]._front.album(2, "这是截图")
    await day.pause()
    await buyers[2].say("一共少了 10 块")
    await day.pause(0.5)
    await buyers[2]._front.edit("一共少了 20 块")
    await day.pause()
    said = await office.write(ANNA, "查到了，今天 18:00 前补给您", third)
    office.fake.edit(office.group, said["message_id"], "查到了，今天 20:00 前补给您", bot=office.account)
    await day.pause()
    await office.write(BEN, "/next")  # the head of the queue: Chen's
    await office.write(BEN, "/release", await day.thread(0))
    await office.write(BEN, "您好，现在由我来处理", fourth)
    await office.write(BEN, "/备注 买家情绪不好，优先", fourth)
    await office.write(BEN, "卡密给您：ABCDE-12345-FGHIJ-67890", fourth)  # refused
    await office.write(STRANGER, "我也来说两句", fourth)
    await office.write(STRANGER, "再说一句", fourth)
    await day.pause()
    await office.write(ANNA, "/snooze soon", third)
    await office.write(ANNA, "/snooze 2小时", third)
    await office.write(ANNA, "/转给 小本", third)
    await day.pause()


async def _claims_are_settled(day: Afternoon) -> None:
    office = day.office
    first, second = await day.thread(0), await day.thread(1)
    await office.press("补发", ANNA, thread=first)
    await day.pause()
    await office.press("驳回", BEN, thread=second)
    await day.pause(0.5)
    await office.press("发送", BEN, thread=second)
    await day.pause(2)


async def _a_topic_is_deleted(day: Afternoon) -> None:
    office = day.office
    await office.write(BEN, "好的，我看一下", await day.thread(4))
    await day.pause()
    office.fake.delete_topic(office.group, await day.thread(4))
    await day.buyers[4].say("any news?")
    await day.pause(2)
    await office.write(BEN, "Sorry for the wait, I am on it", await day.thread(4))
    await day.pause()


async def _a_buyer_blocks_the_bot(day: Afternoon) -> None:
    office = day.office
    office.fake.block(205)
    await office.write(ANNA, "可以开电子发票，请发邮箱", await day.thread(5))
    await day.pause(2)
    office.fake.unblock(205)


async def _the_lead_helps(day: Afternoon) -> None:
    office = day.office
    sixth, seventh = await day.thread(6), await day.thread(7)
    await office.press("快捷回复", ANNA, thread=sixth)
    await day.pause(0.5)
    await office.press("稍等", ANNA, thread=sixth)
    await day.pause(0.5)
    await office.press("发送", ANNA, thread=sixth)
    await day.pause()
    await office.write(BEN, "/escalate 要批发价，我定不了", seventh)
    await day.pause()
    await office.press("解决", ANNA, thread=seventh)
    await office.write(CHEN, "50 张可以打 95 折，直接下单即可", seventh)
    await day.pause()
    await day.buyers[7].say("好的谢谢")
    await day.pause()
    await office.press("解决", CHEN, thread=seventh)
    await office.press("确定", CHEN, thread=seventh)
    await day.pause(2)
    await office.write(CHEN, "/sla")
    await office.write(CHEN, "/查 阿珍")
    await day.pause()
    await day.buyers[7].say("等等，还有个问题")  # within the time in which a ticket opens again
    await day.pause(2)


async def _the_group_is_gone_for_a_while(day: Afternoon) -> None:
    office = day.office
    chat = office.fake.groups[office.group]
    chat.members.discard(office.account.id)
    for number in range(16):
        await day.buyers[8].say(f"第 {number + 1} 次补充说明：还是不行")
    await day.pause(2)
    chat.members.add(office.account.id)
    await day.pause(2)


async def _look_back(day: Afternoon, limits: Counting) -> None:
    house, office = day.house, day.office
    topics: list[Any] = await house.all(Topic)
    names = [one.name for one in office.fake.groups[office.group].topics.values() if not one.is_deleted]
    texts = [sent.text for sent in office.fake.sent if sent.bot_id == office.account.id]
    shown = "\n".join(texts)

    assert limits.refused == 0
    assert len(names) == len(set(names)) == 10, names
    assert {topic.state for topic in topics} == {TopicState.OPEN, TopicState.CLOSED}
    # What was said to buyers is what agents meant, and only that.
    heard = [sent.text for sent in office.fake.sent if sent.bot_id == office.fake.bot.id]
    assert not any("再说一句" in text or "ABCDE-12345" in text for text in heard)
    assert sum("更正：查到了，今天 20:00" in text for text in heard) == 1
    assert sum("50 张可以打 95 折" in text for text in heard) == 1
    # No code, and no link to one, in the staff's chat.
    assert CODE not in shown
    assert SECOND not in shown
    assert "/r/" not in shown
    assert "（一次性链接）" in shown
    # A deleted topic, an album, an edit, a blocked buyer, a backlog.
    assert any(sent.method == "sendMediaGroup" for sent in office.fake.sent)
    assert "改成：一共少了 20 块" in shown
    assert "没有送达买家" in shown
    assert "条更早的没有列出" in shown
    assert sum("路人 还没有绑定账号" in text for text in texts) == 1
    lost = [one for one in await house.all(Outgoing) if one.state == Sending.BLOCKED]
    assert len(lost) == 1
    claims = [claim.outcome for claim in await house.all(Claim)]
    assert Counter(claims) == {"replace": 1, "reject": 1}
    # Each buyer's words stand in their topic: sixteen of them as a summary.
    said = [message for message in await house.all(Message) if "补充说明" in message.text and message.direction == "in"]
    assert len(said) == 16


def transcript(day: Afternoon) -> str:
    """What the group shows at the end of the afternoon, topic by topic; then what the bot told people in private."""
    chat = day.office.fake.groups[day.office.group]
    lines = [f"# {chat.title}, {len(chat.topics)} topics"]
    there = [message for message in chat.messages.values() if not message.get("is_gone")]
    general = [message for message in there if not message.get("message_thread_id")]
    lines += ["", "## General", *(_told(message) for message in general)]
    for topic in chat.topics.values():
        marks = [word for word, is_so in (("closed", topic.is_closed), ("deleted", topic.is_deleted)) if is_so]
        lines += ["", f"## {topic.name} {' '.join(marks)}"]
        mine = [one for one in there if one.get("message_thread_id") == topic.id]
        lines += [_told(message) for message in mine]
    for user, private in day.office.account.chats.items():
        lines += ["", f"## private: {day.office.fake.person(user)['first_name']}"]
        lines += [_told(message) for message in private.messages.values()]
    popped = [text for text in day.office.account.notices if text]
    return "\n".join([*lines, "", "## pop-ups", *popped]) + "\n"


def _told(message: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(message["date"], UTC) + timedelta(hours=8)
    who = message["from"].get("first_name", "?")
    event = next((name for name in message if name.startswith("forum_topic_")), "")
    text = message.get("text") or message.get("caption") or (f"({event})" if event else "")
    pictures = "[picture] " if "photo" in message else ""
    rows = (message.get("reply_markup") or {}).get("inline_keyboard", ())
    keys = " ".join(f"[{key['text']}]" for row in rows for key in row)
    edited = " (edited)" if "edit_date" in message else ""
    body = (pictures + text).replace("\n", "\n        ")
    return f"{at:%H:%M} {who}{edited}: {body}" + (f"\n        {keys}" if keys else "")
