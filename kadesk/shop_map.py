"""`kadesk shop map`: proposes where a shop of any make keeps what, shows three orders read so, and writes it down."""

import asyncio
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from kadesk.database import Database
from kadesk.errors import SettingsError
from kadesk.settings import SHIPPED, Settings, find_file
from kadesk.shell import AsJson, out, print_json, read_settings
from kadesk.shops import ShopSection, make_ground
from shop.adapters.connection import ShopDatabase
from shop.adapters.foreign import Sold
from shop.adapters.map_values import Proposal
from shop.adapters.proposing import newest_numbers, propose
from shop.adapters.sql import SqlShop
from shop.addresses import find_address, mask_address
from shop.masking import mask
from shop.money import in_words
from shop.port import OrderStatus
from shop.vault import Keys, Vault

SECONDS = 30.0  # that a look at the schema may take
SHOWN = 3  # orders
_BARE = re.compile("[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Found:
    """A proposal, and what orders it reads."""

    proposal: Proposal
    orders: Sequence[Mapping[str, Any]]


def map_shop(
    name: Annotated[str, typer.Option(help="The shop, as [shop.more.NAME] calls it; the first if left out.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take what is proposed.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Put it into the settings file, and do not only print it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Propose the columns of a shop of the kind "sql" from its live database; nothing is written there."""
    settings, path = read_settings(), find_file()
    if write and path == SHIPPED:
        raise SettingsError(problem=f"There are no settings here yet: copy {SHIPPED} to ./settings.toml first.")
    section = _section(settings, name)
    found = asyncio.run(_look(settings, section))
    header = "shop" if section.name == settings.shop.name else f"shop.more.{section.name}"
    block = as_toml(header, found.proposal.columns)
    if not as_json:
        _print(found, block)
        if not (yes or typer.confirm("Are these orders as the shop has them?", err=True)):
            out.print("Then correct the lines above by hand; docs/shops.md says what each may say.")
            raise typer.Exit(1)
        write = write or (not yes and path != SHIPPED and typer.confirm(f"Write it to {path}?", err=True))
    if write:
        path.write_text(put_columns(path.read_text(encoding="utf-8"), header, block), encoding="utf-8")
    if as_json:
        facts = {"shop": section.name, "columns": found.proposal.columns, "doubts": found.proposal.doubts}
        print_json(facts | {"orders": found.orders, "settings": block, "written": write})
    else:
        out.print(f"Written to {path}." if write else "Nothing is written: paste it yourself.")


def _section(settings: Settings, name: str) -> ShopSection:
    section = next((one for one in settings.shop.all if one.name == (name or settings.shop.name)), None)
    if section is None:
        names = ", ".join(one.name for one in settings.shop.all)
        raise SettingsError(problem=f"There is no shop {name} in the settings; choose from {names}.")
    if not section.url.get_secret_value():
        place = "" if section.name == settings.shop.name else f"MORE__{section.name.upper()}__"
        raise SettingsError(problem=f"The shop {section.name} has no url yet: set KADESK_SHOP__{place}URL.")
    return section


async def _look(settings: Settings, section: ShopSection) -> Found:
    url, own = section.url.get_secret_value(), Database(settings.database_url)
    database = ShopDatabase(section.name, url, seconds=SECONDS)
    try:
        proposal = await propose(database)
        ground = make_ground(section, own, Vault(Keys.generate()))  # any keys do: nothing is kept
        shop = SqlShop(ground, url, proposal.columns, seconds=SECONDS)
        try:
            numbers = await newest_numbers(database, proposal.columns)
            sold = [one for one in [await shop.read(number) for number in numbers] if one]
        finally:
            await shop.close()
    finally:
        await database.close()
        await own.close()
    ordered = sorted(sold, key=lambda one: one.order.status != OrderStatus.DELIVERED)
    return Found(proposal, [shown(one) for one in ordered[:SHOWN]])


def shown(sold: Sold) -> dict[str, Any]:
    """An order as an owner recognises it, with nothing in it that is a secret."""
    order = sold.order
    address = find_address(order.contact)
    return {
        "order": mask(order.order_no),
        "status": order.status,
        "product": order.goods.name,
        "quantity": order.quantity,
        "paid": in_words(order.paid, order.goods.currency),
        "paid_at": order.paid_at and order.paid_at.isoformat(),
        "contact": mask_address(address) if address else mask(order.contact) if order.contact else "",
        "codes": [mask(code) for code in sold.codes],
        "proved_by": sorted(sold.secrets),
    }


def as_toml(header: str, columns: Mapping[str, str]) -> str:
    """The lines that say the columns in the settings."""
    lines = [
        f"{key if _BARE.fullmatch(key) else json.dumps(key)} = {json.dumps(text, ensure_ascii=False)}"
        for key, text in columns.items()
    ]
    return "\n".join([f"[{header}.columns]", *lines, ""])


def put_columns(text: str, header: str, block: str) -> str:
    """The settings with these columns and the kind "sql", and everything else as it was. Raises `SettingsError`."""
    sections = re.split(r"(?m)^(?=\[)", text)
    kept = [part for part in sections if not part.startswith(f"[{header}.columns]")]
    for at, part in enumerate(kept):
        if part.startswith(f"[{header}]"):
            part = re.sub(r"(?m)^columns\s*=\s*\{[^\n]*\}[^\n]*\n", "", part)
            kept[at] = re.sub(r'(?m)^kind\s*=\s*"[^"]*"', 'kind = "sql"', part)
    written = "".join(kept).rstrip("\n") + "\n\n" + block
    if not _says(written, text, header, block):
        raise SettingsError(problem=f"The settings file has [{header}] in an unusual form: paste the lines yourself.")
    return written


def _says(written: str, before: str, header: str, block: str) -> bool:
    """Whether the new text says what the old one did, and this."""
    wanted, said = tomllib.loads(before), tomllib.loads(block)
    section = wanted
    for name in header.split("."):
        section, said = section.setdefault(name, {}), said[name]
    section |= {"kind": "sql", "columns": said["columns"]}
    try:
        return tomllib.loads(written) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _print(found: Found, block: str) -> None:
    out.print(block)
    for order in found.orders:
        out.print(
            "  ".join(f"{key}: {', '.join(text) if isinstance(text, list) else text}" for key, text in order.items())
        )
    if not found.orders:
        out.print("No order could be read.")
    for doubt in found.proposal.doubts:
        out.print(f"? {doubt}")
