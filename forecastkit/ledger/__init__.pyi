"""The append-only, hash-chained database of forecasts and outcomes."""

from .schema import (
    CHAIN as CHAIN,
    CHAINED as CHAINED,
    ALERT_EVENTS as ALERT_EVENTS,
    API_COUNTS as API_COUNTS,
    API_JOBS as API_JOBS,
    API_KEYS as API_KEYS,
    DELIVERIES as DELIVERIES,
    DRIFT as DRIFT,
    JOB_EVENTS as JOB_EVENTS,
    UNCHAINED as UNCHAINED,
    HORIZONS as HORIZONS,
    METADATA as METADATA,
    OUTCOMES as OUTCOMES,
    VERSION_LINES as VERSION_LINES,
    MODELS as MODELS,
    PAUSES as PAUSES,
    IMPORTS as IMPORTS,
    SHADOW_EVENTS as SHADOW_EVENTS,
    SNAPSHOTS as SNAPSHOTS,
    UNCOPIED as UNCOPIED,
    VIEWS as VIEWS,
    PREDICTIONS as PREDICTIONS,
    TRAINING_EVENTS as TRAINING_EVENTS,
    TRAINING_RESULTS as TRAINING_RESULTS,
    PROMOTIONS as PROMOTIONS,
)
from .engine import (
    chained_tables as chained_tables,
    configure_sqlite as configure_sqlite,
    creation_lock as creation_lock,
    definitions as definitions,
    display_url as display_url,
    fetch as fetch,
    connect_read_only as connect_read_only,
    database_file as database_file,
    file_url as file_url,
    held_tables as held_tables,
    known_definitions as known_definitions,
    open_database as open_database,
    parse_database_url as parse_database_url,
    transaction as transaction,
    upgrade as upgrade,
    VERSION_TABLE as VERSION_TABLE,
    server_unavailable as server_unavailable,
    with_retry as with_retry,
)
from .chain import (
    append as append,
    broken_chains as broken_chains,
    chain_end as chain_end,
    chain_ends as chain_ends,
    Ends as Ends,
)
from .database import (
    PredictionDatabase as PredictionDatabase,
    as_date as as_date,
    read_predictions as read_predictions,
    select_predictions as select_predictions,
    stored_targets as stored_targets,
)
from .exports import (
    ledger_table as ledger_table,
    ledger_tables as ledger_tables,
    write_csv as write_csv,
    write_parquet as write_parquet,
)
from .horizons import (
    horizon_tables as horizon_tables,
    store_horizons as store_horizons,
    stored_horizons as stored_horizons,
)
from .records import (
    check_made_after as check_made_after,
    TIMELINESS as TIMELINESS,
    timeliness_of as timeliness_of,
)
from .rescoring import (
    rescore as rescore,
)
from .audit import (
    absent_heads as absent_heads,
    Audit as Audit,
    audit_ledger as audit_ledger,
    ledger_ends as ledger_ends,
    read_checked as read_checked,
    write_checked as write_checked,
)
from .pauses import (
    active_pauses as active_pauses,
    add_pause as add_pause,
    keep_pause as keep_pause,
    keep_pause_in as keep_pause_in,
    lift_pause as lift_pause,
    pauses_in as pauses_in,
    stored_pauses as stored_pauses,
)
from .imports import (
    import_forecasts as import_forecasts,
    import_line as import_line,
    Imported as Imported,
    imported_forecasts as imported_forecasts,
)
from .listing import (
    horizon_rows as horizon_rows,
    LEDGER_COLUMNS as LEDGER_COLUMNS,
    ledger_rows as ledger_rows,
)
from .paper import (
    lock_paper as lock_paper,
    paper_days as paper_days,
    paper_equities as paper_equities,
    paper_opening as paper_opening,
    paper_problems as paper_problems,
    paper_rows as paper_rows,
    paper_summaries as paper_summaries,
    PaperRow as PaperRow,
    write_paper as write_paper,
)
from .reader import (
    open_reader as open_reader,
)
