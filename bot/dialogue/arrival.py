"""A conversation is opened: with a greeting, and from the shop's own page of an order with that order in hand."""

from bot.dialogue import greeting, orders
from bot.dialogue.turn import Turn
from tickets import second_way


async def _goes_on(turn: Turn) -> bool:
    """Whether this is a buyer of another channel who goes on here, by a link that we sent there."""
    number = second_way.verify(turn.parts.vault, turn.inbound.text, turn.now)
    if number is None:
        return False
    turn.rest()
    return await second_way.follow(turn.session, turn.now, turn.parts.desk, turn.conversation, number)


async def arrive(turn: Turn) -> None:
    """A link that is not the shop's, or too old, or of an order that is not known, reads like no link."""
    if await _goes_on(turn):
        return
    looked, ownership = turn.looked, turn.parts.ownership
    if looked.order is not None and looked.way is not None:
        await ownership.bind(turn.session, turn.now, turn.conversation.identity_id, looked.order, looked.way)
    elif not looked.is_down:
        await greeting.greet(turn)
        return
    turn.rest()
    await greeting.introduce(turn)
    await orders.proceed(turn)
