"A search is reproducible, goes on after a kill, sees no row that judges it, refuses leaks, and counts every trial."

import json
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from statistics import NormalDist
from typing import ClassVar

import jsonschema
import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit

from forecastkit.cli.main import main
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import (
    DataError,
    ExperimentLog,
    LookAheadError,
    Settings,
    SettingsError,
    Target,
    load_settings,
    variants_tried,
)
from forecastkit.data import synthetic_market
from forecastkit.models import (
    POOL_SPACE,
    PoolShape,
    ProbabilisticForecaster,
    QuantileForest,
    Recipe,
    SearchParameter,
    SearchSpace,
    parse_shape,
    pool_shape,
    shape_text,
)
from forecastkit.models.search_spaces import RememberedMember, make_boosting
from forecastkit.ops import (
    Line,
    ModelConfig,
    OuterFolds,
    ParallelOptimizer,
    Search,
    TuningTask,
    open_study,
    optimize_hyperparameters,
    run_trials,
    tuned_line,
    tuning_folds,
)
from forecastkit.ops.tuning import expected_gain, run_trial
from forecastkit.ops.tuning_storage import open_tuning_storage, study_alone
from forecastkit.pipeline import Universe, tune_target
from forecastkit.pipeline.serving import line_settings

SPACE = SearchSpace(
    "bowl",
    (SearchParameter("u", "float", 0.0, -3, 3), SearchParameter("v", "float", 0.0, -3, 3), SearchParameter("k", "choice", 1, choices=(1, 2))),
)  # fmt: skip
DAYS = pd.bdate_range("2010-01-04", periods=600, name="session")
NOISE = np.random.default_rng(0).normal(size=600)
TASK = TuningTask("wave", pd.DataFrame({"x": NOISE}, DAYS), pd.Series(np.roll(NOISE, -1), DAYS), 5)


class Planted:
    "Best at u = 1.2, v = -0.7; says which rows it was trained on and asked about."

    seen: ClassVar[list[tuple[int, int, int]]] = []
    stop_at: int | None = None

    def __init__(self, values, terms, memory):
        self.off = (values["u"] - 1.2) ** 2 + (values["v"] + 0.7) ** 2

    def fit(self, X, y):
        self.last = DAYS.get_loc(X.index[-1])
        return self

    def predict(self, X):
        if Planted.stop_at is not None and len(Planted.seen) == Planted.stop_at:
            Planted.stop_at = None
            raise KeyboardInterrupt
        Planted.seen.append((self.last, DAYS.get_loc(X.index[0]), DAYS.get_loc(X.index[-1])))
        return np.full(len(X), self.off)


CONFIG = ModelConfig(SPACE, Planted, lambda outcome, said: said + 0.1 * outcome**2)


@pytest.fixture(autouse=True)
def forgotten():
    Planted.seen, Planted.stop_at = [], None


def choices(study):
    return [t.params for t in study.trials if t.state.name in ("COMPLETE", "PRUNED")]


def tuned(n=7, **options):
    return optimize_hyperparameters(TASK, CONFIG, n, **({"outer": None, "early_stop": False} | options))


def test_the_same_seed_and_one_worker_give_the_same_bits():
    one, other, third = (tuned(seed=seed)[0] for seed in (1, 1, 2))
    assert choices(one) == choices(other) and one.best_value == other.best_value
    assert choices(one) != choices(third)


@pytest.mark.parametrize("stop", [3, 6])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, stop):
    whole, best = tuned()
    Planted.seen, Planted.stop_at = [], stop
    log, where = ExperimentLog(tmp_path / "log.jsonl"), f"sqlite:///{tmp_path / 'studies.db'}"
    with pytest.raises(KeyboardInterrupt):
        tuned(storage=where, log=log)
    study, again = tuned(storage=where, log=log)
    assert choices(study) == choices(whole) and again == best
    assert [t.state.name for t in study.trials].count("FAIL") == 1
    assert log.count() == 7  # the one that was stopped had no result
    before = len(Planted.seen)
    assert tuned(storage=where, log=log)[1] == best
    assert len(Planted.seen) == before and log.count() == 7  # asked again, nothing is left to do


