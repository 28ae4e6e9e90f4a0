"""The menu of commands that Telegram shows beside the field where buyers type."""

import asyncio
import logging
from collections.abc import Mapping

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest, TelegramNotFound

from bot.channels.telegram.methods import SetMyCommands

log = logging.getLogger(__name__)

Menus = Mapping[str, Mapping[str, str]]  # language, "" for all others → command → what it does
AGAIN_AFTER = 60.0  # seconds between tries while Telegram does not answer


async def set_menus(bot: Bot, menus: Menus) -> None:
    """Show these menus in private chats. Nobody waits for it, and without them all else works."""
    while True:
        try:
            for language, commands in menus.items():
                listed = [{"command": name, "description": does} for name, does in commands.items()]
                scope = {"type": "all_private_chats"}
                await bot(SetMyCommands(commands=listed, scope=scope, language_code=language or None))
            return
        except (TelegramBadRequest, TelegramNotFound):
            log.warning("telegram %s: the menu of commands was refused", bot.id)
            return
        except AiogramError:
            await asyncio.sleep(AGAIN_AFTER)
