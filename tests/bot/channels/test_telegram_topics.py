"""Topics in a buyer's own chat: one for each ticket, made once; whatever is refused of them, no message is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from bot import topics as rows
from bot.channels.telegram import Telegram
from bot.channels.telegram.topics import Topics
from bot.fakes.chats import Topic as Shown
from bot.fakes.refusal import too_many
from bot.fakes.telegram import TOKEN, FakeTelegram, Refusal, serving
from bot.tables import Topic, TopicState
from tests.bot.conftest import House
from tickets import conversations, outbox
from tickets.changes import lock_ticket, move
from tickets.tables import Author, Category, Level, Message, Outgoing, Phase, Sending, Ticket

NO_FORUM = Refusal(400, "Bad Request: the chat is not a forum")


@pytest.fixture
async def fake(house: House) -> AsyncIterator[FakeTelegram]:
    async with serving(FakeTelegram(clock=lambda: house.clock().timestamp())) as fake:
        fake.private(fake.bot, 42)
        fake.bot.has_topics = True
        yield fake


@pytest.fixture
async def telegram(house: House, fake: FakeTelegram) -> AsyncIterator[Telegram]:
    telegram = Telegram(TOKEN, fake.base, open_topics=opening(house, Topics))
    yield telegram
    await telegram.close()


def opening(house: House, kind: type[Topics]) -> Callable[[Any], Topics]:
    return lambda bot: kind(bot, house.database, house.clock)


async def promise(
    house: House, fake: FakeTelegram, subject: str = "卡密无效", level: Level = Level.HUMAN_QUEUE
) -> Ticket:
    """A ticket of the buyer 42."""
    async with house.database.writing() as session:
        place = "telegram", str(fake.bot.id), "42"
        conversation = await conversations.find_or_create(session, house.clock(), *place, "小陈", "zh")
        facts = (Category.CLAIM, subject)
        return await house.desk.open(session, house.clock(), conversation, *facts, level=Level.HUMAN_QUEUE)


async def tell(house: House, telegram: Telegram, ticket: Ticket, *texts: str) -> None:
    async with house.database.writing() as session:
        place = "telegram", telegram.account, "42"
        conversation = await conversations.find_or_create(session, house.clock(), *place, "小陈", "zh")
        for text in texts:
            await outbox.post(session, house.clock(), conversation, text, author=Author.AGENT, ticket=ticket)
    await house.delivery(telegram).drain()


async def hear(house: House, telegram: Telegram) -> None:
    await telegram.look(house.door.accept, None)
    await house.settle(telegram)()


def made(fake: FakeTelegram) -> list[Shown]:
    """The topics of the buyer's chat, deleted ones too."""
    return list(fake.private(fake.bot, 42).topics.values())


