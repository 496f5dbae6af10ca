"""The ledger of promotions, chained as the others are, and a view that says which line and version served each stored forecast."""

import sqlalchemy as sa
from alembic import op

from forecastkit.ledger.migrations.steps import begin_chain

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXTS = ("line", "recipe", "version", "action", "from_stage", "to_stage", "who", "why", "evidence")
SERVED = """
CREATE VIEW served_forecasts AS
SELECT p.origin AS session, p.symbol, p.kind, p.horizon, p.prediction_id, p.model_version AS version, p.made_at, p.timeliness,
       p.target, COALESCE(r.line, CASE WHEN p.target = 'PANEL_d1' THEN 'house-panel' ELSE 'house-pool' END) AS line,
       COALESCE(r.version, '') AS pinned, COALESCE(r.seq, 0) AS promotion
FROM (SELECT q.*, COALESCE((SELECT m.symbol FROM models m WHERE m.version = q.model_version ORDER BY m.seq LIMIT 1), q.symbol)
             || '_d1' AS target FROM predictions q) p
LEFT JOIN promotions r ON r.seq = (
    SELECT MAX(s.seq) FROM promotions s
    WHERE s.target = p.target AND s.kind = p.kind AND s.horizon = p.horizon AND s.to_stage = 'champion'
      AND s.effective <= p.origin AND s.made_at <= p.made_at)
"""


def upgrade() -> None:
    "Make the table with its chain and the view, and refuse changes to what is written."
    op.create_table(
        "promotions",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("horizon", sa.Integer, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in TEXTS),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective", sa.Date, nullable=False),
        sa.Column("previous_hash", sa.String, nullable=False),
        sa.Column("row_hash", sa.String, nullable=False),
    )
    op.create_index("promotions_by_target", "promotions", ["target", "kind", "horizon", "seq"])
    begin_chain("promotions", 7)
    op.execute(SERVED.strip())


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the ledger of promotions is not given up again: restore a copy of the database instead")
