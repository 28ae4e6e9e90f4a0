"""What the FAQ refuses.

FaqError
├─ BadKnowledge     an entry file that cannot be read
├─ BadTable         a table of questions that cannot be read
├─ UnknownEntry     no entry with this key
├─ TooFewEntries    nothing to match against
└─ EncoderRefused   the sentence encoder on disk is not the one that was pinned
"""

from audit.errors import KadeskError


class FaqError(KadeskError):
    """The FAQ refused this."""


class BadKnowledge(FaqError):
    """{file}: {problem}."""


class BadTable(FaqError):
    """{file}: {problem}."""


class TooFewEntries(FaqError):
    """A matcher needs at least one entry with a phrasing or a question."""


class EncoderRefused(FaqError):
    """The sentence encoder file {file} has hash {found}, expected {expected}: reinstall the pinned version."""


class UnknownEntry(FaqError):
    """There is no FAQ entry {key}."""
