"""Query passwords as shops keep them: in clear, or as a hash of the password alone."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

WAYS = ("plain", "md5", "sha1", "sha256", "sha512", "argon2", "bcrypt")
_LONGEST_BCRYPT = 72  # bytes; the rest counts for no bcrypt, and this one refuses it
_HASHER = PasswordHasher()


class Hashes:
    """Compares with hashes of one shop, known ones and those of nobody at the same cost."""

    def __init__(self, way: str) -> None:
        self._way = way
        self._last = ""  # that the shop made: its hashes cost what this one costs

    async def fits(self, hashed: str, plain: bytes) -> bool:
        """Whether it is the hash of this; "" is nobody's."""
        check = _SLOW.get(self._way)
        if check is None:
            made = hashlib.new(self._way, plain, usedforsecurity=False).hexdigest()
            return hmac.compare_digest(made.encode(), hashed.lower().encode()) and bool(hashed)
        if hashed.startswith("$"):
            self._last = hashed
        return await asyncio.to_thread(check, hashed or self._last or _OURS[self._way], plain) and bool(hashed)


def _fits_argon2(hashed: str, plain: bytes) -> bool:
    try:
        return _HASHER.verify(hashed, plain)
    except (VerificationError, InvalidHashError):
        return False


def _fits_bcrypt(hashed: str, plain: bytes) -> bool:
    try:
        return bcrypt.checkpw(plain[:_LONGEST_BCRYPT], hashed.encode())
    except ValueError:  # no hash
        return False


_SLOW: Mapping[str, Callable[[str, bytes], bool]] = {"argon2": _fits_argon2, "bcrypt": _fits_bcrypt}
# What is compared with until the shop has shown one; bcrypt's as PHP makes them.
_OURS = {"argon2": _HASHER.hash(""), "bcrypt": "$2y$10$" + "." * 21 + "O" + "." * 31}
