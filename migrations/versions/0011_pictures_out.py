"""pictures out: whose a picture is, and what the messenger that it goes out by calls it."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('picture', sa.Column('is_ours', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('picture', sa.Column('known_as', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.add_column('picture', sa.Column('handed_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("restore the backup instead: a downgrade would lose what was written since")
