"""What the two channels of Tencent are opened with alike."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import notices
from tickets.desk import Desk

if TYPE_CHECKING:
    from bot.channels.weixin.quota import Tell


def telling_managers(desk: Desk) -> "Tell":
    """What says something to the managers, in the words of the staff."""

    async def tell(session: AsyncSession, now: datetime, key: str, /, **facts: object) -> None:
        text = desk.say(desk.rules.staff_language, key, **facts)
        await notices.tell_managers(session, now, text, desk.rules.quiet)

    return tell
