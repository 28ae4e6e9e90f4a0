"""A 公众号 against the stand-in for WeChat's platform: calls, answers in passing, the interface and its refusals."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi import Request

from bot.channels.port import Update
from bot.channels.wechat import WeChat
from bot.channels.weixin.vigil import look
from bot.fakes.buyer import Buyer
from bot.fakes.wechat_front import WeChatFront
from bot.fakes.weixin import APP_ID, FakeWeixin
from bot.tables import InboxRow
from tests.bot.channels.fronts import calling, open_wechat
from tests.bot.conftest import LINKS, ORDER, House
from tickets import outbox
from tickets.tables import (
    Author,
    Conversation,
    OrderBinding,
    Outgoing,
    Priority,
    ReplyWindow,
    Sending,
)

FOLLOWER = "oBuyer_0001"
SEND = "/cgi-bin/message/custom/send"


@pytest.fixture
def fake(weixin: FakeWeixin) -> FakeWeixin:
    return weixin


@pytest.fixture
def buyer(house: House, fake: FakeWeixin, wechat: WeChat) -> Buyer:
    return Buyer(WeChatFront(fake, wechat), house.settle(wechat))


async def test_the_platform_finds_out_that_the_address_is_ours(fake: FakeWeixin, wechat: WeChat, house: House) -> None:
    from bot.channels.weixin.envelope import sign

    stamp = str(int(house.clock().timestamp()))
    params = {"timestamp": stamp, "nonce": "5", "echostr": "7304", "signature": sign("a-token-of-nobody", stamp, "5")}

    right = await fake.client.get(fake.url, params=params)
    wrong = await fake.client.get(fake.url, params=params | {"nonce": "6"})

    assert (right.status_code, right.text) == (200, "7304")
    assert wrong.status_code == 401


async def test_a_question_is_answered_by_the_interface(buyer: Buyer, fake: FakeWeixin) -> None:
    answer = await buyer.say("怎么查订单")

    assert "发订单号给我就能查" in answer
    assert not fake.shown[FOLLOWER][-1].passive
    assert "👍" in " ".join(await buyer.buttons())


async def test_an_answer_that_is_ready_goes_out_in_the_call_itself(house: House, fake: FakeWeixin) -> None:
    wechat = open_wechat(house, fake, patience=4)
    inbox, delivery = house.inbox(wechat), house.delivery(wechat)
    workers = [asyncio.create_task(worker.run()) for worker in (inbox, delivery)]

    await fake.follow(FOLLOWER)
    tries = await fake.say(FOLLOWER, "怎么查订单")

    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    await wechat.close()
    assert tries == 1
    assert [one.passive for one in fake.shown[FOLLOWER]] == [True, True]
    assert "发订单号给我就能查" in fake.shown[FOLLOWER][1].text
    assert "👍" in "".join(fake.shown[FOLLOWER][1].menu)
    assert fake.calls[SEND] == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("is_plain", [True, False])
async def test_where_the_owner_allows_plain_mode_an_answer_is_sealed_as_its_call_was(
    house: House, fake: FakeWeixin, is_plain: bool
) -> None:
    """The platform takes no answer in another mode than its own; the settings may still name the one before."""
    wechat, fake.is_plain = open_wechat(house, fake, patience=4), is_plain
    wechat._gate = replace(wechat._gate, is_plain=True)

    given: list[asyncio.Task[bool]] = []

    async def accept(*_: Update) -> int:
        given.append(asyncio.create_task(wechat._passive.answer(FOLLOWER, "给您", 5)))
        return 1

    fake.client = calling(wechat.router(accept))
    await fake.say(FOLLOWER, "怎么查订单")

    await wechat.close()
    assert [(one.text, one.passive) for one in fake.shown[FOLLOWER]] == [("给您", True)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("is_plain", [True, False])
async def test_that_plain_mode_is_allowed_stands_in_the_log(
    house: House, fake: FakeWeixin, caplog: pytest.LogCaptureFixture, is_plain: bool
) -> None:
    wechat = open_wechat(house, fake)
    wechat._gate = replace(wechat._gate, is_plain=is_plain)
    begun = asyncio.Event()
    wechat._note = lambda *_, **__: begun.set()

    running = asyncio.create_task(wechat.run())
    await begun.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    await wechat.close()
    assert ("plain mode is allowed" in caplog.text) == is_plain


async def test_an_answer_that_takes_longer_is_seen_to_be_written(house: House, fake: FakeWeixin) -> None:
    wechat = open_wechat(house, fake)

    for fault in (None, 45081, "cut"):  # whatever comes of it, the call is acknowledged
        if fault is not None:
            fake.next_fault("/cgi-bin/message/custom/typing", fault)
        assert await fake.say(FOLLOWER, "怎么查订单") == 1
        await asyncio.gather(*wechat._typing._under_way.values())

    await wechat.close()
    assert fake.typing == [FOLLOWER]
    assert fake.calls["/cgi-bin/message/custom/typing"] == 3


@pytest.mark.parametrize("is_away", [False, True], ids=["repeated", "not stored"])
async def test_an_answer_given_to_a_call_that_takes_none_goes_the_other_way(
    house: House, fake: FakeWeixin, is_away: bool
) -> None:
    wechat = open_wechat(house, fake)
    given: list[asyncio.Task[bool]] = []

    async def accept(*_: Update) -> int:
        given.append(asyncio.create_task(wechat._passive.answer(FOLLOWER, "给您", 5)))
        await asyncio.sleep(0)
        if is_away:
            raise ConnectionError
        return 0

    await wechat._keep(Request({"type": "http"}), Update("wechat", APP_ID, "1", FOLLOWER, ""), accept, "", 0)

    await wechat.close()
    assert await asyncio.wait_for(given[0], 1) is False


async def test_a_repeated_call_takes_effect_once(house: House, fake: FakeWeixin, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    shown = len(fake.shown[FOLLOWER])
    plain = (
        "<xml><FromUserName>oBuyer_0001</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType>"
        "<Content>怎么查订单</Content><MsgId>24000000000000000</MsgId></xml>"
    ).encode()

    assert await fake.call(plain) == {}
    await buyer.news()

    assert len(fake.shown[FOLLOWER]) == shown
    assert len(await house.all(InboxRow)) == 1


async def test_when_the_store_is_away_the_platform_calls_again(house: House, fake: FakeWeixin) -> None:
    wechat = open_wechat(house, fake)
    calls = 0

    async def accept(*updates: object) -> int:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise OSError("the disk is full")
        return await house.door.accept(*updates)  # type: ignore[arg-type]

    fake.client, fake.patience = calling(wechat.router(accept)), 0

    tries = await fake.say(FOLLOWER, "怎么查订单")

    await wechat.close()
    assert tries == 3
    assert len(await house.all(InboxRow)) == 1


async def test_an_old_token_is_renewed_and_the_message_sent_once(fake: FakeWeixin, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    fake.expire_tokens()

    answer = await buyer.say("能退款吗")

    assert "答复退款" in answer
    assert fake.calls["/cgi-bin/stable_token"] == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_new_token_is_forced_only_where_the_platform_gives_the_refused_one_again(
    fake: FakeWeixin, buyer: Buyer
) -> None:
    """It may be forced twenty times a day; another program of the shop's may have done so a moment ago."""
    await buyer.say("怎么查订单")
    for _ in range(3):
        fake.expire_tokens()
        await buyer.say("能退款吗")
    others = fake.calls["a token forced"]
    fake.next_fault(SEND, 40001)
    await buyer.say("能退款吗")

    assert (others, fake.calls["a token forced"]) == (0, 1)
    assert [one.text for one in fake.shown[FOLLOWER]].count("24 小时内答复退款。") == 4


