"""The office with two agents, a lead and somebody whom nobody knows."""

from collections.abc import AsyncIterator

import pytest

from tests.bot.conftest import House
from tests.bot.staff.office import Office, opened
from tickets.tables import Role

ANNA, BEN, CHEN, STRANGER = 101, 102, 103, 999


@pytest.fixture
async def office(house: House) -> AsyncIterator[Office]:
    async with opened(house, per_minute=600) as office:
        await office.hire("anna", "安娜", user=ANNA)
        await office.hire("ben", "小本", user=BEN)
        await office.hire("chen", "陈组长", Role.LEAD, user=CHEN)
        office.enter(STRANGER, "路人")
        yield office
