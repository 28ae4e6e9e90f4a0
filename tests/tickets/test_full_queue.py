"""A queue of ten thousand: many workers in several processes, and what a look at it costs the database."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from crew import WORKERS, gather
from sqlalchemy import event, insert, text
from sqlmodel import col, update

from kadesk.database import Database
from tests.conftest import NOW, empty
from tickets import queue
from tickets.desk import Desk
from tickets.routing import Tier, rank_at
from tickets.tables import Agent, Buyer, Conversation, Identity, Ticket

TICKETS = 10_000
TAKER = Path(__file__).parent / "taker.py"


class Taken(NamedTuple):
    ticket_id: int
    worker: int
    at: float  # when its transaction had ended, on the machine's steady clock


async def fill(database: Database, tickets: int) -> list[int]:
    """A queue of all levels and tiers; the ids in the order in which they are to be served."""
    heads = {Tier.NORMAL: timedelta(), Tier.VIP: timedelta(hours=2), Tier.MERCHANT: timedelta(hours=4)}
    rows = []
    for number in range(1, tickets + 1):
        since, tier = NOW + timedelta(seconds=number * 7919 % 20_000), list(Tier)[number % 3]
        rows.append(
            {
                "id": number,
                "number": f"K-{number:06d}",
                "conversation_id": 1,
                "buyer_id": 1,
                "category": "claim",
                "subject": "",
                "status": "open",
                "phase": "open",
                "level": number % 4,
                "waiting_since": since,
                "rank_at": rank_at(since, tier, heads),
                "created_at": since,
            }
        )
    agents = [
        {"id": n, "login": f"a{n}", "name": f"a{n}", "role": "agent", "password_hash": "-", "created_at": NOW}
        for n in range(1, WORKERS + 1)
    ]
    place: dict[str, Any] = {"id": 1, "buyer_id": 1, "channel": "web", "account": "main", "address": "a"}
    async with database.writing() as session:
        connection = await session.connection()
        await connection.execute(insert(Agent), agents)
        await connection.execute(insert(Buyer), [{"id": 1, "name": "b", "created_at": NOW}])
        await connection.execute(insert(Identity), [place | {"created_at": NOW}])
        await connection.execute(insert(Conversation), [place | {"identity_id": 1, "created_at": NOW}])
        await connection.execute(insert(Ticket), rows)
    await analyse(database)
    return [row["id"] for row in sorted(rows, key=lambda row: (-row["level"], row["rank_at"], row["id"]))]


async def settle_from(database: Database, first: int) -> None:
    """Most tickets of a desk are history."""
    async with database.writing() as session:
        await session.exec(update(Ticket).where(col(Ticket.id) >= first).values(phase="resolved", rank_at=None))
    await analyse(database)


async def analyse(database: Database) -> None:
    """As PostgreSQL does by itself in time; on SQLite nobody does."""
    if database.is_sqlite:
        return
    async with database.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("ANALYZE"))


async def serve(url: str, way: str) -> list[Taken]:
    """All workers take until nobody waits; what they took, in the order in which it ended."""
    return sorted((Taken(*one) for one in await gather(TAKER, url, way)), key=lambda one: one.at)


async def prepared(url: str, tickets: int) -> list[int]:
    database = Database(url)
    await empty(database)
    order = await fill(database, tickets)
    await database.close()
    return order


def passed_over(taken: list[Taken], rank: dict[int, int]) -> int:
    """The most tickets that came out after one which they go before: in other workers' hands, or out of order."""
    waiting, most = sorted(rank[one.ticket_id] for one in taken), 0
    for one in taken:
        before = waiting.index(rank[one.ticket_id])
        most = max(most, before)
        del waiting[before]
    return most


@pytest.mark.slow
@pytest.mark.alone
async def test_sixteen_workers_serve_ten_thousand_once_and_in_order(database_url: str) -> None:
    order = await prepared(database_url, TICKETS)
    rank = {ticket_id: place for place, ticket_id in enumerate(order)}

    taken = await serve(database_url, "guarded")

    times = Counter(one.ticket_id for one in taken)
    assert {ticket_id: times[ticket_id] for ticket_id in {*times, *order} if times[ticket_id] != 1} == {}
    assert len(taken) == len(order)
    for worker in range(1, WORKERS + 1):
        seen = [rank[one.ticket_id] for one in taken if one.worker == worker]
        assert [(one, two) for one, two in pairwise(seen) if one > two] == [], f"worker {worker}, out of order"
    assert passed_over(taken, rank) < WORKERS


@pytest.mark.slow
@pytest.mark.alone
async def test_looking_first_and_writing_later_serves_tickets_twice(database_url: str) -> None:
    await prepared(database_url, 100)

    taken = await serve(database_url, "naive")

    assert max(Counter(one.ticket_id for one in taken).values()) > 1, f"{len(taken)} tickets, each once"


async def statements(database: Database, act: Callable[[], Awaitable[object]]) -> list[tuple[str, Any]]:
    """The statements on tickets that `act` makes, as the database gets them."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "ticket" in statement and statement.startswith(("SELECT", "UPDATE", "WITH")):
            seen.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    await act()
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    return seen


async def plans(database: Database, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    async with database.engine.connect() as connection:
        found = await connection.exec_driver_sql(explain + statement, parameters)
        return "\n".join(" ".join(str(part) for part in row) for row in found)


async def test_taking_and_placing_look_at_the_queues_index_alone(database: Database, desk: Desk) -> None:
    order = [number for number in await fill(database, 6_000) if number <= 1_500]
    await settle_from(database, 1_501)

    async def act() -> None:
        async with database.writing() as session:
            assert await desk.take_next(session, NOW + timedelta(days=1), 1) == order[0]
        async with database.reading() as session:
            ticket = await session.get_one(Ticket, order[1_200])
            assert await queue.position(session, ticket) == 1_200

    seen = await statements(database, act)

    assert sum("UNION ALL" in statement for statement, _ in seen) == 1
    for statement, parameters in seen:
        if "UNION ALL" in statement or "count" in statement:
            plan = await plans(database, statement, parameters)
            assert "ticket_queue" in plan
            assert "SCAN ticket" not in plan
            assert "Seq Scan on ticket" not in plan


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_counting_what_an_agent_holds_does_not_go_through_all_open_tickets(database: Database) -> None:
    async with database.writing() as session:  # of two indexes that look alike, SQLite prefers the newer one
        await session.exec(text("DROP INDEX ix_ticket_phase"))
        await session.exec(text("CREATE INDEX ix_ticket_phase ON ticket (phase)"))

    counted = await statements(database, lambda: load(database, 1))

    assert "ix_ticket_assignee_id" in await plans(database, *counted[0])


async def load(database: Database, agent_id: int) -> int:
    async with database.reading() as session:
        return (await session.exec(queue.held_by(agent_id))).one()


async def test_an_agents_history_does_not_count(database: Database, now: datetime) -> None:
    await fill(database, 50)
    async with database.writing() as session:
        await session.exec(update(Ticket).where(col(Ticket.id) <= 40).values(assignee_id=1, phase="resolved"))

    assert await load(database, 1) == 0
