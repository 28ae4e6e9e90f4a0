"""What of a contact is an address, and how much of it is shown."""

import pytest

from shop.addresses import find_address, mask_address


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
