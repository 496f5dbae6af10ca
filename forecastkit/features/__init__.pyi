"""How features are declared, computed and cached; the features of the VIX, of stocks, of panels and of the regime model."""

from .frames import (
    checked_features as checked_features,
    checked_outcomes as checked_outcomes,
)
from .base import (
    Declaration as Declaration,
    catalogue as catalogue,
    compute_features as compute_features,
    Feature as Feature,
    ColumnCache as ColumnCache,
)
from .cache import (
    FeatureCache as FeatureCache,
)
from .quality import (
    quality_column as quality_column,
    QualityFlags as QualityFlags,
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
    TICKER as TICKER,
    PanelFeature as PanelFeature,
)
from .panel_inputs import (
    membership as membership,
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
from .research import (
    CROSS_ASSETS as CROSS_ASSETS,
    after_hours_volume_pct as after_hours_volume_pct,
    breadth_rotation as breadth_rotation,
    breakout_fingerprints as breakout_fingerprints,
    cross_asset_correlation as cross_asset_correlation,
    cross_asset_history as cross_asset_history,
    dark_pool_history as dark_pool_history,
    dark_pool_ratio as dark_pool_ratio,
    pre_breakout_fingerprint as pre_breakout_fingerprint,
    quiet_volume_share as quiet_volume_share,
)
from .supply_chain import (
    customer_shares as customer_shares,
    CustomerShare as CustomerShare,
    read_links as read_links,
    supply_chain_leads as supply_chain_leads,
)
from .panel_quality import (
    Doubt as Doubt,
    least_left as least_left,
    ticker_doubts as ticker_doubts,
    with_doubts as with_doubts,
)
from .user_features import (
    user_code as user_code,
    user_code_digest as user_code_digest,
    wants_symbol as wants_symbol,
    USER_FAMILY as USER_FAMILY,
    user_feature as user_feature,
)
from .plots import (
    plot_feature_pairs as plot_feature_pairs,
)
