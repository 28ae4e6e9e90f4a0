"""The same dialogue in a terminal, line by line, so that a whole conversation can be piped in."""

import json
import secrets
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from datetime import datetime

from bot.channels.port import Accept, Inbound, Kind, Photo, Update
from tickets.tables import Message, Outgoing


class Terminal:
    """The channel `terminal`: one buyer, named by `account`. Another terminal's messages are not ours to send."""

    name = "terminal"

    def __init__(
        self,
        buyer: str,
        write: Callable[[str], None],
        clock: Callable[[], datetime],
        *,
        unseen: str = "[🖼]",  # stands for a picture
    ) -> None:
        self.account = buyer
        self._unseen = unseen
        self._write = write
        self._clock = clock
        self._buttons: list[str] = []  # handles of the last message that had any; [1] is the first

    def read(self, update: Update) -> Inbound:
        body = json.loads(update.raw)
        kind = Kind.PRESS if "handle" in body else Kind.TEXT if body.get("text") else Kind.START
        return Inbound(
            channel=update.channel,
            account=update.account,
            address=update.address,
            update_id=update.update_id,
            kind=kind,
            sent_at=datetime.fromisoformat(body["at"]),
            text=body.get("text", ""),
            handle=body.get("handle", ""),
            name=update.account,
        )

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        self._write(_printable(message.text))
        if message.buttons:
            self._buttons = [button["handle"] for button in message.buttons]
            self._write("  ".join(f"[{n}] {button['text']}" for n, button in enumerate(message.buttons, 1)))
        return str(message.id)

    async def deliver_pictures(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        """A terminal can only say that there are some."""
        for _ in photos:
            self._write(self._unseen)
        return await self.deliver(outgoing, message) if message.text else str(message.id)

    def type(self, line: str) -> Update:
        """The update that a typed line is: the number of a button presses it."""
        text = line.strip()
        body = {"text": text, "at": self._clock().isoformat()}
        if text.isascii() and text.isdecimal() and 1 <= int(text) <= len(self._buttons):
            body = {"handle": self._buttons[int(text) - 1], "at": body["at"]}
        raw = json.dumps(body, ensure_ascii=False)
        return Update(self.name, self.account, secrets.token_hex(16), self.account, raw)


async def converse(
    terminal: Terminal, accept: Accept, answer: Callable[[], Awaitable[object]], lines: AsyncIterable[str]
) -> None:
    """Greet, then answer each line before the next is read. `answer` works off inbox and outbox."""
    await accept(terminal.type(""))
    await answer()
    async for line in lines:
        if line.strip():
            await accept(terminal.type(line))
            await answer()


def _printable(text: str) -> str:
    """The text without control characters, which could repaint the terminal."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")
