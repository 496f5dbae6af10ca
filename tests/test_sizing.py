"Sizes: limits that no forecast, path or order of tickers breaks; Kelly where the answer is known; nothing where the edge is none."

import math
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proofs import scaled

from forecastkit.core import PROBS, DataError, Pause
from forecastkit.data import MarketData, synthetic_market
from forecastkit.trading import BacktestEngine, Holdings, Limits, PositionSizer, kelly_fraction, optimal_weights
from forecastkit.trading.sizing import breaker_pauses, outcomes_of, reward_ratios, shrinkage, stop_and_target

NORMALS = np.array([NormalDist().inv_cdf(p) for p in PROBS])
NAMES = [f"T{i}" for i in range(8)]


def forecast_of(mean: float, sd: float, symbol: str = "T0") -> SimpleNamespace:
    return SimpleNamespace(symbol=symbol, probs=PROBS, log_values=mean + sd * NORMALS, last_value=50.0, horizon=5)


def holdings_of(weights: dict[str, float], equity: float = 1e5, peak: float = 1e5) -> Holdings:
    return Holdings(pd.Timestamp("2018-01-02"), equity, equity, max(peak, equity), weights, {})


@given(st.floats(0.02, 0.98), st.floats(0.01, 3.0), st.floats(0.01, 0.9))
@settings(max_examples=scaled(200), deadline=None)
def test_kelly_of_a_bet_with_two_outcomes_is_known(p, gain, loss):
    known = p / loss - (1 - p) / gain
    assert float(kelly_fraction([gain, -loss], [p, 1 - p])) == pytest.approx(known, abs=1e-6 * max(1.0, abs(known)))


@given(st.floats(0.01, 0.9))
@settings(max_examples=scaled(30), deadline=None)
def test_a_fair_game_deserves_nothing(stake):
    assert float(kelly_fraction([stake, -stake])) == 0.0


@given(st.floats(0.0001, 0.05), st.floats(0.005, 0.1), st.floats(0.51, 0.95))
@settings(max_examples=scaled(100), deadline=None)
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
@settings(max_examples=scaled(250), deadline=None)
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
@settings(max_examples=scaled(150), deadline=None)
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
@settings(max_examples=scaled(15), deadline=None)
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
    assert kelly == pytest.approx(
        (0.002 + 0.03**2 / 2) / 0.03**2, rel=0.03
    )  # its own distribution has fatter tails than the Gaussian through its 23 levels
    levels = (np.arange(199) + 1) / 200
    fine = SimpleNamespace(
        symbol="T0",
        probs=levels,
        log_values=0.001 + 0.02 * np.array([NormalDist().inv_cdf(p) for p in levels]),
        horizon=5,
    )
    (kelly,), _, _ = sizer.kelly([fine])
    assert kelly == pytest.approx((0.001 + 0.02**2 / 2) / 0.02**2, rel=0.01)


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
@settings(max_examples=scaled(60), deadline=None)
def test_many_forecasts_at_once_have_the_stops_and_targets_of_one(rows, long):
    sizer = PositionSizer(sectors={"T0": "s"}, stop_widths={"s": 1.5})
    forecasts = [forecast_of(mean, sd, name) for name, (mean, sd) in zip(NAMES, rows)]
    found = reward_ratios(
        forecasts, np.full(len(rows), long), np.array([sizer.stop_width(one.symbol) for one in forecasts])
    )
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


def path_of(equity: list[float]) -> pd.DatetimeIndex:
    return pd.bdate_range("2018-01-02", periods=len(equity), unit="us")


@given(st.lists(st.floats(50, 150), min_size=1, max_size=60), st.floats(0.02, 0.3))
@settings(max_examples=scaled(100), deadline=None)
def test_the_listed_pauses_are_the_sessions_at_which_the_sizer_took_no_new_risk(equity, fall):
    sessions, sizer = path_of(equity), PositionSizer(Limits(drawdown=fall))
    listed = breaker_pauses(sessions, equity, fall, 100.0)
    for t, session in enumerate(sessions):
        paused = any(p.since <= session and (p.lifted is None or session < p.lifted) for p in listed)
        assert paused == sizer.is_paused(holdings_of({}, equity[t], max(100.0, *equity[: t + 1])))


