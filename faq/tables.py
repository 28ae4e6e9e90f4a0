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


class FaqEntryVersion(SQLModel, table=True):
    """What an entry was before a change. Written with the change, never changed itself."""

    __tablename__ = "faq_entry_version"
    __table_args__ = (UniqueConstraint("entry_id", "version"),)

    id: int | None = Field(default=None, primary_key=True)
    entry_id: int = Field(foreign_key="faq_entry.id", index=True)
    version: int  # the one that `content` was
    content: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    # theme, flow, related, texts, is_published, phrasings: [[language, text], …]
    replaced_at: datetime
    actor: str  # who replaced it: "agent:3", "system"


class FaqQuestion(SQLModel, table=True):
    """A question that was asked, masked, with what the matcher made of it and what the buyer thought."""

    __tablename__ = "faq_question"

    id: int | None = Field(default=None, primary_key=True)
    text: str
    language: str
    outcome: str  # "answer", "suggest", "none"
    entry_key: str | None = None  # the likeliest entry, whether or not it was answered
    score: float
    verdict: str | None = None  # "helped", "missed", or the key of the entry that the buyer chose
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    # "candidates": entry keys, best first; "chosen": the key that the buyer chose, whatever they thought of it later
    asked_at: datetime = Field(index=True)
    settled_at: datetime | None = None  # when a person decided what this miss teaches
    settled_as: str | None = None  # the key of the entry that learned it, or "dismissed"
