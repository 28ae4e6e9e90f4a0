"""A 公众号 against the stand-in for WeChat's platform: calls, answers in passing, the interface and its refusals."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.channels.wechat import WeChat
from bot.fakes.buyer import Buyer
from bot.fakes.tencent import serving
from bot.fakes.wechat_front import WeChatFront
from bot.fakes.weixin import FakeWeixin
from bot.tables import InboxRow
from tests.bot.channels.fronts import calling, open_wechat
from tests.bot.conftest import House
from tickets.tables import Message, Outgoing, Picture, Sending

FOLLOWER = "oBuyer_0001"


@pytest.fixture
async def fake(house: House) -> AsyncIterator[FakeWeixin]:
    async with serving(FakeWeixin(clock=lambda: house.clock().timestamp())) as fake:
        yield fake


@pytest.fixture
async def wechat(house: House, fake: FakeWeixin) -> AsyncIterator[WeChat]:
    wechat = open_wechat(house, fake)
    yield wechat
    await wechat.close()


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
    assert fake.calls["/cgi-bin/message/custom/send"] == 0


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

    fake.client = calling(wechat.router(accept))

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
    fake.next_fault("/cgi-bin/message/custom/send", fault)

    await buyer.say("怎么查订单")

    first = (await house.all(Outgoing))[0]
    assert first.state == state


async def test_a_scene_opens_the_conversation_with_the_order(house: House, fake: FakeWeixin, buyer: Buyer) -> None:
    greeting = await buyer.start()
    await fake.scan(FOLLOWER, "anything")

    assert "自动客服" in greeting
    assert "自动客服" in await buyer.news()


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


async def test_the_menu_under_the_conversation_speaks(fake: FakeWeixin, wechat: WeChat, buyer: Buyer) -> None:
    await wechat.set_menu({"查订单": "怎么查订单", "找人工": "转人工"})

    await fake.click(FOLLOWER, fake.menu[0]["key"])

    assert "发订单号给我就能查" in await buyer.news()


async def test_a_picture_is_drawn_anew_and_kept(house: House, buyer: Buyer) -> None:
    await buyer.photo()

    assert len(await house.all(Picture)) == 1


async def test_a_picture_that_is_gone_is_named(house: House, fake: FakeWeixin, buyer: Buyer) -> None:
    fake.next_fault("/cgi-bin/media/get", 40007)

    await buyer.photo()

    (message,) = await house.all(Message, direction="in")
    assert message.attachments[0]["problem"] == "gone"
