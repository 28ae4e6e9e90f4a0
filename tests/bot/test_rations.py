"""What a killed sender had in hand: nobody reads it twice, wherever the messenger lets us write only so often."""

from contextlib import suppress

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from bot.channels.wechat import WeChat
from bot.channels.wecom import WeCom
from bot.fakes.wecom import OPEN_KFID, FakeWeCom
from bot.fakes.weixin import FakeWeixin
from tests.bot.channels.fronts import open_wecom, serving_wecom
from tests.bot.conftest import House
from tickets import outbox
from tickets.tables import Author, Conversation, Outgoing, Priority, ReplyWindow, Sending

BUYER = "oBuyer_0001"


async def send_and_die(house: House, channel: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message goes out, and its sender ends before it can write that down; then another begins."""

    async def die(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch, suppress(ConnectionError):
        patch.setattr(outbox, "mark_sent", die)
        await house.delivery(channel).drain()  # type: ignore[arg-type]
    await house.delivery(channel).drain()  # type: ignore[arg-type]


async def test_where_nothing_knows_a_repeat_it_may_have_arrived(
    house: House, weixin: FakeWeixin, wechat: WeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    await weixin.say(BUYER, "怎么查订单")
    await house.inbox(wechat).drain()

    await send_and_die(house, wechat, monkeypatch)

    assert len(weixin.shown[BUYER]) == 1
    assert {row.state for row in await house.all(Outgoing)} == {Sending.UNKNOWN}


async def test_if_it_were_not_noted_before_it_would_be_read_twice(
    house: House, weixin: FakeWeixin, wechat: WeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the test above."""

    async def forget(*_: object) -> None:
        pass

    monkeypatch.setattr(outbox, "begin", forget)
    await weixin.say(BUYER, "怎么查订单")
    await house.inbox(wechat).drain()

    await send_and_die(house, wechat, monkeypatch)

    assert len(weixin.shown[BUYER]) == 2


async def test_where_repeats_are_known_it_is_sent_again_as_it_was(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving_wecom(house) as fake, open_wecom(house, fake) as accounts:
        await fake.say(BUYER, "怎么查订单")
        await accounts[0].look(house.door.accept)
        await house.inbox(accounts[0]).drain()

        await send_and_die(house, accounts[0], monkeypatch)

        assert len(fake.sessions[OPEN_KFID, BUYER].shown) == 1
        assert [row.state for row in await house.all(Outgoing)] == [Sending.SENT, Sending.SENT]


async def test_what_never_left_its_sender_arrives_after_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving_wecom(house) as fake, open_wecom(house, fake) as accounts:
        await fake.say(BUYER, "怎么查订单")
        await accounts[0].look(house.door.accept)
        await house.inbox(accounts[0]).drain()
        async with house.database.writing() as session:
            await outbox.begin(session, [row.id for row in await house.all(Outgoing) if row.id])

        await house.delivery(accounts[0]).drain()

        assert len(fake.sessions[OPEN_KFID, BUYER].shown) == 1
        assert {(row.state, row.problem) for row in await house.all(Outgoing)} == {(Sending.SENT, None)}
        assert (await house.all(ReplyWindow))[0].messages_left == 4


async def test_what_arrived_for_the_last_that_was_left_is_known_to_have(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving_wecom(house) as fake, open_wecom(house, fake) as accounts:
        await answered(house, fake, accounts[0])
        async with house.database.writing() as session:
            await session.exec(update(ReplyWindow).values(messages_left=1))
        await post(house, "在的。", Priority.AGENT_REPLY)

        await send_and_die(house, accounts[0], monkeypatch)

        assert [one.text for one in fake.sessions[OPEN_KFID, BUYER].shown][1:] == ["在的。"]
        assert (await house.all(Outgoing))[-1].state == Sending.SENT


async def test_of_several_parts_those_that_never_left_are_sent_after_all(house: House) -> None:
    async with serving_wecom(house) as fake, open_wecom(house, fake) as accounts:
        await answered(house, fake, accounts[0])
        row = await post(house, "长" * 1_500, Priority.AGENT_REPLY)
        await house.delivery(accounts[0]).drain()
        shown = fake.sessions[OPEN_KFID, BUYER].shown
        whole = [one.text for one in shown]
        fake.forget(BUYER, 2)  # the sender was killed when the first of three had left
        first, *_ = (await house.all(Outgoing))[-1].foreign_id.split(",")
        in_hand = {"state": Sending.QUEUED, "problem": outbox.UNDER_WAY, "foreign_id": first}
        async with house.database.writing() as session:
            await session.exec(update(Outgoing).where(col(Outgoing.id) == row).values(in_hand))
            await session.exec(update(ReplyWindow).values(messages_left=3))

        await house.delivery(accounts[0]).drain()

        assert [one.text for one in shown] == whole
        assert (await house.all(Outgoing))[-1].state == Sending.SENT


async def test_a_persons_reply_is_not_kept_back_with_what_waits_before_it(house: House) -> None:
    async with serving_wecom(house) as fake, open_wecom(house, fake) as accounts:
        await answered(house, fake, accounts[0])
        async with house.database.writing() as session:
            await session.exec(update(ReplyWindow).values(messages_left=2))
        await post(house, "答" * 500, Priority.BOT_REPLY)
        await post(house, "人" * 500, Priority.AGENT_REPLY)  # too long to go out as one with the other

        await house.delivery(accounts[0]).drain()

        assert [one.text[:1] for one in fake.sessions[OPEN_KFID, BUYER].shown[-2:]] == ["答", "人"]


async def answered(house: House, fake: FakeWeCom, account: WeCom) -> None:
    await fake.say(BUYER, "怎么查订单")
    await account.look(house.door.accept)
    await house.inbox(account).drain()
    await house.delivery(account).drain()


async def post(house: House, text: str, priority: Priority) -> int | None:
    """Its number in the outbox."""
    async with house.database.writing() as session:
        conversation = (await session.exec(select(Conversation))).one()
        await outbox.post(session, house.clock(), conversation, text, author=Author.AGENT, priority=priority)
    return (await house.all(Outgoing))[-1].id
