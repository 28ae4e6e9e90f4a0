"""A message on its way out."""

from dataclasses import dataclass

from bot.gallery import numbers_of
from tickets.tables import Message, Outgoing


@dataclass(frozen=True, slots=True)
class Ready:
    """A message and its place in the outbox; its text is the one to send, not the one that is kept."""

    row: Outgoing
    message: Message
    also: tuple[Outgoing, ...] = ()  # places of later messages whose words are in this one

    @property
    def messages(self) -> int:
        """How many messages its next part is where a messenger counts them: each picture is one."""
        return 1 if self.row.foreign_id else max(1, len(numbers_of(self.message)))

    @property
    def rows(self) -> tuple[Outgoing, ...]:
        return (self.row, *self.also)
