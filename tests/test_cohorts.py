"Cohorts: nothing is known before its day, and the weights equal a direct count."

import warnings
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.calendars.cohorts import (
    COHORT_WORDS,
    COHORTS,
    calendar_ahead,
    calendar_cohorts,
    calendar_features,
    cohort_errors,
    cohort_weights,
)
from forecastkit.calendars.expiries import early_closes, monthly_expiries, vix_expiries
from forecastkit.calendars.fomc import fomc_table, merge_meetings, read_meetings
from forecastkit.core import DataError, DataWarning

NYSE = get_calendar("XNYS")

FOMC = fomc_table()
DAYS = NYSE.sessions_in_range("2000-02-02", "2018-12-31")
COHORT, FEATURES = calendar_cohorts(DAYS, FOMC, NYSE), calendar_features(DAYS, FOMC, NYSE)
SURPRISES = pd.DatetimeIndex(FOMC.loc[~FOMC["scheduled"], "date"])


def known(day: pd.Timestamp) -> pd.DataFrame:
    return FOMC[FOMC["known_at"] <= NYSE.closes_of([day])[0]]


def test_the_table_is_the_list_of_real_meetings(shared_data):
    real = pd.read_csv(shared_data / "meta" / "fomc_dates.csv", parse_dates=["date"])["date"]
    assert list(FOMC["date"]) == list(real)
    assert len(SURPRISES) == 9
    unknown_before = NYSE.closes_of(NYSE.sessions_in_range("2000-02-02", "2020-12-31"))
    assert FOMC.loc[~FOMC["scheduled"], "known_at"].dt.normalize().dt.tz_localize(None).tolist() == list(SURPRISES)
    for moment, day in zip(FOMC.loc[~FOMC["scheduled"], "known_at"], SURPRISES):
        at = unknown_before.searchsorted(moment)  # its own close is the first at which it is known
        assert unknown_before[at].date() == max(day, day + pd.offsets.BDay(0)).date()


def test_a_caller_cannot_spoil_the_table():
    mine = fomc_table()
    mine["scheduled"] = False
    assert fomc_table()["scheduled"].sum() == 215


# every surprise and every unplanned closure with the sessions around it, and some ordinary days
NEAR = DAYS[
    [i for day in [*SURPRISES, *NYSE.adhoc] for i in DAYS.searchsorted(day) + np.arange(-6, 3) if 0 <= i < len(DAYS)]
]
CUTS = [*dict.fromkeys(NEAR), *DAYS[1::499]]


def test_the_same_from_what_was_known_at_the_close():
    for cut in CUTS:
        index = DAYS[max(0, DAYS.get_loc(cut) - 30) : DAYS.get_loc(cut) + 1]
        said = f"as of {cut:%Y-%m-%d}"
        pd.testing.assert_frame_equal(calendar_cohorts(index, known(cut), NYSE), COHORT.loc[index], obj=said)
        pd.testing.assert_frame_equal(
            calendar_features(index, known(cut), NYSE), FEATURES.loc[index], check_exact=True, obj=said
        )


def test_cutting_the_whole_history_changes_nothing():
    for cut in DAYS[[5, 700, 4000]]:
        index = DAYS[: DAYS.get_loc(cut) + 1]
        pd.testing.assert_frame_equal(calendar_features(index, known(cut), NYSE), FEATURES.loc[index], check_exact=True)
        pd.testing.assert_frame_equal(calendar_cohorts(index, known(cut), NYSE), COHORT.loc[index])


def test_a_surprise_changes_its_own_session_and_none_before_it():
    days = NYSE.sessions_in_range("2000-02-02", "2020-12-31")
    features, cohort = calendar_features(days, FOMC, NYSE), calendar_cohorts(days, FOMC, NYSE)
    for row, day in zip(FOMC.index[~FOMC["scheduled"]], SURPRISES):
        without = FOMC.drop(row)
        differs = (calendar_features(days, without, NYSE) != features).any(axis=1)
        differs |= calendar_cohorts(days, without, NYSE)["cohort"] != cohort["cohort"]
        assert days[differs][0] == days[days.searchsorted(day)]


def test_an_unplanned_closure_was_counted_on_until_it_happened():
    at = FEATURES.loc[["2001-09-10", "2001-09-17"], "sessions_to_opex"]
    assert list(at) == [9, 4]
    assert COHORT.loc["2012-10-26", "cohort"] != "holiday_week"
    assert COHORT.loc["2018-12-06", "cohort"] == "holiday_week"
    assert FEATURES.loc["2018-12-04", "days_to_next_session"] == 1
    assert FEATURES.loc["2018-12-06", "sessions_since_holiday"] == 1


