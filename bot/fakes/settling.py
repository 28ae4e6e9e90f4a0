"""The methods about the bot itself and about chats: updates, webhooks, presses, files, commands, members."""

import re
from collections.abc import Callable
from typing import Any

from aiohttp import ClientSession

from bot.fakes.bots import Account
from bot.fakes.calls import Fields
from bot.fakes.chats import Chat
from bot.fakes.faults import Faults
from bot.fakes.files import DOWNLOAD_LIMIT
from bot.fakes.refusal import bad
from bot.fakes.updates import Pusher
from bot.fakes.world import World

QUERY_LIVES = 60  # seconds in which a press can be answered
TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
_SECRET = re.compile(r"[A-Za-z0-9_-]{0,256}")


class Settling(World):
    """A method of the Bot API is `_on_` and its name."""

    longest_poll = 0.2  # seconds; Telegram's own is 50
    first_wait = 0.02  # seconds before a refused push is tried again; Telegram's own is about 1
    longest_wait = 1.0
    push_timeout = 60.0

    client: ClientSession | None = None  # for webhooks, while the server runs
    faults: Faults
    call: Callable[..., Any]

    async def _on_getMe(self, bot: Account, fields: Fields) -> dict[str, Any]:
        return bot.me()

    async def _on_getUpdates(self, bot: Account, fields: Fields) -> list[dict[str, Any]]:
        bot.updates.allow(fields.value("allowed_updates"))
        offset = fields.number("offset", 0) or None
        timeout = min(float(fields.number("timeout", 0)), self.longest_poll)
        return await bot.updates.get(offset, fields.number("limit", 100), timeout)

    async def _on_setWebhook(self, bot: Account, fields: Fields) -> bool:
        url, secret = fields.text("url"), fields.text("secret_token")
        if not url:
            return await self._on_deleteWebhook(bot, fields)
        if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if not _SECRET.fullmatch(secret):
            raise bad("secret token contains unallowed characters")
        connections = fields.number("max_connections", 40)
        if not 1 <= connections <= 100:
            raise bad("max_connections must be between 1 and 100")
        bot.updates.allow(fields.value("allowed_updates"))
        if fields.flag("drop_pending_updates"):
            bot.updates.forget()
        assert self.client is not None, "the server does not run"
        pusher = Pusher(
            bot.updates,
            self.client,
            url,
            secret=secret,
            max_connections=connections,
            first_wait=self.first_wait,
            longest_wait=self.longest_wait,
            timeout=self.push_timeout,
            answer=lambda call: self.call(bot, call.pop("method"), Fields(call)),
            is_lost=lambda: self.faults.pop("webhook") == "lost",
        )
        bot.updates.set_pusher(pusher)
        return True

    async def _on_deleteWebhook(self, bot: Account, fields: Fields) -> bool:
        bot.updates.set_pusher(None)
        if fields.flag("drop_pending_updates"):
            bot.updates.forget()
        return True

    async def _on_getWebhookInfo(self, bot: Account, fields: Fields) -> dict[str, Any]:
        pusher = bot.updates.pusher
        info: dict[str, Any] = {
            "url": pusher.url if pusher else "",
            "has_custom_certificate": False,
            "pending_update_count": bot.updates.pending,
        }
        if pusher:
            info |= {"max_connections": pusher.max_connections, "ip_address": "127.0.0.1"}
        if pusher and pusher.last_error:
            info |= {"last_error_date": int(pusher.last_error[0]), "last_error_message": pusher.last_error[1]}
        return info | ({"allowed_updates": list(bot.updates.allowed)} if bot.updates.allowed else {})

    async def _on_answerCallbackQuery(self, bot: Account, fields: Fields) -> bool:
        query_id = fields.text("callback_query_id")
        if bot.queries.get(query_id, 0) < self.clock() - QUERY_LIVES:
            raise bad(TOO_OLD)
        if len(fields.text("text")) > 200:
            raise bad("MESSAGE_TOO_LONG")
        bot.pressed.append(query_id)
        bot.notices.append(fields.text("text"))
        return True

    async def _on_getFile(self, bot: Account, fields: Fields) -> dict[str, Any]:
        file = self.files.get(bot.id, fields.text("file_id"))
        if len(file.content) > DOWNLOAD_LIMIT:
            raise bad("file is too big")
        size = len(file.content)
        return {"file_id": file.id, "file_unique_id": file.unique_id, "file_size": size, "file_path": file.path}

    async def _on_setMyCommands(self, bot: Account, fields: Fields) -> bool:
        commands = fields.value("commands") or []
        for one in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", one.get("command", "").removeprefix("/")):
                raise bad("BOT_COMMAND_INVALID")
            if not 1 <= len(one.get("description", "")) <= 256:
                raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        scope = fields.value("scope") or {}
        if scope.get("type") in ("chat", "chat_administrators", "chat_member"):
            self.chat(bot, Fields(scope))
        bot.commands[_scope(fields)] = commands
        return True

    async def _on_getMyCommands(self, bot: Account, fields: Fields) -> list[dict[str, str]]:
        return bot.commands.get(_scope(fields), [])

    async def _on_deleteMyCommands(self, bot: Account, fields: Fields) -> bool:
        bot.commands.pop(_scope(fields), None)
        return True

    async def _on_setChatMenuButton(self, bot: Account, fields: Fields) -> bool:
        return True

    async def _on_setMyDescription(self, bot: Account, fields: Fields) -> bool:
        return True

    async def _on_setMyShortDescription(self, bot: Account, fields: Fields) -> bool:
        return True

    async def _on_getChat(self, bot: Account, fields: Fields) -> dict[str, Any]:
        chat = self.chat(bot, fields)
        return chat.wire(self.person(chat.id)) | {"accent_color_id": 0, "max_reaction_count": 11}

    async def _on_getChatMember(self, bot: Account, fields: Fields) -> dict[str, Any]:
        return self.member(self.chat(bot, fields), fields.number("user_id"))

    async def _on_getChatAdministrators(self, bot: Account, fields: Fields) -> list[dict[str, Any]]:
        chat = self.chat(bot, fields)
        return [self.member(chat, one) for one in sorted(chat.admins)]

    async def _on_getChatMemberCount(self, bot: Account, fields: Fields) -> int:
        return len(self.chat(bot, fields).members)

    async def _on_leaveChat(self, bot: Account, fields: Fields) -> bool:
        chat = self.chat(bot, fields)
        chat.members.discard(bot.id)
        chat.admins.discard(bot.id)
        return True

    async def _on_getBusinessConnection(self, bot: Account, fields: Fields) -> dict[str, Any]:
        business = bot.businesses.get(fields.text("business_connection_id"))
        if business is None:
            raise bad("BUSINESS_CONNECTION_INVALID")
        return business.wire(self.person(business.owner_id), self.clock())

    async def _on_readBusinessMessage(self, bot: Account, fields: Fields) -> bool:
        return True

    def member(self, chat: Chat, user_id: int) -> dict[str, Any]:
        """As getChatMember tells of somebody."""
        account = self.account_of(user_id)
        user = account.wire() if account else self.person(user_id)
        if user_id not in chat.members:
            return {"user": user, "status": "left"}
        if user_id not in chat.admins:
            return {"user": user, "status": "member"}
        rights = (
            *("can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages", "can_manage_video_chats"),
            *("can_restrict_members", "can_promote_members", "can_change_info", "can_invite_users"),
            *("can_post_stories", "can_edit_stories", "can_delete_stories", "can_pin_messages", "can_manage_topics"),
        )
        return {"user": user, "status": "administrator", **{right: right != "is_anonymous" for right in rights}}


def _scope(fields: Fields) -> str:
    scope = fields.value("scope") or {"type": "default"}
    return " ".join(map(str, (*scope.values(), fields.text("language_code")))).strip()
