"""Staff accounts and their passwords."""

import pytest

from audit.tables import AuditRow
from tests.tickets.conftest import Floor
from tickets import staff
from tickets.errors import LoginTaken, UnknownAgent, WeakPassword
from tickets.tables import Agent, Role


async def sign_in(floor: Floor, login: str, password: str) -> Agent | None:
    async with floor.database.reading() as session:
        return await staff.check_password(session, login, password)


async def test_login_and_password_open_the_account(floor: Floor) -> None:
    agent = await floor.do(staff.add_agent, " Lin ", "小林", Role.LEAD, "correct horse")

    found = await sign_in(floor, "LIN", "correct horse")

    assert found is not None
    assert (found.id, found.login, found.role) == (agent.id, "lin", "lead")


async def test_wrong_password_unknown_login_and_switched_off_account_look_the_same(floor: Floor) -> None:
    agent = await floor.do(staff.add_agent, "lin", "小林", Role.AGENT, "correct horse")
    refused = [await sign_in(floor, "lin", "wrong"), await sign_in(floor, "nobody", "correct horse")]
    async with floor.database.writing() as session:
        (await session.get_one(Agent, agent.id)).is_active = False

    refused.append(await sign_in(floor, "lin", "correct horse"))

    assert refused == [None, None, None]


async def test_an_unknown_login_is_hashed_like_a_known_one(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    await floor.do(staff.add_agent, "lin", "小林", Role.AGENT, "correct horse")
    hashes: list[str] = []
    verify = staff._verify
    monkeypatch.setattr(staff, "_verify", lambda hashed, given: hashes.append(hashed) or verify(hashed, given))

    await sign_in(floor, "lin", "wrong")
    await sign_in(floor, "nobody", "wrong")

    known, unknown = (hashed.split("$")[:4] for hashed in hashes)
    assert known == unknown  # argon2id with the same parameters


async def test_an_account_whose_hash_is_broken_opens_for_nobody(floor: Floor) -> None:
    await floor.hire("lin")

    assert await sign_in(floor, "lin", "-") is None


async def test_the_password_is_kept_nowhere(floor: Floor) -> None:
    agent = await floor.do(staff.add_agent, "lin", "小林", Role.AGENT, "correct horse")

    assert agent.password_hash.startswith("$argon2id$")
    assert "correct horse" not in f"{await floor.one(Agent)} {await floor.one(AuditRow)}"


async def test_a_login_is_given_once(floor: Floor) -> None:
    await floor.do(staff.add_agent, "lin", "小林", Role.AGENT, "correct horse")

    with pytest.raises(LoginTaken, match="lin"):
        await floor.do(staff.add_agent, "Lin", "小琳", Role.AGENT, "battery staple")

    assert len(await floor.all(Agent)) == 1


async def test_an_unknown_role_is_refused(floor: Floor) -> None:
    with pytest.raises(ValueError, match="emperor"):
        await floor.do(staff.add_agent, "lin", "小林", "emperor", "correct horse")


async def test_a_switched_off_account_is_unknown(floor: Floor) -> None:
    gone = await floor.hire("gone", is_active=False)

    async with floor.database.reading() as session:
        for agent_id in (gone, 404):
            with pytest.raises(UnknownAgent):
                await staff.get_agent(session, agent_id)


async def test_a_password_has_ten_characters_at_least(floor: Floor) -> None:
    with pytest.raises(WeakPassword, match="at least 10 characters"):
        await floor.do(staff.add_agent, "lin", "小林", Role.AGENT, "ninechars")
    await floor.do(staff.add_agent, "lin", "小林", Role.AGENT, "ten chars.")

    with pytest.raises(WeakPassword):
        await floor.do(staff.set_password, "lin", "ninechars")

    assert await sign_in(floor, "lin", "ten chars.") is not None


async def test_a_new_password_takes_the_place_of_the_old_one(floor: Floor) -> None:
    agent = await floor.do(staff.add_agent, "lin", "小林", Role.AGENT, "correct horse")

    await floor.do(staff.set_password, " LIN", "battery staple")

    assert await sign_in(floor, "lin", "correct horse") is None
    assert await sign_in(floor, "lin", "battery staple") is not None
    rows = await floor.all(AuditRow, subject=f"agent:{agent.id}")
    assert [row.action for row in rows] == ["agent.added", "agent.password_set"]
    assert not any("battery" in str(row) or "argon2" in str(row) for row in rows)


async def test_an_account_that_was_switched_off_opens_no_more(floor: Floor) -> None:
    agent = await floor.do(staff.add_agent, "lin", "小林", Role.AGENT, "correct horse")

    await floor.do(staff.disable, "Lin")
    await floor.do(staff.disable, "lin")

    assert await sign_in(floor, "lin", "correct horse") is None
    assert len(await floor.all(AuditRow, subject=f"agent:{agent.id}", action="agent.disabled")) == 1


@pytest.mark.parametrize("verb", ["set_password", "disable"])
async def test_a_login_that_nobody_has_cannot_be_changed(floor: Floor, verb: str) -> None:
    with pytest.raises(UnknownAgent):
        await floor.do(getattr(staff, verb), "nobody", *(["battery staple"] if verb == "set_password" else []))
