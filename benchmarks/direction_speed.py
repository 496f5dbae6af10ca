"""How long directions take for 99 stocks: the training that one date needs, the answer for one ticker, and the answers for all.

    .venv/bin/python benchmarks/direction_speed.py ../shared/market

Training is all that stands between prepared features and the directions of the last session: the market states, the ensemble in force, those of
the years that its combiner learns from (five versions before it, each with four folds and the fit on all rows), and the combiner itself, which holds
the meta-learner and its calibrated map of agreement. The forecasts of the panel, which a direction is told beside, are made before and not counted.
It is trained with `--jobs` threads into a registry; with `--alone` once more with one thread, and both must say the same to the last bit. The answers are
timed three times: for one ticker from a system that holds its versions (warm), for all tickers from it, and for all from one that reads them from the registry.

A reference stands beside all of it: the same forest that is most of an ensemble, fitted alone on 20,000 rows, in the same run. Wall clock
counts only on a machine that is at rest; so the load of the last minute and the seconds of the processor are printed with each figure.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"

import numpy as np
from panel_skill import FINAL, VIX_HISTORY, read_folder

from forecastkit.core import load_settings
from forecastkit.ledger import PredictionDatabase
from forecastkit.models import direction_members
from forecastkit.ops import ModelRegistry
from forecastkit.pipeline import DirectionSystem, directions_of, prepare_panel
from forecastkit.pipeline.direction_inputs import direction_registry

BOUNDS = {"training, s": 180.0, "one ticker, s": 0.3, "all tickers, s": 5.0}


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    "What it returns, and seconds, seconds of the processor and the load of the last minute."
    wall, own = time.perf_counter(), time.process_time()
    found = work()
    spent = {"seconds": time.perf_counter() - wall, "processor": time.process_time() - own, "load": os.getloadavg()[0]}
    return found, {name: round(value, 3) for name, value in spent.items()}


def inputs_of(folder: Path) -> Any:
    "The rows of a panel of real stocks up to 2018, with its forecasts of the last two years."
    market, universe = read_folder(folder, VIX_HISTORY, None, FINAL)
    settings = load_settings(overrides={
        "model.refit_every": 252, "model.walk_start": "2016-06-02", "forecast.horizon": 5, "run.n_jobs": 1, "run.progress": False,
    })  # fmt: skip
    system = directions_of(prepare_panel(market, universe, settings, FINAL))
    assert system is not None
    return system.inputs


def trained(inputs: Any, registry: Any, jobs: int) -> DirectionSystem:
    "A system with all that the last session needs; market states are worked out again."
    run = replace(inputs.settings.run, n_jobs=jobs)
    system = DirectionSystem(replace(inputs, settings=replace(inputs.settings, run=run)), registry)
    grid = system.grid(system.inputs.days[-1])
    assert grid is not None
    system.ensemble(grid)
    system.combiner(grid)
    return system


def answers(system: DirectionSystem, symbols: list[str]) -> list[Any]:
    "What is told of the last session."
    day = system.inputs.days[-1]
    return [system.combined(day, symbol) for symbol in symbols]


def forest_alone(inputs: Any) -> None:
    "The reference: one forest on 20,000 rows."
    table = inputs.features.iloc[-20_000:].fillna(0.0)
    up = np.arange(len(table)) % 2
    direction_members(list(table))["forest"].fit(table, up)


def main() -> int:
    "Print the figures; 1 where one is above its bound on a machine at rest, or where threads change a number."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--alone", action="store_true", help="Train with one thread as well, and compare every answer.")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    inputs, prepared = timed(lambda: inputs_of(args.folder))
    day = inputs.days[-1]
    symbols = [str(symbol) for symbol in inputs.features.loc[day].index]
    found: dict[str, Any] = {"stocks": len(symbols), "rows": len(inputs.features), "panel (not counted)": prepared}
    _, found["reference: one forest"] = timed(lambda: forest_alone(inputs))
    alone = None
    if args.alone:
        alone, found["training, one thread"] = timed(lambda: trained(inputs, None, 1))
    with (
        tempfile.TemporaryDirectory() as home,
        closing(PredictionDatabase(f"sqlite:///{home}/forecasts.db")) as database,
    ):
        registry = direction_registry(ModelRegistry(Path(home, "models"), database))
        system, found[f"training, {args.jobs} threads, stored"] = timed(lambda: trained(inputs, registry, args.jobs))
        found["versions"] = len(system._held)
        said, found["all tickers, first"] = timed(lambda: answers(system, symbols))
        _, found["one ticker, warm"] = timed(lambda: answers(system, symbols[:1]))
        _, found["all tickers, warm"] = timed(lambda: answers(system, symbols))
        cold = DirectionSystem(system.inputs, registry)
        again, found["all tickers, from the registry"] = timed(lambda: answers(cold, symbols))
    found["same answers"] = said == again == (answers(alone, symbols) if alone else said)
    bounds = {
        "training": found[f"training, {args.jobs} threads, stored"],
        "one ticker": found["one ticker, warm"],
        "all tickers": found["all tickers, from the registry"],
    }
    found["within"] = {name: bool(one["seconds"] <= BOUNDS[f"{name}, s"]) for name, one in bounds.items()}
    print(json.dumps(found, indent=1))
    if args.out:
        args.out.write_text(json.dumps(found))
    return 0 if found["same answers"] and all(found["within"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
