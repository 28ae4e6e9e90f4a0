"""What the feed of an account holds when Kadesk reads it for the first time: up to three days that others answered.

It is kept for people to read, and not answered as if it had been said to us: of each buyer at most the last word is,
where nobody answered it as far as the feed tells, and not long ago. What was said just now is said to us.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from bot.channels.port import SILENT, Inbound, Kind, Past, Update
from bot.channels.wecom import reading

JUST_NOW = timedelta(minutes=10)  # as long as the word of a callback is good: it may be what woke us
ANSWERED_BACK = timedelta(hours=12)  # a night; what another program answered by the interface, the feed does not tell


class FirstLook:
    """Of one account, begun at that instant; it goes through the pages in their order."""

    def __init__(self, began_at: datetime) -> None:
        self.cursor = ""  # how far it is; kept for good only when all is read, since until then some words wait here
        self._ours_since = began_at - JUST_NOW
        self._back_to = began_at - ANSWERED_BACK
        self._waiting: dict[str, Update] = {}  # by buyer: the last word, as long as nobody answered it

    def sort(self, updates: Iterable[Update]) -> list[Update]:
        """What of these is to be stored now, and before it what waited and has been answered or overtaken."""
        return [one for update in updates for one in self._take(update, reading.read(update))]

    def rest(self) -> list[Update]:
        """All is read: the words that nobody answered, one of each buyer at most."""
        return [reading.of_the_past(one, Past.LAST) for one in self._waiting.values()]

    def _take(self, update: Update, inbound: Inbound) -> list[Update]:
        is_ours, kind = inbound.sent_at >= self._ours_since, inbound.kind
        if kind == Kind.START:
            return [update] if is_ours else []  # a greeting that comes late greets nobody
        waiting = self._waiting.get(update.address)
        if kind == Kind.WITHDRAWN and (waiting is None or waiting.update_id not in inbound.withdrawn):
            return [update]
        overtaken = [] if waiting is None else [reading.of_the_past(self._waiting.pop(update.address), Past.KEPT)]
        if is_ours or kind in SILENT:
            return [*overtaken, update]
        if inbound.by_owner or kind == Kind.PRESS or inbound.sent_at < self._back_to:
            return [*overtaken, reading.of_the_past(update, Past.KEPT)]
        self._waiting[update.address] = update
        return overtaken
