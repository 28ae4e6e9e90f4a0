"""`kadesk chat --channel telegram`: a whole conversation on the stand-in, as somebody types it."""

import io
from dataclasses import dataclass
from typing import Any

import pytest

from kadesk.chat import Place, chat
from tests.bot.conftest import CODE, House


@dataclass
class Install:
    """The house as `kadesk.wiring.Kadesk` joins its parts."""

    house: House

    def __getattr__(self, name: str) -> Any:
        return getattr(self.house, name)

    def inbox(self, channels: list[Any]) -> Any:
        return self.house.inbox(*channels)

    def delivery(self, channels: list[Any]) -> Any:
        return self.house.delivery(*channels)

    async def send_mail(self) -> None:
        """There is no mail server."""


@pytest.mark.parametrize("place", list(Place))
async def test_a_person_types_and_presses_by_number(
    house: House, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["能退款吗", "AB12CD34EF56GH78 open5esame", "1", f"{CODE}x", "转人工"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))

    await chat(Install(house), "lili", place)  # type: ignore[arg-type]

    shown = capsys.readouterr().out
    assert "自动客服" in shown
    assert "答复退款" in shown
    assert "Steam 50元充值卡" in shown
    assert "K-000001" in shown


async def test_pictures_and_changed_words_reach_the_bot_too(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(":photo 能退款吗\n转人工\n:edit 找个人来\n"))

    await chat(Install(house), "lili", Place.TELEGRAM)  # type: ignore[arg-type]

    assert "答复退款" in capsys.readouterr().out
    assert len([text for text in await house.heard() if text in ("能退款吗", "转人工", "找个人来")]) >= 2
