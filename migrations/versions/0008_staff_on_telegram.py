"""staff on Telegram: who is linked, which topic shows which ticket and how far, what its buttons do, what is to be said."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

text, instant = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime


def _big():
    return sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def _link() -> None:
    op.create_table(
        'staff_link',
        sa.Column('agent_id', sa.Integer(), nullable=False),
        sa.Column('user_id', sa.BigInteger(), nullable=False),
        sa.Column('linked_at', instant(), nullable=False),
        sa.ForeignKeyConstraint(['agent_id'], ['agent.id']),
        sa.PrimaryKeyConstraint('agent_id'),
        sa.UniqueConstraint('user_id'),
    )
    op.create_table(
        'staff_link_code',
        sa.Column('code_hash', text(), nullable=False),
        sa.Column('agent_id', sa.Integer(), nullable=False),
        sa.Column('expires_at', instant(), nullable=False),
        sa.ForeignKeyConstraint(['agent_id'], ['agent.id']),
        sa.PrimaryKeyConstraint('code_hash'),
    )
    op.create_index('ix_staff_link_code_agent_id', 'staff_link_code', ['agent_id'])


def _topic() -> None:
    op.create_table(
        'staff_topic',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('bot', text(), nullable=False),
        sa.Column('ticket_id', sa.Integer(), nullable=False),
        sa.Column('chat_id', text(), nullable=False),
        sa.Column('thread_id', sa.Integer(), nullable=True),
        sa.Column('state', text(), nullable=False),
        sa.Column('claimed_at', instant(), nullable=False),
        sa.Column('name', text(), nullable=False),
        sa.Column('card_id', sa.Integer(), nullable=True),
        sa.Column('card', text(), nullable=False),
        sa.Column('known_version', sa.Integer(), nullable=False),
        sa.Column('problem', text(), nullable=True),
        sa.CheckConstraint("state IN ('claimed','open','closed','unknown','gone')", name='staff_topic_state'),
        sa.ForeignKeyConstraint(['ticket_id'], ['ticket.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('bot', 'ticket_id'),
    )
    op.create_index('ix_staff_topic_ticket_id', 'staff_topic', ['ticket_id'])
    op.create_index('staff_topic_place', 'staff_topic', ['bot', 'chat_id', 'thread_id'])
    op.create_table(
        'staff_mirrored',
        sa.Column('topic_id', sa.Integer(), nullable=False),
        sa.Column('message_id', _big(), nullable=False),
        sa.Column('telegram_id', sa.Integer(), nullable=True),
        sa.Column('revision_id', sa.Integer(), nullable=False),
        sa.Column('is_lost_told', sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(['topic_id'], ['staff_topic.id']),
        sa.ForeignKeyConstraint(['message_id'], ['message.id']),
        sa.PrimaryKeyConstraint('topic_id', 'message_id'),
    )
    op.create_index('ix_staff_mirrored_message_id', 'staff_mirrored', ['message_id'])


def _said() -> None:
    op.create_table(
        'staff_button',
        sa.Column('handle', text(), nullable=False),
        sa.Column('ticket_id', sa.Integer(), nullable=False),
        sa.Column('act', text(), nullable=False),
        sa.Column('argument', text(), nullable=False),
        sa.Column('made_at', instant(), nullable=False),
        sa.Column('pressed_at', instant(), nullable=True),
        sa.ForeignKeyConstraint(['ticket_id'], ['ticket.id']),
        sa.PrimaryKeyConstraint('handle'),
    )
    op.create_index('ix_staff_button_ticket_id', 'staff_button', ['ticket_id'])
    op.create_table(
        'staff_post',
        sa.Column('id', _big(), nullable=False),
        sa.Column('bot', text(), nullable=False),
        sa.Column('chat_id', text(), nullable=False),
        sa.Column('thread_id', sa.Integer(), nullable=True),
        sa.Column('reply_to', sa.Integer(), nullable=True),
        sa.Column('query_id', text(), nullable=True),
        sa.Column('text', text(), nullable=False),
        sa.Column('buttons', sa.JSON(), nullable=False),
        sa.Column('cause', text(), nullable=True),
        sa.Column('notice_id', sa.Integer(), nullable=True),
        sa.Column('is_alert', sa.Boolean(), nullable=False),
        sa.Column('state', text(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('not_before', instant(), nullable=False),
        sa.Column('created_at', instant(), nullable=False),
        sa.Column('problem', text(), nullable=True),
        sa.CheckConstraint("state IN ('queued','sent','failed','unknown','told')", name='staff_post_state'),
        sa.ForeignKeyConstraint(['notice_id'], ['notice.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('bot', 'cause'),
        sa.UniqueConstraint('notice_id'),
    )
    queued = sa.text("state = 'queued'")
    columns = ['bot', 'chat_id', 'id']
    op.create_index('staff_post_queued', 'staff_post', columns, sqlite_where=queued, postgresql_where=queued)


def upgrade() -> None:
    _link()
    _topic()
    _said()


def downgrade() -> None:
    raise NotImplementedError("restore the backup instead: a downgrade would lose what was written since")
