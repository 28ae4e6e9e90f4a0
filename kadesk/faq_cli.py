"""`kadesk faq …`: look at the known answers, keep them alive, move them in and out. Thin shells over the room."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from kadesk.settings import Settings
from kadesk.shell import AsJson, out, print_json, read_settings

if TYPE_CHECKING:  # a command loads only what it needs
    from sqlmodel.ext.asyncio.session import AsyncSession

    from faq.encoder import Encoder
    from faq.phrasing import Entry
    from kadesk.database import Database

faq_commands = typer.Typer(help="Look at the known answers and keep them alive.", no_args_is_help=True)
NoEncoder = Annotated[bool, typer.Option("--no-encoder", help="Leave the sentence encoder out.")]
Key = Annotated[str, typer.Argument(metavar="KEY")]
EntryFile = Annotated[Path, typer.Argument(metavar="FILE", help="Its name ends in .yaml or .csv.")]


def _encoder(settings: Settings, no_encoder: bool) -> "Encoder | None":
    from faq.encoder import installed

    return installed() if settings.faq.encoder and not no_encoder else None


def _entries(settings: Settings) -> "tuple[Entry, ...]":
    from kadesk.wiring import open_entries

    return asyncio.run(open_entries(settings))


@asynccontextmanager
async def _opened(settings: Settings) -> "AsyncIterator[Database]":
    """The install's database, brought to the newest migration and with the seed entries in it."""
    from faq.entries import add_missing
    from faq.knowledge import load
    from kadesk.database import Database
    from kadesk.folder import make_folder
    from kadesk.migrate import upgrade
    from kadesk.wiring import clock

    make_folder(settings.data.dir)
    database = Database(settings.database_url)
    try:
        await upgrade(database)
        async with database.writing() as session:
            await add_missing(session, clock(), load())
        yield database
    finally:
        await database.close()


@faq_commands.command("list")
def faq_list(as_json: AsJson = False) -> None:
    """The published entries."""
    from kadesk.faq_screen import print_entries

    entries = _entries(read_settings())
    if not as_json:
        print_entries(entries)
        return
    rows = [
        {
            "key": entry.key,
            "theme": entry.theme,
            "flow": entry.flow,
            "texts": {language: vars(text) for language, text in entry.texts.items()},
            "phrasings": len(entry.phrasings),
        }
        for entry in entries
    ]
    print_json(rows)


@faq_commands.command()
def check(as_json: AsJson = False, no_encoder: NoEncoder = False) -> None:
    """Entries that may be mistaken for one another, the worst first; exit code 1 when two have the same phrasing."""
    from faq.overlaps import find_overlaps
    from kadesk.faq_screen import print_overlaps

    settings = read_settings()
    overlaps = find_overlaps(_entries(settings), _encoder(settings, no_encoder))
    if as_json:
        print_json([{**asdict(one), "is_contradiction": one.is_contradiction} for one in overlaps])
    else:
        print_overlaps(overlaps)
    if any(overlap.kind == "same" for overlap in overlaps):
        raise typer.Exit(1)


@faq_commands.command()
def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE.tsv", help="Columns query, intent (or none), groups.")],
    as_json: AsJson = False,
    train: Annotated[list[Path] | None, typer.Option(help="Match against this table instead of the entries.")] = None,
    calibrate: Annotated[list[Path] | None, typer.Option(help="Labelled questions that correct the outcomes.")] = None,
    no_encoder: NoEncoder = False,
) -> None:
    """Measure the matcher against labelled questions."""
    from faq.evaluate import evaluate as measure
    from faq.evaluate import matcher_of, read_tsv
    from faq.matcher import Price

    settings, rows = read_settings(), read_tsv(file)
    entries, price = () if train else _entries(settings), Price(settings.faq.wrong_in)
    figures = measure(matcher_of(train or (), calibrate or (), entries, _encoder(settings, no_encoder), price), rows)
    if as_json:
        print_json(figures, indent=None)
        return
    groups = {f"{name} {value}": one for name, values in figures.pop("by").items() for value, one in values.items()}
    table = Table("", "all", *groups, box=None, pad_edge=False)
    for name, total in figures.items():
        shown = [total, *(group[name] for group in groups.values())]
        table.add_row(name, *("" if figure is None else str(figure) for figure in shown))
    out.print(table)


@faq_commands.command("export")
def export_entries(
    file: EntryFile,
    drafts: Annotated[bool, typer.Option("--drafts", help="Unpublished entries too.")] = False,
) -> None:
    """Write the entries to a file that can be edited and imported again."""
    from faq.entry_files import write

    settings = read_settings()
    entries = asyncio.run(_stored_entries(settings)) if drafts else _entries(settings)
    write(file, entries)
    out.print(f"Wrote {len(entries)} entries to {file}.")


