"""Events that a shop sends: whose they are, and what they are about."""

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from shop.errors import BadEvents
from shop.events import Arrived, Event, Events, Family

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"type": "order.paid", "event": "order:paid", "data": {"order_no": "A-1", "uniqid": "A-1"}}).encode()
FLAT = json.dumps({"unique_id": "A-1", "number": "A-1", "name": "A-1", "order_no": "A-1", "order_sn": "A-1"}).encode()
KEY = "k" * 40


def choose(family: str, secret: str = SECRET, **form: str) -> Events:
    return Events.choose("demo", family, secret, form)


def signed(header: str, hash_name: str, body: bytes, *, is_hex: bool = False, **more: str) -> Arrived:
    digest = hmac.digest(SECRET.encode(), body, hash_name)
    text = digest.hex() if is_hex else base64.b64encode(digest).decode()
    return Arrived({header: text} | {name.replace("_", "-"): value for name, value in more.items()}, body)


def standard(sent_at: datetime = NOW, body: bytes = BODY, number: str = "msg_1") -> Arrived:
    key, sent = base64.b64decode(SECRET.removeprefix("whsec_")), str(int(sent_at.timestamp()))
    digest = hmac.digest(key, f"{number}.{sent}.".encode() + body, "sha256")
    mark = f"v1a,xyz v1,{'A' * 44} v1,{base64.b64encode(digest).decode()}"
    return Arrived({"webhook-id": number, "webhook-timestamp": sent, "webhook-signature": mark}, body)


FROM = {
    "standard": (choose("standard"), standard()),
    "sellix": (choose("sellix"), signed("x-sellix-unescaped-signature", "sha512", BODY, is_hex=True)),
    "sellauth": (choose("sellauth"), signed("x-signature", "sha256", FLAT, is_hex=True)),
    "woocommerce": (
        choose("woocommerce"),
        signed("x-wc-webhook-signature", "sha256", FLAT, x_wc_webhook_delivery_id="d1"),
    ),
    "shopify": (choose("shopify"), signed("x-shopify-hmac-sha256", "sha256", FLAT, x_shopify_webhook_id="s1")),
    "signed": (choose("signed"), signed("x-signature", "sha256", FLAT, is_hex=True)),
    "dujiaoka": (choose("dujiaoka", KEY), Arrived({}, FLAT, KEY)),
}


@dataclass(frozen=True)
class Trusting:
    """Looks at no signature."""

    events: Events

    def recognise(self, arrived: Arrived, now: datetime) -> str | None:
        return "any"


def check_that_only_the_shop_is_believed(family: str, wrap: Callable[[Events], Events | Trusting]) -> None:
    chosen, arrived = FROM[family]
    asked = wrap(chosen)
    assert asked.recognise(arrived, NOW) is not None
    forged = [
        replace(arrived, headers={}, key=""),
        replace(arrived, headers=dict.fromkeys(arrived.headers, "é"), key="é"),
        replace(arrived, headers={name: value[:-1] for name, value in arrived.headers.items()}, key=arrived.key[:-1]),
    ]
    if family != "dujiaoka":
        forged.append(replace(arrived, body=arrived.body + b" "))
    assert [asked.recognise(one, NOW) for one in forged] == [None] * len(forged)
    other = KEY[1:] + "o" if family == "dujiaoka" else "whsec_" + "A" * 32
    assert wrap(replace(chosen, secret=other)).recognise(arrived, NOW) is None


def test_every_family_is_tried() -> None:
    assert set(FROM) == set(Family)


@pytest.mark.parametrize("family", FROM)
def test_only_the_shop_is_believed(family: str) -> None:
    check_that_only_the_shop_is_believed(family, lambda chosen: chosen)


def test_the_check_fails_on_a_door_that_looks_at_no_signature() -> None:
    with pytest.raises(AssertionError):
        check_that_only_the_shop_is_believed("sellix", Trusting)


