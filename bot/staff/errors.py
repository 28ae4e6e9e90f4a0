"""What the staff bot refuses.

StaffError
├─ NotLinked          pressed by somebody who is no agent of ours
├─ ButtonSpent        pressed before, or older than the card
├─ OnlyInTopic        it needs a ticket
├─ UnknownCommand · CannotRead   typed wrong
└─ TooLateToEdit      a reply that is too old, or a note
"""

from audit.errors import KadeskError


class StaffError(KadeskError):
    """The staff bot refused this."""


class NotLinked(StaffError):
    """You are not linked to a staff account; send /link and your code to the bot in private."""


class ButtonSpent(StaffError):
    """This button was used or has been replaced; take the newest card of the ticket."""


class OnlyInTopic(StaffError):
    """{name} is for the topic of a ticket."""


class UnknownCommand(StaffError):
    """There is no command {name}; /help lists them."""


class CannotRead(StaffError):
    """This cannot be read; write it like this: {usage}"""


class TooLateToEdit(StaffError):
    """Notes, and replies older than {minutes} min, are not corrected by an edit; write a new message."""
