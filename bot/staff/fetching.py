"""Pictures that agents send in a topic: fetched with the staff bot's token, for no other knows them, and drawn anew."""

from collections.abc import Mapping
from typing import Any

from bot.channels.bringing import Bringing, Unusable, may_be_picture
from bot.channels.port import Inbound
from bot.errors import Ambiguous, DeliveryError, FileAway
from bot.staff.calls import StaffBot


class Fetching:
    """For one bot; see `bot.channels.port.Fetches`."""

    def __init__(self, bot: StaffBot) -> None:
        self._bot = bot
        self._bringing = Bringing(may_be_picture, self._download)

    async def fetch(self, inbound: Inbound, *, is_last: bool, file_limit: int = 0) -> Inbound:
        """No other file than a picture goes to a buyer, so none is fetched."""
        return await self._bringing.fetch(inbound, is_last=is_last)

    async def _download(self, attachment: Mapping[str, Any], limit: int) -> bytes:
        if attachment.get("file_size", 0) > limit:
            raise Unusable("too_large")
        try:
            content = await self._bot.download(str(attachment["file_id"]))
        except Ambiguous:
            raise FileAway() from None
        except DeliveryError as error:
            if error.is_permanent:
                raise Unusable("too_large" if "too big" in str(error).lower() else "gone") from None
            raise (FileAway(error.retry_after) if error.retry_after else FileAway()) from None
        if len(content) > limit:
            raise Unusable("too_large")
        return content
