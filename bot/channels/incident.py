"""The other end of an incident: nobody. What is said on one is for its parts, and delivered when it is said."""

from collections.abc import Sequence

from bot.channels.port import Inbound, Photo, Update
from tickets.tables import Message, Outgoing
from tickets.words import INCIDENT


class IncidentChannel:
    """The channel of the conversations that incidents stand in."""

    name = account = INCIDENT

    def read(self, update: Update) -> Inbound:
        raise NotImplementedError("nobody speaks there")

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        return str(message.id)

    async def deliver_pictures(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        return await self.deliver(outgoing, message)