def test_distances_equal_a_count_by_hand_on_ordinary_days():
    held = NYSE.sessions
    for day in DAYS[[450, 2500, 4700]]:
        for name, dates in {
            "fomc": pd.DatetimeIndex(FOMC["date"]),
            "opex": monthly_expiries(NYSE),
            "vix_expiry": vix_expiries(NYSE),
        }.items():
            coming, gone = dates[dates >= day][0], dates[dates <= day][-1]
            assert FEATURES.loc[day, f"sessions_to_{name}"] == ((held > day) & (held <= coming)).sum()
            assert FEATURES.loc[day, f"sessions_since_{name}"] == ((held > gone) & (held <= day)).sum()
    last = DAYS[np.append(DAYS.month[1:] != DAYS.month[:-1], True)]
    assert set(FEATURES.index[FEATURES["sessions_to_month_end"] == 0]) == set(last)


def test_expiries_respect_good_friday():
    assert {"2000-04-20", "2003-04-17", "2008-03-20", "2014-04-17", "2018-04-20"} < set(
        monthly_expiries(NYSE).strftime("%Y-%m-%d")
    )
    assert {"2014-03-18", "2019-03-19", "2008-02-19", "2018-02-14"} < set(vix_expiries(NYSE).strftime("%Y-%m-%d"))
    assert set(vix_expiries(NYSE)[:-3]) | set(monthly_expiries(NYSE)[:-3]) <= set(NYSE.scheduled)


def test_cohorts_hold_what_their_words_say():
    cohort = COHORT["cohort"]
    assert set(cohort) == set(COHORTS) == set(COHORT_WORDS)
    assert not COHORT["fomc_unknown"].any()
    meeting_days = pd.DatetimeIndex(FOMC["date"]).intersection(DAYS)
    assert (cohort[meeting_days] == "fomc_week").all()
    rest = cohort[cohort != "fomc_week"]
    assert (rest[monthly_expiries(NYSE).intersection(rest.index)] == "opex_week").all()
    ends = FEATURES.loc[rest.index, "sessions_to_quarter_end"] <= 2
    assert set(rest[ends]) == {"quarter_end"}
    ordinary = FEATURES[cohort == "mid_cycle"]
    assert (ordinary["sessions_to_opex"] > 5).all() and (ordinary["sessions_to_month_end"] > 2).all()


@pytest.mark.parametrize(
    ("start", "end", "warned"), [("1995-01-03", "1995-03-01", False), ("2026-12-10", "2027-01-29", True)]
)
def test_outside_the_table_meetings_are_unknown_and_said_to_be_where_newer_ones_can_be_had(start, end, warned):
    index = NYSE.sessions_in_range(start, end)
    cohort = calendar_cohorts(index, FOMC, NYSE)
    assert cohort["fomc_unknown"].all() and "fomc_week" not in set(cohort["cohort"])
    words = "sessions from 2026-12-10 on .* newer meetings are added"
    with pytest.warns(DataWarning, match=words) if warned else nullcontext():
        features = calendar_features(index, FOMC, NYSE)
    assert features.filter(like="fomc").isna().all(axis=None)
    assert features.drop(columns=features.filter(like="fomc")).notna().all(axis=None)


def test_without_a_table_all_meetings_are_unknown():
    assert calendar_cohorts(DAYS[:3], FOMC.iloc[:0], NYSE)["fomc_unknown"].all()
    with warnings.catch_warnings(action="error"):  # a table without a meeting has no end that a session could lie after
        assert calendar_features(DAYS[:3], FOMC.iloc[:0], NYSE)["sessions_to_fomc"].isna().all()


def test_the_earnings_season_begins_on_the_eighth_day_of_a_quarter():
    "Seen where weekends are traded: of weekdays, all of a quarter's second week are near an expiry, which comes first."
    every_day = get_calendar("24/7")
    cohort = calendar_cohorts(every_day.sessions_in_range("2018-04-03", "2018-04-10"), FOMC, every_day)["cohort"]
    assert cohort.tolist() == ["mid_cycle"] * 5 + ["earnings_season"] * 3


def test_other_calendars_and_days_that_are_no_sessions():
    every_day = get_calendar("24/7").sessions[14000:14100]
    features = calendar_features(every_day, FOMC, get_calendar("24/7"))
    assert features["sessions_to_holiday"].isna().all() and (features["days_to_next_session"] == 1).all()
    assert "holiday_week" not in set(calendar_cohorts(every_day, FOMC, get_calendar("24/7"))["cohort"])
    with pytest.raises(DataError, match="is no session"):
        calendar_cohorts(every_day, FOMC, NYSE)


