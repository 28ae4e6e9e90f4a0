"""`kadesk shop link`: a signed link to try."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kadesk.cli import main
from shop.deep_links import DeepLinks

SECRET = "a secret of the shop, long enough"


def test_a_link_opens_the_order_on_the_web_and_on_telegram(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path))
    monkeypatch.setenv("KADESK_WEB__PUBLIC_URL", "https://help.example.com")
    monkeypatch.setenv("KADESK_OWNERSHIP__LINK_SECRET", SECRET)
    monkeypatch.setattr("sys.argv", ["kadesk", "shop", "link", "AB12CD34"])

    with pytest.raises(SystemExit) as stopped:
        main()

    web, telegram = capsys.readouterr().out.split()
    (page, payload), (bot, same) = web.split("?start="), telegram.split("?start=")
    assert not stopped.value.code
    assert (page, bot) == ("https://help.example.com/chat", "https://t.me/YOUR_BOT")
    assert payload == same
    assert DeepLinks("demo", SECRET).verify(payload, datetime.now(UTC)) == "AB12CD34"


@pytest.mark.parametrize(
    ("secret", "order_no", "sentence"),
    [
        pytest.param("", "AB12CD34", "signs no links: set KADESK_OWNERSHIP__LINK_SECRET", id="no secret"),
        pytest.param("short", "AB12CD34", "make it 32 characters at least", id="short secret"),
        pytest.param(SECRET, "订单一", "does not fit into a link", id="odd number"),
    ],
)
def test_what_cannot_be_linked_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    secret: str,
    order_no: str,
    sentence: str,
) -> None:
    monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path))
    monkeypatch.setenv("KADESK_OWNERSHIP__LINK_SECRET", secret)
    monkeypatch.setattr("sys.argv", ["kadesk", "shop", "link", order_no])

    with pytest.raises(SystemExit) as stopped:
        main()

    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_each_shop_signs_with_a_secret_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path))
    monkeypatch.setenv("KADESK_OWNERSHIP__LINK_SECRET", SECRET)
    monkeypatch.setenv("KADESK_SHOP__MORE__STAR__LINK_SECRET", SECRET[::-1])
    monkeypatch.setattr("sys.argv", ["kadesk", "shop", "link", "AB12CD34", "--shop", "star"])

    with pytest.raises(SystemExit):
        main()

    payload = capsys.readouterr().out.split()[0].partition("?start=")[2]
    assert DeepLinks("star", SECRET[::-1]).verify(payload, datetime.now(UTC)) == "AB12CD34"
    assert DeepLinks("star", SECRET).verify(payload, datetime.now(UTC)) is None
