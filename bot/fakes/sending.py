"""The methods by which a bot sends, changes and deletes messages."""

from typing import Any

from bot.fakes.bots import Account
from bot.fakes.calls import Fields
from bot.fakes.entities import parse_html, width
from bot.fakes.files import wire
from bot.fakes.refusal import bad
from bot.fakes.world import DAY, Place, World, buttons_of, quoted

TEXT_LIMIT = 4096  # UTF-16 units
CAPTION_LIMIT = 1024
SAME = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)


class Sending(World):
    """A method of the Bot API is `_on_` and its name."""

    async def _on_sendMessage(self, bot: Account, fields: Fields) -> dict[str, Any]:
        place = self.place(bot, fields)
        content = _words(fields, "text", TEXT_LIMIT, "message is too long")
        if not content["text"].strip():
            raise bad("message text is empty")
        return self._send(bot, place, content, fields, "sendMessage")

    async def _send_file(self, kind: str, bot: Account, fields: Fields) -> dict[str, Any]:
        place = self.place(bot, fields)
        file = self.files.take(bot.id, kind, fields.upload(kind))
        content = {kind: wire(kind, file)} | _words(fields, "caption", CAPTION_LIMIT, "message caption is too long")
        return self._send(bot, place, content, fields, f"send{kind.title()}")

    async def _on_sendPhoto(self, bot: Account, fields: Fields) -> dict[str, Any]:
        return await self._send_file("photo", bot, fields)

    async def _on_sendDocument(self, bot: Account, fields: Fields) -> dict[str, Any]:
        return await self._send_file("document", bot, fields)

    async def _on_sendVoice(self, bot: Account, fields: Fields) -> dict[str, Any]:
        return await self._send_file("voice", bot, fields)

    async def _on_sendVideo(self, bot: Account, fields: Fields) -> dict[str, Any]:
        return await self._send_file("video", bot, fields)

    async def _on_sendAudio(self, bot: Account, fields: Fields) -> dict[str, Any]:
        return await self._send_file("audio", bot, fields)

    async def _on_sendSticker(self, bot: Account, fields: Fields) -> dict[str, Any]:
        return await self._send_file("sticker", bot, fields)

    async def _on_sendMediaGroup(self, bot: Account, fields: Fields) -> list[dict[str, Any]]:
        place, media = self.place(bot, fields), fields.value("media") or []
        if not 2 <= len(media) <= 10:
            raise bad("can't parse media: wrong number of media in the group")
        parts = []
        for one in media:
            part = Fields(fields | one | {"reply_markup": None})
            file = self.files.take(bot.id, one["type"], part.upload("media"))
            words = _words(part, "caption", CAPTION_LIMIT, "message caption is too long")
            parts.append(({one["type"]: wire(one["type"], file)} | words, part))
        self.obey_limits(bot, place.chat, len(parts))
        group = {"media_group_id": str(10**16 + len(self.sent))}
        return [self._post(bot, place, group | content, part, "sendMediaGroup") for content, part in parts]

    async def _on_editMessageText(self, bot: Account, fields: Fields) -> dict[str, Any]:
        message = self._own(bot, fields, "edited")
        if "text" not in message:
            raise bad("there is no text in the message to edit")
        content = _words(fields, "text", TEXT_LIMIT, "MESSAGE_TOO_LONG")
        if not content["text"].strip():
            raise bad("message text is empty")
        return self._change(bot, message, content, fields)

    async def _on_editMessageCaption(self, bot: Account, fields: Fields) -> dict[str, Any]:
        message = self._own(bot, fields, "edited")
        return self._change(bot, message, _words(fields, "caption", CAPTION_LIMIT, "MEDIA_CAPTION_TOO_LONG"), fields)

    async def _on_editMessageReplyMarkup(self, bot: Account, fields: Fields) -> dict[str, Any]:
        return self._change(bot, self._own(bot, fields, "edited"), {}, fields)

    async def _on_deleteMessage(self, bot: Account, fields: Fields) -> bool:
        place, number = self.place(bot, fields), fields.number("message_id")
        message = place.chat.messages.get(number)
        if message is None:
            raise bad("message to delete not found")
        if message["date"] < self.clock() - 2 * DAY:
            raise bad("message can't be deleted for everyone")
        del place.chat.messages[number]
        if sent := self.find_sent(bot, place.chat.id, number):
            sent.is_deleted = True
        return True

    async def _on_deleteMessages(self, bot: Account, fields: Fields) -> bool:
        place = self.place(bot, fields)
        for number in fields.value("message_ids") or ():
            place.chat.messages.pop(int(number), None)
            if sent := self.find_sent(bot, place.chat.id, int(number)):
                sent.is_deleted = True
        return True

    async def _on_pinChatMessage(self, bot: Account, fields: Fields) -> bool:
        if fields.number("message_id") not in self.place(bot, fields).chat.messages:
            raise bad("message to pin not found")
        return True

    async def _on_unpinChatMessage(self, bot: Account, fields: Fields) -> bool:
        self.place(bot, fields)
        return True

    async def _on_setMessageReaction(self, bot: Account, fields: Fields) -> bool:
        if fields.number("message_id") not in self.place(bot, fields).chat.messages:
            raise bad("message to react not found")
        return True

    async def _on_sendChatAction(self, bot: Account, fields: Fields) -> bool:
        bot.actions.append((self.place(bot, fields).chat.id, fields.text("action")))
        return True

    def _send(self, bot: Account, place: Place, content: dict[str, Any], fields: Fields, method: str) -> dict[str, Any]:
        buttons_of(fields)
        answered = self._answered(place, fields)
        self.obey_limits(bot, place.chat)
        return self._post(bot, place, content | answered, fields, method)

    def _post(self, bot: Account, place: Place, content: dict[str, Any], fields: Fields, method: str) -> dict[str, Any]:
        message = self.compose(place.chat, bot.wire(), place.thread)
        if place.connection:
            owner = self.person(bot.businesses[place.connection].owner_id)
            message |= {"business_connection_id": place.connection, "from": owner, "sender_business_bot": bot.wire()}
        message |= content
        if (markup := fields.value("reply_markup")) and "inline_keyboard" in markup:
            message["reply_markup"] = markup
        if fields.flag("protect_content"):
            message["has_protected_content"] = True
        self.record(bot, place, message, fields, method)
        return message

    def _answered(self, place: Place, fields: Fields) -> dict[str, Any]:
        """The message that this one replies to."""
        reply = fields.value("reply_parameters") or {}
        number = reply.get("message_id") or fields.number("reply_to_message_id", 0)
        if not number:
            return {}
        found = place.chat.messages.get(int(number))
        if found is None and not reply.get("allow_sending_without_reply"):
            raise bad("message to be replied not found")
        return {"reply_to_message": quoted(found)} if found else {}

    def _own(self, bot: Account, fields: Fields, done: str) -> dict[str, Any]:
        """The message of the bot that a call names."""
        chat = self.place(bot, fields).chat
        message = chat.messages.get(fields.number("message_id"))
        if message is None:
            raise bad(f"message to {done.removesuffix('ed')} not found")
        if bot.id not in (message["from"]["id"], message.get("sender_business_bot", {}).get("id")):
            raise bad(f"message can't be {done}")
        return message

    def _change(self, bot: Account, message: dict[str, Any], content: dict[str, Any], fields: Fields) -> dict[str, Any]:
        buttons = buttons_of(fields)
        markup = {"reply_markup": fields.value("reply_markup")} if buttons else {}
        kept = {name: value for name, value in message.items() if name not in ("reply_markup", "edit_date")}
        fresh = {name: value for name, value in kept.items() if not content or not name.endswith("entities")}
        fresh |= content | markup
        if fresh == {name: value for name, value in message.items() if name != "edit_date"}:
            raise bad(SAME)
        message.clear()
        message |= fresh | {"edit_date": int(self.clock())}
        if sent := self.find_sent(bot, message["chat"]["id"], message["message_id"]):
            sent.edits.append(sent.text)
            sent.text, sent.buttons = message.get("text", message.get("caption", "")), buttons
        return message


def _words(fields: Fields, name: str, limit: int, problem: str) -> dict[str, Any]:
    """Text or caption with its entities."""
    text, mode = fields.text(name), fields.text("parse_mode").lower()
    entities = fields.value("entities" if name == "text" else "caption_entities")
    if mode == "html":
        text, entities = parse_html(text)
    elif mode:
        raise bad("unsupported parse_mode")
    if width(text) > limit:
        raise bad(problem)
    found: dict[str, Any] = {name: text} if text or name == "text" else {}
    return found | ({"entities" if name == "text" else "caption_entities": entities} if text and entities else {})
