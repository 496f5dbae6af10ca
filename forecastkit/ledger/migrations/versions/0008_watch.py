"""What a monitor measures (drift, performance), the chained runs of jobs, and one view a question."""

import sqlalchemy as sa
from alembic import op

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
# SQLite lets no view call its functions of JSON where a schema is not trusted, so the lists are followed as text
MEDIAN = (
    "(WITH RECURSIVE s(i, probs, vals, q, v) AS ("
    "SELECT 0, substr(p.forecast, instr(p.forecast, '\"probs\":[') + 9), substr(p.forecast, instr(p.forecast, '\"values\":[') + 10), '', '' "
    "UNION ALL SELECT i + 1, substr(probs, instr(probs, ',') + 1), substr(vals, instr(vals, ',') + 1), "
    "substr(probs, 1, instr(probs, ',') - 1), substr(vals, 1, instr(vals, ',') - 1) FROM s WHERE i < 200 AND q <> '{level}') "
    "SELECT CAST(v AS REAL) FROM s WHERE q = '{level}')"
)
DIRECTION = "substr(p.forecast, instr(p.forecast, '\"direction\":{{') + 13)"


def after(words: str, name: str, begin: int, otherwise: str) -> str:
    "An SQLite expression: what stands behind a key in the direction of a forecast, NULL where it has none."
    tail = f"substr({DIRECTION}, instr({DIRECTION}, '\"{name}\":') + {begin})".replace("{{", "{")
    return f"CASE WHEN instr(p.forecast, '\"direction\":{{') > 0 THEN {words.format(tail=tail)} ELSE {otherwise} END"


MEDIAN_PG = (
    "(SELECT v.value::double precision FROM json_array_elements_text(p.forecast::json->'probs') WITH ORDINALITY AS q(value, place) "
    "JOIN json_array_elements_text(p.forecast::json->'values') WITH ORDINALITY AS v(value, place) USING (place) "
    "WHERE q.value::double precision = {level})"
)
ENHANCED = (
    "SELECT p.prediction_id, p.symbol, p.origin AS prediction_date, p.target_session, p.horizon, p.kind, p.model_version, "
    "{median} AS prediction, {low} AS lower_bound, {high} AS upper_bound, {confidence} AS confidence_score, "
    "{label} AS direction, p.timeliness, p.num_features_used, p.made_at, o.change AS actual_value "
    "FROM predictions AS p LEFT JOIN outcomes AS o "
    "ON o.symbol = p.symbol AND o.kind = p.kind AND o.origin = p.origin AND o.horizon = p.horizon"
)


def enhanced(level: str, confidence: str, label: str) -> str:
    "The view of forecasts in the columns of the documents."
    levels = {name: level.format(level=p) for name, p in (("median", 0.5), ("low", 0.1), ("high", 0.9))}
    return ENHANCED.format(**levels, confidence=confidence, label=label)


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
    "model_predictions_enhanced": (
        enhanced(
            MEDIAN,
            after("CAST({tail} AS REAL)", "confidence", 13, "NULL"),
            after("substr({tail}, 1, instr({tail}, '\"') - 1)", "label", 9, "NULL"),
        ),
        enhanced(
            MEDIAN_PG,
            "(p.forecast::json->'metadata'->'direction'->>'confidence')::double precision",
            "p.forecast::json->'metadata'->'direction'->>'label'",
        ),
    ),
    "model_predictions_v2": (
        "SELECT e.*, abs(e.actual_value - e.prediction) AS absolute_error, "
        "e.actual_value BETWEEN e.lower_bound AND e.upper_bound AS inside_80, "
        "p.stored_at, p.code_version, p.data_fingerprint, EXISTS (SELECT 1 FROM predictions AS o WHERE o.symbol = p.symbol "
        "AND o.kind = p.kind AND o.origin = p.origin AND o.horizon = p.horizon AND o.model_version <> p.model_version) "
        "AS has_other_versions FROM model_predictions_enhanced AS e JOIN predictions AS p ON p.prediction_id = e.prediction_id",
    ),
}


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the record of jobs is not given up again: restore a copy of the database instead")
