"""How Tencent seals callbacks (safe mode, "WXBizMsgCrypt"): the same for 公众号 and 企业微信.

SHA-1 over the sorted token, timestamp, nonce and ciphertext; AES-256-CBC, of which the key's first 16 bytes are the IV;
PKCS#7 with blocks of 32 bytes; inside: 16 random bytes, the length as four bytes, the message, the receiver's id.
Source: https://developer.work.weixin.qq.com/document/path/90968.
"""

import base64
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bot.errors import BadSealKey, ForeignKey, ForeignToken, Forged, WrongClock

TOLERANCE = timedelta(seconds=300)  # that the platform's clock and ours may differ, and a callback may take
BLOCK = 32
_PREFIX = 16  # random bytes before the length


@dataclass(frozen=True, slots=True)
class Stamp:
    """What stands in the address of a callback; "" where something is missing."""

    timestamp: str
    nonce: str
    signature: str  # `msg_signature` of a sealed callback, `signature` of a plain one


@dataclass(frozen=True, slots=True)
class Envelope:
    """The seal of one account: opens what the platform sends to it, and nothing else."""

    token: str = field(repr=False)
    key: bytes = field(repr=False)
    receiver: str  # app id, or corp id

    @classmethod
    def make(cls, token: str, aes_key: str, receiver: str) -> "Envelope":
        """`aes_key` is the EncodingAESKey: 43 characters. Raises `BadSealKey`."""
        try:
            key = base64.b64decode(f"{aes_key}=", validate=True)
        except ValueError:
            key = b""
        if len(aes_key) != 43 or len(key) != 32 or not token:
            raise BadSealKey
        return cls(token, key, receiver)

    def open(self, stamp: Stamp, sealed: str, now: datetime) -> bytes:
        """The message in a sealed callback. Raises `Forged`."""
        check(self.token, stamp, now, sealed)
        content = self._decrypt(sealed)
        (length,) = struct.unpack(">I", content[_PREFIX : _PREFIX + 4].rjust(4, b"\xff"))
        message, receiver = content[_PREFIX + 4 :][:length], content[_PREFIX + 4 :][length:]
        if len(message) != length or receiver.decode(errors="replace") != self.receiver:
            raise ForeignKey
        return message

    def seal(self, message: bytes, timestamp: str, nonce: str, prefix: bytes | None = None) -> tuple[str, str]:
        """(ciphertext, signature) as the platform expects them in an answer; `prefix` is random if not given."""
        content = (prefix or secrets.token_bytes(_PREFIX)) + struct.pack(">I", len(message))
        content += message + self.receiver.encode()
        padding = BLOCK - len(content) % BLOCK
        encryptor = self._cipher().encryptor()
        sealed = encryptor.update(content + bytes([padding]) * padding) + encryptor.finalize()
        text = base64.b64encode(sealed).decode()
        return text, sign(self.token, timestamp, nonce, text)

    def _decrypt(self, sealed: str) -> bytes:
        try:
            ciphertext = base64.b64decode(sealed, validate=True)
        except ValueError:
            raise ForeignKey from None
        if not ciphertext or len(ciphertext) % 16:
            raise ForeignKey
        decryptor = self._cipher().decryptor()
        content = decryptor.update(ciphertext) + decryptor.finalize()
        padding = content[-1]
        if not 1 <= padding <= BLOCK or content[-padding:] != bytes([padding]) * padding:
            raise ForeignKey
        return content[:-padding]

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES256(self.key), modes.CBC(self.key[:16]))


def sign(token: str, timestamp: str, nonce: str, *sealed: str) -> str:
    """Hex SHA-1 of what is signed, sorted: of a plain callback that is not its body."""
    return hashlib.sha1("".join(sorted((token, timestamp, nonce, *sealed))).encode()).hexdigest()


def check(token: str, stamp: Stamp, now: datetime, *sealed: str) -> None:
    """Whether the platform sent this, and now. Raises `Forged`."""
    wanted = sign(token, stamp.timestamp, stamp.nonce, *sealed)
    is_ours = hmac.compare_digest(wanted.encode(), stamp.signature.encode())
    if not stamp.nonce or not (stamp.timestamp.isascii() and stamp.timestamp.isdigit() and len(stamp.timestamp) <= 11):
        raise Forged
    sent_at = datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(stamp.timestamp))
    is_now = abs(now - sent_at) <= TOLERANCE
    if not is_ours:
        raise ForeignToken if is_now and len(stamp.signature) == len(wanted) else Forged
    if not is_now:
        raise WrongClock
