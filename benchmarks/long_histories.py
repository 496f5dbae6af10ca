"""Stocks with histories from 1962, 1980, 2000 and of a few years, each as a person would hand them in: a forecast or a sentence, never an error of a library.

    python benchmarks/long_histories.py ../shared/market/stocks [--stocks 20] [--out long_histories.json]

The large caps whose real histories begin in 1962 come first. Files that begin later are prolonged backwards to the session at which
such a history begins, by their own bars, scaled to join; others are taken whole, or cut to their last rows. Each goes through
`forecastkit.forecast(frame, symbol=...)`, one after the other, with the seconds of processor time that it takes.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import pandas as pd

import forecastkit as fk
from forecastkit.core import DataError, load_settings

NYSE = fk.calendars.get_calendar("XNYS")
OLDEST = ("BA", "CAT", "CVX", "DIS", "GE", "HON", "IBM", "JNJ", "KO", "LMT", "MO", "MRK", "PG", "XOM")
STARTS = (
    "1962-01-02",
    "1962-03-01",
    "1955-01-03",
    "1980-01-02",
    "",
    "2014-01-02",
    "2017-01-03",
    "2018-06-01",
)  # "": as the file has it
PRICES = ["open", "high", "low", "close"]


def bars_of(path: Path) -> pd.DataFrame:
    "The bars of a stock, as the file has them."
    return pd.read_csv(path, index_col=0, parse_dates=True)


def begun(bars: pd.DataFrame, start: str) -> pd.DataFrame:
    "The bars from a day on; before their own beginning their own bars again and again, each copy scaled to join the next."
    first = pd.Timestamp(start) if start else bars.index[0]
    days = pd.DatetimeIndex(
        [
            *pd.bdate_range(first, "1961-12-29"),
            *NYSE.sessions_in_range(max(first, NYSE.sessions[0]), bars.index[0])[:-1],
        ]
    )
    copies = [bars.loc[first:]]
    while len(days):
        taken = bars.tail(len(days)).copy()
        taken[PRICES] *= copies[0]["open"].iloc[0] / taken["close"].iloc[-1]
        copies.insert(0, taken.set_axis(days[-len(taken) :]))
        days = days[: -len(taken)]
    return pd.concat(copies)


def chosen(folder: Path, stocks: int) -> dict[str, tuple[Path, str]]:
    "Path and beginning by symbol: the oldest large caps first, the beginnings in turn."
    paths = {path.name.removesuffix(".csv.gz"): path for path in sorted(folder.glob("*.csv.gz"))}
    names = [*dict.fromkeys([*(s for s in OLDEST if s in paths), *paths])][:stocks]
    return {symbol: (paths[symbol], STARTS[at % len(STARTS)]) for at, symbol in enumerate(names)}


def tried(symbol: str, path: Path, start: str, settings) -> dict[str, object]:
    "What became of one stock."
    bars, began = begun(bars_of(path), start), time.process_time()
    row = {"first": f"{bars.index[0]:%Y-%m-%d}", "rows": len(bars)}
    try:
        made = fk.forecast(bars, symbol=symbol, settings=settings)
        low, high = made.interval(0.8)
        row |= {"origin": f"{made.origin:%Y-%m-%d}", "range_80": [round(low, 2), round(high, 2)]}
        row |= {"notes": list(made.metadata.get("data_notes", []))}
    except DataError as error:
        row |= {"refused": str(error)}
    except Exception as error:
        row |= {"raw": f"{type(error).__name__}: {error}"}
    return row | {"seconds": round(time.process_time() - began, 1)}


def main() -> int:
    "Print and write one row a stock; the number of raw errors."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stocks", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("long_histories.json"))
    asked = parser.parse_args()
    settings, rows = load_settings(overrides={"run.progress": False}), {}
    for symbol, (path, start) in chosen(asked.folder, asked.stocks).items():
        rows[symbol] = tried(symbol, path, start, settings)
        asked.out.write_text(json.dumps(rows, indent=1) + "\n")
        print(symbol, json.dumps(rows[symbol]), flush=True)
    return sum("raw" in row for row in rows.values())


if __name__ == "__main__":
    sys.exit(main() > 0)
