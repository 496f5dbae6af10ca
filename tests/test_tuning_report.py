"Reports on tuning: what matters is beyond chance, a page carries all it needs, and the command says what the page says."

import json
import math
import re
from dataclasses import replace
from html import unescape

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from typer.testing import CliRunner

from forecastkit.cli.main import app
from forecastkit.cli.tune_report import study_lines
from forecastkit.core import DataError
from forecastkit.ops import open_tuning_storage
from forecastkit.reports import (
    gain_words,
    parameter_pairs,
    parameter_weights,
    read_tuning,
    studies_section,
    study_sections,
    tuning_headline,
    tuning_summary,
)
from forecastkit.reports.tuning_page import convergence_picture, ensemble_picture
from forecastkit.reports.tuning_studies import TuningRecord


def a_record(seed: int, effect: float = 0.0, together: float = 0.0, n: int = 60) -> TuningRecord:
    rng = np.random.default_rng(seed)
    params = pd.DataFrame(rng.random((n, 5)), columns=list("abcde"))
    loss = rng.standard_normal(n) + effect * (params["a"] - 0.5) + together * (params["b"] - 0.5) * (params["c"] - 0.5)
    trials = pd.DataFrame({"state": "COMPLETE", "loss": loss, "seconds": 1.0, "memory_mb": 100.0})
    return TuningRecord("x", "x", trials, params, dict.fromkeys(params, "linear"))


def test_parameters_without_effect_matter_in_one_study_of_twenty():
    single = sum(parameter_weights(a_record(k), 199)["matters"].any() for k in range(100))
    pairs = sum(parameter_pairs(a_record(k), 199)["matters"].any() for k in range(100))
    assert single <= 11, "5 are expected; 11 are passed in 1 of 200"
    assert pairs <= 11


def test_parameters_with_an_effect_are_found():
    assert all(parameter_weights(a_record(k, effect=4), 199).loc["a", "matters"] for k in range(5))
    assert sum(parameter_pairs(a_record(k, together=16), 199).index[0] == ("b", "c") for k in range(5)) >= 4


def test_a_pruned_trial_counts_as_worse_than_any_that_was_scored():
    record = a_record(1)
    record.trials.loc[3:6, ["state", "loss"]] = ["PRUNED", math.nan]
    assert record.ranks.loc[3:6].tolist() == [58.5] * 4
    assert record.ranks.drop(range(3, 7)).max() == 56


def test_too_few_trials_say_nothing_of_parameters():
    assert not len(parameter_weights(a_record(1, n=14)))
    assert "nothing can be said" in study_sections(a_record(1, n=14))


@pytest.mark.parametrize(
    ("gain", "t", "said"),
    [(0.02, 1.99, "none ("), (0.02, 2.0, "2.0% less loss"), (-0.02, -3.0, "2.0% more loss"), (-0.02, -1.0, "none (")],
)
def test_a_gain_within_two_errors_is_none(gain, t, said):
    assert gain_words({"gain": gain, "se": 0.01, "t": t, "n": 100}).startswith(said)


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    "A folder with two storages, a hostile name, and a search that only measures another one."
    folder = tmp_path_factory.mktemp("studies")
    rng = np.random.default_rng(0)
    for file, names in (("a.db", ["VIX", "VIX, outer fold 1"]), ("b.db", ["<script>alert(1)</script>"])):
        storage = open_tuning_storage(folder / file)
        for name in names:
            study = optuna.create_study(storage=storage, study_name=name)
            study.set_user_attr("nested", {"gain": 0.001, "se": 0.01, "t": 0.1, "n": 500})
            for number in range(24):
                x = float(rng.random())
                shown = {"fold_losses": [1 + x, 1.1 + x], "seconds": 1.0, "memory_mb": 9.0} | (
                    {"default": True} if not number else {}
                )
                state = TrialState.PRUNED if number % 5 == 4 else TrialState.COMPLETE
                trial = {"params": {"<i>x": x}, "distributions": {"<i>x": FloatDistribution(0, 1)}, "user_attrs": shown}
                study.add_trial(create_trial(state=state, value=1 + x if state.name == "COMPLETE" else None, **trial))
        storage.engine.dispose()
    return folder


def test_studies_are_read_from_a_folder_and_named_where_absent(studies):
    assert [one.name for one in read_tuning(studies)] == ["VIX", "<script>alert(1)</script>"]
    assert [one.name for one in read_tuning(studies, ["VIX"])] == ["VIX"]
    with pytest.raises(DataError, match="no study is called 'SPX'"):
        read_tuning(studies, ["SPX"])
    with pytest.raises(DataError, match="no studies lie at"):
        read_tuning(studies / "absent.db")
    assert not (studies / "absent.db").exists(), "reading makes no file"


def test_the_command_says_what_the_page_says(studies, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORECASTKIT_RUN_PROGRESS", "false")
    page = tmp_path / "tuning.html"
    done = CliRunner().invoke(app, ["tune", "report", "--storage-dir", str(studies), "--html", str(page), "--json"])
    assert done.exit_code == 0, done.output
    first = json.loads(done.stdout)[0]
    assert first["scored"] == 20
    assert first["parameters"][0] | {"weight": 1} == {"parameter": "<i>x", "weight": 1, "null": first["parameters"][0]["null"], "p": 0.001, "matters": True}  # fmt: skip
    html = page.read_text()
    assert f"unseen folds: {first['gain']}" in unescape(html).replace("\xa0", " ")
    assert "<script>alert" not in html
    assert "<i>x" not in html
    assert "Warning" not in html
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html), "it loads nothing"


def two_of_one_target(n=4):
    "Two studies of one target, and one of another."
    names = (("profit", "profit-1a"), ("profit", "profit-2b"), ("loss", "loss-3c"))
    nested = {"gain": 0.001, "se": 0.01, "t": 0.1, "n": 500}
    return [replace(a_record(k, n=n), target=target, name=name, nested=nested, default_loss=1.0) for k, (target, name) in enumerate(names)]  # fmt: skip


def test_two_studies_of_one_target_are_told_apart():
    records, labels = two_of_one_target(), ["profit (profit-1a)", "profit (profit-2b)", "loss"]
    left, right = ensemble_picture(records).axes
    assert [one.get_text() for one in left.get_yticklabels()] == labels[::-1]
    assert [one.get_text() for one in right.get_legend().get_texts()] == labels
    for page, mark in ((tuning_headline(records), ", gain"), (studies_section(records), ": none")):
        assert all(f"{label}{mark}" in unescape(page).replace("\xa0", " ") for label in labels)


def test_trials_are_counted_in_whole_numbers():
    for ax in (convergence_picture(two_of_one_target()[0]), ensemble_picture(two_of_one_target()).axes[1]):
        ticks = ax.get_xticks()
        assert len(ticks) and all(float(one).is_integer() for one in ticks), ticks


def test_what_is_not_known_is_said_in_words(tmp_path):
    record = a_record(1)  # without blocks, and without a default
    told = study_lines(tuning_summary(record))
    assert "default not scored, noise of the difference unknown" in told
    assert "the default was not scored" in study_sections(record)
    assert not re.search(r"\bnan\b", told + re.sub(r"base64,[^\"]*", "", study_sections(record)))


def test_the_page_fits_a_phone():
    assert study_sections(a_record(1)).startswith('<div class="fitted">')
    assert studies_section(two_of_one_target()).startswith('<div class="fitted">')
