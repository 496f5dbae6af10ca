"""Live vendors of market data, and the download of a universe into the store."""

from .base import (
    LiveSource as LiveSource,
)
from .fred import (
    FOMC_PAGE_URL as FOMC_PAGE_URL,
    fomc_page as fomc_page,
)
from .edgar import (
    Edgar as Edgar,
)
from .yahoo import (
    yahoo_schedule as yahoo_schedule,
)
from .catalogue import (
    VENDORS as VENDORS,
    open_client as open_client,
    open_live as open_live,
)
from .download import (
    DownloadReport as DownloadReport,
    DownloadResult as DownloadResult,
    download_universe as download_universe,
    last_closed as last_closed,
)
from .universe import (
    read_universe as read_universe,
    universe_of as universe_of,
)
from .earnings import (
    EARNINGS_VENDORS as EARNINGS_VENDORS,
    EarningsFetch as EarningsFetch,
    fetch_earnings as fetch_earnings,
    open_earnings as open_earnings,
)