async def test_two_processes_share_one_token(house: House, fake: FakeWeixin, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    other = open_wechat(house, fake)

    await Buyer(WeChatFront(fake, other, "oBuyer_0002"), house.settle(other)).say("能退款吗")

    await other.close()
    assert fake.calls["/cgi-bin/stable_token"] == 1


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (45015, Sending.FAILED),
        (45047, Sending.FAILED),
        (40003, Sending.BLOCKED),
        (43004, Sending.BLOCKED),
        (87014, Sending.FAILED),
        (-1, Sending.QUEUED),
        (45011, Sending.QUEUED),
        (45009, Sending.QUEUED),
        (48001, Sending.QUEUED),
        ("cut", Sending.UNKNOWN),
        ("lost", Sending.UNKNOWN),
    ],
)
async def test_each_refusal_decides(
    house: House, fake: FakeWeixin, buyer: Buyer, fault: int | str, state: Sending
) -> None:
    fake.next_fault(SEND, fault)

    await buyer.say("怎么查订单")

    first = (await house.all(Outgoing))[0]
    assert first.state == state


async def test_what_the_platform_takes_no_more_today_waits_and_goes_out_tomorrow(
    house: House, fake: FakeWeixin, wechat: WeChat, buyer: Buyer
) -> None:
    fake.next_fault(SEND, 45009)
    await buyer.say("怎么查订单")
    first = (await house.all(Outgoing))[0]

    await Buyer(WeChatFront(fake, wechat, "oBuyer_0002"), house.settle(wechat)).say("能退款吗")

    assert (first.state, "takes no more calls" in first.problem) == (Sending.QUEUED, True)
    assert fake.calls[SEND] == 1
    house.clock.now = first.not_before
    await buyer.news()
    assert {row.state for row in await house.all(Outgoing)} == {Sending.SENT}
    assert first.not_before.hour == 16


