"""Does the drift check cry wolf, and does it notice? Size and power beside evidently's and nannyml's, and a model replayed that has not changed.

    python benchmarks/drift.py size [--runs 200] [--draws 200]         iid noise, a synthetic market's features, their residuals
    python benchmarks/drift.py planted [--runs 20]                     scale, correlation; unit, stale feed, zeros, missing rows
    python benchmarks/drift.py detector [--runs 200]                   run length, and ranges that halve
    python benchmarks/drift.py replay [FILE.npz] [--line house] [--first 2005]             a line of models, day by day up to 2018; FILE keeps it
    python benchmarks/drift.py export FOLDER [--runs 5]                data for rivals/drift_rivals.py, run where these are installed

One check compares 63 rows with 1,260 of 232 features. A false alarm is any feature, any correlation, or the residuals together found to have moved
at 5 %, counted with its binomial error. `--draws` is smaller here than the 500 that are usual: the chance of a false alarm does not depend on it.
Thresholds are found by simulation alone; nothing is tuned on the span that is replayed.
"""

import argparse
import json
import os
import time
import warnings
from dataclasses import replace
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from forecastkit.metrics import check_drift, crps, expected_crps, feed_faults, fit_change_detector, fit_drift_null, pit
from forecastkit.metrics.change_detectors import right_forecasts
from forecastkit.metrics.drift_null import residuals

ROWS, REFERENCE, FEATURES, HORIZON = 63, 1260, 232, 5


def rate(hits) -> dict:
    "A share with its binomial standard error."
    share = float(np.mean(hits))
    return {"rate": round(share, 4), "se": round(float(np.sqrt(share * (1 - share) / len(hits))), 4), "runs": len(hits)}


def noise(seed: int) -> pd.DataFrame:
    draws = np.random.default_rng(seed).standard_normal((REFERENCE + ROWS, FEATURES))
    return pd.DataFrame(draws, columns=[f"f{i}" for i in range(FEATURES)])


def market_features(seed: int) -> pd.DataFrame:
    "The features of the VIX on a seeded market that is the same law throughout, without those that follow the calendar."
    from forecastkit.core import Target
    from forecastkit.data import synthetic_market
    from forecastkit.pipeline.profile import profile_of

    made = synthetic_market(seed=seed, sessions=6900, start="1992-01-02")
    features = profile_of(Target("VIX")).engine().build_features(made.market)
    return features.select_dtypes("number").iloc[260:].dropna(axis=1, thresh=6000).iloc[:, :FEATURES]


def windows(runs: int):
    "Stretches of markets that do not overlap."
    seed = 0
    while runs > 0:
        features = market_features(seed)
        for start in range(0, len(features) - REFERENCE - ROWS + 1, REFERENCE + ROWS):
            if runs > 0:
                yield features.iloc[start : start + REFERENCE + ROWS]
                runs -= 1
        seed += 1


def checked(frame: pd.DataFrame, draws: int, seed: int) -> dict:
    null = fit_drift_null(frame.iloc[:REFERENCE], ROWS, draws, seed)
    check_drift(null, frame.iloc[REFERENCE:])  # what is worked out once
    start, cpu = time.perf_counter(), time.process_time()
    report = check_drift(null, frame.iloc[REFERENCE:])
    found = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu, "p": report.family_wise_p}
    p = report.table["p"]
    slow = np.abs(1 / (1 + null.coefficients.sum(axis=0))) > 20  # how many sessions' worth of memory
    found |= {"any": report.family_wise_p <= 0.05, "features": p.min() <= 0.05, "faults": len(report.faults)}
    found |= {"quick": bool((p[~slow] <= 0.05).any()), "slow": bool((p[slow] <= 0.05).any()), "n_slow": int(slow.sum())}
    found |= {name: joint_p <= 0.05 for name, (_, joint_p) in report.joint.items()}
    return found | {"above": report.above, "expected": report.expected, "columns": len(report.table)}


def summary(rows: list[dict]) -> dict:
    table = pd.DataFrame(rows)
    said = {name: rate(table[name]) for name in ("any", "features", "quick", "slow", "correlation", "residuals")}
    said |= {name: round(float(table[name].mean()), 3) for name in ("above", "expected", "columns", "n_slow", "faults")}
    return said | {"median_p": round(float(table["p"].median()), 3), "check_cpu_s": round(float(table["cpu"].median()), 3),
                   "check_wall_s": round(float(table["wall"].median()), 3)}  # fmt: skip


def told(name: str, found: dict) -> None:
    print(json.dumps({name: found}), flush=True)


