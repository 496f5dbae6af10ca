"Judgement: the best of many tries is not taken for skill, and what carries a result is told from what is idle."

import json
import math
import subprocess

import numpy as np
import pandas as pd
import pytest

from forecastkit.core import ExperimentLog, Home, Settings, shipped_log
from forecastkit.core.experiments import checked_out_commit
from forecastkit.metrics import measure_selection, minimum_track_record, overfitting_probability, sharpe_ratio
from forecastkit.pipeline.tried_strategies import beside_its_trials

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
