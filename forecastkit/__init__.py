"""Calibrated probability forecasts of markets: made before the outcome, scored after it, checkable at every step.

Modules:

- `forecastkit.core`: What does the whole house agree on before it touches a number?
- `forecastkit.scores`: A number that says how far a probability forecast was from what happened, and how sure that number is.
- `forecastkit.settings`: Which settings are in force, where did each come from, and is every one of them allowed?"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FACE = {
    "forecast": "system",
    "IntegratedSystem": "system",
    "Forecast": "forecasts",
    "Target": "core",
    "load_settings": "settings",
    "load_market": "sources",
    "MarketData": "market",
    "synthetic_market": "synthetic",
    "FeatureEngine": "volatility_features",
    "RegimeDetector": "regimes",
    "ProbabilisticForecaster": "forecaster",
    "PredictionDatabase": "database",
}
__all__ = ["__version__", *_FACE]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module 'forecastkit' has no attribute {name!r}")
    return getattr(import_module(f"forecastkit.{_FACE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
