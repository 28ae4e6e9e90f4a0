"""Linking a Telegram user to a staff account: once, in time, by number, and only while the account is active."""

from datetime import timedelta

import pytest

from shop.vault import Vault
from tests.tickets.conftest import Floor
from tickets import staff, staff_links
from tickets.errors import LinkCodeWrong, LinkedElsewhere, NotAllowed
from tickets.link_tables import LinkCode, StaffLink
from tickets.tables import Role

USER = 7_000_000_001  # more than 32 bits


async def found(floor: Floor, user: int = USER) -> int | None:
    async with floor.database.reading() as session:
        agent = await staff_links.find_linked(session, user)
    return agent.id if agent else None


async def test_a_code_links_once(floor: Floor, vault: Vault, lin: int, ming: int) -> None:
    code = await floor.do(staff_links.offer_code, vault, lin)

    await floor.do(staff_links.use_code, vault, f" {code.lower()} ", USER)

    assert await found(floor) == lin
    with pytest.raises(LinkCodeWrong):
        await floor.do(staff_links.use_code, vault, code, USER + 1)
    assert code not in str([row.model_dump() for row in await floor.all(StaffLink)])


async def test_only_the_hash_of_a_code_is_kept_and_a_new_one_voids_it(floor: Floor, vault: Vault, lin: int) -> None:
    first = await floor.do(staff_links.offer_code, vault, lin)
    second = await floor.do(staff_links.offer_code, vault, lin)

    kept = await floor.one(LinkCode)

    assert first not in str(kept.model_dump())
    assert second not in str(kept.model_dump())
    with pytest.raises(LinkCodeWrong):
        await floor.do(staff_links.use_code, vault, first, USER)


async def test_a_code_is_good_for_ten_minutes(floor: Floor, vault: Vault, lin: int) -> None:
    code = await floor.do(staff_links.offer_code, vault, lin)

    with pytest.raises(LinkCodeWrong):
        await floor.do(staff_links.use_code, vault, code, USER, at=floor.now + timedelta(minutes=10))

    assert await found(floor) is None


async def test_a_user_is_one_account_and_an_account_one_user(floor: Floor, vault: Vault, lin: int, ming: int) -> None:
    await floor.do(staff_links.use_code, vault, await floor.do(staff_links.offer_code, vault, lin), USER)

    with pytest.raises(LinkedElsewhere):
        await floor.do(staff_links.use_code, vault, await floor.do(staff_links.offer_code, vault, ming), USER)
    await floor.do(staff_links.use_code, vault, await floor.do(staff_links.offer_code, vault, lin), USER + 1)

    assert (await found(floor), await found(floor, USER + 1)) == (None, lin)


async def test_an_account_that_is_switched_off_has_no_hands(floor: Floor, vault: Vault, lin: int) -> None:
    await floor.do(staff_links.use_code, vault, await floor.do(staff_links.offer_code, vault, lin), USER)

    await floor.do(staff.disable, "lin")

    assert await found(floor) is None


async def test_an_admin_unlinks_others_and_nobody_else_does(floor: Floor, vault: Vault, lin: int, chen: int) -> None:
    boss = await floor.hire("boss", Role.ADMIN)
    await floor.do(staff_links.use_code, vault, await floor.do(staff_links.offer_code, vault, lin), USER)

    with pytest.raises(NotAllowed):
        await floor.do(staff_links.unlink, lin, chen)
    assert await floor.do(staff_links.unlink, lin, boss)

    assert await found(floor) is None
    assert not await floor.do(staff_links.unlink, lin, lin)
