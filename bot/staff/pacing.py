"""How fast the bot may write into each chat, and when to leave one alone. In memory: losing it costs a minute."""

from datetime import datetime, timedelta

from bot.budget import Budget, Rate
from bot.errors import Ambiguous, DeliveryError

PRIVATE = Rate(timedelta(seconds=1), 5)
WHOLE = Rate(timedelta(milliseconds=50), 10)  # Telegram takes about 30 a second
DOWN = timedelta(seconds=30)  # how long a chat that cannot be written to is left alone


class Pacing:
    """Counts what goes into each chat."""

    def __init__(self, per_minute: int) -> None:
        self._budget = Budget(WHOLE, PRIVATE, Rate.at_most(per_minute, timedelta(minutes=1)))
        self._held: dict[str, datetime] = {}

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
