"""Steps that migrations share: a chained table refuses changes and has a row in `chain`; views are spelled for the engine at hand."""

import sqlalchemy as sa
from alembic import op

from forecastkit.core import GENESIS


def begin_chain(table: str, number: int) -> None:
    "Begin the chain of a new table, and refuse changes to what is written in it."
    chain = sa.table("chain", sa.column("id"), sa.column("length"), sa.column("head"))
    op.bulk_insert(chain, [{"id": number, "length": 0, "head": GENESIS}])
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


def chained_columns(*before: sa.Column) -> list[sa.Column]:
    "The columns of a chained table around its own."
    return [
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        *before,
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous_hash", sa.String, nullable=False),
        sa.Column("row_hash", sa.String, nullable=False),
    ]


def create_view(name: str, sqlite: str, postgresql: str | None = None) -> None:
    "Make a view; the second spelling is for PostgreSQL where it differs."
    words = sqlite if op.get_bind().dialect.name == "sqlite" or postgresql is None else postgresql
    op.execute(f"CREATE VIEW {name} AS {words}")
