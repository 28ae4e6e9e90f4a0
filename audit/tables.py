"""The audit trail: rows that are only ever added, and the links that chain them."""

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, JSON, BigInteger, Column, Integer, event, text
from sqlmodel import Field, SQLModel

# SQLite numbers rows by itself only when the key's type is exactly INTEGER.
BigKey = BigInteger().with_variant(Integer, "sqlite")


def partial(condition: str) -> dict[str, Any]:
    """An index over these rows alone, in the words of both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class AuditRow(SQLModel, table=True):
    """One change of state. Never updated, never deleted: triggers refuse both."""

    __tablename__ = "audit"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    at: datetime
    actor: str  # "buyer:7", "agent:3", "bot", "scheduler", "system"
    action: str  # room.past_tense, globally unique: "ticket.opened"
    subject: str = Field(index=True)  # "ticket:17"
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))


class AuditLink(SQLModel, table=True):
    """A committed audit row's place in the chain; the hash covers the row and the link before it."""

    __tablename__ = "audit_link"

    position: int = Field(primary_key=True, sa_type=BigKey, sa_column_kwargs={"autoincrement": False})
    audit_id: int = Field(unique=True, sa_type=BigKey)
    hash: str  # hex SHA-256


# The guard stands in the database, so that no code of ours, and no hand in a database shell, changes a row by mistake.
_SQLITE_GUARD = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END
"""
_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION audit_is_final() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'audit rows are never changed'; END $$
"""
_POSTGRES_GUARD = """
CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION audit_is_final()
"""
GUARDED = ("audit", "audit_link")


def guards(dialect: str, table: str) -> tuple[str, ...]:
    """The statements that make the database refuse to change a row of this table."""
    if dialect == "sqlite":
        return tuple(_SQLITE_GUARD.format(table=table, verb=verb) for verb in ("update", "delete"))
    return _POSTGRES_FUNCTION, _POSTGRES_GUARD.format(table=table)


for _table in GUARDED:
    for _dialect in ("sqlite", "postgresql"):
        for _statement in guards(_dialect, _table):
            _guard = DDL(_statement.replace("%", "%%")).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
            event.listen(SQLModel.metadata.tables[_table], "after_create", _guard)
