"""What the values in the columns of a proposed map mean, and what its owner has to look at. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shop.adapters.column_words import automatic_in, plain_name, status_of, statuses_in
from shop.adapters.evidence import Evidence, Value
from shop.adapters.live_schema import Holds
from shop.adapters.proposal import Draft
from shop.port import OrderStatus

_HASHES = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by their lengths in hexadecimal digits
_UNPAID, _UNDELIVERED, _DELIVERED = OrderStatus.UNPAID, OrderStatus.PAID_UNDELIVERED, OrderStatus.DELIVERED
_ABNORMAL, _CLOSED = OrderStatus.ABNORMAL, OrderStatus.CLOSED
MOSTLY = 0.5  # of the orders with a value, that have codes


@dataclass(frozen=True, slots=True)
class Family:
    """A shop of this trade, by columns that only its orders have, and what its numbers mean."""

    name: str
    columns: str
    statuses: Mapping[str, OrderStatus]
    more: Mapping[str, str]
    automatic: str = ""  # column and value of orders whose codes come by themselves


_DUJIAOKA = {"1": _UNPAID, "2": _UNDELIVERED, "3": _UNDELIVERED, "4": _DELIVERED, "5": _ABNORMAL, "6": _ABNORMAL}
FAMILIES = (
    Family("dujiaoka", "order_sn search_pwd trade_no", _DUJIAOKA | {"-1": _CLOSED}, {}, "type=1"),
    Family(  # of 2020: its orders are only written when they are paid
        "dujiaoka 1",
        "ord_class ord_info ord_status",
        {"1": _UNDELIVERED, "2": _DELIVERED, "3": _DELIVERED, "4": _ABNORMAL},
        {},
        "ord_class=1",
    ),
    Family("acg_faka", "trade_no delivery_status secret commodity_id", {"0": _UNPAID, "1": _DELIVERED}, {}),
    Family(
        "card_system",
        "order_no frozen_reason pay_trade_no",
        {
            **{"0": _UNPAID, "1": _UNDELIVERED, "2": _DELIVERED},
            **{"3": OrderStatus.FROZEN, "4": OrderStatus.REFUNDED},
        },
        {"money": "fen"},
    ),
    Family(
        "zfaka",
        "orderid chapwd kami",
        {"0": _UNPAID, "1": _UNDELIVERED, "2": _DELIVERED, "3": _ABNORMAL, "-1": _CLOSED},
        {},
    ),
    Family(
        "qs-faka",
        "trade_no sendout is_freeze",
        {"0": _UNPAID, "1": _DELIVERED, "2": _CLOSED, "3": OrderStatus.REFUNDED},
        {},
    ),
    Family("kamiFaka", "out_order_id contact_txt card", {"0": _UNPAID, "1": _DELIVERED}, {"codes.separator": ","}),
)
BETTER = ("dujiaoka", "acg_faka", "card_system")  # that have a kind of their own


@dataclass(frozen=True, slots=True)
class Proposal:
    columns: Mapping[str, str]
    doubts: Sequence[str]  # sentences for its owner


def complete(draft: Draft, evidence: Evidence) -> Proposal:
    """The map with what its values mean, of what the draft has and the rows say."""
    weighing = _Weighing(draft, evidence)
    for step in (weighing.take_codes, weighing.take_contact, weighing.take_statuses, weighing.take_kind):
        step()
    for step in (weighing.take_money, weighing.take_password, weighing.take_family, weighing.ask_for_missing):
        step()
    return Proposal(weighing.columns, weighing.doubts)


class _Weighing:
    def __init__(self, draft: Draft, evidence: Evidence) -> None:
        self.draft, self.evidence = draft, evidence
        self.columns, self.doubts = dict(draft.columns), list[str]()
        names = {plain_name(column.name) for column in draft.orders.columns}
        self.family = next((one for one in FAMILIES if set(one.columns.split()) <= names), None)

    def take_codes(self) -> None:
        """Text in the order where there is some, else a table of their own."""
        evidence = self.evidence
        if "codes" in self.columns and not (evidence.texts or not self.draft.cards):
            del self.columns["codes"]
        if "codes" not in self.columns:
            self.columns |= self.draft.cards
        elif evidence.commas > evidence.lines:
            self.columns["codes.separator"] = ","

    def take_contact(self) -> None:
        if self.evidence.addresses:
            best = max(self.evidence.addresses, key=lambda name: self.evidence.addresses[name])
            if self.evidence.addresses[best]:
                self.columns["contact"] = f"{self.draft.orders.name}.{best}"

    def take_statuses(self) -> None:
        status = self.draft.column("status")
        if status is None:
            return
        meant = dict(self.family.statuses if self.family else statuses_in(status.remark))
        for value in self.evidence.values:
            status_meant = meant.get(value.text) or status_of(value.text) or self._guess(value)
            if status_meant is None:
                self.doubts.append(f"Nobody knows what the status {value.text!r} means: such an order is a person's.")
            else:
                meant[value.text] = status_meant
        if _DELIVERED not in meant.values() and (done := [one for one in meant if meant[one] == _UNDELIVERED]):
            meant[done[-1]] = _DELIVERED  # "paid" is the last that it says: whether codes came decides
        for one in OrderStatus:
            if values := [value for value in meant if meant[value] == one]:
                self.columns[f"status.{one}"] = ", ".join(values)
        if "status.delivered" not in self.columns:
            self._drop("status")
            self.doubts.append(f"Nothing tells which orders {status.name!r} calls delivered: codes alone decide.")

    def _guess(self, value: Value) -> OrderStatus | None:
        """By what the orders with it have."""
        if value.came > MOSTLY * value.rows:
            guess = _DELIVERED
        elif "paid_at" in self.columns:
            guess = _UNPAID if value.paid == 0 else _UNDELIVERED
        else:
            return None
        self.doubts.append(f"The status {value.text!r} is taken for {guess} by what its {value.rows} orders have.")
        return guess

    def take_kind(self) -> None:
        """Only where it is known which kind of orders brings codes by itself."""
        kind = self.draft.column("kind")
        column, _, value = self.family.automatic.partition("=") if self.family else ("", "", "")
        automatic = value if kind and kind.name == column else automatic_in(kind.remark) if kind else ""
        self._drop("kind")
        if kind and automatic:
            self.columns |= {"kind": f"{self.draft.orders.name}.{kind.name}", "kind.automatic": automatic}

    def take_money(self) -> None:
        paid = self.draft.column("paid")
        if paid and paid.holds == Holds.WHOLE:
            self.columns["money"] = "fen"
            self.doubts.append(f"{paid.name!r} holds whole numbers, and is taken for fen; else say 'money' = 'yuan'.")

    def take_password(self) -> None:
        evidence = self.evidence
        if "password" not in self.columns or not evidence.passwords:
            return
        if evidence.bcrypt == evidence.passwords:
            self.columns["password.hash"] = "bcrypt"
        elif evidence.argon2 == evidence.passwords:
            self.columns["password.hash"] = "argon2"
        elif evidence.lengths[0] == evidence.lengths[1] and evidence.lengths[0] in _HASHES:
            self.columns["password.hash"] = _HASHES[evidence.lengths[0]]

    def take_family(self) -> None:
        if self.family is None:
            return
        self.columns |= {key: text for key, text in self.family.more.items() if key.partition(".")[0] in self.columns}
        if "money" in self.family.more:
            self.columns["money"] = self.family.more["money"]
        if self.family.name in BETTER:
            self.doubts.append(f"This looks like {self.family.name}: a kind of its own, which knows it better.")

    def ask_for_missing(self) -> None:
        for key, words in (
            ("status", "an order's status"),
            ("paid", "what was paid"),
            ("codes", "the codes that were delivered"),
        ):
            if key not in self.columns:
                self.doubts.append(f"No column was found for {words} ({key!r}).")
        if not {"password", "payment_no", "contact"} & set(self.columns):
            self.doubts.append("Nothing was found by which a buyer could prove an order: no password, payment or mail.")
        if not self.evidence.rows:
            self.doubts.append("There are no orders yet: what their values mean is only guessed.")

    def _drop(self, key: str) -> None:
        for name in [one for one in self.columns if one == key or one.startswith(f"{key}.")]:
            del self.columns[name]
