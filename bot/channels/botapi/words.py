"""Values of an update that may be anything, as what we need them to be. Pure."""

import re
from collections.abc import Mapping
from typing import Any

NOTHING: Mapping[str, Any] = {}
LIMIT = 200  # characters of a name
_WORD = re.compile(r"[\w:.@+-]{1,64}", re.ASCII)
_UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # no database stores all of these


def mapping(value: object) -> Mapping[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, Mapping) else NOTHING


def word(value: object) -> str:
    """A number or an id, which Telegram writes as a number and others may write as text; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return ""
    text = str(value)
    return text if _WORD.fullmatch(text) else ""


def name(value: object) -> str:
    """A short text that can be stored; "" for anything else."""
    return _UNWRITABLE.sub("", value)[:LIMIT] if isinstance(value, str) else ""
