"""How features are declared, computed and cached; the features of the VIX, of stocks and of the regime model."""

from .frames import (
    checked_features as checked_features,
    checked_outcomes as checked_outcomes,
)
from .base import (
    catalogue as catalogue,
    compute_features as compute_features,
    Feature as Feature,
    ColumnCache as ColumnCache,
)
from .cache import (
    FeatureCache as FeatureCache,
)
from .quality import (
    TemporalValidator as TemporalValidator,
)
from .volatility import (
    FeatureEngine as FeatureEngine,
    volatility_features as volatility_features,
)
from .stock import (
    stock_features as stock_features,
)
from .regime import (
    FeatureCalculator as FeatureCalculator,
    FeatureSet as FeatureSet,
    regime_features as regime_features,
)
