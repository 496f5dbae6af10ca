"""The face of forecastkit: what most users need, and the districts below it."""

from . import core as core
from . import metrics as metrics
from . import forecasts as forecasts
from . import calendars as calendars
from . import data as data
from . import vendors as vendors
from . import features as features
from . import regimes as regimes
from . import models as models
from . import evaluation as evaluation
from . import trading as trading
from . import ledger as ledger
from . import ops as ops
from . import pipeline as pipeline
from . import reports as reports
from . import web as web
from . import cli as cli
from .core import Target as Target, load_settings as load_settings
from .forecasts import Forecast as Forecast
from .data import (
    MarketData as MarketData,
    load_market as load_market,
    synthetic_market as synthetic_market,
)
from .features import FeatureEngine as FeatureEngine
from .regimes import AnomalyDetector as AnomalyDetector, RegimeDetector as RegimeDetector
from .models import (
    ConfidenceCalibrator as ConfidenceCalibrator,
    DirectionEnsemble as DirectionEnsemble,
    MetaLearner as MetaLearner,
    PanelForecaster as PanelForecaster,
    ProbabilisticForecaster as ProbabilisticForecaster,
)
from .evaluation import audit as audit
from .trading import BacktestEngine as BacktestEngine, PositionSizer as PositionSizer
from .ledger import PredictionDatabase as PredictionDatabase
from .ops import ModelRegistry as ModelRegistry
from .pipeline import (
    IntegratedSystem as IntegratedSystem,
    evaluate as evaluate,
    forecast as forecast,
    forecast_universe as forecast_universe,
    verify as verify,
)

__version__: str
