"""How long fills and books take on 99 tickers x 2,500 sessions, beside plain numpy on the same orders in the same run.

    .venv/bin/python benchmarks/trading.py [--rivals]

The reference does nothing but the arithmetic of the final equity: no table of fills, no trades, no checks. Its equity has to be the
same to 1e-9. `--rivals` runs vectorbt on the same orders where it is installed. Read the ratios, not the seconds, which are the processor's.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import resource
import time
from collections.abc import Callable
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pandas as pd

from forecastkit.core import PROBS
from forecastkit.trading import CostModel, FillRules, Holdings, OrderBlocks, PositionSizer, PriceBlocks, simulate
from forecastkit.trading.backtest import run_decisions

SESSIONS, TICKERS, CASH = 2500, 99, 1e8
RULES = FillRules(volume_share=np.inf, short=True)
COSTS = CostModel(per_share=0.0, bps=2.0, half_spread_bps=2.0, slippage_bps=1.0, borrow_rate=0.0)


def seconds(work: Callable[[], object], times: int = 5) -> float:
    "Seconds of the processor in the fastest of a few runs: others may be busy on the same machine."
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def a_market(seed: int = 0) -> PriceBlocks:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(0.01 * rng.standard_normal((SESSIONS, TICKERS)), axis=0))
    first = np.vstack([close[:1], close[:-1]]) * np.exp(0.003 * rng.standard_normal(close.shape))
    days = pd.bdate_range("2008-01-01", periods=SESSIONS, unit="us")
    names = tuple(f"T{i:02d}" for i in range(TICKERS))
    high, low = np.maximum(first, close) * 1.005, np.minimum(first, close) * 0.995
    return PriceBlocks(days, names, first, high, low, close, np.full(close.shape, 1e6))


def plain_numpy(prices: PriceBlocks, shares: np.ndarray) -> np.ndarray:
    "The equity of market orders at the next open with costs in basis points, by hand."
    filled = np.zeros_like(shares)
    filled[1:] = shares[:-1]
    value = filled * prices.open
    paid = (value + 5e-4 * np.abs(value)).sum(axis=1)
    return CASH - np.cumsum(paid) + (np.cumsum(filled, axis=0) * prices.close).sum(axis=1)


def orders_of(prices: PriceBlocks, share: float, seed: int = 1) -> np.ndarray:
    "Orders in so many cells, in round lots of ten shares."
    rng = np.random.default_rng(seed)
    some = rng.random(prices.close.shape) < share
    return np.where(some, 10.0 * rng.integers(-3, 4, prices.close.shape), 0.0)


def vectorbt_seconds(prices: PriceBlocks, shares: np.ndarray) -> tuple[float, float]:
    "vectorbt on the same orders, after its compilation: seconds and final equity."
    import vectorbt as vbt

    filled = np.zeros_like(shares)
    filled[1:] = shares[:-1]
    frame = pd.DataFrame(prices.close, columns=list(prices.tickers))

    def run() -> float:
        book = vbt.Portfolio.from_orders(
            frame,
            size=filled,
            price=prices.open,
            fees=5e-4,
            init_cash=CASH,
            group_by=True,
            cash_sharing=True,
            freq="1D",
        )
        return float(book.value().iloc[-1])

    value = run()
    return seconds(run, 3), value


def row(what: str, took: float, limit: str, beside: float) -> None:
    print(f"{what:62s} {took:7.3f} s   {limit:9s} plain numpy {beside:7.4f} s   x {took / beside:6.1f}")


def fills(prices: PriceBlocks, rivals: bool) -> None:
    for share in (0.1, 1.0):
        shares = orders_of(prices, share)
        books = simulate(prices, OrderBlocks(shares), CASH, COSTS, RULES)
        by_hand = plain_numpy(prices, shares)
        error = float(np.abs(books.equity / by_hand - 1).max())
        assert error < 1e-9, error
        beside = seconds(lambda shares=shares: plain_numpy(prices, shares))
        took = seconds(lambda shares=shares: simulate(prices, OrderBlocks(shares), CASH, COSTS, RULES))
        row(
            f"market orders in {share:.0%} of cells ({len(books.fills.session):,} fills), checked",
            took,
            "<= .09 s",
            beside,
        )
        print(f"{'':62s} largest relative difference of the equity {error:.1e}")
        if rivals:
            rival, value = vectorbt_seconds(prices, shares)
            print(f"  vectorbt: {rival:.3f} s, final equity differs by {abs(value / books.equity[-1] - 1):.1e}")


def intrabar(prices: PriceBlocks) -> None:
    shares = np.maximum(orders_of(prices, 0.2), 0.0)
    bought = shares > 0
    orders = OrderBlocks(
        shares,
        limit=np.where(bought & (np.arange(TICKERS) % 3 == 0), 0.995 * prices.close, np.nan),
        stop_loss=np.where(bought, 0.97 * prices.close, np.nan),
        take_profit=np.where(bought, 1.05 * prices.close, np.nan),
        trail=np.where(bought, 0.05, np.nan),
    )
    rules = FillRules(volume_share=0.1)
    beside = seconds(lambda: plain_numpy(prices, shares))
    took = seconds(lambda: simulate(prices, orders, CASH, CostModel(impact=0.5), rules), 2)
    books = simulate(prices, orders, CASH, CostModel(impact=0.5), rules)
    row(f"limits, stops, targets, trailing stops, impact ({len(books.trades):,} trades)", took, "<= 1 s", beside)


def sizing(prices: PriceBlocks) -> None:
    normal = np.array([NormalDist().inv_cdf(p) for p in PROBS])
    made = {
        n: SimpleNamespace(symbol=n, probs=PROBS, log_values=0.004 + 0.03 * normal, horizon=5, last_value=50.0)
        for n in prices.tickers
    }
    sizer = PositionSizer(sectors={name: f"s{i % 11}" for i, name in enumerate(prices.tickers)})
    five_years = prices.until(1260)

    def decide(t: int, holdings: Holdings) -> dict[str, float]:
        return sizer(made, holdings)

    took = seconds(lambda: run_decisions(five_years, decide, 1e6, CostModel(), FillRules()), 1)
    beside = seconds(lambda: plain_numpy(prices, orders_of(prices, 0.1)))
    row("sizes under limits, fills and books, daily, 99 x 1,260 sessions", took, "", beside)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rivals", action="store_true", help="run vectorbt beside it, where it is installed")
    given = parser.parse_args()
    market = a_market()
    fills(market, given.rivals)
    intrabar(market)
    sizing(market)
    print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
