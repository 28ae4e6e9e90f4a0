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
        self._full_at: datetime | None = None  # None: it was never drawn from

    def wait(self, now: datetime) -> timedelta:
        """How long until one more may go; zero: now."""
        return max(ZERO, self._missing(now) - self._rate.every * (self._rate.burst - 1))

    def take(self, now: datetime) -> None:
        self._full_at = now + self._missing(now) + self._rate.every

    def empty(self, now: datetime) -> None:
        self._full_at = now + self._rate.every * self._rate.burst

    def _missing(self, now: datetime) -> timedelta:
        """What it lacks, as the time that fills it; more than all of it lacks only when the clock was put back."""
        if self._full_at is None:
            return ZERO
        return min(max(ZERO, self._full_at - now), self._rate.every * self._rate.burst)


class Budget:
    """One bot's: over all its chats, in each chat, and in each group. None: no limit. Ask for what is urgent first."""

    def __init__(self, bot: Rate | None = None, chat: Rate | None = None, group: Rate | None = None) -> None:
        self._chat, self._group = chat, group
        self._all = Bucket(bot) if bot else None
        self._chats: OrderedDict[str, Bucket] = OrderedDict()
        self._asked: dict[str, datetime] = {}  # chat → until when the channel asked us to wait there
        self._closed_until: datetime | None = None

    def closed_for(self, now: datetime) -> timedelta:
        """How long nothing at all may be sent; zero: something may."""
        asked = self._closed_until - now if self._closed_until else ZERO
        return max(ZERO, asked, self._all.wait(now) if self._all else ZERO)

    def wait_for(self, now: datetime, chat: str, *, is_group: bool = False) -> timedelta:
        """Zero, and a message to this chat is counted; or how long it must wait, and none is."""
        bucket = self._bucket(chat, is_group)
        asked = self._asked[chat] - now if chat in self._asked else ZERO
        wait = max(self.closed_for(now), asked, bucket.wait(now) if bucket else ZERO)
        if not wait:
            for drawn in (self._all, bucket):
                if drawn is not None:
                    drawn.take(now)
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
