"End to end for one ticker and one date: features, market state, forecast, direction, meta-learner, calibration, size, order."

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from forecastkit.core import Target, load_settings
from forecastkit.data.synthetic import synthetic_market
from forecastkit.pipeline.direction_inputs import single_direction_inputs
from forecastkit.pipeline.directions import DirectionSystem
from forecastkit.pipeline.preparation import build_forecast, prepare
from forecastkit.regimes import MARKET_STATES
from forecastkit.trading import BacktestEngine, Order, PositionSizer

TICKER, DATE = "AAA", "2016-02-16"
MARKET = synthetic_market(seed=3, sessions=1060, start="2012-01-03", stocks=(TICKER,)).market
QUICK = {
    "model.rounds": 5, "model.refit_every": 504, "model.min_train_rows": 300, "model.min_calibration_origins": 60,
    "run.n_jobs": 1, "run.progress": False, "direction.calibrate": True,
}  # fmt: skip


def chain(market):
    "All steps for one ticker as of one close, each on what the one before gave."
    settings = load_settings(overrides=QUICK)
    day = market.calendar.session(DATE)
    prepared = prepare(market, Target(TICKER, kind="log_return"), settings, day)
    forecast = build_forecast(prepared, day, datetime(2016, 2, 16, 22, tzinfo=UTC))
    system = DirectionSystem(single_direction_inputs(prepared))
    told = system.combined(day, TICKER)
    record = system.direction(forecast)
    size = PositionSizer(observations=None, confidence=0.5).calculate_position_size(forecast, {"equity": 1e6})
    return prepared, forecast, system, told, record, size


@pytest.fixture(scope="module")
def made():
    return chain(MARKET)


def test_each_step_of_the_chain_gives_what_the_next_one_needs(made):
    prepared, forecast, system, told, record, size = made
    day = MARKET.calendar.session(DATE)
    row = prepared.row(day)
    assert row.notna().mean() > 0.8 and np.isfinite(row.dropna()).all()  # features
    assert told["state"] in MARKET_STATES  # state
    values = np.asarray(forecast.values)
    assert forecast.origin == day and (np.diff(values) > 0).all() and forecast.feature_quality > 0.7  # forecast
    assert 0 < forecast.quantile(0.9) - forecast.quantile(0.1) < 50
    assert record["label"] in ("bullish", "neutral", "bearish") and sum(
        record["probabilities"].values()
    ) == pytest.approx(1)
    assert sum(told["weights"].values()) == pytest.approx(1) and set(told["weights"]) <= set(
        system.signals(system.grid(day))
    )
    combiner = system.combiner(system.grid(day))
    assert 0 < told["probability"] < 1 and 0 <= told["agreement"] <= 1
    assert combiner.calibrator is None or 0 < combiner.calibrator.calibrate(0.5, told["state"])[0] < 1  # calibration
    assert abs(size["weight"]) <= PositionSizer().limits.ticker + 1e-12 and size["reasons"]  # size
    json.dumps(record), json.dumps({name: value for name, value in size.items() if name != "forecast"}, default=float)


def test_the_size_becomes_an_order_that_fills_at_the_next_open_and_balances(made):
    *_, size = made
    day = MARKET.calendar.session(DATE)
    shares = int(size["shares"]) or 10  # what the chain decided; ten where it decided to hold nothing
    result = BacktestEngine(MARKET).run_orders(
        [Order(day, TICKER, "buy" if shares > 0 else "sell", abs(shares))],
        (TICKER,),
        day,
        MARKET.calendar.offset(day, 3),
    )
    fills = result.books.fills
    following = MARKET.calendar.offset(day, 1)
    assert len(fills.shares) == 1 and fills.shares[0] == shares
    assert result.books.prices.sessions[fills.session[0]] == following
    assert fills.price[0] == pytest.approx(MARKET.bars(TICKER)["open"][following])
    assert max(result.books.identities().values()) < 1e-9


def test_the_whole_chain_knows_nothing_after_its_date(made):
    _, forecast, _, told, record, size = made
    _, again, _, told_again, record_again, size_again = chain(MARKET.as_of(MARKET.calendar.session(DATE)))
    assert again.values == forecast.values and told_again == told and record_again == record
    assert size_again == size