def test_a_killed_process_and_two_searches_at_once_leave_as_many_trials_as_were_asked_for(tmp_path, monkeypatch):
    whole, best = tuned()
    where, waits = f"sqlite:///{tmp_path / 'studies.db'}", threading.Event()
    monkeypatch.setattr("forecastkit.ops.tuning_storage.warnings.warn", lambda *told, **more: waits.set())
    Planted.seen, Planted.stop_at = [], 4
    with pytest.raises(KeyboardInterrupt):
        tuned(storage=where)
    study = optuna.load_study(study_name=None, storage=open_tuning_storage(where))
    study.ask()  # as a process does that is killed before it can say anything
    with ThreadPoolExecutor(2) as pool:
        with study_alone(study._storage, study.study_name):
            both = [pool.submit(tuned, storage=where) for _ in range(2)]
            assert waits.wait(60) and not any(one.done() for one in both)
        found = [one.result() for one in both]
    states = [t.state.name for t in found[0][0].trials]
    assert (states.count("RUNNING"), states.count("FAIL")) == (0, 2) and len(states) - 2 == len(whole.trials)
    assert [got for _, got in found] == [best, best] and choices(found[0][0]) == choices(whole)


def test_a_study_answers_one_question_only(tmp_path):
    where = f"sqlite:///{tmp_path / 'studies.db'}"
    tuned(2, storage=where, study_name="mine")
    for changed in ({"seed": 2}, {"use_cv": False}):
        with pytest.raises(DataError, match="begun with another"):
            tuned(2, storage=where, study_name="mine", **changed)


def test_the_default_comes_first_and_the_study_says_what_was_agreed():
    study, best = tuned(12, outer=OuterFolds(2, 12))
    first = study.trials[0]
    assert first.params == SPACE.defaults and study.user_attrs["default_loss"] == first.value
    assert study.user_attrs["target"] == "wave"
    assert set(study.user_attrs["nested"]) == {"gain", "se", "t", "n"} and study.user_attrs["nested"]["t"] > 2
    for trial in study.trials:
        assert {"seconds", "memory_mb", "fold_losses"} <= set(trial.user_attrs)
        assert all(isinstance(loss, float) for loss in trial.user_attrs["fold_losses"])
    assert best == study.best_params


def test_outer_folds_are_never_tuned_on():
    tuned(1, outer=OuterFolds(1, 4))
    *searched, default, winner = Planted.seen[: -len(tuning_folds(TASK))]
    assert default[1:] == winner[1:] == (300, 599)  # the outer fold, asked about twice and only after the search
    assert searched and max(last for _, _, last in searched) <= 300 - TASK.horizon
    assert all(trained <= first - TASK.horizon for trained, first, _ in Planted.seen)


def test_pruning_saves_folds_and_finds_the_same():
    found = {}
    for pruner in ("none", "median", "hyperband"):
        Planted.seen = []
        folds = tuning_folds(TASK)
        study = open_study(TASK, CONFIG, folds, pruner=pruner, study_name=pruner)
        run_trials(Search(study, TASK, CONFIG, folds, sampler="random"), 30, early_stop=False)
        found[pruner] = (len(Planted.seen), study.best_value)
    assert found["median"][0] < 0.8 * found["none"][0]
    assert found["median"][1] == found["none"][1]


class Guess(Planted):
    "Says something at random: no choice is better than another."

    def predict(self, X):
        return np.random.default_rng(int(1e6 * self.off)).normal(size=len(X))


def absolute(outcome, said):
    return np.abs(outcome - said)


