"""What the staff bot refuses.

StaffError
├─ NotLinked          pressed by somebody who is no agent of ours
├─ ButtonSpent        pressed before, or older than the card
├─ OnlyInTopic        it needs a ticket
├─ UnknownCommand · CannotRead   typed wrong
├─ NoOrder            a refund is wanted on a ticket that is about no order
├─ TooLateToEdit      a reply that is too old, or a note
├─ EditOfUnsent       what was refused, or a command
└─ OnlyPictures · PictureAway · CommandOnPicture   what came along cannot go to the buyer
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


class NoOrder(StaffError):
    """{number} is about no order; nothing can be refunded here."""


class TooLateToEdit(StaffError):
    """Notes, and replies older than {minutes} min, are not corrected by an edit; write a new message."""


class EditOfUnsent(StaffError):
    """What was not sent to the buyer is not sent by an edit, and no command runs by one; write a new message."""


class OnlyPictures(StaffError):
    """Words and pictures alone go to buyers, no other files; nothing was sent."""


class PictureAway(StaffError):
    """The picture could not be fetched from Telegram; nothing was sent, please send it again."""


class CommandOnPicture(StaffError):
    """A command takes no picture; nothing was sent."""
