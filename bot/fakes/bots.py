"""A bot's account at Telegram: its token, its updates, and what it has set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.fakes.chats import Chat
from bot.fakes.limits import Limits
from bot.fakes.updates import Updates


@dataclass
class Business:
    """A person lets a bot speak in their name."""

    id: str
    owner_id: int
    can_reply: bool = True
    is_enabled: bool = True
    chats: dict[int, Chat] = field(default_factory=dict)  # with the owner's customers

    def wire(self, owner: dict[str, Any], now: float) -> dict[str, Any]:
        return {
            "id": self.id,
            "user": owner,
            "user_chat_id": self.owner_id,
            "date": int(now),
            "rights": {"can_reply": True} if self.can_reply else {},
            "is_enabled": self.is_enabled,
        }


@dataclass
class Account:
    """One bot."""

    token: str
    clock: Callable[[], float]
    first: int  # the number of its first update
    name: str = "Kadesk"
    username: str = "kadesk_bot"
    is_private: bool = True  # in groups it hears only what is meant for it, unless it is an administrator
    has_topics: bool = False  # in private chats
    limits: Limits | None = None  # None: it may write as fast as it likes
    chats: dict[int, Chat] = field(default_factory=dict)  # with people, by their number
    businesses: dict[str, Business] = field(default_factory=dict)
    pressed: list[str] = field(default_factory=list)  # callback queries that were answered
    notices: list[str] = field(default_factory=list)  # the words of those answers
    commands: dict[str, list[dict[str, str]]] = field(default_factory=dict)  # by scope and language
    actions: list[tuple[int, str]] = field(default_factory=list)  # chat and what it is said to be doing
    queries: dict[str, float] = field(default_factory=dict)  # when each press was made

    def __post_init__(self) -> None:
        self.id = int(self.token.partition(":")[0])
        self.updates = Updates(self.clock, self.first)

    def wire(self) -> dict[str, Any]:
        """As it stands in a message."""
        return {"id": self.id, "is_bot": True, "first_name": self.name, "username": self.username}

    def me(self) -> dict[str, Any]:
        """What getMe says."""
        return self.wire() | {
            "can_join_groups": True,
            "can_read_all_group_messages": not self.is_private,
            "supports_inline_queries": False,
            "can_connect_to_business": True,
            "has_main_web_app": False,
            "has_topics_enabled": self.has_topics,
            "allows_users_to_create_topics": self.has_topics,
        }
