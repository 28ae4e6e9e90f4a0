"""The shop's own copy of the known answers, and the questions that found none."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, SQLModel


class FaqEntry(SQLModel, table=True):
    """One answer in its languages, with the flow it leads into."""

    __tablename__ = "faq_entry"

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    theme: str
    flow: str | None = None  # "order", "claim", "human", "tickets"
    related: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    texts: dict[str, dict[str, str]] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    # language → {"question": …, "answer": …}
    is_published: bool = True
    version: int = 1


class FaqPhrasing(SQLModel, table=True):
    """One way to ask for an entry."""

    __tablename__ = "faq_phrasing"
    __table_args__ = (UniqueConstraint("entry_id", "language", "text"),)

    id: int | None = Field(default=None, primary_key=True)
    entry_id: int = Field(foreign_key="faq_entry.id", index=True)
    language: str
    text: str


class FaqQuestion(SQLModel, table=True):
    """A question that was asked, masked, with what the matcher made of it and what the buyer thought."""

    __tablename__ = "faq_question"

    id: int | None = Field(default=None, primary_key=True)
    text: str
    language: str
    outcome: str  # "answer", "suggest", "none"
    entry_key: str | None = None
    score: float
    verdict: str | None = None  # "helped", "missed", or the key of the entry that the buyer chose
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    asked_at: datetime
