"Tuning by several workers over one storage: no trial is lost and none is made twice, whatever is killed or restarted."

import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tuning_objectives
from engines import pg_ctl
from optuna.storages import fail_stale_trials
from optuna.trial import TrialState
from tuning_objectives import bowl_optimizer, evaluated, make_bowl

from forecastkit.core import DataError, ExperimentLog, SettingsError
from forecastkit.ops import OuterFolds, TuningTask, new_sampler
from forecastkit.ops.parallel_tuning import (
    RETRIES,
    ParallelOptimizer,
    TuningWork,
    _begin,
    _start_workers,
    add_tickets,
    open_tuning_storage,
    room_for,
    ticket_states,
    work_on,
)
from forecastkit.ops.tuning_storage import WAITING, study_alone

pytest_plugins = ["engine_fixtures"]


def done_once(study, n_trials: int) -> bool:
    "Whether every ticket has one result, and there are no others."
    trials = [one for one in study.trials if one.state.name == "COMPLETE"]
    return sorted(one.user_attrs["ticket"] for one in trials) == list(range(n_trials))


def ask_and_die(storage, study) -> None:
    "What a worker leaves that was killed as soon as it had taken a ticket."
    study.ask()
    for over in storage.beating.values():
        over.set()


def restart(server, after: float) -> None:
    time.sleep(after)
    pg_ctl(server, "-m", "immediate", "stop")
    time.sleep(0.5)
    pg_ctl(server, "restart")


def test_workers_on_postgresql_go_on_after_a_restart_of_the_server_and_share_all_trials(server, postgres, tmp_path):
    work = TuningWork(postgres, "VIX", "VIX", partial(make_bowl, str(tmp_path), 0.1, ()), heartbeat=1)
    storage = open_tuning_storage(postgres, heartbeat=1)
    study = work.open_study(storage)
    add_tickets(study, postgres, 14)
    ask_and_die(storage, study)
    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(work_on, work) for _ in range(2)]
        pool.submit(restart, server, 0.3).result()
        made = [one.result() for one in workers]
    time.sleep(3)
    fail_stale_trials(study)
    assert work_on(work) + sum(made) == 14
    assert min(made) > 0
    assert done_once(study, 14)
    assert evaluated(tmp_path, "VIX") == list(range(14))


def test_a_study_is_held_by_one_at_a_time_and_another_study_is_free_on_either_engine(url, monkeypatch):
    storage, waits, said = open_tuning_storage(url), threading.Event(), []
    monkeypatch.setattr(
        "forecastkit.ops.tuning_storage.warnings.warn", lambda words, *told, **more: waits.set() or said.append(words)
    )

    def hold(name: str) -> str:
        with study_alone(storage, name):
            return name

    for number in range(8):  # a lock of PostgreSQL is a number of 64 bits with a sign
        assert hold(f"study {number}") == f"study {number}"
    with ThreadPoolExecutor(1) as pool:
        with study_alone(storage, "mine"):
            assert hold("another") == "another" and said == []
            second = pool.submit(hold, "mine")
            assert waits.wait(30) and not second.done()
        assert second.result(30) == "mine"
    assert said == [WAITING.format("mine")]


@pytest.mark.slow("test_workers_on_postgresql_go_on_after_a_restart_of_the_server_and_share_all_trials")
def test_two_processes_on_postgresql_outlive_a_killed_worker_and_a_restarted_server(server, postgres, tmp_path):
    other = threading.Thread(target=restart, args=(server, 1.5))
    other.start()
    optimizer = bowl_optimizer(tmp_path, postgres, seconds=0.25, fatal=(3,))
    study, best = optimizer.optimize_ensemble_parallel(["VIX"], 16)["VIX"]
    other.join()
    assert done_once(study, 16)
    assert best.keys() == {"x", "y"}
    retried = [one for one in study.trials if one.user_attrs["ticket"] == 3]
    assert [one.state.name for one in retried] == ["FAIL", "COMPLETE"]
    assert retried[0].params == retried[1].params, "a trial that is made again is the same trial"
    assert len({line.split()[1] for line in (tmp_path / "VIX.txt").read_text().splitlines()}) > 2, (
        "one died, two worked"
    )


