"""How fast the data layer is and how much memory it needs: store, as_of, feature cache, a universe; each beside a reference of the same run.

    .venv/bin/python benchmarks/data.py [store | listing | market | features | memory ...]

These machines are shared and noisy: read the ratios, not the seconds. All prices are made up.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from markets import whole_market

from forecastkit.calendars import get_calendar
from forecastkit.data import source_table, stored_sources
from forecastkit.data.market import MarketData, Repair
from forecastkit.data.sources import load_market
from forecastkit.data.store import Store
from forecastkit.features.base import compute_features
from forecastkit.features.cache import FeatureCache
from forecastkit.features.stock import stock_features
from forecastkit.features.volatility import volatility_features

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("2009-01-02", "2018-12-31")
SYMBOLS = tuple(f"S{i:03d}" for i in range(100))


def seconds(work: Callable[[], object], times: int = 5) -> float:
    "The fastest of a few runs, after one that warms up."
    work()
    best = np.inf
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def row(what: str, took: float, limit: str, reference: str = "", beside: float = np.nan) -> None:
    ratio = f"{reference:44s} {1e3 * beside:9.1f} ms   x {beside / took:6.1f}" if reference else ""
    print(f"{what:66s} {1e3 * took:9.2f} ms   {limit:10s} {ratio}", flush=True)


def walk(seed: int) -> pd.DataFrame:
    "Bars of a random walk."
    rng = np.random.default_rng(seed)
    steps = np.exp(np.log(100) + np.cumsum(rng.normal(0, 0.005, (len(DAYS), 4)).ravel()).reshape(-1, 4)).round(2)
    prices = {"open": steps[:, 0], "high": steps.max(axis=1), "low": steps.min(axis=1), "close": steps[:, 3]}
    return pd.DataFrame({**prices, "volume": rng.integers(1, 9, len(DAYS)) * 1e6}, DAYS)


def store() -> None:
    "100 symbols x 10 years from the store, from CSV, and as a market."
    with tempfile.TemporaryDirectory() as home:
        kept = Store(home)
        for i, symbol in enumerate(SYMBOLS):
            kept.put(symbol, walk(i), "made up", "2019-01-02 12:00Z", NYSE)
            walk(i).to_csv(f"{home}/{symbol}.csv", index_label="date")

        def by_pandas() -> list[pd.DataFrame]:
            return [pd.read_csv(f"{home}/{symbol}.csv", index_col="date", parse_dates=["date"]) for symbol in SYMBOLS]

        csv = seconds(by_pandas, 3)
        row(
            "store.bars, 100 symbols x 10 years",
            seconds(lambda: [kept.bars(s) for s in SYMBOLS]),
            "<= 1 s, x10",
            "pandas.read_csv",
            csv,
        )
        row(
            "store.read, every telling with known_at",
            seconds(lambda: [kept.read(s) for s in SYMBOLS]),
            "",
            "pandas.read_csv",
            csv,
        )
        row(
            "load_market from the store, checked",
            seconds(lambda: load_market([kept], SYMBOLS), 3),
            "",
            "pandas.read_csv",
            csv,
        )
        same = all(kept.bars(s).equals(frame.rename_axis("session")) for s, frame in zip(SYMBOLS, by_pandas()))
        print("the store and the CSV files hold the same bars:", same)


def listing() -> None:
    "`data list` of 2,000 symbols x 10 years: a store that was just filled by another machine, the same again, CSV files, and they again."
    with tempfile.TemporaryDirectory() as home:
        kept, files = Store(home), Path(home, "csv")
        kept.put("S0000", walk(0), "made up", "2019-01-02 12:00Z", calendar=NYSE)
        files.mkdir()
        walk(0).to_csv(files / "S0000.csv", index_label="date")
        for i in range(1, 2000):  # copies: what is read and checked is the same as if they differed
            shutil.copy(kept.path("S0000"), kept.path(f"S{i:04d}"))
            shutil.copy(files / "S0000.csv", files / f"S{i:04d}.csv")
        for what, word, limit in (
            ("data list, store without quick copies", "store", "<= 10 s"),
            ("data list, store", "store", "<= 10 s"),
            ("data list, folder of CSV", f"folder:{files}", ""),
            ("data list, folder of CSV, again", f"folder:{files}", "<= 2 s"),
        ):
            start, cpu = time.perf_counter(), time.process_time()
            table = source_table(word, NYSE, stored_sources(home), home)
            row(f"{what}: {len(table)} symbols", time.perf_counter() - start, limit)
            print(f"{'':66s} {1e3 * (time.process_time() - cpu):9.2f} ms of one core")


def revised() -> None:
    "A made-up first print and its revision through the store."
    with tempfile.TemporaryDirectory() as home:
        kept, month = Store(home), pd.DatetimeIndex(["2018-01-01"])
        for value, known in ((100.0, "2018-02-02 13:30"), (101.5, "2018-03-09 13:30")):
            told = pd.DataFrame({"value": [value], "known_at": pd.DatetimeIndex([known], tz="UTC")}, month)
            kept.put("PAYEMS", told, "made up", f"{known}Z", NYSE)
        market = load_market([kept], ["PAYEMS"])
        for day in ("2018-03-08", "2018-03-09"):
            print(f"PAYEMS of January (made up), as of {day}: {market.as_of(day).macro('PAYEMS').iloc[0]}")


def market() -> None:
    "as_of on a loaded market, and a market put together symbol by symbol."
    revised()
    series = {symbol: walk(i) for i, symbol in enumerate(SYMBOLS)}
    whole = MarketData(series)
    days = DAYS[np.random.default_rng(0).integers(500, len(DAYS), 50)]
    copied = seconds(lambda: [frame.iloc[:2000] for frame in series.values()])
    row(
        "as_of, 100 symbols x 10 years",
        seconds(lambda: [whole.as_of(day) for day in days]) / 50,
        "<= 5 ms",
        "pandas .iloc[:n] of the 100 frames",
        copied,
    )
    row(
        "as_of and the closes of one",
        seconds(lambda: [whole.as_of(day).close("S050") for day in days]) / 50,
        "",
        "",
        copied,
    )
    row(
        "as_of and the fingerprint of all",
        seconds(lambda: [whole.as_of(day).fingerprint() for day in days[:5]]) / 5,
        "",
    )
    frame = walk(0).iloc[:60]
    repair = Repair("S000", frame.index[5], "no row for this session", "left absent")
    took = {}
    for n in (250, 1000):
        start, built = time.perf_counter(), MarketData({})
        for i in range(n):
            name = f"S{i:04d}"
            built = built.with_series(name, frame, [Repair(name, repair.session, repair.what, repair.action)] * 5)
        took[n] = (time.perf_counter() - start) / n
    row("with_series, each of 1,000 symbols", took[1000], "", "each of 250: x 1 where it is linear", took[250])


def features() -> None:
    "Tables of features with and without the cache."
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder, "features.sqlite"))
        long, declared = whole_market(7300, start="1990-01-02"), volatility_features()
        plain = seconds(lambda: compute_features(declared, long, "VIX"), 3)
        start = time.perf_counter()
        compute_features(declared, long, "VIX", cache=cache)
        first = time.perf_counter() - start
        kept = seconds(lambda: compute_features(declared, long, "VIX", cache=cache), 3)
        row("232 columns x 7,300 sessions, from the cache", kept, "", "computed", plain)
        row("the same, the first time", first, "", "computed", plain)
        size = cache.path.stat().st_size / 1e6
        print(f"the file holds {size:.1f} MB for {232 * 7300 * 8 / 1e6:.1f} MB of numbers")
        views = [long.as_of(day) for day in long.close("VIX").index[[-10, -9, -8]]]
        start = time.perf_counter()
        for view in views:
            compute_features(declared, view, "VIX", cache=cache)
        row("one session later, another table each day", (time.perf_counter() - start) / 3, "", "computed", plain)
        stocks = MarketData({symbol: walk(i) for i, symbol in enumerate(SYMBOLS[:40])})
        tables = [(stock_features(symbol), symbol) for symbol in SYMBOLS[:40]]

        def universe(cache: FeatureCache | None) -> None:
            for declarations, symbol in tables:
                compute_features(declarations, stocks, symbol, cache=cache)

        row(
            "42 columns of each of 40 stocks x 10 years, from the cache",
            seconds(lambda: universe(cache), 2),
            "",
            "computed",
            seconds(lambda: universe(None), 2),
        )


WORK = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from data import memory_of
memory_of(int(sys.argv[2]), int(sys.argv[3]))
"""


