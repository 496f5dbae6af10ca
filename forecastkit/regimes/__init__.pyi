"""Hidden Markov regimes by forward filtering, and anomaly detection."""

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
