"""Texts within the limits of Tencent's interfaces, which count bytes."""


def split(text: str, limit: int) -> list[str]:
    """The text in parts of so many bytes at most, cut at line ends or spaces where there are any."""
    parts = []
    while len(text.encode(errors="replace")) > limit:
        end = len(text.encode(errors="replace")[:limit].decode(errors="ignore"))
        cut = max(text.rfind("\n", end // 2, end), text.rfind(" ", end // 2, end)) + 1 or end
        parts.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*parts, text] if text or not parts else parts
