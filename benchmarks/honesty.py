"""The long versions of three tests: 200 dates and 100 cuts at which nothing may see tomorrow, and 50 kills that may lose nothing.

    .venv/bin/python benchmarks/honesty.py [--dates 200] [--kills 50] [--cuts 100] [--fitted 5] [--jobs 2]

0 leaves a part out. The features are verified on a market of 7,300 sessions in which every series is present, with 100 cuts
and two probes in at most 180 s; what trains models at every cut, on the embedded data, each part timed apart.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from kill_batch import kills
from markets import whole_market
from test_system import check_as_of, first_possible

from forecastkit.core import Target
from forecastkit.core.settings import load_settings
from forecastkit.data.market import MarketData
from forecastkit.data.sources import load_market
from forecastkit.pipeline.verification import audit_parts, part_report, sample_sessions, split_reports

SESSIONS, LIMIT = 7300, 180  # of the market that features are verified on; seconds


def dates_compared(market: MarketData, n: int) -> None:
    days = market.bars("VIX").loc[first_possible(market) : market.last_session(["VIX", "SPX"])].index
    dates = sample_sessions(days, n, 200)
    start = time.perf_counter()
    check_as_of(market, dates, dates[:: max(1, len(dates) // 5)][:5])
    took = time.perf_counter() - start
    print(
        f"{len(dates)} dates, five of them with models trained there: all equal bit for bit ({took:.0f} s)", flush=True
    )


def batches_killed(n: int) -> None:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        stored, inside = kills(Path(home), n, seed=1)
    took = time.perf_counter() - start
    print(f"{n} kills: the database opened each time, nothing lost, nothing half; {inside} came inside a batch, "
          f"{min(stored)} to {max(stored)} forecasts at the end ({took:.0f} s)", flush=True)  # fmt: skip


def verified(market: MarketData, fitted: bool, cuts: int, jobs: int) -> None:
    "Each part of `verify` that trains models (or none), with its own time; measured warm-ups are a question of their own."
    target = Target("VIX")
    settings = load_settings(overrides={"run.progress": False, "run.n_jobs": 1})
    days = market.shared_sessions(["VIX", "SPX"])[1:-1]
    days = days[len(days) // 2 :] if fitted else days
    for part in audit_parts(market, target, settings):
        if part.fitted != fitted:
            continue
        start = time.perf_counter()
        report = part_report(part._replace(warmup={}), market, sample_sessions(days, cuts, 0), n_jobs=jobs)
        took, columns = time.perf_counter() - start, report.facts["columns"]
        limit = "" if fitted else f", limit {LIMIT} s: {'within' if took <= LIMIT else 'OVER THE LIMIT'}"
        print(f"verify {part.name}: {columns} columns x {report.facts['rows']} rows x {report.facts['cuts']} cuts x 2 probes, "
              f"{jobs} processes: {took:.0f} s{limit}; {report.facts['values compared']:,} values compared, "
              f"{'nothing found' if report.ok else report}", flush=True)  # fmt: skip
    if fitted:
        start = time.perf_counter()
        found = [report.headline for report in split_reports(market, target, settings)]
        print(f"{'; '.join(found)} ({time.perf_counter() - start:.0f} s)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, usual in (("dates", 200), ("kills", 50), ("cuts", 100), ("fitted", 5), ("jobs", 2)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # the first decade lies before the table of meetings
    embedded = load_market("sample", symbols={"VIX", "SPX"})
    if asked.cuts:
        verified(whole_market(SESSIONS, start="1990-01-02"), False, asked.cuts, asked.jobs)
    if asked.fitted:
        verified(embedded, True, asked.fitted, asked.jobs)
    if asked.dates:
        dates_compared(embedded, asked.dates)
    if asked.kills:
        batches_killed(asked.kills)


if __name__ == "__main__":
    main()
