"""Forecasts of several horizons, each one row of a table of its own, chained as the others are."""

import sqlalchemy as sa
from alembic import op

from forecastkit.ledger.migrations.steps import begin_chain

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
    begin_chain("horizon_predictions", 5)


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("forecasts are not given up again: restore a copy of the database instead")
