"""What a shop tells of its orders by itself: whether it is the shop that tells it, and which order it is about.

Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md. The other
signing families put an HMAC of the whole body into one header. What a body says besides the number of its order does
not count, and is not kept: the order is read again from the shop.
"""

import base64
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from shop.errors import BadEvents

TOLERANCE = timedelta(minutes=5)  # that the clocks of a shop and ours may differ, and a message may take
SHORTEST_KEY = 32  # characters of an address that nobody may guess
_KEY = re.compile(rf"[A-Za-z0-9_-]{{{SHORTEST_KEY},128}}")
_ORDER_NO = re.compile(r"[#\w.-]{1,64}", re.ASCII)
_KIND = re.compile(r"[\w.:/-]{1,64}", re.ASCII)
_ID = re.compile(r"[!-~]{1,200}")
_PING = re.compile(rb"webhook_id=\d{1,19}")
_STANDARD_SECRET = "whsec_"


class Family(StrEnum):
    """How a shop shows that an event is its own."""

    STANDARD = "standard"
    SELLIX = "sellix"
    SELLAUTH = "sellauth"
    WOOCOMMERCE = "woocommerce"
    SHOPIFY = "shopify"
    SIGNED = "signed"  # an HMAC of the body in a header, as the settings say
    DUJIAOKA = "dujiaoka"  # not at all: the address is its secret


@dataclass(frozen=True, slots=True)
class Form:
    """Where a family puts what. Places in a body are names with dots between; the first that is there counts."""

    header: str = ""  # of the signature
    hash: str = "sha256"
    encoding: str = "hex"
    id_header: str = ""  # of what an event is known by; "": by its body
    kind: str = ""  # header or place of what happened
    order: str = "order_no"  # places of the order's number, with blanks between


FORMS: Mapping[Family, Form] = {
    Family.STANDARD: Form("webhook-signature", "sha256", "base64", "webhook-id", "type", "data.order_no order_no"),
    Family.SELLIX: Form("x-sellix-unescaped-signature", "sha512", kind="event", order="data.uniqid"),
    Family.SELLAUTH: Form(
        "x-signature", kind="event", order="unique_id data.unique_id invoice_id data.invoice_id data.data.invoice_id"
    ),
    Family.WOOCOMMERCE: Form(
        "x-wc-webhook-signature", "sha256", "base64", "x-wc-webhook-delivery-id", "x-wc-webhook-topic", "number id"
    ),
    Family.SHOPIFY: Form(
        "x-shopify-hmac-sha256", "sha256", "base64", "x-shopify-webhook-id", "x-shopify-topic", "name order_number id"
    ),
    Family.SIGNED: Form("x-signature"),
    Family.DUJIAOKA: Form(order="order_sn"),
}


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as it came. Headers are found in any case."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    key: str = field(default="", repr=False)  # what stands in the address behind the shop's name


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to an order."""

    event_id: str  # the same however often it is sent
    order_no: str
    kind: str = ""  # the shop's word for it


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one shop, as its settings choose."""

    shop: str
    family: Family
    secret: str = field(repr=False)
    form: Form

    @classmethod
    def choose(cls, shop: str, family: str, secret: str, form: Mapping[str, str]) -> "Events":
        """`form` takes the place of what the family has. Raises `BadEvents`."""
        if family not in list(Family):
            raise BadEvents(shop=shop, problem=f"there is no family {family!r}, choose from {', '.join(Family)}")
        known = [one.name for one in fields(Form)]
        if unknown := [name for name in form if name not in known]:
            raise BadEvents(shop=shop, problem=f"nothing is called {unknown[0]!r}, there are {', '.join(known)}")
        events = cls(shop, Family(family), secret, replace(FORMS[Family(family)], **form))
        if problem := events._find_problem():
            raise BadEvents(shop=shop, problem=problem)
        return events

    def is_ping(self, arrived: Arrived) -> bool:
        """What WooCommerce sends, unsigned, when a webhook is made: it wants a 200 and says nothing of any order."""
        return self.family == Family.WOOCOMMERCE and _PING.fullmatch(arrived.body) is not None

    def recognise(self, arrived: Arrived, now: datetime) -> str | None:
        """What the event is known by, None when it is not the shop that sends it."""
        event_id = CHECKS[self.family](self, arrived, now)
        return event_id if not event_id or _ID.fullmatch(event_id) else self.fold(event_id.encode())

    def read(self, arrived: Arrived, event_id: str) -> Event | None:
        """What happened; None when it is not about an order. Only of what is recognised."""
        try:
            body = json.loads(arrived.body)
        except (ValueError, RecursionError):  # the latter from brackets nested by the thousand
            return None
        found = (_find(body, place) for place in self.form.order.split())
        order_no = next((text for text in found if _ORDER_NO.fullmatch(text)), "")
        kind = (arrived.headers.get(self.form.kind) or _find(body, self.form.kind)) if self.form.kind else ""
        if not order_no:
            return None
        known_by = event_id or self.fold(order_no.encode())
        return Event(known_by, order_no, kind if _KIND.fullmatch(kind) else "")

    def fold(self, text: bytes) -> str:
        """What stands for a text that is not kept: nobody without the secret can tell what it was."""
        return hmac.digest(self.secret.encode(), b"event/" + text, "sha256").hex()

    def _find_problem(self) -> str:
        if self.family == Family.DUJIAOKA:
            is_key = _KEY.fullmatch(self.secret)
            return "" if is_key else f"its secret must be {SHORTEST_KEY} or more of A-Z, a-z, 0-9, - and _"
        if not self.secret:
            return "set its events_secret in the environment"
        if self.family == Family.STANDARD and not _standard_key(self.secret):
            return "its secret must be like 'whsec_' and base64"
        if self.form.hash not in ("sha256", "sha512") or self.form.encoding not in ("hex", "base64"):
            return "hash is 'sha256' or 'sha512', encoding is 'hex' or 'base64'"
        return ""


