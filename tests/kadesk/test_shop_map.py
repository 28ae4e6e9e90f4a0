"""`kadesk shop map`: a map is proposed, shown by masked orders, and put into the settings."""

import json
import tomllib
from io import StringIO
from pathlib import Path

import pytest

from kadesk.cli import main
from kadesk.errors import SettingsError
from kadesk.settings import SHIPPED, Settings
from kadesk.shop_map import as_toml, put_columns
from tests.shop.adapters import strangers

COLUMNS = {"order_no": "orders.sn", "status": "orders.status", "status.delivered": "4"}


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An install beside a shop that nobody knows."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    await strangers.install(url, strangers.camel())
    (tmp_path / "settings.toml").write_text(SHIPPED.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KADESK_SHOP__URL", url)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr("sys.argv", ["kadesk", "shop", "map", *options])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_nothing_is_written_unless_it_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (home / "settings.toml").read_text(encoding="utf-8")

    code = run(monkeypatch, "--yes")

    shown = capsys.readouterr().out
    assert code == 0
    assert (home / "settings.toml").read_text(encoding="utf-8") == before
    assert tomllib.loads(shown.partition("\n\n")[0])["shop"]["columns"]["order_no"] == "ShopOrders.OrderNumber"
    assert shown.count("order: ****-") == 3


def test_the_settings_take_the_map_and_keep_the_rest(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Settings.load()

    assert run(monkeypatch, "--yes", "--write", "--json") == 0

    facts, after = json.loads(capsys.readouterr().out), Settings.load()
    assert after.shop.kind == "sql"
    assert after.shop.columns == facts["columns"]
    assert after.model_copy(update={"shop": before.shop}) == before
    shown = json.dumps(facts["orders"])
    assert (facts["written"], len(facts["orders"])) == (True, 3)
    for secret in ("A0000007", "buyer7@", strangers.code(7)):
        assert secret not in shown


def test_who_does_not_know_the_orders_writes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))

    assert run(monkeypatch, "--write") != 0

    assert Settings.load().shop.kind == "local"


def test_the_shipped_settings_are_not_written_to(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "settings.toml").unlink()

    assert run(monkeypatch, "--yes", "--write") == 2

    assert "There are no settings here yet" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", 'shop.kind = "local"\n', '[shop]\nkind = "sql"\ncolumns.order_no = "a.b"\n'])
def test_settings_of_another_form_are_left_alone(text: str) -> None:
    with pytest.raises(SettingsError, match="paste the lines"):
        put_columns(text, "shop", as_toml("shop", COLUMNS))


def test_the_columns_of_one_of_several_shops_take_the_place_of_its_old_ones() -> None:
    text = '[shop]\nkind = "local"\n\n[shop.more.star]\nkind = "local"\n\n[sla]\nhandling = "1 h"\n'
    first = put_columns(text, "shop.more.star", as_toml("shop.more.star", {"order_no": "old.sn"}))

    second = put_columns(first, "shop.more.star", as_toml("shop.more.star", COLUMNS))

    assert tomllib.loads(second) == {
        "shop": {"kind": "local", "more": {"star": {"kind": "sql", "columns": COLUMNS}}},
        "sla": {"handling": "1 h"},
    }
