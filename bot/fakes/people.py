"""What people do on Telegram: they write, press, edit, block, open groups and move them."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from bot.fakes.bots import Account, Business
from bot.fakes.calls import Upload
from bot.fakes.chats import Chat, Topic, command_entities
from bot.fakes.files import wire
from bot.fakes.topics import Topics
from bot.fakes.world import quoted

PIXELS = bytes.fromhex(  # a PNG of one pixel
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63387180010003dc01892c276e090000000049454e44ae426082"
)


class People(Topics):
    """People are numbers. Without `bot`, a person means the first bot; a negative chat is a group."""

    bot: Account  # the first
    _queries = itertools.count(10**15)
    _albums = itertools.count(13 * 10**15)

    # Messages

    def say(self, chat_id: int, text: str, **more: Any) -> dict[str, Any]:
        """Returns the update that the bot gets."""
        entities = command_entities(text, self.bot.username)
        return self.send(chat_id, {"text": text} | ({"entities": entities} if entities else {}), **more)

    def send(
        self,
        chat_id: int,
        content: dict[str, Any],
        *,
        bot: Account | None = None,
        sender: int | None = None,  # who writes in a group
        thread_id: int | None = None,
        reply_to: int | None = None,
        connection: str = "",  # to a business, which a bot answers for
        **more: Any,
    ) -> dict[str, Any]:
        """A message with any content."""
        bot = bot or self.bot
        if connection:
            return self._send_to_business(bot, chat_id, connection, content | more)
        chat = self.groups[chat_id] if chat_id < 0 else self.private(bot, chat_id)
        chat.heard_at = self.clock()
        thread = self.topic(chat, thread_id) if thread_id else None
        message = self.compose(chat, self.person(sender or chat_id), thread)
        if answered := reply_to or thread_id:  # what stands in a topic answers its beginning, if nothing else
            message["reply_to_message"] = quoted(chat.messages[answered])
        message |= content | more
        return self.tell(chat, "message", message)

    def photo(self, chat_id: int, content: bytes = PIXELS, caption: str = "", **more: Any) -> dict[str, Any]:
        return self.file(chat_id, "photo", Upload("photo.png", "image/png", content), caption, **more)

    def document(
        self, chat_id: int, content: bytes, name: str = "a.pdf", mime: str = "application/pdf", **more: Any
    ) -> dict[str, Any]:
        return self.file(chat_id, "document", Upload(name, mime, content), **more)

    def file(
        self, chat_id: int, kind: str, upload: Upload, caption: str = "", *, bot: Account | None = None, **more: Any
    ) -> dict[str, Any]:
        """`kind` is photo, document, voice, video, audio or sticker; the bot can fetch it."""
        bot = bot or self.bot
        content: dict[str, Any] = {kind: wire(kind, self.files.keep(bot.id, kind, upload))}
        return self.send(chat_id, content | ({"caption": caption} if caption else {}), bot=bot, **more)

    def album(self, chat_id: int, pictures: Sequence[bytes], caption: str = "", **more: Any) -> list[dict[str, Any]]:
        """One update for each picture; the caption stands at the first."""
        group = str(next(self._albums))
        return [
            self.photo(chat_id, content, "" if number else caption, media_group_id=group, **more)
            for number, content in enumerate(pictures)
        ]

    def edit(self, chat_id: int, message_id: int, text: str, *, bot: Account | None = None) -> dict[str, Any]:
        chat = self.groups[chat_id] if chat_id < 0 else self.private(bot or self.bot, chat_id)
        message = chat.messages[message_id]
        message["caption" if "caption" in message or "text" not in message else "text"] = text
        message["edit_date"] = int(self.clock())
        return self.tell(chat, "edited_message", message)

    def press(
        self, chat_id: int, data: str, *, bot: Account | None = None, sender: int | None = None
    ) -> dict[str, Any]:
        """Press the newest button with this data; one that stands nowhere was under a message that is gone."""
        bot = bot or self.bot
        chat = self.groups[chat_id] if chat_id < 0 else self.private(bot, chat_id)
        holding = [message for message in chat.messages.values() if _has_button(message, data)]
        person = self.person(sender or chat_id)
        query_id = str(next(self._queries))
        message = dict(holding[-1]) if holding else self.compose(chat, person, None) | {"text": "…"}
        bot.queries[query_id] = self.clock()
        query = {"id": query_id, "from": person, "chat_instance": "77", "data": data, "message": message}
        return bot.updates.push({"callback_query": query})

    def push(self, update: dict[str, Any], *, bot: Account | None = None) -> dict[str, Any]:
        """Any update as it is, to one bot."""
        return (bot or self.bot).updates.push(update)

    # Coming and going

    def block(self, chat_id: int, *, bot: Account | None = None) -> dict[str, Any]:
        self.blocked.add(chat_id)
        return self._turn(bot or self.bot, chat_id, "member", "kicked")

    def unblock(self, chat_id: int, *, bot: Account | None = None) -> dict[str, Any]:
        self.blocked.discard(chat_id)
        return self._turn(bot or self.bot, chat_id, "kicked", "member")

    def _turn(self, bot: Account, chat_id: int, old: str, new: str) -> dict[str, Any]:
        until = {"until_date": 0}
        change = {
            "chat": self.private(bot, chat_id).wire(self.person(chat_id)),
            "from": self.person(chat_id),
            "date": int(self.clock()),
            "old_chat_member": {"user": bot.wire(), "status": old} | (until if old == "kicked" else {}),
            "new_chat_member": {"user": bot.wire(), "status": new} | (until if new == "kicked" else {}),
        }
        return bot.updates.push({"my_chat_member": change})

    # Groups

    def group(
        self,
        title: str = "客服",
        *,
        people: Iterable[int] = (),
        bots: Iterable[Account] = (),
        admins: Iterable[int] = (),
        is_forum: bool = False,
        kind: str = "supergroup",
    ) -> int:
        """Open a group; its number. `admins` are people and bots, members too."""
        start = -1_000_000_000_000 if kind == "supergroup" else 0
        chat_id = start - 700_000 - len(self.groups)
        members = {*people, *admins, *(bot.id for bot in bots)}
        self.groups[chat_id] = Chat(chat_id, kind, title, is_forum, members, set(admins))
        return chat_id

    def topic_of(self, chat_id: int, name: str) -> Topic:
        """The newest topic of this name that is not deleted."""
        found = [topic for topic in self.groups[chat_id].topics.values() if topic.name == name and not topic.is_deleted]
        return found[-1]

    def begin_topic(self, chat_id: int, *, bot: Account | None = None) -> int:
        """A person begins a topic in their own chat with a bot, as apps do with the first word; its number."""
        bot = bot or self.bot
        assert bot.has_topics, "nobody makes topics with this bot"
        chat = self.private(bot, chat_id)
        return self.open_topic(chat, self.person(chat_id), "New Topic", is_name_implicit=True).id

    def delete_topic(self, chat_id: int, thread_id: int, *, bot: Account | None = None) -> None:
        """A person deletes a topic; no bot hears of it."""
        chat = self.groups[chat_id] if chat_id < 0 else self.private(bot or self.bot, chat_id)
        self.remove_topic(chat, chat.topics[thread_id])

    def close_topic(self, chat_id: int, thread_id: int, *, sender: int) -> None:
        chat = self.groups[chat_id]
        self.shut(chat, self.person(sender), chat.topics[thread_id], is_closed=True)

    def reopen_topic(self, chat_id: int, thread_id: int, *, sender: int) -> None:
        chat = self.groups[chat_id]
        self.shut(chat, self.person(sender), chat.topics[thread_id], is_closed=False)

    def migrate(self, chat_id: int, *, is_forum: bool = False) -> int:
        """A group becomes a supergroup; its new number."""
        old = self.groups[chat_id]
        new_id = self.group(old.title, people=old.members, admins=old.admins, is_forum=is_forum)
        somebody = self.person(min(old.members - {bot.id for bot in self.accounts.values()}, default=1))
        self.tell(old, "message", self.compose(old, somebody, None) | {"migrate_to_chat_id": new_id})
        old.moved_to = new_id
        new = self.groups[new_id]
        self.tell(new, "message", self.compose(new, somebody, None) | {"migrate_from_chat_id": chat_id})
        return new_id

    # A business whose chats a bot answers

    def connect(self, owner_id: int, *, bot: Account | None = None, can_reply: bool = True) -> str:
        """The owner of a business lets the bot speak for it; the connection's id."""
        bot = bot or self.bot
        business = Business(f"biz{owner_id}x{len(bot.businesses)}", owner_id, can_reply)
        bot.businesses[business.id] = business
        self.private(bot, owner_id)
        bot.updates.push({"business_connection": business.wire(self.person(owner_id), self.clock())})
        return business.id

    def disconnect(self, connection: str, *, bot: Account | None = None) -> None:
        bot = bot or self.bot
        business = bot.businesses[connection]
        business.is_enabled = False
        bot.updates.push({"business_connection": business.wire(self.person(business.owner_id), self.clock())})

    def _send_to_business(self, bot: Account, chat_id: int, connection: str, content: dict[str, Any]) -> dict[str, Any]:
        business = bot.businesses[connection]
        chat = business.chats.setdefault(chat_id, Chat(chat_id, "private"))
        chat.heard_at = self.clock()
        message = self.compose(chat, self.person(chat_id), None)
        message |= {"business_connection_id": connection} | content
        return bot.updates.push({"business_message": message})


def _has_button(message: dict[str, Any], data: str) -> bool:
    rows = message.get("reply_markup", {}).get("inline_keyboard", ())
    return any(button.get("callback_data") == data for row in rows for button in row)
