"""The methods of forums: a topic is made, renamed, closed, opened again and deleted.

In private chats of a bot that has topics they are made, renamed and deleted, never closed.
Source: https://core.telegram.org/bots/api#createforumtopic and the methods beside it.
"""

from typing import Any

from bot.fakes.bots import Account
from bot.fakes.calls import Fields
from bot.fakes.chats import Chat, Topic
from bot.fakes.refusal import bad, forbidden, too_many
from bot.fakes.world import World

ICON = 0x6FB9F0  # the colour of a topic for which none was chosen
COLOURS = (0x6FB9F0, 0xFFD67E, 0xCB86DB, 0x8EEE98, 0xFF93B2, 0xFB6F5F)


class Topics(World):
    """A method of the Bot API is `_on_` and its name."""

    async def _on_createForumTopic(self, bot: Account, fields: Fields) -> dict[str, Any]:
        chat = self._forum(bot, fields, "create a topic")
        name, colour = fields.text("name"), fields.number("icon_color", ICON)
        if not 1 <= len(name) <= 128:
            raise bad("TOPIC_TITLE_EMPTY" if not name else "TOPIC_TITLE_INVALID")
        if colour not in COLOURS:
            raise bad("invalid icon color specified")
        self.obey_limits(bot, chat)
        if bot.limits and (wait := bot.limits.wait_for_topic(chat.id, self.clock())):
            raise too_many(wait)
        topic = self.open_topic(chat, bot.wire(), name, colour)
        return {"message_thread_id": topic.id, "name": name, "icon_color": colour}

    async def _on_editForumTopic(self, bot: Account, fields: Fields) -> bool:
        chat, topic = self._topic(bot, fields, "edit the topic")
        name = fields.text("name") or topic.name
        if len(name) > 128:
            raise bad("TOPIC_TITLE_INVALID")
        if name == topic.name and not fields.text("icon_custom_emoji_id"):
            raise bad("TOPIC_NOT_MODIFIED")
        topic.name = name
        self.note(chat, bot.wire(), topic, {"forum_topic_edited": {"name": name}})
        return True

    async def _on_closeForumTopic(self, bot: Account, fields: Fields) -> bool:
        chat, topic = self._topic(bot, fields, "close the topic", is_in_group=True)
        return self.shut(chat, bot.wire(), topic, is_closed=True)

    async def _on_reopenForumTopic(self, bot: Account, fields: Fields) -> bool:
        chat, topic = self._topic(bot, fields, "reopen the topic", is_in_group=True)
        return self.shut(chat, bot.wire(), topic, is_closed=False)

    async def _on_deleteForumTopic(self, bot: Account, fields: Fields) -> bool:
        chat, topic = self._topic(bot, fields, "delete the topic")
        self.remove_topic(chat, topic)
        return True

    async def _on_getForumTopicIconStickers(self, bot: Account, fields: Fields) -> list[Any]:
        return []

    def open_topic(self, chat: Chat, sender: dict[str, Any], name: str, colour: int = ICON, **facts: Any) -> Topic:
        """A topic's number is that of the service message that tells of it."""
        message = self.compose(chat, sender, None)
        topic = chat.topics[message["message_id"]] = Topic(message["message_id"], name, colour)
        message |= {"message_thread_id": topic.id, "is_topic_message": True}
        message["forum_topic_created"] = {"name": name, "icon_color": colour} | facts
        self.tell(chat, "message", message)
        return topic

    def shut(self, chat: Chat, sender: dict[str, Any], topic: Topic, is_closed: bool) -> bool:
        if topic.is_closed == is_closed:
            raise bad("TOPIC_NOT_MODIFIED")
        topic.is_closed = is_closed
        self.note(chat, sender, topic, {"forum_topic_closed" if is_closed else "forum_topic_reopened": {}})
        return True

    def remove_topic(self, chat: Chat, topic: Topic) -> None:
        """With all that stands in it; nobody is told."""
        topic.is_deleted = True
        for number, message in list(chat.messages.items()):
            if message.get("message_thread_id") == topic.id:
                chat.messages[number] = {"message_id": number, "is_gone": True, "from": {"id": 0}, "date": 0}

    def note(self, chat: Chat, sender: dict[str, Any], topic: Topic, event: dict[str, Any]) -> None:
        """A service message in the topic."""
        message = self.compose(chat, sender, topic)
        message |= event
        self.tell(chat, "message", message)

    def _topic(self, bot: Account, fields: Fields, what: str, *, is_in_group: bool = False) -> tuple[Chat, Topic]:
        chat = self._forum(bot, fields, what)
        if is_in_group and chat.is_private:
            raise bad("the chat is not a supergroup")
        topic = chat.topics.get(fields.number("message_thread_id"))
        if topic is None:
            raise bad("TOPIC_ID_INVALID")
        if topic.is_deleted:
            raise bad("TOPIC_DELETED")
        return chat, topic

    def _forum(self, bot: Account, fields: Fields, what: str) -> Chat:
        chat = self.chat(bot, fields)
        if chat.id in self.blocked:
            raise forbidden("bot was blocked by the user")
        if not (bot.has_topics if chat.is_private else chat.is_forum):
            raise bad("the chat is not a forum")
        if bot.id not in chat.admins:
            raise bad(f"not enough rights to {what}")
        return chat