def linear(seed: int) -> pd.DataFrame:
    "Features of which each remembers 1 to 20 sessions, with a factor in common."
    rng = np.random.default_rng(seed)
    memory, x = np.linspace(0.0, 0.95, FEATURES), np.zeros((REFERENCE + ROWS + 300, FEATURES))
    shocks = 0.6 * rng.standard_normal((len(x), 1)) + 0.8 * rng.standard_normal(x.shape)
    for t in range(1, len(x)):
        x[t] = memory * x[t - 1] + shocks[t]
    return pd.DataFrame(x[300:], columns=[f"f{i}" for i in range(FEATURES)])


def sized(frames, draws: int) -> dict:
    "One law: each frame is 1,260 rows of reference and 63 of now."
    return summary([checked(frame, draws, seed) for seed, frame in enumerate(frames)])


def size(runs: int, draws: int) -> None:
    told("iid", sized((noise(seed) for seed in range(runs)), draws))
    told("features of a synthetic market", sized(windows(runs), draws))
    told("residuals of a synthetic market's features", sized(map(residual_frame, windows(runs)), draws))
    told("features that remember 1 to 20 sessions", sized((linear(seed) for seed in range(runs)), draws))
    left = (residual_frame(linear(seed)) for seed in range(runs))
    told("residuals of features that remember 1 to 20 sessions", sized(left, draws))


def residual_frame(frame: pd.DataFrame) -> pd.DataFrame:
    "What an autoregression of each column, fitted on the reference alone, does not know."
    from forecastkit.metrics.drift_null import burg, normal_scores, step_up

    values = frame.to_numpy(dtype=float)
    varied = np.array([len(np.unique(c[~np.isnan(c)])) > 1 for c in values[:REFERENCE].T])
    values = values[:, varied]
    table, counts = np.sort(values[:REFERENCE], axis=0), (~np.isnan(values[:REFERENCE])).sum(axis=0)
    z = normal_scores(table, counts, values)
    coefficients = step_up(burg(z[:REFERENCE] - z[:REFERENCE].mean(axis=0)))
    left = residuals(np.vstack([np.zeros((len(coefficients), z.shape[1])), z]), coefficients)
    return pd.DataFrame(left, columns=frame.columns[varied])


def planted(runs: int, draws: int) -> None:
    "Sessions until a change is found, daily, and faults on their first day."
    delays: dict[str, list[float]] = {
        "scale x 1.5 in 10": [],
        "correlation .0 to .8 of a pair": [],
        "mean + .5 sd in 10": [],
    }
    first: dict[str, list[float]] = {"unit x 100": [], "stale": [], "zeros": [], "missing": [], "nothing": []}
    for seed in range(runs):
        frame, later = noise(seed).iloc[:REFERENCE], noise(seed + 10_000).iloc[: 2 * ROWS]
        null = fit_drift_null(frame, ROWS, draws, seed)
        changed = {name: later.copy() for name in delays}
        changed["scale x 1.5 in 10"].iloc[:, :10] *= 1.5
        changed["mean + .5 sd in 10"].iloc[:, :10] += 0.5
        pair = changed["correlation .0 to .8 of a pair"]
        pair["f1"] = 0.8 * pair["f0"] + 0.6 * pair["f1"]
        before = noise(seed + 20_000).iloc[:ROWS]
        for name, rows in changed.items():
            history = pd.concat([before, rows])
            ends = range(10, 2 * ROWS + 1, 10)
            hit = (e for e in ends if check_drift(null, history.iloc[e : e + ROWS]).family_wise_p <= 0.05)
            delays[name].append(next(hit, np.inf))
        levels = np.exp(3 + 0.3 * pd.concat([frame, later.iloc[:5]], ignore_index=True))
        for label, data in (("level", levels), ("signed", pd.concat([frame, later.iloc[:5]], ignore_index=True))):
            sound, now = data.iloc[:REFERENCE], data.iloc[REFERENCE:]
            broken = {
                "unit x 100": now.iloc[-1] * 100,
                "stale": now.iloc[-2],
                "zeros": now.iloc[-1] * 0,
                "missing": now.iloc[-1] * np.nan,
            }
            for kind, row in (broken | {"nothing": now.iloc[-1]}).items():
                rows = pd.concat([now.iloc[:-1], row.to_frame(now.index[-1]).T])
                kinds = [fault.kind for fault in feed_faults(sound, rows)]
                first[kind].append(len(kinds) / FEATURES)
                first.setdefault(f"{kind}, {label}", []).append(len(kinds) / FEATURES)
    told("sessions until found", {k: {"median": float(np.median(v)), "90 %": float(np.quantile(v, 0.9)), "worst": float(max(v)), "runs": len(v)} for k, v in delays.items()})  # fmt: skip
    told("share of columns at fault found on the first day", {k: round(float(np.mean(v)), 4) for k, v in first.items()})


