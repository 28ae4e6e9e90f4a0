"""What may be said about a failure: its kind and place, not its words, since they may quote a buyer's code.

A messenger's own words are kept, for people have to act on them: one line, and no token of a bot in it.
"""

import re
import traceback
from pathlib import Path

HOME = Path(__file__).parent.parent
BOT_TOKEN = re.compile(r"\d+(?::|%3[Aa])[A-Za-z0-9_-]{30,}")  # as it is, and as it stands in an address
REASON_LIMIT = 300  # characters


def place_of(error: BaseException) -> str:
    """For example "ValueError at bot/channels/web.py:31": the innermost line of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(frame.filename)] or list(frames)
    if not ours:
        return type(error).__name__
    path = Path(ours[-1].filename)
    name = path.relative_to(HOME) if _is_ours(ours[-1].filename) else path.name
    return f"{type(error).__name__} at {name}:{ours[-1].lineno}"


def said(reason: object) -> str:
    """Why a server refused, in its words, which may quote the address that was asked, and so a token."""
    words = str(reason or "").strip().split("\n")[0]
    return BOT_TOKEN.sub("***", words)[:REASON_LIMIT] or "no reason given"


def _is_ours(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(HOME) and "site-packages" not in path.parts
