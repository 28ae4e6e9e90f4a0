"""The other end of an incident: nobody. What is said on one is for its parts, and delivered when it is said."""

from bot.channels.port import Inbound, Update
from tickets.tables import Message, Outgoing
from tickets.words import INCIDENT


class IncidentChannel:
    """The channel of the conversations that incidents stand in."""

    name = account = INCIDENT

    def read(self, update: Update) -> Inbound:
        raise NotImplementedError("nobody speaks there")

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        return str(message.id)
