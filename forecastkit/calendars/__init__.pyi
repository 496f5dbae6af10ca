"""Exchange sessions, releases of macro series, FOMC meetings, expiries and cohorts."""

from .sessions import (
    Calendar as Calendar,
    Date as Date,
    Days as Days,
    get_calendar as get_calendar,
    NEW_YORK as NEW_YORK,
)
from .releases import (
    calendar_of as calendar_of,
    release_of as release_of,
    ROUND_THE_CLOCK as ROUND_THE_CLOCK,
)
from .cohorts import (
    calendar_ahead as calendar_ahead,
    calendar_cohorts as calendar_cohorts,
    calendar_features as calendar_features,
    cohort_weights as cohort_weights,
    COHORT_WORDS as COHORT_WORDS,
    COHORTS as COHORTS,
    fomc_table as fomc_table,
    vix_expiries as vix_expiries,
)
from .meetings import (
    all_meetings as all_meetings,
    keep_meetings as keep_meetings,
    page_meetings as page_meetings,
    read_meetings as read_meetings,
)
