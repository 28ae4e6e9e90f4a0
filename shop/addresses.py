"""Mail addresses of orders: which of them can be written to, and how much of one is shown. Pure."""

import re

LONGEST = 254  # characters (RFC 5321)
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
