"Sizes: limits that no forecast, path or order of tickers breaks; Kelly where the answer is known; nothing where the edge is none."

from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.core import PROBS, DataError
from forecastkit.data import MarketData, synthetic_market
from forecastkit.trading import BacktestEngine, Holdings, Limits, PositionSizer, kelly_fraction, optimal_weights
from forecastkit.trading.sizing import shrinkage, stop_and_target

NORMALS = np.array([NormalDist().inv_cdf(p) for p in PROBS])
NAMES = [f"T{i}" for i in range(8)]


def forecast_of(mean: float, sd: float, symbol: str = "T0") -> SimpleNamespace:
    return SimpleNamespace(symbol=symbol, probs=PROBS, log_values=mean + sd * NORMALS, last_value=50.0, horizon=5)


def holdings_of(weights: dict[str, float], equity: float = 1e5, peak: float = 1e5) -> Holdings:
    return Holdings(pd.Timestamp("2018-01-02"), equity, equity, max(peak, equity), weights, {})


@given(st.floats(0.02, 0.98), st.floats(0.01, 3.0), st.floats(0.01, 0.9))
@settings(max_examples=200, deadline=None)
def test_kelly_of_a_bet_with_two_outcomes_is_known(p, gain, loss):
    known = p / loss - (1 - p) / gain
    assert float(kelly_fraction([gain, -loss], [p, 1 - p])) == pytest.approx(known, abs=1e-6 * max(1.0, abs(known)))


@given(st.floats(0.01, 0.9))
@settings(max_examples=30, deadline=None)
def test_a_fair_game_deserves_nothing(stake):
    assert float(kelly_fraction([stake, -stake])) == 0.0


@given(st.floats(0.0001, 0.05), st.floats(0.005, 0.1), st.floats(0.51, 0.95))
@settings(max_examples=100, deadline=None)
def test_shrinkage_rises_with_observations_to_one_and_is_zero_below_the_level(mean, sd, level):
    factors = [float(shrinkage(mean, sd, n, level)) for n in (1, 10, 100, 1000, 10**9)]
    assert factors == sorted(factors)
    assert factors[-1] == pytest.approx(1, abs=1e-3)
    for n, factor in zip((1, 10, 100, 1000), factors):
        sure = NormalDist().cdf(mean * np.sqrt(n) / sd)
        assert (factor == 0) == (sure < level) or abs(sure - level) < 1e-9


WEIGHT, MEAN, SPREAD = st.floats(-0.6, 0.6), st.floats(-0.2, 0.2), st.floats(0.001, 0.3)
ANY_LIMITS = st.builds(
    Limits, st.floats(0.01, 0.5), st.floats(0.05, 1), st.floats(0.1, 2), st.floats(0.05, 2), st.floats(0.01, 2)
)


@given(
    st.lists(st.tuples(MEAN, SPREAD, WEIGHT), min_size=8, max_size=8), ANY_LIMITS, st.booleans(), st.floats(5e4, 1e5)
)
@settings(max_examples=250, deadline=None)
def test_no_forecast_and_no_holding_breaks_a_limit(rows, limits, short, equity):
    sizer = PositionSizer(limits, {name: f"s{i % 3}" for i, name in enumerate(NAMES[:6])}, short=short)
    forecasts = {name: forecast_of(mean, sd, name) for name, (mean, sd, _) in zip(NAMES, rows)}
    holdings = holdings_of({name: held for name, (_, _, held) in zip(NAMES, rows)}, equity)
    weights = sizer(forecasts, holdings)
    assert limits.breach(weights, sizer.sectors, holdings.weights) <= 1e-9
    backwards = sizer(dict(reversed(forecasts.items())), holdings)
    assert weights == backwards
    if sizer.is_paused(holdings):
        for name, weight in weights.items():
            assert abs(weight) <= abs(holdings.weights[name]) + 1e-12


@given(MEAN, SPREAD, st.dictionaries(st.sampled_from(NAMES), st.floats(0, 0.1), max_size=8), st.booleans())
@settings(max_examples=150, deadline=None)
def test_one_position_stays_within_its_limits(mean, sd, held, short):
    sizer = PositionSizer(sectors=dict.fromkeys(NAMES[:5], "one"), short=short)
    size = sizer.calculate_position_size(forecast_of(mean, sd), holdings_of(held))
    assert abs(size["weight"]) <= 0.05 + 1e-9
    assert short or size["shares"] >= 0
    sector = sum(weight for name, weight in held.items() if name in NAMES[1:5])
    assert size["shares"] == 0 or abs(size["weight"]) + sector <= 0.30 + 1e-9
    assert size["reasons"]
    assert size["shares"] == 0 or (size["stop_loss"] < 50 < size["take_profit"]) == (size["shares"] > 0)


