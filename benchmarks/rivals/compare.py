"""Is forecastkit better than what a skilled user could put together in a day? README.md says how this is run.

    .venv/bin/python benchmarks/rivals/compare.py DIR --export [--sources ...] [--start ...] [--end ...]
    RIVALS_PYTHON    benchmarks/rivals/rivals.py DIR
    .venv/bin/python benchmarks/rivals/compare.py DIR

The first command writes what the rivals may read, the second lets them forecast, the third scores everyone.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, Target
from forecastkit.core.settings import load_settings
from forecastkit.data.market import MarketData
from forecastkit.data.sources import load_market
from forecastkit.metrics import Comparison, coverage, crps, diebold_mariano, hac_lag, interval, skill
from forecastkit.models.baselines import ar1_quantiles, climatology_quantiles
from forecastkit.models.pool import linear_pool
from forecastkit.pipeline.preparation import prepare
from forecastkit.pipeline.profile import profile_of

NYSE = get_calendar("XNYS")

TARGET = Target("VIX", horizon=5)
POOLED = ("garch", "arima", "boosting")  # the rivals of which the mean is taken
BAR = 3.0  # paired t against that mean


def read_market(plan: dict) -> MarketData:
    "The market that forecastkit sees; the rivals see its VIX and its S&P 500."
    return load_market(plan["sources"], symbols=profile_of(TARGET).wanted, needed=profile_of(TARGET).needed)


def export(folder: Path, plan: dict) -> None:
    "Write the sessions with bars, outcomes, the session at whose close each is known, and the refit session in force."
    market, settings = read_market(plan), load_settings(environ={})
    vix = market.bars("VIX")[["open", "high", "low", "close"]]
    grid = NYSE.refit_sessions(vix.index, settings.model.refit_every)
    table = vix.assign(
        spx=market.close("SPX").reindex(vix.index),
        outcome=NYSE.outcomes(vix["close"], TARGET.horizon),
        known=NYSE.target_sessions(vix.index, TARGET.horizon),
        grid=grid[grid.searchsorted(vix.index, side="right") - 1],
    )
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "sessions.csv")
    plan |= {"horizon": TARGET.horizon, "train_start": settings.model.train_start, "probs": PROBS.tolist()}
    (folder / "plan.json").write_text(json.dumps(plan, indent=1, default=str))


def own_quantiles(folder: Path, plan: dict, jobs: int) -> tuple[pd.DatetimeIndex, np.ndarray]:
    "The calibrated quantiles of forecastkit and their origins; raw ones are kept in the folder by model version."
    settings = load_settings(environ={}, overrides={"run.n_jobs": jobs})
    market = read_market(plan)
    prepared = prepare(market, TARGET, settings, market.last_session(profile_of(TARGET).needed), folder=folder / "raw")
    return prepared.origins, prepared.quantiles


def rivals(folder: Path, origins: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    "The quantiles of each rival for these origins, and two ways to take the mean of the first three."
    found = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as kept:
            made = pd.DatetimeIndex(kept["origins"]).as_unit("us")
            found[path.stem] = kept["quantiles"][made.get_indexer(origins)]
            assert origins.isin(made).all(), f"{path.name} lacks origins: let rivals.py run to its end"
    if set(POOLED) <= set(found):
        members = [found[name] for name in POOLED]
        found["mean of the three, quantiles"] = np.mean(members, axis=0)
        found["mean of the three, CDFs"] = linear_pool(members)
    return found


def tall(comparison: Comparison, scale: float = 1.0) -> str:
    "Value, standard error and both t in fixed columns."
    c = comparison
    return f"{scale * c.value:7.2f} {scale * c.se:5.2f} {c.t:6.2f} {c.t_nonoverlapping:6.2f}"


def judge(folder: Path, plan: dict, jobs: int) -> bool:
    "Print the table; whether forecastkit clears the bar against the better of the two means."
    table = pd.read_csv(folder / "sessions.csv", index_col="session", parse_dates=["session"])
    table.index = table.index.as_unit("us")
    origins, own = own_quantiles(folder, plan, jobs)
    span = table.loc[plan["start"] : plan["end"]].dropna(subset="outcome").index.intersection(origins)
    y, log_level = table["outcome"], np.log(table["close"])
    quantiles = {
        "forecastkit": own[origins.get_indexer(span)],
        **rivals(folder, span),
        "AR(1)": ar1_quantiles(log_level, y.loc[plan["train_start"] :], span, TARGET.horizon, NYSE),
        "climatology": climatology_quantiles(y.loc[plan["train_start"] :], span, TARGET.horizon, calendar=NYSE),
    }
    change = TARGET.from_log(y[span].to_numpy())
    stated = {name: TARGET.from_log(values) for name, values in quantiles.items()}
    loss = {name: crps(change, values) for name, values in stated.items()}
    lag, step = hac_lag(TARGET.horizon), TARGET.horizon
    print(f"{len(span)} origins {span[0]:%Y-%m-%d} .. {span[-1]:%Y-%m-%d}, {TARGET.horizon} sessions ahead")
    print(f"{'':29s} {'':6s} {'skill % against climatology':^27s}   {'forecastkit better by, CRPS':^27s}")
    print(f"{'':29s} {'CRPS':>6s} {'value':>7s} {'s.e.':>5s} {'t':>6s} {'t 5th':>6s}   {'value':>7s} {'s.e.':>5s} {'t':>6s} {'t 5th':>6s}    50 %   80 %   90 %")  # fmt: skip
    beaten = {}
    for name, values in stated.items():
        against = skill(loss[name], loss["climatology"], lag, step)
        beaten[name] = diebold_mariano(loss["forecastkit"], loss[name], lag, step)
        covered = [100 * coverage(change, *interval(values, level)).mean() for level in (0.5, 0.8, 0.9)]
        print(f"{name:29s} {loss[name].mean():6.3f} {tall(against, 100)}   {tall(beaten[name])}  " + " ".join(f"{c:6.1f}" for c in covered))  # fmt: skip
    means = [name for name in beaten if name.startswith("mean of")]
    best = min(means, key=lambda name: loss[name].mean(), default=None)
    if best is None:
        print("the mean of the three is not there yet: let rivals.py run to its end")
        return False
    passed = beaten[best].t >= BAR
    print(f"paired t against the better mean, {best!r}: {beaten[best].t:.2f}, wanted {BAR:g}: {'passed' if passed else 'NOT REACHED'}")  # fmt: skip
    return passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="where everything is kept")
    parser.add_argument("--export", action="store_true", help="write what the rivals may read, and stop")
    parser.add_argument("--sources", default="sample")
    parser.add_argument("--start", default="2005-01-03")
    parser.add_argument("--end", default="2018-12-21")
    parser.add_argument("--jobs", type=int, default=1, help="processes that train forecastkit")
    asked = parser.parse_args()
    if asked.export:
        export(asked.folder, {"sources": asked.sources, "start": asked.start, "end": asked.end})
        return
    raise SystemExit(0 if judge(asked.folder, json.loads((asked.folder / "plan.json").read_text()), asked.jobs) else 1)


if __name__ == "__main__":
    main()