def test_a_backtest_lists_its_pauses_and_buys_nothing_during_one():
    names = tuple(NAMES[:2])
    market = synthetic_market(seed=9, sessions=320, stocks=names).market
    sizer = PositionSizer(Limits(ticker=0.5, drawdown=0.02))

    def hopeful(view: MarketData, universe: tuple[str, ...]) -> dict[str, SimpleNamespace]:
        return {name: forecast_of(0.02, 0.04, name) for name in universe}

    result = BacktestEngine(market, whole=False).run_walk_forward_backtest(
        hopeful, names, sizer=sizer, benchmarks=False
    )
    assert result.pauses
    assert [row["since"] for row in result.to_dict()["pauses"]] == [f"{p.since:%Y-%m-%d}" for p in result.pauses]
    fills, sessions = result.books.fills, result.sessions
    for pause in result.pauses:
        first, last = (
            sessions.get_loc(pause.since),
            len(sessions) - 1 if pause.lifted is None else sessions.get_loc(pause.lifted),
        )
        inside = (fills.session > first) & (fills.session <= last)  # decided at a close at which it stood
        assert (fills.shares[inside] <= 1e-9).all()


@given(
    st.lists(st.tuples(MEAN, SPREAD, WEIGHT), min_size=8, max_size=8), ANY_LIMITS, st.booleans(), st.floats(8e4, 1e5)
)
@settings(max_examples=scaled(20), deadline=None)
def test_the_optimal_method_breaks_no_limit_and_enlarges_nothing_that_is_paused(rows, limits, short, equity):
    pauses = [Pause("symbol:T1", "Ada", pd.Timestamp("2018-01-02"), "late")]
    groups = {name: f"s{i % 3}" for i, name in enumerate(NAMES[:6])}
    sizer = PositionSizer(limits, groups, short=short, method="optimal", pauses=pauses)
    forecasts = {name: forecast_of(mean, sd, name) for name, (mean, sd, _) in zip(NAMES, rows)}
    holdings = holdings_of({name: held if short else abs(held) for name, (_, _, held) in zip(NAMES, rows)}, equity)
    weights = sizer(forecasts, holdings)
    assert limits.breach(weights, sizer.sectors, holdings.weights) <= 1e-9
    for name in NAMES if sizer.is_paused(holdings) else ("T1",):
        assert abs(weights[name]) <= abs(holdings.weights[name]) + 1e-6


def test_the_optimal_method_prefers_the_better_forecast_and_stays_calm():
    names, many = NAMES[:6], {}
    for i, name in enumerate(names):
        many[name] = forecast_of(0.004 * i, 0.04, name)
    sizer = PositionSizer(Limits(ticker=0.5, gross=0.6), method="optimal", volatility_target=0.05, least_reward=0.0)
    weights = sizer(many, holdings_of({}))
    found = [weights[name] for name in names]
    assert found == sorted(found)
    sd = np.array(sizer.kelly(list(many.values()))[2])
    risk = np.array(found) * sd
    assert np.sqrt(0.7 * (risk**2).sum() + 0.3 * risk.sum() ** 2) <= 0.05 + 1e-6


@pytest.mark.parametrize(("share", "buys"), [(0.0, True), (0.5, True), (2.0, False)])
def test_the_optimal_method_buys_nothing_that_earns_less_over_its_horizon_than_it_costs(share, buys):
    forecast = forecast_of(0.01, 0.04)
    earned = float(np.mean(outcomes_of([forecast])))
    sizer = PositionSizer(method="optimal", observations=None, least_reward=0.0, cost=share * earned)
    assert (sizer({forecast.symbol: forecast}, holdings_of({}))[forecast.symbol] > 1e-4) == buys


def test_a_pause_out_of_the_ledger_stops_what_it_names():
    from forecastkit.ledger import PredictionDatabase, active_pauses, add_pause, lift_pause

    database = PredictionDatabase("sqlite://")
    add_pause(database, "portfolio:paper", "Ada", "holidays")
    forecast, held = forecast_of(0.02, 0.04), holdings_of({})
    for name, shares in (("paper", 0), ("other", 100)):
        size = PositionSizer(pauses=active_pauses(database), portfolio=name).calculate_position_size(forecast, held)
        assert size["shares"] == shares
    lift_pause(database, 1, "Ada", "back")
    assert PositionSizer(pauses=active_pauses(database), portfolio="paper").calculate_position_size(forecast, held)[
        "shares"
    ]
    database.close()


