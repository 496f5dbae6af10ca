"""Baselines, quantile models, their pool, width calibration, and the probabilistic forecaster."""

from .baselines import (
    AR1 as AR1,
    ar1_quantiles as ar1_quantiles,
    Climatology as Climatology,
    climatology_quantiles as climatology_quantiles,
    HAR_RECIPE as HAR_RECIPE,
    HAR_STOCK_RECIPE as HAR_STOCK_RECIPE,
    HARLocationScale as HARLocationScale,
    QuantileModel as QuantileModel,
    Recipe as Recipe,
    rise_frequency as rise_frequency,
    STOCK_RECIPE as STOCK_RECIPE,
    transition_probabilities as transition_probabilities,
    VOLATILITY_RECIPE as VOLATILITY_RECIPE,
)
from .garch import (
    GARCHHAR as GARCHHAR,
)
from .boosting import (
    BoostedResidual as BoostedResidual,
    LinearQuantile as LinearQuantile,
)
from .forest import (
    QuantileForest as QuantileForest,
)
from .pool import (
    linear_pool as linear_pool,
)
from .calibration import (
    calibrate as calibrate,
)
from .forecaster import (
    ProbabilisticForecaster as ProbabilisticForecaster,
)
