"""`kadesk users`: staff accounts, their passwords and their end, what comes to them, and whom they look after."""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from getpass import getpass
from typing import Annotated, Any

import typer

from kadesk.shell import out, read_settings

GENERATED = 15  # random bytes of a generated password: 20 characters


def add_account(
    login: str,
    name: Annotated[str, typer.Option(help="The name that buyers see.")] = "",
    role: Annotated[str, typer.Option(help="agent, lead, manager or admin.")] = "agent",
) -> None:
    """Add a staff account; the password is asked for, or read from standard input."""
    from kadesk.errors import SettingsError
    from kadesk.folder import make_folder
    from tickets.staff import add_agent
    from tickets.tables import Role

    if role not in list(Role):
        raise SettingsError(problem=f"There is no role {role}; choose one of {', '.join(Role)}.")
    make_folder(read_settings().data.dir)
    password = _read_password()

    async def verbs(session: Any, now: Any) -> None:
        await add_agent(session, now, login, name or login, Role(role), password)

    asyncio.run(_write(verbs, upgrade=True))
    out.print(f"Added {login} as {role}.")


def set_password(
    login: str,
    generate: Annotated[bool, typer.Option("--generate", help="Make a password, and print it this once.")] = False,
) -> None:
    """Give an account a new password and end its sessions; it is asked for, or read from standard input."""
    from console.sign_in import end_all
    from tickets import staff
    from tickets.tables import id_of

    password = secrets.token_urlsafe(GENERATED) if generate else _read_password()

    async def verbs(session: Any, now: Any) -> None:
        agent = await staff.set_password(session, now, login, password)
        await end_all(session, now, id_of(agent), "system")

    asyncio.run(_write(verbs))
    out.print(f"{login} has a new password, and is signed out everywhere.")
    if generate:
        out.print(f"Password: {password}")


def disable_account(login: str) -> None:
    """Switch an account off and end its sessions; what it owed an answer on stands in the queue again."""
    from console.sign_in import end_all
    from tickets import staff
    from tickets.tables import id_of

    async def verbs(session: Any, now: Any) -> None:
        agent = await staff.disable(session, now, login)
        await end_all(session, now, id_of(agent), "system")

    asyncio.run(_write(verbs))
    out.print(f"{login} is switched off and signed out everywhere.")


def _read_password() -> str:
    """Typed twice without echo, or the first line of what is piped in."""
    from kadesk.errors import SettingsError

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass("Password: ")
    if password != getpass("Once more: "):
        raise SettingsError(problem="The two passwords differ.")
    return password


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


async def _write(verbs: Callable[[Any, Any], Awaitable[None]], *, upgrade: bool = False) -> None:
    """Run the verbs in one transaction, with `upgrade` on a database that may be new."""
    from kadesk import migrate
    from kadesk.database import Database
    from kadesk.wiring import clock

    database = Database(read_settings().database_url)
    try:
        if upgrade:
            await migrate.upgrade(database)
        async with database.writing() as session:
            await verbs(session, clock())
    finally:
        await database.close()
