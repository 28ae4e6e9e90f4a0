"""What the FAQ refuses: FaqError and below."""

from audit.errors import KadeskError


class FaqError(KadeskError):
    """The FAQ refused this."""