def check_standard(events: Events, arrived: Arrived, now: datetime) -> str | None:
    """Standard Webhooks: id, time and body are signed together; of several signatures one must fit."""
    event_id, sent = arrived.headers.get("webhook-id", ""), arrived.headers.get("webhook-timestamp", "")
    if not event_id or not re.fullmatch(r"[0-9]{1,12}", sent):
        return None
    signed = f"{event_id}.{sent}.".encode() + arrived.body
    wanted = base64.b64encode(hmac.digest(_standard_key(events.secret), signed, "sha256"))
    given = [one.partition(",") for one in arrived.headers.get(events.form.header, "").split()]
    fits = [version == "v1" and hmac.compare_digest(text.encode(), wanted) for version, _, text in given]
    is_fresh = abs(now - datetime.fromtimestamp(0, UTC) - timedelta(seconds=int(sent))) <= TOLERANCE
    return event_id if any(fits) and is_fresh else None


def check_body(events: Events, arrived: Arrived, now: datetime) -> str | None:
    """An HMAC of the body in one header. Repeats are known by the id that comes with it, or by the same body."""
    form = events.form
    digest = hmac.digest(events.secret.encode(), arrived.body, form.hash)
    wanted = base64.b64encode(digest) if form.encoding == "base64" else digest.hex().encode()
    given = arrived.headers.get(form.header, "").removeprefix(f"{form.hash}=")
    if not hmac.compare_digest(given.encode(), wanted):
        return None
    return (form.id_header and arrived.headers.get(form.id_header)) or events.fold(arrived.body)


def check_address(events: Events, arrived: Arrived, now: datetime) -> str | None:
    """dujiaoka signs nothing: who knows the address is believed that something happened to an order, and no more.

    "": the event is known by its order, of which dujiaoka tells once. Its body holds codes: nothing of it is folded.
    """
    return "" if hmac.compare_digest(arrived.key.encode(), events.secret.encode()) else None


CHECKS: Mapping[Family, Callable[[Events, Arrived, datetime], str | None]] = {
    Family.STANDARD: check_standard,
    Family.SELLIX: check_body,
    Family.SELLAUTH: check_body,
    Family.WOOCOMMERCE: check_body,
    Family.SHOPIFY: check_body,
    Family.SIGNED: check_body,
    Family.DUJIAOKA: check_address,
}


def _standard_key(secret: str) -> bytes:
    """The bytes that a secret of Standard Webhooks stands for; none of what is no such secret."""
    try:
        return base64.b64decode(secret.removeprefix(_STANDARD_SECRET), validate=True)
    except ValueError:
        return b""


def _find(body: Any, place: str) -> str:
    """The text or whole number at this place; "" when there is none."""
    for name in place.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return str(body) if isinstance(body, str | int) and not isinstance(body, bool) else ""
