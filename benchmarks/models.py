"""Stored models: what it takes to log, register and load a version, and to tell about one without loading it; mlflow beside it where it is installed.

    .venv/bin/python benchmarks/models.py [--mlflow PYTHON]

PYTHON is the interpreter of an environment with mlflow and scikit-learn; the same members are logged, registered and loaded there. Times are
seconds, fastest of five, of processor and clock. The first column is what must hold.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.core import Target, load_settings
from forecastkit.data import synthetic_market
from forecastkit.features import FeatureEngine
from forecastkit.ledger import PredictionDatabase
from forecastkit.models import DirectionEnsemble, PanelForecaster, ProbabilisticForecaster
from forecastkit.ops import ModelLoader, ModelRegistry, load_panel
from forecastkit.ops.ensemble_loader import load_ensemble
from forecastkit.ops.manifests import record_manifest
from forecastkit.pipeline import EnsembleLoader

INFO_AIM, STORE_AIM, TIMES, OTHERS = 0.010, 0.1, 5, 2000
MLFLOW = """
import json, sys, tempfile, time, warnings, logging
warnings.filterwarnings("ignore"); logging.disable(logging.CRITICAL)
import mlflow, mlflow.sklearn, numpy as np
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
X, y = rng.standard_normal((5000, 40)), rng.random(5000) > 0.5
models = [LogisticRegression(max_iter=200, C=c).fit(X, y) for c in (0.001, 0.01)]
mlflow.set_tracking_uri("sqlite:///" + tempfile.mkdtemp() + "/mlflow.db")
mlflow.set_experiment("benchmark")
best = None
for _ in range(3):
    times = [time.perf_counter()]
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(models[0], name="model")
    times.append(time.perf_counter())
    made = mlflow.register_model(info.model_uri, "AAPL_d1")
    times.append(time.perf_counter())
    mlflow.sklearn.load_model(f"models:/AAPL_d1/{made.version}")
    times.append(time.perf_counter())
    took = np.diff(times).tolist()
    best = took if best is None or sum(took) < sum(best) else best
print(json.dumps([mlflow.__version__, *best]))
"""


def fastest(work: Callable[[int], object], times: int = TIMES) -> tuple[float, float]:
    "Seconds of processor and clock of the fastest of some runs, each with its own number."
    found = []
    for k in range(times):
        start = time.process_time(), time.perf_counter()
        work(k)
        found.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    return min(one[0] for one in found), min(one[1] for one in found)


def a_panel(sessions: int = 1500, symbols: int = 20, columns: int = 40) -> tuple[pd.DataFrame, pd.Series]:
    "Columns and rises of a panel without an effect."
    rng = np.random.default_rng(0)
    names = [f"S{k:02}" for k in range(symbols)]
    days = pd.bdate_range("2010-01-04", periods=sessions)
    rows = pd.MultiIndex.from_product([days, names], names=["session", "symbol"])
    X = pd.DataFrame(rng.standard_normal((len(rows), columns)), rows, [f"c{k}" for k in range(columns)])
    return X, pd.Series((rng.random(len(rows)) > 0.5).astype(int), rows)


def stored_and_loaded(registry: ModelRegistry, model: object, symbol: str) -> tuple[float, float]:
    "What it takes to store a model, with its manifest in the ledger, and to load it with all checks; each is printed, too."

    def store(k: int) -> None:
        registry.save(f"{symbol}-{k}", model, target=Target(symbol), origin="2018-05-01", symbols=("AAPL", "MSFT"))

    stored, loaded = fastest(store), fastest(lambda k: registry.load(f"{symbol}-{k}"))
    for what, found in (("stored", stored), ("loaded", loaded)):
        print(f"{symbol.lower() + ' ' + what:71} {found[0]:6.4f} processor   {found[1]:6.4f} clock", flush=True)
    return stored[0] + loaded[0], stored[1] + loaded[1]


def show(what: str, aim: float, found: tuple[float, float]) -> bool:
    "Print a row; whether it holds."
    print(f"{what:62} <= {aim:5.3f}   {found[0]:6.4f} processor   {found[1]:6.4f} clock", flush=True)
    return found[0] <= aim


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mlflow", help="an interpreter with mlflow and scikit-learn")
    interpreter = parser.parse_args().mlflow
    X, up = a_panel()
    ensemble = DirectionEnsemble().fit(X, up)
    scales = np.exp(X).set_axis(["vol_252", "vol_ewma94", "range_vol_5", *X.columns[3:]], axis=1)
    panel = PanelForecaster().fit(scales, pd.Series(0.01 * X["c5"].to_numpy(), X.index))
    market = synthetic_market(seed=7, sessions=2500).market
    features = FeatureEngine(symbol="VIX").build_features(market)
    outcomes = get_calendar("XNYS").outcomes(market.close("VIX"), horizon=5).dropna()
    forecaster = ProbabilisticForecaster().fit(features, outcomes)
    with tempfile.TemporaryDirectory() as home:
        settings = load_settings(environ={}, overrides={"data.home": home})
        with closing(PredictionDatabase(settings.database_url())) as database:
            directions = ModelRegistry(Path(home, "models"), database, load_ensemble)
            forecasters = ModelRegistry(Path(home, "models"), database)
            panels = ModelRegistry(Path(home, "models"), database, load_panel)
            fine = [
                show("the built-in panel of 20 stocks stored and loaded", STORE_AIM, stored_and_loaded(panels, panel, "PANEL")),
                show("an ensemble of the default members stored and loaded", STORE_AIM, stored_and_loaded(directions, ensemble, "DIRECTION")),
                show("the built-in forecaster of the VIX stored and loaded", STORE_AIM, stored_and_loaded(forecasters, forecaster, "VIX")),
            ]  # fmt: skip
            said = [one.predict_quantiles(features, last=250) for one in (forecaster, forecasters.load("VIX-0"))]
            print(
                f"quantiles of 250 origins before and after: {'the same bits' if np.array_equal(*said) else 'DIFFER'}"
            )
            loader = ModelLoader(settings.home.models, database)
            fine.append(
                show("info of the newest version, ledger open", INFO_AIM, fastest(lambda k: loader.info("AAPL")))
            )
            files = dict(next(loader.records("AAPL")).manifest.files)
            for k in range(OTHERS):  # manifests of versions whose folders were removed
                record_manifest(database, f"other-{k}", Target("DIRECTION"), "2015-01-02", files | {"x.json": f"{k}"}, symbols=("IBM",))  # fmt: skip
            fine.append(
                show(f"the same beside {OTHERS} other versions", INFO_AIM, fastest(lambda k: loader.info("AAPL")))
            )
        told = fastest(lambda k: EnsembleLoader.get_model_info("AAPL", "d1", settings), 20)
        fine.append(show("EnsembleLoader.get_model_info, settings given, ledger opened", INFO_AIM, told))
    if interpreter:
        with tempfile.TemporaryDirectory() as there:
            run = subprocess.run([interpreter, "-c", MLFLOW], cwd=there, capture_output=True, text=True, check=True)
        version, log, register, load = json.loads(run.stdout.splitlines()[-1])
        print(
            f"mlflow {version}, one logistic regression: log {log:.3f}, register {register:.3f}, load {load:.3f} clock"
        )
    else:
        print("mlflow: skipped, no interpreter given")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    raise SystemExit(main())
