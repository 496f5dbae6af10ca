"""Costs, prices, orders and their execution, books that balance, and backtests."""

from .limits import (
    Limits as Limits,
    optimal_weights as optimal_weights,
)
from .costs import (
    CostModel as CostModel,
    FillCosts as FillCosts,
)
from .prices import (
    PriceBlocks as PriceBlocks,
)
from .orders import (
    Order as Order,
    OrderBlocks as OrderBlocks,
    Reject as Reject,
    order_blocks as order_blocks,
    refuse_index as refuse_index,
)
from .execution import (
    FillRules as FillRules,
)
from .books import (
    Books as Books,
    Fills as Fills,
)
from .portfolio import (
    Holdings as Holdings,
    Portfolio as Portfolio,
    simulate as simulate,
)
from .sizing import (
    BREAKER as BREAKER,
    breaker_pauses as breaker_pauses,
    kelly_fraction as kelly_fraction,
    PEAK_WINDOW as PEAK_WINDOW,
    pause_reason as pause_reason,
    PositionSizer as PositionSizer,
)
from .results import (
    BacktestResult as BacktestResult,
    se_text as se_text,
)
from .backtest import (
    BacktestEngine as BacktestEngine,
    benchmark_decisions as benchmark_decisions,
    DecisionRule as DecisionRule,
    ForecastFunction as ForecastFunction,
    run_decisions as run_decisions,
    settle_session as settle_session,
    Sizer as Sizer,
    stops_kind as stops_kind,
)
from .sweeps import (
    moving_average_pairs as moving_average_pairs,
    sweep as sweep,
    Sweep as Sweep,
)
from .kept_results import (
    keep_result as keep_result,
    kept_result as kept_result,
)
from .accounts import (
    account_state as account_state,
    AccountState as AccountState,
    books_of as books_of,
    in_new_shares as in_new_shares,
    restated as restated,
    resume as resume,
    session_entries as session_entries,
    SessionEntries as SessionEntries,
)
from .order_files import (
    read_orders as read_orders,
)
from .nested_choice import (
    nested_search as nested_search,
    NestedSearch as NestedSearch,
    OuterFold as OuterFold,
    sweep_returns as sweep_returns,
)
from .scenarios import (
    ANNOUNCED as ANNOUNCED,
    KNOWN_UNTIL as KNOWN_UNTIL,
    OUT_OF_REACH as OUT_OF_REACH,
    REPLAYS as REPLAYS,
    ScenarioLimits as ScenarioLimits,
    ScenarioReport as ScenarioReport,
    ScenarioResult as ScenarioResult,
    ScenarioTester as ScenarioTester,
    shock_correlation as shock_correlation,
    shock_prices as shock_prices,
    shock_volatility as shock_volatility,
    state_path as state_path,
)
