"""What was asked a moment ago is not asked again."""

import asyncio
from datetime import timedelta

import pytest

from shop.adapters.recent import Recent
from shop.errors import ShopDown

LONG, NONE = timedelta(hours=1), timedelta(0)


class Asked:
    def __init__(self) -> None:
        self.questions: list[str] = []
        self.may_answer = asyncio.Event()
        self.is_down = False

    async def answer(self, question: str) -> str:
        self.questions.append(question)
        await self.may_answer.wait()
        if self.is_down:
            raise ShopDown(shop="demo")
        return question.lower()


async def test_what_is_asked_at_once_or_a_moment_later_is_asked_once() -> None:
    shop, recent = Asked(), Recent[str](LONG)

    both = asyncio.gather(*(recent.ask(one, shop.answer) for one in ("A", "A", "B")))
    shop.may_answer.set()

    assert await both == ["a", "a", "b"]
    assert await recent.ask("A", shop.answer) == "a"
    assert shop.questions == ["A", "B"]


async def test_nothing_is_kept_without_a_moment_or_after_it() -> None:
    shop = Asked()
    shop.may_answer.set()

    for recent in (Recent[str](NONE), Recent[str](timedelta(microseconds=1))):
        for _ in range(2):
            await recent.ask("A", shop.answer)
            await asyncio.to_thread(int)

    assert shop.questions == ["A"] * 4


async def test_an_error_is_told_to_all_who_wait_and_not_kept() -> None:
    shop, recent = Asked(), Recent[str](LONG)
    shop.is_down = True
    shop.may_answer.set()

    told = await asyncio.gather(*(recent.ask("A", shop.answer) for _ in range(2)), return_exceptions=True)
    shop.is_down = False

    assert [type(one) for one in told] == [ShopDown, ShopDown]
    assert await recent.ask("A", shop.answer) == "a"


async def test_who_gives_up_waiting_takes_nothing_from_the_others() -> None:
    shop, recent = Asked(), Recent[str](LONG)
    impatient, patient = (asyncio.create_task(recent.ask("A", shop.answer)) for _ in range(2))
    await asyncio.sleep(0)

    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    shop.may_answer.set()

    assert await patient == "a"
    assert shop.questions == ["A"]