def memory_of(symbols: int, n_jobs: int) -> None:
    "Work through so many seeded symbols of 1,500 sessions and say what this process, and its largest worker, needed at most."
    import resource

    from forecastkit.pipeline.universe import for_each_symbol

    done = [
        one.value
        for one in for_each_symbol(
            spread, [f"S{i:04d}" for i in range(symbols)], [Seeded()], n_jobs=n_jobs, calendar=NYSE
        )
    ]
    own, workers = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(len([value for value in done if value is not None]), own, workers)


def spread(market: MarketData, symbol: str) -> float:
    "The standard deviation of a stock's closes."
    return float(market.close(symbol).std())


class Seeded:
    "Stocks that are made up when they are read."

    name, ignored, symbols = "seeded", {}, ()

    def __contains__(self, symbol: str) -> bool:
        return True

    def read(self, symbol: str, calendar: str = "XNYS"):
        from forecastkit.data.sources import Reading

        return Reading(walk(int(symbol[1:])).iloc[-1500:], (), "made up")


def memory() -> None:
    "Peak memory at 200 and at 2,000 symbols, each in a process of its own."
    for n_jobs in (1, 2):
        for symbols in (200, 2000):
            start = time.perf_counter()
            code = [sys.executable, "-c", WORK, str(Path(__file__).parent), str(symbols), str(n_jobs)]
            done, own, workers = subprocess.run(code, check=True, capture_output=True, text=True).stdout.split()
            took = time.perf_counter() - start
            print(
                f"{symbols:5d} symbols, {n_jobs} process{'es' * (n_jobs > 1)}: {done} done in {took:5.1f} s; peak {float(own):6.1f} MB, largest worker {float(workers):6.1f} MB",
                flush=True,
            )


def main() -> None:
    parts = {"store": store, "listing": listing, "market": market, "features": features, "memory": memory}
    for name in sys.argv[1:] or parts:
        print(f"-- {name}")
        parts[name]()


if __name__ == "__main__":
    main()