async def test_each_ticket_is_spoken_of_in_a_topic_of_its_own(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    first, second = await promise(house, fake), await promise(house, fake, "想退款")
    await tell(house, telegram, first, "一" * 5000, "再看看")
    await tell(house, telegram, second, "退款在办")

    one, other = made(fake)
    assert [sent.thread_id for sent in fake.sent] == [one.id, one.id, one.id, other.id]
    assert [one.name, other.name] == [f"{first.number} · 卡密无效", f"{second.number} · 想退款"]


async def test_without_topics_everything_is_as_it_was(house: House, fake: FakeTelegram, telegram: Telegram) -> None:
    fake.bot.has_topics = False
    await tell(house, telegram, await promise(house, fake), "在查")

    (sent,) = fake.sent
    assert "message_thread_id" not in sent.fields
    assert await house.all(Topic) == []


@pytest.mark.parametrize("fault", [NO_FORUM, Refusal(404, "Not Found: method not found"), Refusal(500, "Internal")])
async def test_a_message_goes_out_in_no_topic_where_none_can_be_made(
    house: House, fake: FakeTelegram, telegram: Telegram, fault: Refusal
) -> None:
    ticket = await promise(house, fake)
    fake.next_fault("createForumTopic", fault)
    await tell(house, telegram, ticket, "在查", "查到了")

    assert [(sent.text, sent.thread_id) for sent in fake.sent] == [("在查", None), ("查到了", None)]
    house.clock.advance(minutes=11)
    await tell(house, telegram, ticket, "补发了")
    assert fake.sent[-1].thread_id == made(fake)[0].id


async def test_a_message_waits_a_moment_for_its_topic_where_telegram_asks_to(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    ticket = await promise(house, fake)
    fake.next_fault("createForumTopic", too_many(2))
    await tell(house, telegram, ticket, "在查")
    before = list(fake.sent)
    house.clock.advance(seconds=3)
    await house.delivery(telegram).drain()

    assert before == []
    assert [(sent.text, sent.thread_id) for sent in fake.sent] == [("在查", made(fake)[0].id)]


async def test_where_telegram_takes_no_new_topics_messages_go_out_and_nobody_asks_again_too_soon(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    fake.next_fault("createForumTopic", too_many(60))
    for subject in ("卡密无效", "想退款"):
        await tell(house, telegram, await promise(house, fake, subject), "在查")
    asked = [path for path in fake.paths if path.endswith("createForumTopic")]
    house.clock.advance(seconds=61)
    await tell(house, telegram, await house.one(Ticket, id=2), "退款在办")

    (topic,) = made(fake)
    assert len(asked) == 1
    assert [sent.thread_id for sent in fake.sent] == [None, None, topic.id]


async def test_a_deleted_topic_is_made_anew_for_the_next_message(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    ticket = await promise(house, fake)
    await tell(house, telegram, ticket, "在查")
    fake.delete_topic(42, made(fake)[0].id)
    await tell(house, telegram, ticket, "查到了")

    old, new = made(fake)
    assert [(sent.text, sent.thread_id) for sent in fake.sent] == [("在查", old.id), ("查到了", new.id)]
    assert {row.state for row in await house.all(Outgoing)} == {Sending.SENT}


async def test_of_two_topics_after_a_lost_answer_one_is_used(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    ticket = await promise(house, fake)
    fake.next_fault("createForumTopic", "lost")
    await tell(house, telegram, ticket, "在查", "还在查")
    house.clock.advance(minutes=3)
    await tell(house, telegram, ticket, "查到了")

    _, used = made(fake)
    assert [sent.thread_id for sent in fake.sent] == [None, None, used.id]


async def test_a_topic_whose_making_was_not_confirmed_is_known_when_its_buyer_writes_there(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    ticket = await promise(house, fake)
    fake.next_fault("createForumTopic", "lost")
    await tell(house, telegram, ticket, "在查")
    (topic,) = made(fake)
    fake.say(42, "怎么样了呀", thread_id=topic.id)
    await hear(house, telegram)
    await tell(house, telegram, ticket, "查到了")

    assert made(fake) == [topic]
    assert fake.sent[-1].thread_id == topic.id
    assert (await house.one(Message, text="怎么样了呀")).ticket_id == ticket.id


class Unguarded(Topics):
    """A broken twin: it takes the row whether or not somebody else makes the topic."""

    async def _claim(
        self, session: AsyncSession, now: datetime, ticket: Ticket, chat_id: str, old: Topic | None
    ) -> Topic | None:
        ours = await super()._claim(session, now, ticket, chat_id, old)
        return ours or await rows.find(session, self._account, ticket.id or 0)


@pytest.mark.parametrize(("kind", "topics"), [(Topics, 1), (Unguarded, 2)])
async def test_of_two_processes_one_makes_the_topic(
    house: House, fake: FakeTelegram, kind: type[Topics], topics: int
) -> None:
    senders = [Telegram(TOKEN, fake.base, open_topics=opening(house, kind)) for _ in range(2)]
    ticket = await promise(house, fake)
    fake.next_fault("createForumTopic", 0.1)
    fake.next_fault("createForumTopic", 0.1)
    both_saw_none = [
        one.topics.make(ticket.id or 0, "42", None)  # type: ignore[union-attr]
        for one in senders
    ]

    places = await asyncio.gather(*both_saw_none)
    for sender in senders:
        await sender.close()

    assert len(made(fake)) == topics
    assert len({place for place in places if place is not None}) == 1


async def test_what_is_said_in_a_topic_belongs_to_its_ticket_and_is_answered_there(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    first, second = await promise(house, fake), await promise(house, fake, "想退款")
    await tell(house, telegram, first, "在查")
    await tell(house, telegram, second, "退款在办")
    here = made(fake)[0].id
    fake.say(42, "还是用不了呀", thread_id=here)
    fake.say(42, "怎么查订单", thread_id=here)
    await hear(house, telegram)

    said = {one.text: one.ticket_id for one in await house.all(Message, direction="in")}
    assert said == {"还是用不了呀": first.id, "怎么查订单": first.id}
    answers = fake.sent[2:]
    assert "发订单号给我就能查" in answers[-1].text
    assert {sent.thread_id for sent in answers} == {here}
    assert len(await house.all(Ticket)) == 2


async def test_a_ticket_that_is_opened_in_a_topic_of_the_buyers_own_stays_there(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    topic = fake.begin_topic(42)
    fake.say(42, "转人工", thread_id=topic)
    await hear(house, telegram)

    ticket = await house.one(Ticket)
    assert {sent.thread_id for sent in fake.sent} == {topic}
    assert [one.name for one in made(fake)] == [f"{ticket.number} · {ticket.subject}"]


async def test_the_name_says_whether_the_ticket_is_settled(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    assert telegram.topics is not None
    ticket = await promise(house, fake)
    await tell(house, telegram, ticket, "在查")
    names = []
    for phase in (Phase.RESOLVED, Phase.OPEN):
        async with house.database.writing() as session:
            move(await lock_ticket(session, ticket.id), phase, "moved")
        await telegram.topics.tend()
        names.append(made(fake)[0].name)

    assert names == [f"✅ {ticket.number} · 卡密无效", f"{ticket.number} · 卡密无效"]
    assert (await house.one(Topic)).state == TopicState.OPEN
