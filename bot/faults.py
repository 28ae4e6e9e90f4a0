"""What may be said about a failure: its kind and place, never its words, since they may quote a buyer's code."""

import traceback
from pathlib import Path

HOME = Path(__file__).parent.parent


def place_of(error: BaseException) -> str:
    """For example "ValueError at bot/channels/web.py:31": the innermost line of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(frame.filename)] or list(frames)
    if not ours:
        return type(error).__name__
    path = Path(ours[-1].filename)
    name = path.relative_to(HOME) if _is_ours(ours[-1].filename) else path.name
    return f"{type(error).__name__} at {name}:{ours[-1].lineno}"


def _is_ours(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(HOME) and "site-packages" not in path.parts
