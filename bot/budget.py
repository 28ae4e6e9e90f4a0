"""How fast a bot may write. Pure: buckets that fill with time, and waits that the channel asked for.

A budget belongs to one bot and is kept in memory by the one process that sends for it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

ZERO = timedelta(0)
REMEMBERED = 20_000  # chats; the one that was not written to for longest is forgotten first


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then one `every` so long: in any span of time at most burst + span / every."""

    every: timedelta
    burst: int = 1

    @classmethod
    def at_most(cls, count: int, span: timedelta) -> "Rate":
        """At most `count` in any `span`: a fifth of them at once, so that the rest of the span is not silent."""
        burst = max(1, count // 5)
        return cls(span / max(1, count - burst), burst)


class Bucket:
    """What is left of one rate."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._most = rate.every * rate.burst  # that it can lack
        self._full_at: datetime | None = None  # None: it was never drawn from

    def wait(self, now: datetime, count: int = 1) -> timedelta:
        """How long until so many more may go at once; zero: now. More than ever may go when it is full."""
        return max(ZERO, self._missing(now) - self._rate.every * max(0, self._rate.burst - count))

    def take(self, now: datetime, count: int = 1) -> None:
        missing = self._missing(now) + self._rate.every * count
        self._full_at, self._most = now + missing, max(self._most, missing)

    def empty(self, now: datetime) -> None:
        self._full_at = now + self._rate.every * self._rate.burst

    def _missing(self, now: datetime) -> timedelta:
        """What it lacks, as the time that fills it; it lacks more than it can only when the clock was put back."""
        if self._full_at is None:
            return ZERO
        return min(max(ZERO, self._full_at - now), self._most)


class Budget:
    """One bot's: over all its chats, in each chat, and in each group. None: no limit. Ask for what is urgent first."""

    def __init__(self, bot: Rate | None = None, chat: Rate | None = None, group: Rate | None = None) -> None:
        self._chat, self._group = chat, group
        self._all = Bucket(bot) if bot else None
        self._chats: OrderedDict[str, Bucket] = OrderedDict()
        self._asked: dict[str, datetime] = {}  # chat → until when the channel asked us to wait there
        self._closed_until: datetime | None = None

    def closed_for(self, now: datetime, messages: int = 1) -> timedelta:
        """How long so many messages may be sent to nobody at all; zero: they may be sent to somebody."""
        asked = self._closed_until - now if self._closed_until else ZERO
        return max(ZERO, asked, self._all.wait(now, messages) if self._all else ZERO)

    def wait_for(self, now: datetime, chat: str, *, is_group: bool = False, messages: int = 1) -> timedelta:
        """Zero, and so many messages to this chat are counted; or how long they must wait, and none is."""
        drawn = [bucket for bucket in (self._all, self._bucket(chat, is_group)) if bucket is not None]
        asked = self._asked[chat] - now if chat in self._asked else ZERO
        wait = max(self.closed_for(now), asked, *(bucket.wait(now, messages) for bucket in drawn))
        if not wait:
            for bucket in drawn:
                bucket.take(now, messages)
        return wait

    def obey(self, now: datetime, chat: str, retry_after: timedelta) -> None:
        """The channel refused a message to `chat` and named a wait, but not whether it means the chat or the bot.

        It means the bot when a second chat is refused while the first still waits.
        """
        self._asked = {one: until for one, until in self._asked.items() if until > now}
        until = now + retry_after
        if self._asked.keys() - {chat}:
            self._closed_until = max(until, self._closed_until or until)
        self._asked[chat] = max(until, self._asked.get(chat, until))

    def empty(self, now: datetime) -> None:
        """Begin with nothing at once: another process may have sent for this bot a moment ago."""
        if self._all is not None:
            self._all.empty(now)

    def _bucket(self, chat: str, is_group: bool) -> Bucket | None:
        rate = self._group if is_group else self._chat
        if rate is None:
            return None
        bucket = self._chats.setdefault(chat, Bucket(rate))
        self._chats.move_to_end(chat)
        if len(self._chats) > REMEMBERED:
            self._chats.popitem(last=False)
        return bucket
