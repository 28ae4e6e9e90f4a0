"""Answers of servers that are not quite Telegram's: what was not sent is known for that, and none reaches the log."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.channels.botapi.answers import PAUSE
from bot.errors import Ambiguous, BuyerUnreachable, DeliveryError, RateLimited, Refused
from bot.staff.calls import Place, StaffBot
from tests.bot.one_answer import answering

PAGE = "<html>\n<center>nginx</center> 卡密 ABCDE-12345-FGHIJ</html>"
HASTE = '{"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 7"}'


@asynccontextmanager
async def asking(status: int, text: str) -> AsyncIterator[StaffBot]:
    async with answering(status, text) as address:
        bot = StaffBot("9:AAH-fake-token", address)
        yield bot
        await bot.close()


@pytest.mark.parametrize(
    ("status", "text", "decision", "wait"),
    [
        pytest.param(429, HASTE, RateLimited, 7.0, id="a wait in words alone"),
        pytest.param(200, HASTE, RateLimited, 7.0, id="and a status that says yes"),
        pytest.param(429, HASTE[:-1] + ', "parameters": {"retry_after": "3"}}', RateLimited, 3.0, id="a wait as text"),
        pytest.param(429, PAGE, RateLimited, PAUSE, id="a page that says too many"),
        pytest.param(200, '{"ok": false, "error_code": 403, "description": "Forbidden: x"}', BuyerUnreachable, None),
        pytest.param(200, '{"ok": false}', Refused, None, id="no without a reason"),
        pytest.param(502, PAGE, Ambiguous, None, id="a gateway that does not know"),
        pytest.param(200, PAGE, Ambiguous, None, id="a page in place of an answer"),
        pytest.param(200, "[]", Ambiguous, None, id="a list"),
    ],
)
async def test_what_an_odd_answer_means(
    status: int, text: str, decision: type[DeliveryError], wait: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with asking(status, text) as bot:
            with pytest.raises(DeliveryError) as error:
                await bot.send(Place("-100"), "x")

    assert type(error.value) is decision
    assert (error.value.retry_after.total_seconds() if error.value.retry_after else None) == wait
    assert "ABCDE" not in caplog.text
