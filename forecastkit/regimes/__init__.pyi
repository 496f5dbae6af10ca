"""Hidden Markov regimes by forward filtering, the twelve market states, and anomaly detection."""

from .detector import (
    regime_history as regime_history,
    regime_versions as regime_versions,
    Regime as Regime,
    RegimeDetector as RegimeDetector,
)
from .anomalies import (
    anomaly_history as anomaly_history,
    anomaly_versions as anomaly_versions,
    AnomalyDetector as AnomalyDetector,
    family_of as family_of,
    scores_by_anomaly as scores_by_anomaly,
    due_refits as due_refits,
)
from .market_states import (
    market_state_history as market_state_history,
    market_state_inputs as market_state_inputs,
    MarketStates as MarketStates,
    MARKET_STATES as MARKET_STATES,
    regime_12_classification as regime_12_classification,
    state_durations as state_durations,
)
from .state_outcomes import (
    market_state_map as market_state_map,
    market_state_strip as market_state_strip,
    market_state_table as market_state_table,
)