def direct_weight(t: int, change, scale, cohort, horizon, prior) -> float:
    "The weight at row t, counted origin by origin."
    ends = NYSE.target_sessions(change.index, horizon)
    size = (change.abs() / scale)[ends <= change.index[t]].dropna()
    mine, ordinary = (size[cohort[size.index] == name] for name in (cohort.iloc[t], "mid_cycle"))
    if not len(size):
        return 1.0
    mine, ordinary = ((z.sum() + prior * size.mean()) / (len(z) + prior) for z in (mine, ordinary))
    return mine / ordinary


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 10), st.integers(2, 250))
def test_weights_equal_a_direct_count_and_never_change_afterwards(seed, horizon, length):
    rng = np.random.default_rng(seed)
    index = DAYS[rng.integers(0, 4000) :][: 2 * length][np.sort(rng.permutation(2 * length)[:length])]  # with gaps
    cohort = COHORT.loc[index, "cohort"]
    change = pd.Series(rng.normal(0, 0.1, length), index).where(rng.random(length) > 0.2)
    scale = pd.Series(rng.uniform(0.05, 0.2, length), index)
    weights = cohort_weights(change, scale, cohort, horizon, NYSE, prior=50)
    for t in {0, length // 2, length - 1}:
        assert weights.iloc[t] == pytest.approx(direct_weight(t, change, scale, cohort, horizon, 50), rel=1e-12)
    cut = length // 2 + 1
    pd.testing.assert_series_equal(
        cohort_weights(change[:cut], scale[:cut], cohort[:cut], horizon, NYSE), weights[:cut], check_exact=True
    )
    # outcomes that are not over yet do not matter
    later = NYSE.target_sessions(index, horizon) > index[cut - 1]
    spoilt = cohort_weights(change.mask(later, 99.0), scale, cohort, horizon, NYSE)
    pd.testing.assert_series_equal(spoilt[:cut], weights[:cut], check_exact=True)
    assert (weights[cohort == "mid_cycle"] == 1.0).all()


def test_what_is_ahead_is_what_was_known():
    ahead = calendar_ahead("2018-02-05", FOMC, NYSE, days=50)
    assert dict(zip(ahead["event"], ahead["date"].dt.strftime("%m-%d"))) == {
        "VIX expiry": "03-21", "monthly expiry": "03-16", "exchange closed": "02-19", "FOMC decision": "03-21"}  # fmt: skip
    assert ahead["date"].is_monotonic_increasing
    assert "FOMC decision" not in set(calendar_ahead("2020-03-02", FOMC, NYSE, days=15)["event"])
    assert len(calendar_ahead("2018-02-05", FOMC, NYSE, days=1)) == 0


def drawn(seed: int) -> pd.Series:
    return pd.Series(0.1 * np.random.default_rng(seed).standard_normal(len(DAYS)), DAYS)


def test_errors_stand_beside_the_weights_of_that_day():
    scale = pd.Series(0.08, DAYS)
    for at in (300, 2000, len(DAYS) - 1):
        now = COHORT["cohort"].iloc[: at + 1]
        table = cohort_errors(drawn(1), scale, now, 5, NYSE)  # outcomes of later sessions are handed in, and not used
        assert table.equals(cohort_errors(drawn(1).iloc[: at - 4], scale, now, 5, NYSE))
        assert table.loc[now.iloc[-1], "weight"] == pytest.approx(
            cohort_weights(drawn(1), scale, now, 5, NYSE).iloc[-1], rel=1e-12
        )
        assert table["n"].sum() == at + 1 - 5
        assert table.loc["mid_cycle", "se"] == 0
        assert (table["se"].drop("mid_cycle") > 0).all()
    assert table["se"].drop("mid_cycle").max() < 0.08


def test_errors_of_nothing_are_unknown():
    now = COHORT["cohort"].iloc[:5]
    table = cohort_errors(drawn(1), pd.Series(0.08, DAYS), now, 5, NYSE)
    assert (table["n"] == 0).all()
    assert table["se"].isna().all()
    with pytest.raises(DataError, match="in order"):
        cohort_errors(drawn(1), pd.Series(0.08, DAYS), COHORT["cohort"][::-1], 5, NYSE)


def test_half_days_are_shorter_and_known_beforehand():
    half = early_closes(NYSE)
    table = NYSE
    hours = pd.Series((table.closes - table.opens).total_seconds() / 3600, table.sessions)
    assert (hours[half] < 5).all()
    assert half.isin(table.sessions).all()
    assert "1997-12-26" not in half.strftime("%Y-%m-%d")
    ahead = calendar_ahead("2018-12-14", FOMC, NYSE)
    assert ahead.loc[ahead["event"] == "early close", "date"].tolist() == [pd.Timestamp("2018-12-24")]


def test_a_meeting_of_ones_own_soon_after_the_last_that_is_shipped_is_refused(tmp_path):
    last = FOMC["date"].max()
    table = get_calendar("XNYS")
    near, far = (table.sessions[table.sessions > last + pd.Timedelta(days=days)][0] for days in (5, 14))
    for day in (near, far):
        (tmp_path / f"{day:%Y-%m-%d}.csv").write_text(f"date,scheduled\n{day:%Y-%m-%d},1\n")
    own = read_meetings(tmp_path / f"{far:%Y-%m-%d}.csv")
    assert merge_meetings(FOMC, own)["date"].max() == far
    with pytest.raises(DataError, match=f"{near:%Y-%m-%d} is less than two weeks after another scheduled meeting"):
        merge_meetings(FOMC, read_meetings(tmp_path / f"{near:%Y-%m-%d}.csv"))
