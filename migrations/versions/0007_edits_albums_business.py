"""edits, albums, blocked buyers, business connections."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    text, instant = sqlmodel.sql.sqltypes.AutoString(), sqlmodel.sql.sqltypes.UTCDateTime()
    for table, name, kind in (
        ('inbox', 'album', text),
        ('conversation', 'blocked_at', instant),
        ('conversation', 'hushed_until', instant),
        ('message', 'withdrawn_at', instant),
        ('message_revision', 'sealed', text),
    ):
        op.add_column(table, sa.Column(name, kind, nullable=True))
    op.create_table(
        'business_connection',
        sa.Column('channel', text, nullable=False),
        sa.Column('account', text, nullable=False),
        sa.Column('connection', text, nullable=False),
        sa.Column('owner', text, nullable=False),
        sa.Column('can_reply', sa.Boolean(), nullable=False),
        sa.Column('is_enabled', sa.Boolean(), nullable=False),
        sa.Column('changed_at', instant, nullable=False),
        sa.PrimaryKeyConstraint('channel', 'account', 'connection'),
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup instead: a downgrade would lose what was written since")
