"""From sources to stored forecasts: preparation, the integrated system, evaluation, verification, universes."""

from .loading import (
    as_stored as as_stored,
    fetch as fetch,
    live_words as live_words,
    missing_runs as missing_runs,
    open_market as open_market,
    require as require,
    update as update,
)
from .preparation import (
    needed_series as needed_series,
    prepare as prepare,
    Prepared as Prepared,
)
from .daily import (
    Day as Day,
)
from .system import (
    forecast as forecast,
    IntegratedSystem as IntegratedSystem,
    series_fed as series_fed,
    series_wanted as series_wanted,
)
from .verification import (
    verify as verify,
    verify_function as verify_function,
)
from .evaluation import (
    evaluate as evaluate,
)
from .universe import (
    for_each_symbol as for_each_symbol,
    forecast_universe as forecast_universe,
)
