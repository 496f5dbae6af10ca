"Quality: seeded faults are found and named, clean data raise no alarm, and no session is judged by a later one."

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import frame_of, whole_market, without

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, SettingsError
from forecastkit.data.market import MarketData
from forecastkit.data.sources import load_market
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.base import Feature, compute_features, publication_of
from forecastkit.features.quality import (
    TemporalValidator,
    quality_column,
    quality_flags,
    stale_sessions,
    typical_gaps,
    unchanged_sessions,
)
from forecastkit.features.volatility import FeatureEngine

NYSE = get_calendar("XNYS")


def declare(name, family, needs, warmup, pulse=False) -> Feature:
    return Feature(name, family, needs, warmup, "", -4.0, 4.0, "A test.", lambda x: x.close("VIX"), pulse=pulse)


DECLARED = (
    declare("a", "one", ("A",), 0, pulse=True),
    declare("a_5", "one", ("A",), 5),
    declare("b", "two", ("B",), 0, pulse=True),
    declare("ab_20", "three", ("A", "B"), 20),
    declare("day", "four", (), 0),
)


def frame(seed: int, n: int = 120) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(0, 1.4, (n, len(DECLARED)))
    return pd.DataFrame(values, pd.bdate_range("2015-01-01", periods=n, unit="us"), [f.name for f in DECLARED])


@pytest.fixture(scope="module")
def engine() -> FeatureEngine:
    return FeatureEngine()


@pytest.fixture(scope="module")
def clean(engine) -> pd.DataFrame:
    return engine.build_features(synthetic_market(seed=7, sessions=1600).market)


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 119), st.integers(1, 30), st.integers(0, 4), st.booleans()), max_size=6),
)
@settings(max_examples=50, deadline=None)
def test_no_session_is_judged_by_a_later_one(seed, faults):
    rows = frame(seed)
    for start, length, column, freeze in faults:
        rows.iloc[start : start + length, column] = rows.iloc[start, column] if freeze else np.nan
    whole = quality_column(rows, DECLARED)
    assert whole.between(0, 1).all()
    validator = TemporalValidator(declarations=DECLARED)
    for cut in (1, 15, 64, 119):
        assert quality_column(rows.iloc[:cut], DECLARED).to_numpy().tobytes() == whole.iloc[:cut].to_numpy().tobytes()
        assert validator.compute_feature_quality(rows, rows.index[cut]) == whole.iloc[cut]
        assert validator.get_quality_report(rows, rows.index[cut])["score"] == whole.iloc[cut]


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, np.nan]), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_standing_still_counts_sessions_since_the_last_change(values):
    still, _ = unchanged_sessions(np.array(values))
    last, age = np.nan, None
    for i, value in enumerate(values):
        if not np.isnan(value) and value != last:
            last, age = value, 0
        elif age is not None:
            age += 1
        assert age is None or still[i] == age


def test_clean_data_raise_no_alarm(engine, clean):
    found = quality_flags(clean, engine.declarations)
    for kind in ("missing", "outside", "stale"):
        columns = getattr(found, kind).sum(axis=0)
        assert {f.name: int(n) for f, n in zip(engine.declarations, columns) if n} == {}, kind
    assert (clean["feature_quality"].iloc[1259:] == 1.0).all()
    assert clean["feature_quality"].iloc[0] < 0.5


