"""A conversation is opened: with a greeting, and from the shop's own page of an order with that order in hand."""

from bot.dialogue import greeting, orders
from bot.dialogue.turn import Turn


async def arrive(turn: Turn) -> None:
    """A link that is not the shop's, or too old, or of an order that is not known, reads like no link."""
    looked, ownership = turn.looked, turn.parts.ownership
    if looked.order is not None and looked.way is not None:
        await ownership.bind(turn.session, turn.now, turn.conversation.identity_id, looked.order, looked.way)
    elif not looked.is_down:
        await greeting.greet(turn)
        return
    turn.rest()
    await greeting.introduce(turn)
    await orders.proceed(turn)
