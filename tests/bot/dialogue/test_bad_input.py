"""Whatever is thrown at it: a clear sentence to the buyer, nothing lost, nothing run."""

from datetime import timedelta

import pytest
from sqlmodel import col, update

from bot.tables import Button, InboxRow
from tests.bot.conftest import ORDER, House
from tickets.tables import OwnershipMiss, Ticket

NASTY = [
    "'; DROP TABLE ticket; --",
    "<script>alert(1)</script>",
    "{number} {0} %s ${x}",
    "\x00\x1b[2J坏",
    "\ud83d half a pair",
    "‮gnirts",
    "A" * 3999,
    "＜ｉｍｇ ｓｒｃ＝ｘ＞",
    "卡密" * 1500,
]


@pytest.mark.parametrize("step", ["idle", "order", "proof", "code", "reason"])
async def test_nasty_text_gets_a_sentence_at_every_step(house: House, step: str) -> None:
    from tests.bot.dialogue.test_tickets import to_step

    for number, text in enumerate(NASTY):
        buyer = house.buyer(f"buyer {number}")
        await to_step(buyer, step)

        assert await buyer.say(text)

    assert all(row.state == "done" for row in await house.all(InboxRow))


async def test_a_message_too_long_is_cut_in_the_thread_and_explained(house: House) -> None:
    answer = await house.buyer().say("长" * 10_000)

    (stored,) = await house.heard()
    assert "4000 个字以内" in answer
    assert len(stored) == 4001


async def test_emoji_alone_are_asked_for_words(house: House) -> None:
    assert "用文字" in await house.buyer().say("😭😭😭")


@pytest.mark.parametrize("text", ["？？？", "。。。", "!!!"])
async def test_marks_alone_are_asked_for_words(house: House, text: str) -> None:
    assert await house.buyer().say(text)


async def test_an_unknown_button_is_excused(house: House) -> None:
    buyer = house.buyer()
    await buyer.start()
    buyer._front.channel._buttons = ["no-such-handle"]

    assert "已经失效" in await buyer.say("1")


async def test_an_old_button_is_excused(house: House) -> None:
    buyer = house.buyer()
    await buyer.start()
    async with house.database.writing() as session:
        await session.exec(
            update(Button).values(made_at=house.clock() - timedelta(days=30)).where(col(Button.handle) != "")
        )

    assert "已经失效" in await buyer.press("转人工")
    assert await house.all(Ticket) == []


async def test_emoji_are_no_password(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(ORDER)

    answer = await buyer.say("🙏🙏")

    assert "用文字" in answer
    assert "查询密码" in answer
    assert await house.all(OwnershipMiss) == []


async def test_swearing_is_met_calmly(house: House) -> None:
    assert "抱歉让您着急" in await house.buyer().say("傻逼")
