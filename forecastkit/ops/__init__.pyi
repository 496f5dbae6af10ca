"""Model registry, backups and restores, and the loader of stored models."""

from .registry import (
    damaged_models as damaged_models,
    load_panel as load_panel,
    model_problems as model_problems,
    model_version as model_version,
    ModelRegistry as ModelRegistry,
)
from .training_runs import (
    artifact_hash as artifact_hash,
    begin_runs as begin_runs,
    close_lost_runs as close_lost_runs,
    end_run as end_run,
    latest_run as latest_run,
    latest_training_runs as latest_training_runs,
    process_name as process_name,
    stored_training_runs as stored_training_runs,
    TrainingRun as TrainingRun,
)
from .backups import (
    back_up as back_up,
    BackupContents as BackupContents,
    restore as restore,
)
from .lines import (
    Champion as Champion,
    house_line as house_line,
    Line as Line,
    line_target as line_target,
    LineTarget as LineTarget,
    PANEL_KEY as PANEL_KEY,
    parsed_key as parsed_key,
    stored_line as stored_line,
    target_key as target_key,
)
from .promotions import (
    champion as champion,
    pin as pin,
    promote as promote,
    Promotion as Promotion,
    promotion_head as promotion_head,
    register_line as register_line,
    retire as retire,
    rollback as rollback,
    Standing as Standing,
    standing as standing,
    stored_promotions as stored_promotions,
)
from .served import (
    served_on as served_on,
)
from .ensemble_loader import (
    ModelLoader as ModelLoader,
    ProductionEnsemble as ProductionEnsemble,
    untrained_ensemble as untrained_ensemble,
    version_info as version_info,
    version_records as version_records,
    VersionRecord as VersionRecord,
)
