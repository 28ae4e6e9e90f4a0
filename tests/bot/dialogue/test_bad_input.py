"""Whatever is thrown at it: a clear sentence to the buyer, nothing lost, nothing run."""

import logging
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


def assert_quiet(caplog: pytest.LogCaptureFixture, *said: str) -> None:
    """A line at most, no traceback, and nothing of what was said."""
    records = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert len(records) <= 1, [record.getMessage() for record in records]
    for record in records:
        assert record.exc_info is None
        assert "\n" not in record.getMessage()
        assert not any(text[:40] in record.getMessage() for text in said)


@pytest.mark.parametrize("step", ["idle", "order", "proof", "code", "reason"])
async def test_nasty_text_gets_a_sentence_at_every_step_and_no_trace_in_the_log(
    house: House, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.bot.dialogue.test_tickets import to_step

    caplog.set_level(logging.INFO)
    for number, text in enumerate(NASTY):
        buyer = house.buyer(f"buyer {number}")
        await to_step(buyer, step)
        caplog.clear()

        assert await buyer.say(text)
        assert_quiet(caplog, text)

    assert all(row.state == "done" for row in await house.all(InboxRow))


async def test_a_fault_of_ours_is_a_line_that_quotes_nobody(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stumble(*arguments: object) -> None:
        raise ValueError(f"cannot bear {NASTY[0]}")

    monkeypatch.setattr(house.dialogue, "answer", stumble)
    caplog.set_level(logging.INFO)

    await house.buyer().say(NASTY[0])

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "ValueError at tests/bot/dialogue/test_bad_input.py" in caplog.text
    assert_quiet(caplog, NASTY[0], "cannot bear")


def test_the_check_of_the_log_finds_what_must_not_stand_there(caplog: pytest.LogCaptureFixture) -> None:
    """The broken twin: a log that quotes the buyer, or tells a whole traceback."""
    caplog.set_level(logging.INFO)
    logging.getLogger("bot").error("could not bear %s", NASTY[0])
    with pytest.raises(AssertionError):
        assert_quiet(caplog, NASTY[0])

    caplog.clear()
    try:
        raise ValueError
    except ValueError:
        logging.getLogger("bot").exception("it broke")
    with pytest.raises(AssertionError):
        assert_quiet(caplog, NASTY[0])


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
