"""Scores of probability forecasts, their calibration, the significance of a difference, tests that may be read on any day, and the drift of what they stand on."""

from .scores import (
    brier as brier,
    columns_of as columns_of,
    crps as crps,
    log_loss as log_loss,
    mae as mae,
    pinball as pinball,
    qlike as qlike,
    r2 as r2,
    rmse as rmse,
    rps as rps,
)
from .significance import (
    Comparison as Comparison,
    diebold_mariano as diebold_mariano,
    hac_lag as hac_lag,
    hac_se as hac_se,
    holm as holm,
    overlap_se as overlap_se,
    skill as skill,
    smallest_effect as smallest_effect,
    two_sided_p as two_sided_p,
)
from .calibration import (
    coverage as coverage,
    ece as ece,
    interval as interval,
    perfect_ece as perfect_ece,
    pit as pit,
    pit_test as pit_test,
    simulated_ece as simulated_ece,
    width as width,
)
from .performance import (
    annual_return as annual_return,
    annual_volatility as annual_volatility,
    calmar_ratio as calmar_ratio,
    deflated_sharpe as deflated_sharpe,
    drawdown_path as drawdown_path,
    expected_shortfall as expected_shortfall,
    hit_rate as hit_rate,
    longest_underwater as longest_underwater,
    measure_sharpe as measure_sharpe,
    probabilistic_sharpe as probabilistic_sharpe,
    profit_factor as profit_factor,
    Sharpe as Sharpe,
    sharpe_ratio as sharpe_ratio,
    sharpe_se as sharpe_se,
    sortino_ratio as sortino_ratio,
)
from .clusters import (
    cluster_se as cluster_se,
    clustered_pit_test as clustered_pit_test,
    clustered_skill as clustered_skill,
    session_blocks as session_blocks,
)
from .feeds import (
    feed_faults as feed_faults,
    FeedFault as FeedFault,
)
from .drift_null import (
    DriftNull as DriftNull,
    fit_drift_null as fit_drift_null,
    ks as ks,
    psi as psi,
)
from .drift import (
    check_drift as check_drift,
    DriftReport as DriftReport,
    false_alarms_a_year as false_alarms_a_year,
)
from .change_detectors import (
    ChangeDetector as ChangeDetector,
    CHART_WORDS as CHART_WORDS,
    ChangeReport as ChangeReport,
    crps_ratio as crps_ratio,
    expected_crps as expected_crps,
    past_crps as past_crps,
    fit_change_detector as fit_change_detector,
)
from .sequential_tests import (
    clip_bound as clip_bound,
    confidence_sequence as confidence_sequence,
    decision_time as decision_time,
    log_e_values as log_e_values,
    sequential_test as sequential_test,
    SequentialTest as SequentialTest,
)
from .selection_bias import (
    combinatorial_splits as combinatorial_splits,
    measure_selection as measure_selection,
    minimum_track_record as minimum_track_record,
    Overfitting as Overfitting,
    overfitting_probability as overfitting_probability,
    SelectionBias as SelectionBias,
    sessions_text as sessions_text,
)
