"""`kadesk keys`: the keys of the codes, looked at and changed."""

import asyncio
from typing import TYPE_CHECKING

import typer
from rich.progress import Progress

from kadesk.shell import out, read_settings

if TYPE_CHECKING:  # a command loads only what it needs
    from kadesk.database import Database
    from shop.vault import Vault

keys_commands = typer.Typer(help="Look after the keys of the codes.", no_args_is_help=True)


@keys_commands.command("rotate")
def rotate() -> None:
    """Make a new key and seal everything under it; stopped halfway, run it again. Stop `kadesk serve` first."""
    from kadesk.errors import SettingsError
    from kadesk.folder import held
    from kadesk.keys import has_keys

    settings = read_settings()
    if not has_keys(settings):
        raise SettingsError(problem=f"There is no Kadesk in {settings.data.dir}.")
    with held(settings.data.dir):
        asyncio.run(_rotate())


async def _rotate() -> None:
    from kadesk.database import Database
    from kadesk.keys import count_seals_to_renew, is_given, keep_keys, load_keys
    from kadesk.migrate import upgrade
    from shop.vault import Vault

    settings = read_settings()
    keys, _ = load_keys(settings)
    database = Database(settings.database_url)
    try:
        await upgrade(database)
        if not await count_seals_to_renew(database, Vault(keys)):  # else the last change is still to be ended
            keys = keys.with_new()
            if is_given(settings):
                out.print("Set KADESK_DATA__KEYS to the following, back it up, and run this command again:")
                out.print(" ".join(keys.to_text().split()))
                return
            out.print(f"A new key is in {keep_keys(settings, keys)}. Back this file up before you go on selling.")
        await _renew(database, Vault(keys))
    finally:
        await database.close()


async def _renew(database: "Database", vault: "Vault") -> None:
    from audit.trail import record
    from kadesk.keys import count_seals_to_renew, renew_seals
    from kadesk.wiring import clock

    total = await count_seals_to_renew(database, vault)
    with Progress(console=out, transient=True) as progress:
        task = progress.add_task("Sealing anew", total=total)
        broken = await renew_seals(database, vault, lambda count: progress.advance(task, count))
    async with database.writing() as session:
        after = {"key": vault.current, "renewed": total - len(broken), "broken": len(broken)}
        record(session, clock(), "system", "keys.rotated", "keys", None, after)
    out.print(f"{total - len(broken)} seals are under the key {vault.current}. Older keys stay, for older backups.")
    if broken:
        out.print(f"{len(broken)} rows do not open and were left as they are: {', '.join(broken[:20])}.")
        raise typer.Exit(1)
