"""Kills between event and delivery, the weekly question at a million rows, and a monitor's look at 100 symbols: python benchmarks/alerts.py [KILLS]"""

import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import sqlalchemy as sa

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS
from forecastkit.forecasts import Forecast
from forecastkit.ledger import DRIFT, PredictionDatabase
from forecastkit.ops import (
    Alert,
    AlertPolicy,
    FileSink,
    deliver_alerts,
    drift_this_week,
    keep_alerts,
    monitor,
    outbox,
    stored_alerts,
)

POLICY = AlertPolicy(sinks=("file",))


def alert(k: int) -> Alert:
    return Alert("drift", f"symbol:S{k}.", "warning", "drifted", "2018-02-05", "one month in 100", "Look.")


def once(folder: str, k: int, raised) -> None:
    "What a monitor does: raise what holds, deliver what is due."
    outbox.LEASE = timedelta(seconds=0)  # whoever was killed does not come back
    db = PredictionDatabase(f"sqlite:///{folder}/forecasts.db")
    keep_alerts(db, ["drift"], [alert(k)], POLICY)
    raised.set()
    deliver_alerts(db, {"file": FileSink(Path(folder, "alerts.jsonl"))})
    os._exit(0)


def kills(count: int) -> None:
    "SIGKILL a process at a random moment between event and delivery, so many times."
    fork, rng, killed = multiprocessing.get_context("fork"), random.Random(1), 0  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        PredictionDatabase(f"sqlite:///{folder}/forecasts.db").close()
        for k in range(count):
            raised = fork.Event()
            child = fork.Process(target=once, args=(folder, k, raised))
            child.start()
            raised.wait(60)
            child.join(rng.uniform(0, 0.06))
            if child.exitcode is None:
                os.kill(child.pid, signal.SIGKILL)
                child.join()
                killed += 1
        db = PredictionDatabase(f"sqlite:///{folder}/forecasts.db")
        outbox.LEASE = timedelta(seconds=0)
        time.sleep(0.01)
        db.clock = lambda: datetime.now(UTC) + timedelta(hours=12)
        deliver_alerts(db, {"file": FileSink(Path(folder, "alerts.jsonl"))})
        text = Path(folder, "alerts.jsonl").read_text()
        written = [one.alert.subject for one in stored_alerts(db)]
        arrived = [text.count(f"{subject}: ") for subject in written]
        print(
            f"{killed} of {count} killed; {len(written)} events written, {sum(n == 0 for n in arrived)} lost, {sum(n > 1 for n in arrived)} doubled; chain {db.verify() or 'whole'}"
        )


def weekly(rows: int = 1_000_000) -> None:
    "How long the question what drifted this week takes."
    with tempfile.TemporaryDirectory() as folder:
        db = PredictionDatabase(f"sqlite:///{folder}/forecasts.db")
        days = get_calendar("XNYS").sessions_in_range("2016-01-01", "2018-12-31")
        rng, now = np.random.default_rng(1), datetime.now(UTC)
        fixed = {"detected_at": now, "model_version": "v", "series": "features", "family": "f", "window_rows": 63, "psi": 0.1, "psi_p": 0.5, "ks": 0.1, "ks_p": 0.5, "effect": 0.0, "family_wise_p": 0.5}  # fmt: skip
        made = 0
        for day in days[-rows // 4000 :]:
            moved = rng.random(4000) < 0.05
            block = [
                fixed
                | {"session": day.date(), "symbol": f"S{k // 40}", "feature": f"f{k % 40}", "drifted": bool(moved[k])}
                for k in range(4000)
            ]
            with db.engine.begin() as connection:
                connection.execute(sa.insert(DRIFT), block)
            made += 4000
        times = []
        for _ in range(7):
            start = time.perf_counter()
            found = drift_this_week(db)
            times.append(1000 * (time.perf_counter() - start))
        print(
            f"{made:,} rows, 5 % drifted: what drifted this week ({len(found)} rows) in {np.median(times):.0f} ms (median of 7)"
        )


def hundred() -> None:
    "How long a monitor takes over 100 symbols and 250 sessions."
    nyse, rng = get_calendar("XNYS"), np.random.default_rng(1)
    days = nyse.sessions_in_range("2017-12-20", "2018-12-20")[-251:]
    values = 0.1 + 6 * np.log(PROBS / (1 - PROBS)) / np.log(9)
    with tempfile.TemporaryDirectory() as folder:
        db = PredictionDatabase(
            f"sqlite:///{folder}/forecasts.db", clock=lambda: datetime(2018, 12, 21, 22, tzinfo=UTC)
        )
        for k in range(100):
            made = [
                Forecast(symbol=f"S{k}", origin=day, target_session=nyse.offset(day, 1), horizon=1, kind="pct_change", probs=PROBS, values=values, last_value=12.0,
                         cohort="mid_cycle", cohort_weight=1.0, feature_quality=1.0, model_version="one", code_version="-", data_fingerprint="-",
                         made_at=nyse.closes_of([day])[0].to_pydatetime())
                for day in days[:-1]
            ]  # fmt: skip
            db.store_predictions([(one, None) for one in made])
            db.record_outcomes(f"S{k}", pd.Series(12 * np.exp(np.cumsum(rng.normal(0, 0.045, len(days)))), days))
        start, used = time.perf_counter(), time.process_time()
        report = monitor(db)
        print(
            f"100 symbols x 250 sessions monitored in {time.perf_counter() - start:.1f} s, {time.process_time() - used:.1f} s of processor ({len(report.performance):,} measures, {len(report.alerts)} alerts)"
        )


if __name__ == "__main__":
    kills(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    hundred()
    weekly()
