"""Point-in-time market data: formats, sources, store, snapshots, checks, splits."""

from .layouts import (
    NA_STRINGS as NA_STRINGS,
    parse_days as parse_days,
    detect_layout as detect_layout,
)
from .timeframes import (
    load_bars as load_bars,
    read_bars as read_bars,
    resample as resample,
    TIMEFRAMES as TIMEFRAMES,
)
from .history import (
    FOREVER as FOREVER,
)
from .market import (
    MarketData as MarketData,
    Repair as Repair,
    repair_bars as repair_bars,
)
from .checks import (
    ended_faults as ended_faults,
    jump_faults as jump_faults,
    price_doubts as price_doubts,
    split_steps as split_steps,
    stale_faults as stale_faults,
)
from .frames import (
    clean_series as clean_series,
    read_frame as read_frame,
    Reading as Reading,
    repair_notes as repair_notes,
)
from .synthetic import (
    synthetic_market as synthetic_market,
)
from .folders import (
    FolderSource as FolderSource,
)
from .sources import (
    STOCKS as STOCKS,
    load_market as load_market,
    open_source as open_source,
    open_sources as open_sources,
    Openers as Openers,
    SampleSource as SampleSource,
    Source as Source,
    source_table as source_table,
)
from .store import (
    REVISION_TOLERANCE as REVISION_TOLERANCE,
    Store as Store,
)
from .snapshots import (
    freeze_snapshot as freeze_snapshot,
    list_snapshots as list_snapshots,
    SnapshotSource as SnapshotSource,
    stored_sources as stored_sources,
)
from .health import (
    health_report as health_report,
    HealthReport as HealthReport,
    market_health as market_health,
    write_health as write_health,
)
from .splits import (
    assert_no_leak as assert_no_leak,
    ExpandingSplit as ExpandingSplit,
    PurgedKFold as PurgedKFold,
)
from .bar_clock import (
    BarClock as BarClock,
    bars_of_sessions as bars_of_sessions,
    MOST_BARS as MOST_BARS,
    next_bars as next_bars,
    session_slots as session_slots,
    STEP_CALENDAR as STEP_CALENDAR,
)
