"""Who is signed in."""

from datetime import datetime

from sqlmodel import Field, SQLModel


class SignIn(SQLModel, table=True):
    """A staff session; only the hash of its token is kept."""

    __tablename__ = "sign_in"

    token_hash: str = Field(primary_key=True)
    agent_id: int = Field(foreign_key="agent.id", index=True)
    made_at: datetime
    expires_at: datetime
    seen_at: datetime
