"""What goes wrong between a bot and Telegram: one fault after the other, or by chance with a seed."""

import random
from collections import defaultdict, deque
from dataclasses import dataclass, field

from bot.fakes.refusal import Refusal, too_many

# "lost": done, but the answer never arrives. "cut": not done, and no answer. "garbage": done, and answered with what is
# no JSON. A number: answered after so many seconds. Anything else: nothing goes wrong.
Fault = Refusal | str | float


@dataclass
class Weather:
    """Chances of each call, from 0 to 1; the same seed gives the same weather."""

    seed: int = 1
    lost: float = 0
    cut: float = 0
    refused: float = 0  # 429, to be tried again after a second
    broken: float = 0  # 502
    slow: float = 0
    slow_by: float = 0.2  # seconds
    methods: tuple[str, ...] = ()  # which it hits; all that send, when empty

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def next(self, method: str) -> Fault | None:
        if not (method in self.methods or (not self.methods and method.startswith("send"))):
            return None
        draw = self._random.random()
        faults: tuple[tuple[float, Fault], ...] = (
            (self.lost, "lost"),
            (self.cut, "cut"),
            (self.refused, too_many(1)),
            (self.broken, Refusal(502, "Bad Gateway")),
            (self.slow, self.slow_by),
        )
        for chance, fault in faults:
            if draw < chance:
                return fault
            draw -= chance
        return None


@dataclass
class Faults:
    """Those that were ordered come first, then the weather."""

    weather: Weather | None = None
    _next: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))

    def add(self, method: str, fault: Fault) -> None:
        self._next[method].append(fault)

    def pop(self, method: str) -> Fault | None:
        if self._next[method]:
            return self._next[method].popleft()
        return self.weather.next(method) if self.weather else None