def test_a_search_of_noise_stops_early_and_one_that_gains_goes_on():
    study, _ = optimize_hyperparameters(TASK, ModelConfig(SPACE, Guess, absolute), 60, outer=None)
    assert len(study.trials) == 20 and "below the noise" in study.user_attrs["stopped"]
    study, _ = optimize_hyperparameters(TASK, CONFIG, 30, outer=None)
    assert len(study.trials) == 30 and "stopped" not in study.user_attrs
    assert expected_gain([2.0, 1.0, 3.0], 10) > expected_gain([2.0, 1.0, 3.0], 1) > 0
    by_hand = NormalDist().pdf(-1) - NormalDist().cdf(-1)  # the best lies one standard deviation, 1, below the mean
    assert expected_gain([2.0, 1.0, 3.0], 10) == pytest.approx(10 * by_hand)
    assert expected_gain([1.0], 10) == expected_gain([2.0, 2.0], 10) == 0.0  # nothing is known of their spread


def test_tpe_finds_a_planted_optimum_sooner_than_random_search():
    ahead = []
    for seed in range(6):
        best = {}
        for sampler in ("tpe", "random"):
            folds = tuning_folds(TASK, False)
            study = open_study(TASK, CONFIG, folds, study_name=f"{sampler}{seed}", seed=seed)
            best[sampler] = run_trials(
                Search(study, TASK, CONFIG, folds, seed, sampler), 30, early_stop=False
            ).best_value
        ahead.append(best["random"] - best["tpe"])
    assert np.mean(ahead) > 2 * np.std(ahead, ddof=1) / np.sqrt(len(ahead))


@pytest.mark.parametrize("name", ["horizon", "purge", "splitter__embargo", "gap", "n_splits"])
def test_what_decides_the_test_is_no_parameter(name):
    with pytest.raises(DataError, match="easier examination"):
        SearchParameter(name, "int", 5, 1, 21)


def test_a_splitter_whose_purge_is_too_short_is_refused():
    with pytest.raises(DataError, match="less than the horizon of 5"):
        tuned(2, use_cv=TimeSeriesSplit(3, gap=3))
    assert len(tuned(2, use_cv=TimeSeriesSplit(3, gap=4))[0].trials) == 2


def smooth(values, data):
    return pd.DataFrame({"x": data.rolling(5, center=values["k"] == 2, min_periods=1).mean()})


def test_a_choice_that_lets_tomorrow_into_a_feature_is_refused(tmp_path):
    data = pd.Series(NOISE, DAYS)
    task = TuningTask("wave", smooth({"k": 1}, data), TASK.y, 5, features=smooth, data=data)
    log = ExperimentLog(tmp_path / "log.jsonl")
    with pytest.raises(LookAheadError, match="a search that may look ahead finds only that"):
        optimize_hyperparameters(task, CONFIG, 40, outer=None, early_stop=False, log=log)
    assert all(entry["result"]["params"]["k"] == 1 for entry in log.entries())


def test_every_trial_counts_beside_the_variants_of_the_house(tmp_path):
    log = ExperimentLog(tmp_path / "experiments.jsonl")
    study, _ = tuned(5, outer=OuterFolds(2, 3), log=log)
    assert variants_tried(log) == 5 + 2 * 3 and not log.verify()
    entries = [e for e in log.entries() if e["name"].startswith(f"{study.study_name}: ")]
    assert [e["result"]["fold_losses"] for e in entries] == [t.user_attrs["fold_losses"] for t in study.trials]


def test_trials_that_fail_are_kept_and_end_a_search_that_cannot_work():
    def make(values, terms, memory):
        if values["k"] == 2:
            raise ValueError("k = 2 is out of order")
        return Planted(values, terms, memory)

    study, best = optimize_hyperparameters(
        TASK, ModelConfig(SPACE, make, CONFIG.loss), 12, outer=None, early_stop=False
    )
    failed = [t for t in study.trials if t.state.name == "FAIL"]
    assert best["k"] == 1 and failed and all("out of order" in t.user_attrs["error"] for t in failed)

    def never(values, terms, memory):
        raise ValueError("nothing works")

    with pytest.raises(DataError, match="failed in a row, the last one with ValueError: nothing works"):
        optimize_hyperparameters(TASK, ModelConfig(SPACE, never, CONFIG.loss), 12, outer=None)


