"Training runs: each on record and ended once, on both engines; a job that is killed anywhere ends as one left alone."

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from engines import opened, tampered

from forecastkit.cli.main import main
from forecastkit.core import DataError, Target, folder_checksums, load_settings
from forecastkit.data import synthetic_market
from forecastkit.ledger import PredictionDatabase, audit_ledger
from forecastkit.ops import (
    ModelRegistry,
    begin_runs,
    close_lost_runs,
    end_run,
    latest_run,
    latest_training_runs,
    process_name,
    stored_training_runs,
    training_runs,
)
from forecastkit.ops.training_runs import process_is_lost
from forecastkit.pipeline import TrainingJob, training

pytest_plugins = ("engine_fixtures",)
NOW = datetime(2018, 2, 6, 21, 30, 0, 123456, tzinfo=UTC)
NAMES = ("AAA", "BBB", "CCC")
APPLE = Target("AAPL", "log_return")


# ---------------------------------------------------------------- the record


def test_a_run_comes_back_as_it_was_written_and_ends_once(url):
    db = opened(url, clock=lambda: NOW)
    (run,) = begin_runs(db, [APPLE], "house-panel")
    assert (run.status, run.run_date, run.process) == ("running", NOW, process_name())
    results = {"version": "0123456789abcdef", "weights": {"forest": 0.5}, "score": 0.125, "n_training_samples": 7}
    done = end_run(db, run.run, "completed", **results)
    assert done == latest_run(db, "AAPL") and dict(done.results) == results
    with pytest.raises(DataError, match="has ended already"):
        end_run(db, run.run, "failed")
    assert audit_ledger(db).ok and dict(audit_ledger(db).ends)["training_events"][0] == 2


def test_runs_begun_by_many_at_one_moment_bear_different_dates_and_all_are_there(url):
    db = opened(url, clock=lambda: NOW)
    with ThreadPoolExecutor(8) as pool:
        begun = [
            run
            for runs in pool.map(
                lambda _: begin_runs(db, [APPLE, Target("IBM", "log_return")], "house-panel"), range(8)
            )
            for run in runs
        ]
    stored = stored_training_runs(db)
    assert set(stored["run"]) == {run.run for run in begun} and len(begun) == 16
    assert not stored.duplicated(["symbol", "timeframe", "run_date"]).any()
    assert db.verify() == []


def test_a_run_whose_process_is_gone_is_killed_and_one_that_lives_is_not(url, monkeypatch):
    db = opened(url, clock=lambda: NOW)
    begin_runs(db, [APPLE], "house-panel")
    gone = os.fork()
    if not gone:
        os._exit(0)
    name = process_name(gone)  # alive or a zombie until it is waited for
    os.waitpid(gone, 0)
    monkeypatch.setattr("forecastkit.ops.training_runs.process_name", lambda: name)
    begin_runs(db, [Target("IBM", "log_return")], "house-panel")
    assert [run.symbol for run in close_lost_runs(db)] == ["IBM"]
    assert close_lost_runs(db) == []
    latest = latest_training_runs(db).set_index("symbol")["status"]
    assert latest.to_dict() == {"AAPL": "running", "IBM": "killed"}


def test_a_process_is_lost_with_its_machines_boot_and_one_that_cannot_be_seen_after_a_day_of_silence(monkeypatch):
    monkeypatch.setattr("forecastkit.ops.training_runs._machine", lambda: "a/b/host/boot/space")
    day = timedelta(days=1)

    def lost(machine: str, silent: timedelta) -> bool:
        return process_is_lost(f"{machine}:1:2", NOW, NOW + silent)

    assert lost("a/b/host/older/space", timedelta(0))  # the machine was started anew
    assert lost("a/b/host/older/other", timedelta(0))
    for unseen in (
        "a/b/host/boot/other",
        "a/b/other/boot/space",
        "a/b/other/older/space",
    ):  # a container, other machines
        assert not lost(unseen, day) and lost(unseen, day + timedelta(microseconds=1))


