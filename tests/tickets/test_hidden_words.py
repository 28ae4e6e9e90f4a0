import asyncio
from datetime import datetime, timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop.vault import Keys, Vault
from tests.tickets.conftest import Floor
from tickets import conversations, hidden_words
from tickets.errors import HeldByColleague, LookedEnough, NothingMasked, ReasonMissing
from tickets.hidden_words import ACTION, LOOKS, WITHIN, keep_typed, read_typed
from tickets.tables import Message, Role, id_of

CODE = "ABCDE-12345-FGHIJ"
VAULT = Vault(Keys.generate())


async def opened(floor: Floor) -> int:
    return id_of(await floor.open(await floor.meet("a")))


async def say(floor: Floor, buyer: str, typed: str, stored: str) -> int:
    conversation = await floor.meet(buyer)
    async with floor.database.writing() as session:
        message = await conversations.add_message(session, floor.now, conversation, stored)
        keep_typed(VAULT, message, typed)
        session.add(message)
        return id_of(message)


async def look(floor: Floor, now: datetime, ticket: int, message: int, agent: int, reason: str = "核对") -> str:
    async with floor.database.writing() as session:
        return await read_typed(session, now, VAULT, ticket, message, agent, reason)


async def test_the_holder_reads_it_and_that_is_on_record(floor: Floor, lin: int, now: datetime) -> None:
    ticket = await opened(floor)
    message = await say(floor, "a", f"卡密 {CODE}", "卡密 ****-GHIJ")

    assert await look(floor, now, ticket, message, lin) == f"卡密 {CODE}"

    rows = [row for row in await floor.all(AuditRow) if row.action == ACTION]
    assert [(row.actor, row.after["message"], row.after["reason"]) for row in rows] == [
        (f"agent:{lin}", message, "核对")
    ]
    assert CODE not in str(rows[0].after) + str([row.sealed for row in await floor.all(Message)])


async def test_words_that_hide_nothing_are_not_sealed(floor: Floor, lin: int, now: datetime) -> None:
    ticket = await opened(floor)
    message = await say(floor, "a", "在吗", "在吗")

    with pytest.raises(NothingMasked):
        await look(floor, now, ticket, message, lin)


async def test_another_conversations_words_are_not_shown(floor: Floor, lin: int, now: datetime) -> None:
    ticket = await opened(floor)
    message = await say(floor, "b", CODE, "****-GHIJ")

    with pytest.raises(NothingMasked):
        await look(floor, now, ticket, message, lin)


async def test_a_colleague_and_a_look_without_a_reason_are_refused(floor: Floor, lin: int, now: datetime) -> None:
    ticket, other = await opened(floor), await floor.hire("mei")
    message = await say(floor, "a", CODE, "****-GHIJ")
    await floor.do(floor.desk.take, ticket, lin)

    with pytest.raises(HeldByColleague):
        await look(floor, now, ticket, message, other)
    with pytest.raises(ReasonMissing):
        await look(floor, now, ticket, message, lin, "  ")


async def test_one_agent_opens_so_many_in_a_shift_and_a_lead_more(floor: Floor, lin: int, now: datetime) -> None:
    ticket, lead = await opened(floor), await floor.hire("chen", Role.LEAD)
    message = await say(floor, "a", CODE, "****-GHIJ")
    for _ in range(LOOKS):
        await look(floor, now, ticket, message, lin)

    with pytest.raises(LookedEnough):
        await look(floor, now, ticket, message, lin)

    assert await look(floor, now, ticket, message, lead) == CODE
    assert await look(floor, now + WITHIN + timedelta(seconds=1), ticket, message, lin) == CODE


async def looks_at_once(floor: Floor, agent: int, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What became of four looks at the same moment, of which one is left."""
    ticket = await opened(floor)
    message = await say(floor, "a", CODE, "****-GHIJ")
    monkeypatch.setattr(hidden_words, "LOOKS", 2)
    await look(floor, floor.now, ticket, message, agent)
    barrier = asyncio.Barrier(1 if floor.database.is_sqlite else 4)  # SQLite has one writer

    async def one() -> str:
        async with floor.database.writing() as session:
            await barrier.wait()
            return await read_typed(session, floor.now, VAULT, ticket, message, agent, "核对")

    return await asyncio.gather(*(one() for _ in range(4)), return_exceptions=True)


async def test_of_looks_at_once_the_last_that_is_left_is_one(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await looks_at_once(floor, lin, monkeypatch)

    assert shown.count(CODE) == 1
    assert sum(isinstance(one, LookedEnough) for one in shown) == 3


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True, ids=["postgres"]
)
async def test_where_nobody_waits_looks_at_once_do_not_count_each_other(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, count_looks = asyncio.Barrier(4), hidden_words._count_looks

    async def nothing(_session: AsyncSession, _agent_id: int) -> None:
        """As it was."""

    async def count_together(session: AsyncSession, now: datetime, actor: str) -> int:
        looks = await count_looks(session, now, actor)
        if looks:
            await counted.wait()
        return looks

    monkeypatch.setattr(hidden_words, "_hold", nothing)
    monkeypatch.setattr(hidden_words, "_count_looks", count_together)

    shown = await looks_at_once(floor, lin, monkeypatch)

    assert shown.count(CODE) == 4
