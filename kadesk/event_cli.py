"""`kadesk shop events`: what shops told that could not be followed."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from kadesk.shell import AsJson, out, print_json, read_settings

if TYPE_CHECKING:  # a command loads only what it needs
    from shop.tables import ShopEvent

SHOWN = 200  # events


def show_events(
    retry: Annotated[bool, typer.Option("--retry", help="Look at their orders once more.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the events that were laid aside, their shop being away too long. Exit code 1 when there are any."""
    events = asyncio.run(_read(retry=retry))
    if as_json:
        names = ("shop", "order_no", "kind", "received_at", "problem")
        print_json({"retried": retry, "events": [{name: str(getattr(one, name)) for name in names} for one in events]})
    else:
        for one in events:
            out.print(f"{one.received_at:%Y-%m-%d %H:%M} UTC  {one.shop}  {one.order_no}  {one.kind}  {one.problem}")
        out.print(f"{len(events)} {'tried again' if retry else 'laid aside'}.")
    if events and not retry:
        raise typer.Exit(1)


async def _read(*, retry: bool) -> "list[ShopEvent]":
    from kadesk.database import Database
    from kadesk.folder import make_folder
    from kadesk.migrate import upgrade
    from kadesk.wiring import clock
    from shop import incoming

    settings = read_settings()
    make_folder(settings.data.dir)
    database = Database(settings.database_url)
    try:
        await upgrade(database)
        async with database.writing() as session:
            events = await incoming.laid_aside(session, SHOWN)
            for event in events if retry else ():
                await incoming.retry(session, clock(), event, "system")
        return events
    finally:
        await database.close()
