"""Exchange sessions, releases of macro series, FOMC meetings, expiries, earnings and cohorts."""

from .sessions import (
    Calendar as Calendar,
    Date as Date,
    Days as Days,
    get_calendar as get_calendar,
    NEW_YORK as NEW_YORK,
    sessions_of as sessions_of,
)
from .releases import (
    add_releases as add_releases,
    calendar_of as calendar_of,
    release_of as release_of,
    ROUND_THE_CLOCK as ROUND_THE_CLOCK,
)
from .expiries import (
    monthly_expiries as monthly_expiries,
    vix_expiries as vix_expiries,
)
from .fomc import (
    all_meetings as all_meetings,
    fomc_table as fomc_table,
    parse_meetings_page as parse_meetings_page,
    read_meetings as read_meetings,
    save_meetings as save_meetings,
)
from .earnings import (
    EARNINGS_FILE as EARNINGS_FILE,
    earnings_csv as earnings_csv,
    earnings_features as earnings_features,
    earnings_table as earnings_table,
    earnings_blocks as earnings_blocks,
    next_reports as next_reports,
    reaction_mask as reaction_mask,
    read_earnings as read_earnings,
    save_earnings as save_earnings,
    saved_earnings as saved_earnings,
    reported_dates as reported_dates,
    reported_moments as reported_moments,
    results_within as results_within,
    scheduled_dates as scheduled_dates,
)
from .cohorts import (
    calendar_ahead as calendar_ahead,
    calendar_cohorts as calendar_cohorts,
    calendar_features as calendar_features,
    cohort_weights as cohort_weights,
    COHORT_WORDS as COHORT_WORDS,
    COHORTS as COHORTS,
)