def test_threads_lose_no_trial():
    study, _ = tuned(16, n_jobs=2)
    assert len(study.trials) == 16 and len({t.number for t in study.trials}) == 16
    assert sum("default" in t.user_attrs for t in study.trials) == 1


def test_without_the_extra_one_line_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SettingsError, match=r"forecastkit\[tune\]"):
        tuned(2)


def own_bars(rows=560):
    rng = np.random.default_rng(4)
    index = pd.bdate_range("2012-01-02", periods=rows, name="session")
    X = pd.DataFrame(
        {
            n: rng.lognormal(size=rows)
            for n in ("own_vol_ewma94", "own_vol_22", "own_vol_66", "own_vol_5", "own_range_5")
        },
        index,
    )
    X["own_drawdown"], X["own_log"] = -0.1 * rng.random(rows), np.cumsum(0.01 * rng.normal(size=rows))
    return X, pd.Series(0.01 * rng.normal(size=rows), index)


def test_the_defaults_of_the_space_are_the_pool_of_the_house_and_a_shape_survives_the_disk(tmp_path):
    X, y = own_bars()
    aaa = Target("AAA", "log_return", 1)
    shaped = {"depth": 5, "leaf": 60, "raw": 0.0, "linear": 2.0}
    defaults = pool_shape({k: v for k, v in POOL_SPACE.defaults.items() if k not in ("floor", "tail_half_life")})
    fitted = {
        name: ProbabilisticForecaster(aaa, None, 10, 1, shape=shape).fit(X.iloc[:500], y.iloc[:500])
        for name, shape in (("house", None), ("default", defaults), ("own", PoolShape(**shaped)))
    }
    said = {name: model.predict_quantiles(X, last=20) for name, model in fitted.items()}
    np.testing.assert_array_equal(said["house"], said["default"])
    assert np.abs(said["house"] - said["own"]).max() > 1e-6 and fitted["own"].weights_[5] < fitted["house"].weights_[5]
    back = ProbabilisticForecaster.load(tmp_path, fitted["own"].save(tmp_path))
    np.testing.assert_array_equal(back.predict_quantiles(X, last=20), said["own"])
    assert back.shape == PoolShape(**shaped)
    fitted["house"].save(tmp_path / "house")
    assert "shape" not in json.loads((tmp_path / "house" / "forecaster.json").read_text())  # written as ever


def test_a_line_holds_the_best_choice_and_a_house_that_says_nothing_is_what_it_was():
    assert Settings().model_digest() == load_settings(environ={}, overrides={"model.pool": ""}).model_digest()
    line = tuned_line("VIX", ModelConfig(POOL_SPACE, make_boosting), {"rounds": 60, "depth": 4, "tail_half_life": 7.25})
    own = line_settings(Settings(), line)
    assert own.model.rounds == 60 and parse_shape(own.model.pool) == PoolShape(depth=4, tail_half_life=7.25)
    assert own.model_digest() != Settings().model_digest()
    assert parse_shape(shape_text(PoolShape(learning_rate=1e-3 / 3))) == PoolShape(learning_rate=1e-3 / 3)
    with pytest.raises(SettingsError, match="nothing of the pool"):
        Line("deep", {"model.pool": "breadth=3"})


PROFITS = """
import numpy as np
import pandas as pd

def net_profit():
    rng = np.random.default_rng(1)
    days = pd.bdate_range("2012-01-02", periods=260, name="session")
    X = pd.DataFrame(rng.normal(size=(260, 2)), days, ["a", "b"])
    return X, X["a"] + rng.normal(size=260)
"""


