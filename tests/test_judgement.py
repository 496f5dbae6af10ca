"Judgement: the best of many tries is not taken for skill, and what carries a result is told from what is idle."

import json
import math
import subprocess
from functools import partial
from types import SimpleNamespace

import jsonschema
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from forecastkit.cli import app
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import ExperimentLog, Home, Settings, shipped_log
from forecastkit.core.experiments import checked_out_commit
from forecastkit.evaluation import AblationStudy
from forecastkit.metrics import measure_selection, minimum_track_record, overfitting_probability, sharpe_ratio
from forecastkit.models import regime_folds
from forecastkit.pipeline.tried_strategies import beside_its_trials
from forecastkit.trading import nested_search

TRIES = 20


def histories(seed: int, sessions: int, edge: float = 0.0) -> np.ndarray:
    noise = 0.01 * np.random.default_rng(seed).standard_t(5, (sessions, TRIES))
    noise[:, 0] += edge * noise[:, 0].std() / math.sqrt(252)
    return noise


def test_the_best_of_many_tries_without_edge_is_not_significant():
    "The short cousin of `benchmarks/judgement.py selection`, which takes 100 histories of 50 strategies."
    found = []
    for seed in range(20):
        r = histories(seed, 1000)
        best = r[:, np.argmax([sharpe_ratio(one) for one in r.T])]
        found.append((measure_selection(best, TRIES).significant, measure_selection(best, 1).significant))
    deflated, naive = np.sum(found, axis=0)
    assert deflated <= 1 < naive


def test_without_edge_the_choice_of_the_best_is_overfitted_in_half_of_the_splits():
    found = [overfitting_probability(histories(seed, 400)).probability for seed in range(20)]
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found) / math.sqrt(20)


def test_a_planted_edge_is_found_at_the_length_that_is_stated():
    "A yearly ratio of 2 among 20: what one such record needs, and the z of 90 % on top."
    sessions = 2100
    told = [measure_selection(histories(seed, sessions, 2.0)[:, 0], TRIES) for seed in range(20)]
    assert np.median([one.needed_of_trials for one in told]) < sessions
    assert sum(one.significant for one in told) >= 18


def test_a_choice_that_reverses_is_overfitted_on_nearly_every_split():
    rng = np.random.default_rng(0)
    shift = 0.004 * rng.permuted(np.repeat([[1.0, -1.0] * 5], 30, axis=0), axis=1).T  # each block its own winners
    assert (
        overfitting_probability(0.01 * rng.standard_normal((1000, 30)) + np.repeat(shift, 100, axis=0)).probability
        > 0.9
    )


def test_the_length_needed_grows_with_the_tries_and_is_endless_without_a_gain():
    r = histories(0, 2000, 3.0)[:, 0]
    needed = [minimum_track_record(r, trials=tries) for tries in (1, 10, 1000)]
    assert needed == sorted(needed) and needed[0] < needed[-1] < math.inf
    assert minimum_track_record(-r) == math.inf


@pytest.mark.parametrize("packed", [False, True])
def test_an_entry_names_the_commit_of_the_repository_it_was_made_in(tmp_path, monkeypatch, packed):
    def git(*words: str, at=tmp_path) -> str:
        named = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        return subprocess.run(
            ["git", *named, *words], cwd=at, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "a.txt").write_text("a")
    git("add", "a.txt")
    git("commit", "-qm", "first")
    git("worktree", "add", "-q", "-b", "other", str(tmp_path / "beside"))
    if packed:
        git("pack-refs", "--all")
    commit = git("rev-parse", "HEAD")
    for place in (tmp_path, tmp_path / "beside"):
        monkeypatch.chdir(place)
        entry = ExperimentLog(tmp_path / "log.jsonl").append(
            "study", "a", "b", {}, configuration=Settings().configuration()
        )
        assert entry["git"] == commit
    git("checkout", "-q", "--detach")
    assert checked_out_commit(tmp_path) == commit


def test_outside_a_repository_the_commit_is_unknown_and_the_line_is_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = ExperimentLog("log.jsonl")
    assert log.append("study", "a", "b", {})["git"] == "unknown"
    assert (log.verify(), log.entries()[0]["configuration"]) == ([], "unknown")


