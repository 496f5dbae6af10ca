"""How a long ledger behaves: storing, listing, checking, exporting, with the memory that each needs.

    .venv/bin/python benchmarks/ledger.py [FORECASTS] [URL]     # 200000 by default; an SQLite file of its own by default

The load goes through the public door, `PredictionDatabase.store_predictions`, a thousand forecasts a transaction: this is
also how a long track record of another program is loaded in bulk. Each figure is taken in a process of its own, so that
memory is that of the one thing; seconds are of the processor, because these machines are shared, and the clock's beside.

Measured on 535,000 forecasts, where a load of 1,000,000 was stopped: making and storing them took 284 s of one core (1,880 a
second with the making of them, which is not part of the figure above) and 4.2 KB each on the disk; `list` 0.08 s and 142 MB.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS
from forecastkit.forecasts import Forecast
from forecastkit.ledger import PredictionDatabase, audit_ledger, ledger_tables, write_csv, write_parquet

NYSE = get_calendar("XNYS")
DAYS = NYSE.sessions_in_range("1999-01-04", "2018-11-30")
GROUP = 1000  # forecasts a transaction
LIMITS = {"store": "2,000 a second", "list": "1 s", "verify": "300 s and 500 MB a million", "verify --new": "5 s",
          "export": "300 MB"}  # fmt: skip


def forecasts(count: int):
    "As many forecasts, session by session of symbols A0, A1, ..., in the order in which a job would write them."
    symbols, shape = -(-count // len(DAYS)), 10 * np.sinh(np.linspace(-1.6, 2.0, len(PROBS)))
    targets, closes, rng = NYSE.target_sessions(DAYS, 5), NYSE.closes_of(DAYS), np.random.default_rng(7)
    for k in range(count):
        day, symbol = divmod(k, symbols)
        history = [[f"{at:%Y-%m-%d}", 100.0 + i] for i, at in enumerate(DAYS[max(day - 43, 0) : day + 1])]
        yield Forecast(
            symbol=f"A{symbol}", origin=DAYS[day], target_session=targets[day], horizon=5, kind="log_return", probs=PROBS,
            values=shape * (0.5 + rng.random()), last_value=100.0, cohort="mid_cycle", cohort_weight=1.0, feature_quality=1.0,
            model_version=f"{day // 63:016x}", code_version="-", data_fingerprint=f"{k:016x}",
            made_at=closes[day].to_pydatetime() + timedelta(minutes=30), metadata={"features_used": 60, "history": history},
        )  # fmt: skip


def load(url: str, count: int) -> float:
    "Store them and their outcomes; returns seconds of the processor for the storing alone."
    moment, spent, features = None, 0.0, {f"feature_{i}": i / 7 for i in range(60)}
    database, group = PredictionDatabase(url, clock=lambda: moment), []
    for number, forecast in enumerate(forecasts(count), start=1):
        group.append((forecast, features))
        if len(group) == GROUP or number == count:
            moment, start = forecast.made_at, time.process_time()
            database.store_predictions(group)
            spent, group = spent + time.process_time() - start, []
    moment = moment + timedelta(days=30)
    closes = pd.Series(100 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 0.01, len(DAYS)))), DAYS)
    for symbol in range(-(-count // len(DAYS))):
        database.record_outcomes(f"A{symbol}", closes)
    database.close()
    return spent


def measured(what: str, url: str, count: int) -> dict:
    "One figure, taken in this process."
    start, clock, extra = time.process_time(), time.perf_counter(), {}
    database = None if what == "store" else PredictionDatabase(url)
    if what == "store":
        spent = load(url, count)
        extra = {"rows_a_second": round(count / spent)}
    elif what == "list":
        assert len(database.get_predictions(limit=20)) == 20
    elif what == "verify":
        found = audit_ledger(database)
        assert found.ok, found
        Path(tempfile.gettempdir(), "ledger-ends.json").write_text(json.dumps(found.ends))
    elif what == "verify --new":
        ends = json.loads(Path(tempfile.gettempdir(), "ledger-ends.json").read_text())
        last = next(reversed(list(forecasts(len(DAYS)))))
        start, clock = time.process_time(), time.perf_counter()
        database.store_predictions([(last, {})])
        found = audit_ledger(database, since={table: tuple(end) for table, end in ends.items()})
        assert found.ok and found.counts["forecasts"] == 1, found
    else:
        with tempfile.TemporaryDirectory() as folder:
            write = write_csv if what == "export csv" else write_parquet
            write(ledger_tables(database), Path(folder, "ledger"))
    seconds, wall = time.process_time() - start, time.perf_counter() - clock
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"what": what, "seconds": round(seconds, 2), "clock": round(wall, 2), "MB": round(memory)} | extra


if __name__ == "__main__":
    if len(sys.argv) > 3:
        print(json.dumps(measured(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
        raise SystemExit
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{folder}/forecasts.db"
        print(f"{count:,} forecasts; to hold: {LIMITS}")
        for what in ("store", "list", "verify", "verify --new", "export csv", "export parquet"):
            done = subprocess.run(
                [sys.executable, __file__, what, url, str(count)], capture_output=True, text=True, check=False
            )
            print(done.stdout.strip() or done.stderr.strip().splitlines()[-1], flush=True)
