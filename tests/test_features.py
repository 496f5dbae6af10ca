"Features: the join by moments of knowing, the windows, and the declarations against slow and plain definitions."

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError
from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import MarketLaw, synthetic_market
from forecastkit.features.base import (
    QUANTITIES,
    Feature,
    Inputs,
    catalogue,
    compute_features,
    missing_series,
    new_row_positions,
)

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("2016-01-04", "2017-06-30")


def walk(index: pd.DatetimeIndex, seed: int) -> pd.DataFrame:
    "Bars of a random walk: open, high and low around it."
    rng = np.random.default_rng(seed)
    log = np.log(100) + np.cumsum(rng.normal(0, 0.01, (len(index), 4)).ravel()).reshape(-1, 4)
    price = np.exp(log)
    columns = {"open": price[:, 0], "high": price.max(axis=1), "low": price.min(axis=1), "close": price[:, 3]}
    return pd.DataFrame({**columns, "volume": rng.integers(1, 9, len(index)) * 1e6}, index)


def declare(name: str, compute, needs=("VIX",), **other) -> Feature:
    return Feature(name, "test", needs, 0, "", -1e9, 1e9, "A test.", compute, **other)


@pytest.fixture(scope="module")
def market() -> MarketData:
    every_day = pd.date_range("2016-01-01", "2017-06-30", unit="us")
    return MarketData({"VIX": walk(DAYS, 1), "SPX": walk(DAYS.delete([50, 51, 200]), 2), "BTC": walk(every_day, 3)})


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_fresh_rows_are_those_new_since_the_close_before(data):
    moments = NYSE.closes.to_numpy(dtype="datetime64[us]")
    first, last = moments[[13_999, 14_020]].astype(int).tolist()
    drawn = data.draw(st.lists(st.integers(first, last), min_size=1, max_size=30))
    known = np.sort(np.array(drawn, dtype="datetime64[us]"))
    index = NYSE.sessions[14_000:14_020]
    expected = []
    for at in range(14_000, 14_020):
        new = [i for i, moment in enumerate(known) if moments[at - 1] < moment <= moments[at]]
        expected.append(max(new, default=-1))
    assert new_row_positions(known, index, NYSE).tolist() == expected


@pytest.mark.parametrize("what", QUANTITIES)
def test_a_quantity_reads_its_row_and_the_one_before(what):
    bars = walk(DAYS, 4)
    whole, at = QUANTITIES[what](bars), 100
    later = bars.copy()
    later.iloc[at + 1 :] *= 3
    earlier = bars.copy()
    earlier.iloc[: at - 1] *= 3
    assert np.isfinite(whole.iloc[at])
    assert QUANTITIES[what](later).iloc[at] == whole.iloc[at] == QUANTITIES[what](earlier).iloc[at]


@pytest.mark.parametrize("how", ["mean", "std", "min", "max", "rank"])
@pytest.mark.parametrize("n", [1, 5, 66])
def test_windows_are_over_own_rows(market, how, n):
    values = np.log(market.close("SPX"))
    slow = {
        "mean": np.mean,
        "std": lambda w: np.std(w, ddof=1) if n > 1 else np.nan,
        "min": np.min,
        "max": np.max,
        "rank": lambda w: np.mean(w <= w[-1]),
    }[how]
    found = Inputs(market, "VIX").rolling("SPX", "log", n, how)
    for row in (n - 1, 120, len(values) - 1):
        np.testing.assert_allclose(found[values.index[row]], slow(values.to_numpy()[row - n + 1 : row + 1]), rtol=1e-9)
    assert found.index.equals(DAYS)
    assert found[DAYS[[50, 51, 200]]].isna().all()
    assert found[values.index[: n - 1]].isna().all()


def test_ewm_is_the_weighted_mean(market):
    squares = np.log(market.close("VIX")).diff().to_numpy()[1:] ** 2
    weights = 0.94 ** np.arange(200)[::-1]
    found = Inputs(market, "VIX").ewm("VIX", "square", 0.94)
    np.testing.assert_allclose(found.iloc[200], (weights * squares[:200]).sum() / weights.sum(), rtol=1e-12)
    assert found.notna().to_numpy().argmax() == 22


