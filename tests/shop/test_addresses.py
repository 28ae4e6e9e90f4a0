"""What of a contact is an address, and how much of it is shown."""

import pytest

from shop.addresses import STAND_INS, find_address, make_contact, mask_address
from shop.vault import Keys, Vault


@pytest.mark.parametrize(
    ("contact", "address"),
    [
        (" Chen.Xiao@qq.com\u3000", "Chen.Xiao@qq.com"),
        ("12345@mail.qq.com", "12345@mail.qq.com"),
        ("", None),
        ("13800138000", None),
        ("a@b", None),
        ("a@b.c", None),
        ("a b@qq.com", None),
        ("a@qq.com,b@qq.com", None),
        ("a@qq.com\nBcc: b@evil.example", None),
        ("a@qq.com\r\n", "a@qq.com"),
        ('"a"@qq.com', None),
        ("<a@qq.com>", None),
        ("小陈@qq.com", None),
        ("a@-qq.com", None),
        (f"{'a' * 250}@qq.com", None),
    ],
)
def test_a_contact_is_one_plain_address_or_none(contact: str, address: str | None) -> None:
    assert find_address(contact) == address


@pytest.mark.parametrize(
    ("address", "shown"),
    [("chen@qq.com", "c***@q**.com"), ("A@b.co", "a***@b**.co"), ("12345678@vip.163.com.cn", "1***@v**.cn")],
)
def test_an_address_is_masked_to_one_form(address: str, shown: str) -> None:
    assert mask_address(address) == shown


def test_what_has_no_address_shows_those_of_orders_as_often_as_they_occur_and_never_another() -> None:
    vault, others = Vault(Keys.generate()), ["1@qq.com"] * 192 + ["a@gmail.com"] * 64
    numbers = [f"ORDER-{number}" for number in range(2_000)]

    shown = [make_contact(vault, "demo", number, "no address", others) for number in numbers]
    later = [make_contact(vault, "demo", number, "", others[:STAND_INS]).shown for number in numbers]

    assert {contact.address for contact in shown} == {""}
    assert 0.7 < sum(contact.shown == "1***@q**.com" for contact in shown) / len(shown) < 0.8
    assert [contact.shown for contact in shown] == later


def test_a_new_order_in_a_young_shop_changes_hardly_anything() -> None:
    vault = Vault(Keys.generate())
    others = [f"{name}@qq.com" for name in "abcdefghij"]

    before, after = [make_contact(vault, "demo", "X", "", others[:size]).shown for size in (8, 10)]

    assert before == after
    assert make_contact(vault, "demo", "X", "", []).shown == "a***@q**.com"
