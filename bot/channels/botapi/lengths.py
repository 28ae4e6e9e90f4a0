"""How long texts are as Telegram counts them: in UTF-16 units, of which an emoji takes two. Pure."""

TEXT_LIMIT = 4096  # of one message
CAPTION_LIMIT = 1024  # of the words under pictures


def width(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """As much of the beginning as fits, and no half character."""
    if width(text) <= limit:
        return text
    return text.encode("utf-16-le", "surrogatepass")[: limit * 2].decode("utf-16-le", "ignore")


def shortened(text: str, limit: int) -> str:
    """The same, and what was cut says so."""
    return text if width(text) <= limit else f"{cut(text, limit - 2)} …"
