"""How fast a bot may write before it is told to wait. Pure: the instant is an argument, in seconds."""

import math
from collections import defaultdict, deque
from dataclasses import dataclass, field


@dataclass
class Limits:
    """Of one bot. The figures are those that Telegram names."""

    per_second: int = 30  # messages, to all chats
    burst: int = 5  # messages to one chat at once; afterwards one a second
    per_minute: int = 20  # messages to one group
    topics_per_minute: int = 20  # made in one group; Telegram counts them, but names no figure
    _all: deque[float] = field(default_factory=deque)
    _groups: dict[int, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _topics: dict[int, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _busy_until: dict[int, float] = field(default_factory=dict)

    def wait_for(self, chat_id: int, now: float, messages: int = 1) -> int:
        """0, and the messages are counted; or for how many whole seconds nothing is taken, and they are not."""
        is_group = chat_id < 0
        waits = [_over(self._all, now, 1, self.per_second, messages)]
        if is_group:
            waits.append(_over(self._groups[chat_id], now, 60, self.per_minute, messages))
        busy = max(self._busy_until.get(chat_id, now), now)
        waits.append(busy - now - (self.burst - messages) if not is_group else 0)
        wait = max(waits)
        if wait > 0:
            return math.ceil(wait)
        self._all.extend([now] * messages)
        if is_group:
            self._groups[chat_id].extend([now] * messages)
        else:
            self._busy_until[chat_id] = busy + messages
        return 0

    def wait_for_topic(self, chat_id: int, now: float) -> int:
        """0, and the topic is counted; or for how many whole seconds none is made, whatever else is taken."""
        wait = _over(self._topics[chat_id], now, 60, self.topics_per_minute, 1)
        if wait <= 0:
            self._topics[chat_id].append(now)
        return max(0, math.ceil(wait))


def _over(seen: deque[float], now: float, span: float, limit: int, messages: int) -> float:
    while seen and seen[0] <= now - span:
        seen.popleft()
    over = len(seen) + messages - limit
    return seen[over - 1] + span - now if over > 0 else 0
