"Sessions: the calendar's facts against known ones, and its arithmetic against counting by hand."

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("1990-01-01", "2018-12-31")


@pytest.mark.parametrize(
    "day",
    [
        "1965-01-01",
        "1969-12-25",
        "1968-06-12",
        "1985-09-27",
        "2001-09-11",
        "2004-06-11",
        "2012-10-30",
        "2022-06-20",
        "2025-01-09",
    ],
)
def test_days_on_which_the_exchange_was_closed(day):
    assert not NYSE.is_session(day)
    with pytest.raises(DataError, match="the session before is"):
        NYSE.session(day)


@pytest.mark.parametrize("day", ["1962-01-02", "1970-01-02", "1990-01-02", "2001-09-17", "2018-12-31", "2022-06-17"])
def test_days_on_which_it_was_open(day):
    assert NYSE.session(day) == pd.Timestamp(day)
    assert NYSE.session(dt.date.fromisoformat(day)).unit == "us"


def test_the_volatility_index_was_computed_on_our_sessions(shared_data):
    rows = pd.DatetimeIndex(pd.read_csv(shared_data / "cboe" / "vix-daily.csv")["DATE"].astype("datetime64[us]"))
    assert set(rows) - set(DAYS) == {pd.Timestamp("2004-06-11")}
    missing = {"1991-03-01", "1997-01-31", "1997-11-26", "1999-12-31"}
    assert {f"{day:%Y-%m-%d}" for day in set(DAYS) - set(rows)} == missing


def test_half_days_and_summer_time_move_the_close():
    at = NYSE.closes_of(["2018-01-02", "2018-07-02", "2018-07-03", "2018-11-23"])
    assert list(at.hour) == [21, 20, 17, 18]
    assert list(NYSE.opens_of(["2018-01-02", "2018-07-02"]).hour) == [14, 13]
    assert list(get_calendar("24/7").closes_of(["2018-02-03"])) == [pd.Timestamp("2018-02-04", tz="UTC")]


def test_everything_is_in_microseconds_and_named():
    table = NYSE
    for index in (
        table.sessions,
        table.opens,
        table.closes,
        table.scheduled,
        table.adhoc,
        NYSE.target_sessions(DAYS[:3], 5),
    ):
        assert index.unit == "us"
    assert DAYS.name == table.sessions.name == table.scheduled.name == "session"
    assert (table.opens < table.closes).all()
    assert (table.closes[:-1] < table.opens[1:]).all()


@pytest.mark.parametrize("calendar", ["24/7", "XLON", "XTKS", "XSHG"])
def test_other_exchanges_and_their_bounds(calendar):
    calendar = get_calendar(calendar)
    table = calendar
    assert table.sessions.is_monotonic_increasing and table.sessions.is_unique
    assert table.sessions[-1].year >= dt.date.today().year
    # a closure between 1970 and today that the exchange's own calendar knows is put back, and nothing else
    assert set(calendar.scheduled) - set(table.sessions) == set(calendar.adhoc)
    since = table.sessions[table.sessions >= "1998"]
    assert list(since) == [day for day in calendar.exchange.sessions if day >= pd.Timestamp("1998")]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(DAYS) - 30), st.integers(-20, 25))
def test_offset_counts_what_a_finger_counts(at, n):
    at = max(at, 25)
    assert NYSE.offset(DAYS[at], n) == DAYS[at + n]
    assert NYSE.target_sessions(DAYS[[at]], abs(n))[0] == DAYS[at + abs(n)]
    assert NYSE.session_numbers([DAYS[at]])[0] == at


def test_positions_accept_any_order_unit_and_repetition():
    index = DAYS[[5, 3, 3, 9]]
    assert list(NYSE.positions(index.as_unit("ns")) - NYSE.positions(DAYS[:1])) == [5, 3, 3, 9]
    assert list(get_calendar("24/7").session_numbers(index)) == [
        (day - pd.Timestamp("1990-01-02")).days for day in index
    ]
    with pytest.raises(DataError, match="without time zone"):
        NYSE.positions(index.tz_localize("UTC"))
    with pytest.raises(DataError, match="weekend"):
        NYSE.positions(["2018-02-02", "2018-02-03"])


def test_days_before_and_after_the_calendar_are_refused():
    for day in ("1929-10-24", "2200-01-01"):
        with pytest.raises(DataError, match="outside the calendar"):
            NYSE.session(day)
        with pytest.raises(DataError, match="outside the calendar"):
            NYSE.positions([day])
    with pytest.raises(DataError):
        NYSE.on_or_before("1929-10-24")
    with pytest.raises(DataError, match="has ended"):
        NYSE.target_sessions([NYSE.sessions[-1]], 1)


