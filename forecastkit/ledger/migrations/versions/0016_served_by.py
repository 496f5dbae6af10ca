"""The view `served_forecasts` names the line that made a forecast: the challenger's where a shadow deployment let it serve."""

from alembic import op

revision = "0016"
down_revision = "0011"
branch_labels = None
depends_on = None

# `theirs`: of the pair that says so; where the other arm failed and there is none, by the line its version was trained for
SERVED = """
CREATE VIEW served_forecasts AS
SELECT s.session, s.symbol, s.kind, s.horizon, s.prediction_id, s.version, s.made_at, s.timeliness, s.target,
       COALESCE(s.theirs, s.line) AS line, CASE WHEN s.theirs IS NULL THEN s.pinned ELSE '' END AS pinned,
       CASE WHEN s.theirs IS NULL THEN s.promotion ELSE 0 END AS promotion
FROM (
    SELECT c.*, COALESCE(
        (SELECT MIN(e.line) FROM shadow_events e
         WHERE e.served_id = c.prediction_id AND e.event = 'pair' AND e.arm = 'challenger'),
        (SELECT MIN(b.line) FROM shadow_events b JOIN model_lines v ON v.line = b.line AND v.version = c.version
         WHERE b.event = 'begin' AND b.target = c.target AND b.kind = c.kind AND b.horizon = c.horizon
           AND b.origin <= c.session AND c.pinned <> c.version
           AND NOT EXISTS (SELECT 1 FROM model_lines w WHERE w.version = c.version AND w.line = c.line))) AS theirs
    FROM (
        SELECT p.origin AS session, p.symbol, p.kind, p.horizon, p.prediction_id, p.model_version AS version, p.made_at,
               p.timeliness, p.target,
               COALESCE(r.line, CASE WHEN p.target = 'PANEL_d1' THEN 'house-panel' ELSE 'house-pool' END) AS line,
               COALESCE(r.version, '') AS pinned, COALESCE(r.seq, 0) AS promotion
        FROM (SELECT q.*, COALESCE((SELECT m.symbol FROM models m WHERE m.version = q.model_version
                                    ORDER BY m.seq LIMIT 1), q.symbol) || '_d1' AS target FROM predictions q) p
        LEFT JOIN promotions r ON r.seq = (
            SELECT MAX(s.seq) FROM promotions s
            WHERE s.target = p.target AND s.kind = p.kind AND s.horizon = p.horizon AND s.to_stage = 'champion'
              AND s.effective <= p.origin AND s.made_at <= p.made_at)
    ) c
) s
"""


def upgrade() -> None:
    "Make the view again, with an index that finds the pair of a served forecast."
    op.create_index("shadow_events_by_served", "shadow_events", ["served_id"])
    op.execute("DROP VIEW served_forecasts")
    op.execute(SERVED.strip())


def downgrade() -> None:
    "Not offered: restore a copy of the database instead."
    raise NotImplementedError("a view is not made worse again: restore a copy of the database instead")