@pytest.mark.parametrize("family", FROM)
def test_an_event_names_its_order_and_is_the_same_when_it_is_sent_again(family: str) -> None:
    chosen, arrived = FROM[family]

    first, again = (chosen.read(arrived, chosen.recognise(arrived, NOW) or "") for _ in range(2))

    assert first is not None
    assert first == again
    assert first.order_no == "A-1"
    assert {"standard": "msg_1", "woocommerce": "d1", "shopify": "s1"}.get(family, first.event_id) == first.event_id
    assert b"A-1" not in first.event_id.encode()


def test_the_example_of_the_reference_libraries_fits() -> None:
    number, sent = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    mark = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    headers = {"webhook-id": number, "webhook-timestamp": str(sent), "webhook-signature": mark}

    arrived = Arrived(headers, b'{"test": 2432232314}')

    assert choose("standard").recognise(arrived, datetime.fromtimestamp(sent, UTC)) == number


@pytest.mark.parametrize(
    ("late", "is_own"),
    [(timedelta(minutes=5), True), (timedelta(minutes=5, seconds=1), False), (timedelta(minutes=-6), False)],
)
def test_an_event_that_was_signed_long_ago_is_a_replay(late: timedelta, *, is_own: bool) -> None:
    assert (choose("standard").recognise(standard(NOW - late), NOW) is not None) is is_own


def test_a_shop_of_another_make_says_how_it_signs() -> None:
    own = choose("signed", header="x-hub-signature-512", hash="sha512", id_header="x-id", kind="x-topic", order="o.n")
    arrived = signed("x-hub-signature-512", "sha512", b'{"o": {"n": 77}}', is_hex=True, x_id="e 1", x_topic="paid")
    arrived = replace(
        arrived, headers={**arrived.headers, "x-hub-signature-512": f"sha512={arrived.headers['x-hub-signature-512']}"}
    )

    event_id = own.recognise(arrived, NOW)

    assert event_id == own.fold(b"e 1")  # not what an id looks like
    assert own.read(arrived, event_id) == Event(event_id, "77", "paid")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b'"A-1"', b"{" * 100_000, b"[" * 100_000, b"\xff"),
        *(b'{"order_no": true}', b'{"order_no": "\\u0000"}', b'{"order_no": {"a": 1}}', b'{"order_no": "\\ud800"}'),
        b'{"order_no": "' + b"9" * 65 + b'"}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_about_no_order_is_no_event(body: bytes) -> None:
    assert choose("signed").read(Arrived({}, body), "1") is None


def test_only_woocommerce_is_told_that_its_empty_call_arrived() -> None:
    ping = Arrived({}, b"webhook_id=7")

    assert [family for family, (chosen, _) in FROM.items() if chosen.is_ping(ping)] == ["woocommerce"]
    assert not choose("woocommerce").is_ping(Arrived({}, b"webhook_id=7&x=1"))


@pytest.mark.parametrize(
    ("family", "secret", "form", "problem"),
    [
        pytest.param("shoppy", "s", {}, "there is no family 'shoppy', choose from standard", id="family"),
        pytest.param("sellix", "", {}, "set its events_secret in the environment", id="no secret"),
        pytest.param("standard", "whsec_é", {}, "like 'whsec_' and base64", id="no base64"),
        pytest.param("dujiaoka", "short", {}, "must be 32 or more of A-Z", id="guessable address"),
        pytest.param("signed", "s", {"hash": "md5"}, "hash is 'sha256' or 'sha512'", id="weak hash"),
        pytest.param("signed", "s", {"salt": "1"}, "nothing is called 'salt', there are header", id="unknown name"),
    ],
)
def test_settings_that_cannot_be_are_refused(family: str, secret: str, form: dict[str, str], problem: str) -> None:
    with pytest.raises(BadEvents, match=problem):
        Events.choose("demo", family, secret, form)


def test_nothing_of_a_request_or_a_secret_is_shown() -> None:
    chosen, arrived = FROM["dujiaoka"]

    assert KEY not in f"{chosen} {arrived}"
    assert "A-1" not in repr(arrived)