@pytest.mark.parametrize(
    "bad", ["yesterday's", None, pd.NaT, 3.5e300, "2018-02-05 16:00", pd.Timestamp("2018-02-05", tz="UTC")]
)
def test_what_is_not_a_day_is_refused(bad):
    with pytest.raises(DataError):
        NYSE.session(bad)


def test_outcomes_equal_a_shift_where_nothing_is_missing_and_are_nan_where_it_is():
    rng = np.random.default_rng(1)
    close = pd.Series(np.exp(rng.normal(3, 0.3, 300)), DAYS[3000:3300])
    full = NYSE.outcomes(close, 5)
    plain = np.log(close).shift(-5) - np.log(close)
    pd.testing.assert_series_equal(full, plain, check_names=False)

    gone = close.index[[40, 41, 120]]
    holed = NYSE.outcomes(close.drop(gone), 5)
    assert holed[DAYS[3000 + np.array([35, 36, 115])]].isna().all()
    kept = holed.dropna()
    pd.testing.assert_series_equal(kept, full[kept.index])
    assert len(kept) == 300 - 5 - 3 - 3


def test_an_outcome_is_known_at_the_close_of_its_target_session_and_not_before():
    close = pd.Series(np.linspace(10, 20, 60), DAYS[2900:2960]).drop(DAYS[2930])
    x = NYSE.outcomes(close, 5)
    for as_of in DAYS[2900:2960:7]:
        known = NYSE.known_outcomes(x, as_of, 5)
        assert known.notna().all()
        by_hand = [origin for origin in x.dropna().index if NYSE.target_sessions([origin], 5)[0] <= as_of]
        assert list(known.index) == by_hand
        # the same from data cut at that session: nothing later was needed
        cut = NYSE.outcomes(close[close.index <= as_of], 5).dropna()
        pd.testing.assert_series_equal(known, cut)


def test_the_refit_grid_depends_on_the_calendar_alone():
    full = NYSE.refit_sessions(DAYS)
    assert full[0] == DAYS[0] and (NYSE.session_numbers(full) % 63 == 0).all() and len(full) == -(-len(DAYS) // 63)
    for start, stop in ((100, 101), (63, 127), (62, 63), (500, 4000)):
        part = NYSE.refit_sessions(DAYS[start:stop][::-1])
        assert part[0] == NYSE.grid_session(DAYS[start]) <= DAYS[start]
        assert list(part) == [g for g in full if part[0] <= g <= DAYS[stop - 1]]
    assert NYSE.grid_session("1980-06-02") <= pd.Timestamp("1980-06-02")
    assert len(NYSE.refit_sessions(DAYS[:0])) == 0


MOMENTS = {
    "2018-07-02 16:00": "2018-07-02",  # the close belongs to its session
    "2018-07-02 16:01": "2018-07-03",
    "2018-07-03 13:00": "2018-07-03",  # closed early
    "2018-07-03 13:01": "2018-07-05",
    "2018-07-07 12:00": "2018-07-09",
    "2001-09-12 10:00": "2001-09-17",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_session_a_moment_leads_up_to(moment):
    index = pd.DatetimeIndex([moment]).tz_localize("America/New_York")
    assert NYSE.sessions[NYSE.leading_to(index)][0] == pd.Timestamp(MOMENTS[moment])


def test_moments_outside_the_calendar_are_refused():
    with pytest.raises(DataError, match="after the calendar of XNYS"):
        NYSE.leading_to(pd.DatetimeIndex(["2118-01-01"], tz="UTC"))


@settings(max_examples=30, deadline=None)
@given(
    shift=st.sampled_from([-1, 0, 1]),
    start=st.integers(0, 7000),
    weeks=st.integers(4, 60),
    calendar=st.sampled_from(["XNYS", "XSAU"]),
)
def test_shifted_weeks_are_found_and_no_others(shift, start, weeks, calendar):
    "Also on an exchange that trades from Sunday to Thursday."
    calendar = get_calendar(calendar)
    days = calendar.sessions
    days = days[min(start, len(days) - 600) :][: 5 * weeks]
    early, late = calendar.shifted_runs(days + pd.Timedelta(days=shift))
    assert not (len(early) and shift != -1) and not (len(late) and shift != 1)
    if weeks > 8:
        assert len(early) + len(late) == 0 if shift == 0 else len(early) + len(late) > 3


def test_rows_on_every_day_are_not_shifted():
    assert [len(found) for found in NYSE.shifted_runs(pd.date_range("2018-01-01", "2018-12-31"))] == [0, 0]


@pytest.mark.parametrize("name", ["XTAE", "ASEX", "XBEL", "XBSE", "XCYS", "FOO", "", "fo", 5, None])
def test_a_calendar_that_cannot_be_had_is_refused_in_one_sentence(name):
    with pytest.raises(DataError, match="such as XNYS") as caught:
        get_calendar(name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 150


def test_the_code_of_an_exchange_may_be_written_in_lower_case():
    assert get_calendar("xnys") is NYSE
