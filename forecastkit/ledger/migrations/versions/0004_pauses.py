"""One table of pauses, chained as the others are: what is paused, by whom, since when and why, and who lifted it."""

import sqlalchemy as sa
from alembic import op

from forecastkit.core import GENESIS

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    "Make the table with its chain, and refuse changes to what is written."
    op.create_table(
        "pauses",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("pause", sa.Integer, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("action", "subject", "who", "why")),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous_hash", sa.String, nullable=False),
        sa.Column("row_hash", sa.String, nullable=False),
        sa.UniqueConstraint("pause", "action"),
    )
    chain = sa.table("chain", sa.column("id"), sa.column("length"), sa.column("head"))
    op.bulk_insert(chain, [{"id": 4, "length": 0, "head": GENESIS}])
    if op.get_bind().dialect.name == "sqlite":
        for action in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER pauses_no_{action} BEFORE {action.upper()} ON pauses "
                "BEGIN SELECT RAISE(ABORT, 'pauses is append-only: add a row instead'); END"
            )
        return
    for name, event, scope in (("append_only", "UPDATE OR DELETE", "ROW"), ("not_emptied", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER pauses_{name} BEFORE {event} ON pauses "
            f"FOR EACH {scope} EXECUTE FUNCTION forecastkit_append_only()"
        )


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the table of pauses is not given up again: restore a copy of the database instead")
