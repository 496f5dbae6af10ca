"The synthetic market obeys its own law: what is claimed to be the truth is the truth."

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError
from forecastkit.data.market import repair_bars
from forecastkit.data.synthetic import (
    INDEX_SPANS,
    SESSIONS_A_YEAR,
    STATE_NAMES,
    MarketLaw,
    bridge_extremes,
    expected_variance,
    hidden_path,
    index_bars,
    state_probabilities,
    stock_bars,
    synthetic_market,
    volatility_bars,
)

NYSE = get_calendar("XNYS")

LAW = MarketLaw()
N = 100_000


@pytest.fixture(scope="module")
def long():
    return hidden_path(N, seed=5)


@pytest.fixture(scope="module")
def long_bars(long):
    return index_bars(long, seed=5)


@pytest.fixture(scope="module")
def believed(long):
    return state_probabilities(long)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(1, 60))
def test_a_longer_market_begins_with_the_shorter(seed, n, more):
    short = synthetic_market(seed, n, stocks=["ALFA"])
    long = synthetic_market(seed, n + more, stocks=["BRAVO", "ALFA"])
    last = short.truth.index[-1]
    view = long.market.as_of(last)
    assert view.fingerprint(short.market.symbols) == short.market.as_of(last).fingerprint()
    assert long.truth.iloc[:n].equals(short.truth)


def test_same_seed_same_bits_other_seed_other_market():
    one, two, other = (synthetic_market(seed, 30).market.fingerprint() for seed in (3, 3, 4))
    assert one == two != other


@pytest.mark.parametrize("estimator", ["close to close", "parkinson", "garman klass", "rogers satchell"])
def test_range_estimators_find_the_true_variance(long, long_bars, estimator):
    o, h, low, c = (np.log(long_bars[name]) for name in ("open", "high", "low", "close"))
    found = {
        "close to close": (c - o) ** 2,
        "parkinson": (h - low) ** 2 / (4 * np.log(2)),
        "garman klass": 0.5 * (h - low) ** 2 - (2 * np.log(2) - 1) * (c - o) ** 2,
        "rogers satchell": (h - c) * (h - o) + (low - c) * (low - o),
    }[estimator]
    by_state = pd.DataFrame({"found": found, "truth": long.sd**2 * (1 - LAW.overnight)}).groupby(long.state[:-1]).mean()
    volatility = np.sqrt(by_state["found"] / by_state["truth"])
    assert volatility.between(0.98, 1.02).all(), volatility


def test_the_night_holds_its_share_and_the_jumps(long, long_bars):
    night = np.log(long_bars["open"] / long_bars["close"].shift()).to_numpy()[1:]
    quiet = night[long.jump[1:] == 0] / long.sd[1:][long.jump[1:] == 0]
    assert np.isclose(quiet.std(), np.sqrt(LAW.overnight), rtol=0.01)
    rates = pd.Series(long.jump != 0).groupby(long.state[:-1]).mean()
    assert np.allclose(rates, LAW.jump_rates, rtol=0.15)
    assert np.isclose(long.jump[long.jump != 0].mean(), LAW.jump_mean, atol=0.002)


def test_states_follow_the_table_of_moves(long):
    moved = pd.crosstab(long.state[:-1], long.state[1:], normalize="index").to_numpy()
    assert np.allclose(moved, LAW.moves, atol=0.003)


@pytest.mark.parametrize("days", [days for days, _ in INDEX_SPANS.values()])
@pytest.mark.parametrize("knows", ["the state", "the past alone"])
def test_expected_variance_comes_true(long, believed, days, knows):
    chances = np.eye(3)[long.state[:-1]] if knows == "the state" else believed[:-1]
    expected = expected_variance(long.log_vol[:-1], chances, days)
    came = pd.Series(SESSIONS_A_YEAR * (long.sd**2 + long.jump**2)).rolling(days).mean().shift(1 - days)
    table = pd.DataFrame({"came": came, "expected": expected}).dropna()
    for groups in (pd.qcut(table["expected"], 4, labels=False), chances[: len(table)].argmax(axis=1)):
        ratio = table.groupby(groups).mean().eval("came / expected")
        assert ratio.between(0.94, 1.06).all(), ratio


def test_expected_variance_of_one_day_is_todays_and_jumps():
    x, rate = np.log([0.1, 0.2]), np.array(LAW.jump_rates)
    jumps = SESSIONS_A_YEAR * rate[[0, 2]] * (LAW.jump_mean**2 + LAW.jump_sd**2)
    assert np.allclose(expected_variance(x, np.eye(3)[[0, 2]], 1), np.exp(2 * x) + jumps, rtol=1e-14)


