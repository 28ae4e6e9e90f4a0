"""Looking for what nobody has seen costs by what nobody has seen, not by all that was ever told."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from kadesk.database import Database
from tests.tickets.conftest import Floor
from tickets import notices, reminders
from tickets.tables import Level, Notice

HOUR = timedelta(hours=1)


async def tell_much(floor: Floor) -> None:
    """Five colleagues, who have seen thousands of notices, and a few not."""
    agents = [await floor.hire(f"agent-{number}") for number in range(5)]
    told = {"ticket_id": None, "text": "…", "created_at": floor.now, "seen_at": floor.now}
    async with floor.database.writing() as session:
        connection = await session.connection()
        await connection.execute(insert(Notice), [{"agent_id": agents[n % 5]} | told for n in range(5_000)])
    await floor.open(level=Level.HUMAN_QUEUE)
    async with floor.database.writing() as session:
        if floor.database.is_sqlite:  # of two indexes that look alike it prefers the newer one, which a migration made
            await session.exec(text("DROP INDEX ix_notice_agent_id"))  # type: ignore[call-overload]
        else:
            await session.exec(text("ANALYZE notice"))  # type: ignore[call-overload]


async def looks(database: Database, act: Callable[[], Awaitable[object]]) -> list[str]:
    """How the database finds the notices that `act` asks for."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "notice" in statement and statement.startswith(("SELECT", "UPDATE")):
            seen.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    await act()
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    plans = []
    async with database.engine.connect() as connection:
        for statement, parameters in seen:
            found = await connection.exec_driver_sql(explain + statement, parameters)
            plans.append("\n".join(" ".join(str(part) for part in row) for row in found))
    return plans


Ask = Callable[[Floor], Awaitable[object]]
ASKED: dict[str, Ask] = {
    "remind": lambda floor: floor.do(reminders.remind, floor.desk.rules, at=floor.now + HOUR),
    "deliver late": lambda floor: floor.do(reminders.deliver_late, floor.desk.rules, at=floor.now + HOUR),
    "count": lambda floor: floor.do(lambda session, now: reminders.count_undeliverable(session)),
    "unseen": lambda floor: floor.do(notices.unseen, 1, at=floor.now + HOUR),
    "mark seen": lambda floor: floor.do(notices.mark_seen, 1, 9_999, at=floor.now + HOUR),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
async def test_looks_go_by_the_index_of_what_is_unseen(floor: Floor, ask: Ask) -> None:
    await tell_much(floor)

    plans = await looks(floor.database, lambda: ask(floor))

    assert plans
    for plan in plans:
        # For those of nobody PostgreSQL may think the other index as cheap: it goes to the same few.
        assert "notice_unseen" in plan or "Index Cond: (agent_id IS NULL)" in plan
