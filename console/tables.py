"""Who is signed in, and who tried in vain."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel


class SignIn(SQLModel, table=True):
    """A staff session; only the hash of its token is kept."""

    __tablename__ = "sign_in"

    token_hash: str = Field(primary_key=True)
    agent_id: int = Field(foreign_key="agent.id", index=True)
    made_at: datetime
    expires_at: datetime
    seen_at: datetime  # when a page was last opened; a page that refreshes itself does not count


class SignInMiss(SQLModel, table=True):
    """A sign-in that is not known to be good: written before the password is looked at, removed when it was right."""

    __tablename__ = "sign_in_miss"
    __table_args__ = (
        Index("sign_in_miss_of_login", "login_hash", "at"),
        Index("sign_in_miss_of_source", "source", "at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    login_hash: str  # keyed: people type passwords into the wrong field
    source: str  # network address
    at: datetime
