"""Looks now and then whether the platform lets us in, so that people know it before a buyer writes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.channels.noting import Note
from bot.channels.weixin.api import Tokens
from bot.errors import DeliveryError, ShutOut
from bot.faults import place_of

log = logging.getLogger(__name__)

LOOK_EVERY = 60.0  # seconds; the platform is asked only when there is no good token
Sent = TypeVar("Sent")


async def keep_vigil(tokens: Tokens, note: Note) -> None:
    """Until cancelled."""
    while True:
        await look(tokens, note)
        await asyncio.sleep(LOOK_EVERY)


async def look(tokens: Tokens, note: Note) -> None:
    try:
        await tokens.get()
    except ShutOut as error:
        note("lives_at", problem=error.what, error=str(error))
    except DeliveryError as error:
        note("lives_at", problem="away", error=str(error))
    except Exception as error:  # the database is away: weather
        log.warning("whether the platform lets us in is not known: %s", place_of(error))
    else:
        note("lives_at", problem="")


async def sending(note: Note, send: Callable[[], Awaitable[Sent]]) -> Sent:
    """Send, and note what it tells of the account."""
    try:
        sent = await send()
    except ShutOut as error:
        note(send_problem=error.what, error=str(error))
        raise
    note("sent_at", "looked_at", send_problem="")
    return sent
