"""How long, and how often, a buyer may still be written to, where a messenger limits it."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel


class ReplyWindow(SQLModel, table=True):
    """The messenger's own clock of a conversation."""

    __tablename__ = "reply_window"
    __table_args__ = (Index("reply_window_closing", "closes_at"),)

    conversation_id: int = Field(
        primary_key=True, foreign_key="conversation.id", sa_column_kwargs={"autoincrement": False}
    )
    closes_at: datetime  # from then on nothing can be sent before the buyer's next word
    messages_left: int  # that may be sent until then
    asked_at: datetime | None = None  # when the buyer was asked for another way to be reached
    warned_at: datetime | None = None  # when a person was told that it is about to close
