"""What a monitor measures (drift, performance), the chained runs of jobs, and one view a question."""

import sqlalchemy as sa
from alembic import op

from forecastkit.ledger.migrations.enhanced import ENHANCED_V2, enhanced
from forecastkit.ledger.migrations.steps import begin_chain, chained_columns, create_view

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None


def filled(kind: type, *names: str, empty: bool = False) -> list[sa.Column]:
    "Columns of one type."
    return [sa.Column(name, kind, nullable=empty) for name in names]


def number() -> sa.Column:
    "The number of a row, given by the engine."
    return sa.Column("seq", sa.Integer, primary_key=True)


def upgrade() -> None:
    "Make the tables and the views over them."
    op.create_table(
        "job_events",
        *chained_columns(*filled(sa.Integer, "run"), *filled(sa.String, "event", "job", "outcome", "detail")),
        sa.UniqueConstraint("run", "event"),
    )
    begin_chain("job_events", 8)
    op.create_table(
        "real_time_drift_detections",
        number(),
        sa.Column("detected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("session", sa.Date, nullable=False),
        *filled(sa.String, "symbol", "model_version", "series", "feature", "family"),
        *filled(sa.Integer, "window_rows"),
        *filled(sa.Double, "psi", "psi_p", "ks", "ks_p", "effect", "family_wise_p", empty=True),
        *filled(sa.Boolean, "drifted"),
        sa.UniqueConstraint("session", "symbol", "model_version", "series", "feature"),
    )
    drifted = sa.column("drifted")
    op.create_index(
        "drift_by_session", "real_time_drift_detections", ["session", "symbol"],
        sqlite_where=drifted, postgresql_where=drifted,
    )  # fmt: skip
    op.create_table(
        "performance_snapshots",
        number(),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("session", sa.Date, nullable=False),
        *filled(sa.String, "scope", "name", "line"),
        *filled(sa.Integer, "horizon", "window_rows"),
        *filled(sa.String, "metric"),
        *filled(sa.Integer, "n"),
        *filled(sa.Double, "value", "se", "reference", empty=True),
        *filled(sa.Boolean, "decayed"),
        sa.UniqueConstraint("session", "scope", "name", "line", "horizon", "window_rows", "metric"),
    )
    for name, words in VIEWS.items():
        create_view(name, *words)


LAST_SESSION = "(SELECT max(session) FROM real_time_drift_detections)"
WEEK = (
    "SELECT symbol, model_version, series, feature, family, min(session) AS since, max(session) AS latest, "
    "count(*) AS sessions, max(abs(effect)) AS effect, min(family_wise_p) AS family_wise_p "
    "FROM real_time_drift_detections WHERE drifted AND session > {first} "
    "GROUP BY symbol, model_version, series, feature, family"
)

VIEWS = {
    "job_runs": (
        "SELECT b.run, b.job, b.made_at AS started_at, e.made_at AS ended_at, coalesce(e.outcome, 'unfinished') AS outcome, "
        "coalesce(e.detail, b.detail) AS detail FROM job_events AS b "
        "LEFT JOIN job_events AS e ON e.run = b.run AND e.event = 'end' WHERE b.event = 'start'",
    ),
    "drift_this_week": (
        WEEK.format(first=f"date({LAST_SESSION}, '-7 days')"),
        WEEK.format(first=f"{LAST_SESSION} - 7"),
    ),
    "decayed_lines": (
        "SELECT scope, name, line, horizon, window_rows, metric, n, value, se, reference, session "
        "FROM performance_snapshots AS s WHERE decayed AND session = (SELECT max(session) FROM performance_snapshots AS t "
        "WHERE t.scope = s.scope AND t.name = s.name AND t.line = s.line AND t.horizon = s.horizon)",
    ),
    "model_predictions_enhanced": enhanced(),
    "model_predictions_v2": (ENHANCED_V2,),
}


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the record of jobs is not given up again: restore a copy of the database instead")
