"""The vault's keys: from the environment, or generated into the data folder on the first run."""

import os
from pathlib import Path

from kadesk.errors import SettingsError
from kadesk.settings import Settings
from shop.errors import BadKeys
from shop.vault import Keys


def has_keys(settings: Settings) -> bool:
    """Whether this install has its keys already."""
    return bool(settings.data.keys.get_secret_value()) or (settings.data.dir / "keys").exists()


def load_keys(settings: Settings) -> tuple[Keys, Path | None]:
    """The keys, and the file they were just generated into (None when they were there before)."""
    given = settings.data.keys.get_secret_value()
    if given:
        return _parse(given, "KADESK_DATA__KEYS"), None
    path = settings.data.dir / "keys"
    if path.exists():
        return _parse(path.read_text(encoding="ascii"), str(path)), None
    keys = Keys.generate()
    # Nobody else may read the file, not even between its making and a chmod.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(keys.to_text())
        file.flush()
        os.fsync(file.fileno())
    return keys, path


def _parse(text: str, source: str) -> Keys:
    try:
        return Keys.from_text(text)
    except BadKeys as error:
        raise SettingsError(
            problem=f"The keys in {source} are not Kadesk keys: restore them from your backup."
        ) from error
