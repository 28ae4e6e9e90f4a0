"""ties between buyers: what orders tell of who placed them, and the look-ups of that."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

LOST = "state IN ('failed','blocked','unknown')"


def _index(name, table, columns, condition):
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=False, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    text = sqlmodel.sql.sqltypes.AutoString()
    op.add_column('shop_order', sa.Column('bought_from', text, server_default='', nullable=False))
    op.add_column('order_binding', sa.Column('contact_hash', text, nullable=True))
    op.add_column('order_binding', sa.Column('place_hash', text, nullable=True))

    op.create_index('binding_of_order', 'order_binding', ['shop', 'order_no'], unique=False)
    _index('binding_contact', 'order_binding', ['contact_hash'], 'contact_hash IS NOT NULL')
    _index('binding_place', 'order_binding', ['place_hash', 'proved_at'], 'place_hash IS NOT NULL')
    _index('reveal_link_place', 'reveal_link', ['opened_from', 'opened_at'], 'opened_from IS NOT NULL')
    op.create_index('claim_of_order', 'claim', ['shop', 'order_no'], unique=False)

    # What was given up is asked for by when, never by conversation.
    op.drop_index('outbox_lost', table_name='outbox')
    _index('outbox_lost', 'outbox', ['not_before'], LOST)


def downgrade() -> None:
    raise NotImplementedError("restore the backup instead: a downgrade would lose what was written since")
