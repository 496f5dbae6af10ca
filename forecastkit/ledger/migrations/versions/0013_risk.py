"""The risk score of a forecast in the views with the columns of the documents; old forecasts have none."""

from alembic import op

from forecastkit.ledger.migrations.enhanced import ENHANCED_V2, enhanced
from forecastkit.ledger.migrations.steps import create_view

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    "Make both views again, with one column more."
    op.execute("DROP VIEW model_predictions_v2")
    op.execute("DROP VIEW model_predictions_enhanced")
    create_view("model_predictions_enhanced", *enhanced(risk=True))
    create_view("model_predictions_v2", ENHANCED_V2)


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("views are not given up again: restore a copy of the database instead")
