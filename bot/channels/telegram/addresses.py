"""Where a buyer is on Telegram: "<chat id>" with the bot itself, "<connection id>/<chat id>" with a business."""

from typing import NamedTuple


class Address(NamedTuple):
    """A chat, and the business connection over which it is spoken in the name of somebody else; "" for our own."""

    chat_id: str
    connection: str = ""

    def __str__(self) -> str:
        return f"{self.connection}/{self.chat_id}" if self.connection else self.chat_id

    @property
    def is_group(self) -> bool:
        """Telegram gives groups and channels negative numbers."""
        return self.chat_id.startswith("-")


def parse(address: str) -> Address:
    """The parts of what `str` of an address wrote; any text is some address, for it is what the inbox holds."""
    connection, _, chat_id = address.rpartition("/")
    return Address(chat_id, connection)
