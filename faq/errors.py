"""What the FAQ refuses.

FaqError
├─ BadKnowledge     an entry file that cannot be read
├─ BadTable         a table of questions that cannot be read
├─ UnknownEntry     no entry with this key
├─ UnknownVersion   no such version of an entry
├─ UnknownRelated   an entry names a related one that does not exist
├─ EntryChanged     somebody else changed the entry meanwhile
├─ NothingToSay     an entry without question or answer cannot be published
├─ AlreadySettled   the misses of a proposal were settled before
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


class UnknownVersion(FaqError):
    """The FAQ entry {key} has no version {version}."""


class UnknownRelated(FaqError):
    """The FAQ entry {key} names {related} as related, which does not exist."""


class EntryChanged(FaqError):
    """Somebody else changed the FAQ entry {key} meanwhile: look again."""


class NothingToSay(FaqError):
    """The FAQ entry {key} lacks its question or its answer in {language}: the bot cannot say it."""


class AlreadySettled(FaqError):
    """These misses were settled before: look again."""
