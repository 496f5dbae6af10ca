"""Does the forecaster see something where there is nothing to see? Four random walks through the whole pipeline.

    .venv/bin/python benchmarks/controls.py [--jobs 2] [--walks 4]

The VIX and the S&P 500 of these markets are independent random walks in logs, with shocks of one size. What is known of such
a VIX is the distribution of its changes, and climatology knows that: no forecaster can have skill, and one that shows
any has seen tomorrow. Below zero is the price of what the forecaster estimates and climatology does not. The skill of each
walk must lie within half a per cent of climatology; the skill against AR(1), which pays for a slope that is not
there, stands beside it.
"""

import argparse
import os
import time
import warnings

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from forecastkit.calendars import get_calendar
from forecastkit.core import Target
from forecastkit.core.settings import load_settings
from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import path_bars
from forecastkit.metrics import Comparison, coverage, crps, hac_lag, interval, skill
from forecastkit.models.baselines import ar1_quantiles, climatology_quantiles
from forecastkit.pipeline.preparation import prepare

NYSE = get_calendar("XNYS")

TARGET = Target("VIX", horizon=5)
BAND = 0.005
BEGIN, WARM, START, END = "1990-01-02", "2002-11-01", "2005-01-03", "2018-12-31"
NIGHT, STEPS = 0.2, 12  # share of a day's variance before the open, steps of the day


def random_walk(
    rng: np.random.Generator,
    index: pd.DatetimeIndex,
    sd: float,  # of a day's log change
    start: float,
) -> pd.DataFrame:
    "Bars of a driftless random walk in logs."
    night = sd * np.sqrt(NIGHT) * rng.standard_normal(len(index))
    step = sd * np.sqrt((1 - NIGHT) / STEPS)
    uniform = 1 - rng.random((len(index), 2, STEPS))
    steps = step * rng.standard_normal((len(index), STEPS))
    return path_bars(night, steps, np.full(len(index), step**2), uniform, start).set_index(index)


def random_market(seed: int) -> MarketData:
    "A VIX that moves by 2 % a day, which keeps it within its usual range for decades, and an S&P 500 that does not know it."
    rng, index = np.random.default_rng(seed), NYSE.sessions_in_range(BEGIN, END)
    return MarketData({"VIX": random_walk(rng, index, 0.02, 20.0), "SPX": random_walk(rng, index, 0.01, 1000.0)})


def walk(seed: int) -> dict[str, object]:
    "The scores of the calibrated pipeline on one random walk."
    warnings.simplefilter("ignore")  # the first decade lies before the table of meetings
    start, settings = time.perf_counter(), load_settings(environ={}, overrides={"run.progress": False})
    p = prepare(random_market(seed), TARGET, settings, pd.Timestamp(END), first=NYSE.sessions_in_range(WARM, END)[0])
    y = p.outcomes.loc[settings.model.train_start :]
    judged = p.origins[(p.origins >= START) & p.outcomes[p.origins].notna()]
    own = p.quantiles[p.origins.get_indexer(judged)]
    baselines = {
        "climatology": climatology_quantiles(y, judged, TARGET.horizon, calendar=NYSE),
        "ar1": ar1_quantiles(np.log(p.level), y, judged, TARGET.horizon, NYSE),
    }
    change, made = TARGET.from_log(y[judged].to_numpy()), TARGET.from_log(own)
    loss, lag = crps(change, made), hac_lag(TARGET.horizon)
    found = {name: skill(loss, crps(change, TARGET.from_log(q)), lag, TARGET.horizon) for name, q in baselines.items()}
    covered = {level: coverage(change, *interval(made, level)).mean() for level in (0.5, 0.8, 0.9)}
    return {"seed": seed, "n": len(judged), **found, **covered, "seconds": time.perf_counter() - start}


def shown(c: Comparison) -> str:
    return f"{100 * c.value:+6.2f} {100 * c.se:5.2f} {c.t:+6.2f} {c.t_nonoverlapping:+6.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--walks", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2, help="processes, a walk each")
    asked = parser.parse_args()
    print("                % against climatology        % against AR(1)")
    print("seed origins  skill  s.e.      t  t 5th   skill  s.e.      t  t 5th   50 %  80 %  90 %  seconds")
    found = []
    for row in Parallel(n_jobs=asked.jobs, return_as="generator")(delayed(walk)(s) for s in range(1, asked.walks + 1)):
        covered = " ".join(f"{100 * row[level]:5.1f}" for level in (0.5, 0.8, 0.9))
        print(f"{row['seed']:4d} {row['n']:7d} {shown(row['climatology'])}  {shown(row['ar1'])}  {covered}  {row['seconds']:7.0f}", flush=True)  # fmt: skip
        found.append(row["climatology"].value)
    outside = [value for value in found if abs(value) > BAND]
    print(f"{len(found) - len(outside)} of {len(found)} within {100 * BAND:g} % of climatology, mean {100 * np.mean(found):+.2f} %")  # fmt: skip
    raise SystemExit(1 if outside else 0)


if __name__ == "__main__":
    main()
