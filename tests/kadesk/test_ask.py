import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kadesk.cli import main

Ask = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No install; what the matcher learned is kept here from one question to the next."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def ask(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """`kadesk ask`: what it prints."""
    monkeypatch.setenv("KADESK_DATA__DIR", str(folder))
    monkeypatch.setenv("KADESK_FAQ__ENCODER", "false")
    monkeypatch.setenv("KADESK_SLA__HANDLING", "48 h")
    monkeypatch.setenv("KADESK_CONSOLE__HOURS", "08:30-21:00")

    def ask(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["kadesk", "ask", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capsys.readouterr().out

    return ask


@pytest.mark.parametrize(
    ("question", "words"),
    [
        pytest.param("几点上班", ["08:30-21:00", "2 天内回复"], id="hours and promise"),
        pytest.param("转人工", ["08:30-21:00", "2 天内回复"], id="a person"),
        pytest.param("质保多久", ["商品页写明的期限"], id="warranty of no order"),
        pytest.param("support hours", ["08:30-21:00", "within 2 days"], id="in English"),
    ],
)
def test_an_answer_is_printed_as_buyers_read_it(ask: Ask, question: str, words: list[str]) -> None:
    said = ask(question)

    assert all(word in said for word in words), said
    assert not re.search(r"\{\w+\}", said)
