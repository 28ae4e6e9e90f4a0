"""A process of agents who empty the queue: `python taker.py URL WAY FIRST COUNT`, started by a line on standard input.

WAY is the desk's `guarded` verb or its `naive` twin. Prints what was taken as JSON: ticket, worker, when it had ended.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime

from sqlmodel import col, select, update

from kadesk.database import Database
from tickets import queue
from tickets.desk import Desk
from tickets.routing import Routing
from tickets.rules import DeskRules
from tickets.tables import Agent, Ticket

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
DESK = Desk(lambda language, key, /, **facts: key, DeskRules(routing=Routing(capacity=10_000)))


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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


async def work(url: str, way: str, first: int, count: int) -> list[tuple[int, int, float]]:
    database, taken = Database(url), []

    async def one(worker: int) -> None:
        while (ticket_id := await {"guarded": guarded, "naive": naive}[way](database, worker)) is not None:
            taken.append((ticket_id, worker, time.monotonic()))

    async with database.reading() as session:  # connected before the start
        await session.exec(select(Agent.id))
    tell("ready")
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(one(first + number) for number in range(count)))
    await database.close()
    return taken


if __name__ == "__main__":
    tell(json.dumps(asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))))
