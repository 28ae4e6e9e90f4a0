"""`kadesk shop check` of shops over HTTP: what it says when all is well, and what keeps Kadesk out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kadesk.cli import main
from kadesk.settings import SHIPPED
from tests.shop.adapters import card_system, dujiao_next, http_shop, wholesale

Check = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Its exit code, and what it says of the first shop."""

    def run(kind: str, server: Any, **facts: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path))
        url = f"http://127.0.0.1:{server.server_address[1]}"
        for name, value in {"kind": kind, "url": url, **facts}.items():
            monkeypatch.setenv(f"KADESK_SHOP__{name.upper()}", value)
        monkeypatch.setattr("sys.argv", ["kadesk", "shop", "check", "--json"])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr().out
        assert not any(secret in said for secret in (http_shop.SECRET, dujiao_next.PASSWORD))
        return int(stopped.value.code or 0), json.loads(said)["shops"][0]

    return run


def test_a_shop_of_our_contract_is_checked_with_its_signature(check: Check) -> None:
    with http_shop.serving([]) as server:
        good = check("http", server, secret=http_shop.SECRET, writes="issue")
        wrong = check("http", server, secret="another " * 4, writes="")

    assert (good[0], good[1]["problem"]) == (0, "")
    assert {"issue", "stock"} <= {*good[1]["can"]}
    assert (wrong[0], "401 to our signature" in wrong[1]["problem"]) == (1, True)
    assert {"issue", "note", "quarantine"} <= {*wrong[1]["cannot"]}


def test_a_dujiao_next_names_the_page_that_its_account_may_not_read(check: Check) -> None:
    with dujiao_next.DujiaoNextSite() as site:
        good = check("dujiao_next", site, user=dujiao_next.USER, password=dujiao_next.PASSWORD)
        site.forbidden = "/admin/procurement-orders"
        wrong = check("dujiao_next", site, user=dujiao_next.USER, password=dujiao_next.PASSWORD)

    assert (good[0], good[1]["problem"]) == (0, "")
    assert (wrong[0], "may not read procurement-orders" in wrong[1]["problem"]) == (1, True)


def test_a_card_system_that_refuses_the_account_is_named(check: Check) -> None:
    with card_system.CardSystemSite() as site:
        good = check("card_system", site, user=card_system.USER, password=card_system.PASSWORD)
        wrong = check("card_system", site, user=card_system.USER, password="wrong")
        missing = check("card_system", site, user=card_system.USER, password="")

    assert (good[0], good[1]["problem"]) == (0, "")
    assert (wrong[0], "it answers 400 to our user and password" in wrong[1]["problem"]) == (1, True)
    assert (missing[0], "without its user and password" in missing[1]["problem"]) == (1, True)


def test_a_supplier_that_does_not_know_our_key_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = wholesale.Wholesale()
    settings = tmp_path / "settings.toml"
    settings.write_text(SHIPPED.read_text() + '[suppliers.api.star]\nsupplier = "卡商A"\n')
    facts = {"DATA__DIR": str(tmp_path), "SETTINGS": str(settings)}
    start = "SUPPLIERS__API__STAR__"
    facts |= {start + "URL": server.url, start + "ACCOUNT": wholesale.ACCOUNT, start + "KEY": wholesale.KEY}
    for name, value in facts.items():
        monkeypatch.setenv(f"KADESK_{name}", value)
    monkeypatch.setattr("sys.argv", ["kadesk", "shop", "check", "--json"])
    said = []
    for key in (wholesale.KEY, "another"):
        monkeypatch.setenv("KADESK_SUPPLIERS__API__STAR__KEY", key)
        with pytest.raises(SystemExit) as stopped:
            main()
        said.append((stopped.value.code or 0, *json.loads(capsys.readouterr().out)["suppliers"]))
    server.site.shutdown()
    server.site.server_close()

    assert said[0] == (0, {"name": "supplier star", "ok": True, "problem": ""})
    assert (said[1][0], "is the key right?" in said[1][1]["problem"]) == (1, True)
