"""Writes down what became of deliveries: those that end together share a transaction, and its one wait for the disk."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from bot.transactions import Transactions

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


class Receipts:
    """Of one channel account."""

    def __init__(self, database: Transactions) -> None:
        self._database = database
        self._turn = asyncio.Lock()
        self._waiting: list[tuple[Verb, asyncio.Future[bool]]] = []

    async def write(self, verb: Verb) -> None:
        """Carry out `verb` in a transaction that others may share; when this returns it is committed.

        Not for verbs that lock tickets: two transactions that lock several in different orders wait for each other.
        """
        shared: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((verb, shared))
        async with self._turn:  # while one writes, those that come gather; the next of them writes for all
            await asyncio.sleep(0)
            if not shared.done():
                await self._write_all()
        if not shared.result():
            await self.write_alone(verb)

    async def write_alone(self, verb: Verb) -> None:
        async with self._database.writing() as session:
            await verb(session)

    async def _write_all(self) -> None:
        together, self._waiting = self._waiting, []
        is_written = False
        try:
            async with self._database.writing() as session:
                for verb, _ in together:
                    await verb(session)
            is_written = True
        except Exception:  # one of them, or the database: each finds out for itself
            is_written = False
        finally:
            for _, shared in together:
                shared.set_result(is_written)
