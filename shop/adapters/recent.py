"""What was asked a moment ago: one message asks the same of a shop several times, and the shop is asked once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Answers by their questions, kept for a moment. Errors are told to those who wait for them, and not kept."""

    def __init__(self, kept: timedelta) -> None:
        self._seconds = kept.total_seconds()
        self._answers: dict[str, asyncio.Task[Value]] = {}

    async def ask(self, question: str, answer: Callable[[str], Awaitable[Value]]) -> Value:
        """What `answer` said within the moment, or is about to say; who gives up waiting stops nobody else's."""
        if not self._seconds:
            return await answer(question)
        if question not in self._answers:
            task = self._answers[question] = asyncio.create_task(_run(question, answer))
            task.add_done_callback(lambda done: self._forget_failed(question, done))
            # By a timer, so that no code stays in memory until somebody asks again.
            asyncio.get_running_loop().call_later(self._seconds, self._answers.pop, question, None)
        return await asyncio.shield(self._answers[question])

    def _forget_failed(self, question: str, task: asyncio.Task[Value]) -> None:
        has_failed = task.cancelled() or task.exception() is not None
        if has_failed and self._answers.get(question) is task:
            del self._answers[question]


async def _run(question: str, answer: Callable[[str], Awaitable[Value]]) -> Value:
    return await answer(question)
