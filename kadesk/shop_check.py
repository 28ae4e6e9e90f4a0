"""`kadesk shop check`: whether each shop and supplier's system answers, has what is read of it, and what it can do."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import typer
from pydantic import SecretStr

from audit.errors import KadeskError
from kadesk.database import Database
from kadesk.shell import AsJson, out, print_json, read_settings
from kadesk.shops import KINDS, ShopSection
from kadesk.suppliers import SupplierApiSection
from shop.adapters.foreign import DatabaseShop, ForeignShop, Seen
from shop.errors import NothingGranted, ShopDown
from shop.port import Power, Shop
from shop.vault import Keys, Vault

# In words of an owner.
CAN = {
    Power.PROVE_OWNER: "prove that an order is the buyer's, by its query password or the end of its payment number",
    Power.CONTACT: "mail a code to the address of an order, for buyers who have no other proof",
    Power.LIST_CODES: "show which codes an order delivered, masked",
    Power.CHECK_CODE: "compare the code that a buyer types with what the order delivered",
    Power.STOCK: "count the codes that are left for sale",
    Power.ORIGIN: "tell which supplier and batch a code came from",
    Power.ISSUE: "take a replacement from the shop's own stock",
    Power.REFUND: "pay money back, by itself or by a person there",
    Power.QUARANTINE: "mark a code that was replaced as bad",
    Power.NOTE: "write beside the order what became of it",
}
SHOWN = 40  # tables
_PORTS = {"mysql": 3306, "mariadb": 3306, "postgresql": 5432, "http": 80, "https": 443}


@dataclass
class Finding:
    """What is known of one shop, or of one supplier's system."""

    name: str
    kind: str
    problem: str = ""  # why nothing more is known
    missing: list[str] = field(default_factory=list)  # "table.column", that is not there or may not be read
    grants: list[str] = field(default_factory=list)  # what its owner runs there
    spared: list[str] = field(default_factory=list)  # columns that it does without, of newer releases or not granted
    tables: list[str] = field(default_factory=list)  # that there are, where one is missing as a whole
    powers: frozenset[Power] = frozenset()
    writes: frozenset[str] = frozenset()  # what its settings let Kadesk change there

    @property
    def is_good(self) -> bool:
        return not (self.problem or self.missing)


def check_shops(as_json: AsJson = False) -> None:
    """Ask every shop and supplier of the settings whether it answers as it must. Exit code 1 when one does not."""
    settings = read_settings()
    database = Database(settings.database_url)

    async def look() -> tuple[list[Finding], list[Finding]]:
        shops = await asyncio.gather(*(_examine(section, database) for section in settings.shop.all))
        suppliers = await asyncio.gather(*(_examine_supplier(*named) for named in settings.suppliers.api.items()))
        await database.close()
        return shops, suppliers

    shops, suppliers = asyncio.run(look())
    is_good = all(finding.is_good for finding in (*shops, *suppliers))
    if as_json:
        asked = [{"name": one.name, "ok": one.is_good, "problem": one.problem} for one in suppliers]
        print_json({"ok": is_good, "shops": [_facts(finding) for finding in shops], "suppliers": asked})
    else:
        for finding in (*shops, *suppliers):
            _print(finding)
    if not is_good:
        raise typer.Exit(1)


async def _examine(section: ShopSection, database: Database) -> Finding:
    finding = Finding(section.name, section.kind, writes=frozenset(section.writes))
    shop: Shop | None = None
    try:
        shop = KINDS[section.kind](section, database, Vault(Keys.generate()))  # any keys do: nothing is kept
        finding.powers = shop.powers
        if isinstance(shop, DatabaseShop):
            _compare(finding, await shop.look())
        if isinstance(shop, ForeignShop) and not finding.missing:
            await shop.examine()
    except KadeskError as error:
        finding.problem = str(error)
        if type(error) is ShopDown:
            finding.problem = _explain(error, section.url)
        if isinstance(error, NothingGranted) and isinstance(shop, DatabaseShop):
            finding.grants = shop.grants
    finally:
        if shop is not None:
            await shop.close()
    return finding


