"""topics for buyers beside those for staff, what was written in one, and files that buyers sent."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

text, instant = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime


def _big():
    return sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def _topics() -> None:
    op.drop_index('ix_staff_topic_ticket_id', 'staff_topic')
    op.drop_index('staff_topic_place', 'staff_topic')
    op.rename_table('staff_topic', 'topic')
    op.create_index('ix_topic_ticket_id', 'topic', ['ticket_id'])
    op.create_index('topic_place', 'topic', ['bot', 'chat_id', 'thread_id'])
    op.create_table(
        'topic_message',
        sa.Column('message_id', _big(), autoincrement=False, nullable=False),
        sa.Column('thread_id', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['message_id'], ['message.id']),
        sa.PrimaryKeyConstraint('message_id'),
    )


def _files() -> None:
    op.create_table(
        'kept_file',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('conversation_id', sa.Integer(), nullable=False),
        sa.Column('message_id', _big(), nullable=False),
        sa.Column('seal_id', text(), nullable=False),
        sa.Column('key_id', text(), nullable=False),
        sa.Column('ciphertext', sa.LargeBinary(), nullable=False),
        sa.Column('name', text(), nullable=False),
        sa.Column('mime', text(), nullable=False),
        sa.Column('size', sa.Integer(), nullable=False),
        sa.Column('received_at', instant(), nullable=False),
        sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id']),
        sa.ForeignKeyConstraint(['message_id'], ['message.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('seal_id'),
    )
    op.create_index('ix_kept_file_conversation_id', 'kept_file', ['conversation_id'])
    op.create_index('ix_kept_file_message_id', 'kept_file', ['message_id'])


def upgrade() -> None:
    _topics()
    _files()


def downgrade() -> None:
    raise NotImplementedError("restore the backup instead: a downgrade would lose what was written since")
