"""Signed links from a shop's page of an order."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shop.deep_links import DeepLinks
from shop.errors import NoLinkSecret, UnfitForLink

SECRET = "a secret of the shop, long enough"
ORDER_NO = "AB12CD34EF56GH78"
MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
LINKS = DeepLinks("demo", SECRET)


def check_that_only_the_shop_signs(links: DeepLinks) -> None:
    payload = links.sign(ORDER_NO, NOW + 30 * MINUTE)
    for place, character in enumerate(payload):
        changed = payload[:place] + ("7" if character != "7" else "8") + payload[place + 1 :]
        assert links.verify(changed, NOW) is None, place
    assert links.verify(replace(links, secret=SECRET + "!").sign(ORDER_NO, NOW + MINUTE), NOW) is None
    assert links.verify(replace(links, shop="other").sign(ORDER_NO, NOW + MINUTE), NOW) is None


def check_that_links_end(links: DeepLinks) -> None:
    payload = links.sign(ORDER_NO, NOW + 30 * MINUTE)

    assert links.verify(payload, NOW + 30 * MINUTE - timedelta(microseconds=1)) == ORDER_NO
    assert links.verify(payload, NOW + 30 * MINUTE) is None


def test_only_the_shop_signs() -> None:
    check_that_only_the_shop_signs(LINKS)


def test_links_end() -> None:
    check_that_links_end(LINKS)


class Trusting(DeepLinks):
    """Looks at neither signature nor end."""

    def verify(self, payload: str, now: datetime) -> str | None:
        return payload[9:-16]


@pytest.mark.parametrize("check", [check_that_only_the_shop_signs, check_that_links_end])
def test_the_checks_fail_on_links_that_are_trusted(check: object) -> None:
    with pytest.raises(AssertionError):
        check(Trusting("demo", SECRET))  # type: ignore[operator]


@pytest.mark.parametrize("order_no", ["1", "a-b_C", "9" * 39])
def test_what_is_signed_fits_a_telegram_link_and_comes_back(order_no: str) -> None:
    payload = LINKS.sign(order_no, NOW + MINUTE)

    assert re.fullmatch(r"[A-Za-z0-9_-]{26,64}", payload)
    assert LINKS.verify(payload, NOW) == order_no


def test_another_program_signs_the_same() -> None:
    """`printf demo/129540510AB12CD34EF56GH78 | openssl dgst -sha256 -hmac "$SECRET" -binary | head -c 12 | base64`."""
    ends_at = datetime.fromtimestamp(29540510 * 60, UTC)

    assert LINKS.sign(ORDER_NO, ends_at) == "129540510AB12CD34EF56GH78" + "4lGSBt-HWWw3uvo9"


@pytest.mark.parametrize("order_no", ["", "9" * 40, "AB 12", "订单1", "AB12\n", "AB/12"], ids=repr)
def test_an_order_number_that_does_not_fit_is_refused(order_no: str) -> None:
    with pytest.raises(UnfitForLink, match="does not fit into a link"):
        LINKS.sign(order_no, NOW + MINUTE)


@pytest.mark.parametrize("payload", ["", "order-77", "1", "٣" * 40, "1" * 64, "1" * 65, "\n" * 30], ids=repr)
def test_what_is_no_payload_says_nothing(payload: str) -> None:
    assert LINKS.verify(payload, NOW) is None


def test_without_a_secret_there_are_no_links() -> None:
    """Not even those that anybody can sign with no secret."""
    none = DeepLinks("demo")
    payload = LINKS.sign(ORDER_NO, NOW + MINUTE)
    signed = payload[:-16]

    assert none.verify(payload, NOW) is None
    assert none.verify(signed + none._signature(signed), NOW) is None
    with pytest.raises(NoLinkSecret, match="KADESK_OWNERSHIP__LINK_SECRET"):
        none.sign(ORDER_NO, NOW + MINUTE)