def test_no_run_is_changed_or_deleted_and_who_tampers_is_found(url):
    db = opened(url, clock=lambda: NOW)
    begin_runs(db, [APPLE], "house-panel")
    for statement in ("UPDATE training_events SET status = 'completed'", "DELETE FROM training_events"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), db.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    tampered(url, "UPDATE training_events SET symbol = 'IBM' WHERE seq = 1")
    assert "training_events row 1 (IBM d1 running) was changed" in str(audit_ledger(db))


def test_an_older_ledger_gets_table_and_views_and_loses_nothing(url):
    from forecastkit.ledger.engine import make_engine, transaction, upgrade

    engine = make_engine(url)
    with transaction(engine, write=True) as connection:
        upgrade(connection, "0003")
    engine.dispose()
    db = opened(url, clock=lambda: NOW)
    assert stored_training_runs(db).empty
    begin_runs(db, [APPLE], "house-panel")
    assert db.verify() == []


def test_the_views_answer_in_the_columns_of_the_documents(url):
    now = NOW
    db = opened(url, clock=lambda: now)
    for score in (0.1, 0.2):
        (run,) = begin_runs(db, [APPLE], "house-panel")
        end_run(
            db, run.run, "completed", version="v", score=score, ensemble_validation_accuracy=0.55, n_training_samples=9
        )
        now += timedelta(days=7)
    asked = "SELECT symbol, timeframe, run_date, lookback_days, n_training_samples, n_validation_samples, ensemble_validation_accuracy, model_performances, weights, models_artifact_path, status, error_message"
    with db.engine.begin() as connection:
        latest = connection.exec_driver_sql(f"{asked} FROM latest_training_runs").all()
        runs = connection.exec_driver_sql(f"{asked} FROM training_runs ORDER BY id").all()
        metrics = connection.exec_driver_sql(
            "SELECT metric_value FROM model_training_metrics WHERE metric_name = 'score' ORDER BY run_date"
        ).all()
    assert len(runs) == 2 and latest == runs[-1:]
    assert [row[0] for row in metrics] == [0.1, 0.2]


# ---------------------------------------------------------------- the job


@pytest.fixture(scope="module")
def market():
    return synthetic_market(seed=3, sessions=700, start="2014-01-02", stocks=NAMES).market


def job_at(home: Path, market, names=NAMES) -> TrainingJob:
    given = {"data.home": str(home), "model.rounds": 3, "run.n_jobs": 1, "run.progress": False}
    return TrainingJob(names, load_settings(environ={}, overrides=given), market=market)


def versions_in(home: Path) -> dict:
    return {path.name: folder_checksums(path) for path in (home / "models").iterdir() if path.name[0] != "."}