def test_lines_from_before_commits_were_kept_are_valid_and_can_be_followed(tmp_path):
    old = [entry for entry in shipped_log().entries() if "git" not in entry]
    assert old
    copy = ExperimentLog(tmp_path / "log.jsonl")
    copy.path.write_bytes(b"".join(shipped_log().path.read_bytes().splitlines(keepends=True)[: len(old)]))
    copy.append("study", "a", "b", {}, configuration={"model.seed": "42"})
    assert copy.verify() == []


def test_a_configuration_holds_what_decides_numbers_and_no_secret():
    kept = json.dumps(Settings().configuration())
    assert "model.seed" in kept and "direction." in kept and "data.sources" in kept
    assert not any(word in kept for word in ("fred_key", "database.url", "web.", "data.home", "contact"))


class Shown:
    "As much of a result as a count of tries reads."

    def __init__(self, returns: pd.Series, trials=None, tried=None):
        self.returns, self.trials, self.tried = returns, trials, tried
        self.sharpe = type("S", (), {"value": 0.5})

    def __replace__(self, **changes):
        return Shown(**({"returns": self.returns, "trials": self.trials, "tried": self.tried} | changes))


@pytest.mark.parametrize("damage", ["deleted", "cut off", "changed"])
def test_without_its_log_nobody_knows_how_many_strategies_were_tried(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(
        "forecastkit.pipeline.tried_strategies.replace", lambda one, **changes: one.__replace__(**changes)
    )
    days = pd.bdate_range("2018-01-02", periods=300)
    rng, home = np.random.default_rng(0), Home(tmp_path)
    made = [Shown(pd.Series(rng.standard_normal(300), days)) for _ in range(3)]
    found = [beside_its_trials(home, {"subject": "s", "i": i}, one) for i, one in enumerate(made)]
    assert [(one.trials, one.tried.shape[1]) for one in found] == [(1, 1), (2, 2), (3, 3)]
    lines = home.backtests.read_text().splitlines(keepends=True)
    {
        "deleted": home.backtests.unlink,
        "cut off": lambda: home.backtests.write_text("".join(lines[:1])),
        "changed": lambda: home.backtests.write_text("".join(lines).replace("0.5", "0.6")),
    }[damage]()
    assert beside_its_trials(home, {"subject": "s", "i": 0}, made[0]).trials is None


def planted(seed: int, days: int = 2400):
    "Four signals of ten assets, of which the first two know something; fitted on the first half, traded on the second."
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((days, 10, 4))
    moves = 0.1 * X[..., :2].sum(axis=-1) + rng.standard_normal((days, 10))
    names, half = ("one", "two", "idle", "still"), days // 2

    def run(kept: tuple[str, ...], loss: bool = False) -> pd.Series:
        at = [names.index(name) for name in kept]
        learnt = np.linalg.lstsq(X[:half, :, at].reshape(-1, len(at)), moves[:half].ravel(), rcond=None)[0]
        said, came = X[half:, :, at] @ learnt, moves[half:]
        return pd.Series((((came - said) ** 2) if loss else 0.01 * said * came).mean(axis=1))

    return names, run


@pytest.mark.parametrize("measure", ["return", "loss"])
def test_an_ablation_names_the_two_parts_that_carry(measure):
    "The short cousin of `benchmarks/judgement.py ablation`, which takes 20 histories."
    right = 0
    for seed in range(4):
        names, run = planted(seed)
        study = AblationStudy(names, partial(run, loss=measure == "loss"), measure, draws=250)
        right += set(study.results().carrying) == {"one", "two"}
    assert right >= 3


def test_an_ablation_fits_the_rest_again_and_asks_the_whole_once():
    names, run = planted(0, 400)
    asked = []
    study = AblationStudy(names, lambda kept: asked.append(kept) or run(kept), "return", draws=100)
    found = study.results()
    assert asked[0] == names
    assert asked[1:] == [tuple(one for one in names if one != part) for part in names]
    assert (found.tried, [one.part for one in found.effects]) == (5, list(names))
    assert all(one.holm_p >= one.p for one in found.effects)


def test_what_could_have_been_found_is_printed_beside_what_was_not():
    names, run = planted(1, 200)
    text = AblationStudy(names, run, "return", draws=100).results().text()
    assert "no effect shown, which is no proof of none" in text and "smallest found four times in five" in text


@pytest.mark.parametrize(("horizon", "embargo"), [(1, 0), (5, 0), (5, 10), (21, 3)])
def test_no_row_of_a_regime_fold_shares_a_session_with_a_tested_one(horizon, embargo):
    rng = np.random.default_rng(horizon)
    place = np.repeat(np.arange(900), 2)
    states = np.repeat(rng.choice(["bull", "bear", "sideways", None], 12, p=[0.4, 0.3, 0.2, 0.1]), 150)
    folds = list(regime_folds(place, states, horizon, embargo))
    assert {fold.state for fold in folds} <= {"bull", "bear", "sideways"} and folds
    for fold in folds:
        tested, train = set(place[fold.test]), np.unique(place[fold.train])
        assert set(states[fold.test]) == {fold.state} and fold.state not in set(states[fold.train])
        assert len(fold.test) == (states == fold.state).sum()
        spans = {day + ahead for day in tested for ahead in range(horizon)}
        assert all(spans.isdisjoint(range(day, day + horizon)) for day in train)
        if embargo:
            assert not any(day - back in tested for day in train for back in range(horizon + embargo))


def test_an_outer_fold_is_never_tuned_on():
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2010-01-04", periods=800)
    returns = pd.DataFrame(0.01 * rng.standard_normal((800, 6)), days, list("abcdef"))
    found = nested_search(returns, folds=4, purge=5)
    for place, fold in enumerate(found.folds):
        changed = returns.copy()
        changed.loc[days[days.get_loc(fold.start) - 5] :] = rng.standard_normal(
            changed.loc[days[days.get_loc(fold.start) - 5] :].shape
        )
        again = nested_search(changed, folds=4, purge=5)
        assert [one.chosen for one in again.folds[: place + 1]] == [one.chosen for one in found.folds[: place + 1]]
    assert found.returns.index.is_monotonic_increasing and found.returns.index[-1] == days[-1]


def test_choosing_among_noise_earns_nothing_and_an_edge_is_chosen():
    rng = np.random.default_rng(1)
    days = pd.bdate_range("2008-01-02", periods=2500)
    noise = pd.DataFrame(0.01 * rng.standard_normal((2500, 20)), days, [f"set {i}" for i in range(20)])
    found = nested_search(noise)
    assert abs(found.sharpe.value) < 3 * found.sharpe.se and not found.selection.significant
    edge = nested_search(noise.assign(**{"set 7": noise["set 7"] + 0.0015}))
    assert [fold.chosen for fold in edge.folds] == ["set 7"] * 5 and edge.stable and edge.selection.significant


@pytest.fixture
def studied(monkeypatch, tmp_path):
    "The command line in an empty folder, with quick answers in the place of long walks."
    names, run = planted(0, 400)
    days = pd.bdate_range("2016-01-04", periods=400)
    noise = pd.DataFrame(0.01 * np.random.default_rng(0).standard_normal((400, 3)), days, ["a", "b", "c"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "forecastkit.pipeline.ablation.book_run", lambda *_, **__: (run, SimpleNamespace(settings=Settings()))
    )
    monkeypatch.setattr("forecastkit.pipeline.ablation.chosen_parts", lambda *_: names)
    monkeypatch.setattr("forecastkit.pipeline.search_book", lambda *_, **__: nested_search(noise))

    def command(*words: str) -> str:
        result = CliRunner().invoke(app, [*words, "--quiet"])
        assert result.exit_code == 0, result.output
        return result.stdout

    return command


@pytest.mark.parametrize("name", ["study ablation", "study search"])
def test_a_study_prints_what_its_schema_says_and_words_for_a_person(studied, tmp_path, name):
    words = (*name.split(), "--universe", "sample", "--home", str(tmp_path / "home"))
    jsonschema.validate(json.loads(studied(*words, "--json")), SCHEMAS[name])
    text = studied(*words)
    assert ("carrying:" in text) if name == "study ablation" else ("in the outer folds" in text)


def test_an_ablation_at_the_terminal_is_a_line_of_the_log(studied, tmp_path):
    studied("study", "ablation", "--universe", "sample", "--home", str(tmp_path / "home"))
    line = ExperimentLog(tmp_path / "home" / "experiments.jsonl").entries()[-1]
    assert (line["kind"], line["result"]["variants"]) == ("study", 5)
    assert line["configuration"]["model.seed"] == "42"
