"""A hundred symbols from a server that takes 50 ms to answer and must not be asked more than 20 times a second; kills; reading.

    .venv/bin/python benchmarks/download.py [KILLS]

The server is on the loopback address and gone at the end. Five years of bars a symbol. The least time that the limit leaves is
5 s; what is above it is reading, checking and writing. Then downloads are killed at random and run again (20 times, unless told):
after every kill each series in the store is whole or absent, and in the end the store is that of an undisturbed run. At last a hundred
symbols of ten years are read from the store and from CSV with pandas: best of five each, turn by turn.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import pandas as pd
from kill_download import contents, fetch, kills
from vendors import FAULTS, SLOW, Vendors, prices

from forecastkit.calendars import get_calendar
from forecastkit.data.sources import load_market
from forecastkit.data.store import Store

NYSE = get_calendar("XNYS")

SYMBOLS = [f"S{k:03d}" for k in range(100)]
LIMIT = 30.0  # seconds
READ, FASTER = 1.0, 10.0  # seconds for a hundred symbols of ten years, and times CSV


def measured(home: Path, faults: bool) -> float:
    "Download the hundred, some with faults that pass; seconds, after checking what is in the store."
    with Vendors(latency=0.05) as server:
        if faults:
            passing = [fault for fault in FAULTS if fault not in (*SLOW, "404", "json error")]
            server.faults |= {f"/{symbol}": [passing[k % len(passing)]] for k, symbol in enumerate(SYMBOLS[:24])}
        begun = time.perf_counter()
        report = fetch(home, server.address, SYMBOLS, rate=20)
        seconds = time.perf_counter() - begun
        asked = len(server.requests)
    assert not report.failed, report
    for symbol in SYMBOLS:
        assert Store(home).bars(symbol)["close"].tolist() == prices(symbol)["close"].tolist()
    print(
        f"{'with faults that pass' if faults else 'undisturbed':22s} {seconds:5.1f} s, {asked} requests ({asked / seconds:.1f} a second)"
    )
    return seconds


def ten_years(symbol: str) -> pd.DataFrame:
    "Ten years of bars, five of them twice."
    days = NYSE.sessions_in_range("2009-01-02", "2018-12-31")
    return prices(symbol).iloc[np.arange(len(days)) % len(prices(symbol))].set_axis(days.rename("date"))


def reading(home: Path) -> bool:
    "Whether the store is read as fast as it should be."
    store, files = Store(home), {symbol: home / f"{symbol}.csv" for symbol in SYMBOLS}
    home.mkdir()
    for symbol, file in files.items():
        ten_years(symbol).to_csv(file)
        store.put(symbol, ten_years(symbol), "made up", "2019-01-02 22:00Z", NYSE)
    ways = {
        "the store": lambda: [store.bars(symbol) for symbol in SYMBOLS],
        "a market from it": lambda: load_market([store], SYMBOLS),
        "pandas.read_csv": lambda: [pd.read_csv(file, index_col="date", parse_dates=True) for file in files.values()],
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(5):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - begun)
    ratio = best["pandas.read_csv"] / best["the store"]
    told = ", ".join(f"{name} {took:.3f} s" for name, took in best.items())
    print(f"100 symbols x 10 years: {told}; the store is {ratio:.0f} times as fast as CSV")
    return best["the store"] <= READ and ratio >= FASTER


def main(times: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        slowest = max(measured(home / "plain", False), measured(home / "faults", True))
        rows = Counter(len(frame) for frame in contents(home / "plain").values())
        print(f"rows a symbol: {dict(rows)}; limit {LIMIT:.0f} s: {'kept' if slowest <= LIMIT else 'BROKEN'}")
        finished, asked = kills(home / "kills", times, count=30, longest=1.5)
        print(
            f"killed {times} times, {finished} of them after the work was done; {asked} requests; the store equals the undisturbed one"
        )
        quick = reading(home / "reading")
    return int(slowest > LIMIT or not quick)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
