"""Files that buyers sent and nobody can look into safely here: kept as they came, for staff to save."""

from datetime import datetime

from sqlalchemy import Column, LargeBinary
from sqlmodel import Field, SQLModel

from audit.tables import BigKey


class KeptFile(SQLModel, table=True):
    """What a buyer sent, sealed: a document or a recording may have a code in it."""

    __tablename__ = "kept_file"

    id: int | None = Field(default=None, primary_key=True)
    conversation_id: int = Field(foreign_key="conversation.id", index=True)
    message_id: int = Field(foreign_key="message.id", index=True, sa_type=BigKey)
    seal_id: str = Field(unique=True)
    key_id: str
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    name: str  # as it is saved: safe letters, and an ending of ours
    mime: str
    size: int  # bytes
    received_at: datetime
