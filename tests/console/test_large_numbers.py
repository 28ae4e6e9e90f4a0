"""A number that no column holds is a wrong address, never a fault of ours."""

import pytest

from tests.console.conftest import Stage, Visitor
from tickets.tables import Role

ADDRESSES = (
    "all-tickets/list?page={}",
    "all-tickets/list?page_size={}",
    "all-tickets/list?page=-{}",
    "all-tickets/list?filter=id__eq%3D{}",
    "all-tickets/list?filter=buyer_id__eq%3D{}",
    "all-tickets/list?filter=level__gte%3D{}",
    "all-tickets/list?filter=buyer_id__in%3D1,{}",
    "all-tickets/list?filter=buyer_id__eq%3D-{}",
    "all-tickets/list?filter=buyer_id__between%3D1,{}",
    "all-tickets/list?filter=created_at__eq%3D{}",
    "all-tickets/list?q={}",
    "all-tickets/detail?pk={}",
    "all-tickets/edit?pk={}",
    "buyers/list?filter=id__eq%3D{}",
    "buyers/list?page={}&q=x",
    "audit/list?filter=id__gt%3D{}",
    "audit/detail?pk={}",
    "_api/all-tickets?pks={}",
    "_api/buyers?pks={}&select2=1",
    "_api/all-tickets?skip={}",
    "_api/all-tickets?limit={}",
    "_api/all-tickets?page={}",
    "tickets/{}",
    "tickets/K-{}",
    "?tab={}",
)


@pytest.mark.parametrize("number", [2**31, 2**63, 10**40], ids=["32 bits", "64 bits", "more"])
async def test_no_address_with_a_large_number_breaks(stage: Stage, visitor: Visitor, number: int) -> None:
    await stage.add_agent("meng", Role.ADMIN)
    await visitor.sign_in("meng")

    for address in ADDRESSES:
        answer = await visitor.get(f"/console/{address.format(number)}")
        assert answer.status_code in (200, 400, 403, 404), address


async def test_a_word_for_an_instant_is_a_wrong_address(signed_in: Visitor) -> None:
    answer = await signed_in.get("/console/all-tickets/list?filter=created_at__eq%3Dyesterday")

    assert answer.status_code == 400
