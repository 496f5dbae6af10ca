"Objectives that workers of other processes can import, each of which keeps account of its evaluations in a folder."

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from forecastkit.ops.parallel_tuning import ParallelOptimizer


def make_bowl(folder: str, seconds: float, fatal: tuple[int, ...], target: str):
    "A bowl; each evaluation leaves a line, and the first of a fatal ticket kills its process."

    def objective(trial):
        x, y = trial.suggest_float("x", -3, 3), trial.suggest_float("y", -3, 3)
        ticket, account = trial.user_attrs["ticket"], Path(folder, f"{target}.txt")
        with account.open("a") as file:
            file.write(f"{ticket} {os.getpid()}\n")
        time.sleep(seconds)
        marker = Path(folder, f"{target}-{ticket}-died")
        if ticket in fatal and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return (x - 1) ** 2 + (y + 1) ** 2

    return objective


def evaluated(folder: Path, target: str) -> list[int]:
    "The tickets that were evaluated, one for each evaluation."
    return sorted(int(line.split()[0]) for line in (folder / f"{target}.txt").read_text().splitlines())


def bowl_optimizer(
    folder: Path, storage: str, seconds: float = 0.0, fatal: tuple[int, ...] = (), **more
) -> ParallelOptimizer:
    make = partial(make_bowl, str(folder), seconds, fatal)
    return ParallelOptimizer(
        **{"n_jobs": 2, "heartbeat": 1, "progress": False} | more, make_objective=make, storage=storage
    )


def run_bowl(folder: str, storage: str, n_trials: str, seconds: str) -> None:
    "What a process that is to be killed runs."
    bowl_optimizer(Path(folder), storage, float(seconds), n_jobs=1).optimize_ensemble_parallel(["VIX"], int(n_trials))


if __name__ == "__main__":
    run_bowl(*sys.argv[1:])
