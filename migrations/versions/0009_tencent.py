"""access tokens, places in feeds, counted calls, and how long a buyer may still be written to."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

text, instant = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime


def _place() -> list[sa.Column]:
    return [sa.Column('channel', text(), nullable=False), sa.Column('account', text(), nullable=False)]


def upgrade() -> None:
    op.create_table(
        'access_token',
        *_place(),
        sa.Column('sealed', text(), nullable=False),
        sa.Column('ends_at', instant(), nullable=False),
        sa.PrimaryKeyConstraint('channel', 'account'),
    )
    op.create_table(
        'feed',
        *_place(),
        sa.Column('name', text(), nullable=False),
        sa.Column('cursor', text(), nullable=False),
        sa.Column('read_at', instant(), nullable=False),
        sa.PrimaryKeyConstraint('channel', 'account', 'name'),
    )
    op.create_table(
        'call_count',
        *_place(),
        sa.Column('day', text(), nullable=False),
        sa.Column('call', text(), nullable=False),
        sa.Column('count', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('channel', 'account', 'day', 'call'),
    )
    op.create_table(
        'reply_window',
        sa.Column('conversation_id', sa.Integer(), nullable=False),
        sa.Column('closes_at', instant(), nullable=False),
        sa.Column('messages_left', sa.Integer(), nullable=False),
        sa.Column('asked_at', instant(), nullable=True),
        sa.Column('warned_at', instant(), nullable=True),
        sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id']),
        sa.PrimaryKeyConstraint('conversation_id'),
    )
    op.create_index('reply_window_closing', 'reply_window', ['closes_at'])


def downgrade() -> None:
    raise NotImplementedError("restore the backup instead: a downgrade would lose what was written since")
