"""Walk-forward runner, scorecard, and the look-ahead audit."""

from .traces import (
    MarketFunction as MarketFunction,
)
from .lookahead import (
    audit_market_function as audit_market_function,
    audit_folds as audit_folds,
    audit_many as audit_many,
)
from .refits import (
    RefitSchedule as RefitSchedule,
)
from .walkforward import (
    walk_forward as walk_forward,
)
from .scorecard import (
    breakdown as breakdown,
    check_enough as check_enough,
    groupings as groupings,
    COVERAGE_LEVELS as COVERAGE_LEVELS,
    observe_outcomes as observe_outcomes,
    Outcomes as Outcomes,
    pinball_skill as pinball_skill,
    point_scores as point_scores,
    regime_scores as regime_scores,
    rolling_coverage as rolling_coverage,
    score_forecasts as score_forecasts,
    Scorecard as Scorecard,
    ScoreSummary as ScoreSummary,
    worst_forecasts as worst_forecasts,
    worst_quarters as worst_quarters,
)
from .panel_scorecard import (
    panel_breakdown as panel_breakdown,
    panel_groupings as panel_groupings,
    observe_panel as observe_panel,
    panel_pit_histogram as panel_pit_histogram,
    panel_worst_quarters as panel_worst_quarters,
    PanelOutcomes as PanelOutcomes,
    PanelScorecard as PanelScorecard,
    PanelSummary as PanelSummary,
    score_panel as score_panel,
)
from .direction_scorecard import (
    DirectionMeasure as DirectionMeasure,
    DirectionScorecard as DirectionScorecard,
    logged_direction_result as logged_direction_result,
    score_directions as score_directions,
)
from .coherence import (
    coherence_price as coherence_price,
)
from .ablation import (
    AblationResult as AblationResult,
    AblationStudy as AblationStudy,
    PartEffect as PartEffect,
    sharpe_difference as sharpe_difference,
)
from .forecast_files import (
    FILE_COLUMNS as FILE_COLUMNS,
    ForecastFile as ForecastFile,
    log_quantiles as log_quantiles,
    read_forecast_file as read_forecast_file,
    RefusedRow as RefusedRow,
)
from .audit_cuts import (
    smallest_share as smallest_share,
)
from .function_audit import (
    audit as audit,
)
from .audit_outputs import (
    assert_no_lookahead as assert_no_lookahead,
    defined_at as defined_at,
    failed_report as failed_report,
    github_annotations as github_annotations,
    sarif as sarif,
    written_at as written_at,
)
