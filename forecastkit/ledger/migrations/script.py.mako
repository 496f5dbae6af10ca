"""${message}.

Never edit a migration that was released: add the next one, and its number to `REVISIONS` in nbs/60_database.ipynb.
"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    "Bring the tables from the revision before to this one."
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    "Take it back."
    ${downgrades if downgrades else "pass"}