@given(st.integers(0, 10**6), ANY_LIMITS, st.booleans())
@settings(max_examples=15, deadline=None)
def test_the_solver_breaks_no_limit(seed, limits, short):
    rng = np.random.default_rng(seed)
    mean, sd = 0.02 * rng.standard_normal(8), rng.uniform(0.01, 0.1, 8)
    held, sectors = rng.uniform(-0.2, 0.3, 8), np.array([0, 0, 0, 1, 1, 2, 3, 4])
    covariance = np.outer(sd, sd) * (0.4 + 0.6 * np.eye(8))
    weights = optimal_weights(mean, covariance, sectors, held if short else np.abs(held), limits, short=short)
    names = dict(zip(NAMES, sectors.astype(str)))
    before = dict(zip(NAMES, held if short else np.abs(held)))
    assert limits.breach(dict(zip(NAMES, weights)), names, before) <= 1e-9


def test_a_gaussian_forecast_deserves_mean_over_variance():
    grid = (np.arange(4000) + 0.5) / 4000
    normal = np.array([NormalDist().inv_cdf(p) for p in grid])
    for mean, sd in ((0.001, 0.02), (0.002, 0.03)):
        assert float(kelly_fraction(mean + sd * normal)) == pytest.approx(mean / sd**2, rel=0.01)
    sizer = PositionSizer(observations=None)
    (kelly,), _, _ = sizer.kelly([forecast_of(0.002, 0.03)])
    assert kelly == pytest.approx((0.002 + 0.03**2 / 2) / 0.03**2, rel=0.03)  # 23 quantiles are not quite a Gaussian


def test_an_atr_and_a_state_widen_the_stop():
    sizer = PositionSizer(stop_widths={"crisis": 2.0})
    quiet, wild = (sizer.calculate_position_size(forecast_of(0.03, 0.04), {"equity": 1e5}, atr=1.0, state=state) for state in ("calm", "crisis"))  # fmt: skip
    assert quiet["stop_loss"] == pytest.approx(48)
    assert wild["stop_loss"] == pytest.approx(46)
    assert quiet["trailing_stop"] == pytest.approx(0.04)


def test_a_size_without_a_price_is_refused_in_one_line():
    with pytest.raises(DataError, match="price and an equity above 0"):
        PositionSizer().calculate_position_size(forecast_of(0.01, 0.04), {"equity": 1e5}, price=float("nan"))


def test_a_backtest_with_the_sizer_breaks_no_limit_from_day_to_day():
    names = tuple(NAMES[:4])
    market = synthetic_market(seed=6, sessions=160, stocks=names).market
    sizer = PositionSizer(Limits(ticker=0.1, turnover=0.05), {"T0": "a", "T1": "a"})

    def climate(view: MarketData, universe: tuple[str, ...]) -> dict[str, SimpleNamespace]:
        if len(view.bars("T0")) < 40:
            return {}
        recent = {name: np.log(view.close(name)).diff().iloc[-30:] for name in universe}
        return {name: forecast_of(5 * r.mean() + 0.01, 2.2 * r.std(), name) for name, r in recent.items()}

    result = BacktestEngine(market).run_walk_forward_backtest(climate, names, sizer=sizer, benchmarks=False)
    assert result.breach <= 1e-9
    assert len(result.trades) > 0
    assert result.to_dict()["identities"]["limits"] <= 1e-9


@given(st.lists(st.tuples(MEAN, SPREAD), min_size=1, max_size=6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_many_forecasts_at_once_have_the_stops_and_targets_of_one(rows, long):
    sizer = PositionSizer(sectors={"T0": "s"}, stop_widths={"s": 1.5})
    forecasts = [forecast_of(mean, sd, name) for name, (mean, sd) in zip(NAMES, rows)]
    found = sizer._rewards(forecasts, np.full(len(rows), long))
    for one, reward in zip(forecasts, found):
        stop, target = stop_and_target(one, 1.0, long, 1.5 if one.symbol == "T0" else 1.0)
        assert reward == pytest.approx(abs(target - 1) / abs(1 - stop), rel=1e-9)


def test_a_backtest_with_stops_closes_positions_at_them_and_balances():
    names = tuple(NAMES[:3])
    market = synthetic_market(seed=6, sessions=160, stocks=names).market

    def hopeful(view: MarketData, universe: tuple[str, ...]) -> dict[str, SimpleNamespace]:
        return {name: forecast_of(0.01, 0.03, name) for name in universe}

    engine, sizer = BacktestEngine(market), PositionSizer(Limits(ticker=0.3))
    result = engine.run_walk_forward_backtest(hopeful, names, sizer=sizer, every=5, stops=True, benchmarks=False)
    assert {"stop", "target"} <= set(result.trades["exit_by"])
    assert max(result.to_dict()["identities"].values()) <= 1e-9
    plain = engine.run_walk_forward_backtest(hopeful, names, sizer=sizer, every=5, benchmarks=False)
    assert not {"stop", "target"} & set(plain.trades["exit_by"])
    with pytest.raises(DataError, match="knows no stops"):
        engine.run_walk_forward_backtest(lambda view, universe: {}, names, stops=True)