async def test_a_long_text_goes_on_where_the_platform_stopped_it(house: House, fake: FakeWeixin, buyer: Buyer) -> None:
    """What was read is not read again, and each part is paid for."""
    await buyer.say("怎么查订单")
    (conversation,) = await house.all(Conversation)
    async with house.database.writing() as session:
        facts = {"author": Author.AGENT, "priority": Priority.AGENT_REPLY}
        await outbox.post(session, house.clock(), conversation, "一" * 680 + "\n" + "二" * 680, **facts)
    fake.next_fault(SEND, "none")  # the first part is taken
    fake.next_fault(SEND, 45011)

    for _ in range(2):
        await buyer.news()
        house.clock.advance(minutes=1)

    assert [one.text[:1] for one in fake.shown[FOLLOWER][1:]] == ["一", "二"]
    assert (await house.all(Outgoing))[-1].state == Sending.SENT
    assert (await house.one(ReplyWindow)).messages_left == 2


async def test_a_scene_opens_the_conversation_with_the_order(house: House, fake: FakeWeixin, buyer: Buyer) -> None:
    greeting = await buyer.start()
    await fake.scan(FOLLOWER, "anything")
    plain = await buyer.news()
    await fake.scan(FOLLOWER, LINKS.sign(ORDER, house.clock() + timedelta(minutes=30)))
    signed = await buyer.news()

    assert ("自动客服" in greeting, "自动客服" in plain) == (True, True)
    assert "Steam 50元充值卡" in signed
    assert (await house.one(OrderBinding)).way == "deep_link"


@pytest.mark.parametrize("path", ["says", "signature", "sealed for another", "bomb", "too long"])
async def test_strangers_are_refused(house: House, fake: FakeWeixin, wechat: WeChat, path: str) -> None:
    stamp = str(int(house.clock().timestamp()))
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><xml><Encrypt>&a;</Encrypt></xml>'
    body = {
        "says": b"<xml><FromUserName>o1</FromUserName><MsgType>text</MsgType><MsgId>1</MsgId></xml>",
        "signature": b"<xml><Encrypt>AAAA</Encrypt></xml>",
        "sealed for another": b"<xml><Encrypt></Encrypt></xml>",
        "bomb": bomb,
        "too long": b"<xml>" + b" " * 300_000,
    }[path]

    answer = await fake.client.post(
        fake.url, params={"timestamp": stamp, "nonce": "1", "msg_signature": "0" * 40, "signature": "0"}, content=body
    )

    assert answer.status_code == (413 if path == "too long" else 401)
    assert not await house.all(InboxRow)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"token": "another"}, "signature"),
        ({"key": bytes(32)}, "seal"),
        ({"receiver": "wx-of-another"}, "seal"),
    ],
)
async def test_the_owner_hears_what_differs_from_the_platform(
    house: House, fake: FakeWeixin, changed: dict[str, Any], refusal: str
) -> None:
    noted: dict[str, object] = {}
    wechat = open_wechat(house, fake, note=lambda *instants, **facts: noted.update(dict.fromkeys(instants), **facts))
    right, fake.envelope = fake.envelope, replace(fake.envelope, **changed)
    fake.patience = 0.01  # seconds between its calls, of which it makes three

    await fake.say(FOLLOWER, "在吗")
    wrong = dict(noted)
    fake.envelope = right
    await fake.say(FOLLOWER, "在吗")

    await wechat.close()
    assert (wrong, "called_at" in noted) == ({"refused_at": None, "refusal": refusal}, True)


async def test_what_a_stranger_sends_says_nothing_of_the_settings(house: House, fake: FakeWeixin) -> None:
    noted: dict[str, object] = {}
    wechat = open_wechat(house, fake, note=lambda *instants, **facts: noted.update(dict.fromkeys(instants), **facts))

    await fake.client.post(
        fake.url, params={"timestamp": "1", "nonce": "1", "msg_signature": "0" * 40}, content=b"<a/>"
    )
    await fake.client.get(fake.url)

    await wechat.close()
    assert noted == {}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("code", "problem"), [(40125, "secret"), (40164, "address"), (-1, "away"), (0, "")])
async def test_who_is_not_let_in_knows_before_a_buyer_writes(
    house: House, fake: FakeWeixin, code: int, problem: str
) -> None:
    noted: dict[str, object] = {}
    wechat = open_wechat(house, fake)
    if code:
        fake.next_fault("/cgi-bin/stable_token", code)

    await look(wechat._tokens, lambda *instants, **facts: noted.update(facts))

    await wechat.close()
    assert noted["problem"] == problem


async def test_the_menu_under_the_conversation_speaks(fake: FakeWeixin, wechat: WeChat, buyer: Buyer) -> None:
    await wechat.set_menu({"查订单": "怎么查订单", "找人工": "转人工"})

    await fake.click(FOLLOWER, fake.menu[0]["key"])

    assert "发订单号给我就能查" in await buyer.news()
