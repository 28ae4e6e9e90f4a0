"""`kadesk sla …`: what a calendar does in the coming days, and today's policies for clocks that run already."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from kadesk.errors import SettingsError
from kadesk.shell import AsJson, out, print_json, read_settings

if TYPE_CHECKING:  # a command loads only what it needs
    from sqlmodel.ext.asyncio.session import AsyncSession

    from tickets.policies import Move

sla_commands = typer.Typer(help="Look at calendars, and put running clocks on today's policies.", no_args_is_help=True)
BATCH = 500  # tickets to a transaction, so that nobody waits for long
SHOWN = 20  # moves that are listed


@sla_commands.command("calendar")
def show_calendar(
    name: Annotated[str, typer.Argument(metavar="NAME", help="staffed, or one of [sla.calendars].")] = "staffed",
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days from today on.")] = 30,
    as_json: AsJson = False,
) -> None:
    """When a calendar is open in the coming days, with its holidays and make-up days."""
    from kadesk.wiring import clock, timetables_of
    from tickets.hours import preview

    timetables = timetables_of(read_settings())
    if name not in timetables:
        raise SettingsError(problem=f"There is no calendar {name}; choose from {', '.join(timetables)}.")
    calendar, zone = timetables[name].calendar(), ZoneInfo(timetables[name].zone)
    coming = preview(calendar, clock().astimezone(zone).date(), days)
    rows = [
        (str(day.day), f"{day.day:%a}", str(day.kind), [_span(span.start, span.end, zone) for span in day.spans])
        for day in coming
    ]
    if as_json:
        print_json([dict(zip(("day", "weekday", "kind", "open"), row, strict=True)) for row in rows])
        return
    table = Table("day", "", "kind", f"open ({timetables[name].zone})", box=None)
    for day, weekday, kind, spans in rows:
        table.add_row(day, weekday, "" if kind == "regular" else kind, ", ".join(spans) or "closed")
    out.print(table)


def _span(start: Any, end: Any, zone: ZoneInfo) -> str:
    return f"{start.astimezone(zone):%H:%M}-{end.astimezone(zone):%H:%M}"


@sla_commands.command("reapply")
def reapply(
    numbers: Annotated[list[str] | None, typer.Argument(metavar="[NUMBER]...", help="Tickets; all if none.")] = None,
    by: Annotated[str, typer.Option("--by", metavar="LOGIN", help="The manager who decides it.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would move.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put running clocks on today's policies. What is late already stays late."""
    if not by and not dry_run:
        raise SettingsError(problem="Name the manager who decides it with --by, or look first with --dry-run.")
    asyncio.run(_reapply(numbers or [], by, dry_run, as_json))


async def _reapply(numbers: Sequence[str], by: str, dry_run: bool, as_json: bool) -> None:
    from bot.phrases import Phrases
    from kadesk.database import Database
    from kadesk.migrate import upgrade
    from kadesk.wiring import clock, desk_rules
    from tickets.desk import Desk
    from tickets.staff import get_by_login

    settings = read_settings()
    desk, database = Desk(Phrases(), desk_rules(settings)), Database(settings.database_url)
    moves: list[Move] = []
    after = 0
    try:
        await upgrade(database)
        while True:
            async with database.reading() as session:
                ticket_ids = await _batch(session, numbers, after)
                if dry_run:
                    moves += await desk.preview_policies(session, clock(), ticket_ids)
            if not ticket_ids:
                break
            if not dry_run:
                async with database.writing() as session:
                    manager = await get_by_login(session, by)
                    moves += await desk.reapply_policies(session, clock(), manager.id or 0, ticket_ids)
            after = max(ticket_ids)
    finally:
        await database.close()
    _tell(moves, dry_run, as_json)


async def _batch(session: "AsyncSession", numbers: Sequence[str], after: int) -> list[int]:
    """The next tickets: those named, or all whose clocks run."""
    from tickets.policies import find_named, find_running

    return await (find_named(session, numbers, after) if numbers else find_running(session, after, BATCH))


def _tell(moves: "Sequence[Move]", dry_run: bool, as_json: bool) -> None:
    late = [move for move in moves if move.is_late]
    if as_json:
        print_json(
            {
                "moved": len(moves),
                "tickets": len({move.ticket_id for move in moves}),
                "late": len(late),
                "by_metric": Counter(move.metric for move in moves),
                "is_dry_run": dry_run,
            }
        )
        return
    word = "would move" if dry_run else "moved"
    out.print(
        f"{len(moves)} clocks of {len({move.ticket_id for move in moves})} tickets {word}; {len(late)} are late then."
    )
    for move in [*late, *(move for move in moves if not move.is_late)][:SHOWN]:
        note = "  late" if move.is_late else ""
        out.print(
            f"  {move.number} {move.metric}: {move.due_at:%Y-%m-%d %H:%M} → {move.new_due_at:%Y-%m-%d %H:%M} UTC{note}"
        )
