"""`kadesk users set` and `kadesk users manage`: what comes to an account, and whom it looks after."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from kadesk.shell import out, read_settings


def set_account(
    login: str,
    skills: Annotated[str | None, typer.Option(metavar="A,B", help="The skills, all of them; '' for none.")] = None,
    capacity: Annotated[int | None, typer.Option(min=0, help="Open tickets at once; 0: as in the settings.")] = None,
) -> None:
    """Set what an account can do and how much it can hold."""
    from tickets import staff

    async def verbs(session: Any, now: Any) -> None:
        agent = await staff.get_by_login(session, login)
        if skills is not None:
            agent = await staff.set_skills(session, now, login, skills.split(","))
        if capacity is not None:
            agent = await staff.set_capacity(session, now, login, capacity or None)
        can = ", ".join(agent.skills) or "no skills"
        out.print(f"{agent.login}: {can}; {agent.capacity or 'as many tickets as the settings say'}.")

    asyncio.run(_write(verbs))


def set_manager(
    buyer: Annotated[int, typer.Argument(help="The number of a merchant, as the console's list of buyers shows it.")],
    login: Annotated[str, typer.Argument(help="Who looks after them; '' for nobody.")],
) -> None:
    """Name the account manager of a merchant: their tickets are kept for this agent first."""
    from tickets import staff

    async def verbs(session: Any, now: Any) -> None:
        named = await staff.set_account_manager(session, now, buyer, login or None)
        out.print(f"{login} looks after {named.name}." if login else f"Nobody looks after {named.name} now.")

    asyncio.run(_write(verbs))


async def _write(verbs: Callable[[Any, Any], Awaitable[None]]) -> None:
    from kadesk.database import Database
    from kadesk.wiring import clock

    database = Database(read_settings().database_url)
    try:
        async with database.writing() as session:
            await verbs(session, clock())
    finally:
        await database.close()
