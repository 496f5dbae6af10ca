"""Training runs on record: one table of events with a chain, and views in the columns that users of model registries know."""

import sqlalchemy as sa
from alembic import op

from forecastkit.core import GENESIS

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

RUNS = """CREATE VIEW training_runs AS
SELECT e.seq AS id, e.run, e.symbol, e.timeframe, e.kind, e.horizon, e.line, e.run_date, e.status, e.at AS status_at, e.process,
 e.lookback_days, e.n_training_samples, e.n_validation_samples, e.ensemble_validation_accuracy, e.score, e.training_score,
 e.validation_score, e.test_score, e.seconds, e.model_performances, e.weights, e.hyperparameters, e.feature_importance,
 e.prediction_intervals, e.version, e.direction_version, e.models_artifact_path, e.artifact_hash, e.code_version,
 e.data_fingerprint, e.error_message
FROM training_events AS e
WHERE NOT EXISTS (SELECT 1 FROM training_events AS later WHERE later.run = e.run AND later.step > e.step)"""
LATEST = """CREATE VIEW latest_training_runs AS
SELECT r.* FROM training_runs AS r
WHERE NOT EXISTS (SELECT 1 FROM training_events AS later
 WHERE later.symbol = r.symbol AND later.timeframe = r.timeframe AND later.run_date > r.run_date)"""
REGISTRY = """CREATE VIEW model_registry_enhanced AS
SELECT m.version AS model_version, coalesce(r.symbol, m.symbol) AS symbol, r.timeframe, m.kind, m.horizon, r.line, m.trained_at,
 m.created_at, r.run, r.run_date, r.hyperparameters, r.feature_importance, r.training_score, r.validation_score, r.test_score,
 r.prediction_intervals, r.direction_version, r.models_artifact_path, r.artifact_hash, r.code_version, r.data_fingerprint
FROM models AS m LEFT JOIN training_runs AS r ON r.version = m.version AND r.status = 'completed'
WHERE NOT EXISTS (SELECT 1 FROM models AS earlier WHERE earlier.version = m.version AND earlier.seq < m.seq)"""
METRICS: tuple[str, ...] = (
    "ensemble_validation_accuracy", "score", "training_score", "validation_score", "test_score", "seconds",
    "n_training_samples", "n_validation_samples",
)  # fmt: skip


def metrics_view() -> str:
    "The definition of the view with one row for each number of each completed run."
    parts = [
        f"SELECT run, version AS model_version, symbol, timeframe, horizon, run_date, '{name}' AS metric_name, "  # noqa: S608
        f"CAST({name} AS DOUBLE PRECISION) AS metric_value FROM training_runs WHERE status = 'completed' AND {name} IS NOT NULL"
        for name in METRICS
    ]
    return "CREATE VIEW model_training_metrics AS\n" + "\nUNION ALL ".join(parts)


def upgrade() -> None:
    "Make the table with its chain, refuse changes to what is written, and add the views."
    op.create_table(
        "training_events",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("run", sa.String, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("status", "symbol", "timeframe", "kind")),
        sa.Column("horizon", sa.Integer, nullable=False),
        sa.Column("line", sa.String, nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("run_date", "at")),
        sa.Column("process", sa.String, nullable=False),
        *(sa.Column(name, sa.Integer) for name in ("lookback_days", "n_training_samples", "n_validation_samples")),
        *(sa.Column(name, sa.Double) for name in METRICS[:6]),
        *(sa.Column(n, sa.String) for n in ("model_performances", "weights", "hyperparameters", "feature_importance")),
        sa.Column("prediction_intervals", sa.Integer),
        *(sa.Column(name, sa.String) for name in ("version", "direction_version", "models_artifact_path")),
        *(sa.Column(n, sa.String) for n in ("artifact_hash", "code_version", "data_fingerprint", "error_message")),
        sa.Column("previous_hash", sa.String, nullable=False),
        sa.Column("row_hash", sa.String, nullable=False),
        sa.UniqueConstraint("run", "step"),
        sa.UniqueConstraint("symbol", "timeframe", "run_date", "step"),
    )
    op.create_index("training_events_by_version", "training_events", ["version"])
    chain = sa.table("chain", sa.column("id"), sa.column("length"), sa.column("head"))
    op.bulk_insert(chain, [{"id": 6, "length": 0, "head": GENESIS}])
    for view in (RUNS, LATEST, REGISTRY, metrics_view()):
        op.execute(view)
    refuse_changes("training_events")


def refuse_changes(table: str) -> None:
    "Let a table only grow."
    if op.get_bind().dialect.name == "sqlite":
        for action in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action} BEFORE {action.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: add a row instead'); END"
            )
        return
    for name, event, scope in (("append_only", "UPDATE OR DELETE", "ROW"), ("not_emptied", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} "
            f"FOR EACH {scope} EXECUTE FUNCTION forecastkit_append_only()"
        )


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the record of training runs is not given up again: restore a copy of the database instead")
