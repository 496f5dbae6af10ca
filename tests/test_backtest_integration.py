"The mini-backtest: five tickers, one month, from the panel's forecasts to books, costs and what stands beside them."

import json

import numpy as np
import pandas as pd
import pytest

from forecastkit.core import load_settings
from forecastkit.data.synthetic import synthetic_market
from forecastkit.pipeline import BacktestTerms, StrategyFailed, backtest_universe
from forecastkit.pipeline.backtest_inputs import guarded
from forecastkit.pipeline.panel_universe import Universe

NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE")
MONTH = ("2016-11-01", "2016-11-30")
MARKET = synthetic_market(seed=8, sessions=1300, start="2012-01-03", stocks=NAMES).market


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    settings = load_settings(overrides={
        "data.home": home, "model.rounds": 5, "model.refit_every": 252, "run.n_jobs": 1, "run.progress": False,
    })  # fmt: skip
    return backtest_universe(Universe(NAMES), *MONTH, settings, MARKET, terms=BacktestTerms(fraction=1.0)), home


def test_a_month_of_five_tickers_balances_and_saw_nothing_of_tomorrow(run):
    found, _ = run
    sessions = found.result.sessions
    assert found.ok and len(sessions) == 21 and f"{sessions[0]:%Y-%m-%d}" == MONTH[0]
    assert len(found.result.books.prices.tickers) == 5
    assert max(found.result.to_dict()["identities"].values()) < 1e-9


def test_what_was_traded_was_paid_for_and_the_equity_is_money_and_shares(run):
    found, _ = run
    books = found.result.books
    assert len(books.fills.shares) > 0 and sum(found.result.costs.values()) > 0
    assert np.allclose(books.cash + books.values.sum(axis=1), books.equity)
    assert (books.fills.session > 0).all()  # nothing fills on the day on which it was decided


def test_the_numbers_of_the_month_stand_beside_their_errors_and_benchmarks(run):
    found, home = run
    shown = json.loads(json.dumps(found.to_dict()))
    assert {"sharpe", "selection", "max_drawdown", "turnover", "costs", "by_ticker", "benchmarks"} <= shown.keys()
    assert (shown["sharpe"]["trials"], shown["selection"]["trials"]) == (1, 1)
    assert shown["selection"]["overfitting"] is None and "probability of overfitting unknown" in found.text()
    assert set(shown["benchmarks"]) == {"buy_and_hold", "equal_weight", "volatility_targeted"}
    assert len(list((home / "backtests").glob("*.npz"))) == 1


def weights_of(market):
    closes = pd.DataFrame({name: market.close(name) for name in NAMES})
    return 0.01 + 0.0 * closes.ffill()


NO_DECISIONS = {
    "a column twice": lambda table: pd.concat([table, table.iloc[:, :1]], axis=1),
    "a row twice": lambda table: pd.concat([table, table.iloc[-1:]]),
    "rows with a time zone": lambda table: table.tz_localize("America/New_York"),
    "rows with a time of day": lambda table: table.shift(16, freq="h"),
    "rows without dates": lambda table: table.reset_index(drop=True),
    "an infinite weight": lambda table: table.mask(table.notna(), np.inf),
    "words": lambda table: table.astype(object).mask(table.notna(), "much"),
    "an array": lambda table: table.to_numpy(),
    "nothing": lambda table: None,
    "a generator": lambda table: (row for row in table.to_numpy()),
}


@pytest.mark.parametrize("said", NO_DECISIONS)
def test_a_strategy_that_gives_no_decisions_failed_and_nothing_of_it_is_kept(said, tmp_path):
    settings = load_settings(overrides={"data.home": tmp_path / "home", "run.n_jobs": 1, "run.progress": False})
    with pytest.raises(StrategyFailed):
        backtest_universe(
            Universe(NAMES), *MONTH, settings, MARKET, strategy=lambda market: NO_DECISIONS[said](weights_of(market))
        )
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("weight", [np.nan, np.inf, 10**400, "much", None])
def test_a_weight_that_is_no_finite_number_is_a_failure_of_the_strategy(weight):
    with pytest.raises(StrategyFailed, match="for AAA"):
        guarded(lambda view, tickers: {"AAA": weight})(None, ("AAA",))
