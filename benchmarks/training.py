"""Training of universes: how long a hundred tickers take, and that a training killed at random moments ends as one left alone.

    python benchmarks/training.py --kills 20 [--begin 1990-01-02] [--as-of 2018-12-31] [--seed 0]
    python benchmarks/training.py --market ../shared/market [--data ../shared/data] [--begin 2010-01-04] [--jobs 2] [--tickers 20]

The first trains the embedded stocks in a home of its own and, in another, again and again: SIGKILL comes at a random moment of each
attempt, and the next goes on. In the end both homes must hold the same versions, byte for byte, the ledger must verify, and every
run that an attempt began must be on record, killed or completed. The second trains all stocks of a folder of bars once and says
how long each phase took: the market read, the panel prepared and its versions trained, the directions, the runs written down. One line
of JSON each, seconds of clock and of processor; the clock depends on what else the machine does, so its load stands beside.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from forecastkit.calendars import read_earnings
from forecastkit.core import Home, folder_checksums, load_settings
from forecastkit.data import MarketData
from forecastkit.ledger import PredictionDatabase, audit_ledger, file_url
from forecastkit.ops import stored_training_runs
from forecastkit.pipeline import TrainingJob, Universe, open_market
from forecastkit.pipeline.training_results import trained


def settings_at(home: Path, **more: Any) -> Any:
    "Settings with a home, without bars on the terminal."
    given = {"data.home": str(home), "run.progress": False} | {
        k.replace("__", "."): v for k, v in more.items() if v is not None
    }
    return load_settings(environ={}, overrides=given)


def train_once(home: Path, args: argparse.Namespace, market: MarketData) -> None:
    "What is killed: one attempt at training the embedded stocks."
    job = TrainingJob(
        "sample",
        settings_at(home, model__walk_start=args.begin, model__rounds=args.rounds, run__n_jobs=1),
        market=market,
    )
    job.run(args.as_of)


def attempt(home: Path, args: argparse.Namespace, market: MarketData, seconds: float | None) -> bool:
    "One attempt in a process of its own, killed after some seconds; whether it ended by itself."
    child = os.fork()
    if not child:
        status = 1
        try:
            train_once(home, args, market)
            status = 0
        finally:
            os._exit(status)
    until = None if seconds is None else time.monotonic() + seconds
    while until is None or time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG if until else 0)
        if done:
            if status:
                raise SystemExit(f"an attempt ended with status {status}")
            return True
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def left_in(home: Path) -> tuple[dict[str, Any], dict[str, int]]:
    "The checksums of all stored versions, and how many runs ended how; raises where the ledger does not verify."
    database = PredictionDatabase(file_url(Home(home).database))
    found = audit_ledger(database)
    if not found.ok:
        raise SystemExit(str(found))
    counts = stored_training_runs(database)["status"].value_counts().to_dict()
    database.close()
    folder = Home(home).models
    return {path.name: folder_checksums(path) for path in sorted(folder.iterdir()) if path.name[0] != "."}, counts


def kills(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    "Train undisturbed, then with kills, and compare."
    market, rng = open_market(settings_at(folder / "none")), random.Random(args.seed)  # noqa: S311
    began = time.monotonic()
    attempt(folder / "calm", args, market, None)
    calm = time.monotonic() - began
    times, home, moments = 0, folder / "killed", []
    while times < args.kills:
        seconds = rng.uniform(0.0, 2.0 * calm / args.kills)
        if attempt(home, args, market, seconds):
            break
        times, moments = times + 1, [*moments, round(seconds, 2)]
    attempt(home, args, market, None)
    (versions, runs), (same, again) = left_in(folder / "calm"), left_in(home)
    told = {
        "kills": times,
        "moments": moments,
        "versions": len(versions),
        "same": versions == same,
        "seconds": round(calm, 1),
    }
    return told | {
        "runs": runs,
        "runs_with_kills": again,
        "on_record": "running" not in again and again["completed"] >= runs["completed"],
    }


class Phases:
    "Seconds of clock and processor, other processes included, by phase."

    def __init__(self):
        self.found: dict[str, tuple[float, float]] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        "Measures what is done meanwhile."
        began, before = time.perf_counter(), os.times()
        yield
        spent = sum(os.times()[:4]) - sum(before[:4])
        self.found[name] = round(time.perf_counter() - began, 1), round(spent, 1)


def whole(args: argparse.Namespace, home: Path) -> dict[str, Any]:
    "Train the stocks of a folder once, phase by phase."
    names = [
        path.name.removesuffix(".csv.gz").replace("_", ".")
        for path in sorted((args.market / "stocks").glob("*.csv.gz"))
    ][: args.tickers]
    universe = Universe(tuple(names), earnings=read_earnings(args.market / "earnings_dates.csv"))
    sources = f"folder:{args.market}, folder:{args.data}, sample"
    settings = settings_at(home, data__sources=sources, model__walk_start=args.begin, run__n_jobs=args.jobs)
    load, phases = os.getloadavg()[0], Phases()
    job = TrainingJob(universe, settings)
    with phases.phase("market"):
        session = job.system.origin(args.as_of)
    with phases.phase("panel"):
        prepared = job.system.prepared(session)
    with phases.phase("directions"):
        trained(prepared)
    with phases.phase("runs"):
        report = job.run(session)
    seconds, processor = (sum(one[k] for one in phases.found.values()) for k in (0, 1))
    begun = time.perf_counter()
    again = TrainingJob(universe, settings, market=job.system.market).run(args.as_of)
    stages = {name: round(value, 1) for name, value in prepared.seconds.items()}
    return {
        "tickers": len(report.runs), "failed": len(report.failed), "version": report.version, "seconds": round(seconds, 1), "stages": stages,
        "processor": round(processor, 1), "phases": phases.found, "load_before": round(load, 1), "load_after": round(os.getloadavg()[0], 1),
        "repeat_seconds": round(time.perf_counter() - begun, 1), "kept": len(again.kept),
    }  # fmt: skip


def main() -> int:
    "See the module."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--market", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--begin")
    parser.add_argument("--tickers", type=int, help="only so many of the folder")
    parser.add_argument("--as-of", default="2018-12-31")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        told = kills(args, Path(folder)) if args.kills else whole(args, Path(folder))
    print(json.dumps(told))
    return 0 if told.get("same", True) and told.get("on_record", True) else 1


if __name__ == "__main__":
    sys.exit(main())
