"""`kadesk shop`: what the shop sells, brought in from the tables that its owner keeps."""

import asyncio
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kadesk.event_cli import show_events
from kadesk.shell import AsJson, out, print_json, read_settings
from kadesk.shop_check import check_shops
from kadesk.shop_map import map_shop
from shop.tables import Pool

if TYPE_CHECKING:  # a command loads only what it needs
    from shop.import_rows import Defaults
    from shop.imports import Importer, Report

shop_commands = typer.Typer(help="Look after products, codes and orders.", no_args_is_help=True)
shop_commands.command("check")(check_shops)
shop_commands.command("map")(map_shop)
shop_commands.command("events")(show_events)
SHOWN = 20  # refused lines that are printed


class What(StrEnum):
    PRODUCTS = "products"
    CODES = "codes"
    ORDERS = "orders"


@shop_commands.command("import")
def import_table(
    what: Annotated[What, typer.Argument(help="What the file holds.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, XLSX, or a list of codes as text.")],
    shop: Annotated[str, typer.Option(help="The shop that sells it.")] = "demo",
    sku: Annotated[str, typer.Option(help="The product, where no column names it.")] = "",
    pool: Annotated[Pool, typer.Option(help="What the codes are for: replacements, or for sale.")] = Pool.RESERVE,
    supplier: Annotated[str, typer.Option(help="Where the codes come from.")] = "",
    batch: Annotated[
        str, typer.Option(help="The delivery that they belong to; the day and the product if left out.")
    ] = "",
    cost: Annotated[str, typer.Option(help='What one code cost, such as "45.50".')] = "",
    currency: Annotated[str, typer.Option(help="Of prices without one.")] = "CNY",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; keep nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a table in; stopped halfway, run it again. Exit code 1 when lines were left out."""
    from shop.import_rows import Defaults

    zone = ZoneInfo(read_settings().console.time_zone)
    defaults = Defaults(sku, pool, supplier, batch, cost, currency, zone)
    report = asyncio.run(_import(what, file, shop, defaults, dry_run))
    _print(report, what, dry_run, as_json)
    if report.refused:
        raise typer.Exit(1)


@shop_commands.command("link")
def print_link(
    order_no: Annotated[str, typer.Argument(metavar="ORDER_NO", help="The order that it opens.")],
    shop: Annotated[str, typer.Option(help="The shop that sold it; the first if left out.")] = "",
    minutes: Annotated[int, typer.Option(min=1, help="How long it is good.")] = 30,
) -> None:
    """Print a signed link into the chat, to try what the shop's own page of an order would show."""
    from kadesk.shops import open_links
    from kadesk.wiring import clock

    settings = read_settings()
    of_shops = {links.shop: links for links in open_links(settings.shop, settings.ownership.link_secret)}
    if (links := of_shops.get(shop or settings.shop.name)) is None:
        raise typer.BadParameter(f"there is no shop {shop!r}; there are {', '.join(of_shops)}")
    payload = links.sign(order_no, clock() + timedelta(minutes=minutes))
    out.print(f"{settings.public_url}/chat?start={payload}")
    out.print(f"https://t.me/YOUR_BOT?start={payload}")


async def _import(what: What, file: Path, shop: str, defaults: "Defaults", dry_run: bool) -> "Report":
    from kadesk.database import Database
    from kadesk.folder import make_folder
    from kadesk.keys import load_keys
    from kadesk.migrate import upgrade
    from kadesk.wiring import clock
    from shop.import_kinds import Codes, Orders, Products
    from shop.imports import Importer
    from shop.vault import Vault

    settings = read_settings()
    make_folder(settings.data.dir)
    keys, new_file = load_keys(settings)
    if new_file:
        out.print(f"New keys for the codes were written to {new_file}. Back this file up.")
    vault, database = Vault(keys), Database(settings.database_url)
    kinds: dict[What, Any] = {
        What.PRODUCTS: Products(shop),
        What.CODES: Codes(shop, vault),
        What.ORDERS: Orders(shop, vault),
    }
    try:
        await upgrade(database)
        importer: Importer[Any] = Importer(database, clock, vault, kinds[what], shop, defaults)
        return await _with_progress(importer, file, dry_run)
    finally:
        await database.close()


async def _with_progress(importer: "Importer[Any]", file: Path, dry_run: bool) -> "Report":
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task(file.name, total=importer.count(file))
        run = importer.try_out if dry_run else importer.run
        return await run(file, lambda lines: progress.advance(task, lines))


def _print(report: "Report", what: What, dry_run: bool, as_json: bool) -> None:
    if as_json:
        refused = [refusal._asdict() for refusal in report.refused]
        print_json(
            {
                "added": report.added,
                "changed": report.changed,
                "skipped": report.skipped,
                "refused": refused,
                "dry_run": dry_run,
            }
        )
        return
    would = "Would add" if dry_run else "Added"
    changed = f", changed {report.changed}" if report.changed else ""
    done_before = f"; {report.skipped} lines were done before" if report.skipped else ""
    out.print(f"{would} {report.added} {what}{changed}{done_before}.")
    for refusal in report.refused[:SHOWN]:
        out.print(f"Line {refusal.line} is left out: {refusal.problem}.")
    if len(report.refused) > SHOWN:
        out.print(f"And {len(report.refused) - SHOWN} more lines.")
