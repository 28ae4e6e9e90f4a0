"""The vault's keys: from the environment, or generated into the data folder on the first run; and their change."""

import os
from collections.abc import Callable
from pathlib import Path

from bot import inbox
from bot.dialogue import state
from kadesk.database import Database
from kadesk.errors import SettingsError
from kadesk.settings import Settings
from shop import codes, reveals
from shop.errors import BadKeys
from shop.rotation import Seals, count_old, renew_page
from shop.vault import Keys, Vault
from tickets import files, hidden_words, letters, pictures, said

# Everything that is sealed anywhere.
SEALS: tuple[Seals, ...] = (
    *(codes.SEALS, reveals.SEALS, inbox.SEALS, state.SEALS),
    *(hidden_words.SEALS, pictures.SEALS, letters.SEALS, said.SEALS, files.SEALS),
)
PAGE = 500  # rows sealed anew in one transaction


def has_keys(settings: Settings) -> bool:
    """Whether this install has its keys already."""
    return is_given(settings) or _file(settings).exists()


def is_given(settings: Settings) -> bool:
    """Whether the keys come from the environment: then no file of ours has them."""
    return bool(settings.data.keys.get_secret_value())


def load_keys(settings: Settings) -> tuple[Keys, Path | None]:
    """The keys, and the file they were just generated into (None when they were there before)."""
    if is_given(settings):
        return _parse(settings.data.keys.get_secret_value(), "KADESK_DATA__KEYS"), None
    path = _file(settings)
    if path.exists():
        return _parse(path.read_text(encoding="ascii", errors="replace"), str(path)), None
    keys = Keys.generate()
    _write(path, keys)
    return keys, path


def keep_keys(settings: Settings, keys: Keys) -> Path:
    """Put these keys in the file's place; a crash leaves the old ones or the new ones, never half of them."""
    path = _file(settings)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    _write(fresh, keys)
    fresh.replace(path)
    return path


async def count_seals_to_renew(database: Database, vault: Vault) -> int:
    """How many rows another key than the current one sealed."""
    async with database.reading() as session:
        return sum([await count_old(session, vault, seals) for seals in SEALS])


async def renew_seals(database: Database, vault: Vault, on_page: Callable[[int], None]) -> list[str]:
    """Seal everything under the current key; the rows that do not open, by table and key, stay as they are."""
    broken: list[str] = []
    for seals in SEALS:
        after = None
        while True:
            async with database.writing() as session:
                page = await renew_page(session, vault, seals, after, PAGE)
            if page.last is None:
                break
            after = page.last
            broken += [f"{seals.rows.__tablename__} {key}" for key in page.broken]
            on_page(page.renewed)
    return broken


def _file(settings: Settings) -> Path:
    return settings.data.dir / "keys"


def _write(path: Path, keys: Keys) -> None:
    # Nobody else may read the file, not even between its making and a chmod.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(keys.to_text())
        file.flush()
        os.fsync(file.fileno())


def _parse(text: str, source: str) -> Keys:
    try:
        return Keys.from_text(text)
    except BadKeys as error:
        raise SettingsError(
            problem=f"The keys in {source} are not Kadesk keys: restore them from your backup."
        ) from error
