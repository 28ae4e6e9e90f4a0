"""Messages that are changed: both wordings are kept, what is still waited for is understood anew, nothing twice."""

import pytest

from audit.tables import AuditRow
from bot.channels.telegram import Telegram
from bot.fakes.buyer import Buyer
from bot.fakes.telegram import FakeTelegram
from tests.bot.conftest import CODE, ORDER, PASSWORD, House
from tickets import said
from tickets.said import typed
from tickets.tables import Claim, Conversation, Message, MessageRevision, Outgoing, OwnershipMiss, Ticket


async def test_what_was_said_before_stays(house: House, buyer: Buyer) -> None:
    await buyer.say("转人工")
    await buyer.say("登不上去了")
    said = await buyer.edit("登不上去了，昨天还可以")

    message, former = (await house.all(Message, direction="in"))[-1], await house.one(MessageRevision)
    assert (message.text, former.text) == ("登不上去了，昨天还可以", "登不上去了")
    assert former.message_id == message.id
    assert said == ""
    assert len(await house.all(AuditRow, action="message.edited")) == 1


async def test_a_change_that_nobody_sees_is_none(house: House, buyer: Buyer) -> None:
    await buyer.say("转人工")
    await buyer.say(f"卡密 {CODE} 用不了")

    said = await buyer.edit(f"卡密 {CODE} 用不了")

    assert said == ""
    assert await house.all(MessageRevision) == []


async def test_without_comparing_the_words_every_invisible_change_is_a_revision(
    house: House, buyer: Buyer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: an edit that is believed."""
    monkeypatch.setattr(said, "typed", lambda vault, message: "")
    await buyer.say("转人工")
    await buyer.say(f"卡密 {CODE} 用不了")

    await buyer.edit(f"卡密 {CODE} 用不了")

    assert len(await house.all(MessageRevision)) == 1


async def test_codes_stand_masked_in_both_wordings_and_sealed_beside_them(house: House, buyer: Buyer) -> None:
    other = "W8RTY-2QZXC-6BNMV"
    await buyer.say("转人工")
    await buyer.say(f"卡密 {CODE}")
    await buyer.edit(f"卡密 {other}")

    message, former = (await house.all(Message, direction="in"))[-1], await house.one(MessageRevision)
    assert CODE not in former.text
    assert other not in message.text
    assert typed(house.vault, message) == f"卡密 {other}"
    assert house.vault.open_text("message", str(message.id), former.sealed) == f"卡密 {CODE}"


async def test_a_number_that_was_mistyped_is_put_right_by_an_edit(house: House, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    await buyer.press("查我的订单") if "查我的订单" in await buyer.buttons() else None
    await buyer.say("AB12CD34EF56GH70")
    again = await buyer.edit(ORDER)
    shown = await buyer.say(PASSWORD)

    assert "密码" in again
    assert "Steam 50元充值卡" in shown


async def test_a_wrong_proof_is_put_right_by_an_edit_and_kept_in_neither_wording(house: House, buyer: Buyer) -> None:
    await buyer.say(ORDER)
    await buyer.say("0pen5esame")
    shown = await buyer.edit(PASSWORD)

    kept = [typed(house.vault, message) for message in await house.all(Message)]
    kept += [former.text for former in await house.all(MessageRevision)]
    assert "Steam 50元充值卡" in shown
    assert not any("5esame" in text for text in kept)
    assert len(await house.all(OwnershipMiss)) <= 1


async def test_a_question_that_was_not_known_is_answered_once_it_reads_right(buyer: Buyer) -> None:
    await buyer.say("能腿款吗")

    assert "答复退款" in await buyer.edit("能退款吗")
    assert await buyer.edit("能退款吗") == ""


async def test_a_code_that_was_changed_after_its_replacement_brings_no_second_one(house: House, buyer: Buyer) -> None:
    await buyer.say(f"{ORDER} {PASSWORD}")
    await buyer.press("卡密用不了")
    if "已被使用" not in "".join(await buyer.buttons()):
        await buyer.say(CODE)
    await buyer.press("已被使用")
    before = await house.all(Claim)
    for text in (CODE, f"{ORDER} {PASSWORD}", "卡密用不了"):
        await buyer.edit(text)

    assert len(before) == 1
    assert len(await house.all(Claim)) == 1


async def test_the_change_of_a_message_that_we_never_had_is_a_new_one(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer
) -> None:
    await buyer.start()
    lost = fake.say(42, "能腿款吗")
    fake.bot.updates.forget()
    fake.edit(42, lost["message"]["message_id"], "能退款吗")
    await telegram.look(house.door.accept, None)

    assert "答复退款" in await buyer.news()
    assert await house.all(MessageRevision) == []


async def test_a_change_on_an_answered_ticket_is_heard(house: House, buyer: Buyer) -> None:
    await buyer.say("转人工")
    await buyer.say("登不上去了")
    agent = await house.hire()
    async with house.database.writing() as session:
        await house.desk.reply(session, house.clock(), 1, agent, "哪个账号？")
    await buyer.news()
    waiting = (await house.one(Ticket)).phase
    await buyer.edit("登不上去了，账号是 chen")

    assert waiting == "waiting"
    assert (await house.one(Ticket)).phase == "open"


@pytest.mark.parametrize("replied", ["您好，请稍等", "登不上去了"], ids=["to the agent", "to the buyer's own"])
async def test_a_reply_goes_to_the_ticket_of_what_it_replies_to(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer, replied: str
) -> None:
    await buyer.say("转人工")
    await buyer.say("登不上去了")
    agent = await house.hire()
    async with house.database.writing() as session:
        await house.desk.reply(session, house.clock(), 1, agent, "您好，请稍等")
        second = await house.desk.open(
            session, house.clock(), await session.get_one(Conversation, 1), "question", "另一件事"
        )
        assert second.number == "K-000002"
    await buyer.news()
    said = [*await house.all(Outgoing), *await house.all(Message, direction="in")]
    texts = {message.id: message.text for message in await house.all(Message)}
    number = next(row.foreign_id for row in said if texts[getattr(row, "message_id", row.id)] == replied)
    fake.say(42, "图呢", reply_to=int(number))
    await telegram.look(house.door.accept, None)
    await buyer.news()

    assert (await house.all(Message, direction="in"))[-1].ticket_id == 1
