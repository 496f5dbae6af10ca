"""What tuning is worth and what it costs: asked beside measured.

python benchmarks/tuning.py speed      100 trials on the embedded VIX, by the clock (asked: 15 minutes on two cores)
python benchmarks/tuning.py pruning    the median pruner against none on the same choices
python benchmarks/tuning.py planted    TPE against random search on a planted optimum, 20 seeds, paired
python benchmarks/tuning.py vix        nested gain 2005-2013, then the winner on 2014-2018
python benchmarks/tuning.py panel      the same for the 20 stocks that come with the package
"""

import argparse
import json
import time
import warnings

import numpy as np
import pandas as pd

from forecastkit.core import DataWarning, load_settings
from forecastkit.metrics import hac_lag, skill
from forecastkit.models import SearchParameter, SearchSpace
from forecastkit.ops import (
    ModelConfig,
    OuterFolds,
    Search,
    TuningTask,
    fold_losses,
    open_study,
    optimize_hyperparameters,
    run_trials,
    tuning_folds,
)
from forecastkit.pipeline import tuning_task

INNER, HOLDOUT, LAST = "2013-12-31", "2014-01-02", "2018-12-31"


def settings():
    return load_settings(environ={}, overrides={"run.progress": False})


def speed(args):
    task, config = tuning_task("VIX", settings(), as_of=INNER, since="2005-01-03")
    wall, cpu = time.perf_counter(), time.process_time()
    study, _ = optimize_hyperparameters(
        task, config, args.trials, n_jobs=args.jobs, outer=None, early_stop=False, progress=True
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    pruned = sum(t.state.name == "PRUNED" for t in study.trials)
    print(f"asked: 100 trials in 900 s on two cores; measured: {len(study.trials)} trials ({pruned} pruned) in {wall:.0f} s, "
          f"{cpu:.0f} s of processor; for 100: {100 * wall / args.trials:.0f} s, {100 * cpu / args.trials:.0f} s of processor")  # fmt: skip


def pruning(args):
    task, config = tuning_task("VIX", settings(), as_of=INNER, since="2005-01-03")
    folds, found = tuning_folds(task), {}
    for pruner in ("none", "median"):
        study = open_study(task, config, folds, study_name=pruner, pruner=pruner)
        search = Search(study, task, config, folds, sampler="random")  # the same choices under both
        began = time.process_time()
        run_trials(search, args.trials, early_stop=False)
        found[pruner] = (time.process_time() - began, study.best_value, study.best_params)
    ratio = found["median"][0] / found["none"][0]
    print(f"asked: half the time at an equal result; measured: {ratio:.2f} of the time ({found['median'][0]:.0f} s of "
          f"{found['none'][0]:.0f} s), best {found['median'][1]:.6f} with and {found['none'][1]:.6f} without")  # fmt: skip


BOWL = SearchSpace("bowl", tuple(SearchParameter(name, "float", -4.0, -5.0, 5.0) for name in ("a", "b", "c", "d")))
OPTIMUM = {"a": 1.5, "b": -2.0, "c": 3.0, "d": 0.5}


class Planted:
    def __init__(self, values, terms, memory):
        self.distance = sum((values[name] - best) ** 2 for name, best in OPTIMUM.items())

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.full(len(X), self.distance)


def planted(args):
    X = pd.DataFrame({"x": np.zeros(200)}, pd.bdate_range("2010-01-04", periods=200, name="session"))
    task, config = TuningTask("planted", X, pd.Series(0.0, X.index)), ModelConfig(BOWL, Planted, lambda y, p: p + 0 * y)
    folds, needed = tuning_folds(task, False), {"tpe": [], "random": []}
    for seed in range(args.seeds):
        paths = {}
        for sampler in needed:
            study = open_study(task, config, folds, study_name=f"{sampler} {seed}", seed=seed)
            run_trials(Search(study, task, config, folds, seed, sampler), args.trials, early_stop=False)
            paths[sampler] = np.minimum.accumulate([t.value for t in study.trials])
        goal = paths["random"][-1]
        needed["random"].append(int(np.argmax(paths["random"] <= goal)) + 1)
        reached = paths["tpe"] <= goal
        needed["tpe"].append(int(np.argmax(reached)) + 1 if reached.any() else args.trials)
    ratio = np.array(needed["tpe"]) / np.array(needed["random"])
    apart = np.log(ratio)
    t = apart.mean() / (apart.std(ddof=1) / np.sqrt(len(apart)))
    print(f"asked: half the trials; measured: TPE reaches the best of random search in {np.exp(apart.mean()):.2f} of its "
          f"trials (median {np.median(ratio):.2f}, {args.seeds} seeds, t of the log ratio {t:.1f})")  # fmt: skip


def judged(task, config, best, since):
    "Default and best on the sessions from a day on, each trained on what was known the day before."
    places = task.places
    first = int(task.X.index.get_level_values(0).searchsorted(pd.Timestamp(since)))
    fold = (np.flatnonzero(places <= places[first] - task.horizon), np.arange(first, len(task.X)))
    losses = [fold_losses(task, config, values, fold) for values in (best, config.space.defaults)]
    return skill(*losses, hac_lag(task.horizon), task.horizon)


def nested(name, args):
    "Nested gain before 2014, and the winner of the last search on 2014-2018, as one result."
    began = time.process_time()
    own = settings()
    task, config = tuning_task(name, own, as_of=INNER, since="2005-01-03")
    later, _ = tuning_task(name, own, as_of=LAST)
    study, best = optimize_hyperparameters(
        task, config, args.trials, outer=OuterFolds(args.outer, args.outer_trials), progress=True
    )
    found = study.user_attrs["nested"]
    after = judged(later, config, best, HOLDOUT)
    result = {
        "nested": found, "stopped": study.user_attrs.get("stopped", ""), "default_loss": study.user_attrs["default_loss"],
        "best_loss": study.best_value, "best": config.space.changed(best), "holdout": after.to_dict() | {"n": after.n},
        "variants": args.outer * args.outer_trials + args.trials, "processor_seconds": time.process_time() - began,
        "adopted": bool(found["t"] > 2 and after.t > 2),
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    print(f"nested gain {100 * found['gain']:.2f} % (s.e. {100 * found['se']:.2f}, t {found['t']:.1f}, {found['n']} sessions); "
          f"on its own folds {100 * (1 - study.best_value / study.user_attrs['default_loss']):.2f} %; "
          f"2014-2018 {100 * after.value:.2f} % (s.e. {100 * after.se:.2f}, t {after.t:.1f})")  # fmt: skip


def vix(args):
    nested("VIX", args)


def panel(args):
    nested("PANEL", args)


if __name__ == "__main__":
    warnings.simplefilter("ignore", DataWarning)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "pruning", "planted", "vix", "panel"))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--outer", type=int, default=3, help="outer folds")
    parser.add_argument("--outer-trials", type=int, default=25, help="trials before each outer fold")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    globals()[args.what](args)
