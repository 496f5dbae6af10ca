"""How features are declared, computed and cached; the features of the VIX, of stocks, of panels and of the regime model."""

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
from .panel_bars import (
    PanelFeature as PanelFeature,
)
from .panel import (
    calculate_all_features as calculate_all_features,
    compute_panel as compute_panel,
    panel_features as panel_features,
)
from .panel_earnings import (
    earnings_panel_features as earnings_panel_features,
)
from .regime import (
    FeatureCalculator as FeatureCalculator,
    FeatureSet as FeatureSet,
    regime_features as regime_features,
)
