"""Shadow deployments as a chained table of events, each with the forecasts of the arm that did not serve, and the view that says what became of each."""

import sqlalchemy as sa
from alembic import op

from forecastkit.ledger.migrations.steps import begin_chain, chained_columns, create_view

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXTS = ("line", "symbol", "arm", "served_id", "said", "who", "why")
VIEW = (
    "SELECT b.deployment AS deployment_id, b.target, b.kind, b.horizon, b.line AS shadow_model_version, b.origin AS first_session, "
    "b.said AS terms, b.who, b.why, b.made_at AS created_at, "
    "(SELECT count(*) FROM shadow_events AS p WHERE p.deployment = b.deployment AND p.event = 'pair') AS pairs, "
    "(SELECT max(p.origin) FROM shadow_events AS p WHERE p.deployment = b.deployment AND p.event = 'pair') AS last_session, "
    "v.said AS verdict, s.origin AS stopped_session, s.why AS stopped_because, s.made_at AS stopped_at, "
    "CASE WHEN s.seq IS NULL THEN 'active' ELSE 'stopped' END AS status FROM shadow_events AS b "
    "LEFT JOIN shadow_events AS s ON s.deployment = b.deployment AND s.event = 'stop' "
    "LEFT JOIN shadow_events AS v ON v.deployment = b.deployment AND v.event = 'verdict' WHERE b.event = 'begin'"
)


def upgrade() -> None:
    "Make the table with its chain and the view, and refuse changes to what is written."
    integers = (sa.Column(name, sa.Integer, nullable=False) for name in ("deployment", "horizon"))
    texts = (sa.Column(name, sa.String, nullable=False) for name in ("event", "target", "kind", *TEXTS))
    op.create_table(
        "shadow_events",
        *chained_columns(*integers, *texts, sa.Column("origin", sa.Date, nullable=False)),
        sa.UniqueConstraint("deployment", "event", "symbol", "origin"),
    )
    begin_chain("shadow_events", 10)
    create_view("shadow_deployments", VIEW)


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the record of shadow deployments is not given up again: restore a copy of the database instead")
