"""What stands for a buyer's chat in our tables."""

import pytest

from bot.channels.telegram.addresses import Address, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [("42", Address("42")), ("-1001", Address("-1001")), ("bc_77/42", Address("42", "bc_77"))],
    ids=["private chat", "group", "chat of a business"],
)
def test_an_address_says_chat_and_connection(text: str, address: Address) -> None:
    assert parse(text) == address
    assert str(address) == text
    assert address.is_group == text.startswith("-")
