"""How long a server asks to wait, where it says so in words alone. Pure."""

import re

PAUSE = 5.0  # seconds, when we are told to wait but not for how long
_SECONDS = re.compile(r"retry after (\d{1,6})", re.IGNORECASE)


def wait_as_told(words: str) -> float:
    """Seconds."""
    found = _SECONDS.search(words)
    return float(found[1]) if found else PAUSE
