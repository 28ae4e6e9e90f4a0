"""Sealing what must never stand in clear.

A seal is AES-256-GCM bound to its kind, its row and its key: a ciphertext that is changed or moved does not open.
Look-ups go over an HMAC under a key of its own, so that equal codes are found without opening any.
"""

import base64
import binascii
import hmac
import os
import secrets
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shop.errors import BadKeys, SealBroken, UnknownKey
from shop.masking import normalise_code

KEY_BYTES = 32
NONCE_BYTES = 12  # 96 random bits: safe for 2**32 seals under one key
LONE = "surrogatepass"  # half a character, which a JSON text may carry, is no reason to fail


@dataclass(frozen=True, slots=True)
class Keys:
    """The vault's keys. New seals use `current`; the others still open what they sealed."""

    current: str
    encryption: dict[str, bytes] = field(repr=False)  # by key id
    fingerprint: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.current not in self.encryption:
            raise BadKeys(problem=f"there is no encryption key {self.current!r}")
        if any(len(key) != KEY_BYTES for key in (*self.encryption.values(), self.fingerprint)):
            raise BadKeys(problem=f"every key has {KEY_BYTES} bytes")

    @classmethod
    def generate(cls) -> Self:
        key_id = secrets.token_hex(4)
        return cls(key_id, {key_id: secrets.token_bytes(KEY_BYTES)}, secrets.token_bytes(KEY_BYTES))

    def with_new(self) -> Self:
        """These keys and a new one, which seals from now on; the fingerprints stay what they are."""
        key_id = secrets.token_hex(4)
        return type(self)(key_id, self.encryption | {key_id: secrets.token_bytes(KEY_BYTES)}, self.fingerprint)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote; line ends and spaces are alike, so that it fits an environment variable."""
        words = dict(word.partition("=")[::2] for word in text.split())
        try:
            current = words.pop("current")
            keys = {name: base64.b64decode(value, validate=True) for name, value in words.items()}
            fingerprint = keys.pop("fingerprint")
        except KeyError as missing:
            raise BadKeys(problem=f"{missing.args[0]} is missing") from None
        except binascii.Error:
            raise BadKeys(problem="a key is not base64") from None
        return cls(current, {name.removeprefix("encryption."): key for name, key in keys.items()}, fingerprint)

    def to_text(self) -> str:
        keys = {f"encryption.{key_id}": key for key_id, key in self.encryption.items()}
        keys["fingerprint"] = self.fingerprint
        lines = [f"{name}={base64.b64encode(key).decode()}" for name, key in keys.items()]
        return "\n".join([f"current={self.current}", *lines, ""])


class Vault:
    """Seals and opens texts, and recognises codes without opening them."""

    def __init__(self, keys: Keys) -> None:
        self._current = keys.current
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.encryption.items()}
        self._fingerprint_key = keys.fingerprint

    def seal(self, kind: str, seal_id: str, text: str) -> tuple[str, bytes]:
        """Encrypt `text` for the row `seal_id` of `kind`; the key's id and nonce + ciphertext."""
        nonce = os.urandom(NONCE_BYTES)
        bound_to = _binding(kind, seal_id, self._current)
        return self._current, nonce + self._ciphers[self._current].encrypt(nonce, text.encode(errors=LONE), bound_to)

    def open(self, kind: str, seal_id: str, key_id: str, sealed: bytes) -> str:
        """The text again; `SealBroken` when anything about the seal is not as it was made."""
        row = f"{kind}/{seal_id}"
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise UnknownKey(row=row, key_id=key_id)
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, ciphertext, _binding(kind, seal_id, key_id)).decode(errors=LONE)
        except (InvalidTag, ValueError):  # ValueError: cut so short that no nonce is left
            raise SealBroken(row=row) from None

    def seal_text(self, kind: str, seal_id: str, text: str) -> str:
        """`seal` for a text column: "key id.base64"."""
        key_id, sealed = self.seal(kind, seal_id, text)
        return f"{key_id}.{base64.b64encode(sealed).decode()}"

    def open_text(self, kind: str, seal_id: str, sealed: str) -> str:
        key_id, _, encoded = sealed.partition(".")
        try:
            return self.open(kind, seal_id, key_id, base64.b64decode(encoded, validate=True))
        except binascii.Error:
            raise SealBroken(row=f"{kind}/{seal_id}") from None

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return self._current

    def renew_text(self, kind: str, seal_id: str, sealed: str) -> str:
        """The same text under the current key."""
        return self.seal_text(kind, seal_id, self.open_text(kind, seal_id, sealed))

    def fingerprint(self, code: str) -> str:
        """Equal for the same code however it was typed; says nothing about the code without the key."""
        return self.keyed_hash("code", normalise_code(code))

    def keyed_hash(self, purpose: str, text: str) -> str:
        """Hex HMAC-SHA256; hashes of different purposes never meet."""
        return hmac.digest(self._fingerprint_key, f"{purpose}\0{text}".encode(errors=LONE), "sha256").hex()


def _binding(kind: str, seal_id: str, key_id: str) -> bytes:
    return "\0".join((kind, seal_id, key_id)).encode()
