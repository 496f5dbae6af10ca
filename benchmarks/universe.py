"""How long a universe takes: the walk-forward that trains it, a date served by a new process, a date and a ticker served by a warm one.

    python benchmarks/universe.py [--market ../shared/market] [--data ../shared/data] [--begin 2010-01-04] [--home FOLDER] [--out universe.json]

The universe is stocks/*.csv.gz of the folder, with its earnings dates. The first run walks from `--begin` to the session before the last and keeps
versions and raw quantiles in the home, and says how long that took on `run.n_jobs` processes; a home that is kept from before is served at
once. Then a process of its own forecasts the last session (cold: imports, reading the files, features, stored blocks, the new session's rows,
widths, records, one transaction per fifty), and again in the same process an earlier session of all tickers and of one. Wall-clock seconds depend on
what else the machine does, so processor seconds stand beside them, and peak memory of the process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from forecastkit.calendars import read_earnings
from forecastkit.core import load_settings
from forecastkit.pipeline import Universe, UniverseSystem

AS_OF = "2018-12-31"


def universe_system(args: argparse.Namespace) -> UniverseSystem:
    "The universe of the folder, with sources, settings and home."
    names = [path.name.removesuffix(".csv.gz").replace("_", ".") for path in (args.market / "stocks").glob("*.csv.gz")]
    sources = f"folder:{args.market}, folder:{args.data}, sample"
    given = {
        "data.home": str(args.home),
        "data.sources": sources,
        "model.walk_start": args.begin,
        "run.n_jobs": args.jobs,
    }
    universe = Universe(tuple(names), earnings=read_earnings(args.market / "earnings_dates.csv"))
    return UniverseSystem(universe, load_settings(environ={}, overrides=given | {"run.progress": False}))


def measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    "What a piece of work gives, its seconds on the wall, and processor seconds of this process and its children."
    wall, before = time.perf_counter(), os.times()
    value = work()
    after = os.times()
    processor = sum(after[:4]) - sum(before[:4])
    return value, {"wall": round(time.perf_counter() - wall, 2), "processor": round(processor, 2)}


def peak_megabytes(who: int = resource.RUSAGE_SELF) -> int:
    "The most memory that the process, or its largest child, has held."
    return round(resource.getrusage(who).ru_maxrss / 1024)


def walk(args: argparse.Namespace) -> dict[str, Any]:
    "Train and keep all versions up to the session before the last."
    system = universe_system(args)
    through = system.market.calendar.offset(AS_OF, -1)
    panel, took = measured(lambda: system.prepared(through))
    by_stage = {name: round(seconds, 1) for name, seconds in panel.seconds.items()}
    peak = {"parent": peak_megabytes(), "largest_process": peak_megabytes(resource.RUSAGE_CHILDREN)}
    return took | {"rows": len(panel.origins), "versions": len(panel.names), "stages": by_stage, "peak_mb": peak}


def serve(args: argparse.Namespace) -> dict[str, Any]:
    "What a new process does: the last session; then warm an earlier one, and one ticker."
    system = universe_system(args)
    _, reading = measured(lambda: system.market)
    panel, preparing = measured(lambda: system.prepared(pd.Timestamp(AS_OF)))
    made, storing = measured(lambda: system.forecast(AS_OF))
    wall = time.clock_gettime(time.CLOCK_BOOTTIME) - float(args.since)
    earlier, next_day = panel.sessions[-30:-28]
    again, warm = measured(lambda: system.forecast(earlier))
    one, alone = measured(lambda: system.forecast(next_day, [next(iter(made))]))
    return {
        "tickers": len(made), "skipped": len(made.skipped), "stored": [made.stored, again.stored, one.stored], "reading": reading,
        "preparing": preparing, "stages": {name: round(seconds, 2) for name, seconds in panel.seconds.items()}, "forecasts": storing,
        "all_since_start": round(wall, 2), "warm_all": warm, "warm_one": alone, "peak_mb": peak_megabytes(),
    }  # fmt: skip


def main() -> None:
    "Walk where nothing is kept, serve, print."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--market", type=Path, default=Path("../shared/market"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--begin", default="2010-01-04")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--since", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.since:
        print(json.dumps(serve(args)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        kept = args.home is not None and (args.home / "raw").is_dir()
        args.home = args.home or Path(scratch)
        report: dict[str, Any] = {} if kept else {"walk": walk(args)}
        since = str(time.clock_gettime(time.CLOCK_BOOTTIME))
        mine = [
            "--market",
            args.market,
            "--data",
            args.data,
            "--begin",
            args.begin,
            "--home",
            args.home,
            "--since",
            since,
        ]
        run = subprocess.run([sys.executable, __file__, *map(str, mine)], capture_output=True, text=True, check=True)
        report["new_process"] = json.loads(run.stdout)
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