def detector(runs: int) -> None:
    "How long without a false alarm, with the PIT as it should be and against a usual one; and how soon a halved width is found."
    from statistics import NormalDist

    found = fit_change_detector(HORIZON)
    law = NormalDist()
    z = right_forecasts(2520 + 1250, runs, HORIZON, seed=77)
    u = np.vectorize(law.cdf)(z)
    as_it_is = [found.follow(pd.Series(row[1250:])).ok for row in u.T]
    usual = [found.follow(pd.Series(row[1250:]), usual=row[:1250]).ok for row in u.T]
    length = {
        name: round(float(-2520 / np.log(max(np.mean(ok), 1e-9))))
        for name, ok in (("right", as_it_is), ("usual", usual))
    }
    told("run length in sessions", {"asked": found.run_length, **length, "ten years without alarm": rate(as_it_is)})
    delays, before = [], 0
    for seed in range(runs):
        moves = np.cumsum(np.random.default_rng(seed).standard_normal(605))
        y, width = (moves[5:] - moves[:-5]) / np.sqrt(5), np.where(np.arange(600) < 300, 1.0, 0.5)
        alarms = found.follow(pd.Series([law.cdf(a / b) for a, b in zip(y, width)])).alarms
        before += any(day < 300 for day, *_ in alarms)
        delays.append(next((day - 300 + HORIZON for day, *_ in alarms if day >= 300), np.inf))
    told("sessions from the first forecast of half the width to the alarm", {"median": float(np.median(delays)), "90 %": float(np.quantile(delays, 0.9)), "false alarms before": before, "runs": runs})  # fmt: skip


def har_line(sources: str) -> tuple[np.ndarray, np.ndarray, pd.DatetimeIndex, np.ndarray]:
    "A HAR location-scale line of the VIX refitted each quarter: raw quantiles, outcomes, origins, closes."
    from functools import partial

    from forecastkit.calendars import get_calendar
    from forecastkit.core import Target
    from forecastkit.core.settings import load_settings
    from forecastkit.data.sources import load_market
    from forecastkit.evaluation import walk_forward
    from forecastkit.models import HARLocationScale
    from forecastkit.pipeline.preparation import refit_schedule
    from forecastkit.pipeline.profile import profile_of

    settings, nyse = load_settings(overrides={"run.progress": False}), get_calendar("XNYS")
    market, target = load_market(sources).as_of(LAST), Target("VIX", "log_return", HORIZON)
    profile = profile_of(target)
    X, y = profile.engine().build_features(market), nyse.outcomes(market.close("VIX"), HORIZON)
    schedule = replace(refit_schedule(target, settings, nyse), drift_limit=None)
    walk = walk_forward(X, y, partial(HARLocationScale, profile.har_recipe), schedule)
    return (
        walk.quantiles,
        y.reindex(walk.origins).to_numpy(),
        walk.origins,
        market.close("VIX")[walk.origins].to_numpy(),
    )


def calibrated_har_line(sources: str) -> tuple[np.ndarray, np.ndarray, pd.DatetimeIndex, np.ndarray]:
    "The same with the widths that are calibrated as forecasts that are served."
    from forecastkit.models import calibrate

    raw, truth, origins, close = har_line(sources)
    known_from = np.minimum(np.arange(len(raw)) + HORIZON, len(raw))
    return calibrate(raw, truth, np.digitize(close, [15, 20, 30]), known_from).quantiles, truth, origins, close


def house_line(sources: str) -> tuple[np.ndarray, np.ndarray, pd.DatetimeIndex, np.ndarray]:
    "What `forecastkit forecast` serves at default settings, on every origin: calibrated quantiles of the pool."
    from forecastkit.core import Target
    from forecastkit.core.settings import load_settings
    from forecastkit.data.sources import load_market
    from forecastkit.pipeline.preparation import prepare

    settings, market = load_settings(overrides={"run.progress": False, "run.n_jobs": 1}), load_market(sources)
    made = prepare(market, Target("VIX", "log_return", HORIZON), settings, LAST)
    close = market.close("VIX")[made.origins].to_numpy()
    return made.quantiles, made.outcomes.reindex(made.origins).to_numpy(), made.origins, close


LINES = {"raw": har_line, "calibrated": calibrated_har_line, "house": house_line}
LAST = pd.Timestamp("2018-12-31")


def as_outcomes(values: np.ndarray, truth: np.ndarray, origins: pd.DatetimeIndex) -> pd.DataFrame:
    "What a monitor follows, by origin."
    from forecastkit.core import PROBS

    told_hit = ((values[:, list(PROBS).index(0.5)] > 0) == (truth > 0)).astype(float)
    ratio = crps(truth, values) / expected_crps(values)
    return pd.DataFrame({"pit": pit(truth, values), "hit": told_hit, "crps_ratio": ratio}, index=origins)


