"""What the console refuses.

ConsoleError
├─ SignInRefused     unknown login, wrong password, or no longer active: never says which
└─ SignInResting     too many wrong passwords; try later
"""

from audit.errors import KadeskError


class ConsoleError(KadeskError):
    """The console refused this."""


class SignInRefused(ConsoleError):
    """Login and password do not match."""


class SignInResting(ConsoleError):
    """Too many wrong passwords; rest until {until}."""
