"""The append-only, hash-chained database of forecasts and outcomes."""

from .schema import (
    CHAIN as CHAIN,
    CHAINED as CHAINED,
    METADATA as METADATA,
    MODELS as MODELS,
)
from .engine import (
    display_url as display_url,
    fetch as fetch,
    open_database as open_database,
    parse_database_url as parse_database_url,
    transaction as transaction,
    upgrade as upgrade,
    VERSION_TABLE as VERSION_TABLE,
    with_retry as with_retry,
)
from .chain import (
    append as append,
    broken_chains as broken_chains,
    chain_end as chain_end,
)
from .database import (
    PredictionDatabase as PredictionDatabase,
)
from .exports import (
    ledger_table as ledger_table,
    write_csv as write_csv,
    write_parquet as write_parquet,
)
from .audit import (
    audit_ledger as audit_ledger,
    rescore as rescore,
)
