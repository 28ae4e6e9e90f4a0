"""Telegram's HTML: text and entities out of markup, and its complaints about what is no markup."""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from bot.fakes.refusal import Refusal, bad

TAGS = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("s", "strike", "del"), "strikethrough"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("tg-spoiler", "span"), "spoiler"),
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}
_CHARACTER = re.compile(r"&(?:lt|gt|amp|quot|#\d{1,7}|#x[0-9a-fA-F]{1,6});")
_TAG = re.compile(r"<(/?)([^\s<>/]*)((?:\s+[^<>]*)?)>")
_ATTRIBUTE = re.compile(r"""([a-zA-Z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")


@dataclass
class _Open:
    tag: str
    start: int  # in UTF-16 units of the text so far
    attributes: dict[str, str] = field(default_factory=dict)


def width(text: str) -> int:
    """In UTF-16 units, as Telegram counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def parse_html(markup: str) -> tuple[str, list[dict[str, Any]]]:
    """The text that is shown and its entities. Raises Refusal in Telegram's words."""
    text, entities, opened, place = "", [], list[_Open](), 0
    while place < len(markup):
        here = markup[place]
        if here == "&" and (found := _CHARACTER.match(markup, place)):
            text += unescape(found[0])
            place = found.end()
        elif here == "<":
            tag = _TAG.match(markup, place)
            if tag is None:
                raise _broken("Unclosed start tag", markup, place)
            if tag[1]:
                entities += _close(opened, tag[2].lower(), text, markup, place)
            else:
                opened.append(_open(tag, text, markup, place))
            place = tag.end()
        else:
            text += here
            place += 1
    if opened:
        raise bad(f"can't parse entities: Can't find end tag corresponding to start tag \"{opened[-1].tag}\"")
    return text, sorted(entities, key=lambda one: (one["offset"], -one["length"]))


def _open(tag: re.Match[str], text: str, markup: str, place: int) -> _Open:
    name = tag[2].lower()
    attributes = {one[1].lower(): one[2] or one[3] or one[4] or "" for one in _ATTRIBUTE.finditer(tag[3])}
    if name not in TAGS or (name == "span" and attributes.get("class") != "tg-spoiler"):
        raise _broken(f'Unsupported start tag "{name}"', markup, place)
    return _Open(name, width(text), attributes)


def _close(opened: list[_Open], name: str, text: str, markup: str, place: int) -> list[dict[str, Any]]:
    if not opened:
        raise _broken("Unexpected end tag", markup, place)
    last = opened.pop()
    if name and name != last.tag:
        raise _broken("Unmatched end tag", markup, place, f', expected "</{last.tag}>", found "</{name}>"')
    length = width(text) - last.start
    entity: dict[str, Any] = {"type": TAGS[last.tag], "offset": last.start, "length": length}
    if last.tag == "a":
        entity["url"] = last.attributes.get("href", "")
    return [entity] if length and entity.get("url") != "" else []


def _broken(problem: str, markup: str, place: int, more: str = "") -> Refusal:
    return bad(f"can't parse entities: {problem} at byte offset {len(markup[:place].encode())}{more}")
