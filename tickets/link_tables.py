"""Which Telegram user is which staff account, as the tables that remember it."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class StaffLink(SQLModel, table=True):
    """A staff account's Telegram user, by number: user names change hands."""

    __tablename__ = "staff_link"

    agent_id: int = Field(primary_key=True, foreign_key="agent.id")
    user_id: int = Field(unique=True, sa_type=BigInteger)
    linked_at: datetime


class LinkCode(SQLModel, table=True):
    """A code that links an account once; only its keyed hash is kept."""

    __tablename__ = "staff_link_code"

    code_hash: str = Field(primary_key=True)
    agent_id: int = Field(foreign_key="agent.id", index=True)
    expires_at: datetime
