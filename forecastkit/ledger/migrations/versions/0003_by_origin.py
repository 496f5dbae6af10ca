"""An index by which the newest forecasts of a long ledger are found without reading all of it; no row is touched."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    "Index the forecasts by origin."
    op.create_index("predictions_by_origin", "predictions", ["origin", "symbol", "kind", "horizon", "seq"])


def downgrade() -> None:
    "Drop the index."
    op.drop_index("predictions_by_origin", "predictions")
