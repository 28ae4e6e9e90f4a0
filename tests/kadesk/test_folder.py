import stat
from pathlib import Path

import pytest

from kadesk.errors import SettingsError
from kadesk.folder import held, make_folder, spoken_for
from kadesk.keys import load_keys
from kadesk.settings import SHIPPED, Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path / "data"))
    settings = Settings.load(SHIPPED)
    make_folder(settings.data.dir)
    return settings


def test_the_folder_is_private(settings: Settings) -> None:
    assert stat.S_IMODE(settings.data.dir.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(SettingsError, match=r"data\.dir .*file/data cannot be used"):
        make_folder(tmp_path / "file" / "data")


def test_two_processes_do_not_serve_from_one_folder(settings: Settings) -> None:
    with (
        held(settings.data.dir),
        pytest.raises(SettingsError, match="Another Kadesk is already serving"),
        held(settings.data.dir),
    ):
        pass


def test_one_terminal_speaks_for_a_buyer(settings: Settings) -> None:
    folder = settings.data.dir

    with (
        spoken_for(folder, "小陈/../x"),
        spoken_for(folder, "another"),
        held(folder),  # chatting beside a server is fine
        pytest.raises(SettingsError, match=r"Somebody is chatting as 小陈/\.\./x already"),
        spoken_for(folder, "小陈/../x"),
    ):
        pass

    with spoken_for(folder, "小陈/../x"):
        pass


def test_the_folder_is_free_again_after_the_hold(settings: Settings) -> None:
    with held(settings.data.dir):
        pass
    with held(settings.data.dir):
        pass


def test_keys_are_generated_once_and_private(settings: Settings) -> None:
    first, made = load_keys(settings)
    second, made_again = load_keys(settings)

    assert made == settings.data.dir / "keys"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert made_again is None
    assert first.to_text() == second.to_text()


def test_keys_from_the_environment_go_first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    given = load_keys(settings)[0].to_text()
    (settings.data.dir / "keys").unlink()
    monkeypatch.setenv("KADESK_DATA__KEYS", given)

    keys, made = load_keys(Settings.load(SHIPPED))

    assert keys.to_text() == given
    assert made is None
    assert not (settings.data.dir / "keys").exists()


@pytest.mark.parametrize("content", [b"rubbish", b"\xff\xferubbish"], ids=["other words", "no text"])
def test_broken_keys_are_refused_and_not_replaced(settings: Settings, content: bytes) -> None:
    path = settings.data.dir / "keys"
    path.write_bytes(content)

    with pytest.raises(SettingsError, match="restore them from your backup"):
        load_keys(settings)

    assert path.read_bytes() == content
