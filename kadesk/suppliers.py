"""The settings of batches and suppliers, and what they come to for the desk."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from kadesk.shops import Name
from kadesk.values import Section, Span, Words, parse_span
from shop.adapters.supplier_api import SupplierApi
from tickets.rules import BatchRules


def _rising_spans(words: tuple[str, ...]) -> tuple[str, ...]:
    spans = [parse_span(word) for word in words]
    if spans != sorted(set(spans)) or timedelta() in spans:
        raise ValueError("write rising durations such as '4 h', '12 h', or none")
    return words


class BatchesSection(Section):
    """[batches]"""

    quarantine_after: int = Field(ge=1)
    buyers: int = Field(ge=1)
    within: Span
    share: float = Field(ge=0, le=1)

    @property
    def rules(self) -> BatchRules:
        return BatchRules(self.quarantine_after, self.buyers, self.within, self.share)


class SupplierApiSection(Section):
    """[suppliers.api.NAME]"""

    supplier: str = Field(min_length=1)  # what the page Suppliers calls it
    url: SecretStr = SecretStr("")
    account: SecretStr = SecretStr("")
    key: SecretStr = SecretStr("")
    timeout: Span = Field(default="10 s", validate_default=True)

    def open(self, name: str) -> SupplierApi:
        """Raises `BadShopSite` for an address that is none, `NothingToSignIn`."""
        url, account, key = (one.get_secret_value() for one in (self.url, self.account, self.key))
        return SupplierApi(f"supplier {name}", url, account, key, seconds=self.timeout.total_seconds())


class SuppliersSection(Section):
    """[suppliers]"""

    remind_after: Annotated[Words, AfterValidator(_rising_spans)]
    api: Mapping[Name, SupplierApiSection] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _asks_each_in_one_place(self) -> Self:
        names = [one.supplier for one in self.api.values()]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two systems of the supplier {min(twice)!r}")
        return self

    @property
    def reminders(self) -> tuple[timedelta, ...]:
        return tuple(map(parse_span, self.remind_after))


def open_suppliers(section: SuppliersSection) -> dict[str, SupplierApi]:
    """The systems of suppliers, by what our tables call these. Raises `BadShopSite`, `NothingToSignIn`."""
    return {one.supplier: one.open(name) for name, one in section.api.items()}
