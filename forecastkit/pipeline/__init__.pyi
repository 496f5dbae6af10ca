"""From sources to stored forecasts: target profiles, preparation, the integrated system, evaluation, verification, universes."""

from .profile import (
    PANEL as PANEL,
    profile_of as profile_of,
    settings_for as settings_for,
    TargetProfile as TargetProfile,
)
from .user_code import (
    SourceError as SourceError,
    load_user_code as load_user_code,
    probe_user_code as probe_user_code,
    with_user_code as with_user_code,
)
from .loading import (
    fetch_series as fetch_series,
    lost_ledger as lost_ledger,
    missing_runs as missing_runs,
    open_market as open_market,
    require_symbol as require_symbol,
    readable_sources as readable_sources,
    require_series as require_series,
    setting_problems as setting_problems,
    update as update,
    vendors_in as vendors_in,
)
from .preparation import (
    prepare as prepare,
    Prepared as Prepared,
)
from .serving import (
    own_line as own_line,
)
from .daily import (
    Day as Day,
    worst_quarters_sentence as worst_quarters_sentence,
)
from .evaluation import (
    evaluate as evaluate,
)
from .ring import (
    evaluate_model as evaluate_model,
)
from .explanation import (
    explain_forecasts as explain_forecasts,
    forecast_null as forecast_null,
    with_explanations as with_explanations,
    states_of as states_of,
)
from .directions import (
    directions_of as directions_of,
    DirectionSystem as DirectionSystem,
    with_directions as with_directions,
)
from .ensembles import (
    EnsembleLoader as EnsembleLoader,
    get_production_ensemble_with_trained_weights as get_production_ensemble_with_trained_weights,
    model_loader as model_loader,
)
from .direction_scores import (
    direction_scorecards as direction_scorecards,
    stored_directions as stored_directions,
)
from .system import (
    ForecastBatch as ForecastBatch,
    IntegratedSystem as IntegratedSystem,
)
from .panel_universe import (
    read_universe_file as read_universe_file,
    Universe as Universe,
    universe_from as universe_from,
)
from .panel_preparation import (
    build_panel_forecast as build_panel_forecast,
    prepare_panel as prepare_panel,
    PreparedPanel as PreparedPanel,
)
from .panel_forecasting import (
    forecast_universe as forecast_universe,
    SymbolForecasts as SymbolForecasts,
    UniverseSystem as UniverseSystem,
)
from .horizons import (
    bar_clock as bar_clock,
    forecast_bar_horizons as forecast_bar_horizons,
    forecast_horizons as forecast_horizons,
    timeframe_horizons as timeframe_horizons,
)
from .forecasting import (
    forecast as forecast,
)
from .multi_horizon import (
    generate_multi_horizon_forecasts as generate_multi_horizon_forecasts,
    multi_horizon_forecast as multi_horizon_forecast,
)
from .verification import (
    verify as verify,
    verify_function as verify_function,
)
from .panel_verification import (
    symbols_beside as symbols_beside,
    verify_universe as verify_universe,
)
from .recomputation import (
    recompute_forecasts as recompute_forecasts,
    recompute_ledger as recompute_ledger,
)
from .universe import (
    for_each_symbol as for_each_symbol,
)
from .given_forecasts import (
    evaluate_forecasts as evaluate_forecasts,
    GivenCard as GivenCard,
    import_file as import_file,
)
from .panel_evaluation import (
    evaluate_panel as evaluate_panel,
    evaluate_universe as evaluate_universe,
)
from .backtest_inputs import (
    StrategyFailed as StrategyFailed,
)
from .backtest import (
    backtest_universe as backtest_universe,
    BacktestTerms as BacktestTerms,
    LookAheadRefused as LookAheadRefused,
    UniverseBacktest as UniverseBacktest,
)
from .kept_backtests import (
    keep_backtest as keep_backtest,
    kept_backtest as kept_backtest,
)
from .paper import (
    keep_paper as keep_paper,
    PAPER as PAPER,
    paper_universe as paper_universe,
    PaperBook as PaperBook,
)
from .paper_standing import (
    orders_table as orders_table,
    book_standing as book_standing,
    PaperStanding as PaperStanding,
    positions_table as positions_table,
    standing_at as standing_at,
    trades_table as trades_table,
)
from .training_results import (
    run_results as run_results,
)
from .training import (
    TrainingJob as TrainingJob,
    TrainingReport as TrainingReport,
)
from .model_trainer import (
    EnhancedModelTrainer as EnhancedModelTrainer,
    tune_job as tune_job,
)
from .drift_check import (
    check_day as check_day,
    DayCheck as DayCheck,
    DriftWindows as DriftWindows,
    sectors_of_home as sectors_of_home,
    watch_day as watch_day,
)
from .universe_drift import (
    check_universe as check_universe,
    watch_universe as watch_universe,
)
from .live_sizing import (
    live_sizer as live_sizer,
)
from .daily_predictor import (
    AdvancedDailyPredictor as AdvancedDailyPredictor,
    BatchRecord as BatchRecord,
    DailyPredictions as DailyPredictions,
)
from .tuning import (
    nested_words as nested_words,
    tune_target as tune_target,
    Tuning as Tuning,
    tuning_task as tuning_task,
)
from .used_forecasts import (
    book_calibration as book_calibration,
    BookCalibration as BookCalibration,
)
from .logged_studies import (
    about_book as about_book,
    EQUAL_WEIGHT as EQUAL_WEIGHT,
    log_study as log_study,
    logged_study as logged_study,
    PANEL_STRATEGY as PANEL_STRATEGY,
    STUDIES as STUDIES,
)
from .ablation import (
    book_ablation as book_ablation,
    pool_ablation as pool_ablation,
    pool_parts as pool_parts,
)
from .search import (
    book_candidates as book_candidates,
    Candidate as Candidate,
    search_book as search_book,
)
from .scenarios import (
    log_scenarios as log_scenarios,
    strategy_scenarios as strategy_scenarios,
)
