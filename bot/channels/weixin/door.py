"""What both doors of Tencent do before anything is believed: size, signature, time, nonce, XML."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bot.channels.noting import Note
from bot.channels.weixin.envelope import TOLERANCE, Envelope, Stamp, check
from bot.channels.weixin.xml import parse
from bot.errors import ForeignKey, ForeignToken, Forged, Unsealed, WrongClock

BODY_LIMIT = 64 * 1024  # bytes: several times what a callback has, and read within some milliseconds at worst
REMEMBERED = 50_000  # nonces; more calls than the platform makes within its tolerance


class Nonces:
    """A nonce stands for one callback. The same callback may come again, since the platform repeats what it doubts."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], tuple[str, datetime]] = OrderedDict()

    def check(self, stamp: Stamp, now: datetime) -> None:
        """Raises `Forged` when this nonce came with another callback."""
        while self._seen and (len(self._seen) > REMEMBERED or next(iter(self._seen.values()))[1] < now - 2 * TOLERANCE):
            self._seen.popitem(last=False)
        signature, _ = self._seen.setdefault((stamp.timestamp, stamp.nonce), (stamp.signature, now))
        if signature != stamp.signature:
            raise Forged


@dataclass(frozen=True, slots=True)
class Gate:
    """The way into one account."""

    envelope: Envelope
    nonces: Nonces
    is_plain: bool = False  # the owner chose that bodies come neither sealed nor signed

    def echo(self, params: Mapping[str, str], now: datetime) -> str:
        """What proves to the platform that this address is ours. Raises `Forged`."""
        text = params.get("echostr", "")
        if "msg_signature" in params:
            return self.envelope.open(_stamp(params, "msg_signature"), text, now).decode(errors="replace")
        check(self.envelope.token, _stamp(params, "signature"), now)
        return text

    def open(self, params: Mapping[str, str], body: bytes, now: datetime) -> dict[str, str]:
        """The fields of a callback. Raises `Forged` and `BadXml`."""
        outer = parse(body)
        if "Encrypt" in outer:
            stamp = _stamp(params, "msg_signature")
            fields = parse(self.envelope.open(stamp, outer["Encrypt"], now))
        elif self.is_plain:
            stamp, fields = _stamp(params, "signature"), outer
            check(self.envelope.token, stamp, now)
            # That signature says nothing of the body: or whoever read one callback could send any other with it.
            stamp = replace(stamp, signature=hashlib.sha256(body).hexdigest())
        else:
            check(self.envelope.token, _stamp(params, "signature"), now)
            raise Unsealed
        self.nonces.check(stamp, now)
        return fields


def note_refusal(note: Note, error: Exception) -> None:
    """Somebody was turned away at the door. What anybody could have sent says nothing of the settings."""
    if reason := _REFUSALS.get(type(error)):
        note("refused_at", refusal=reason)


_REFUSALS: Mapping[type[Exception], str] = {  # → what the owner should look at: `bot.health.Trouble`
    ForeignToken: "signature",
    ForeignKey: "seal",
    WrongClock: "clock",
    Unsealed: "plain",
}


def _stamp(params: Mapping[str, str], signature: str) -> Stamp:
    return Stamp(params.get("timestamp", ""), params.get("nonce", ""), params.get(signature, ""))
