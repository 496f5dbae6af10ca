"""Paper books as a chained table: a row opens a book, and one row for each session says what was booked, held and ordered."""

import sqlalchemy as sa
from alembic import op

from forecastkit.ledger.migrations.steps import begin_chain, chained_columns, create_view

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    "Make the table, and two views: where each book stands, and its result of each session."
    op.create_table(
        "paper_events",
        *chained_columns(
            sa.Column("book", sa.String, nullable=False),
            sa.Column("number", sa.Integer, nullable=False),
            sa.Column("session", sa.Date, nullable=False),
            *(sa.Column(name, sa.Double, nullable=False) for name in ("cash", "equity")),
            *(sa.Column(name, sa.String, nullable=False) for name in ("timeliness", "said")),
        ),
        sa.UniqueConstraint("book", "number"),
    )
    begin_chain("paper_events", 15)
    create_view(
        "paper_days",
        "SELECT d.book, d.number, d.session, d.equity, d.equity - b.equity AS profit, d.equity / b.equity - 1 AS change, "
        "d.cash, d.timeliness, d.made_at FROM paper_events AS d JOIN paper_events AS b ON b.book = d.book "
        "AND b.number = d.number - 1 WHERE d.number > 0",
    )
    create_view(
        "paper_books",
        "SELECT o.book, o.session AS opened, o.equity AS capital, l.number AS sessions, l.session AS session, l.equity, "
        "l.cash, l.equity - o.equity AS profit, l.made_at FROM paper_events AS o JOIN paper_events AS l ON l.book = o.book "
        "WHERE o.number = 0 AND l.number = (SELECT max(m.number) FROM paper_events AS m WHERE m.book = o.book)",
    )


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("paper books are not given up again: restore a copy of the database instead")
