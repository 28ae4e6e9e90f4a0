"""`kadesk audit`: the trail of every change, and the books beside it, walked through."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from kadesk.shell import out, read_settings

audit_commands = typer.Typer(help="Look after the audit trail.", no_args_is_help=True)


@audit_commands.command("verify")
def verify(
    anchors: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Another file of anchored heads than [audit] anchor."),
    ] = None,
) -> None:
    """Walk the audit chain and check the books; exit code 1 when anything was removed, changed or does not add up."""
    asyncio.run(_verify(anchors))


async def _verify(anchors: Path | None) -> None:
    from audit.trail import count_unlinked
    from kadesk.database import Database
    from kadesk.errors import SettingsError
    from kadesk.folder import read_head
    from kadesk.inspection import find_problems
    from kadesk.keys import has_keys, load_keys
    from shop.vault import Vault

    settings = read_settings()
    if not has_keys(settings):
        raise SettingsError(problem=f"There is no Kadesk in {settings.data.dir}.")
    vault, database = Vault(load_keys(settings)[0]), Database(settings.database_url)
    anchors = anchors or settings.audit.anchor_path
    try:
        async with database.reading() as session:
            kept = read_head(settings.data.dir)
            found = find_problems(session, lambda text: vault.keyed_hash("audit", text), kept, anchors)
            problems = [problem async for problem in found]
            tail = await count_unlinked(session)
    finally:
        await database.close()
    for problem in problems:
        out.print(problem)
    if problems:
        raise typer.Exit(1)
    out.print(f"The chain holds and the books add up; {tail} rows wait for their link.")
