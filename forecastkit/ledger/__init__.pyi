"""The append-only, hash-chained database of forecasts and outcomes."""

from .schema import (
    CHAIN as CHAIN,
    CHAINED as CHAINED,
    fetch as fetch,
    METADATA as METADATA,
    MODELS as MODELS,
    open_database as open_database,
    with_retry as with_retry,
    display_url as display_url,
    read_address as read_address,
    transaction as transaction,
    upgrade as upgrade,
    VERSION_TABLE as VERSION_TABLE,
)
from .database import (
    append as append,
    broken_chains as broken_chains,
    chain_end as chain_end,
    PredictionDatabase as PredictionDatabase,
)
from .exports import (
    ledger_table as ledger_table,
    write_csv as write_csv,
    write_parquet as write_parquet,
)
from .audit import (
    audit_ledger as audit_ledger,
)
