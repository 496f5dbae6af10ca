"A small home for the dashboard: forecasts of four tickers in two sectors with outcomes, a promotion, a trial, a paper book, alerts, jobs, drift and performance."

import json
from datetime import timedelta
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS
from forecastkit.forecasts import Forecast
from forecastkit.ledger import PaperRow, PredictionDatabase, lock_paper, with_retry, write_paper
from forecastkit.ops import (
    Alert,
    AlertPolicy,
    Line,
    LineTarget,
    OtherArm,
    create_shadow_deployment,
    judge_targets,
    keep_alerts,
    measured_performance,
    recorded_job,
    register_line,
    store_arms,
    store_drift,
    store_performance,
    stored_deployments,
)

NYSE = get_calendar("XNYS")
DAYS = NYSE.sessions_in_range("2018-01-02", "2018-11-30")
CLOSES = NYSE.closes_of(list(DAYS))
NORMAL = np.array([NormalDist().inv_cdf(p) for p in PROBS])
SECTORS = {"AAA": "Energy", "BBB": "Energy", "CCC": "Banks"}
NAMES = ("VIX", *SECTORS)
LEVELS = {
    name: pd.Series(50 * (k + 1) * np.exp(np.cumsum(np.random.default_rng(k).normal(0, 0.02, len(DAYS)))), DAYS)
    for k, name in enumerate(NAMES)
}
STATES = ("bull_low", "bull_normal", "sideways_elevated", "bear_crisis")


def forecast_of(symbol: str, i: int, spread: float = 2.0, version: str = "one") -> Forecast:
    "One session ahead, of the i-th session; right but for its width, which is `spread`."
    level = LEVELS[symbol]
    said = {
        "label": "neutral",
        "chance": 0.52,
        "base_rate": 0.53,
        "confidence": 0.53,
        "agreement": 0.8,
        "reasons": ["breadth is high"],
        "state": STATES[i * 4 // len(DAYS)],
    }
    regimes = (45.0, 50.0, 55.0) if symbol == "VIX" else ()
    return Forecast(
        symbol=symbol, origin=DAYS[i], target_session=NYSE.offset(DAYS[i], 1), horizon=1, kind="pct_change" if symbol == "VIX" else "log_return", probs=PROBS,
        values=spread * NORMAL, last_value=float(level.iloc[i]), regime_bounds=regimes, cohort="mid_cycle", cohort_weight=1.0, feature_quality=1.0,
        model_version=version, code_version="-", data_fingerprint="-", made_at=CLOSES[i].to_pydatetime() + timedelta(minutes=30),
        metadata={"history": [[f"{day:%Y-%m-%d}", float(x)] for day, x in level.iloc[max(i - 43, 0) : i + 1].items()], "base_rate": 0.5, "direction": said},
    )  # fmt: skip


def paper_row(number: int, equity: float) -> PaperRow:
    "The opening of a book, or one of its sessions; two positions and an order."
    state = {"shares": {"AAA": 10.0, "CCC": -5.0}, "marks": {"AAA": float(LEVELS["AAA"].iloc[number]), "CCC": float(LEVELS["CCC"].iloc[number])},
             "orders": {"BBB": [3.0, 90.0, 120.0, None]}}  # fmt: skip
    said = {"terms": {}} if number == 0 else {"state": state, "booked": {}, "paused": [], "forecasts": 3}
    moment = CLOSES[number].to_pydatetime() + timedelta(hours=1)
    return PaperRow("paper", number, DAYS[number], equity, equity, "" if number == 0 else "live", said, moment)


def write_record(database: PredictionDatabase, last: int, trial: int) -> None:
    "Forecasts up to the session before the last, those of the VIX beside a challenger that is narrower from `trial` on, and the outcomes known then."
    database.store_predictions([(forecast_of(name, i), {"slope": 0.1}) for i in range(trial) for name in NAMES])
    database.record_outcomes_of({name: level.iloc[:trial] for name, level in LEVELS.items()})
    begin_trial_of(database, trial)
    (deployment,) = stored_deployments(database)
    for i in range(trial, last):
        served = forecast_of("VIX", i)
        other = OtherArm(deployment, forecast_of("VIX", i, 1.6, "other"), "champion", served.prediction_id)
        store_arms(database, [(served, {"slope": 0.1})], [other])
    database.store_predictions([(forecast_of(name, i), {"slope": 0.1}) for i in range(trial, last) for name in SECTORS])
    database.record_outcomes_of({name: level.iloc[:last] for name, level in LEVELS.items()})


def begin_trial_of(database: PredictionDatabase, first: int) -> None:
    "Put a candidate on record and on trial."
    vix = LineTarget("VIX_d1", "pct_change", 1)
    register_line(database, vix, Line("wider", {"model.rounds": "50"}), who="Ada", why="to be tried")
    create_shadow_deployment(database, vix, "wider", duration_days=250, who="Ada", why="a trial", first=DAYS[first])


def write_operations(database: PredictionDatabase, last: int) -> None:
    "Drift, performance by symbol, sector and state, jobs, alerts, and a paper book."
    drift = pd.DataFrame(
        {"psi": 0.3, "psi_p": 0.01, "ks": 0.2, "ks_p": [0.01, 0.5], "p": [0.02, 1.0], "drifted": [True, False]},
        index=["slope", "rsi"],
    )
    for day in DAYS[last - 12 : last]:
        store_drift(database, drift, "VIX", day, "one", "features", {"slope": "curve", "rsi": "momentum"}, 63)
    rows = database.get_predictions()
    states = {day: STATES[i * 4 // len(DAYS)] for i, day in enumerate(DAYS)}
    store_performance(database, measured_performance(rows, judge_targets(rows), SECTORS, states))
    with recorded_job(database, "daily") as said:
        said["forecasts"] = len(NAMES)
    missed = Alert(
        "drift",
        "symbol:VIX",
        "warning",
        "slope drifted <b>twice</b>",
        "2018-11-28",
        "chance 0.02 without drift",
        "look at the feed",
    )
    keep_alerts(database, ["drift"], [missed], AlertPolicy())

    def keep(connection):
        lock_paper(connection)
        for number in range(31):
            write_paper(connection, paper_row(number, 1000.0 + number * (5 if number % 3 else -2)))

    with_retry(database.engine, keep, write=True)


def filled_home(folder: Path, last: int = len(DAYS) - 1) -> Path:
    "A home with all of it, its last forecast that of the session before `last`."
    clock = CLOSES[last].to_pydatetime() + timedelta(hours=2)
    database = PredictionDatabase(f"sqlite:///{folder}/forecasts.db", clock=lambda: clock)
    write_record(database, last, 150)
    write_operations(database, last)
    database.close()
    (folder / "universes").mkdir(exist_ok=True)
    (folder / "universes" / "own.json").write_text(json.dumps({"sectors": SECTORS}))
    return folder
