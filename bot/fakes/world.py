"""What all bots of one server share: people, groups, files, and the place that a call means."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.fakes.bots import Account
from bot.fakes.calls import Fields
from bot.fakes.chats import Chat, Sent, Topic
from bot.fakes.files import Files
from bot.fakes.refusal import Refusal, bad, forbidden, too_many

DAY = 86_400  # seconds
SERVICE = ("forum_topic_", "migrate_", "new_chat_", "left_chat_", "pinned_")  # how the names of events begin


@dataclass(frozen=True)
class Place:
    """Where a message goes."""

    chat: Chat
    thread: Topic | None = None
    connection: str = ""


class World:
    """`clock` gives the seconds since 1970; rate limits, dates and what is too old go by it."""

    def __init__(self, clock: Callable[[], float], first: int) -> None:
        self.clock = clock
        self.first = first
        self.accounts: dict[str, Account] = {}  # by token
        self.people: dict[int, dict[str, Any]] = {}
        self.groups: dict[int, Chat] = {}
        self.files = Files()
        self.sent: list[Sent] = []
        self.blocked: set[int] = set()  # people who blocked the bots
        self.deactivated: set[int] = set()
        self._numbers = itertools.count(first)
        self._sent_by_place: dict[tuple[int, int, int], Sent] = {}

    def person(self, user_id: int) -> dict[str, Any]:
        known = self.people.get(user_id, {"first_name": "小", "last_name": "陈", "language_code": "zh-hans"})
        return {"id": user_id, "is_bot": False, **known}

    def account_of(self, bot_id: int) -> Account | None:
        return next((account for account in self.accounts.values() if account.id == bot_id), None)

    # Places

    def private(self, bot: Account, user_id: int) -> Chat:
        """The chat of a person with a bot, opened by the person."""
        if user_id not in bot.chats:
            bot.chats[user_id] = Chat(user_id, "private", members={user_id, bot.id}, admins={bot.id})
        return bot.chats[user_id]

    def place(self, bot: Account, fields: Fields) -> Place:
        """Where a call writes to. Raises Refusal in Telegram's words."""
        if connection := fields.text("business_connection_id"):
            return Place(self._customer(bot, connection, fields), connection=connection)
        chat = self.chat(bot, fields)
        if chat.id in self.deactivated:
            raise forbidden("user is deactivated")
        if chat.is_private and chat.id in self.blocked:
            raise forbidden("bot was blocked by the user")
        thread_id = fields.number("message_thread_id", 0)
        return Place(chat, self.topic(chat, thread_id) if thread_id else None)

    def chat(self, bot: Account, fields: Fields) -> Chat:
        """The chat that a call names."""
        name = fields.text("chat_id").strip()
        if not name:
            raise bad("chat_id is empty")
        chat_id = int(name) if name.lstrip("-").isdecimal() else 0
        chat = bot.chats.get(chat_id) or self.groups.get(chat_id)
        if chat is None:
            raise bad("chat not found")
        if chat.moved_to:
            raise bad("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.moved_to)
        if bot.id not in chat.members:
            raise forbidden(f"bot is not a member of the {chat.kind} chat")
        return chat

    def topic(self, chat: Chat, thread_id: int) -> Topic:
        topic = chat.topics.get(thread_id)
        if topic is None or topic.is_deleted:
            raise bad("message thread not found")
        return topic

    def _customer(self, bot: Account, connection: str, fields: Fields) -> Chat:
        business = bot.businesses.get(connection)
        if business is None or not business.is_enabled:
            raise bad("BUSINESS_CONNECTION_INVALID")
        if not business.can_reply:
            raise forbidden("BUSINESS_CONNECTION_NOT_ALLOWED")
        chat = business.chats.get(fields.number("chat_id"))
        if chat is None or chat.heard_at is None or chat.heard_at < self.clock() - DAY:
            raise bad("BUSINESS_PEER_USAGE_MISSING")
        return chat

    def obey_limits(self, bot: Account, chat: Chat, messages: int = 1) -> None:
        if bot.limits and (wait := bot.limits.wait_for(chat.id, self.clock(), messages)):
            raise too_many(wait)

    # Messages

    def compose(self, chat: Chat, sender: dict[str, Any], thread: Topic | None) -> dict[str, Any]:
        """A message without content, numbered: in a private chat by the bot, elsewhere by the chat."""
        if chat.is_private:
            number = next(self._numbers)
        else:
            number = chat.last_number = chat.last_number + 1
        message = {"message_id": number, "date": int(self.clock()), "chat": chat.wire(self.person(chat.id))}
        message |= {"from": sender}
        if thread:
            message |= {"message_thread_id": thread.id, "is_topic_message": True}
        chat.messages[number] = message
        return message

    def record(self, bot: Account, place: Place, message: dict[str, Any], fields: Fields, method: str) -> Sent:
        """What a bot has sent, for the tests to look at."""
        sent = Sent(
            chat_id=place.chat.id,
            message_id=message["message_id"],
            text=message.get("text", message.get("caption", "")),
            buttons=buttons_of(fields),
            fields=fields,
            bot_id=bot.id,
            method=method,
            at=self.clock(),
            thread_id=place.thread.id if place.thread else None,
            connection=place.connection,
            is_protected=fields.flag("protect_content"),
        )
        self.sent.append(sent)
        self._sent_by_place[bot.id, place.chat.id, sent.message_id] = sent
        return sent

    def find_sent(self, bot: Account, chat_id: int, message_id: int) -> Sent | None:
        return self._sent_by_place.get((bot.id, chat_id, message_id))

    # Updates

    def tell(self, chat: Chat, kind: str, message: dict[str, Any]) -> dict[str, Any]:
        """Give a message to every bot that hears it; the update of the first, or one that nobody got."""
        hearers = [account for account in self.accounts.values() if self._hears(account, chat, message)]
        updates = [account.updates.push({kind: dict(message)}) for account in hearers]
        return updates[0] if updates else {kind: message}

    def _hears(self, bot: Account, chat: Chat, message: dict[str, Any]) -> bool:
        if chat.is_private:  # what a bot does itself it is not told
            return bot.chats.get(chat.id) is chat and message["from"]["id"] != bot.id
        if bot.id not in chat.members or message["from"].get("is_bot"):
            return False
        if not bot.is_private or bot.id in chat.admins or any(name.startswith(SERVICE) for name in message):
            return True
        text = message.get("text", message.get("caption", ""))
        is_command = text.startswith("/") and ("@" not in text.split()[0] or f"@{bot.username}" in text)
        answered = message.get("reply_to_message", {}).get("from", {}).get("id")
        return is_command or f"@{bot.username}" in text or answered == bot.id


def quoted(message: dict[str, Any]) -> dict[str, Any]:
    """A message as it stands in its reply: what it replied to itself is left out."""
    return {name: value for name, value in message.items() if name != "reply_to_message"}


def buttons_of(fields: Fields) -> list[dict[str, str]]:
    """The inline buttons of a call. Raises Refusal for what Telegram does not take."""
    markup = fields.value("reply_markup") or {}
    buttons = [button for row in markup.get("inline_keyboard", ()) for button in row]
    for button in buttons:
        if not button.get("text"):
            raise bad("can't parse inline keyboard button: InlineKeyboardButton must contain text")
        if len(button.keys() & {"callback_data", "url", "web_app", "copy_text", "switch_inline_query"}) != 1:
            raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
        if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= 64:
            raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
    return buttons
