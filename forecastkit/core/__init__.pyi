"""Errors, targets, settings, the experiment log and findings: what every district agrees on."""

from .errors import (
    canonical_json as canonical_json,
    canonical_symbol as canonical_symbol,
    code_version as code_version,
    confined as confined,
    DataError as DataError,
    DataQualityError as DataQualityError,
    DataWarning as DataWarning,
    digest as digest,
    FeatureDimensionError as FeatureDimensionError,
    KINDS as KINDS,
    ModelIntegrityError as ModelIntegrityError,
    ModelNotFoundError as ModelNotFoundError,
    plain as plain,
    PROBS as PROBS,
    REGIME_BOUNDS as REGIME_BOUNDS,
    SCORE_PROBS as SCORE_PROBS,
    SettingsError as SettingsError,
    Target as Target,
    vix_regime as vix_regime,
    VIX_REGIMES as VIX_REGIMES,
    write_atomic as write_atomic,
)
from .settings import (
    LiveSettings as LiveSettings,
    load_settings as load_settings,
    read_value as read_value,
    Settings as Settings,
)
from .experiments import (
    ExperimentLog as ExperimentLog,
    shipped_log as shipped_log,
    trials_text as trials_text,
    variants_tried as variants_tried,
)
from .findings import (
    Finding as Finding,
    html_table as html_table,
    Report as Report,
    shown as shown,
    STYLE as STYLE,
    write_page as write_page,
)
