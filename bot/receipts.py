"""What is known of messages after a try."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

Verb = Callable[[AsyncSession], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a message after a try, as the verb that writes it down."""

    write: Verb
    is_sent: bool = False


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """What is known of messages that went out as one."""
    if len(verdicts) == 1:
        return verdicts[0]

    async def write(session: AsyncSession) -> None:
        for one in verdicts:
            await one.write(session)

    return Verdict(write, is_sent=all(one.is_sent for one in verdicts))
