"""What an owner is told in one sentence: SettingsError and below."""

from audit.errors import KadeskError


class SettingsError(KadeskError):
    """{problem}"""
