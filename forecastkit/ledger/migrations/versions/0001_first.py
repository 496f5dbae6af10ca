"""The first tables: forecasts and their chain, outcomes, model versions; all append-only.

The tables are written out here and not imported, so that this step stays what it was when the code moves on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("predictions", "outcomes", "models")


def column(name: str, kind: type[sa.types.TypeEngine] = sa.String) -> sa.Column:
    "A column that is always filled."
    return sa.Column(name, kind(timezone=True) if kind is sa.DateTime else kind(), nullable=False)


def upgrade() -> None:
    "Create the tables, start the chain, and refuse changes to what is written."
    op.create_table(
        "predictions",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        column("prediction_id"),
        column("symbol"),
        column("origin", sa.Date),
        column("target_session", sa.Date),
        column("horizon", sa.Integer),
        column("kind"),
        column("model_version"),
        column("code_version"),
        column("data_fingerprint"),
        column("made_at", sa.DateTime),
        column("stored_at", sa.DateTime),
        column("timeliness"),
        column("num_features_used", sa.Integer),
        column("features"),
        column("forecast"),
        column("previous_hash"),
        column("row_hash"),
        sa.UniqueConstraint("prediction_id"),
    )
    op.create_index("predictions_by_target", "predictions", ["symbol", "kind", "horizon", "origin"])
    op.create_table(
        "outcomes",
        column("symbol"),
        column("kind"),
        column("origin", sa.Date),
        column("horizon", sa.Integer),
        column("target_session", sa.Date),
        column("change", sa.Double),
        column("level", sa.Double),
        column("recorded_at", sa.DateTime),
        column("data_fingerprint"),
        sa.PrimaryKeyConstraint("symbol", "kind", "origin", "horizon"),
    )
    op.create_table(
        "models",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        column("version"),
        column("symbol"),
        column("kind"),
        column("horizon", sa.Integer),
        column("trained_at", sa.Date),
        column("manifest"),
        column("manifest_hash"),
        column("created_at", sa.DateTime),
        sa.UniqueConstraint("version", "manifest_hash"),
    )
    chain = op.create_table(
        "chain",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        column("length", sa.Integer),
        column("head"),
    )
    op.bulk_insert(chain, [{"id": 1, "length": 0, "head": "0" * 64}])
    protect()


def protect() -> None:
    "Triggers that refuse to change or delete a row."
    if op.get_bind().dialect.name == "sqlite":
        for table in APPEND_ONLY:
            for action in ("update", "delete"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{action} BEFORE {action.upper()} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: add a row instead'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION forecastkit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION '% is append-only: add a row instead', TG_TABLE_NAME; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION forecastkit_append_only()"
        )


def downgrade() -> None:
    "Not offered: it would delete every forecast. Restore a copy of the database instead."
    raise NotImplementedError("there is nothing before the first migration: restore a copy of the database instead")
