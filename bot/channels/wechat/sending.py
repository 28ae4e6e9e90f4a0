"""What a 公众号 says, in the platform's shapes, within its limits.

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from bot.channels.weixin.texts import split

TEXT_LIMIT = 2048  # bytes of one message
MENU_HEAD_LIMIT = 500  # bytes above the entries of a menu; what is longer goes before it


def bodies(address: str, text: str, buttons: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The calls of `/cgi-bin/message/custom/send` that say this, in their order."""
    texts = split(text, TEXT_LIMIT) if text else []
    if not buttons:
        return [_text(address, part) for part in texts]
    head = texts.pop() if texts and len(texts[-1].encode(errors="replace")) <= MENU_HEAD_LIMIT else ""
    return [*(_text(address, part) for part in texts), _menu(address, head, buttons)]


def in_passing(text: str, buttons: Sequence[Mapping[str, str]]) -> str | None:
    """The same as one text with links to press; None when it does not fit."""
    links = [
        f'<a href="weixin://bizmsgmenu?msgmenucontent={quote(one["text"])}&msgmenuid={quote(one["handle"])}">'
        f"{escape(one['text'])}</a>"
        for one in buttons
    ]
    whole = "\n".join([text, *links]) if links else text
    return whole if len(whole.encode(errors="replace")) <= TEXT_LIMIT else None


def _text(address: str, text: str) -> dict[str, Any]:
    return {"touser": address, "msgtype": "text", "text": {"content": text}}


def _menu(address: str, head: str, buttons: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    entries = [{"id": one["handle"], "content": one["text"]} for one in buttons]
    return {
        "touser": address,
        "msgtype": "msgmenu",
        "msgmenu": {"head_content": head, "list": entries, "tail_content": ""},
    }
