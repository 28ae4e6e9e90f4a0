import base64
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.errors import BadKeys, SealBroken, UnknownKey
from shop.vault import Keys, Vault

CODE = "7K2Q9-XPLM4-TRWE3"
KEYS = Keys.generate()


@given(text=st.text(st.characters()))
def test_a_sealed_text_opens(text: str) -> None:
    vault = Vault(KEYS)

    key_id, sealed = vault.seal("code", "row-1", text)

    assert vault.open("code", "row-1", key_id, sealed) == text
    assert vault.open_text("inbox", "row-1", vault.seal_text("inbox", "row-1", text)) == text


def test_a_seal_shows_nothing_and_is_never_the_same_twice(vault: Vault) -> None:
    first, second = (vault.seal("code", "row-1", CODE)[1] for _ in range(2))

    assert CODE.encode() not in first
    assert first != second


@pytest.mark.parametrize("position", [0, 11, 12, 20, -1], ids=["nonce", "nonce end", "text", "inside", "tag"])
def test_a_changed_seal_does_not_open(vault: Vault, position: int) -> None:
    key_id, sealed = vault.seal("code", "row-1", CODE)
    changed = bytearray(sealed)
    changed[position] ^= 1

    with pytest.raises(SealBroken, match="code/row-1"):
        vault.open("code", "row-1", key_id, bytes(changed))


@pytest.mark.parametrize("length", [0, 5, 12, 27], ids=["empty", "no nonce", "no text", "half a tag"])
def test_a_cut_seal_does_not_open(vault: Vault, length: int) -> None:
    key_id, sealed = vault.seal("code", "row-1", CODE)

    with pytest.raises(SealBroken):
        vault.open("code", "row-1", key_id, sealed[:length])


@pytest.mark.parametrize(("kind", "seal_id"), [("code", "row-2"), ("inbox", "row-1"), ("code\0row-1", "")])
def test_a_seal_moved_elsewhere_does_not_open(vault: Vault, kind: str, seal_id: str) -> None:
    key_id, sealed = vault.seal("code", "row-1", CODE)

    with pytest.raises(SealBroken):
        vault.open(kind, seal_id, key_id, sealed)


def test_a_seal_under_another_key_id_does_not_open() -> None:
    twin_names = Keys("a", {"a": KEYS.encryption[KEYS.current], "b": KEYS.encryption[KEYS.current]}, KEYS.fingerprint)
    vault = Vault(twin_names)
    _, sealed = vault.seal("code", "row-1", CODE)

    with pytest.raises(SealBroken):
        vault.open("code", "row-1", "b", sealed)


@pytest.mark.parametrize("sealed", ["", "no dot", "{key}.", "{key}.%%%", "{key}.AAAA"])
def test_a_text_that_is_no_seal_does_not_open(vault: Vault, sealed: str) -> None:
    with pytest.raises(SealBroken):
        vault.open_text("inbox", "row-1", sealed.replace("{key}", KEYS.current))


def test_old_keys_open_what_they_sealed_and_the_current_one_seals() -> None:
    old = Keys.generate()
    key_id, sealed = Vault(old).seal("code", "row-1", CODE)
    rotated = Vault(dataclasses.replace(old, current="new", encryption=old.encryption | {"new": bytes(32)}))

    assert rotated.open("code", "row-1", key_id, sealed) == CODE
    assert rotated.seal("code", "row-1", CODE)[0] == "new"


def test_a_lost_key_is_named() -> None:
    key_id, sealed = Vault(Keys.generate()).seal("code", "row-1", CODE)

    with pytest.raises(UnknownKey, match=key_id):
        Vault(Keys.generate()).open("code", "row-1", key_id, sealed)


@pytest.mark.parametrize(
    "typed",
    [
        "7k2q9-xplm4-trwe3",
        "7K2Q9XPLM4TRWE3",
        " 7K2Q9 XPLM4 TRWE3\n",
        "\uff17K\uff12Q\uff19\uff0d\uff38PLM4\u3000TRWE\uff13",
        "7K2Q9\u200b\u2014XPLM4\u2212TRWE3",
    ],
    ids=["lower case", "no dashes", "blanks", "full width", "invisible and odd dashes"],
)
def test_a_fingerprint_does_not_depend_on_the_typing(vault: Vault, typed: str) -> None:
    assert vault.fingerprint(typed) == vault.fingerprint(CODE)


def test_fingerprints_need_the_key_and_keep_purposes_apart(vault: Vault) -> None:
    assert vault.fingerprint(CODE) != Vault(Keys.generate()).fingerprint(CODE)
    assert vault.fingerprint(CODE) != vault.fingerprint("7K2Q9-XPLM4-TRWE4")
    assert vault.keyed_hash("order", "A1") != vault.keyed_hash("address", "A1")
    assert vault.keyed_hash("order", "A1") == vault.keyed_hash("order", "A1")


@pytest.mark.parametrize("separator", ["\n", " ", "\r\n"], ids=["lines", "one line", "windows"])
def test_keys_survive_being_written_down(separator: str) -> None:
    text = separator.join(KEYS.to_text().split("\n"))

    assert Keys.from_text(text) == KEYS


def test_keys_do_not_show_themselves() -> None:
    shown = repr(KEYS)

    assert KEYS.current in shown
    assert repr(KEYS.fingerprint) not in shown
    assert repr(KEYS.encryption[KEYS.current]) not in shown


SHORT = base64.b64encode(b"short").decode()
GOOD = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "current is missing"),
        ("current=a", "fingerprint is missing"),
        (f"current=a fingerprint={GOOD}", "no encryption key 'a'"),
        (f"current=a fingerprint={GOOD} encryption.a={SHORT}", "32 bytes"),
        (f"current=a fingerprint={GOOD} encryption.a=%", "not base64"),
        (f"current=a fingerprint={GOOD} encryptoin.a={GOOD}", "no encryption key 'a'"),
    ],
    ids=["empty", "no fingerprint", "no current key", "short key", "not base64", "misspelt"],
)
def test_unusable_keys_are_refused_in_a_sentence(text: str, problem: str) -> None:
    with pytest.raises(BadKeys, match=problem):
        Keys.from_text(text)
