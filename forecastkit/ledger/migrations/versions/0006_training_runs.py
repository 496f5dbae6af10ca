"""Training runs on record: one table of events with a chain, and views in the columns that users of model registries know."""

import sqlalchemy as sa
from alembic import op

from forecastkit.ledger.migrations.steps import begin_chain

revision = "0006"
down_revision = "0007"
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
SCORES: tuple[str, ...] = (
    "ensemble_validation_accuracy", "score", "training_score", "validation_score", "test_score", "seconds",
)  # fmt: skip
METRICS_VIEW = """CREATE VIEW model_training_metrics AS
WITH completed AS (SELECT * FROM training_runs WHERE status = 'completed'), metrics AS (
 SELECT run, 'ensemble_validation_accuracy' AS metric_name, CAST(ensemble_validation_accuracy AS DOUBLE PRECISION) AS metric_value FROM completed
 UNION ALL SELECT run, 'score' AS metric_name, CAST(score AS DOUBLE PRECISION) AS metric_value FROM completed
 UNION ALL SELECT run, 'training_score' AS metric_name, CAST(training_score AS DOUBLE PRECISION) AS metric_value FROM completed
 UNION ALL SELECT run, 'validation_score' AS metric_name, CAST(validation_score AS DOUBLE PRECISION) AS metric_value FROM completed
 UNION ALL SELECT run, 'test_score' AS metric_name, CAST(test_score AS DOUBLE PRECISION) AS metric_value FROM completed
 UNION ALL SELECT run, 'seconds' AS metric_name, CAST(seconds AS DOUBLE PRECISION) AS metric_value FROM completed
 UNION ALL SELECT run, 'n_training_samples' AS metric_name, CAST(n_training_samples AS DOUBLE PRECISION) AS metric_value FROM completed
 UNION ALL SELECT run, 'n_validation_samples' AS metric_name, CAST(n_validation_samples AS DOUBLE PRECISION) AS metric_value FROM completed
)
SELECT c.run, c.version AS model_version, c.symbol, c.timeframe, c.horizon, c.run_date, m.metric_name, m.metric_value
FROM completed AS c JOIN metrics AS m ON m.run = c.run WHERE m.metric_value IS NOT NULL"""


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
        *(sa.Column(name, sa.Double) for name in SCORES),
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
    begin_chain("training_events", 6)
    for view in (RUNS, LATEST, REGISTRY, METRICS_VIEW):
        op.execute(view)


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the record of training runs is not given up again: restore a copy of the database instead")