def test_belief_is_calibrated(long, believed):
    assert np.allclose(believed.sum(axis=1), 1.0)
    for state in range(3):
        bins = np.digitize(believed[:, state], [0.1, 0.3, 0.5, 0.7, 0.9])
        table = pd.DataFrame({"p": believed[:, state], "came": long.state == state}).groupby(bins).mean()
        assert np.allclose(table["p"], table["came"], atol=0.04), table


@pytest.mark.parametrize(("a", "b", "v"), [(0.0, 0.0, 1.0), (0.0, 0.7, 1.0), (0.2, -0.3, 0.5)])
def test_bridge_extremes_follow_their_law(a, b, v):
    u = 1.0 - np.random.default_rng(0).random((2, 200_000))
    high, low = bridge_extremes(np.full(200_000, a), np.full(200_000, b), v, u)
    for level in (0.2, 0.6, 1.2):
        above, below = max(a, b) + level, min(a, b) - level
        assert np.isclose((high > above).mean(), np.exp(-2 * (above - a) * (above - b) / v), atol=0.004)
        assert np.isclose((low < below).mean(), np.exp(-2 * (a - below) * (b - below) / v), atol=0.004)


@pytest.mark.parametrize("seed", range(4))
def test_the_data_are_clean_and_look_like_a_market(seed):
    market, truth = synthetic_market(seed, 3000, start="2000-01-03", stocks=["ALFA", "BRAVO"])
    for symbol in market.symbols:
        if symbol not in ("DGS2", "DGS10"):
            assert repair_bars(symbol, market.bars(symbol), NYSE)[1] == ()
    vix, spx = market.close("VIX"), market.close("SPX")
    change = np.log(spx).diff()
    assert 8 < vix.quantile(0.05) < 13 and 28 < vix.quantile(0.95) < 45
    assert np.log(vix).diff().corr(change) < -0.5
    assert change.kurt() > 1 and 0.13 < change.std() * np.sqrt(SESSIONS_A_YEAR) < 0.22
    assert (vix / truth["expected_vol"]).median() > 1.05
    assert set(truth["state"]) == set(STATE_NAMES)
    calm, fear = (truth.index[truth["state"] == state] for state in ("risk_on", "risk_off"))
    slope = np.log(market.close("VIX3M") / vix)
    assert slope[calm].mean() > 0 > slope[fear].mean()
    assert 0.2 < change.corr(np.log(market.close("ALFA")).diff()) < 0.9


def test_the_volatility_index_forecasts_volatility_better_than_the_past_does():
    market, _ = synthetic_market(11, 3000, start="2000-01-03")
    change = np.log(market.close("SPX")).diff()
    past, came = change.rolling(21).std(), change.rolling(21).std().shift(-21)
    assert np.log(market.close("VIX")).corr(np.log(came)) > np.log(past).corr(np.log(came)) + 0.03


def test_a_stock_does_not_depend_on_the_others():
    alone = synthetic_market(1, 50, stocks=["ALFA"]).market
    among = synthetic_market(1, 50, stocks=["CHARLIE", "BRAVO", "ALFA"]).market
    assert alone.bars("ALFA").equals(among.bars("ALFA"))
    assert alone.fingerprint(["SPX", "VIX"]) == among.fingerprint(["SPX", "VIX"])


def test_another_law_can_be_asked_for():
    calm = MarketLaw(levels=(0.1, 0.1, 0.1), shock=0.0, jump_rates=(0.0, 0.0, 0.0))
    hidden = hidden_path(500, 1, calm)
    assert np.allclose(hidden.sd, 0.1 / np.sqrt(SESSIONS_A_YEAR))
    expected = expected_variance(hidden.log_vol, np.eye(3)[hidden.state], 21, calm)
    assert np.allclose(expected, 0.01, rtol=1e-12)
    assert (volatility_bars(hidden, np.eye(3)[hidden.state], "VIX", 1, calm)["close"] > 5).all()
    assert (stock_bars(hidden, "ALFA", 1, calm)["low"] > 0).all()


def test_what_the_calendar_cannot_give_is_refused():
    with pytest.raises(DataError, match="start earlier"):
        synthetic_market(sessions=10**6)
    with pytest.raises(DataError, match="no session"):
        synthetic_market(sessions=10, start="2010-01-01")
    assert len(synthetic_market(sessions=10, start="2010-01-01", calendar="24/7").truth) == 10
