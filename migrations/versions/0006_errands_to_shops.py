"""errands to shops: what they are to do for a claim, and which cards of theirs were taken."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def _index(name, table, columns, condition, *, unique=False):
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    text, instant = sqlmodel.sql.sqltypes.AutoString(), sqlmodel.sql.sqltypes.UTCDateTime()
    op.create_table(
        'shop_errand',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('key', text, nullable=False),
        sa.Column('power', text, nullable=False),
        sa.Column('claim_id', sa.Integer(), nullable=False),
        sa.Column('shop', text, nullable=False),
        sa.Column('order_no', text, nullable=False),
        sa.Column('sku', text, nullable=False),
        sa.Column('fingerprint', text, nullable=False),
        sa.Column('actor', text, nullable=False),
        sa.Column('may_lengthen', sa.Boolean(), nullable=False),
        sa.Column('text', text, nullable=False),
        sa.Column('state', text, nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('not_before', instant, nullable=False),
        sa.Column('made_at', instant, nullable=False),
        sa.Column('given_up_at', instant, nullable=True),
        sa.Column('code_id', sa.Integer(), nullable=True),
        sa.Column('reference', text, nullable=True),
        sa.Column('taken_at', instant, nullable=True),
        sa.Column('looks', sa.Integer(), nullable=False),
        sa.Column('look_at', instant, nullable=True),
        sa.Column('problem', text, nullable=True),
        sa.CheckConstraint(
            "state IN ('wanted','taken','done','kept','collided','refused','dead')", name='shop_errand_state'
        ),
        sa.ForeignKeyConstraint(['code_id'], ['code.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('code_id'),
        sa.UniqueConstraint('key'),
    )
    op.create_index(op.f('ix_shop_errand_claim_id'), 'shop_errand', ['claim_id'], unique=False)
    _index('shop_errand_once', 'shop_errand', ['claim_id', 'power'], "state IN ('wanted','taken')", unique=True)
    _index('shop_errand_due', 'shop_errand', ['not_before'], "state IN ('wanted','taken')")
    _index('shop_errand_look', 'shop_errand', ['look_at'], 'look_at IS NOT NULL')
    op.create_table(
        'stock_mark',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('shop', text, nullable=False),
        sa.Column('key', text, nullable=False),
        sa.Column('reference', text, nullable=False),
        sa.Column('state', text, nullable=False),
        sa.Column('marked_at', instant, nullable=False),
        sa.Column('told_at', instant, nullable=True),
        sa.CheckConstraint("state IN ('trying','taken','lost')", name='stock_mark_state'),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('shop', 'reference'),
    )
    _index('stock_mark_key', 'stock_mark', ['shop', 'key'], "state IN ('trying','taken')", unique=True)
    _index('stock_mark_untold', 'stock_mark', ['id'], "state = 'lost' AND told_at IS NULL")


def downgrade() -> None:
    raise NotImplementedError("restore the backup instead: a downgrade would lose what was written since")