def test_a_series_of_another_clock_is_not_read_early(market):
    "At the close in New York the bitcoin bar of the same day has not ended."
    found = Inputs(market, "VIX").close("BTC")
    own = market.close("BTC")
    assert np.array_equal(found.to_numpy(), own.loc[found.index - pd.Timedelta(days=1)].to_numpy())
    features = [
        declare("btc", lambda x: x.rolling("BTC", "change", 5, "std"), ("BTC",)),
        declare("ratio", lambda x: x.log("VIX") - x.log("BTC")),
    ]
    whole = compute_features(features, market, "VIX")
    for day in DAYS[[30, 100, 250]]:
        then = compute_features(features, market.as_of(day), "VIX")
        assert then.to_numpy().tobytes() == whole.loc[:day].to_numpy().tobytes()


def test_bars_that_come_late_are_read_late():
    "A vendor that delivers the next morning: the bar belongs to the session after."
    morning = NYSE.closes_of(DAYS) + pd.Timedelta(hours=14)
    market = MarketData({"VIX": walk(DAYS, 1), "SPX": walk(DAYS, 2).assign(known_at=morning)})
    found = Inputs(market, "VIX").close("SPX")
    on_time = market.close("SPX").shift()
    fresh = found.notna()
    assert fresh.sum() > 0.9 * len(DAYS)
    assert np.array_equal(found[fresh], on_time[fresh])
    features = [declare("spx", lambda x: x.close("SPX"), ("SPX",))]
    whole = compute_features(features, market, "VIX")
    for day in DAYS[[3, 77, 300]]:
        assert compute_features(features, market.as_of(day), "VIX").equals(whole.loc[:day])


def test_corrected_bars_are_refused(market):
    bars = walk(DAYS, 2).assign(known_at=NYSE.closes_of(DAYS))
    again = bars.iloc[[10]].assign(
        close=bars["close"].iloc[10] * 1.001, known_at=bars["known_at"].iloc[12] + pd.Timedelta(hours=1)
    )
    again[["high", "low"]] = [[1e3, 1.0]]
    corrected = market.with_series("SPX", pd.concat([bars, again]))
    with pytest.raises(DataError, match=f"SPX {DAYS[10]:%Y-%m-%d}: this bar came late or was corrected"):
        compute_features([declare("spx", lambda x: x.close("SPX"), ("SPX",))], corrected, "VIX")


def test_published_series_wait_for_their_release():
    jobs = pd.DataFrame({"value": [4.9, 4.8, 4.7]}, pd.DatetimeIndex(["2016-01-01", "2016-02-01", "2016-03-01"]))
    market = MarketData({"VIX": walk(DAYS, 1), "UNRATE": jobs})
    unemployment = declare("unrate", lambda x: x.at_sessions("UNRATE"), ("UNRATE",), columns=())
    assert missing_series([unemployment], market) == {}
    whole = compute_features([unemployment], market, "VIX")
    assert whole.loc["2016-02-01", "unrate"] != 4.8
    for day in DAYS[[5, 30, 60, 90]]:
        assert compute_features([unemployment], market.as_of(day), "VIX").equals(whole.loc[:day])


def test_every_number_is_finite_and_columns_stand_as_declared(market):
    features = [
        declare("log_of_nothing", lambda x: np.log(x.close("VIX") - x.close("VIX"))),
        declare("absent", lambda x: x.close("VVIX"), ("VIX", "VVIX")),
        declare("vix", lambda x: x.close("VIX")),
    ]
    found = compute_features(features, market, "VIX")
    assert list(found.columns) == ["log_of_nothing", "absent", "vix"] == list(catalogue(features).index)
    assert found[["log_of_nothing", "absent"]].isna().all(axis=None)
    assert found["vix"].notna().all()
    assert missing_series(features, market) == {"absent": ("VVIX",)}


def test_absent_columns_are_named(market):
    features = [declare("range", lambda x: x.series("SPX", "range"), ("SPX",), columns=("high", "low"))]
    assert missing_series(features, market) == {}
    assert missing_series(features, market.with_series("SPX", market.bars("SPX")[["close"]])) == {
        "range": ("SPX high", "SPX low")
    }


def test_computing_leaves_the_market_as_it_was(market):
    before = market.fingerprint()
    first = compute_features([declare("vix", lambda x: x.close("VIX"))], market, "VIX")
    first.iloc[:] = 0.0
    assert market.fingerprint() == before
    assert (market.close("VIX") > 0).all()


def test_estimators_find_the_variance_that_was_put_in():
    "Of the day: between close and open there is no range."
    synthetic = synthetic_market(seed=11, sessions=5000, start="1995-01-03")
    truth = (1 - MarketLaw().overnight) * synthetic.truth["variance"].mean()
    for what in ("parkinson", "garman_klass"):
        found = QUANTITIES[what](synthetic.market.bars("SPX")).mean()
        assert abs(found / truth - 1) < 0.06, what
