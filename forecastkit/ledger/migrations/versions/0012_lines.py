"""The lines that each model version was trained for, chained as the other tables are."""

import sqlalchemy as sa
from alembic import op

from forecastkit.ledger.migrations.steps import begin_chain, chained_columns

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    "Make the table; a version without a row in it is its house line's."
    op.create_table(
        "model_lines",
        *chained_columns(*(sa.Column(name, sa.String, nullable=False) for name in ("version", "line"))),
        sa.UniqueConstraint("version", "line"),
    )
    begin_chain("model_lines", 12)


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the lines of versions are not given up again: restore a copy of the database instead")
