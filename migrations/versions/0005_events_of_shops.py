"""events of shops: what a shop told of an order, once."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def _index(name, columns, condition, *, unique=False):
    where = sa.text(condition)
    op.create_index(name, 'shop_event', columns, unique=unique, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    text, instant = sqlmodel.sql.sqltypes.AutoString(), sqlmodel.sql.sqltypes.UTCDateTime()
    op.create_table(
        'shop_event',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
        sa.Column('shop', text, nullable=False),
        sa.Column('event_id', text, nullable=False),
        sa.Column('kind', text, nullable=False),
        sa.Column('order_no', text, nullable=False),
        sa.Column('received_at', instant, nullable=False),
        sa.Column('state', text, nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('not_before', instant, nullable=False),
        sa.Column('became', text, nullable=True),
        sa.Column('problem', text, nullable=True),
        sa.CheckConstraint("state IN ('pending','done','dead')", name='shop_event_state'),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('shop', 'event_id'),
    )
    _index('shop_event_became', ['shop', 'order_no'], 'became IS NOT NULL', unique=True)
    _index('shop_event_pending', ['not_before'], "state = 'pending'")
    _index('shop_event_dead', ['id'], "state = 'dead'")


def downgrade() -> None:
    raise NotImplementedError("restore the backup instead: a downgrade would lose what was written since")