def test_a_trailing_stop_goes_with_the_orders_of_a_backtest():
    names = tuple(NAMES[:3])
    market = synthetic_market(seed=6, sessions=160, stocks=names).market

    def hopeful(view: MarketData, universe: tuple[str, ...]) -> dict[str, SimpleNamespace]:
        return {name: forecast_of(0.01, 0.03, name) for name in universe}

    def exits(sizer: PositionSizer) -> int:
        result = BacktestEngine(market).run_walk_forward_backtest(
            hopeful, names, sizer=sizer, every=20, stops=True, benchmarks=False
        )
        assert max(result.to_dict()["identities"].values()) <= 1e-9
        return int((result.trades["exit_by"] == "stop").sum())

    assert exits(PositionSizer(Limits(ticker=0.3), trailing=True)) > exits(PositionSizer(Limits(ticker=0.3)))


def test_the_breaker_of_a_running_account_stands_in_the_ledger_until_the_equity_is_back(tmp_path):
    from forecastkit.ledger import PredictionDatabase, active_pauses, stored_pauses
    from forecastkit.pipeline import live_sizer

    def weight(equity: float) -> float:
        held = Holdings(pd.Timestamp("2016-01-04"), equity, equity, 100_000.0, {}, {})
        database = PredictionDatabase(f"sqlite:///{tmp_path}/ledger.db")  # a new process each day
        return live_sizer(database, PositionSizer(), "paper", held).held_to_limits({"AAA": 0.04}, held)["AAA"]

    assert [weight(equity) for equity in (99_000.0, 88_000.0, 87_000.0)] == [0.04, 0.0, 0.0]
    database = PredictionDatabase(f"sqlite:///{tmp_path}/ledger.db")
    assert [(one.subject, one.who) for one in active_pauses(database)] == [("portfolio:paper", "drawdown breaker")]
    assert weight(95_000.0) == 0.04
    assert len(stored_pauses(database)) == 1 and not active_pauses(database)


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused_and_not_spread(weight):
    held = Holdings(pd.Timestamp("2016-01-04"), 1e6, 1e6, 1e6, {}, {})
    with pytest.raises(DataError, match="finite numbers; that of AAA"):
        PositionSizer().held_to_limits({"AAA": weight, "BBB": 0.01}, held)


@pytest.mark.parametrize(
    "wrong", [{"confidence": 2.0}, {"correlation": 3.0}, {"volatility_target": math.nan}, {"observations": -1}]
)
def test_a_sizer_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DataError):
        PositionSizer(**wrong)


@pytest.mark.parametrize(
    ("forecast", "portfolio", "atr"),
    [
        ({"horizon": 0}, {}, None),
        ({"log_values": np.zeros(3)}, {}, None),
        ({}, {"equity": math.inf}, None),
        ({}, {"peak": 0.0}, None),
        ({}, {"weights": {"BBB": math.nan}}, None),
        ({}, {}, -1.0),
    ],
)
def test_a_size_of_what_makes_no_sense_is_refused(forecast, portfolio, atr):
    one = {
        "symbol": "AAA",
        "probs": PROBS,
        "log_values": np.linspace(-0.05, 0.06, 23),
        "horizon": 5,
        "last_value": 50.0,
    }
    with pytest.raises(DataError):
        PositionSizer().calculate_position_size(
            SimpleNamespace(**(one | forecast)), {"equity": 1e6} | portfolio, atr=atr
        )


@pytest.mark.parametrize("wrong", [{"forecasts": None}, {"every": 0}])
def test_a_backtest_of_nothing_or_never_is_refused(wrong):
    market = synthetic_market(seed=4, sessions=60, stocks=("AAA",)).market
    with pytest.raises(DataError, match="every=1 or more"):
        BacktestEngine(market).run_walk_forward_backtest(**({"forecasts": {}, "universe": ("AAA",)} | wrong))
