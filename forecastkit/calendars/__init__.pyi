"""Exchange sessions_in_range, releases of macro series, FOMC meetings, expiries and cohorts."""

from .releases import (
    calendar_of as calendar_of,
    release_of as release_of,
    ROUND_THE_CLOCK as ROUND_THE_CLOCK,
)
from .sessions import (
    as_session as as_session,
    closes as closes,
    Date as Date,
    Days as Days,
    exchange as exchange,
    known_outcomes as known_outcomes,
    leading_to as leading_to,
    offset as offset,
    opens as opens,
    outcomes as outcomes,
    positions as positions,
    refit_sessions as refit_sessions,
    session_number as session_number,
    session_on_or_before as session_on_or_before,
    sessions_in_range as sessions_in_range,
    shifted_runs as shifted_runs,
    target_sessions as target_sessions,
    timetable as timetable,
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
