"""A buyer on WeChat is offered the web chat before WeChat takes no more answers, and goes on there."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.fakes.buyer import Buyer
from tests.bot.channels.fronts import buyer_on
from tests.bot.conftest import House
from tickets import outbox, second_way
from tickets.tables import Author, Clock, Conversation, Message, Metric, Priority, ReplyWindow, Ticket

HOUR = timedelta(hours=1)
LINK = re.compile(r"https://kadesk\.test/chat\?start=([\w-]+)")


@pytest.fixture
async def buyer(house: House) -> AsyncIterator[Buyer]:
    async with buyer_on("wecom", house) as buyer:
        await buyer.say("转人工")
        yield buyer


async def offer(house: House) -> int:
    return await second_way.offer(house.database, house.clock, house.desk, 4 * HOUR)


async def payload(house: House, buyer: Buyer) -> str:
    """What the link carries that the buyer is offered near the end of the window."""
    house.clock.advance(hours=45)
    assert await offer(house) == 1
    found = LINK.search(await buyer.news())
    assert found is not None
    return found[1]


async def reply(house: House, text: str) -> None:
    (ticket,), lin = await house.all(Ticket), await house.hire()
    async with house.database.writing() as session:
        await house.desk.reply(session, house.clock(), ticket.id, lin, text)


async def test_who_opens_the_link_goes_on_with_the_ticket(house: House, buyer: Buyer) -> None:
    carried = await payload(house, buyer)
    (ticket,) = await house.all(Ticket)
    async with buyer_on("web", house) as page:
        welcome = await page.start(carried)
        house.clock.advance(hours=4)
        await reply(house, "已经给您换了一张。")
        answer = await page.news()
        await page.say("收到了，谢谢")

    assert (ticket.number in welcome, answer) == (True, "已经给您换了一张。")
    assert (await house.all(Clock, metric=Metric.HANDLING))[0].met_at == house.clock()
    assert (await house.all(Message, text="收到了，谢谢"))[0].ticket_id == ticket.id
    assert len({one.buyer_id for one in await house.all(Conversation)}) == 1


async def test_while_the_window_is_open_answers_go_where_the_buyer_spoke_last(house: House, buyer: Buyer) -> None:
    carried = await payload(house, buyer)
    async with buyer_on("web", house) as page:
        await page.start(carried)
        await reply(house, "请稍等。")

        assert "请稍等。" in await buyer.news()


async def test_the_address_stands_in_no_message_that_is_kept(house: House, buyer: Buyer) -> None:
    await payload(house, buyer)

    assert not [one for one in await house.all(Message) if "chat?start" in one.text]


async def test_it_is_offered_once_per_ticket(house: House, buyer: Buyer) -> None:
    await payload(house, buyer)
    await buyer.say("在吗")
    house.clock.advance(hours=45)

    assert await offer(house) == 0


async def test_the_last_two_messages_are_not_spent_on_it(house: House, buyer: Buyer) -> None:
    (conversation,) = await house.all(Conversation)
    async with house.database.writing() as session:
        window = await session.get_one(ReplyWindow, conversation.id)
        window.messages_left = 2

    assert await offer(house) == 1
    assert await buyer.news() == ""
    async with house.database.writing() as session:
        await outbox.post(
            session, house.clock(), conversation, "在的。", author=Author.AGENT, priority=Priority.AGENT_REPLY
        )
    house.clock.advance(minutes=1)

    assert LINK.search(await buyer.news())
    assert (await house.one(ReplyWindow)).messages_left == 1


@pytest.mark.parametrize("way", ["a second page", "another's matters", "forged", "too late"])
async def test_for_anybody_else_the_link_is_none(house: House, buyer: Buyer, way: str) -> None:
    carried = await payload(house, buyer)
    async with buyer_on("web", house) as page:
        if way == "a second page":
            await page.start(carried)
    async with buyer_on("web", house) as stranger:
        if way == "another's matters":
            await stranger.say("转人工")
        elif way == "forged":
            carried = carried[:9] + "1" + carried[10:-1] + ("0" if carried[-1] != "0" else "1")
        elif way == "too late":
            house.clock.advance(days=8)

        (first, *_) = await house.all(Ticket)
        assert first.number not in await stranger.start(carried)