def ran(*words, command="tune"):
    try:
        return main([command, *words])
    except SystemExit as leave:
        return leave.code


def test_the_command_tunes_a_target_of_ones_own_and_goes_on_after_ctrl_c(tmp_path, capsys, monkeypatch):
    file, home = tmp_path / "profits.py", tmp_path / "home"
    file.write_text(PROFITS)
    words = (
        "--targets",
        f"{file}:net_profit",
        "--n-trials",
        "3",
        "--one-fold",
        "--outer",
        "1",
        "--outer-trials",
        "2",
        "--home",
        str(home),
    )
    calls = []

    def stopped(search):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run_trial(search)

    monkeypatch.setattr("forecastkit.ops.tuning.run_trial", stopped)
    assert ran(*words, "--quiet") == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert ExperimentLog(home / "experiments.jsonl").count() == 3
    assert ran(*words, "--json") in (0, None)
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMAS["tune"])
    assert found[0]["target"] == "net_profit" and found[0]["trials"] == {"complete": 3, "pruned": 0, "failed": 0}
    assert len(calls) == 6 and ExperimentLog(home / "experiments.jsonl").count() == 5
    assert ran("--home", str(home)) == 2 and "nothing to tune" in capsys.readouterr().err


@pytest.fixture
def own_file(tmp_path):
    "Tunes a function of a file in a moment; returns the code of the command."
    file = tmp_path / "own.py"

    def tune(body, *words):
        file.write_text(f"{PROFITS}\n\ndef own():\n    {body}\n")
        return ran("--targets", f"{file}:own", "--n-trials", "2", "--one-fold", "--outer", "0", "--home", str(tmp_path / "home"), "--quiet", *words)  # fmt: skip

    return tune


def test_the_storage_is_a_file_as_in_the_report(own_file, tmp_path, capsys):
    file = tmp_path / "mine.db"
    assert own_file("return net_profit()", "--storage", str(file)) in (0, None) and file.is_file()
    capsys.readouterr()
    assert ran("report", "--storage", str(file)) in (0, None)
    assert "own (own-" in capsys.readouterr().out


FOREIGN = {
    "shop": "CREATE TABLE customers (name text)",
    "school": "CREATE TABLE studies (a int)",
}


@pytest.mark.parametrize("table", [*FOREIGN, "torn", "empty"])
@pytest.mark.parametrize("command", ["tune", "report"])
def test_what_is_no_storage_of_studies_is_refused_and_stays_as_it_is(own_file, tmp_path, capsys, table, command):
    file = tmp_path / "foreign.db"
    if table in FOREIGN:
        with sqlite3.connect(file) as connection:
            connection.execute(FOREIGN[table])
        connection.close()
    else:
        file.write_bytes(b"" if table == "empty" else b"SQLite, or so it says" * 500)
    if (table, command) == ("empty", "tune"):
        return  # a file made for it is taken
    before, beside = file.read_bytes(), sorted(tmp_path.glob("foreign*"))
    words = ("--storage", str(file))
    assert (own_file("return net_profit()", *words) if command == "tune" else ran("report", *words)) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1 and ("no storage of studies" in said or "not a database" in said)
    assert file.read_bytes() == before and sorted(tmp_path.glob("foreign*")) == beside


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('raise RuntimeError("boom")', "target own failed: RuntimeError: boom (own.py, line"),
        ("return None", "target own returns NoneType: return features"),
        ("import sys; sys.exit(0)", "target own failed: SystemExit: 0"),
        ("return net_profit()[0], 'abc'", "outcomes are one number a row of the features, 260 here"),
    ],
)
def test_a_target_of_ones_own_that_breaks_is_one_line(own_file, capsys, body, said):
    assert own_file(body) == 2
    told = capsys.readouterr().err
    assert said in told and len(told.strip().splitlines()) == 1


