"""The people of the desk, as the tables that remember them."""

from datetime import datetime

from sqlalchemy import JSON, Column, UniqueConstraint, false
from sqlmodel import Field, SQLModel

from tickets.routing import Tier


class Agent(SQLModel, table=True):
    """A person who answers, with any staff role."""

    id: int | None = Field(default=None, primary_key=True)
    login: str = Field(unique=True)
    name: str
    role: str  # Role
    password_hash: str  # argon2id
    is_active: bool = True
    is_away: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  # takes nothing new until back
    capacity: int | None = None  # tickets held at once; None: the desk's rule
    skills: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]"))
    assigned_at: datetime | None = None  # the last ticket given to them, for round-robin
    created_at: datetime


class Buyer(SQLModel, table=True):
    """The person who asks."""

    id: int | None = Field(default=None, primary_key=True)
    name: str
    tier: str = Tier.NORMAL
    language: str = "zh"  # "zh" or "en": the language of the last question
    account_manager_id: int | None = Field(default=None, foreign_key="agent.id")  # of a merchant
    created_at: datetime


class Identity(SQLModel, table=True):
    """A buyer's account on one channel."""

    __table_args__ = (UniqueConstraint("channel", "account", "address"),)

    id: int | None = Field(default=None, primary_key=True)
    buyer_id: int = Field(foreign_key="buyer.id", index=True)
    channel: str  # "telegram", "wechat", "wecom", "web", "terminal"
    account: str  # which bot or shop page of ours
    address: str  # the buyer's id there: chat id, openid, session id
    created_at: datetime
