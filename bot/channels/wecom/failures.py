"""What the platform took and could not deliver after all: `msg_send_fail` comes when it likes, even before we know that
the message was taken, or while its other parts wait.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.wecom.feed import keep
from bot.channels.wecom.numbers import outgoing_of, stands_for
from bot.channels.wecom.sending import AFTER_A_WORD
from bot.channels.weixin.errors import unsent
from bot.errors import BuyerUnreachable
from bot.tables import Feed
from tickets.tables import Outgoing, Sending
from tickets.taking_back import Loss

TOO_EARLY = "not delivered"  # the name of what is kept: ids of ours and why, whose message is still to be written down

TakeBack = Callable[[AsyncSession, datetime, Loss], Awaitable[object]]  # `tickets.taking_back`


async def heed(
    session: AsyncSession, now: datetime, place: tuple[str, str], told: Mapping[str, int], take_back: TakeBack
) -> bool:
    """Take back what this tells of, by our id and with the platform's reason; whether some must wait for a later look.

    `place` is a channel and an account.
    """
    kept = await session.get(Feed, (*place, TOO_EARLY))
    early: dict[str, int] = {}
    for number, reason in ((json.loads(kept.cursor) if kept else {}) | dict(told)).items():
        if (outgoing_id := outgoing_of(number)) is None:
            continue
        row = await session.get(Outgoing, outgoing_id, populate_existing=True)
        if row is None or not stands_for(number, row):
            continue
        if row.state == Sending.QUEUED:
            early[number] = reason
        else:
            await take_back(session, now, _loss(outgoing_id, number, reason))
    if early:
        await keep(session, now, *place, TOO_EARLY, json.dumps(early))
    elif kept is not None:
        await session.delete(kept)
    return bool(early)


def _loss(outgoing_id: int, number: str, reason: int) -> Loss:
    error, was_spent = unsent(reason)
    state = Sending.BLOCKED if isinstance(error, BuyerUnreachable) else Sending.FAILED
    return Loss(outgoing_id, number, state, str(error), None if was_spent else AFTER_A_WORD)
