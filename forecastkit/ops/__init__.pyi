"""Model registry, backups and restores, the loader of stored models, job runs, alerts and their outbox."""

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
from .alert_sinks import (
    AppriseSink as AppriseSink,
    FileSink as FileSink,
    Message as Message,
    SEVERITIES as SEVERITIES,
    Sink as Sink,
    sink_of as sink_of,
    sink_reference as sink_reference,
    sinks_of as sinks_of,
)
from .alerts import (
    acknowledge_alert as acknowledge_alert,
    acknowledge_alerts as acknowledge_alerts,
    Alert as Alert,
    AlertPolicy as AlertPolicy,
    keep_alerts as keep_alerts,
    queue_untold as queue_untold,
    open_alerts as open_alerts,
    stored_alerts as stored_alerts,
    StoredAlert as StoredAlert,
)
from .outbox import (
    deliver_alerts as deliver_alerts,
    DeliveryReport as DeliveryReport,
)
from .job_runs import (
    JobRun as JobRun,
    failed_jobs as failed_jobs,
    missed_job as missed_job,
    recorded_job as recorded_job,
    stored_jobs as stored_jobs,
    vendor_alerts as vendor_alerts,
    vendor_counts as vendor_counts,
)
from .lines import (
    Champion as Champion,
    house_line as house_line,
    Line as Line,
    line_target as line_target,
    LineTarget as LineTarget,
    OWN_MODEL as OWN_MODEL,
    PANEL_KEY as PANEL_KEY,
    parsed_key as parsed_key,
    stored_line as stored_line,
    target_key as target_key,
)
from .version_lines import (
    in_line as in_line,
    LineRegistry as LineRegistry,
    lines_of_versions as lines_of_versions,
    OWN_CODE_LINE as OWN_CODE_LINE,
    record_lines as record_lines,
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
    lines_served as lines_served,
    served_on as served_on,
)
from .ensemble_loader import (
    ModelLoader as ModelLoader,
    ProductionEnsemble as ProductionEnsemble,
    told_weights as told_weights,
    untrained_ensemble as untrained_ensemble,
    version_info as version_info,
    version_records as version_records,
    VersionRecord as VersionRecord,
)
from .performance import (
    outcome_measures as outcome_measures,
    rolling_performance as rolling_performance,
)
from .monitoring import (
    RECORDED_RULES as RECORDED_RULES,
    recorded_alerts as recorded_alerts,
    decayed_lines as decayed_lines,
    checked_symbols as checked_symbols,
    drift_this_week as drift_this_week,
    latest_performance as latest_performance,
    measured_performance as measured_performance,
    monitor as monitor,
    MonitorReport as MonitorReport,
    judge_targets as judge_targets,
    JudgedTarget as JudgedTarget,
    performance_table as performance_table,
    read_monitor as read_monitor,
    recent_forecasts as recent_forecasts,
    store_drift as store_drift,
    store_performance as store_performance,
    thin_measurements as thin_measurements,
    view_table as view_table,
)
from .model_monitor import (
    DecayRule as DecayRule,
    DegradationReport as DegradationReport,
    judge_decay as judge_decay,
    ModelMonitor as ModelMonitor,
    replay_decay as replay_decay,
    rolling_measures as rolling_measures,
)
from .drift_watch import (
    forecast_columns as forecast_columns,
    plot_drift as plot_drift,
)
from .retention import (
    prune_models as prune_models,
    PruneReport as PruneReport,
    retire_stale_lines as retire_stale_lines,
    stale_lines as stale_lines,
    StaleLine as StaleLine,
)
from .promotion_rules import (
    begin_trial as begin_trial,
    promote_by_rule as promote_by_rule,
)
from .shadow import (
    arm_of as arm_of,
    create_shadow_deployment as create_shadow_deployment,
    OtherArm as OtherArm,
    paired_origins as paired_origins,
    ShadowDeployment as ShadowDeployment,
    stop_shadow_deployment as stop_shadow_deployment,
    store_arms as store_arms,
    stored_deployments as stored_deployments,
)
from .shadow_verdicts import (
    describe_shadow as describe_shadow,
    evaluate_shadow_deployments as evaluate_shadow_deployments,
    plot_shadow as plot_shadow,
    read_shadow_deployment as read_shadow_deployment,
    ShadowReading as ShadowReading,
)
from .line_rules import (
    apply_line_rules as apply_line_rules,
    line_decay as line_decay,
    lines_to_retire as lines_to_retire,
    RulesReport as RulesReport,
)
from .tuning_storage import (
    open_tuning_storage as open_tuning_storage,
    require_optuna as require_optuna,
    tuning_address as tuning_address,
)
from .tuning_tasks import (
    block_means as block_means,
    Fold as Fold,
    fold_losses as fold_losses,
    MODEL_CONFIGS as MODEL_CONFIGS,
    ModelConfig as ModelConfig,
    ModelConfigs as ModelConfigs,
    register_target as register_target,
    tuning_folds as tuning_folds,
    tuning_task_of as tuning_task_of,
    TuningTask as TuningTask,
)
from .tuning import (
    nested_gain as nested_gain,
    new_sampler as new_sampler,
    open_study as open_study,
    optimize_hyperparameters as optimize_hyperparameters,
    OuterFolds as OuterFolds,
    run_trials as run_trials,
    Search as Search,
    tuned_line as tuned_line,
)
from .parallel_tuning import (
    add_tickets as add_tickets,
    best_params_of as best_params_of,
    ParallelOptimizer as ParallelOptimizer,
    ticket_states as ticket_states,
    TuningWork as TuningWork,
    work_on as work_on,
)
