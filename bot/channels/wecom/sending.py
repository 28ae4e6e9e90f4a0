"""What a 微信客服 account says, in the platform's shapes, within its limits.

Source: https://developer.work.weixin.qq.com/document/path/94677 and 95122.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from bot.channels.weixin.texts import split
from tickets.reply_windows import Allowance

AFTER_A_WORD = Allowance(timedelta(hours=48), 5)
TEXT_LIMIT = 2048  # bytes of one message
MENU_LIMIT = 1024  # bytes above the entries of a menu
MENU_ENTRIES = 10  # of one menu; what is more goes on in another
ENTRY_LIMIT = 128  # bytes of the id of an entry, and of its words


def contents(text: str, buttons: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The messages that say this, in their order, as bodies of `kf/send_msg` without their receiver."""
    texts = split(text, TEXT_LIMIT) if text else []
    if not buttons:
        return [_text(part) for part in texts]
    head = texts.pop() if texts and len(texts[-1].encode(errors="replace")) <= MENU_LIMIT else ""
    menus = [buttons[at : at + MENU_ENTRIES] for at in range(0, len(buttons), MENU_ENTRIES)]
    heads = [head, *("" for _ in menus[1:])]
    return [*(_text(part) for part in texts), *map(_menu, heads, menus)]


def _text(text: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": text}}


def _menu(head: str, buttons: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    entries = [
        {"type": "click", "click": {"id": one["handle"], "content": split(one["text"], ENTRY_LIMIT)[0]}}
        for one in buttons
    ]
    return {"msgtype": "msgmenu", "msgmenu": {"head_content": head, "list": entries}}
