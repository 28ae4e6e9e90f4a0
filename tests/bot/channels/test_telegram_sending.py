"""What is sent over Telegram, and what its refusals mean for the message."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramNetworkError
from aiohttp import ConnectionTimeoutError

from bot import errors
from bot.channels.telegram import Telegram
from bot.channels.telegram.errors import translate
from bot.channels.telegram.methods import SendMessage
from bot.fakes.buyer import Buyer, TelegramFront
from bot.fakes.telegram import TOKEN, FakeTelegram, Refusal, serving
from tests.bot.conftest import CODE, ORDER, PASSWORD, House
from tickets import conversations, outbox
from tickets.tables import Author, Conversation, Outgoing, Sending

CALL = SendMessage(chat_id="42", text="…")


@pytest.fixture
async def fake(house: House) -> AsyncIterator[FakeTelegram]:
    async with serving(FakeTelegram(clock=lambda: house.clock().timestamp())) as fake:
        fake.private(fake.bot, 42)
        yield fake


@pytest.fixture
async def telegram(fake: FakeTelegram) -> AsyncIterator[Telegram]:
    telegram = Telegram(TOKEN, fake.base)
    yield telegram
    await telegram.close()


async def post(house: House, telegram: Telegram, *texts: str, address: str = "42", **facts: Any) -> None:
    async with house.database.writing() as session:
        place = "telegram", telegram.account, address
        conversation = await conversations.find_or_create(session, house.clock(), *place, address, "zh")
        for text in texts:
            await outbox.post(session, house.clock(), conversation, text, author=Author.BOT, **facts)


async def test_code_is_sent_as_code_and_other_markup_as_it_stands(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    await post(house, telegram, "订单 `AB12` <b>&", "<b>没有代码</b> & *星号*")

    await house.delivery(telegram).drain()

    first, second = fake.sent
    assert (first.text, first.fields["parse_mode"]) == ("订单 AB12 <b>&", "HTML")
    assert first.fields["text"] == "订单 <code>AB12</code> &lt;b&gt;&amp;"
    assert (second.text, "parse_mode" in second.fields) == ("<b>没有代码</b> & *星号*", False)


async def test_markup_that_is_not_taken_is_left_out_and_the_words_stay(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    fake.next_fault("sendMessage", Refusal(400, "Bad Request: can't parse entities: Unsupported start tag"))
    await post(house, telegram, "订单 `AB12` <b>&")

    await house.delivery(telegram).drain()

    (sent,) = fake.sent
    assert (sent.text, "parse_mode" in sent.fields) == ("订单 AB12 <b>&", False)
    assert (await house.one(Outgoing)).state == Sending.SENT


async def test_the_parts_that_have_arrived_are_known_after_a_crash(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    await post(house, telegram, "一" * 4096 + "二" * 4096 + "三")
    fake.next_fault("sendMessage", "none")
    fake.next_fault("sendMessage", Refusal(500, "Internal Server Error"))
    await house.delivery(telegram).drain()

    survivor = Telegram(TOKEN, fake.base)
    house.clock.advance(seconds=2)
    await house.delivery(survivor).drain()
    await survivor.close()

    assert [sent.text[0] for sent in fake.sent] == ["一", "二", "三"]
    row = await house.one(Outgoing)
    assert (row.state, row.foreign_id) == (Sending.SENT, str(fake.sent[-1].message_id))


async def test_a_part_that_may_have_arrived_ends_the_message_and_sending_again_goes_on_from_there(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    await post(house, telegram, "一" * 4096 + "二")
    fake.next_fault("sendMessage", "none")
    fake.next_fault("sendMessage", "lost")
    delivery = house.delivery(telegram)
    await delivery.drain()
    state = (await house.one(Outgoing)).state

    async with house.database.writing() as session:
        await outbox.send_again(session, house.clock(), 1, "agent:1")
    await delivery.drain()

    assert state == Sending.UNKNOWN
    assert [sent.text[0] for sent in fake.sent] == ["一", "二", "二"]
    assert (await house.one(Outgoing)).state == Sending.SENT


async def test_a_link_to_a_code_cannot_be_passed_on(house: House, fake: FakeTelegram, telegram: Telegram) -> None:
    async def look() -> None:
        await telegram.look(house.door.accept, None)

    buyer = Buyer(TelegramFront(fake, telegram, look), house.settle(telegram))
    for words in ("提示已被使用", f"{ORDER} {PASSWORD}", CODE):
        await buyer.say(words)

    assert {("https://kadesk.test/r/" in sent.text, sent.is_protected) for sent in fake.sent} == {
        (False, False),
        (True, True),
    }


async def test_a_business_speaks_through_its_connection_and_only_while_it_may(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    connection = fake.connect(7)
    fake.send(42, {"text": "在吗"}, connection=connection)
    address = f"{connection}/42"
    await post(house, telegram, "在的", address=address)
    delivery = house.delivery(telegram)

    await delivery.drain()
    house.clock.advance(days=2)
    await post(house, telegram, "还在吗", address=address)
    await delivery.drain()

    (sent,) = fake.sent
    assert (sent.connection, sent.chat_id, sent.text) == (connection, 42, "在的")
    late = (await house.all(Outgoing))[-1]
    assert late.state == Sending.FAILED
    assert late.problem.startswith("The buyer was silent for too long")


async def test_a_chat_that_moved_is_written_to_where_it_is_now(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    moved = Refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=43)
    fake.private(fake.bot, 43)
    fake.next_fault("sendMessage", moved)
    await post(house, telegram, "一", "二")

    await house.delivery(telegram).drain()

    assert [(sent.chat_id, sent.text) for sent in fake.sent] == [(43, "一"), (43, "二")]
    assert (await house.one(Conversation)).address == "43"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Forbidden: bot was blocked by the user", errors.BuyerBlocked),
        ("Forbidden: user is deactivated", errors.BuyerGone),
        ("Bad Request: chat not found", errors.NeverStarted),
        ("Forbidden: bot can't initiate conversation with a user", errors.NeverStarted),
        ("Bad Request: BUSINESS_PEER_USAGE_MISSING", errors.WindowClosed),
        ("Forbidden: BUSINESS_CONNECTION_NOT_ALLOWED", errors.NotConnected),
        ("Bad Request: message thread not found", errors.TopicGone),
        ("Too Many Requests: retry after 12", errors.RateLimited),
        ("Bad Request: message text is empty", errors.Refused),
    ],
)
def test_a_refusal_is_told_by_its_words(words: str, kind: type[errors.DeliveryError]) -> None:
    assert type(translate(TelegramAPIError(CALL, words))) is kind


def test_while_there_is_no_connection_nothing_is_in_doubt() -> None:
    error = TelegramNetworkError(CALL, "Request timeout error")
    error.__cause__ = ConnectionTimeoutError()
    lost = TelegramNetworkError(CALL, "Request timeout error")
    lost.__cause__ = TimeoutError()

    assert isinstance(translate(error), errors.ChannelDown)
    assert isinstance(translate(lost), errors.Ambiguous)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("<html>502</html>", errors.Ambiguous),
        ({"result": []}, errors.Ambiguous),
        ({"ok": False, "error_code": 429, "parameters": {"retry_after": "soon"}}, errors.RateLimited),
        ({"ok": False, "error_code": 500, "parameters": 7}, errors.ChannelDown),
        ({"ok": False, "error_code": 504, "description": "Gateway Timeout", "parameters": 7}, errors.Ambiguous),
        ({"ok": False, "error_code": 403, "description": ["?"], "parameters": 7}, errors.BuyerUnreachable),
    ],
    ids=["no JSON", "no answer", "429", "500", "504", "403"],
)
def test_an_odd_answer_that_says_no_is_a_no_and_any_other_is_in_doubt(
    answer: object, kind: type[errors.DeliveryError]
) -> None:
    assert type(translate(ClientDecodeError("odd", ValueError(), answer))) is kind


async def test_a_page_of_a_proxy_loses_no_message() -> None:
    telegram = Telegram(TOKEN)
    for status, kind in ((429, errors.RateLimited), (404, errors.ChannelDown), (502, errors.Ambiguous)):
        with pytest.raises((ClientDecodeError, TelegramAPIError)) as caught:
            telegram._bot.session.check_response(telegram._bot, CALL, status, "<h1>no</h1>")
        error: Any = caught.value
        assert type(translate(error)) is kind
    await telegram.close()


def test_no_token_that_a_server_quotes_is_kept() -> None:
    reason = str(translate(TelegramAPIError(CALL, f"no method at /bot{TOKEN}/sendMessage")))

    assert "no method at" in reason
    assert TOKEN.partition(":")[2] not in reason


def test_a_refusal_without_words_is_one() -> None:
    assert type(translate(TelegramAPIError(CALL, None))) is errors.Refused  # type: ignore[arg-type]
