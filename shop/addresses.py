"""Mail addresses of orders: which of them can be written to, and how much of one is shown. Pure."""

import re
from collections.abc import Iterable

from shop.port import Contact
from shop.vault import Vault

LONGEST = 254  # characters (RFC 5321)
STAND_INS = 256  # contacts of a shop's first orders, whose masks stand for what has no address
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z]{{2,63}}")


def find_address(contact: str) -> str | None:
    """The one plain address that this is. Buyers write what they like there: whatever else it holds is not used."""
    plain = contact.strip()
    return plain if len(plain) <= LONGEST and _ADDRESS.fullmatch(plain) else None


def mask_address(address: str) -> str:
    """a***@q**.com: enough for its owner, and of one form whatever its length."""
    name, _, domain = address.lower().rpartition("@")
    return f"{name[0]}***@{domain[0]}**.{domain.rpartition('.')[2]}"


def make_contact(vault: Vault, shop: str, order_no: str, contact: str, others: Iterable[str]) -> Contact:
    """What a shop says of this order, "" for what is none; `others` are the contacts of its first `STAND_INS` orders.

    What stands in is drawn from these by a hash that nobody can compute, so that its mask is as likely as a real one.
    """
    known = [address for other in others if (address := find_address(other))] or ["a@q.com"]
    # Cut to a power of two: while the shop is young, a new order hardly ever changes what stands for a number.
    size = 1 << (len(known).bit_length() - 1)
    stand_in = known[int(vault.keyed_hash("stand-in", f"{shop}/{order_no}"), 16) % size]
    address = find_address(contact)
    return Contact(mask_address(address or stand_in), address or "")
