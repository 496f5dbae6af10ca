"""Model registry, backups and restores."""

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
