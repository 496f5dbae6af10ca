"""Outcomes and model manifests are chained as forecasts are, so that none of them can vanish or change unnoticed.

A table that only grows cannot be altered in place: its rows are read, it is made anew, and they are written again in the
order in which they came. The tables are written out here and not imported; the rule of the chain is, because it is for ever.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from forecastkit.core import GENESIS, HashChain

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OUTCOMES = (
    ("symbol", sa.String()), ("kind", sa.String()), ("origin", sa.Date()), ("horizon", sa.Integer()),
    ("target_session", sa.Date()), ("change", sa.Double()), ("level", sa.Double()),
    ("recorded_at", sa.DateTime(timezone=True)), ("data_fingerprint", sa.String()),
)  # fmt: skip
MODELS = (
    ("version", sa.String()), ("symbol", sa.String()), ("kind", sa.String()), ("horizon", sa.Integer()),
    ("trained_at", sa.Date()), ("manifest", sa.String()), ("manifest_hash", sa.String()),
    ("created_at", sa.DateTime(timezone=True)),
)  # fmt: skip


def in_utc(value: Any) -> Any:
    "A moment as the chain spells it; SQLite has forgotten its zone, which was UTC."
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return value


def rebuild(name: str, number: int, columns: tuple, unique: list[str], order: list[str]) -> None:
    "Make a table anew with its rows chained; `number` is that of its row in the table of chains."
    old = sa.table(name, *(sa.column(key, kind) for key, kind in columns))
    query = sa.select(old).order_by(*(old.c[key] if key in old.c else sa.column(key) for key in order))
    rows = [{str(key): in_utc(value) for key, value in row.items()} for row in op.get_bind().execute(query).mappings()]
    op.drop_table(name)
    new = op.create_table(
        name,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(key, kind, nullable=False) for key, kind in columns),
        sa.Column("previous_hash", sa.String, nullable=False),
        sa.Column("row_hash", sa.String, nullable=False),
        sa.UniqueConstraint(*unique),
    )
    linked = HashChain().append(rows)
    op.bulk_insert(new, linked)
    chain = sa.table("chain", sa.column("id"), sa.column("length"), sa.column("head"))
    head = linked[-1]["row_hash"] if linked else GENESIS
    op.bulk_insert(chain, [{"id": number, "length": len(linked), "head": head}])


def upgrade() -> None:
    "Chain both tables, and refuse changes to what is written."
    question = ["symbol", "kind", "origin", "horizon"]
    rebuild("outcomes", 2, OUTCOMES, question, ["recorded_at", *question])
    rebuild("models", 3, MODELS, ["version", "manifest_hash"], ["seq"])
    protect(("outcomes", "models"))


def protect(tables: tuple[str, ...]) -> None:
    "Triggers that refuse to change or delete a row; PostgreSQL's TRUNCATE asks for a trigger of its own."
    if op.get_bind().dialect.name == "sqlite":
        for table in tables:
            for action in ("update", "delete"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{action} BEFORE {action.upper()} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: add a row instead'); END"
                )
        return
    for table in tables:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION forecastkit_append_only()"
        )
    for table in (*tables, "predictions"):
        op.execute(
            f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION forecastkit_append_only()"
        )


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("the chain of outcomes is not given up again: restore a copy of the database instead")
