"""Anger and the law: a person at once, who sees why. A neutral question is answered like any other."""

import pytest

from tests.bot.conftest import CODE, ORDER, House
from tickets.grievance import Grievance, find_grievance
from tickets.tables import Level, Message, Ticket


@pytest.mark.parametrize(
    ("text", "grievance"),
    [
        ("我要打12315", Grievance.LEGAL),
        ("12315 电话是多少", Grievance.LEGAL),
        ("再不处理就起诉", Grievance.LEGAL),
        ("不解决我就报警", Grievance.LEGAL),
        ("我会报警的", Grievance.LEGAL),
        ("消協見,我找律師", Grievance.LEGAL),
        ("my lawyer will contact you", Grievance.LEGAL),
        ("See you in court!", Grievance.LEGAL),
        ("going to the police", Grievance.LEGAL),
        ("信用卡chargeback了", Grievance.DISPUTE),
        ("我申请拒付", Grievance.DISPUTE),
        ("I'll dispute the payment", Grievance.DISPUTE),
        ("charge-back tomorrow", Grievance.DISPUTE),
        ("我要投诉", Grievance.COMPLAINT),
        ("投訴你們", Grievance.COMPLAINT),
        ("再不回我就曝光你们", Grievance.COMPLAINT),
        ("I am reporting this site", Grievance.COMPLAINT),
        ("骗子", Grievance.ANGER),
        ("骗子！退钱", Grievance.ANGER),
        ("你们是骗子吧，退钱", Grievance.ANGER),
        ("一群骗子", Grievance.ANGER),
        ("太过分了", Grievance.ANGER),
        ("scammers!!!", Grievance.ANGER),
        ("this is a scam", Grievance.ANGER),
        ("you scammed me", Grievance.ANGER),
        ("is this a scam? give me my money back", Grievance.ANGER),
    ],
)
def test_anger_and_the_law_call_a_person(text: str, grievance: Grievance) -> None:
    assert find_grievance(text) == grievance


@pytest.mark.parametrize(
    "text",
    [
        "你们是骗子吧",
        "你们是不是骗子？",
        "会不会被骗",
        "假客服骗了我怎么办",
        "我不想投诉，就想问问",
        "投诉的结果出来没",
        "账号被举报封了",
        "要不要报警",
        "杀毒软件报警了",
        "麻烦告诉我",
        "我用工商银行付的款",
        "广告你们管吗",
        "订单 123155 查一下",
        "律师事务所可以开发票吗",
        "are you scammers",
        "is this a scam?",
        "I think I got scammed",
        "what is a chargeback",
        "do I need a lawyer",
        "I don't want to dispute the payment",
        "can you reissue my code",
        "report a code that fails",
    ],
)
def test_neutral_questions_do_not(text: str) -> None:
    assert find_grievance(text) is None


@pytest.mark.parametrize(
    ("text", "grievance"),
    [
        pytest.param("我找黑猫去", Grievance.COMPLAINT, id="a word of the owner's"),
        pytest.param("我找黑貓去", Grievance.COMPLAINT, id="in traditional characters"),
        pytest.param("BBB will hear of it", Grievance.COMPLAINT, id="a Latin word"),
        pytest.param("the code is XBBBX", None, id="letters in the middle of a word"),
        pytest.param("骗子！黑猫见", Grievance.COMPLAINT, id="beside anger"),
        pytest.param("找律师，黑猫见", Grievance.LEGAL, id="beside something graver"),
    ],
)
def test_the_owners_words_call_a_person_too(text: str, grievance: Grievance | None) -> None:
    assert find_grievance(text, ("黑猫", "bbb")) == grievance


@pytest.mark.parametrize(
    ("text", "calm", "why", "level"),
    [
        ("再不处理我打12315", "马上请同事直接跟您谈", "【法律/12315】再不处理我打12315", Level.LEAD),
        ("I will call my lawyer", "hear from a colleague in person", "[Legal] I will call my lawyer", Level.LEAD),
        ("骗子！退钱", "让您这么生气", "【情绪激动】骗子！退钱", Level.HUMAN_QUEUE),
        ("charge back it is", "go through the payment", "[Payment dispute] charge back it is", Level.LEAD),
    ],
)
async def test_a_person_takes_over_with_calm_words_and_sees_why(
    house: House, text: str, calm: str, why: str, level: Level
) -> None:
    buyer = house.buyer()

    answer = await buyer.say(text)

    ticket = await house.one(Ticket)
    assert calm in answer
    assert ticket.number in answer
    assert (ticket.level, ticket.subject) == (level, why)


async def test_a_grievance_in_the_middle_of_a_flow_ends_the_flow(house: House) -> None:
    buyer = house.buyer()
    await buyer.start()
    await buyer.press("卡密用不了")

    answer = await buyer.say("别跟我要订单号了，我要投诉")

    assert "K-000001" in answer
    assert "请发订单号" not in answer


async def test_a_password_is_no_grievance(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(ORDER)

    assert "对不上" in await buyer.say("12315")


async def test_a_ticket_that_was_there_gets_a_note_and_the_buyer_calm_words_once(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("山上有几棵树")
    await buyer.say("转人工")

    angry = await buyer.say("我要投诉你们")

    ticket = await house.one(Ticket)
    assert ticket.subject == "山上有几棵树"
    assert angry == ""
    assert len(await house.all(Message, ticket_id=ticket.id, direction="in")) == 2


async def test_a_ticket_of_the_bot_is_raised_and_noted(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} open5esame 账号登不上")
    await buyer.press("****")

    await buyer.say("我要投诉你们")

    ticket = await house.one(Ticket)
    (note,) = await house.all(Message, is_note=True)
    assert ticket.level == Level.LEAD
    assert (note.ticket_id, note.text) == (ticket.id, "【投诉】我要投诉你们")


async def test_a_code_among_angry_words_is_masked(house: House) -> None:
    await house.buyer().say(f"骗子！{CODE} 退钱")

    assert CODE not in (await house.one(Ticket)).subject
