"""Sealed callbacks: what the platform published opens and verifies, and nothing else does."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.weixin import envelope
from bot.channels.weixin.envelope import Envelope, Stamp
from bot.channels.weixin.xml import parse
from bot.errors import BadSealKey, Forged

# Published with Tencent's own demos of WXBizMsgCrypt (Python, C#, PHP and Java).
OFFICIAL = Envelope.make("spamtest", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wx2c2769f8efd9abc2")
OFFICIAL_STAMP = Stamp("1409735669", "1320562132", "5d197aaffba7e9b25a30732f161a50dee96bd5fa")
OFFICIAL_SEALED = (
    "hyzAe4OzmOMbd6TvGdIOO6uBmdJoD0Fk53REIHvxYtJlE2B655HuD0m8KUePWB3+LrPXo87wzQ1QLvbeUgmBM4x6F8PGHQHFVAFmOD2LdJF9FrXp"
    "bUAh0B5GIItb52sn896wVsMSHGuPE328HnRGBcrS7C41IzDWyWNlZkyyXwon8T332jisa+h6tEDYsVticbSnyU8dKOIbgU6ux5VTjg3yt+WGzjlp"
    "Kn6NPhRjpA912xMezR4kw6KWwMrCVKSVCZciVGCgavjIQ6X8tCOp3yZbGpy0VxpAe+77TszTfRd5RJSVO/HTnifJpXgCSUdUue1v6h0EIBYYI1BD"
    "1DlD+C0CR8e6OewpusjZ4uBl9FyJvnhvQl+q5rv1ixrcpCumEPo5MJSgM9ehVsNPfUM669WuMyVWQLCzpu9GhglF2PE="
)
WORK = Envelope.make("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7")
ECHO_STAMP = Stamp("1409659589", "263014780", "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3")
ECHO = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
WORK_STAMP = Stamp("1409659813", "1372623149", "477715d11cdb4164915debcba66cb864d751f3e6")
WORK_SEALED = (
    "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3"
    "TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gs"
    "ijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUa"
    "x5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIG"
    "HBZZIs2pDBS8R07+qN+E7Q=="
)


def at(stamp: Stamp, later: float = 0) -> datetime:
    return datetime.fromtimestamp(int(stamp.timestamp) + later, UTC)


def test_the_published_callbacks_open() -> None:
    message = parse(OFFICIAL.open(OFFICIAL_STAMP, OFFICIAL_SEALED, at(OFFICIAL_STAMP)))
    work = parse(WORK.open(WORK_STAMP, WORK_SEALED, at(WORK_STAMP)))

    assert (message["FromUserName"], message["Content"]) == ("oyORnuP8q7ou2gfYjqLzSIWZf0rs", "abcdteT")
    assert message["MsgId"] == "6054768590064713728"
    assert (work["FromUserName"], work["Content"], work["AgentID"]) == ("mycreate", "hello", "218")


def test_the_published_address_check_is_answered_to_the_letter() -> None:
    assert WORK.open(ECHO_STAMP, ECHO, at(ECHO_STAMP)) == b"1616140317555161061"


def test_sealing_gives_the_published_ciphertext() -> None:
    java = Envelope.make("pamtest", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wxb11529c136998cb6")

    sealed, _ = java.seal("我是中文abcd123".encode(), "1409304348", "xxxxxx", prefix=b"aaaabbbbccccdddd")

    assert sealed == "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg=="


@pytest.mark.parametrize("key", ["", "abcde", "密" * 43, "a" * 44, "!" * 43])
def test_a_key_that_is_none_is_named(key: str) -> None:
    with pytest.raises(BadSealKey, match="43 characters"):
        Envelope.make("token", key, "wx1")


@given(st.binary(max_size=200), st.text("0123456789", min_size=1, max_size=9), st.text(max_size=8))
def test_what_is_sealed_opens_to_the_same(message: bytes, timestamp: str, nonce: str) -> None:
    sealed, signature = OFFICIAL.seal(message, timestamp, f"n{nonce}")
    stamp = Stamp(timestamp, f"n{nonce}", signature)

    assert OFFICIAL.open(stamp, sealed, at(stamp)) == message


@pytest.mark.parametrize(("later", "is_open"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_only_what_was_sent_just_now_opens(later: float, is_open: bool) -> None:
    try:
        OFFICIAL.open(OFFICIAL_STAMP, OFFICIAL_SEALED, at(OFFICIAL_STAMP, later))
    except Forged:
        assert not is_open
    else:
        assert is_open


@pytest.mark.parametrize("timestamp", ["", "x", "-5", "1e9", "٣" * 10, "9" * 40])
def test_times_that_are_none_are_refused(timestamp: str) -> None:
    signature = envelope.sign(OFFICIAL.token, timestamp, "1", OFFICIAL_SEALED)

    with pytest.raises(Forged):
        OFFICIAL.open(Stamp(timestamp, "1", signature), OFFICIAL_SEALED, at(OFFICIAL_STAMP))


def test_what_is_sealed_for_another_account_is_refused() -> None:
    other = replace(OFFICIAL, receiver="wx-of-another")
    sealed, signature = other.seal(b"<xml></xml>", "1409735669", "1")

    with pytest.raises(Forged):
        OFFICIAL.open(Stamp("1409735669", "1", signature), sealed, at(OFFICIAL_STAMP))


@pytest.mark.parametrize("content", [b"", b"\0" * 16, b"\x20" * 32, b"\0" * 16 + b"\xff\xff\xff\xff" + b"\x0c" * 12])
def test_a_ciphertext_of_nonsense_is_refused_even_when_it_is_signed(content: bytes) -> None:
    """Who knows the token, but not the key, learns nothing from it."""
    encryptor = OFFICIAL._cipher().encryptor()
    sealed = envelope.base64.b64encode(encryptor.update(content) + encryptor.finalize()).decode()
    signature = envelope.sign(OFFICIAL.token, "1409735669", "1", sealed)

    with pytest.raises(Forged):
        OFFICIAL.open(Stamp("1409735669", "1", signature), sealed, at(OFFICIAL_STAMP))


def test_secrets_are_not_told() -> None:
    assert not re.search("spamtest|abcdefgh", repr(OFFICIAL))
