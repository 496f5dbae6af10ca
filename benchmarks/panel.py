"""How fast the panel features are: a hundred tickers, 2,500 sessions, all features, from the market to the long frame.

    .venv/bin/python benchmarks/panel.py

A feature-row is one feature of one ticker at one session. Seconds are of the processor, not of the clock: these machines are shared. The
whole is one process and one thread; it is printed apart how much of it is reading the bars, the formulas, and the frame. The memory of
the panel block grows with sessions x tickers x features; the row of a date needs the warm-up only, and its peak is printed for 2,000 tickers.
"""

import os
import sys
import time
import tracemalloc
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.data import MarketData
from forecastkit.features.panel import compute_panel, panel_features, panel_values
from forecastkit.features.panel_inputs import PanelInputs

NYSE = get_calendar("XNYS")
LIMIT, AIM = 8e6, 20e6  # feature-rows a second


def made_market(tickers: int, sessions: int, seed: int = 0) -> tuple[MarketData, dict[str, str]]:
    "Bars of so many tickers, an index and its volatility, and a sector for each ticker; one in twenty is halted for a month."
    rng = np.random.default_rng(seed)
    days = NYSE.sessions_in_range("2005-01-03", "2018-12-31")[-sessions:]
    index = rng.normal(0, 0.01, sessions)
    series = {}
    for place in range(tickers):
        close = 50 * np.exp(np.cumsum(0.9 * index + rng.normal(0, 0.015, sessions)))
        open_ = close * np.exp(rng.normal(0, 0.006, sessions))
        spread = np.abs(rng.normal(0, 0.008, (2, sessions)))
        high, low = np.maximum(open_, close) * (1 + spread[0]), np.minimum(open_, close) * (1 - spread[1])
        bars = pd.DataFrame(
            {"open": open_, "high": high, "low": low, "close": close, "volume": rng.integers(1, 9, sessions) * 1e6},
            days,
        )
        series[f"T{place:04d}"] = bars.drop(bars.index[200:221]) if place % 20 == 19 and sessions > 400 else bars
    series["SPX"] = pd.DataFrame({"close": 1500 * np.exp(np.cumsum(index))}, days)
    series["VIX"] = pd.DataFrame({"close": 18 * np.exp(np.sin(np.arange(sessions) / 60) / 3)}, days)
    return MarketData(series), {f"T{place:04d}": f"sector {place % 11}" for place in range(tickers)}


def seconds(work: Callable[[], object], times: int = 3) -> float:
    "The fastest of a few runs, in seconds of the processor."
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> int:
    "Print the figures; 1 where the limit is missed."
    market, sectors = made_market(100, 2500)
    features = panel_features()
    rows = 100 * 2500 * len(features)
    whole = seconds(lambda: compute_panel(market, sectors=sectors))
    reading = seconds(lambda: PanelInputs(market, sectors=sectors))
    formulas = seconds(lambda: panel_values(PanelInputs(market, sectors=sectors), features)) - reading
    print(f"{len(features)} features, 100 tickers, 2,500 sessions: {whole:.2f} s, {rows / whole / 1e6:.1f} million feature-rows a second "
          f"(limit {LIMIT / 1e6:.0f}, aim {AIM / 1e6:.0f})")  # fmt: skip
    print(
        f"  reading the bars {reading:.2f} s, formulas {formulas:.2f} s ({rows / formulas / 1e6:.1f} million), the frame {whole - reading - formulas:.2f} s"
    )
    one = seconds(lambda: compute_panel(market, sectors=sectors, last=1))
    print(f"  the rows of one date, 100 tickers: {one:.3f} s")
    many, groups = made_market(2000, 300)
    tracemalloc.start()
    took = seconds(lambda: compute_panel(many, sectors=groups, last=1), times=1)
    print(
        f"  the rows of one date, 2,000 tickers: {took:.2f} s traced, {tracemalloc.get_traced_memory()[1] / 2**20:.0f} MiB at the peak"
    )
    return int(rows / whole < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
