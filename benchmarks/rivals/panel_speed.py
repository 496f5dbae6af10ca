"""Are the panel features computed faster than qlib's Alpha158? The same bars, feature-rows a second, one process and two, in one run.

    .venv/bin/python benchmarks/rivals/panel_speed.py DIR --qlib QLIB_PYTHON [--tickers 100] [--sessions 2500] [--times 3]

The bars are seeded and synthetic (`made_market` of benchmarks/panel.py). They are written into DIR as qlib wants them (`float32`, one file a column), and
`alpha158.py` is run with QLIB_PYTHON (README.md says how that environment is made). forecastkit starts from the market in memory and qlib from files that the
system has in memory; both give a frame of one row a session and ticker. Two processes of forecastkit compute a half of the sessions each, the
same numbers to the last bit. A feature-row is one feature of one ticker at one session. The wall-clock counts, the fastest of a few runs, and both sides
take turns, since the machine may be shared.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from panel import made_market  # noqa: E402

from forecastkit.data import MarketData  # noqa: E402
from forecastkit.features import compute_panel  # noqa: E402

MARKET: tuple[MarketData, dict[str, str]]  # inherited by the processes


def write_bars(folder: Path, market: MarketData, tickers: list[str]) -> None:
    "The bars as a qlib folder: calendar, instruments, and for each column the place of its first session and the values."
    days = market.close("SPX").index
    (folder / "calendars").mkdir(parents=True, exist_ok=True)
    (folder / "instruments").mkdir(exist_ok=True)
    (folder / "calendars" / "day.txt").write_text("".join(f"{day:%Y-%m-%d}\n" for day in days))
    span = f"{days[0]:%Y-%m-%d}\t{days[-1]:%Y-%m-%d}"
    (folder / "instruments" / "all.txt").write_text("".join(f"{ticker}\t{span}\n" for ticker in tickers))
    for ticker in tickers:
        bars = market.bars(ticker).reindex(days)
        columns = bars[["open", "high", "low", "close", "volume"]].assign(
            vwap=bars[["high", "low", "close"]].mean(axis=1)
        )
        place = folder / "features" / ticker.lower()
        place.mkdir(parents=True, exist_ok=True)
        for name, values in columns.items():
            np.append([0.0], values).astype("<f4").tofile(place / f"{name}.day.bin")


def half(which: int) -> pd.DataFrame:
    "The features of the first or the second half of the sessions; runs in a process of its own."
    market, sectors = MARKET
    days = market.close("SPX").index
    middle = days[len(days) // 2 - 1]
    view, last = (market.as_of(middle), None) if which == 0 else (market, len(days) - len(days) // 2)
    return compute_panel(view, [*sectors], sectors=sectors, last=last)


def one_process() -> pd.DataFrame:
    "All features of all sessions, here."
    return compute_panel(MARKET[0], [*MARKET[1]], sectors=MARKET[1])


def fastest(work: object, times: int) -> tuple[float, pd.DataFrame]:
    "The seconds of the fastest of a few runs, and what the last one gave."
    taken, found = [], pd.DataFrame()
    for _ in range(times):
        began = time.perf_counter()
        found = work()  # type: ignore[operator]
        taken.append(time.perf_counter() - began)
    return min(taken), found


def rival(python: Path, folder: Path, processes: int, times: int) -> dict[str, float]:
    "What `alpha158.py` measures."
    command = [
        str(python),
        str(HERE / "alpha158.py"),
        str(folder),
        "--processes",
        str(processes),
        "--times",
        str(times),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    global MARKET
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--qlib", type=Path, required=True, metavar="QLIB_PYTHON")
    parser.add_argument("--tickers", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=2500)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    MARKET = made_market(asked.tickers, asked.sessions)
    write_bars(asked.folder, MARKET[0], [*MARKET[1]])
    own, whole = fastest(one_process, asked.times)
    other = rival(asked.qlib, asked.folder, 1, asked.times)
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(half, (0, 1)))  # the processes are there before the clock starts
        own_two, joined = fastest(lambda: pd.concat(pool.map(half, (0, 1))), asked.times)
    assert joined.index.equals(whole.index) and joined.to_numpy().tobytes() == whole.to_numpy().tobytes(), "other bits"
    other_two = rival(asked.qlib, asked.folder, 2, asked.times)
    print(f"{asked.tickers} tickers, {asked.sessions} sessions; million feature-rows a second on the wall")
    cells = asked.tickers * asked.sessions / 1e6
    for label, mine, theirs in (("one process", own, other), ("two processes", own_two, other_two)):
        rates = cells * whole.shape[1] / mine, cells * theirs["columns"] / theirs["seconds"]
        print(f"  {label:14} forecastkit {rates[0]:6.1f} ({whole.shape[1]} features, {mine:.2f} s)   Alpha158 {rates[1]:6.1f} "
              f"({theirs['columns']:.0f} features, {theirs['seconds']:.2f} s)   ratio {rates[0] / rates[1]:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
