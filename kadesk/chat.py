"""`kadesk chat`: somebody at this terminal is a buyer, on the terminal's own channel or on a stand-in for Telegram."""

import asyncio
import hashlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from bot.channels.port import Channel
from bot.channels.terminal import Terminal, converse
from bot.delivery import is_delivered
from bot.inbox import is_settled
from kadesk.shell import out
from kadesk.wiring import Kadesk, clock

if TYPE_CHECKING:  # aiogram and the server take a second to import: only who needs them waits
    from bot.channels.telegram import Telegram
    from bot.fakes.buyer import Buyer

RETRY_LOOK = 0.2  # seconds between looks for an update that is tried again
BUYER = 42  # the number that Telegram's stand-in knows the buyer by
GUIDE = """You are a buyer on Telegram; the Telegram is a stand-in on this machine. A number presses a button.
:photo WORDS, :album 3 WORDS and :edit WORDS send pictures and change what you said last; Ctrl-D ends."""


class Place(StrEnum):
    """Where the buyer writes."""

    TERMINAL = "terminal"
    TELEGRAM = "telegram"


async def chat(kadesk: Kadesk, buyer: str, place: Place) -> None:
    """Until the input ends."""
    if place == Place.TERMINAL:
        unseen = kadesk.phrases("zh", "terminal.picture")
        terminal = Terminal(buyer, out.print, clock, unseen=unseen)
        await converse(terminal, kadesk.door.accept, _answering(kadesk, terminal), _lines())
    else:
        await _by_telegram(kadesk, buyer)


def _answering(kadesk: Kadesk, channel: Channel) -> Callable[[], asyncio.Future[None]]:
    """Does all that is due, until nothing waits on this channel."""
    inbox, delivery = kadesk.inbox([channel]), kadesk.delivery([channel])

    async def answer() -> None:
        while True:
            await inbox.drain()
            await delivery.drain()
            await kadesk.send_mail()
            async with kadesk.database.reading() as session:
                place = channel.name, channel.account
                if await is_settled(session, *place) and await is_delivered(session, *place):
                    return
            await asyncio.sleep(RETRY_LOOK)

    return lambda: asyncio.ensure_future(answer())


async def _by_telegram(kadesk: Kadesk, name: str) -> None:
    from bot.channels.telegram import Telegram
    from bot.fakes.buyer import Buyer, TelegramFront
    from bot.fakes.telegram import FakeTelegram, serving

    number = int.from_bytes(hashlib.sha256(name.encode(errors="surrogatepass")).digest()[:4])
    # Each buyer has a bot of their own, so that two terminals do not take each other's answers; and what it counts
    # goes on where it ended, for what was counted before is taken for a repeat.
    fake = FakeTelegram(f"{number}:AAH-of-a-bot-on-this-machine-000000000", clock=time.time, first=int(time.time() * 9))
    fake.people[BUYER] = {"first_name": name, "language_code": "zh-hans"}
    async with serving(fake):
        telegram = Telegram(fake.token, fake.base)
        front = TelegramFront(fake, telegram, _looking(kadesk, telegram), BUYER)
        try:
            await _talk(Buyer(front, _answering(kadesk, telegram)))
        finally:
            await telegram.close()


def _looking(kadesk: Kadesk, telegram: "Telegram") -> Callable[[], asyncio.Future[None]]:
    offset: int | None = None

    async def look() -> None:
        nonlocal offset
        offset = await telegram.look(kadesk.door.accept, offset)

    return lambda: asyncio.ensure_future(look())


async def _talk(buyer: "Buyer") -> None:
    out.print(GUIDE)
    await buyer.start()
    shown = await _show(buyer, 0)
    async for line in _lines():
        if line.strip():
            await _act(buyer, line.strip())
            shown = await _show(buyer, shown)


async def _act(buyer: "Buyer", line: str) -> None:
    """What a typed line does."""
    labels = await buyer.buttons()
    command, _, words = line.partition(" ")
    if line.isascii() and line.isdecimal() and 1 <= int(line) <= len(labels):
        await buyer.press(labels[int(line) - 1])
    elif command == ":photo":
        await buyer.photo(words)
    elif command == ":album":
        count, _, words = words.partition(" ")
        await buyer.album(int(count) if count in ("2", "3", "4", "5", "6", "7", "8", "9", "10") else 2, words)
    elif command == ":edit" and words:
        await buyer.edit(words)
    else:
        await buyer.say(line)


async def _show(buyer: "Buyer", shown: int) -> int:
    """Print what came since; how much was shown by now."""
    replies = await buyer.replies()
    for reply in replies[shown:]:
        out.print("".join(letter for letter in reply.text if letter.isprintable() or letter in "\n\t"))
        if reply.buttons:
            out.print("  ".join(f"[{number}] {label}" for number, label in enumerate(reply.buttons, 1)))
    return len(replies)


async def _lines() -> AsyncIterator[str]:
    """Typed or piped lines; a piped one is echoed, so that the output reads as a conversation."""
    is_typed = sys.stdin.isatty()
    while True:
        line = await asyncio.to_thread(_read_line, "> " if is_typed else "")
        if line is None:
            return
        if not is_typed:
            out.print(f"> {line.rstrip()}")
        yield line


def _read_line(prompt: str) -> str | None:
    try:
        return input(prompt)
    except (EOFError, UnicodeDecodeError):
        return None
