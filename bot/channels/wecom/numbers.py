"""Our ids of messages: 微信客服 takes each once for an account, for ever, and names one that it calls back."""

import hashlib

from bot.channels.parts import arrived, lost
from tickets.tables import Message, Outgoing

MOST_DIGITS = 18  # of a row's number that any database knows


def number_of(outgoing: Outgoing, message: Message, part: int) -> str:
    """The id of a part: of what stays as it is, where a link in its words becomes "it was opened".

    With more words in it, it ends in another message of ours.
    """
    number = f"k-{outgoing.id}-{part}-{message.id}-{_mark(outgoing)}"
    # One that did not arrive after all is sent again: the platform takes no id twice.
    while any(known.startswith(number) for known in (*arrived(outgoing), *lost(outgoing))):
        number += "r"
    return number


def outgoing_of(number: str) -> int | None:
    """Which message of the outbox an id stands for, if it is one of ours."""
    parts = number.split("-")
    is_ours = len(parts) == 5 and parts[0] == "k" and parts[1].isdecimal() and len(parts[1]) <= MOST_DIGITS
    return int(parts[1]) if is_ours else None


def stands_for(number: str, outgoing: Outgoing) -> bool:
    """Whether it is the id of this row, and not of one with its number in a database that was before this one."""
    return number.split("-")[-1].startswith(_mark(outgoing))


def _mark(outgoing: Outgoing) -> str:
    """A database that is begun anew, or restored, gives the numbers of its rows a second time."""
    return hashlib.blake2s(f"{outgoing.created_at.timestamp():.6f}".encode(), digest_size=3).hexdigest()
