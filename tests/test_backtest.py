"A backtest earns what was planted, nothing where nothing was planted, and never uses what was not known."

import numpy as np
import pandas as pd
import pytest
from proofs import mostly_slow

from forecastkit.core import DataError, ExperimentLog
from forecastkit.data import MarketData, synthetic_market
from forecastkit.metrics import sharpe_ratio
from forecastkit.trading import BacktestEngine, CostModel, FillRules, Holdings, PriceBlocks
from forecastkit.trading.backtest import run_decisions

NAMES = ("AAA", "BBB", "CCC")
FREE, SHORT = CostModel.free(), FillRules(short=True, volume_share=np.inf)


def planted(seed: int, edge: float, n: int = 400, k: int = 4) -> tuple[PriceBlocks, np.ndarray]:
    "Closes whose return from the next close to the one after leans towards a signal by `edge` standard deviations; the signal."
    rng = np.random.default_rng(seed)
    signal = rng.choice([-1.0, 1.0], (n, k))
    lean = np.zeros((n, k))
    lean[2:] = edge * signal[:-2]
    closes = 100 * np.cumprod(1 + 0.01 * (lean + rng.standard_normal((n, k))), axis=0)
    days = pd.bdate_range("2016-01-04", periods=n, unit="us")
    return PriceBlocks.from_bars({f"T{i}": pd.DataFrame({"close": closes[:, i]}, days) for i in range(k)}), signal


def sharpe_of(seed: int, edge: float, costs: CostModel) -> float:
    prices, signal = planted(seed, edge)

    def decide(t: int, holdings: Holdings) -> dict[str, float]:
        return dict(zip(prices.tickers, 0.2 * signal[t]))

    return sharpe_ratio(run_decisions(prices, decide, 1e6, costs, SHORT, whole=False).returns[2:])


def test_a_planted_edge_earns_its_sharpe_ratio():
    found = [sharpe_of(seed, 0.05, FREE) for seed in range(40)]
    analytic = 0.05 * np.sqrt(4 * 252)
    assert abs(np.mean(found) - analytic) < 2 * np.std(found, ddof=1) / np.sqrt(40)


@pytest.mark.parametrize("histories", mostly_slow([25, 100], short=1))
def test_no_edge_earns_nothing_and_loses_its_costs(histories):
    found = [sharpe_of(seed, 0.0, FREE) for seed in range(histories)]
    assert abs(np.mean(found)) < 2 * np.std(found, ddof=1) / np.sqrt(histories)
    dear = [sharpe_of(seed, 0.0, CostModel(half_spread_bps=5)) for seed in range(histories)]
    assert np.mean(dear) + 2 * np.std(dear, ddof=1) / np.sqrt(histories) < -1


@pytest.fixture(scope="module")
def market() -> MarketData:
    return synthetic_market(seed=4, sessions=150, stocks=NAMES).market


def rising(view: MarketData, names: tuple[str, ...]) -> dict[str, float]:
    closes = {name: view.close(name) for name in names}
    return {name: 0.3 for name, close in closes.items() if len(close) > 10 and close.iloc[-1] > close.iloc[-10]}


def test_the_function_is_handed_a_market_that_ends_at_the_decision(market):
    seen = []

    def spy(view: MarketData, names: tuple[str, ...]) -> dict[str, float]:
        seen.append(max(view.close(name).index[-1] for name in names))
        return {}

    result = BacktestEngine(market).run_walk_forward_backtest(spy, NAMES, benchmarks=False)
    assert seen == list(result.sessions[:-1])


def test_a_future_that_continues_differently_changes_nothing_before(market):
    days = market.bars("AAA").index
    other = market
    for name in NAMES:
        bars = market.bars(name).copy()
        bars.loc[days[100:], ["open", "high", "low", "close"]] *= 1.3
        other = other.with_series(name, bars)
    runs = [BacktestEngine(one).run_walk_forward_backtest(rising, NAMES, benchmarks=False) for one in (market, other)]
    np.testing.assert_array_equal(runs[0].equity.iloc[:100], runs[1].equity.iloc[:100])
    assert runs[0].equity.iloc[-1] != runs[1].equity.iloc[-1]


def test_the_order_of_the_universe_changes_nothing(market):
    engine = BacktestEngine(market)
    a = engine.run_walk_forward_backtest(rising, NAMES, benchmarks=False)
    b = engine.run_walk_forward_backtest(rising, NAMES[::-1], benchmarks=False)
    assert a.to_dict() == b.to_dict()


def test_a_forecast_from_tomorrow_is_refused(market):
    days = market.bars("AAA").index
    late = {days[5]: {"AAA": type("Made", (), {"origin": days[6]})}}
    with pytest.raises(DataError, match="nothing sees tomorrow"):
        BacktestEngine(market).run_walk_forward_backtest(late, NAMES)


def test_the_dictionary_has_the_promised_keys(market):
    shown = BacktestEngine(market).run_walk_forward_backtest(rising, NAMES, trials=3).to_dict()
    promised = "start end sessions equity_final annual_return annual_volatility sharpe max_drawdown turnover costs trades by_year by_state by_sector benchmarks identities"
    assert set(promised.split()) <= set(shown)
    assert {"cash_positions_equity", "pnl_equity"} <= set(shown["identities"])
    assert shown["sharpe"]["trials"] == 3
    assert set(shown["benchmarks"]) == {"buy_and_hold", "equal_weight", "volatility_targeted"}


def test_a_session_that_one_ticker_misses_trades_nothing_of_it(market):
    bars = market.bars("AAA")
    with_gap = market.with_series("AAA", bars.drop(bars.index[50:60]))
    result = BacktestEngine(with_gap).run_walk_forward_backtest(
        lambda view, names: {"AAA": 0.3 + 0.01 * (len(view.close("BBB")) % 7)}, NAMES, benchmarks=False
    )
    fills = result.books.fills
    assert not set(range(50, 60)) & set(fills.session.tolist())
    assert any("no bar" in one.reason for one in result.books.rejects)


def test_a_run_that_trades_nothing_has_a_result(market):
    result = BacktestEngine(market).run_walk_forward_backtest(lambda view, names: {}, NAMES, benchmarks=False)
    assert result.to_dict()["trades"] == 0
    assert result.sharpe.value == 0
    assert result.text()


def test_the_experiment_log_says_how_many_were_tried(market, tmp_path):
    log = ExperimentLog(tmp_path / "experiments.jsonl")
    log.append("search", "momentum", "does it earn anything?", {"variants": 7})
    result = BacktestEngine(market).run_walk_forward_backtest(rising, NAMES, trials=log, benchmarks=False)
    assert result.sharpe.trials == 7
    assert result.sharpe.dsr < result.sharpe.psr
    unknown = BacktestEngine(market).run_walk_forward_backtest(rising, NAMES, benchmarks=False)
    assert "trials unknown" in unknown.text()
    assert unknown.to_dict()["sharpe"]["dsr"] is None
