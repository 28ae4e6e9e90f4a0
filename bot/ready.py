"""A message on its way out."""

from dataclasses import dataclass

from tickets.tables import Message, Outgoing


@dataclass(frozen=True, slots=True)
class Ready:
    """A message and its place in the outbox; its text is the one to send, not the one that is kept."""

    row: Outgoing
    message: Message
    also: tuple[Outgoing, ...] = ()  # places of later messages whose words are in this one

    @property
    def rows(self) -> tuple[Outgoing, ...]:
        return (self.row, *self.also)
