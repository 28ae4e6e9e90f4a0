"""The same story on every channel, through the one `Buyer`."""

from collections.abc import AsyncIterator

import pytest

from bot.fakes.buyer import Buyer
from bot.fakes.people import PIXELS
from tests.bot.channels.fronts import buyer_on
from tests.bot.conftest import CODE, ORDER, PASSWORD, House
from tickets.enclosing import Enclosed
from tickets.pixels import draw_anew
from tickets.tables import Claim, Picture, Ticket


@pytest.fixture(params=["terminal", "web", "telegram", "wechat", "wecom"])
async def buyer(house: House, request: pytest.FixtureRequest) -> AsyncIterator[Buyer]:
    async with buyer_on(request.param, house) as one:
        yield one


async def test_a_claim_from_greeting_to_link(house: House, buyer: Buyer) -> None:
    greeting = await buyer.start()
    await buyer.say("怎么查订单")
    await buyer.press("👍")
    await buyer.say("提示已被使用")
    await buyer.press("卡密用不了")
    await buyer.say(ORDER)
    wrong = await buyer.say("wrong1")
    asked = await buyer.say(PASSWORD)
    near = await buyer.say(CODE[:-1])
    replaced = await buyer.say(CODE)
    person = await buyer.say("转人工")
    tickets = await buyer.say("我的工单")
    shown = await answer_with_a_picture(house, buyer)

    assert "自动客服" in greeting
    assert "对不上" in wrong
    assert "哪一张" in asked
    assert "差一两个字符" in near
    assert "https://kadesk.test/r/" in replaced
    assert "K-000001" in person
    assert "K-000001" in tickets
    assert (await house.one(Claim)).outcome == "replace"
    assert ("看红圈这里" in shown, sum(reply.pictures for reply in await buyer.replies())) == (True, 1)


async def answer_with_a_picture(house: House, buyer: Buyer) -> str:
    """What the buyer sees of it."""
    lin, ticket = await house.hire(), await house.one(Ticket)
    enclosed = Enclosed(house.vault, [draw_anew(PIXELS)])
    async with house.database.writing() as session:
        await house.desk.reply(session, house.clock(), ticket.id, lin, "看红圈这里", enclosed=enclosed)
    return await buyer.news()


@pytest.mark.parametrize("channel", ["web", "telegram"])
async def test_an_album_with_words_is_kept_and_answered(house: House, channel: str) -> None:
    async with buyer_on(channel, house) as buyer:
        await buyer.start()
        shown = await buyer.album(2, "能退款吗")
        house.clock.advance(seconds=2)  # an album waits for more of it
        shown += await buyer.news()

    assert "答复退款" in shown
    assert len(await house.all(Picture)) == 2
