"""Forecasts of several horizons, each one row of a table of its own, chained as the others are."""

import sqlalchemy as sa
from alembic import op

from forecastkit.core import GENESIS

revision = "0005"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    "Make the table with its index and its chain, and refuse changes to what is written."
    texts = ("prediction_id", "symbol", "timeframe", "origin", "horizons", "kind", "code_version", "data_fingerprint")
    op.create_table(
        "horizon_predictions",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.String, nullable=False) for name in texts),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("made_at", "stored_at")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("forecast", "previous_hash", "row_hash")),
        sa.UniqueConstraint("prediction_id"),
    )
    op.create_index("horizon_predictions_by_origin", "horizon_predictions", ["origin", "symbol", "seq"])
    chain = sa.table("chain", sa.column("id"), sa.column("length"), sa.column("head"))
    op.bulk_insert(chain, [{"id": 5, "length": 0, "head": GENESIS}])
    if op.get_bind().dialect.name == "sqlite":
        for action in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER horizon_predictions_no_{action} BEFORE {action.upper()} ON horizon_predictions "
                "BEGIN SELECT RAISE(ABORT, 'horizon_predictions is append-only: add a row instead'); END"
            )
        return
    for name, event, scope in (("append_only", "UPDATE OR DELETE", "ROW"), ("not_emptied", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER horizon_predictions_{name} BEFORE {event} ON horizon_predictions "
            f"FOR EACH {scope} EXECUTE FUNCTION forecastkit_append_only()"
        )


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("forecasts are not given up again: restore a copy of the database instead")