def test_two_dask_workers_share_a_study_on_postgresql(postgres, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=None
    ) as cluster:
        optimizer = bowl_optimizer(tmp_path, postgres, seconds=0.05, dask=cluster.scheduler_address)
        study, _ = optimizer.optimize_ensemble_parallel(["VIX"], 12)["VIX"]
    assert done_once(study, 12)
    assert evaluated(tmp_path, "VIX") == list(range(12))
    with pytest.raises(SettingsError, match="no Dask scheduler answers"):
        bowl_optimizer(tmp_path, postgres, dask="tcp://127.0.0.1:9").optimize_ensemble_parallel(["VIX"], 12)


def test_a_killed_search_on_sqlite_goes_on_where_it_stood_with_two_processes(tmp_path):
    file = tmp_path / "tuning.db"
    command = [sys.executable, tuning_objectives.__file__, str(tmp_path), str(file), "12", "0.3"]
    victim = subprocess.Popen(command, start_new_session=True)
    while not (tmp_path / "VIX.txt").exists() or len(evaluated(tmp_path, "VIX")) < 3:
        time.sleep(0.05)
    os.killpg(victim.pid, signal.SIGKILL)  # the one that supervises and its worker
    victim.wait()
    before = evaluated(tmp_path, "VIX")
    study, _ = bowl_optimizer(tmp_path, str(file)).optimize_ensemble_parallel(["VIX"], 12)["VIX"]
    assert done_once(study, 12)
    assert before == list(range(len(before)))
    assert len(evaluated(tmp_path, "VIX")) <= 13, "only the trial that was cut off is made again, and none by both"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    "A folder whose storage is shared by the tests that make trials in this process."
    return tmp_path_factory.mktemp("tuning")


def bowl(here: Path, study: str, fatal: tuple[int, ...] = (), **more) -> TuningWork:
    make = partial(make_bowl, str(here), 0.0, fatal)
    return TuningWork(str(here / "tuning.db"), study, study, make, heartbeat=1, **more)


def test_one_worker_draws_the_same_bits_whether_it_was_stopped_or_not(here):
    drawn = []
    for name, stops in (("whole", (13,)), ("in-pieces", (3, 11, 13))):
        work = bowl(here, name, seed=5)
        for n_trials in stops:
            add_tickets(work.open_study(), work.where, n_trials)
            work_on(work)
        drawn.append([(one.params, one.value) for one in work.open_study().trials])
    assert drawn[0] == drawn[1]
    assert len({tuple(params.values()) for params, _ in drawn[0]}) == 13


def test_two_workers_with_one_seed_draw_different_parameters(here):
    work = bowl(here, "random", sampler="random", seed=5)
    study = work.open_study()
    add_tickets(study, work.where, 2)
    first, second = study.ask(), work.open_study().ask()  # both before either has a result
    values = []
    for trial in (first, second):
        trial.study.sampler = new_sampler("random", 5, trial.user_attrs["ticket"])
        values.append(trial.suggest_float("x", -3, 3))
    assert values[0] != values[1]


def test_a_worker_killed_before_its_first_heartbeat_is_missed(here):
    work = bowl(here, "no-heartbeat")
    storage = open_tuning_storage(work.where, heartbeat=1)
    study = work.open_study(storage)
    add_tickets(study, work.where, 1)
    ask_and_die(storage, study)
    assert set(ticket_states(study).values()) == {"running"}
    time.sleep(4.1)
    fail_stale_trials(study)
    assert ticket_states(study) == {0: "waiting"}


def test_a_ticket_whose_workers_die_again_and_again_is_given_up(here):
    work = bowl(here, "deadly")
    study = work.open_study()
    for attempt in range(RETRIES + 1):
        assert add_tickets(study, work.where, 1) == 1, attempt
        study.tell(study.ask(), state=TrialState.FAIL)
    assert ticket_states(study) == {0: "done"}
    assert add_tickets(study, work.where, 1) == 0


