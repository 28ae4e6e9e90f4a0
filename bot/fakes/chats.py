"""Chats, their people, topics and messages, as Telegram's bots see them."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Topic:
    """A thread of a forum."""

    id: int
    name: str
    icon_color: int
    is_closed: bool = False
    is_deleted: bool = False


@dataclass
class Chat:
    """A group, or what one person and one bot (or one business) have together."""

    id: int
    kind: str  # private, group or supergroup
    title: str = ""
    is_forum: bool = False
    members: set[int] = field(default_factory=set)  # people and bots
    admins: set[int] = field(default_factory=set)
    topics: dict[int, Topic] = field(default_factory=dict)
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)  # what stands in it, by number
    last_number: int = 0  # of a message; private chats count with their bot
    moved_to: int | None = None  # a group that became a supergroup
    heard_at: float | None = None  # when the person wrote last

    @property
    def is_private(self) -> bool:
        return self.kind == "private"

    def wire(self, person: dict[str, Any]) -> dict[str, Any]:
        """As it stands in a message."""
        if self.is_private:
            names = ("first_name", "last_name", "username")
            return {"id": self.id, "type": "private"} | {name: person[name] for name in names if name in person}
        return {"id": self.id, "type": self.kind, "title": self.title} | ({"is_forum": True} if self.is_forum else {})


@dataclass
class Sent:
    """A message that a bot has sent, as it stands now."""

    chat_id: int
    message_id: int
    text: str  # or the caption; without its markup
    buttons: list[dict[str, str]]
    fields: dict[str, Any]  # of the call that sent it
    bot_id: int = 0
    method: str = "sendMessage"
    at: float = 0
    thread_id: int | None = None
    connection: str = ""  # of the business in whose name it was sent
    is_protected: bool = False
    edits: list[str] = field(default_factory=list)  # the texts before
    is_deleted: bool = False


def command_entities(text: str, username: str = "") -> list[dict[str, Any]]:
    """What Telegram marks in typed words: a command at the beginning, and the bot's own name."""
    found = []
    if text.startswith("/") and len(text) > 1 and text[1].isalnum():
        found.append({"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])})
    place = text.find(f"@{username}") if username else -1
    if place > 0 and not found:
        found.append({"type": "mention", "offset": place, "length": len(username) + 1})
    return found
