"""Kill a download at random moments, run it again, and look at what is in the store; used by the tests and the benchmarks."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from vendors import Vendors

from forecastkit.calendars import get_calendar
from forecastkit.data.store import Store
from forecastkit.vendors.download import DownloadReport, download_universe
from forecastkit.vendors.http import HttpClient
from forecastkit.vendors.yahoo import chart_tables, yahoo_source

NYSE = get_calendar("XNYS")
NOW = pd.Timestamp("2018-12-31 22:00", tz="UTC")


def fetch(home: Path, address: str, symbols: list[str], rate: float = 1e4, **options) -> DownloadReport:
    "One download of made-up stocks from a server at an address."
    with HttpClient(rate=rate, timeout=10, attempts=4, first_wait=0.01) as client:
        source = yahoo_source(symbols, chart_tables(client, address), batch=2)
        return download_universe(
            symbols, [source], Store(home), home, NYSE, start="2014-01-02", now=options.pop("now", NOW), **options
        )


def contents(home: Path) -> dict[str, pd.DataFrame]:
    "All that the store holds, but for the moments of fetching."
    store = Store(home)
    assert store.verify() == []
    return {symbol: store.rows(symbol).drop(columns="fetched_at") for symbol in store.symbols}


def kill_once(home: Path, address: str, symbols: list[str], delay: float) -> bool:
    "Start a download in a process of its own, kill it `delay` seconds after it is ready; whether it had finished."
    command = [sys.executable, __file__, str(home), address, *symbols]
    victim = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    assert victim.stdout.readline() == "ready\n"
    time.sleep(delay)
    victim.send_signal(signal.SIGKILL)
    return "done" in victim.communicate()[0]


def kills(home: Path, times: int, count: int, longest: float, seed: int = 0, latency: float = 0.02) -> tuple[int, int]:
    "Kill downloads of `count` symbols `times` times, checking after each. Returns how many had finished, and requests made."
    symbols, rng, finished = [f"S{k:03d}" for k in range(count)], random.Random(seed), 0
    with Vendors(latency) as server:
        fetch(home / "undisturbed", server.address, symbols)
        right, server.requests[:] = contents(home / "undisturbed"), []
        for turn in range(times):
            if turn % 5 == 0:
                at = home / f"killed{turn}"  # a new store now and then, so that there is something to kill
            finished += kill_once(at, server.address, symbols, rng.uniform(0, longest))
            for symbol, rows in contents(at).items():
                pd.testing.assert_frame_equal(rows, right[symbol])  # whole, or not there
            if turn % 5 == 4 or turn == times - 1:
                assert not fetch(at, server.address, symbols).failed
                assert contents(at).keys() == right.keys()
        return finished, len(server.requests)


if __name__ == "__main__":
    print("ready", flush=True)
    fetch(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
    print("done", flush=True)
