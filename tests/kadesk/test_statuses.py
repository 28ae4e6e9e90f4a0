"""Names over the phases, as the owner writes them in the settings."""

from pathlib import Path

import pytest

from kadesk.errors import SettingsError
from kadesk.settings import SHIPPED, Settings
from kadesk.wiring import desk_rules
from tickets.lifecycle import Phase

ASKING = '{ phase = "open", zh = "等供应商回复", en = "Asking the supplier" }'


def settings_with(tmp_path: Path, name: str, value: str) -> Settings:
    path = tmp_path / "settings.toml"
    text = SHIPPED.read_text(encoding="utf-8").replace("[statuses]\n", f"[statuses]\n{name} = {value}\n")
    path.write_text(text, encoding="utf-8")
    return Settings.load(path)


def test_the_shipped_statuses_are_the_phases() -> None:
    rules = desk_rules(Settings.load(SHIPPED))

    assert {name: status.phase for name, status in rules.statuses.items()} == {phase: phase for phase in Phase}


def test_an_owner_names_statuses_over_the_phases(tmp_path: Path) -> None:
    rules = desk_rules(settings_with(tmp_path, "asking_supplier", ASKING))

    status = rules.statuses["asking_supplier"]
    assert (status.phase, status.words["zh"], status.words["en"]) == (Phase.OPEN, "等供应商回复", "Asking the supplier")
    assert len(rules.statuses) == 5


def test_a_phase_can_be_given_other_words(tmp_path: Path) -> None:
    rules = desk_rules(settings_with(tmp_path, "waiting", ASKING.replace("open", "waiting")))

    assert rules.statuses["waiting"].words["zh"] == "等供应商回复"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        pytest.param("Asking", ASKING, "statuses: a status is named in small letters", id="name"),
        pytest.param("waiting", ASKING, "'waiting' is the name of a phase and stays in it", id="moved phase"),
        pytest.param("asking", ASKING.replace("open", "pending"), "statuses.asking.phase: Input", id="phase"),
        pytest.param("asking", '{ phase = "open", zh = "等" }', "statuses.asking.en is missing", id="no English"),
    ],
)
def test_a_wrong_status_is_named(tmp_path: Path, name: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_with(tmp_path, name, value)

    assert sentence in str(refused.value)
