"""Answers given in the platform's own call: they cost none of the few messages that may be sent after it.

The call waits a while for the first answer. That it was taken is known only as far as the connection says so.
"""

import asyncio
from dataclasses import dataclass, field

from bot.errors import Ambiguous


@dataclass(eq=False, slots=True)
class Slot:
    """A call that waits for its answer."""

    answer: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    written: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def close(self, *, is_written: bool) -> None:
        """The call was answered, or nobody waited for its answer any more."""
        if not self.written.done():
            self.written.set_result(is_written)


class Passive:
    """The calls that wait now, by buyer: of several of one buyer the last."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot] = {}

    def open(self, address: str) -> Slot:
        slot = self._slots[address] = Slot()
        return slot

    def close(self, address: str, slot: Slot) -> None:
        """No answer is taken any more."""
        slot.answer.cancel()
        if self._slots.get(address) is slot:
            del self._slots[address]

    async def answer(self, address: str, text: str, seconds: float) -> bool:
        """Whether a waiting call took the text and was written. Raises `Ambiguous` when that is not known."""
        slot = self._slots.pop(address, None)
        if slot is None or slot.answer.done():
            return False
        slot.answer.set_result(text)
        try:
            return await asyncio.wait_for(slot.written, seconds)
        except TimeoutError:
            raise Ambiguous from None
