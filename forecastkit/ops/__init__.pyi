"""Model registry, backups and restores."""

from .registry import (
    damaged_models as damaged_models,
    load_panel as load_panel,
    model_problems as model_problems,
    model_version as model_version,
    ModelRegistry as ModelRegistry,
)
from .backups import (
    back_up as back_up,
    BackupContents as BackupContents,
    restore as restore,
)
