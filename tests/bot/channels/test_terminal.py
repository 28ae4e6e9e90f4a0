from collections.abc import AsyncIterator

from bot.channels.terminal import Terminal, converse
from tests.bot.conftest import ORDER, PASSWORD, House


async def talk(house: House, *lines: str, name: str = "小陈") -> list[str]:
    screen: list[str] = []
    terminal = Terminal(name, screen.append, house.clock)

    async def typed() -> AsyncIterator[str]:
        for line in lines:
            screen.append(f"> {line}")
            yield line

    await converse(terminal, house.door.accept, house.settle(terminal), typed())
    return screen


async def test_a_whole_conversation_can_be_piped(house: House) -> None:
    screen = await talk(house, "1", ORDER, PASSWORD, "1", "1")

    assert "自动客服" in screen[0]
    assert screen[1].startswith("[1] 卡密用不了  [2] 查我的订单")
    assert any("https://kadesk.test/r/" in line for line in screen)
    assert [line for line in screen if line.startswith("> ")] == ["> 1", f"> {ORDER}", f"> {PASSWORD}", "> 1", "> 1"]


async def test_each_line_is_answered_before_the_next_is_read(house: House) -> None:
    screen = await talk(house, "能退款吗", "怎么查订单")

    first, second = screen.index("> 能退款吗"), screen.index("> 怎么查订单")
    assert any("答复退款" in line for line in screen[first:second])
    assert any("发订单号" in line for line in screen[second:])


async def test_a_number_that_is_no_button_is_text(house: House) -> None:
    screen = await talk(house, "99")

    assert await house.heard() == ["99"]
    assert len(screen) > 3


async def test_empty_lines_say_nothing(house: House) -> None:
    await talk(house, "", "   ")

    assert await house.heard() == []


async def test_two_terminals_never_read_each_others_answers(house: House) -> None:
    mine = await talk(house, "能退款吗", name="one")
    theirs = await talk(house, "怎么查订单", name="two")

    assert not any("发订单号" in line for line in mine)
    assert not any("答复退款" in line for line in theirs)


async def test_control_characters_do_not_reach_the_screen(house: House) -> None:
    await house.stock("EVIL", "evil \x1b[2J product")
    await house.sell("EVILX-00000-CODES", order_no="EV12CD34EF56GH78")

    screen = await talk(house, f"EV12CD34EF56GH78 {PASSWORD}")

    assert not any("\x1b" in line for line in screen)
