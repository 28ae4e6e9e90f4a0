"""Brings a database to the newest migration."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from kadesk.database import Database

HOME = Path(__file__).parent.parent / "migrations"


def _config(connection: Any) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HOME))
    config.attributes["connection"] = connection
    return config


def draft(message: str) -> Path:
    """Write the migration that the tables need since the newest one; return its file."""
    with TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/draft.db")
        with engine.connect() as connection:
            config = _config(connection)
            command.upgrade(config, "head")
            number = f"{len(list((HOME / 'versions').glob('[0-9]*.py'))) + 1:04}"
            script = command.revision(config, message, autogenerate=True, rev_id=number)
        engine.dispose()
    assert script is not None
    assert not isinstance(script, list)
    return Path(script.path)


async def upgrade(database: Database, target: str = "head") -> tuple[str | None, str]:
    """Run the missing migrations up to `target`; return the revisions before and after. A second process waits."""

    def run(connection: Any) -> tuple[str | None, str]:
        before = MigrationContext.configure(connection).get_current_revision()
        config = _config(connection)
        wanted = ScriptDirectory.from_config(config).get_revision(target)
        if before != wanted.revision:
            command.upgrade(config, target)
        return before, wanted.revision

    async with database.alone("migrations") as connection:
        return await connection.run_sync(run)
