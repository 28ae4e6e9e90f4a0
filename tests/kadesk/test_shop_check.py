"""`kadesk shop check`: each way in which a shop can be wrong is one sentence, and none holds a secret."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import column, table
from sqlalchemy.engine import make_url

from kadesk.cli import main
from shop.adapters.dujiaoka import CARMIS, ORDERS, STOCK
from tests.shop.adapters import dujiaoka
from tests.shop.adapters.conftest import empty_mariadb as empty_mariadb
from tests.shop.adapters.conftest import make_reader, run

pytestmark = pytest.mark.mariadb
Check = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Its exit code, what it says of the first shop as JSON, and in words."""

    def run(url: str, kind: str = "dujiaoka") -> tuple[int, dict[str, Any], str]:
        monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path))
        monkeypatch.setenv("KADESK_SHOP__KIND", kind)
        monkeypatch.setenv("KADESK_SHOP__URL", url)
        said = []
        for options in (["--json"], []):
            monkeypatch.setattr("sys.argv", ["kadesk", "shop", "check", *options])
            with pytest.raises(SystemExit) as stopped:
                main()
            said.append(capsys.readouterr().out)
        assert not any("let me read" in words for words in said)
        return int(stopped.value.code or 0), json.loads(said[0])["shops"][0], said[1]

    return run


@pytest.fixture
async def reader(empty_mariadb: str) -> str:
    await dujiaoka.open_original(empty_mariadb, [])
    return await make_reader(empty_mariadb, [ORDERS, CARMIS])


def test_a_good_shop_says_what_it_can_and_cannot(check: Check, reader: str) -> None:
    code, facts, words = check(reader)

    assert (code, facts["ok"], facts["problem"], facts["missing"]) == (0, True, "", [])
    assert {"prove_owner", "stock"} <= {*facts["can"]}
    assert "refund" in facts["cannot"]
    assert "It answers, and has all that Kadesk reads." in words
    assert words.index("count the codes") < words.index("It cannot") < words.index("pay money back")
    assert words.endswith('Kadesk changes nothing there: "writes" in the settings is empty.\n')


@pytest.fixture
async def taker(empty_mariadb: str) -> str:
    """Who may take cards out of the stock."""
    await dujiaoka.open_original(empty_mariadb, [])
    reader = await make_reader(empty_mariadb, [ORDERS, STOCK])
    url = make_url(reader)
    await run(empty_mariadb, f"GRANT UPDATE (status, updated_at) ON {url.database}.carmis TO '{url.username}'@'%'")
    return reader


def test_what_is_switched_on_is_said_in_words(check: Check, taker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KADESK_SHOP__WRITES", "issue,note")

    code, facts, words = check(taker)

    assert (code, facts["writes"]) == (0, ["issue"])
    assert "so that Kadesk changes something there:\n    * take a replacement from the shop's own stock\n" in words
    assert words.endswith("In vain, for a shop of this kind cannot do it: note\n")


def test_writing_that_is_switched_on_and_not_granted_is_told_with_its_grant(
    check: Check, reader_of_stock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KADESK_SHOP__WRITES", "issue")

    code, facts, _ = check(reader_of_stock)

    assert code == 1
    assert "GRANT UPDATE (`status`, `updated_at`) ON" in facts["problem"]


@pytest.fixture
async def reader_of_stock(empty_mariadb: str) -> str:
    await dujiaoka.open_original(empty_mariadb, [])
    return await make_reader(empty_mariadb, [ORDERS, STOCK])


@pytest.fixture
async def short_reader(empty_mariadb: str) -> str:
    await dujiaoka.open_original(empty_mariadb, [])
    known = [name for name in ORDERS.columns.keys() if name not in ("info", "trade_no")]  # noqa: SIM118  # of columns
    return await make_reader(empty_mariadb, [table("orders", *map(column, known))])


def test_each_missing_column_is_named_with_what_lets_it_be_read(check: Check, short_reader: str) -> None:
    code, facts, words = check(short_reader)

    assert code == 1
    assert {*facts["missing"]} == {"orders.info", "orders.trade_no", *(f"carmis.{one.name}" for one in CARMIS.columns)}
    assert "    orders.trade_no\n" in words
    assert "Tables that this user sees: orders. Is it the right kind and prefix?" in words
    assert "When that is mended, Kadesk can find its orders, and" in words
    assert "GRANT SELECT (`goods_id`, `status`, `is_loop`, `carmi`, `deleted_at`) ON" in words


@pytest.fixture
async def stranger(empty_mariadb: str) -> str:
    await dujiaoka.open_original(empty_mariadb, [])
    return await make_reader(empty_mariadb, [])


def test_a_user_who_may_do_nothing_yet_gets_the_statements_that_let_it_in(check: Check, stranger: str) -> None:
    code, facts, words = check(stranger)

    assert (code, "may read nothing of this database yet" in facts["problem"]) == (1, True)
    assert [line.split(") ON ")[1].split(".")[1][:8] for line in facts["grants"]] == ["`orders`", "`carmis`"]
    assert all(f"    {line}" in words for line in facts["grants"])


@pytest.fixture
async def early_fork(empty_mariadb: str) -> str:
    await dujiaoka.open_early_fork(empty_mariadb, [])
    return empty_mariadb


def test_what_a_release_does_not_have_is_named_and_no_problem(check: Check, early_fork: str) -> None:
    code, facts, words = check(early_fork)

    assert (code, facts["missing"], facts["tables"]) == (0, [], [])
    assert facts["without"] == [f"user_balance_records.{name}" for name in ("amount", "related_order_sn", "type")]
    assert "It goes without these, which older releases do not have" in words


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"password": "let me read it"}, "the user or its password is wrong", id="password"),
        pytest.param({"database": "nosuch"}, "may read nothing of this database yet", id="database"),
        pytest.param(
            {"host": "127.0.0.1", "port": 9, "query": {}},
            "Shop demo does not answer. Does it run at 127.0.0.1:9, and may this machine reach it?",
            id="port",
        ),
        pytest.param({"drivername": "oracle"}, "must be like 'mysql://user:password@host/name'", id="kind of url"),
    ],
)
def test_what_keeps_us_out_is_one_sentence(check: Check, reader: str, change: dict[str, Any], sentence: str) -> None:
    code, facts, words = check(make_url(reader).set(**change).render_as_string(hide_password=False))

    assert code == 1
    assert sentence in facts["problem"]
    assert facts["problem"] in words


def test_the_local_shop_is_always_there(check: Check) -> None:
    assert check("", "local")[1]["ok"]
