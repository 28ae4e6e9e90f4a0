"""Pictures that staff send along with their words: a few, of a shape that every messenger shows, sealed as buyers' are.

They are not read: what stands in words beside them is checked as any words of staff.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from shop.vault import Vault
from tickets import pictures
from tickets.errors import PictureTooNarrow, TooManyPictures
from tickets.pixels import Pixels
from tickets.tables import Message

MOST = 4  # pictures of one message: where a messenger counts what we send, each is one of five
RATIO = 20  # of the longer side to the shorter: Telegram shows no narrower strip


@dataclass(frozen=True, slots=True)
class Enclosed:
    """Pictures, and what seals them. Raises `TooManyPictures`, `PictureTooNarrow`."""

    vault: Vault
    pixels: Sequence[Pixels]

    def __post_init__(self) -> None:
        require_few(len(self.pixels))
        if any(max(one.width, one.height) > RATIO * min(one.width, one.height) for one in self.pixels):
            raise PictureTooNarrow(ratio=RATIO)

    async def put_into(self, session: AsyncSession, now: datetime, message: Message, agent_id: int) -> None:
        """Keep them with a message to the buyer."""
        for one in self.pixels:
            await pictures.keep(session, now, self.vault, message, one, agent_id=agent_id)


def require_few(count: int) -> None:
    """Before any of them is drawn. Raises `TooManyPictures`."""
    if count > MOST:
        raise TooManyPictures(most=MOST)
