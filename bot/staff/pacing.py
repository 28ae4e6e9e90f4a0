"""How fast the bot may write into each chat, and when to leave one alone. In memory: losing it costs a minute."""

from datetime import datetime, timedelta

from bot.budget import Bucket, Budget, Rate
from bot.errors import Ambiguous, DeliveryError

PRIVATE = Rate(timedelta(seconds=1), 5)
WHOLE = Rate(timedelta(milliseconds=50), 10)  # Telegram takes about 30 a second
TOPICS = Rate(timedelta(seconds=6), 5)  # made in all groups; Telegram counts them apart, and names no figure
FIRST_DOUBT, LONGEST_DOUBT = timedelta(seconds=5), timedelta(minutes=10)
DOWN = timedelta(seconds=30)  # how long a chat that cannot be written to is left alone


class Doubts:
    """What was sent and not confirmed, by what it is of: said again after a pause that doubles, until one arrives."""

    def __init__(self) -> None:
        self._waits: dict[int, tuple[timedelta, datetime]] = {}  # the last pause, and its end

    def grow(self, of: int, now: datetime) -> None:
        last = self._waits.get(of)
        wait = min(last[0] * 2, LONGEST_DOUBT) if last else FIRST_DOUBT
        self._waits[of] = wait, now + wait

    def holds(self, of: int, now: datetime) -> bool:
        return of in self._waits and self._waits[of][1] > now

    def end(self, of: int) -> None:
        self._waits.pop(of, None)


class Pacing:
    """Counts what goes into each chat."""

    def __init__(self, per_minute: int) -> None:
        self._budget = Budget(WHOLE, PRIVATE, Rate.at_most(per_minute, timedelta(minutes=1)))
        self._held: dict[str, datetime] = {}
        self._problems: dict[str, str] = {}  # of groups that cannot be written to
        self._topics = Bucket(TOPICS)
        self._topicless: dict[str, datetime] = {}  # group → until when no topic is made there
        self._topic_problems: dict[str, str] = {}

    def may_send(self, chat_id: str, now: datetime, cost: int = 1) -> bool:
        """Whether `cost` messages may go there now; then they are counted. An album costs its pictures."""
        is_group = chat_id.startswith("-")
        if self.is_held(chat_id, now) or self._budget.wait_for(now, chat_id, is_group=is_group):
            return False
        # What an album takes beyond what is there, those behind it wait for.
        for _ in range(cost - 1):
            self._budget.wait_for(now, chat_id, is_group=is_group)
        return True

    def is_held(self, chat_id: str, now: datetime) -> bool:
        return self._held.get(chat_id, now) > now

    def hold(self, chat_id: str, now: datetime, error: DeliveryError) -> None:
        """Leave the chat alone as long as Telegram asks, or for a while when it cannot be written to."""
        if error.retry_after is not None:
            self._budget.obey(now, chat_id, error.retry_after)
        elif not isinstance(error, Ambiguous):
            self._held[chat_id] = now + DOWN
            if error.is_permanent and chat_id.startswith("-"):
                self._problems[chat_id] = str(error.facts.get("reason") or error)

    def went_well(self, chat_id: str) -> None:
        """Something arrived there."""
        self._problems.pop(chat_id, None)

    def may_make_topic(self, chat_id: str, now: datetime) -> bool:
        """Whether a topic may be made there now; `topic_asked` counts it. It stands in the group as a message, too."""
        return self._topicless.get(chat_id, now) <= now and not self._topics.wait(now)

    def topic_asked(self, now: datetime) -> None:
        self._topics.take(now)

    def hold_topics(self, chat_id: str, now: datetime, error: DeliveryError) -> None:
        """Make none there as long as Telegram asks, or for a while. Those that stand are written in all the same."""
        self._topicless[chat_id] = now + (error.retry_after or DOWN)
        if error.is_permanent:
            self._topic_problems[chat_id] = str(error.facts.get("reason") or error)

    def topic_made(self, chat_id: str) -> None:
        self._topic_problems.pop(chat_id, None)

    def problem(self, now: datetime) -> str:
        """Why a group cannot be written to, or takes no topics; "": all can, or nobody has tried lately."""
        topics = (why for one, why in self._topic_problems.items() if self._topicless[one] > now - DOWN)
        return next(iter((*self._problems.values(), *topics)), "")
