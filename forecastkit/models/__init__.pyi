"""Baselines, quantile models, their pool, width calibration, and the probabilistic forecaster."""

from .shapes import (
    changed_fields as changed_fields,
    parse_shape as parse_shape,
    PoolShape as PoolShape,
    shape_text as shape_text,
    tree_params as tree_params,
)
from .base import (
    crps_scorer as crps_scorer,
    QuantileModel as QuantileModel,
    Recipe as Recipe,
    STOCK_RECIPE as STOCK_RECIPE,
    VOLATILITY_RECIPE as VOLATILITY_RECIPE,
)
from .baselines import (
    AR1 as AR1,
    ar1_quantiles as ar1_quantiles,
    Climatology as Climatology,
    climatology_quantiles as climatology_quantiles,
    HAR_RECIPE as HAR_RECIPE,
    HAR_STOCK_RECIPE as HAR_STOCK_RECIPE,
    HARLocationScale as HARLocationScale,
    rise_frequency as rise_frequency,
    transition_probabilities as transition_probabilities,
)
from .quantile_regression import (
    LinearQuantile as LinearQuantile,
)
from .boosting import (
    BoostedResidual as BoostedResidual,
)
from .forest import (
    QuantileForest as QuantileForest,
)
from .garch import (
    GARCHHAR as GARCHHAR,
)
from .pool import (
    linear_pool as linear_pool,
    weights_in_words as weights_in_words,
)
from .calibration import (
    calibrate as calibrate,
)
from .confidence import (
    confidence_reliability as confidence_reliability,
    direction_shares as direction_shares,
    panel_share as panel_share,
    shrunk_chance as shrunk_chance,
)
from .forecaster import (
    default_members as default_members,
    member_label as member_label,
    ProbabilisticForecaster as ProbabilisticForecaster,
    recipe_for as recipe_for,
)
from .cohort_models import (
    CohortForecaster as CohortForecaster,
    train_cohort_models as train_cohort_models,
)
from .panel_calibration import (
    calibrate_panel as calibrate_panel,
)
from .panel import (
    PanelForecaster as PanelForecaster,
)
from .panel_baselines import (
    garch_volatility as garch_volatility,
    panel_climatology as panel_climatology,
    scaled_quantiles as scaled_quantiles,
)
from .explanations import (
    explain as explain,
    explain_model as explain_model,
    Explanation as Explanation,
    Explanations as Explanations,
    ExplanationTable as ExplanationTable,
    join_explanations as join_explanations,
    Nulls as Nulls,
    permutation_null as permutation_null,
)
from .online_weights import (
    fixed_share_weights as fixed_share_weights,
    log_losses as log_losses,
    switching_bound as switching_bound,
    updated_weights as updated_weights,
)
from .metalearner import (
    AgreementMap as AgreementMap,
    Claims as Claims,
    EDGE as EDGE,
    fit_agreement as fit_agreement,
    MetaLearner as MetaLearner,
    SIGNALS as SIGNALS,
    STATE_WEIGHTS as STATE_WEIGHTS,
)
from .direction_classifiers import (
    ArimaDirection as ArimaDirection,
    direction_members as direction_members,
    DriftOverScale as DriftOverScale,
)
from .direction import (
    DirectionEnsemble as DirectionEnsemble,
    Directions as Directions,
)
from .purged_folds import (
    LEAST_SESSIONS as LEAST_SESSIONS,
    purged_walk as purged_walk,
    require_purged as require_purged,
    require_whole as require_whole,
    session_places as session_places,
)
from .user_members import (
    ResidualQuantiles as ResidualQuantiles,
    user_member as user_member,
    UserMember as UserMember,
)
from .confidence_calibrator import (
    ConfidenceCalibrator as ConfidenceCalibrator,
    folded_chances as folded_chances,
    LEAST_APART as LEAST_APART,
    NOT_ENOUGH as NOT_ENOUGH,
    sessions_apart as sessions_apart,
    supported_calibrator as supported_calibrator,
)
from .prediction_intervals import (
    PredictionIntervals as PredictionIntervals,
)
from .multi_target import (
    MultiTarget as MultiTarget,
    outcome_targets as outcome_targets,
)
from .risk_score import (
    DRIFT_ROWS as DRIFT_ROWS,
    KNOWN_ROWS as KNOWN_ROWS,
    learn_risk as learn_risk,
    log_width_ratio as log_width_ratio,
    member_disagreement as member_disagreement,
    movers_drift as movers_drift,
    risk_correlations as risk_correlations,
    risk_deciles as risk_deciles,
    RISK_PARTS as RISK_PARTS,
    risk_record as risk_record,
    RiskModel as RiskModel,
    shipped_risk_model as shipped_risk_model,
)
from .held_out_regimes import (
    regime_folds as regime_folds,
    regime_losses as regime_losses,
    RegimeFold as RegimeFold,
)
from .search_spaces import (
    BOOSTING_SPACE as BOOSTING_SPACE,
    DIRECTION_SPACE as DIRECTION_SPACE,
    make_boosting as make_boosting,
    make_direction as make_direction,
    make_panel as make_panel,
    make_pool as make_pool,
    ModelTerms as ModelTerms,
    PANEL_SPACE as PANEL_SPACE,
    SearchParameter as SearchParameter,
    POOL_SPACE as POOL_SPACE,
    pool_shape as pool_shape,
    SearchSpace as SearchSpace,
    STOCK_SPACE as STOCK_SPACE,
)