def test_a_fault_of_the_objective_is_kept_and_not_tried_again(here):
    def broken(target):
        return lambda trial: math.log(trial.suggest_float("x", -2, -1))

    def without_loss(target):
        return lambda trial: math.nan

    for make, said in ((broken, "ValueError"), (without_loss, "the loss is nan")):
        work = TuningWork(str(here / "tuning.db"), make.__name__, "VIX", make, heartbeat=1)
        study = work.open_study()
        assert [add_tickets(study, work.where, 2), work_on(work), add_tickets(study, work.where, 2)] == [2, 2, 0]
        assert all(said in one.user_attrs["error"] for one in study.trials)


def test_workers_start_as_far_as_memory_goes(here):
    tunings = [_begin(bowl(here, name), 3) for name in ("large", "small")]

    def started(budget: float) -> list[int]:
        for one in tunings:
            one.running.clear()
        for _ in range(6):
            _start_workers(tunings, lambda work: work, 4, budget)
        return [len(one.running) for one in tunings]

    assert started(1e9) == [1, 0], "nothing was measured yet"
    for tuning, held in zip(tunings, (800.0, 200.0), strict=True):
        trial = tuning.study.ask()
        trial.set_user_attr("memory_mb", held)
        tuning.study.tell(trial, 1.0)
    assert started(1e9) == [2, 2]
    assert started(1100) == [1, 1]
    assert started(1300) == [1, 2]
    assert started(1) == [1, 0], "one always works"
    assert not room_for([10.0], math.nan, 100)


@contextmanager
def one_thread():
    "Starts workers in a thread of this process: a new one imports for a second what is here already."
    with ThreadPoolExecutor(1) as pool:
        yield lambda work: pool.submit(work_on, work)


def test_the_search_of_the_house_runs_with_its_outer_folds_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr("forecastkit.ops.parallel_tuning._processes", one_thread)
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2005-01-03", periods=700)
    X = pd.DataFrame(rng.normal(size=(700, 3)), index=days, columns=list("abc"))
    task = TuningTask("wave", X, X["a"] + pd.Series(rng.normal(size=700), index=days))
    log = ExperimentLog(tmp_path / "log.jsonl")
    optimizer = ParallelOptimizer(1, storage=tmp_path / "studies.db", use_cv=False, outer=OuterFolds(1, 2), log=log, heartbeat=1, progress=False)  # fmt: skip
    study, best = optimizer.optimize_ensemble_parallel([task], 3)["wave"]
    assert len(study.trials) == 3
    assert sorted(one.user_attrs["ticket"] for one in study.trials) == [0, 1, 2]
    assert study.user_attrs["nested"].keys() == {"gain", "se", "t", "n"}
    assert study.user_attrs["default_loss"] == study.trials[0].value
    assert best == study.best_params
    assert len(log.entries()) == 5, "every trial is an entry, those before the outer fold too"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"n_jobs": 0}, "whole number of 1 or more"), ({"make_objective": None}, "VIX"), ({"pruner": "hard"}, "is no pruner"),
     ({"storage": "mysql://x/y"}, "no address"), ({"storage": "postgresql+psycopg://nobody@127.0.0.1:9/x"}, "cannot be used")],
)  # fmt: skip
def test_what_cannot_work_is_refused_in_one_line(arguments, said, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "forecastkit.ops.parallel_tuning.open_tuning_storage", partial(open_tuning_storage, opening=0.0)
    )
    given = {
        "make_objective": partial(make_bowl, str(tmp_path), 0.0, ()),
        "storage": tmp_path / "x.db",
        "progress": False,
    }
    with pytest.raises((DataError, SettingsError), match=said) as caught:
        ParallelOptimizer(**given | arguments).optimize_ensemble_parallel(["VIX"], 1)
    assert "\n" not in str(caught.value)


def test_the_password_of_a_storage_is_never_told(tmp_path):
    with pytest.raises(DataError) as caught:
        open_tuning_storage("postgresql+psycopg://me:hush@127.0.0.1:9/x", opening=0)
    assert "hush" not in str(caught.value)
