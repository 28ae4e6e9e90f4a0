"""The gate of both doors: of 20,000 changed requests none comes in, none costs much, and none is remembered."""

import gc
import random
import string
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from bot.channels.weixin import envelope
from bot.channels.weixin.door import BODY_LIMIT, Gate, Nonces
from bot.channels.weixin.xml import write
from bot.errors import BadXml, Forged
from tests.bot.channels.weixin.test_envelope import OFFICIAL, OFFICIAL_SEALED, OFFICIAL_STAMP

NOW = datetime.fromtimestamp(int(OFFICIAL_STAMP.timestamp), UTC)
CPU = 0.005  # seconds that a request may take
KEPT = 1_000  # objects that may be left of 18,000 requests: of one in eighteen
PARTS = (OFFICIAL_STAMP.timestamp, OFFICIAL_STAMP.nonce, OFFICIAL_STAMP.signature, OFFICIAL_SEALED)
LETTERS = string.ascii_letters + string.digits + "+/=é𝒳 "
SEALED = f"<Encrypt>{OFFICIAL_SEALED}</Encrypt>"
ENTITIES = "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MANY = " ".join(f"a{number}=''" for number in range(6_000))
UNFOLDING = (  # what would grow, reach out or go deep if it were followed
    f'<!DOCTYPE x [<!ENTITY a "{"a" * 50}">{ENTITIES}]><xml>{SEALED}<A>&i;</A></xml>',
    f'<!DOCTYPE x [<!ENTITY a "{OFFICIAL_SEALED}">]><xml><Encrypt>&a;</Encrypt></xml>',
    f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml>{SEALED}<A>&e;</A></xml>',
    f'<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><xml>{SEALED}</xml>',
    f"<xml>{SEALED}<A>&unknown;</A></xml>",
    f"<xml>{SEALED}{'<a>' * 9_000}{'</a>' * 9_000}</xml>",
    f"<xml>{SEALED}{'<a/>' * 16_000}</xml>",
    f"<xml><Encrypt>AAAA</Encrypt><a {MANY}/></xml>",
    f"<xml><Encrypt>{'A' * (BODY_LIMIT - 100)}</Encrypt></xml>",
    f"<xml>{SEALED}",
)

Request = tuple[Mapping[str, str], bytes]


def as_request(timestamp: str, nonce: str, signature: str, sealed: str) -> Request:
    params = {"timestamp": timestamp, "nonce": nonce, "msg_signature": signature, "signature": signature}
    return params, write({"ToUserName": "gh_1", "Encrypt": sealed}).encode()


def changed(count: int) -> Iterator[Request]:
    """The published callback: one character of a part changed, gone or added; now and then a body that unfolds."""
    chance = random.Random(7)
    for number in range(count):
        which, parts = chance.randrange(4), list(PARTS)
        while parts[which] == PARTS[which]:
            text, place = PARTS[which], chance.randrange(len(PARTS[which]))
            into = chance.choice(("", chance.choice(LETTERS), text[place] + chance.choice(LETTERS)))
            parts[which] = text[:place] + into + text[place + 1 :]
        params, body = as_request(*parts)
        if number % 100 == 0:
            params, body = as_request(*PARTS)[0], UNFOLDING[number // 100 % len(UNFOLDING)].encode()
        yield params, body


def is_let_in(gate: Gate, request: Request) -> bool:
    try:
        gate.open(*request, NOW)
    except (Forged, BadXml):
        return False
    return True


def cpu_of(gate: Gate, request: Request) -> float:
    """Seconds; who seems slow is tried again, since a collection of garbage may fall into anybody's time."""
    times = []
    while len(times) < 3 and min(times, default=1.0) > CPU:
        begun = time.thread_time()
        is_let_in(gate, request)
        times.append(time.thread_time() - begun)
    return min(times)


def kept_of(gate: Gate, count: int) -> int:
    """Objects of Python's that so many changed requests leave behind, the first tenth not counted."""
    requests = changed(count)
    for _ in range(count // 10):
        is_let_in(gate, next(requests))
    gc.collect()  # or the garbage of earlier tests, collected meanwhile, would count as memory given back
    before = sys.getallocatedblocks()
    for request in requests:
        is_let_in(gate, request)
    return sys.getallocatedblocks() - before


@pytest.fixture
def gate() -> Gate:
    return Gate(OFFICIAL, Nonces())


def test_the_published_request_comes_in_and_none_is_too_long_to_be_read(gate: Gate) -> None:
    assert gate.open(*as_request(*PARTS), NOW)["Content"] == "abcdteT"
    assert max(len(body) for body in UNFOLDING) <= BODY_LIMIT


def test_a_nonce_of_plain_mode_stands_for_one_body_though_that_is_not_signed() -> None:
    gate = Gate(OFFICIAL, Nonces(), is_plain=True)
    stamp = {"timestamp": OFFICIAL_STAMP.timestamp, "nonce": "1"}
    params = stamp | {"signature": envelope.sign(OFFICIAL.token, stamp["timestamp"], "1")}

    said = [gate.open(params, b"<xml><Content>7</Content></xml>", NOW)["Content"] for _ in range(2)]

    assert said == ["7", "7"]
    with pytest.raises(Forged):
        gate.open(params, b"<xml><Content>8</Content></xml>", NOW)


def test_of_20_000_changed_requests_none_comes_in_and_none_costs_much(gate: Gate) -> None:
    assert sum(is_let_in(gate, request) for request in changed(20_000)) == 0
    assert max(cpu_of(gate, request) for request in changed(2_000)) <= CPU


def test_changed_requests_leave_nothing_in_memory(gate: Gate) -> None:
    assert kept_of(gate, 20_000) < KEPT


def test_without_the_signature_changed_ones_would_come_in(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of the tests above."""
    monkeypatch.setattr(envelope, "check", lambda *_: None)

    assert sum(is_let_in(gate, request) for request in changed(500)) > 0


def test_if_nonces_were_noted_before_they_are_believed_memory_would_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of the test of memory."""
    gate, believe = Gate(OFFICIAL, Nonces()), envelope.check

    def note(token: str, stamp: envelope.Stamp, now: datetime, *sealed: str) -> None:
        gate.nonces.check(envelope.Stamp(stamp.timestamp, f"{stamp.nonce} {stamp.signature} {sealed}", ""), now)
        believe(token, stamp, now, *sealed)

    monkeypatch.setattr(envelope, "check", note)

    assert kept_of(gate, 2_000) > KEPT
