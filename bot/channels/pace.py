"""How fast one sender may write. Kept in memory: losing it costs nothing but a minute's patience."""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

REMEMBERED = 20_000  # senders; the one silent for longest is forgotten first


class Pace:
    """At most `limit` events of one sender in any `span`."""

    def __init__(self, limit: int, span: timedelta = timedelta(minutes=1)) -> None:
        self._limit = limit
        self._span = span
        self._seen: OrderedDict[str, deque[datetime]] = OrderedDict()

    def wait_for(self, sender: str, now: datetime) -> timedelta:
        """Zero, and the event is counted; or how long the sender must wait, and it is not."""
        seen = self._seen.setdefault(sender, deque())
        self._seen.move_to_end(sender)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        while seen and seen[0] <= now - self._span:
            seen.popleft()
        if len(seen) >= self._limit:
            return seen[0] + self._span - now
        seen.append(now)
        return timedelta(0)


class Queue:
    """When each event of a sender may take effect: `limit` at once, then evenly, `limit` in any `span`."""

    def __init__(self, limit: int, span: timedelta = timedelta(minutes=1)) -> None:
        self._span = span
        self._step = span / limit
        self._booked: OrderedDict[str, datetime] = OrderedDict()  # until when a sender has used the budget up

    def place(self, sender: str, now: datetime) -> tuple[datetime, bool]:
        """The instant, and whether this is the first event of a flood, which still takes effect at once."""
        before = max(now, self._booked.get(sender, now))
        booked = self._booked[sender] = before + self._step
        self._booked.move_to_end(sender)
        while len(self._booked) > REMEMBERED:
            self._booked.popitem(last=False)
        is_first = before <= now + self._span < booked
        return (now if is_first else max(now, booked - self._span)), is_first
