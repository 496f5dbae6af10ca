"""Alerts as a chained table of events, and the outbox from which they are delivered at least once."""

import sqlalchemy as sa
from alembic import op

from forecastkit.ledger.migrations.steps import begin_chain, chained_columns, create_view

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    "Make both tables, and the view that says what became of each alert."
    texts = (sa.Column(name, sa.String, nullable=False) for name in ("event", "rule", "subject", "severity", "said", "who"))
    op.create_table(
        "alert_events",
        *chained_columns(sa.Column("alert", sa.Integer, nullable=False), *texts),
        sa.UniqueConstraint("alert", "event"),
    )
    begin_chain("alert_events", 9)
    op.create_table(
        "alert_deliveries",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("alert", sa.Integer, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("sink", "reason")),
        *(sa.Column(name, MOMENT, nullable=False) for name in ("queued_at", "due_at")),
        sa.Column("attempts", sa.Integer, nullable=False),
        *(sa.Column(name, MOMENT, nullable=True) for name in ("leased_until", "delivered_at")),
        sa.Column("error", sa.String, nullable=False),
    )
    op.create_index("deliveries_due", "alert_deliveries", ["delivered_at", "due_at"])
    create_view(
        "alerts",
        "SELECT r.alert, r.rule, r.subject, r.severity, r.said, r.made_at AS raised_at, a.made_at AS acknowledged_at, "
        "a.who AS acknowledged_by, c.made_at AS resolved_at, CASE WHEN c.made_at IS NOT NULL THEN 'resolved' "
        "WHEN a.made_at IS NOT NULL THEN 'acknowledged' ELSE 'open' END AS state, (SELECT count(*) FROM alert_deliveries AS d "
        "WHERE d.alert = r.alert AND d.delivered_at IS NULL) AS undelivered FROM alert_events AS r "
        "LEFT JOIN alert_events AS a ON a.alert = r.alert AND a.event = 'acknowledged' "
        "LEFT JOIN alert_events AS c ON c.alert = r.alert AND c.event = 'resolved' WHERE r.event = 'raised'",
    )


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the record of alerts is not given up again: restore a copy of the database instead")
