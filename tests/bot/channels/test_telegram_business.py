"""A shop's own account, answered by the bot: in its name, and not over the heads of its people."""

from typing import Any

import pytest

from bot.channels.telegram import Telegram
from bot.fakes.telegram import FakeTelegram
from bot.tables import BusinessConnection, InboxRow
from tests.bot.conftest import CODE, House
from tickets.tables import Clock, Conversation, Message, MessageRevision, Metric, Outgoing, Ticket

OWNER = 9


class Shop:
    """The shop's account, its customer 42, and what the bot gets to hear of them."""

    def __init__(self, house: House, fake: FakeTelegram, telegram: Telegram) -> None:
        self.house, self.fake, self.telegram = house, fake, telegram
        self.connection = fake.connect(OWNER)
        self._number = 900

    async def hears(self, text: str, **more: Any) -> int:
        """The customer writes; the number of the message."""
        update = self.fake.send(42, {"text": text}, connection=self.connection, **more)
        await self.arrive()
        return int(update["business_message"]["message_id"])

    async def says(self, text: str, number: int = 0, kind: str = "business_message") -> int:
        """A person of the shop writes to the customer, past the bot."""
        self._number += 1
        chat, owner = {"id": 42, "type": "private", "first_name": "小陈"}, {"id": OWNER, "first_name": "老板"}
        message = {"message_id": number or self._number, "date": 1772424000, "chat": chat, "from": owner, "text": text}
        self.fake.push({kind: message | {"business_connection_id": self.connection}})
        await self.arrive()
        return number or self._number

    async def deletes(self, *numbers: int) -> None:
        chat = {"id": 42, "type": "private"}
        gone = {"business_connection_id": self.connection, "chat": chat, "message_ids": list(numbers)}
        self.fake.push({"deleted_business_messages": gone})
        await self.arrive()

    async def arrive(self) -> None:
        await self.telegram.look(self.house.door.accept, None)
        await self.house.settle(self.telegram)()

    @property
    def answers(self) -> list[str]:
        return [sent.text for sent in self.fake.sent if sent.connection == self.connection]


@pytest.fixture
def shop(house: House, fake: FakeTelegram, telegram: Telegram) -> Shop:
    return Shop(house, fake, telegram)


async def test_customers_of_a_shops_account_are_answered_in_its_name(house: House, shop: Shop) -> None:
    await shop.hears("能退款吗")

    conversation, connection = await house.one(Conversation), await house.one(BusinessConnection)
    assert conversation.address == f"{shop.connection}/42"
    assert (connection.owner, connection.can_reply, connection.is_enabled) == (str(OWNER), True, True)
    assert any("答复退款" in text for text in shop.answers)


async def test_while_a_person_of_the_shop_speaks_the_bot_is_silent(house: House, shop: Shop) -> None:
    await shop.hears("能退款吗")
    before = len(shop.answers)
    await shop.says("您好，我是店主")
    await shop.hears("能退款吗")
    silent = len(shop.answers)
    house.clock.advance(seconds=house.desk.rules.hush.total_seconds())
    await shop.hears("能退款吗")

    spoken = await house.one(Message, author="agent")
    assert (spoken.text, spoken.direction, spoken.agent_id) == ("您好，我是店主", "out", None)
    assert silent == before
    assert len(shop.answers) > silent
    assert "您好，我是店主" not in shop.answers
    assert [message.text for message in await house.all(Message, direction="in")] == ["能退款吗"] * 3


async def test_what_a_person_of_the_shop_says_handles_the_ticket(house: House, shop: Shop) -> None:
    await shop.hears("转人工")
    house.clock.advance(minutes=5)
    await shop.says("在处理了")

    ticket, outgoing = await house.one(Ticket), (await house.all(Outgoing))[-1]
    handling = await house.one(Clock, metric=Metric.HANDLING)
    assert ticket.phase == "waiting"
    assert handling.met_at == house.clock()
    assert outgoing.state == "sent"


async def test_codes_that_a_person_of_the_shop_pastes_are_masked(house: House, shop: Shop) -> None:
    await shop.hears("在吗")
    await shop.says(f"给您换一个 {CODE}")

    assert CODE not in (await house.one(Message, author="agent")).text


async def test_who_was_never_met_is_met_by_the_shops_own_words(house: House, shop: Shop) -> None:
    await shop.says("您好")

    assert len(await house.all(Conversation)) == 1
    assert shop.answers == []


async def test_their_own_words_may_be_changed_and_deleted_and_are_kept(house: House, shop: Shop) -> None:
    asked = await shop.hears("能退款吗")
    said = await shop.says("明天道")
    await shop.says("明天到", said, "edited_business_message")
    await shop.deletes(asked, said, 12345)
    await shop.deletes(said)

    former, message = await house.one(MessageRevision), await house.one(Message, author="agent")
    assert (former.text, message.text) == ("明天道", "明天到")
    assert message.withdrawn_at is not None
    assert (await house.one(Message, direction="in")).withdrawn_at is not None


async def test_without_leave_to_reply_all_is_kept_and_nothing_said(house: House, shop: Shop) -> None:
    shop.fake.disconnect(shop.connection)
    await shop.arrive()
    await shop.hears("能退款吗")

    assert len(await house.all(Message)) == 1
    assert await house.all(Outgoing) == []
    assert {row.state for row in await house.all(InboxRow)} == {"done"}
