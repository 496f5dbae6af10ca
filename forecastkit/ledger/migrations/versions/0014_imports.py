"""Forecasts that were made elsewhere, each in a line of its own, chained as the other tables are."""

import sqlalchemy as sa
from alembic import op

from forecastkit.ledger.migrations.steps import begin_chain, chained_columns

revision = "0014"
down_revision = "0016"
branch_labels = None
depends_on = None

TEXTS = ("line", "symbol", "kind", "timeliness", "quantiles", "source", "who")


def upgrade() -> None:
    "Make the table with its chain, and refuse changes to what is written."
    op.create_table(
        "imported_forecasts",
        *chained_columns(
            *(sa.Column(name, sa.String, nullable=False) for name in TEXTS),
            sa.Column("horizon", sa.Integer, nullable=False),
            *(sa.Column(name, sa.Date, nullable=False) for name in ("origin", "target_session")),
            sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        ),
        sa.UniqueConstraint("line", "symbol", "kind", "horizon", "origin"),
    )
    begin_chain("imported_forecasts", 14)


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("imported forecasts are not given up again: restore a copy of the database instead")
