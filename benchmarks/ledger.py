"""How a long ledger behaves: storing, listing, checking, exporting, with the memory that each needs.

    .venv/bin/python benchmarks/ledger.py [FORECASTS] [URL]     # 1000000 by default; an SQLite file of its own by default

The load goes through the public door, `PredictionDatabase.store_predictions`, a thousand forecasts a transaction: this is
also how a long track record of another program is loaded in bulk. Each figure is taken in a process of its own, so that
memory is that of the one thing; seconds are of the processor, because these machines are shared, and the clock's beside. One line of
JSON a figure, with what is asked of it; what is asked of `verify` is asked a million, and is less for fewer. The page of the
day is that of a seeded VIX in a home whose ledger this is: `forecastkit daily`, kernel and all, the day after its models were trained.

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
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
import sqlalchemy as sa

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS
from forecastkit.data import synthetic_market
from forecastkit.forecasts import Forecast
from forecastkit.ledger import (
    OUTCOMES,
    PREDICTIONS,
    PredictionDatabase,
    append,
    audit_ledger,
    ledger_tables,
    with_retry,
    write_csv,
    write_parquet,
)
from forecastkit.ledger.records import OUTCOME_KEY, outcomes_from_closes, prediction_rows

NYSE = get_calendar("XNYS")
DAYS = NYSE.sessions_in_range("1999-01-04", "2018-11-30")
GROUP = 1000  # forecasts a transaction
NEEDED = ("SKEW", "SPX", "VIX", "VIX3M", "VIX6M", "VIX9D", "VVIX")
ASKED = {
    "store": {"rows_a_second": 2000}, "list": {"seconds": 1}, "verify": {"seconds_a_million": 300, "MB": 500},
    "verify --new": {"seconds": 5}, "export csv": {"MB": 300}, "export parquet": {"MB": 300}, "daily page": {"seconds": 20},
}  # fmt: skip


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


def copied(f: Forecast, row: dict, name: str) -> dict:
    "The row of a forecast as that of another symbol."
    asked = SimpleNamespace(**{part.name: getattr(f, part.name) for part in fields(f)} | {"symbol": name})
    own = {"symbol": name, "prediction_id": Forecast.prediction_id.fget(asked)}
    return row | own | {"forecast": row["forecast"].replace('"symbol":"A0"', f'"symbol":"{name}"')}


def load_copies(url: str, count: int) -> float:
    """Store so many forecasts and their outcomes as copies of one symbol's, each with an id and a link of its own; returns seconds of the processor.

    Quicker than `load`, for those who want a long ledger and not the storing of it: `forecasts verify` finds nothing wrong with one. The ledger of a
    home may be lengthened so; what is appended behind its own forecasts counts as stored when the last of these was."""
    begun, database, moment = time.process_time(), PredictionDatabase(url), datetime.now(UTC)
    names = [f"A{k}" for k in range(-(-count // len(DAYS)))]
    features = {f"feature_{i}": i / 7 for i in range(60)}
    closes = pd.Series(100 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 0.01, len(DAYS)))), DAYS)
    last = with_retry(database.engine, lambda c: c.scalar(sa.select(sa.func.max(PREDICTIONS.c.stored_at))))
    made = list(forecasts(len(DAYS)))
    days = max(GROUP // len(names), 1)
    for start in range(0, len(made), days):
        group = made[start : start + days]
        stored = max(last or group[-1].made_at, group[-1].made_at)
        rows = prediction_rows([(f, features) for f in group], stored, NYSE)
        kept = [copied(f, row, name) for f, row in zip(group, rows) for name in names][:count]
        ended = outcomes_from_closes(pd.DataFrame(rows), closes, moment, NYSE)[
            [*OUTCOME_KEY, "target_session", "change", "level"]
        ]
        known = ended.assign(recorded_at=moment, data_fingerprint="").set_index("origin", drop=False).to_dict("index")
        outcomes = [known[row["origin"]] | {"symbol": row["symbol"]} for row in kept if row["origin"] in known]

        def write(connection, kept=kept, outcomes=outcomes) -> None:
            append(connection, PREDICTIONS, kept)
            append(connection, OUTCOMES, outcomes)

        with_retry(database.engine, write, write=True)
        count -= len(kept)
    database.close()
    return time.process_time() - begun


def made_page(url: str, folder: Path) -> None:
    "Two days of the daily job in a home with this ledger; the second is what is measured."
    market = synthetic_market(seed=5, sessions=700).market
    bars = folder / "bars"
    bars.mkdir()
    for symbol in NEEDED:
        market.bars(symbol).rename_axis("date").to_csv(bars / f"{symbol}.csv")
    given = {
        "DATA_SOURCES": f"folder:{bars}",
        "DATA_HOME": f"{folder}/home",
        "DATABASE_URL": url,
        "MODEL_ROUNDS": "10",
    }
    environment = os.environ | {f"FORECASTKIT_{name}": value for name, value in given.items()}
    program = [
        sys.executable,
        "-c",
        "import sys; from forecastkit.cli.main import main; sys.exit(main())",
        "daily",
        "--quiet",
        "--output",
        f"{folder}/pages",
    ]
    for day in market.bars("VIX").index[-2:]:
        yield subprocess.run([*program, "--as-of", f"{day:%Y-%m-%d}"], env=environment, check=True, capture_output=True)


def used(who: int) -> float:
    "Seconds of the processor that this process, or its children, have used."
    found = resource.getrusage(who)
    return found.ru_utime + found.ru_stime


def measured(what: str, url: str, count: int, folder: Path) -> dict:
    "One figure, taken in this process."
    start, clock = used(resource.RUSAGE_SELF), time.perf_counter()
    database = None if what in ("store", "daily page") else PredictionDatabase(url)
    who, rates, ends = resource.RUSAGE_SELF, {}, folder / "ends.json"
    if what == "verify --new":
        last = next(reversed(list(forecasts(len(DAYS)))))
        checked = {table: tuple(end) for table, end in json.loads(ends.read_text()).items()}
    if what == "daily page":
        who, days = resource.RUSAGE_CHILDREN, made_page(url, folder)
        next(days)
    if what in ("verify --new", "daily page"):  # the rest was to prepare it
        start, clock = used(who), time.perf_counter()
    if what == "store":
        rates = {"rows_a_second": round(count / load(url, count))}
    elif what == "list":
        assert len(database.get_predictions(limit=20)) == 20
    elif what == "verify":
        found = audit_ledger(database)
        assert found.ok, found
        ends.write_text(json.dumps(found.ends))
    elif what == "verify --new":
        database.store_predictions([(last, {})])
        found = audit_ledger(database, since=checked)
        assert found.ok and found.counts["forecasts"] == 1, found
    elif what == "daily page":
        next(days)
    else:
        write = write_csv if what == "export csv" else write_parquet
        write(ledger_tables(database), folder / "ledger")
    seconds, wall = used(who) - start, time.perf_counter() - clock
    if what == "verify":
        rates = {"seconds_a_million": round(seconds * 1e6 / count, 1)}
    memory = round(resource.getrusage(who).ru_maxrss / 1024)
    return {"what": what, "seconds": round(seconds, 2), "clock": round(wall, 2), "MB": memory} | rates


def judged(figure: dict) -> dict:
    "A figure beside what is asked of it."
    asked = ASKED[figure["what"]]
    holds = all(
        figure[name] >= bound if name == "rows_a_second" else figure[name] <= bound for name, bound in asked.items()
    )
    return figure | {"asked": asked, "holds": holds}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{folder}/forecasts.db"
        print(json.dumps({"forecasts": count}), flush=True)
        for what in ASKED:
            command = [sys.executable, __file__, what, url, str(count), folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            failed = {"what": what, "failed": (done.stderr.strip().splitlines() or [""])[-1]}
            print(json.dumps(judged(json.loads(done.stdout)) if done.returncode == 0 else failed), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        print(json.dumps(measured(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
    else:
        main()
