"""Counting what did not arrive costs by what did not arrive: every page of the console does it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.tickets.conftest import Floor
from tickets import outbox
from tickets.tables import Message, Outgoing


async def send_much(floor: Floor) -> None:
    """Thousands of messages that arrived, and one that did not."""
    conversation = await floor.meet()
    said = {"conversation_id": conversation.id, "direction": "out", "author": "bot", "text": "…"}
    said |= {"created_at": floor.now, "attachments": [], "buttons": [], "is_note": False}
    place = {"channel": "web", "account": "main", "address": "buyer-1", "handles": False, "priority": 1, "attempts": 1}
    times = {"not_before": floor.now, "created_at": floor.now, "conversation_id": conversation.id}
    async with floor.database.writing() as session:
        connection = await session.connection()
        await connection.execute(insert(Message), [said] * 3_000)
        rows = [
            {"message_id": number, "state": "failed" if number == 7 else "sent"} | place | times
            for number in range(1, 3_001)
        ]
        await connection.execute(insert(Outgoing), rows)
        if not floor.database.is_sqlite:  # which does not look at its tables by itself
            await session.exec(text("ANALYZE outbox"))  # type: ignore[call-overload]


@pytest.mark.parametrize("looks_for", ["how many", "which"])
async def test_what_was_lost_is_found_by_the_index_of_what_was_lost(floor: Floor, looks_for: str) -> None:
    await send_much(floor)
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    async def look(session: AsyncSession) -> None:
        since = floor.now - timedelta(days=1)
        if looks_for == "how many":
            assert await outbox.count_lost(session, since) == 1
        else:
            assert [outgoing.message_id for outgoing, _ in await outbox.lost(session, since, 9)] == [7]

    async with floor.database.reading() as session:
        event.listen(floor.database.engine.sync_engine, "before_cursor_execute", note)
        await look(session)
        event.remove(floor.database.engine.sync_engine, "before_cursor_execute", note)

    explain = "EXPLAIN QUERY PLAN " if floor.database.is_sqlite else "EXPLAIN "
    async with floor.database.engine.connect() as connection:
        statement, parameters = seen[-1]
        plan = (await connection.exec_driver_sql(explain + statement, parameters)).all()
    assert "outbox_lost" in str(plan)