@pytest.fixture(scope="module")
def calm(market, tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("calm")
    assert job_at(home, market).run().failed == []
    return home


class Killed(BaseException):
    "Stands for a SIGKILL: nothing is written after it."


def killed_at(home: Path, market, monkeypatch, at: int, pid: int) -> bool:
    "Whether an attempt died at its so many-th step: before or after a version is stored or a run is ended."
    steps, dead = iter(range(at, -1, -1)), []

    def step():
        if dead or not next(steps, None):
            dead.append(True)
            raise Killed

    def dying(work):
        def done(*given, **more):
            step()
            value = work(*given, **more)
            step()
            return value

        return done

    with monkeypatch.context() as patch:
        own = process_name()  # of a process that is gone by the next attempt
        patch.setattr(training_runs, "process_name", lambda: own.replace(f":{os.getpid()}:", f":{pid}:"))
        patch.setattr(ModelRegistry, "save", dying(ModelRegistry.save))
        patch.setattr(training, "end_run", dying(training.end_run))
        job = job_at(home, market)
        try:
            job.run()
        except Killed:
            return True
        finally:
            job.system.database.close()
    return False


@pytest.mark.parametrize(
    "most", [4, pytest.param(8, marks=pytest.mark.slow("test_a_job_killed_again_and_again_ends_as_one_left_alone"))]
)
def test_a_job_killed_again_and_again_ends_as_one_left_alone(market, calm, tmp_path, monkeypatch, most):
    kills = 0
    while kills < most and killed_at(tmp_path, market, monkeypatch, (1, 2, 4, 3)[kills % 4], 2**22 + 1 + kills):
        kills += 1
    report = job_at(tmp_path, market).run()
    assert kills >= 4
    assert len(report.runs) + len(report.kept) == len(NAMES) and not report.failed
    assert versions_in(tmp_path) == versions_in(calm)
    database = job_at(tmp_path, market).system.database
    runs = stored_training_runs(database)
    assert set(runs["status"]) <= {"completed", "killed"} and (runs["status"] == "killed").sum() >= kills
    assert runs.loc[runs["status"] == "completed", "symbol"].is_unique  # what was trained was not trained again
    assert audit_ledger(database).ok


def test_the_shared_version_is_listed_under_every_symbol(calm, market):
    database = job_at(calm, market).system.database
    rows = stored_training_runs(database)
    assert sorted(rows["symbol"]) == list(NAMES) and len(set(rows["version"])) == 1
    with database.engine.begin() as connection:
        asked = "SELECT symbol, hyperparameters, validation_score, prediction_intervals, models_artifact_path, artifact_hash FROM model_registry_enhanced WHERE run IS NOT NULL ORDER BY symbol"
        listed = connection.exec_driver_sql(asked).all()
    assert [row[0] for row in listed] == list(NAMES)
    for row in listed:
        assert json.loads(row[1])["rounds"] == 3 and row[2] > 0 and row[3] == 1
        assert (calm / row[4]).is_dir() and len(row[5]) == 64
    own = latest_run(database, "AAA")
    assert abs(sum(own.results["weights"].values()) - 1) < 1e-9 or own.results["weights"] == {}
    assert own.results["n_training_samples"] > own.results["n_validation_samples"] > 0


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "killed"), (SystemExit(143), "killed"), (DataError("no data"), "failed")],
)
def test_what_ends_a_job_before_its_time_stands_in_its_runs(error, status, market, tmp_path, monkeypatch):
    job = job_at(tmp_path, market)
    monkeypatch.setattr(type(job.system), "prepared", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(type(error)):
        job.run()
    runs = stored_training_runs(job.system.database)
    words = {"killed": "it was stopped", "failed": "no data"}[status]
    assert set(runs["status"]) == {status} and set(runs["error_message"]) == {words}


def test_a_stock_alone_gets_a_version_of_its_own(market, tmp_path):
    given = {
        "data.home": str(tmp_path),
        "forecast.symbol": "AAA",
        "model.rounds": 3,
        "run.n_jobs": 1,
        "run.progress": False,
        "model.walk_start": "2016-01-04",
    }
    job = TrainingJob(None, load_settings(environ={}, overrides=given), market=market)
    report = job.run()
    assert [run.line for run in report.runs] == ["house-pool"] and job.system.registry.has(report.version)
    assert report.version == job.system.train() and job.run().kept[0].run == report.runs[0].run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--all", "--symbol", "AAPL"], "give one of them"),
        (["--all", "--universe", "sample"], "give one of them"),
        (["--symbol", "VIX", "--timeframe", "h1"], "versions are trained from daily bars"),
        (["--universe", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line_before_anything_is_made(words, said, tmp_path, capsys):
    assert main(["train", *words, "--home", str(tmp_path / "home"), "--quiet"]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "home").exists()


def test_times_are_utc_on_both_engines(url):
    db = opened(url, clock=lambda: NOW)
    begin_runs(db, [APPLE], "house-panel")
    assert pd.Timestamp(stored_training_runs(db)["run_date"][0]) == pd.Timestamp(NOW)
    assert isinstance(db, PredictionDatabase)