async def _stored_entries(settings: Settings) -> "tuple[Entry, ...]":
    from faq.versions import stored

    async with _opened(settings) as database, database.reading() as session:
        return tuple(one.entry for one in await stored(session))


@faq_commands.command("import")
def import_entries(
    file: EntryFile,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    replacing: Annotated[
        bool, typer.Option("--replace", help="Take away what an entry has beyond the file; else it stays.")
    ] = False,
) -> None:
    """Add and change entries as a file says; a new one is published when it has question and answer."""
    from faq.entry_files import read
    from faq.exchange import apply, plan
    from kadesk.faq_screen import OWNER, print_plan
    from kadesk.wiring import clock
    from tickets.texts import require_no_code

    settings, entries = read_settings(), read(file)
    for entry in entries:
        for said in entry.texts.values():
            require_no_code(said.question)
            require_no_code(said.answer)

    async def run() -> None:
        async with _opened(settings) as database, database.reading() if dry_run else database.writing() as session:
            found = await plan(session, entries, replacing=replacing)
            if not dry_run:
                await apply(session, clock(), OWNER, found)
        print_plan(found, dry_run)

    asyncio.run(run())


@faq_commands.command()
def review(
    as_json: AsJson = False,
    no_encoder: NoEncoder = False,
    least: Annotated[int, typer.Option(min=1, help="Misses that it takes to propose a new entry.")] = 2,
) -> None:
    """Go through what buyers' questions could teach: one key accepts, skips or dismisses each proposal."""
    from faq.learning import proposals
    from kadesk import faq_screen

    settings = read_settings()

    async def run() -> None:
        async with _opened(settings) as database:
            async with database.reading() as session:
                found = await proposals(session, _encoder(settings, no_encoder), least)
            if as_json:
                print_json([asdict(proposal) for proposal in found])
            elif sys.stdin.isatty():
                await faq_screen.review(database, found, typer.getchar)
            else:
                faq_screen.print_proposals(found)

    asyncio.run(run())


@faq_commands.command()
def stats(
    days: Annotated[int, typer.Option(min=1, max=10_000, help="How many days back.")] = 30,
    as_json: AsJson = False,
) -> None:
    """How often each entry was asked for, and whether its answer helped."""
    from faq.statistics import statistics
    from kadesk.faq_screen import print_figures
    from kadesk.wiring import clock

    end = clock()
    start = end - timedelta(days=days)

    async def run() -> None:
        async with _opened(read_settings()) as database, database.reading() as session:
            figures = await statistics(session, start, end)
        if as_json:
            entries = [{**asdict(one), "judged": one.judged, "helpful": one.helpful} for one in figures.entries]
            print_json({"start": start.isoformat(), "end": end.isoformat(), **asdict(figures), "entries": entries})
        else:
            print_figures(figures)

    asyncio.run(run())


@faq_commands.command()
def publish(key: Key) -> None:
    """Let the bot answer with an entry."""
    from faq.versions import publish as verb

    changed = _write(verb, key)
    out.print(f"{key} is published{'' if changed else ' already'}.")


@faq_commands.command()
def unpublish(key: Key) -> None:
    """Keep an entry, but let the bot answer with it no more."""
    from faq.versions import unpublish as verb

    changed = _write(verb, key)
    out.print(f"{key} is unpublished{'' if changed else ' already'}.")


@faq_commands.command()
def restore(key: Key, version: Annotated[int, typer.Argument(metavar="VERSION")]) -> None:
    """Make an entry read as it did in an earlier version; `history` lists them."""
    from faq.versions import restore as verb

    changed = _write(verb, key, version)
    out.print(f"{key} reads as in version {version}{'' if changed else ' already'}.")


def _write(verb: Callable[..., Coroutine[Any, Any, bool]], *about: object) -> bool:
    from kadesk.faq_screen import OWNER
    from kadesk.wiring import clock

    async def run() -> bool:
        async with _opened(read_settings()) as database, database.writing() as session:
            return await verb(session, clock(), OWNER, *about)

    return asyncio.run(run())


@faq_commands.command()
def history(key: Key) -> None:
    """What an entry was before, newest first."""

    async def run() -> None:
        async with _opened(read_settings()) as database, database.reading() as session:
            await _print_history(session, key)

    asyncio.run(run())


async def _print_history(session: "AsyncSession", key: str) -> None:
    from faq.versions import get_stored
    from faq.versions import history as versions

    seen = await get_stored(session, key)
    out.print(f"{seen.version}  now, {'published' if seen.is_published else 'unpublished'}")
    for row in await versions(session, key):
        phrasings = len(row.content["phrasings"])
        out.print(f"{row.version}  until {row.replaced_at:%Y-%m-%d %H:%M} UTC, {phrasings} phrasings, {row.actor}")