def halved_delays(
    table: np.ndarray, truth: np.ndarray, origins: pd.DatetimeIndex, start: pd.Timestamp, runs: int = 20
) -> list[float]:
    "Sessions from the first forecast of half the width to the alarm, from so many dates after the start."
    from forecastkit.core import PROBS
    from forecastkit.ops.model_monitor import detector_for

    before = int(np.searchsorted(origins, start))
    usual, middle = pit(truth[:before], table[:before]), table[:, [list(PROBS).index(0.5)]]
    wary, delays = detector_for(HORIZON).with_past(usual), []
    for begin in np.linspace(before, len(origins) - 400, runs).astype(int):
        rows = slice(max(begin - 250, before), begin + 400)
        place, halved = begin - rows.start, table[rows].copy()
        halved[place:] = middle[rows][place:] + 0.5 * (halved[place:] - middle[rows][place:])
        alarms = wary.follow(pd.Series(pit(truth[rows], halved)), usual).alarms
        delays.append(next((float(day - place + HORIZON) for day, *_ in alarms if day >= place), np.inf))
    return delays


def held(whole: pd.DataFrame, alerts: pd.DataFrame) -> dict:
    "What really happened between the beginning of each high alert and its day."
    said = {}
    for row in alerts.itertuples():
        part = whole[pd.Timestamp(row.words.rsplit(" ", 1)[1]) : row.session]
        inside = ((part["pit"] - 0.5).abs() <= 0.4).mean()
        happened = (
            f"80% range held {inside:.0%} of {len(part)}, CRPS {part['crps_ratio'].mean():.2f} times what was expected"
        )
        said[str(row.session.date())] = f"{row.words}: {happened}"
    return said


def replay(sources: str, first: int, line: str, cached: Path | None = None) -> dict:
    "A line followed day by day with all default rules, and with its ranges halved at 20 dates."
    from forecastkit.ops.model_monitor import replay_decay

    warnings.simplefilter("ignore")
    if cached is not None and cached.exists():
        kept = np.load(cached)
        table, truth, origins = kept["table"], kept["truth"], pd.DatetimeIndex(kept["origins"])
    else:
        table, truth, origins, _ = LINES[line](sources)
        if cached is not None:
            np.savez(cached, table=table, truth=truth, origins=origins.to_numpy())
    known = np.isfinite(truth)
    table, truth, origins = table[known], truth[known], pd.DatetimeIndex(origins[known])
    whole, start = as_outcomes(table, truth, origins), pd.Timestamp(f"{first}-01-01")
    alerts, after = replay_decay(whole, start, horizon=HORIZON), whole[whole.index >= start]
    years = len(after) / 252
    inside = (after["pit"] - 0.5).abs() <= 0.4
    delays = halved_delays(table, truth, origins, start)
    found = {
        "line": line, "span": [str(after.index[0].date()), str(after.index[-1].date())], "outcomes": len(after),
        "80% range held": round(float(inside.mean()), 3), "alerts": alerts["severity"].value_counts().to_dict(),
        "alerts a year": (alerts["severity"].value_counts() / years).round(2).to_dict(),
        "by rule": {f"{s} {m}": int(n) for (s, m), n in alerts.groupby(["severity", "measure"]).size().items()},
        "high": held(whole, alerts[alerts["severity"] == "high"]),
        "halved ranges, sessions": {"median": float(np.median(delays)), "worst": max(delays), "all": delays},
    }  # fmt: skip
    told("replay", found)
    return found


def export(folder: Path, runs: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(runs):
        noise(seed).to_parquet(folder / f"iid_{seed}.parquet")
    for seed, frame in enumerate(windows(runs)):
        frame.reset_index(drop=True).to_parquet(folder / f"market_{seed}.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("size", "planted", "detector", "replay", "export"))
    parser.add_argument("folder", nargs="?", type=Path)
    for name, usual in (("runs", 200), ("draws", 100), ("first", 2005)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--sources", default="sample")
    parser.add_argument("--line", choices=tuple(LINES), default="house", help="of models, that is replayed")
    asked = parser.parse_args()
    if asked.part == "size":
        size(asked.runs, asked.draws)
    elif asked.part == "planted":
        planted(asked.runs, asked.draws)
    elif asked.part == "detector":
        detector(asked.runs)
    elif asked.part == "replay":
        replay(asked.sources, asked.first, asked.line, asked.folder)
    else:
        export(asked.folder, asked.runs)


if __name__ == "__main__":
    main()
