"""How long it takes, as the buyer is told: from the measured pace, or nothing."""

from tests.bot.conftest import House


async def serve(house: House, agent: int, minutes: int, times: int) -> None:
    for _ in range(times):
        house.clock.advance(minutes=minutes)
        async with house.database.writing() as session:
            await house.desk.take_next(session, house.clock(), agent)


async def test_the_buyer_is_told_about_how_long_once_the_pace_is_known(house: House) -> None:
    agent = await house.hire()
    for number in range(5):
        await house.buyer(f"before-{number}").say("转人工")
    chinese, english = house.buyer("zh"), house.buyer("en")

    unknown = await chinese.say("转人工")
    await serve(house, agent, minutes=6, times=5)
    house.clock.advance(seconds=1)
    first = await english.say("talk to a person")
    listed = await chinese.say("我的工单")
    hurried = await chinese.say("催单")

    assert "前面还有 5 位" in unknown
    assert "预计" not in unknown
    assert "1 ahead of you, about 15 min" in first
    assert "下一个就轮到您，预计 10 分钟左右" in listed
    assert "下一个就轮到您，预计 10 分钟左右" in hurried
