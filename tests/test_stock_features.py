"The features of any bars: one set of names, closes are enough, and nothing sees tomorrow."

import numpy as np
import pandas as pd
import pytest

from forecastkit.calendars import get_calendar
from forecastkit.data.market import MarketData
from forecastkit.data.sources import load_market
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.base import compute_features
from forecastkit.features.stock import stock_features
from forecastkit.features.volatility import FeatureEngine

NYSE = get_calendar("XNYS")

CONTRACT = [
    "own_log", "own_return_1", "own_return_5", "own_return_22", "own_return_66", "own_vol_5", "own_vol_22",
    "own_vol_66", "own_vol_ewma94", "own_vol_ewma80", "own_range_5", "own_drawdown", "sessions_to_fomc",
    "sessions_to_opex", "day_of_week",
]  # fmt: skip


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return synthetic_market(seed=7, sessions=1500).market.bars("SPX")


@pytest.fixture(scope="module")
def engine() -> FeatureEngine:
    return FeatureEngine(stock_features("MINE", "SPX"), symbol="MINE")


@pytest.mark.parametrize("columns", [["open", "high", "low", "close", "volume"], ["close"]])
def test_a_row_equals_the_row_known_at_its_close(bars, engine, columns):
    market = MarketData({"MINE": bars[columns], "SPX": bars.iloc[::-1].set_axis(bars.index)})
    whole = engine.build_features(market)
    numbers = whole.drop(columns="calendar_cohort")
    for at in np.sort(np.random.default_rng(23).choice(len(whole), 20, replace=False)):
        then = engine.build_features(market.as_of(whole.index[at]))
        assert (
            then.drop(columns="calendar_cohort").iloc[-1].to_numpy(float).tobytes()
            == numbers.iloc[at].to_numpy(float).tobytes()
        )
        assert then["calendar_cohort"].iloc[-1] == whole["calendar_cohort"].iloc[at]


def test_the_names_that_recipes_rely_on_are_there(bars):
    engine = FeatureEngine(stock_features("MINE"), symbol="MINE")
    rows = engine.build_features(MarketData({"MINE": bars}))
    assert set(CONTRACT) <= set(engine.names)
    assert {need for f in engine.declarations for need in f.needs} == {"MINE"}
    assert rows[CONTRACT].iloc[-1000:].notna().all(axis=None)
    assert rows["feature_quality"].iloc[-1000:].eq(1.0).all()


def test_contract_features_by_hand(bars):
    last = FeatureEngine(stock_features("MINE"), symbol="MINE").build_features(MarketData({"MINE": bars})).iloc[-1]
    log = np.log(bars["close"].to_numpy())
    change = np.diff(log)
    weights = 0.8 ** np.arange(len(change))[::-1]
    expected = {
        "own_log": log[-1],
        "own_return_66": log[-1] - log[-67],
        "own_vol_5": change[-5:].std(ddof=1),
        "own_vol_ewma80": np.sqrt((weights * change**2).sum() / weights.sum()),
        "own_range_5": np.log(bars["high"] / bars["low"]).iloc[-5:].mean(),
        "own_drawdown": log[-1] - log[-252:].max(),
        "own_volume_5_66": np.log(bars["volume"].iloc[-5:].mean() / bars["volume"].iloc[-66:].mean()),
    }
    for name, value in expected.items():
        assert last[name] == pytest.approx(value, rel=1e-8, abs=1e-12), name


def test_after_its_warm_up_a_feature_does_not_know_where_the_data_begin(bars):
    declared = stock_features("MINE")
    whole = compute_features(declared, MarketData({"MINE": bars}), "MINE")
    late = compute_features(declared, MarketData({"MINE": bars.iloc[300:]}), "MINE")
    for feature in declared:
        a, b = late[feature.name].iloc[feature.warmup :], whole[feature.name].iloc[300 + feature.warmup :]
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9, err_msg=feature.name)


def test_a_market_that_trades_every_day():
    "Bitcoin on its own calendar: weekends are sessions."
    days = pd.date_range("2017-01-01", "2018-06-30", unit="us")
    price = 4000 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.04, len(days))))
    market = MarketData({"BTC": pd.DataFrame({"close": price}, days)}, calendar="24/7")
    engine = FeatureEngine(stock_features("BTC"), symbol="BTC")
    rows = engine.build_features(market)
    assert len(rows) == len(days)
    assert rows["day_of_week"].max() == 6
    then = engine.build_features(market.as_of("2018-02-04"))
    assert then.iloc[-1].equals(rows.loc["2018-02-04"])


def test_real_stocks_are_in_bounds():
    "Thirty years of embedded closes: no genuine day is taken for an error."
    market = load_market("sample", symbols=["AAPL", "WMT"])
    for symbol in ("AAPL", "WMT"):
        declared = [f for f in stock_features(symbol) if f.family != "calendar"]
        frame = compute_features(declared, market, symbol)
        for f in declared:
            assert not ((frame[f.name] < f.low) | (frame[f.name] > f.high)).any(), f.name
