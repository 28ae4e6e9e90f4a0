"""Processes of agents who empty the queue: `python taker.py URL WAY`; see `crew`.

WAY is the desk's `guarded` verb or its `naive` twin. Reports [ticket, worker, when it had ended].
"""

import time
from datetime import UTC, datetime
from typing import Any

from crew import main
from sqlmodel import col, select, update

from kadesk.database import Database
from tickets import queue
from tickets.desk import Desk
from tickets.routing import Routing
from tickets.rules import DeskRules
from tickets.tables import Ticket

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
DESK = Desk(lambda language, key, /, **facts: key, DeskRules(routing=Routing(capacity=10_000)))


async def guarded(database: Database, agent_id: int) -> int | None:
    async with database.writing() as session:
        return await DESK.take_next(session, NOW, agent_id)


async def naive(database: Database, agent_id: int) -> int | None:
    """Looks first and writes later, without a guard."""
    async with database.reading() as session:
        head = select(Ticket.id).where(*queue.is_queued(), col(Ticket.queue) == "general").order_by(*queue.ORDER)
        ticket_id = (await session.exec(head.limit(1))).first()
    if ticket_id is not None:
        async with database.writing() as session:
            await session.exec(update(Ticket).where(col(Ticket.id) == ticket_id).values(assignee_id=agent_id))
    return ticket_id


async def work(database: Database, way: str, worker: int) -> list[list[Any]]:
    taken: list[list[Any]] = []
    while (ticket_id := await {"guarded": guarded, "naive": naive}[way](database, worker)) is not None:
        taken.append([ticket_id, worker, time.monotonic()])
    return taken


if __name__ == "__main__":
    main(work)
