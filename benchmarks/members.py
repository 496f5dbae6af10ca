"""What a version costs: each member's fit and its forecasts for the 63 sessions that a version serves.

    .venv/bin/python benchmarks/members.py

The reference is location and scale alone, measured in the same run: on a shared machine its multiples say more than the seconds,
which are of the processor and of one core.
"""

import os
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from sklearn.base import clone

from forecastkit.calendars import get_calendar
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.volatility import FeatureEngine
from forecastkit.models.base import VOLATILITY_RECIPE
from forecastkit.models.baselines import HARLocationScale
from forecastkit.models.forecaster import default_members
from forecastkit.models.pool import linear_pool

NYSE = get_calendar("XNYS")

ROWS, SERVED, VERSIONS, CORES, AIM = 4500, 63, 56, 2, 90


def seconds(work: Callable[[], object], times: int = 2) -> float:
    "Processor time of the fastest of a few runs."
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


if __name__ == "__main__":
    market = synthetic_market(seed=7, sessions=ROWS + 100).market
    X = FeatureEngine(symbol="VIX").build_features(market)
    y = NYSE.outcomes(market.close("VIX"), 5).iloc[:ROWS].dropna()
    reference = seconds(lambda: HARLocationScale().fit(X, y))
    print(f"{ROWS} rows x {X.shape[1]} columns; the reference takes {reference:.3f} s")
    total, said = 0.0, []
    for member in default_members(VOLATILITY_RECIPE, 5, 100, 42):
        fit = seconds(lambda member=member: clone(member).fit(X, y))
        fitted = clone(member).fit(X, y)
        ask = seconds(lambda fitted=fitted: fitted.predict_quantiles(X, last=SERVED))
        said.append(fitted.predict_quantiles(X, last=SERVED))
        total += fit + ask
        print(f"{type(member).__name__:16} fit {fit:6.3f} s ({fit / reference:5.1f} x)   {SERVED} rows {ask:6.3f} s")
    total += (pool := seconds(lambda: linear_pool(said)))
    print(f"{'linear pool':16} {pool:32.3f} s")
    print(f"a version {total:.2f} s; {VERSIONS} on {CORES} cores {total * VERSIONS / CORES:.0f} s, wanted {AIM}")