def leaky(ahead, horizon, of=lambda y: y):
    rng = np.random.default_rng(2)
    X, y = pd.DataFrame({"noise": rng.normal(size=600)}, DAYS), pd.Series(rng.normal(size=600), DAYS)
    return TuningTask("leaky", X.assign(told=of(y.shift(-ahead))), y, horizon)


@pytest.mark.parametrize(
    ("ahead", "horizon", "of"),
    [(0, 1, np.exp), (1, 1, lambda y: y.fillna(0)), (3, 5, lambda y: -y), (5, 5, lambda y: y + 0.01)],
)
def test_a_feature_that_is_the_outcome_is_refused(ahead, horizon, of):
    with pytest.raises(LookAheadError, match="feature told is the outcome"):
        optimize_hyperparameters(leaky(ahead, horizon, of), CONFIG, 2, outer=None)


@pytest.mark.parametrize("persistent", [False, True])
def test_a_target_with_honest_skill_passes(persistent):
    rng = np.random.default_rng(2)
    known = pd.Series(rng.normal(size=600), DAYS)
    honest = pd.DataFrame({"known": known}), 3 * known + 0.5 * rng.normal(size=600)  # rank correlation .985
    walk = known.cumsum()
    X, y = (pd.DataFrame({"level": walk}), walk.shift(-1)) if persistent else honest
    assert X.iloc[:, 0].corr(y, method="spearman") > 0.95
    study, _ = optimize_hyperparameters(lambda: (X, y), CONFIG, 2, outer=None)
    assert len(study.trials) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_trials": 0}, "n_trials = 0 is no whole number of 1 or more"),
        ({"n_trials": -1}, "n_trials = -1 is no whole"),
        ({"n_trials": 1.5}, "n_trials = 1.5 is no whole"),
        ({"n_jobs": 0}, "n_jobs = 0 is no whole"),
        ({"config": {}}, "config is a dict: give a ModelConfig, or one of VIX"),
        ({"config": {"rounds": 3}}, "config is a dict"),
        ({"config": "deep"}, "config is 'deep'"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_remedy(options, said):
    with pytest.raises(DataError, match=said):
        optimize_hyperparameters(TASK, **({"config": CONFIG, "outer": None} | options))


def test_an_ensemble_is_a_list_of_targets_and_has_a_worker(tmp_path):
    for jobs in (0, -3):
        with pytest.raises(DataError, match="is no whole number of 1 or more"):
            ParallelOptimizer(n_jobs=jobs)
    optimizer = ParallelOptimizer(storage=tmp_path / "studies.db")
    for targets, said in (("net_profit", r"give \['net_profit'\]"), ([], "targets is empty: give a list")):
        with pytest.raises(DataError, match=said):
            optimizer.optimize_ensemble_parallel(targets=targets)
    assert not [*tmp_path.iterdir()]


def test_a_target_of_the_market_leaves_a_candidate_that_serves_nobody(tmp_path):
    from forecastkit.data import synthetic_market
    from forecastkit.ledger import PredictionDatabase
    from forecastkit.ops import MODEL_CONFIGS, champion, line_target, standing, stored_promotions

    market = synthetic_market(seed=3, sessions=750).market
    given = {"data.home": str(tmp_path), "model.train_start": "2010-01-04", "model.rounds": 5, "run.progress": False}
    settings = load_settings(environ={}, overrides=given)
    vix, database = MODEL_CONFIGS["VIX"], PredictionDatabase(settings.database_url())
    few = SearchSpace("few", tuple(one for one in vix.space if one.name in ("garch", "raw")))

    def make(values, terms, memory):
        return vix.make({**vix.space.defaults, "rounds": 5, **values}, terms, memory)

    narrow = ModelConfig(few, make, history=True)
    options = {"market": market, "database": database, "config": narrow, "n_trials": 4, "use_cv": False, "outer": None}
    made = tune_target("VIX", settings, **options)
    wanted = line_target(Target("VIX"))
    assert made.line is not None and standing(database, wanted).stages[made.line.name] == "candidate"
    assert champion(database, wanted, market.last_session()).line.name == "house-pool"
    row = stored_promotions(database)[0]
    assert row.evidence["trials"] == 4 and "was not measured" in row.evidence["scorecard"]
    assert made.version and (tmp_path / "models" / made.version).is_dir()
    again = tune_target("VIX", settings, **options)
    assert (again.line, again.version) == (made.line, made.version) and len(stored_promotions(database)) == 1
    assert optuna.load_study(study_name=made.study.study_name, storage=f"sqlite:///{tmp_path / 'studies.db'}").trials


def test_members_that_differ_deep_in_a_long_recipe_are_not_taken_for_each_other():
    X, y = own_bars(60)
    names = [tuple(f"column_{k}" for k in range(90) if k != gone) for gone in (44, 45)]
    forests = [QuantileForest(Recipe((), (), (), columns, 0.001)) for columns in names]
    one, other = (RememberedMember(forest, X, y, {}).key_ for forest in forests)
    assert repr(forests[0]) == repr(forests[1])  # scikit-learn cuts it short
    assert one != other


def test_a_direction_is_tuned_on_the_columns_that_its_ensemble_reads(tmp_path):
    names = ("AAA", "BBB", "CCC")
    market = synthetic_market(seed=3, sessions=700, start="2014-01-02", stocks=names).market
    given = {"data.home": str(tmp_path), "run.progress": False, "run.n_jobs": 1}
    made = tune_target(
        "DIRECTION", load_settings(environ={}, overrides=given), market=market, universe=Universe(names), n_trials=2,
        use_cv=False, outer=None,
    )  # fmt: skip
    assert made.counts == {"complete": 2, "pruned": 0, "failed": 0} and 0 < made.study.best_value < 1
    assert made.line is None and made.note


def test_a_training_searches_where_it_is_asked_to_and_the_champion_stays(tmp_path, capsys):
    words = (
        "--symbol",
        "VIX",
        "--as-of",
        "2010-06-30",
        "--home",
        str(tmp_path),
        "--sources",
        "sample",
        "--quiet",
    )
    monkey = {
        "FORECASTKIT_MODEL_ROUNDS": "5",
        "FORECASTKIT_MODEL_TRAIN_START": "2007-01-03",
        "FORECASTKIT_MODEL_WALK_START": "2010-01-04",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in monkey.items():
            patch.setenv(name, value)
        asked = {}
        patch.setattr(
            "forecastkit.pipeline.model_trainer.tune_target",
            lambda *given, **named: asked.update(named, target=given[0]) or "searched",
        )
        code = ran(*words, "--tune-hyperparameters", "--n-trials", "7", command="train")
    said = capsys.readouterr()
    assert code == 0, said.err
    assert (asked["target"], asked["n_trials"], str(asked["as_of"])) == ("VIX", 7, "2010-06-30")
    assert "searched" in said.err and "model version in force" in said.out


@pytest.mark.parametrize(("kind", "value", "allowed"), [
    ("int", 3, True), ("int", 3.0, True), ("int", 3.5, False), ("int", 2, False), ("int", 6, True), ("int", 7, False), ("float", 3.5, True),
    ("float", np.float64(6), True), ("float", 6.1, False), ("int", "3", False), ("int", None, False),
])  # fmt: skip
def test_a_search_could_pick_numbers_within_its_bounds_and_nothing_else(kind, value, allowed):
    assert SearchParameter("depth", kind, 4, 3, 6).allows(value) is allowed


def test_a_truth_is_no_number_of_a_space():
    assert SearchParameter("trees", "int", 1, 0, 2).allows(1) and not SearchParameter("trees", "int", 1, 0, 2).allows(
        True
    )
