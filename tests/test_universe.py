"A universe: one market at a time, failures by symbol, processes that are gone afterwards, an end on request."

import os
import signal
import subprocess
import sys
import time
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import gone

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, DataWarning
from forecastkit.data.market import MarketData
from forecastkit.data.sources import Reading, load_market
from forecastkit.pipeline.universe import SymbolResult, for_each_symbol, map_symbols

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("2018-01-02", "2018-03-29")
ALIVE: weakref.WeakSet[MarketData] = weakref.WeakSet()


class Seeded:
    "Made up when it is read; some symbols are broken."

    name, ignored = "seeded", {}
    symbols = tuple(f"S{i:04d}" for i in range(2000))

    def __contains__(self, symbol: str) -> bool:
        return symbol in self.symbols or symbol == "SPX"

    def read(self, symbol: str, calendar: str = "XNYS") -> Reading:
        if symbol.endswith("13"):
            raise DataError(f"{symbol}: no such luck")
        rng = np.random.default_rng(int(symbol[1:]) if symbol != "SPX" else 1)
        return Reading(pd.DataFrame({"close": np.exp(rng.normal(4, 0.1, len(DAYS)))}, DAYS), (), "seeded")


def mean(market: MarketData, symbol: str) -> float:
    if symbol.endswith("77"):
        raise RuntimeError("the work itself is wrong")
    return float(market.close(symbol).mean())


def alive(market: MarketData, symbol: str) -> tuple[int, int]:
    "How many markets live in this process, and which process it is."
    ALIVE.add(market)
    return len(ALIVE), os.getpid()


def test_every_symbol_is_answered_once_and_failures_stop_nobody():
    symbols = [*Seeded.symbols[:100], "S0003", "^gspc", "NOWHERE"]
    done = list(for_each_symbol(mean, symbols, [Seeded()], calendar=NYSE))
    assert [one.symbol for one in done] == [*Seeded.symbols[:100], "SPX", "NOWHERE"]
    failed = {one.symbol: one.error for one in done if one.error}
    assert failed.keys() == {"S0013", "S0077", "NOWHERE"}
    assert failed["S0013"] == "S0013: no such luck"
    assert failed["S0077"] == "RuntimeError: the work itself is wrong"
    assert "in none of the sources" in failed["NOWHERE"]
    assert all((one.value is None) == bool(one.error) for one in done)
    assert done[5].value == mean(load_market([Seeded()], ["S0005"]), "S0005")


def test_processes_give_what_one_gives():
    one, two = (
        sorted(for_each_symbol(mean, Seeded.symbols[:60], [Seeded()], ["SPX"], n_jobs=n, calendar=NYSE)) for n in (1, 2)
    )
    assert one == two
    assert len(one) == 60


def test_no_more_markets_live_than_are_worked_on():
    counts = [one.value[0] for one in for_each_symbol(alive, Seeded.symbols[:300:2], [Seeded()], calendar=NYSE)]
    assert max(counts) <= 2
    assert len(ALIVE) <= 1
    by_process = [
        one.value for one in for_each_symbol(alive, Seeded.symbols[:100:2], [Seeded()], n_jobs=2, calendar=NYSE)
    ]
    assert max(count for count, _ in by_process) <= 2
    assert os.getpid() not in {process for _, process in by_process}


def test_a_market_holds_its_symbol_and_the_shared_ones():
    done = list(
        for_each_symbol(
            lambda market, symbol: market.symbols, ["S0001", "SPX"], [Seeded()], shared=["SPX", "S0013"], calendar=NYSE
        )
    )
    assert [one.value for one in done] == [("S0001", "SPX"), ("SPX",)]
    assert all("S0013 is left out" in one.notes[0] for one in done)


def test_nothing_is_read_before_its_turn():
    read = []

    class Watched(Seeded):
        def read(self, symbol, calendar="XNYS"):
            read.append(symbol)
            return super().read(symbol, calendar)

    work = for_each_symbol(mean, Seeded.symbols, [Watched()], calendar=NYSE)
    assert read == []
    assert next(work).symbol == "S0000"
    assert read == ["S0000"]
    work.close()


def test_sources_are_opened_once_and_for_each_pass_anew():
    opened = []

    def opener(rest: str) -> Seeded:
        opened.append(rest)
        return Seeded()

    for _ in range(2):
        assert all(
            not one.error
            for one in for_each_symbol(mean, Seeded.symbols[:9], "made:up", openers={"made": opener}, calendar=NYSE)
        )
    assert opened == ["up", "up"]


def test_a_broken_source_is_said_of_every_symbol():
    done = list(for_each_symbol(mean, ["S0001", "S0002"], "folder:/nowhere/at/all", calendar=NYSE))
    assert [("does not exist" in one.error) for one in done] == [True, True]


def test_warnings_are_notes_and_do_not_escape(recwarn):
    import warnings

    def work(symbol):
        warnings.warn("look out", DataWarning, stacklevel=1)
        warnings.warn("look out", DataWarning, stacklevel=1)

    assert list(map_symbols(["A"], work)) == [SymbolResult("A", None, "", ("look out",))]
    assert not recwarn.list


def test_a_mistake_in_the_work_ends_it():
    for n_jobs in (1, 2):
        with pytest.raises(TypeError):
            list(map_symbols(["A", "B"], partial(pow, 2), n_jobs))


def slow(symbol: str) -> int:
    time.sleep(0.05)
    return os.getpid()


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked up in /proc")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_who_stops_listening_ends_the_work():
    work = map_symbols(Seeded.symbols, slow, n_jobs=2)
    seen = {next(work).value for _ in range(4)}
    work.close()
    assert seen
    assert all(gone(process) for process in seen)


INTERRUPTED = """
import sys
sys.path.insert(0, sys.argv[1])
from test_universe import Seeded, slow, map_symbols
for one in map_symbols(Seeded.symbols, slow, n_jobs=int(sys.argv[2])):
    print(one.value, flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_ends_all_processes(n_jobs):
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(Path(__file__).parent), str(n_jobs)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    seen = {int(process.stdout.readline()) for _ in range(6)}
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all of them
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT or process.returncode == 1
    assert all(gone(one) for one in seen)
