"""Calls are counted for all processes together, and not made while the platform takes none."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.weixin.quota import Called, Quota, Terms, calls_of, start_anew
from bot.errors import QuotaSpent, RateLimited
from kadesk.database import Database
from tests.bot.conftest import Clock

SEND, MEDIA = "message/custom/send", "media/get"
PLACE = ("wechat", "wx1")


class Told:
    """What the managers were told."""

    def __init__(self) -> None:
        self.words: list[tuple[str, dict[str, object]]] = []

    async def __call__(self, _session: AsyncSession, _now: datetime, key: str, /, **facts: object) -> None:
        self.words.append((key, facts))

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.words]


@pytest.fixture
def told() -> Told:
    return Told()


def quota(database: Database, clock: Clock, told: Told, **terms: Any) -> Quota:
    return Quota(database, clock, *PLACE, Terms(**terms), told)


async def counted(database: Database, clock: Clock) -> list[Called]:
    async with database.reading() as session:
        return await calls_of(session, clock(), *PLACE)


async def test_processes_count_together_and_one_of_them_warns(database: Database, clock: Clock, told: Told) -> None:
    here, there = (quota(database, clock, told, limits={SEND: 10}) for _ in range(2))
    for _ in range(4):
        await here.count(SEND)
        await there.count(SEND)
    await here.count(MEDIA)

    for one in (here, there, here, there):
        await one.write()

    assert await counted(database, clock) == [Called(MEDIA, 1, 0), Called(SEND, 8, 0)]
    assert told.words == [
        ("notice.calls_many", {"channel": "wechat", "account": "wx1", "call": SEND, "count": 8, "limit": 10})
    ]


async def test_what_is_spent_is_spent_for_all_until_midnight_in_beijing(
    database: Database, clock: Clock, told: Told
) -> None:
    here, there = quota(database, clock, told), quota(database, clock, told)
    clock.now = clock.now.replace(hour=15, minute=59)  # 23:59 in Beijing
    await here.count(SEND)

    assert isinstance(await here.refuse(SEND), QuotaSpent)
    for one in (here, there):
        with pytest.raises(QuotaSpent) as refused:
            await one.count(SEND)
        assert refused.value.retry_after == timedelta(minutes=1)
        await one.count(MEDIA)

    clock.advance(minutes=1)
    for one in (here, there):
        await one.count(SEND)
    assert told.keys == ["notice.calls_spent"]


async def test_a_platform_that_counts_by_the_minute_is_asked_again_after_one(
    database: Database, clock: Clock, told: Told
) -> None:
    here = quota(database, clock, told, pause=timedelta(minutes=1))
    assert isinstance(await here.refuse(SEND), RateLimited)
    with pytest.raises(RateLimited):
        await here.count(SEND)

    clock.advance(minutes=1)
    await here.count(SEND)
    await here.refuse(SEND)

    assert told.keys == ["notice.calls_spent"]
    assert await counted(database, clock) == [Called(SEND, 1, 2)]


async def test_where_the_platform_counts_anew_so_do_we(database: Database, clock: Clock, told: Told) -> None:
    here = quota(database, clock, told)
    await here.refuse(SEND)

    async with database.writing() as session:
        await start_anew(session, clock(), *PLACE)
    await here.write()

    await here.count(SEND)
    assert await counted(database, clock) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_could_not_be_written_is_written_later(database: Database, clock: Clock, told: Told) -> None:
    here = quota(database, clock, told)
    await here.count(SEND)
    here._database = _Away()  # type: ignore[assignment]
    with pytest.raises(ConnectionError):
        await here.write()
    await here.count(SEND)
    here._database = database

    await here.write()

    assert await counted(database, clock) == [Called(SEND, 2, 0)]


class _Away:
    def writing(self) -> Any:
        raise ConnectionError