def _compare(finding: Finding, seen: Seen) -> None:
    finding.missing, finding.grants, finding.spared = [*seen.missing], [*seen.grants], [*seen.spared]
    if {name.partition(".")[0] for name in seen.missing} - {*seen.tables}:
        finding.tables = [*seen.tables]


async def _examine_supplier(name: str, section: SupplierApiSection) -> Finding:
    finding = Finding(f"supplier {name}", "api.php")
    try:
        supplier = section.open(name)
        try:
            await supplier.examine()
        finally:
            await supplier.close()
    except KadeskError as error:
        finding.problem = _explain(error, section.url) if type(error) is ShopDown else str(error)
    return finding


def _explain(error: KadeskError, url: SecretStr) -> str:
    return f"{error} Does it run at {_place(url)}, and may this machine reach it?"


def _place(secret: SecretStr) -> str:
    """Where it is looked for, without who is looking."""
    try:
        url = urlsplit(secret.get_secret_value())
        door = parse_qs(url.query).get("unix_socket", [url.path])[0]
        return f"{url.hostname}:{url.port or _PORTS.get(url.scheme, '')}" if url.hostname else door
    except ValueError:
        return "the address in its url"


def _facts(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.name,
        "kind": finding.kind,
        "ok": finding.is_good,
        "problem": finding.problem,
        "missing": finding.missing,
        "grants": finding.grants,
        "without": finding.spared,
        "tables": finding.tables,
        "writes": sorted(finding.writes & finding.powers),
        "can": sorted(finding.powers),
        "cannot": sorted(set(CAN) - finding.powers),
    }


def _print(finding: Finding) -> None:
    out.print(f"{finding.name} (kind {finding.kind})")
    if finding.problem:
        out.print(f"  {finding.problem}")
    elif finding.missing:
        out.print(f"  It answers, but {len(finding.missing)} columns are not there, or this user may not read them:")
        _print_lines(finding.missing)
    else:
        is_own = finding.kind == "local"
        out.print("  Its orders stand in our tables." if is_own else "  It answers, and has all that Kadesk reads.")
    if finding.tables:
        out.print(
            f"  Tables that this user sees: {', '.join(finding.tables[:SHOWN])}. Is it the right kind and prefix?"
        )
    if finding.grants:
        out.print("  Where they are there, the owner of the database lets Kadesk read them with:")
        _print_lines(finding.grants)
    if finding.spared and finding.is_good:
        out.print("  It goes without these, which older releases do not have; grant them where they are there:")
        _print_lines(finding.spared)
    if finding.powers:
        _print_powers(finding.powers, is_good=finding.is_good)
    if finding.kind != "local":
        _print_writes(finding)


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        out.print(f"    {line}")


def _print_powers(powers: frozenset[Power], *, is_good: bool) -> None:
    out.print(f"  {'' if is_good else 'When that is mended, '}Kadesk can find its orders, and")
    for power, words in CAN.items():
        if power in powers:
            out.print(f"    + {words}")
    out.print("  It cannot")
    for power, words in CAN.items():
        if power not in powers:
            out.print(f"    - {words}")


def _print_writes(finding: Finding) -> None:
    """What its owner switched on, and what nothing comes of."""
    if not finding.writes:
        out.print('  Kadesk changes nothing there: "writes" in the settings is empty.')
        return
    switched_on = [power for power in CAN if power in finding.writes & finding.powers]
    if switched_on:
        out.print('  Switched on by "writes" in the settings, so that Kadesk changes something there:')
        _print_lines([f"* {CAN[power]}" for power in switched_on])
    if idle := sorted(finding.writes - finding.powers):
        out.print(f"  In vain, for a shop of this kind cannot do it: {', '.join(idle)}")
