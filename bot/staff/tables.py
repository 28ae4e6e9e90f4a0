"""What the staff bot remembers: how far each topic shows its ticket, what its buttons do, and what it has to say."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from audit.tables import BigKey, partial

EDIT = "edit:"


class PostState(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"  # it may have arrived: no try was confirmed
    TOLD = "told"  # another post says the same to the same people


class Mirrored(SQLModel, table=True):
    """A message that a topic shows; one written there is shown from the beginning."""

    __tablename__ = "staff_mirrored"

    topic_id: int = Field(foreign_key="topic.id", primary_key=True)
    message_id: int = Field(foreign_key="message.id", primary_key=True, index=True, sa_type=BigKey)
    telegram_id: int | None = None  # its message in the topic; None: told of in a summary
    revision_id: int = 0  # the last edit that was shown
    is_lost_told: bool = False  # that it did not reach the buyer


class StaffButton(SQLModel, table=True):
    """What a button in the group does; Telegram carries only the handle."""

    __tablename__ = "staff_button"

    handle: str = Field(primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    act: str
    argument: str = ""
    made_at: datetime
    pressed_at: datetime | None = None  # of those that may be pressed once


class StaffPost(SQLModel, table=True):
    """Something to say to staff on Telegram: written with what it tells of, sent by a worker."""

    __tablename__ = "staff_post"
    __table_args__ = (
        Index("staff_post_queued", "bot", "chat_id", "id", **partial("state = 'queued'")),
        UniqueConstraint("bot", "cause"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    bot: str
    chat_id: str  # a group, or a linked agent in private
    thread_id: int | None = None
    reply_to: int | None = None
    query_id: str | None = None  # answers a press, seen by who pressed
    text: str
    buttons: list[dict[str, str]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    cause: str | None = None  # why it is said: once; one that begins with EDIT changes message `reply_to` instead
    notice_id: int | None = Field(default=None, foreign_key="notice.id", unique=True)
    is_alert: bool = False  # a refusal, to be read and closed
    state: str = PostState.QUEUED
    attempts: int = 0
    not_before: datetime
    created_at: datetime
    problem: str | None = None

    @property
    def is_edit(self) -> bool:
        return (self.cause or "").startswith(EDIT)
