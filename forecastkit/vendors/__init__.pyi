"""Live vendors of market data, and the download of a universe into the store."""

from .base import (
    FED as FED,
    fomc_page as fomc_page,
    LiveSource as LiveSource,
)
from .download import (
    download_universe as download_universe,
    last_closed as last_closed,
    Outcome as Outcome,
    read_universe as read_universe,
    Report as Report,
    universe_of as universe_of,
)
from .catalogue import (
    client_of as client_of,
    open_live as open_live,
    WORDS as WORDS,
)
