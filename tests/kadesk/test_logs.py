import io
import json
import logging
import sys

import pytest
import structlog

from kadesk.logs import scrub, set_up_logs
from kadesk.settings import SHIPPED, Settings

TOKEN = "123456789:AAF-abcdefghijklmnopqrstuvwxyz_12345"
LINK = "Zk3-abcdefghijklmnopqrstuvwx_9-Q"


@pytest.mark.parametrize("secret", [TOKEN, f"https://api.telegram.org/bot{TOKEN}/sendMessage", f"/r/{LINK}"])
def test_secrets_are_taken_out(secret: str) -> None:
    cleaned = scrub(f"GET {secret} failed")

    assert TOKEN not in cleaned
    assert LINK not in cleaned
    assert cleaned.startswith("GET ")


def test_control_characters_cannot_forge_a_line() -> None:
    assert scrub("name\r\x1b[31m evil") == "name  [31m evil"


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_logger_goes_around_the_filter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    monkeypatch.setenv("KADESK_LOG__FORMAT", form)
    set_up_logs(Settings.load(SHIPPED))

    structlog.get_logger("kadesk.test").warning("delivery.failed", url=f"https://x/bot{TOKEN}/getMe")
    logging.getLogger("a.library").error("POST https://x/bot%s/getMe", TOKEN)
    try:
        raise OSError(f"no route to /bot{TOKEN}")
    except OSError:
        logging.getLogger("a.library").exception("it failed")

    lines = capsys.readouterr().err
    assert TOKEN not in lines
    assert "delivery.failed" in lines
    assert "it failed" in lines
    if form == "json":
        assert all(json.loads(line) for line in lines.splitlines())


def test_a_closed_terminal_is_no_reason_to_lose_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    set_up_logs(Settings.load(SHIPPED))
    terminal.close()

    logging.getLogger("kadesk.test").error("goes nowhere")