FAULTS = {
    "vanished": (
        "missing",
        ["spx", "spx_return_1", "spx_vol_22"],
        lambda rows, at, names: rows.loc[at:, names].mul(np.nan),
    ),
    "lost decimal point": ("out_of_range", ["vix", "spx"], lambda rows, at, names: rows.loc[at:, names] * 1000),
    "frozen": ("stale", ["vix"], lambda rows, at, names: rows.loc[at:, names] * 0 + 17.31),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_seeded_faults_are_found_and_named(engine, clean, fault):
    kind, names, damage = FAULTS[fault]
    at = clean.index[1400]
    rows = clean.copy()
    rows.loc[at:, names] = damage(rows, at, names)
    validator = TemporalValidator(declarations=engine.declarations)
    for late in (6, 60):
        report = validator.get_quality_report(rows, rows.index[1400 + late])
        assert set(names) <= set(report[kind])
        assert report["issues"]
        assert report["score"] < 1.0
    assert validator.get_quality_report(rows, rows.index[1399])["issues"] == []


SERIES = (
    "SPX",
    "VIX3M",
    "VX1",
    "VX2",
    "VVIX",
    "IXIC",
    "GLD",
    "BTC",
    "DGS10",
    "BAMLH0A0HYM2",
    "NFCI",
    "ICSA",
    "DTWEXBGS",
    "BAA",
    "AAA",
)


@pytest.fixture(scope="module")
def whole() -> MarketData:
    return without(whole_market(1600), "UUP")  # so that the dollar is read from what is published


@pytest.mark.parametrize("series", SERIES)
def test_faults_of_every_series_are_found_and_named(engine, whole, series):
    "Its file ends, its feed repeats itself, decimal points are lost: in the data, not in the features."
    frame, day = frame_of(whole, series), whole.close("VIX").index[1420]
    frozen, lost = frame.copy(), frame.copy()
    frozen.loc[day:] = frozen.loc[:day].iloc[-1].to_numpy()
    lost.loc[day:] = lost.loc[day:] * 100 + 50
    about = [f.name for f in engine.declarations if series in f.needs]
    published = publication_of(series)[0] != "bars"
    kinds = {"missing": frame.loc[:day], "stale": frozen, "outside": lost}
    for kind, broken in kinds.items():
        rows = compute_features(engine.declarations, whole.with_series(series, broken), "VIX")
        found = quality_flags(rows, engine.declarations)
        flags = found.stale if kind == "missing" and published else getattr(found, kind)  # an old number is still known
        named = {name for name, flag in zip(found.rules.names, flags[1420:].any(axis=0)) if flag}
        assert named & set(about), kind
        assert named <= set(about), kind
        if kind != "outside":
            report = TemporalValidator(declarations=engine.declarations).get_quality_report(rows, rows.index[-1])
            assert any(series in issue for issue in report["issues"])
            assert report["score"] < 1.0


def test_a_dead_series_takes_all_that_rests_on_it(engine, clean):
    rows = clean.copy()
    rows.loc[rows.index[1400] :, "vix"] = 17.31
    report = TemporalValidator(declarations=engine.declarations).get_quality_report(rows, rows.index[1410])
    counted = rows.loc[:, list(engine.names)].iloc[1410].notna()
    assert set(report["stale"]) == {f.name for f in engine.declarations if "VIX" in f.needs and counted[f.name]}
    assert report["status"] == "poor"
    assert report["issues"][0].startswith("VIX is stale: the same value for 10 sessions (usually at most 2)")


def test_a_series_that_begins_later_is_no_fault():
    rows = frame(3)
    rows.loc[rows.index[:60], ["b", "ab_20"]] = np.nan
    rows.loc[rows.index[60:80], "ab_20"] = np.nan
    assert (quality_column(rows, DECLARED).iloc[5:] == 1.0).all() == (rows.abs().max(axis=None) < 4.0)
    found = quality_flags(rows, DECLARED)
    assert not (found.missing | found.warming)[6:].any()


def test_young_data_are_not_excellent():
    rows = frame(4).clip(-3, 3)
    rows.iloc[:20, 3] = np.nan
    rows.iloc[:5, 1] = np.nan
    quality = quality_column(rows, DECLARED)
    # one family half warming up; the pair A, B has no value of its own yet, so it cannot be told from an absent one
    assert quality.iloc[0] == pytest.approx((0.5 + 1 + 1) / 3)
    assert quality.iloc[20] == 1.0


def test_the_profile_decides_what_counts():
    rows = frame(5).clip(-3, 3)
    rows["b"] = np.nan

    def judge(profile):
        return TemporalValidator(profile, DECLARED).get_quality_report(rows, rows.index[-1])

    assert judge(None)["missing"] == []
    assert judge({"absent": []})["missing"] == ["b"]
    assert judge({"absent": ["b"]})["missing"] == []
    assert judge({"absent": [], "medians": {"a": 0.0}})["by_family"] == {
        "one": 1.0,
        "two": 0.0,
        "three": 1.0,
        "four": 1.0,
    }


def test_families_weigh_the_same():
    rows = frame(6).clip(-3, 3)
    rows.loc[rows.index[-1], "a_5"] = np.nan
    assert quality_column(rows, DECLARED).iloc[-1] == (0.5 + 1 + 1 + 1) / 4
    rows.loc[rows.index[-1], ["a_5", "day"]] = [0.0, 99.0]
    assert quality_column(rows, DECLARED).iloc[-1] == 0.75


@pytest.mark.parametrize(
    ("score", "status"),
    [
        (1.0, "excellent"),
        (0.95, "excellent"),
        (0.9499, "good"),
        (0.85, "good"),
        (0.70, "usable"),
        (0.6999, "poor"),
        (0.0, "poor"),
    ],
)
def test_thresholds(score, status):
    usable, message = TemporalValidator().check_quality_threshold(score)
    assert usable == (status != "poor")
    assert status in message


@pytest.mark.parametrize(
    "shares",
    [(0.8, 0.9, 0.7), (0.95, 0.6, 0.7), (1.01, 0.85, 0.7), (0.95, 0.85, -0.01), (0.9, 0.8), (0.9, 0.8, 0.7, 0.6)],
)
def test_thresholds_are_three_falling_shares(shares):
    with pytest.raises(SettingsError, match="three falling shares"):
        TemporalValidator(thresholds=shares)
    assert TemporalValidator(thresholds=(1, 1, 0)).status(0.5) == "usable"  # equal ones leave a word out


def test_weekly_values_are_not_called_dead():
    rng = np.random.default_rng(0)
    weekly = np.repeat(rng.normal(size=100), 5)
    holidays = np.delete(weekly, [52, 53, 201, 202, 203])
    assert not stale_sessions(weekly).any()
    assert not stale_sessions(holidays).any()


def test_rates_that_rest_raise_no_alarm(shared_data):
    "The overnight rate stood still for five weeks at zero, the bill for three; neither had stopped."
    market = load_market(f"folder:{shared_data}", symbols=["VIX", "DFF", "DGS3MO", "DGS2", "ICSA", "UNRATE"])
    index = market.close("VIX").index
    for series in ("DFF", "DGS3MO", "DGS2", "ICSA", "UNRATE"):
        values = market.at_sessions(series, index).to_numpy()
        assert stale_sessions(values).sum() == 0, series
        dead = np.append(values, np.full(120, values[-1]))
        assert stale_sessions(dead)[-1] or series == "UNRATE", series  # a month's number may rest for half a year


def test_usual_gaps_leave_the_accidents_out():
    assert np.isnan(typical_gaps(np.ones(9))).all()
    assert typical_gaps(np.array([1] * 9 + [50]))[-1] == 1
    assert typical_gaps(np.array([1] * 9 + [50, 40]))[-1] == 40
    many = np.array([1] * 2998 + [9, 8, 7, 6])
    assert typical_gaps(many)[-1] == 6  # three in three thousand are accidents


def test_without_declarations_all_numbers_are_one_family():
    rows = frame(8)
    rows["text"] = "x"
    rows.loc[rows.index[-1], ["a", "b"]] = np.nan
    assert TemporalValidator().compute_feature_quality(rows, rows.index[-1]) == pytest.approx(3 / 5)


def test_a_session_that_is_not_there_is_named():
    with pytest.raises(DataError, match="no row of features for 2015-07-04"):
        TemporalValidator().compute_feature_quality(frame(9), "2015-07-04")
