"""How long the main things take and how much memory they need, each beside a reference measured in the same run.

    .venv/bin/python benchmarks/speed.py

These machines are shared and noisy: read the ratios, not the seconds.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.core import Target
from forecastkit.core.settings import load_settings
from forecastkit.data.sources import load_market
from forecastkit.ledger.database import PredictionDatabase
from forecastkit.models import ProbabilisticForecaster
from forecastkit.models.boosting import grow_trees, tree_columns, tree_table
from forecastkit.models.forest import grow_forest
from forecastkit.pipeline.profile import profile_of
from forecastkit.pipeline.system import IntegratedSystem

NYSE = get_calendar("XNYS")


def seconds(work: Callable[[], object], times: int = 1) -> float:
    "The fastest of a few runs."
    best = np.inf
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def python(*arguments: str, cwd: str | None = None) -> Callable[[], object]:
    "A fresh interpreter that runs the given arguments."
    env = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=cwd, env=env)


def settings_at(home: str):
    return load_settings(environ={}, overrides={"data.home": home, "run.progress": False})


def row(what: str, took: float, limit: str, reference: str, beside: float) -> None:
    print(f"{what:58s} {took:9.3f} s   {limit:9s} {reference:42s} {beside:8.3f} s   x {took / beside:7.2f}")


def imports() -> None:
    pandas = seconds(python("-c", "import pandas"), 3)
    row("import forecastkit", seconds(python("-c", "import forecastkit"), 3), "< 0.5 s", "import pandas", pandas)
    system = seconds(python("-c", "from forecastkit.pipeline.system import IntegratedSystem"), 3)
    row("from forecastkit.pipeline.system import IntegratedSystem", system, "< 1.5 s", "import pandas", pandas)


def reports(folder: str) -> None:
    plain = seconds(python("-c", "import xgboost, hmmlearn.hmm, papermill, nbconvert, matplotlib.pyplot"))
    command = ("-m", "forecastkit", "daily", "--quiet", "--sources", "sample")
    row(
        "forecastkit daily, nothing stored",
        seconds(python(*command, cwd=folder)),
        "<= 120 s",
        "importing its libraries",
        plain,
    )
    row(
        "forecastkit daily, models and features stored",
        seconds(python(*command, cwd=folder)),
        "<= 20 s",
        "importing its libraries",
        plain,
    )


def inside(folder: str) -> None:
    settings = settings_at(f"{folder}/forecastkit-data")
    load = seconds(lambda: load_market("sample", symbols={"VIX", "SPX"}), 3)
    market = load_market("sample", symbols={"VIX", "SPX"})
    frame = market.bars("SPX").reset_index()
    frame.to_csv(f"{folder}/spx.csv", index=False)
    csv = seconds(lambda: pd.read_csv(f"{folder}/spx.csv", parse_dates=["session"]), 3)
    row("load_market('sample'), VIX and SPX", load, "", "pandas.read_csv of the SPX alone", csv)
    row(
        "market.as_of(session)",
        seconds(lambda: market.as_of("2018-06-29"), 20),
        "<= 5 ms",
        "pandas.read_csv of the SPX alone",
        csv,
    )
    engine, close = profile_of(Target("VIX")).engine(), market.close("SPX")
    rolling = seconds(lambda: close.rolling(22).std(), 10)
    build = seconds(lambda: engine.build_features(market), 3)
    row(
        f"build_features: {len(engine.declarations)} features",
        build,
        "",
        "one pandas rolling standard deviation",
        rolling,
    )
    system = IntegratedSystem(settings=settings, market=market)
    days = system.prepared(system.origin()).origins[-40:]
    system.generate_forecast(days[-1])
    took = seconds(lambda: [system.generate_forecast(day) for day in days]) / len(days)
    note = f"{folder}/fsync"

    def commit() -> None:
        with Path(note).open("w") as file:
            file.write("x" * 4096)
            os.fsync(file.fileno())

    row("generate_forecast from a loaded system, stored", took, "< 0.1 s", "one fsync of 4 kB", seconds(commit, 5))
    made = [(system.generate_forecast(day, store_prediction=False), None) for day in days]

    def store() -> None:
        with tempfile.TemporaryDirectory() as other:
            PredictionDatabase(f"sqlite:///{other}/f.db").store_predictions(made)

    row(
        f"a new database and {len(made)} forecasts stored in it",
        seconds(store, 3),
        "",
        "one fsync of 4 kB",
        seconds(commit, 5),
    )


def version() -> None:
    "One model version beside the trees in it, grown bare: what the house adds to them."
    target, market = Target("VIX"), load_market("sample", symbols=profile_of(Target("VIX")).wanted)
    profile = profile_of(target)
    X, y = profile.engine().build_features(market), NYSE.outcomes(market.close("VIX"), 5).loc["1992":].dropna()
    rows = X.loc[y.index]
    table = tree_table(rows, [name for name in tree_columns(rows) if rows[name].notna().any()])

    def bare() -> None:
        for _ in range(2):  # of the residual and of the change itself
            grow_forest(table, y.to_numpy(), 100, 42)
            grow_trees(table, y.to_numpy(), 100, 42)

    model = ProbabilisticForecaster(target, profile.recipe)
    trees = seconds(bare)
    row(f"a version of seven kinds, {len(y)} rows", seconds(lambda: model.fit(X, y)), "", "its trees alone", trees)
    row(
        "63 origins by a version", seconds(lambda: model.predict_quantiles(X, last=63), 3), "", "its trees alone", trees
    )


def memory() -> None:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    code = "import pandas, resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    bare = float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    print(
        f"\npeak memory: this process {own:.0f} MB, largest child (daily, its kernel) {children:.0f} MB, a Python with pandas {bare:.0f} MB"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        imports()
        reports(folder)
        inside(folder)
    version()
    memory()


if __name__ == "__main__":
    main()
