"""The menus of commands that Telegram shows beside the field where people type."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.faults import place_of

if TYPE_CHECKING:
    from bot.channels.botapi.line import Server

log = logging.getLogger(__name__)

IN_PRIVATE: Mapping[str, str] = {"type": "all_private_chats"}
FIRST_WAIT, LONGEST_WAIT = 60.0, 3600.0  # seconds between tries while Telegram does not answer; it doubles


@dataclass(frozen=True, slots=True)
class Menu:
    """What one kind of reader sees in one kind of chat."""

    scope: Mapping[str, str]  # where, see https://core.telegram.org/bots/api#botcommandscope
    language: str  # of the reader's app; "": all others
    commands: Mapping[str, str]  # name → what it does

    @property
    def listed(self) -> list[dict[str, str]]:
        """As Telegram takes it."""
        return [{"command": name, "description": does} for name, does in self.commands.items()]


def in_chat(chat_id: str) -> Mapping[str, str]:
    """The scope of everybody in one group."""
    return {"type": "chat", "chat_id": chat_id}


async def set_menus(server: "Server", place: str, menus: Sequence[Menu]) -> None:
    """Return when each is shown, or refused for good. Nobody waits for it, and without them all else works."""
    left, wait = list(menus), FIRST_WAIT
    while True:
        left = [menu for menu in left if not await _is_settled(server, place, menu)]
        if not left:
            return
        await asyncio.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)


async def _is_settled(server: "Server", place: str, menu: Menu) -> bool:
    try:
        if not await server.set_menu(menu):
            log.warning("%s: the menu of commands was refused (%s)", place, menu.scope["type"])
    except Exception as error:
        log.info("%s: the menu of commands is not shown yet (%s)", place, place_of(error))
        return False
    return True
