"""The settings of the shops that Kadesk stands beside, and how each kind is opened."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, model_validator

from kadesk.database import Database
from kadesk.events import EventsSection
from kadesk.values import LongSecret, Span, Words, Zone, only
from shop.adapters import acg_faka, dujiaoka_balance, dujiaoka_stock
from shop.adapters.card_system import CardSystem
from shop.adapters.connection import ShopDatabase
from shop.adapters.dujiao_next import DujiaoNext
from shop.adapters.dujiaoka import Dujiaoka
from shop.adapters.foreign import Ground
from shop.adapters.http import HttpShop
from shop.adapters.local import LocalShop
from shop.adapters.remote import SignedInShop
from shop.adapters.sql import SqlShop
from shop.deep_links import DeepLinks
from shop.delivered import FAILURES
from shop.events import Events
from shop.port import Power, Shop
from shop.vault import Vault


def _kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(f"there is no kind of shop {text!r}; choose from {', '.join(KINDS)}")
    return text


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
Kind = Annotated[str, AfterValidator(_kind)]
KEPT = timedelta(seconds=2)  # that an order counts as just read: one message asks for it several times
WRITES = (Power.ISSUE, Power.REFUND, Power.QUARANTINE, Power.NOTE)  # off until the owner switches them on
Writes = Annotated[Words, AfterValidator(only(WRITES, "nothing is written as"))]


class ShopSection(EventsSection):
    """[shop], and each [shop.more.NAME]"""

    kind: Kind = "local"
    name: Name = "demo"  # what tickets, the ledger and reports call it
    url: SecretStr = SecretStr("")
    user: str = ""
    password: SecretStr = SecretStr("")
    secret: SecretStr = SecretStr("")  # that signs what goes to and fro
    link_secret: LongSecret = SecretStr("")  # that signs this shop's links; that of [ownership] if left out
    time_zone: Zone = "Asia/Shanghai"  # of its times, where they have none
    currency: str = Field(default="CNY", pattern="[A-Z]{3}")
    warranty: Span = Field(default="30 d", validate_default=True)  # of goods that our own products say nothing of
    timeout: Span = Field(default="5 s", validate_default=True)
    writes: Writes = ()
    prefix: str = Field(default=acg_faka.PREFIX, pattern="[A-Za-z0-9_]{0,30}")  # of kind "acg_faka": of its tables
    columns: Mapping[str, str] = Field(default_factory=dict)  # of kind "sql": what is found where
    failures: Words = ()  # sentences of delivered text that say that nothing was delivered, beside those that are known


class FirstShopSection(ShopSection):
    """[shop]"""

    more: Mapping[Name, ShopSection] = Field(default_factory=dict)  # by their names

    @model_validator(mode="after")
    def _has_names_of_their_own(self) -> Self:
        if self.name in self.more:
            raise ValueError(f"two shops are called {self.name!r}")
        return self

    @property
    def all(self) -> Sequence[ShopSection]:
        """The first, then the others under the names that they stand under."""
        return (self, *(section.model_copy(update={"name": name}) for name, section in self.more.items()))


def open_shops(section: FirstShopSection, database: Database, vault: Vault) -> list[Shop]:
    """All shops of the settings. Raises `BadShopUrl` for an address that is none, `BadColumns` for a map."""
    return [KINDS[one.kind](one, database, vault) for one in section.all]


def choose_events(section: FirstShopSection) -> dict[str, Events]:
    """How the events of each shop are known that tells any. Raises `BadEvents`."""
    chosen = {one.name: one.choose_events(one.name) for one in section.all}
    return {name: events for name, events in chosen.items() if events is not None}


def open_links(section: FirstShopSection, common: SecretStr) -> list[DeepLinks]:
    """The links of each shop, signed with a secret of its own, or with the `common` one."""
    return [DeepLinks(one.name, (one.link_secret or common).get_secret_value()) for one in section.all]


def _local(section: ShopSection, database: Database, vault: Vault) -> Shop:
    return LocalShop(database, vault, section.name)


def _dujiaoka(section: ShopSection, database: Database, vault: Vault) -> Shop:
    ground, url = make_ground(section, database, vault), section.url.get_secret_value()
    seconds, till, balances = section.timeout.total_seconds(), None, None
    if Power.ISSUE in section.writes:
        stock = ShopDatabase(section.name, url, seconds=seconds, may_write=True)
        till = dujiaoka_stock.Till(section.name, stock, database, lambda: datetime.now(UTC), ground.zone)
    if Power.REFUND in section.writes:
        money = ShopDatabase(section.name, url, seconds=seconds, may_write=True)
        balances = dujiaoka_balance.Balances(section.name, money, vault, lambda: datetime.now(UTC), ground.zone)
    return Dujiaoka(ground, url, seconds=seconds, till=till, balances=balances)


def _acg_faka(section: ShopSection, database: Database, vault: Vault) -> Shop:
    ground, url = make_ground(section, database, vault), section.url.get_secret_value()
    seconds, till = section.timeout.total_seconds(), None
    if writes := acg_faka.WRITABLE.intersection(section.writes):
        stock = ShopDatabase(section.name, url, seconds=seconds, may_write=True)
        till = acg_faka.Till(stock, lambda: datetime.now(UTC), writes)
    return acg_faka.AcgFaka(ground, url, prefix=section.prefix, seconds=seconds, till=till)


def make_ground(section: ShopSection, database: Database, vault: Vault) -> Ground:
    """What every foreign kind stands on."""
    return Ground(
        section.name,
        database,
        vault,
        ZoneInfo(section.time_zone),
        section.currency,
        section.warranty,
        (*FAILURES, *section.failures),
        KEPT,
    )


def _http(section: ShopSection, database: Database, vault: Vault) -> Shop:
    return HttpShop(
        make_ground(section, database, vault),
        section.url.get_secret_value(),
        section.secret.get_secret_value(),
        lambda: datetime.now(UTC),
        writes=section.writes,
        seconds=section.timeout.total_seconds(),
    )


def _sql(section: ShopSection, database: Database, vault: Vault) -> Shop:
    ground, url = make_ground(section, database, vault), section.url.get_secret_value()
    return SqlShop(ground, url, section.columns, seconds=section.timeout.total_seconds())


def _signed_in(kind: type[SignedInShop]) -> Callable[[ShopSection, Database, Vault], Shop]:
    """A kind whose admin pages are asked, by an account of its own."""

    def open_shop(section: ShopSection, database: Database, vault: Vault) -> Shop:
        return kind(
            make_ground(section, database, vault),
            section.url.get_secret_value(),
            section.user,
            section.password.get_secret_value(),
            writes=section.writes,
            seconds=section.timeout.total_seconds(),
        )

    return open_shop


KINDS: Mapping[str, Callable[[ShopSection, Database, Vault], Shop]] = {
    "local": _local,
    "dujiaoka": _dujiaoka,
    "acg_faka": _acg_faka,
    "http": _http,
    "dujiao_next": _signed_in(DujiaoNext),
    "card_system": _signed_in(CardSystem),
    "sql": _sql,
}
