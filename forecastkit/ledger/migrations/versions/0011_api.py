"""What the HTTP API keeps: keys by their hashes, how many questions each has asked in this minute, and the jobs under way."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0013"
branch_labels = None
depends_on = None
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    "Make the three tables; none of them decides a number, so none has a chain."
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("name", "scope", "hash")),
        sa.Column("created_at", MOMENT, nullable=False),
        *(sa.Column(name, MOMENT, nullable=True) for name in ("expires_at", "revoked_at", "last_used_at")),
    )
    op.create_table(
        "api_counts",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_table(
        "api_jobs",
        sa.Column("id", sa.String, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("question", "state", "result", "worker")),
        *(sa.Column(name, MOMENT, nullable=False) for name in ("asked_at", "alive_until")),
        sa.Column("ended_at", MOMENT, nullable=True),
    )


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the tables of the API are not given up again: restore a copy of the database instead")
