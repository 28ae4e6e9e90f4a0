"""Ratings: asked when the closing word has arrived, answered by a button or a number, with one comment if they like."""

import pytest

from bot.dialogue.reading import find_score
from bot.fakes.buyer import Buyer
from tests.bot.conftest import House
from tickets.tables import Message, Outcome, Pause, Phase, Rating, Ticket

CODE = "STEAM-8K2Q-9XWZ-77AB"


async def served(house: House, words: str = "转人工", name: str = "小陈") -> Buyer:
    """A buyer whose matter an agent has just resolved."""
    buyer = house.buyer(name)
    await buyer.say(words)
    agent = await house.hire() if not await house.all(Rating) else 1
    ticket = (await house.all(Ticket))[-1]
    async with house.database.writing() as session:
        await house.desk.resolve(session, house.clock(), ticket.id, agent, Outcome.INSTRUCT, "重新登录就好")
    return buyer


@pytest.mark.parametrize(
    ("text", "score"),
    [
        *(pytest.param(str(score), score, id=str(score)) for score in range(1, 6)),
        pytest.param(" ５ 分 ", 5, id="full width"),
        pytest.param("五星好评", 5, id="in characters"),
        pytest.param("给3分吧", 3, id="with words"),
        pytest.param("4 stars", 4, id="stars"),
        pytest.param("2/5", 2, id="of five"),
        pytest.param("五", None, id="a character alone"),
        pytest.param("0", None, id="none"),
        pytest.param("6", None, id="too many"),
        pytest.param("50", None, id="a larger number"),
        pytest.param("5 张卡", None, id="a count"),
        pytest.param("5 分钟", None, id="a time"),
    ],
)
def test_a_score_is_read_only_where_it_is_all_there_is(text: str, score: int | None) -> None:
    assert find_score(text) == score


async def test_the_buyer_is_asked_right_after_the_closing_word_and_once(house: House) -> None:
    buyer = await served(house)

    asked = await buyer.news()

    assert asked.index("重新登录就好") < asked.index("这次处理得怎么样")
    assert await buyer.buttons() == ["1 分 很不满意", "2 分 不满意", "3 分 一般", "4 分 满意", "5 分 很满意"]
    assert await buyer.news() == ""
    assert len(await house.all(Rating)) == 1


async def test_the_question_is_in_the_buyers_language(house: House) -> None:
    buyer = await served(house, "talk to a person")

    assert "How was the handling of ticket K-000001?" in await buyer.news()


async def test_a_press_is_the_score_and_a_number_typed_soon_after_corrects_it(house: House) -> None:
    buyer = await served(house)
    await buyer.news()
    await buyer.press("4 分")
    assert (await house.one(Rating)).score == 4

    house.clock.advance(minutes=5)
    await buyer.say("5")

    assert (await house.one(Rating)).score == 5
    assert (await house.one(Ticket)).phase == Phase.RESOLVED


async def test_a_typed_score_counts_and_reopens_nothing(house: House) -> None:
    buyer = await served(house)
    await buyer.news()

    thanks = await buyer.say("五星好评")

    assert "5 分已经记下了" in thanks
    assert (await house.one(Rating)).score == 5
    assert (await house.one(Ticket)).phase == Phase.RESOLVED


async def test_a_poor_score_offers_a_person(house: House) -> None:
    buyer = await served(house)
    await buyer.news()

    sorry = await buyer.press("2 分")

    assert "抱歉" in sorry
    assert await buyer.buttons() == ["补充一句", "转人工"]


async def test_a_comment_is_kept_without_its_codes(house: House) -> None:
    buyer = await served(house)
    await buyer.news()
    await buyer.press("3 分")
    await buyer.press("补充一句")

    heard = await buyer.say(f"有点慢，卡密 {CODE} 现在能用了")

    assert "谢谢您的反馈" in heard
    comment = (await house.one(Rating)).comment
    assert comment.startswith("有点慢")
    assert "9XWZ" not in comment
    assert all("9XWZ" not in message.text for message in await house.all(Message))
    assert (await house.one(Ticket)).phase == Phase.RESOLVED


@pytest.mark.parametrize("words", ["取消", "转人工"])
async def test_a_comment_need_not_be_written(house: House, words: str) -> None:
    buyer = await served(house)
    await buyer.news()
    await buyer.press("3 分")
    await buyer.press("补充一句")

    await buyer.say(words)
    await buyer.say("怎么查订单")

    assert (await house.one(Rating)).comment is None


async def test_a_question_after_the_score_is_answered_and_no_comment(house: House) -> None:
    buyer = await served(house)
    await buyer.news()
    await buyer.press("5 分")

    assert "发订单号给我就能查" in await buyer.say("怎么查订单")
    assert (await house.one(Rating)).comment is None


async def test_an_old_button_says_that_the_rating_stands(house: House) -> None:
    buyer = await served(house)
    await buyer.news()
    house.clock.advance(days=8)

    assert "已经记录好了" in await buyer.press("1 分")
    assert (await house.one(Rating)).score is None


async def test_the_buyers_turn_begins_when_an_answer_has_arrived(house: House) -> None:
    """What is delivered for real brings what `tickets.owed` says of it."""
    buyer = house.buyer()
    await buyer.say("转人工")
    agent, ticket = await house.hire(), await house.one(Ticket)
    async with house.database.writing() as session:
        await house.desk.reply(session, house.clock(), ticket.id, agent, "请发一下截图")
    before = await house.all(Pause)

    await buyer.news()

    assert before == []
    assert [(pause.since, pause.until) for pause in await house.all(Pause)] == [(house.clock(), None)]
