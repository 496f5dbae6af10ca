"""The same orders, prices and costs through forecastkit and through vectorbt, backtesting.py and bt. README.md says how this is run.

    .venv/bin/python benchmarks/rivals/books.py DIR --export
    RIVALS_PYTHON    benchmarks/rivals/books_rivals.py DIR
    .venv/bin/python benchmarks/rivals/books.py DIR

The first command writes prices, orders and signals, the second runs the libraries on them, the third runs forecastkit and compares.
Seconds are those of the processor; none of them decides anything but the last line of the table of ratios.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.trading import CostModel, FillRules, OrderBlocks, PriceBlocks, moving_average_pairs, simulate, sweep

SESSIONS, TICKERS, CASH = 2500, 99, 1e8
WINDOWS = tuple(range(10, 110, 10))  # 45 pairs
COSTS = CostModel(per_share=0.0, bps=5.0, half_spread_bps=0.0, slippage_bps=0.0, borrow_rate=0.0)


def fastest(work: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    "Seconds of the processor in the fastest run, and what it gave."
    taken, found = [], None
    for _ in range(times):
        start = time.process_time()
        found = work()
        taken.append(time.process_time() - start)
    return min(taken), found


def a_market(seed: int = 0) -> dict[str, np.ndarray]:
    "Random bars with gaps over night, round lots bought and sold so that nothing is ever short, and levels to leave at."
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(0.01 * rng.standard_normal((SESSIONS, TICKERS)), axis=0))
    first = np.vstack([close[:1], close[:-1]]) * np.exp(0.003 * rng.standard_normal(close.shape))
    wiggle = 1 + 0.01 * rng.random((2, *close.shape))
    some = rng.random(close.shape) < 0.1
    some[0] = False  # backtesting.py asks for the first decision after the second session
    holds = np.cumsum(some, axis=0) % 2 == 1  # buys a lot, sells it again
    shares = 100.0 * np.diff(holds.astype(int), axis=0, prepend=0)
    turn = np.arange(SESSIONS)[:, None] % 40  # one purchase at a time: what is left of it is sold before the next
    single = np.where(turn == 1, 100.0, np.where(turn == 36, -100.0, 0.0)) * np.ones(TICKERS)
    return {
        "open": first, "high": np.maximum(first, close) * wiggle[0], "low": np.minimum(first, close) / wiggle[1],
        "close": close, "shares": shares, "single": single,
    }  # fmt: skip


def blocks(given: dict[str, np.ndarray]) -> PriceBlocks:
    bars = [given[name] for name in ("open", "high", "low", "close")]
    days = pd.bdate_range("2008-01-01", periods=SESSIONS, unit="us")
    return PriceBlocks(days, tuple(f"T{i:02d}" for i in range(bars[0].shape[1])), *bars, np.full(bars[0].shape, 1e6))


def with_levels(prices: PriceBlocks, shares: np.ndarray) -> OrderBlocks:
    "The purchases with a stop 3 % below and a target 5 % above the close of the decision, and no sales."
    buys = np.maximum(shares, 0.0)
    stop, target = (np.where(buys > 0, factor * prices.close, np.nan) for factor in (0.97, 1.05))
    return OrderBlocks(buys, stop_loss=stop, take_profit=target)


def one_at_a_time(prices: PriceBlocks, shares: np.ndarray) -> OrderBlocks:
    "The same levels for purchases that never overlap; a sale of what has left already is rejected."
    levels = with_levels(prices, shares)
    return OrderBlocks(shares, stop_loss=levels.stop_loss, take_profit=levels.take_profit)


def own(given: dict[str, np.ndarray]) -> dict[str, Any]:
    "What forecastkit makes of it."
    prices, found = blocks(given), {}
    for at in ("open", "close"):
        rules = FillRules(at, volume_share=np.inf)
        took, books = fastest(lambda rules=rules: simulate(prices, OrderBlocks(given["shares"]), CASH, COSTS, rules))
        found[f"orders at the {at}"] = {"seconds": took, "equity": float(books.equity[-1])}
    rules = FillRules("open", volume_share=np.inf)
    ten = blocks({name: block[:, :10] for name, block in given.items()})
    for case, orders in (
        ("orders", OrderBlocks(given["shares"][:, :10])),
        ("stops", with_levels(ten, given["shares"][:, :10])),
        ("single stops", one_at_a_time(ten, given["single"][:, :10])),
    ):
        took, books = fastest(lambda orders=orders: simulate(ten, orders, CASH, COSTS, rules))
        found[f"{case} of ten"] = {"seconds": took, "equity": float(books.equity[-1])}
    took, books = fastest(lambda: simulate(prices, with_levels(prices, given["shares"]), CASH, COSTS, rules))
    found["stops and targets"] = {"seconds": took, "equity": float(books.equity[-1])}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for at in ("open", "close"):
        took, result = fastest(
            lambda at=at: sweep(prices, moving_average_pairs(prices, WINDOWS), COSTS, FillRules(at, volume_share=np.inf)), 1
        )  # fmt: skip
        found[f"sweep at the {at}"] = {"seconds": took, "returns": result.total_return.tolist()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found["sweep at the open"] |= {"peak_mb": peak / 1024, "more_mb": (peak - before) / 1024}
    return found


RULES = {  # why a library and forecastkit need not agree
    (
        "backtesting.py",
        "stops of ten",
    ): "backtesting.py: a target touched exactly counts as reached, and one order closes one purchase, not the position; "
    "forecastkit: one stop and one target for the whole position, renewed by each purchase",
}


def compare(folder: Path) -> bool:
    "Print the table; whether every final equity agrees to 1e-6 where no rule says why it need not."
    with np.load(folder / "market.npz") as kept:
        ours = own({name: kept[name] for name in kept.files})
    theirs, good = json.loads((folder / "books.json").read_text()), True
    print(f"{'':16s}{'':22s}{'seconds':>9s}{'ratio':>8s}{'difference':>12s}")
    for library, cases in theirs.items():
        for case, one in cases.items():
            mine = ours[case]
            if "returns" in one:
                differs = float(np.abs((1 + np.array(one["returns"])) / (1 + np.array(mine["returns"])) - 1).max())
            else:
                differs = abs(one["equity"] / mine["equity"] - 1)
            why = RULES.get((library, case), "")
            good &= differs <= 1e-6 or bool(why)
            print(
                f"{library:16s}{case:22s}{one['seconds']:9.3f}{one['seconds'] / mine['seconds']:8.1f}{differs:12.1e}  {why}"
            )
            if "peak_mb" in one:
                print(f"{'':16s}{'':22s}memory {one['peak_mb']:.0f} MB at most, {one['more_mb']:.0f} MB for the sweep")
    for case, mine in ours.items():
        print(f"{'forecastkit':16s}{case:22s}{mine['seconds']:9.3f}")
    swept = ours["sweep at the open"]
    print(f"{'':38s}memory {swept['peak_mb']:.0f} MB at most, {swept['more_mb']:.0f} MB for the sweep")
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--export", action="store_true", help="write what the libraries may read, and stop")
    asked = parser.parse_args()
    if asked.export:
        asked.folder.mkdir(parents=True, exist_ok=True)
        np.savez(asked.folder / "market.npz", **a_market())
    else:
        raise SystemExit(0 if compare(asked.folder) else 1)
