"`verify`: every part is asked and none that was not, planted leaks are found in each, and a function of one's own has a door."

import json
import sys

import numpy as np
import pandas as pd
import pytest

from forecastkit.core import DataError, Target
from forecastkit.core.settings import load_settings
from forecastkit.data.synthetic import synthetic_market
from forecastkit.evaluation import RefitSchedule
from forecastkit.models import ProbabilisticForecaster, QuantileForest, parse_shape
from forecastkit.models.forecaster import default_members
from forecastkit.pipeline import preparation as preparation
from forecastkit.pipeline import profile_of
from forecastkit.pipeline import verification as verification
from forecastkit.pipeline.verification import (
    audit_parts,
    even_cuts,
    fitted_cuts,
    function_in,
    split_reports,
    verify,
    verify_function,
)

VIX = Target("VIX")
QUICK = load_settings(
    environ={},
    overrides={"run.progress": False, "model.rounds": 3, "model.min_calibration_origins": 50},
)
HOUSE = ["features, cohorts, weights and quality", "regimes", "anomalies", "the whole forecast"]


@pytest.fixture(scope="module")
def market():
    return synthetic_market(seed=7, sessions=900).market


def subjects(reports) -> list[str]:
    return [report.subject.removeprefix("look-ahead audit of ") for report in reports]


def report_of(name: str, market, cut: str):
    [part] = [part for part in audit_parts(market, VIX, QUICK) if part.name == name]
    return verification.part_report(part, market, pd.DatetimeIndex([cut]))


def test_a_part_that_is_not_asked_has_no_report(market):
    told = []
    folds = [f"folds of {name}" for name in ("the walk-forward", "ExpandingSplit", "PurgedKFold")]
    assert subjects(verify(market, VIX, QUICK, cuts=0, fitted=0, on_report=told.append)) == folds
    assert subjects(told) == folds
    features = verify(market, VIX, QUICK, cuts=2, fitted=0)
    assert subjects(features) == [HOUSE[0], *folds] and features[0].facts["cuts"] == 2
    assert features[0].facts["seconds"] >= 0 and features[0].facts["seconds of processor"] > 0
    assert [part.name for part in audit_parts(market, VIX, QUICK)] == HOUSE


def test_what_has_no_door_of_its_own_is_named(market):
    report = report_of("the whole forecast", market, "2012-01-03")
    assert report.ok, report
    assert report.notes[0] == "audited inside it: scalers, medians, members, pool and width calibrator"


@pytest.mark.slow("test_what_has_no_door_of_its_own_is_named")
def test_a_calibrator_that_is_fed_too_early_is_found_in_the_whole_forecast(market, monkeypatch):
    def too_early(origins, horizon, calendar="XNYS"):
        return np.minimum(np.arange(len(origins)) + 1, len(origins))  # the outcome of five sessions, known after one

    monkeypatch.setattr(preparation, "known_positions", too_early)
    report = report_of("the whole forecast", market, "2012-01-03")
    assert not report.ok
    assert set(report.findings["probe"]) <= {"truncate", "perturb"}


def test_training_on_open_outcomes_is_found_by_the_folds_and_in_the_forecast(market, monkeypatch):
    def hasty(self, X, y, session):
        return X.loc[:session], y.loc[self.train_start : session].dropna()

    assert split_reports(market, VIX, QUICK)[0].ok
    monkeypatch.setattr(RefitSchedule, "training_rows", hasty)
    folds = split_reports(market, VIX, QUICK)[0]
    assert not folds.ok and "sessions apart" in folds.found[0].words


def test_one_outcome_too_many_shows_where_a_version_is_trained(market, monkeypatch):
    def hasty(self, X, y, session):
        return X.loc[:session], y.loc[self.train_start : session].dropna()

    days = market.shared_sessions(("VIX", "SPX"))
    refits = market.calendar.refit_sessions(days, 63)
    cuts = fitted_cuts(days[600:-100], refits, 3, seed=0)
    [refit] = cuts.sessions.intersection(refits)
    assert cuts.drawn == 2
    monkeypatch.setattr(RefitSchedule, "training_rows", hasty)
    assert not report_of("the whole forecast", market, refit).ok


@pytest.mark.slow("test_one_outcome_too_many_shows_where_a_version_is_trained")
def test_a_version_that_reads_the_rows_after_an_origin_is_found(market, monkeypatch):
    said = ProbabilisticForecaster.predict_quantiles

    def peeking(self, X, last=None):  # every origin of a block is moved by what its last one brings
        return said(self, X, last) + 1e-9 * X.select_dtypes("number").iloc[-1].sum()

    monkeypatch.setattr(ProbabilisticForecaster, "predict_quantiles", peeking)
    assert not report_of("the whole forecast", market, "2012-01-03").ok


def test_a_forecast_is_audited_with_fewer_trees_and_its_report_says_so(market):
    served = load_settings(environ={}, overrides={"model.pool": "depth=4 forest_trees=50"})
    audited = verification.audited_settings(served, 7300).model
    assert (audited.rounds, audited.refit_every, audited.pool) == (10, 252, "depth=4 forest_trees=10")
    assert verification.audited_settings(served, 900).model.refit_every == served.model.refit_every
    [said] = [part.size for part in audit_parts(market, VIX, served) if part.size]
    assert "10 rounds of boosting (those that serve: 100)" in said and "every 63 sessions (63)" in said
    members = ProbabilisticForecaster(VIX, shape=parse_shape(audited.pool), rounds=audited.rounds)
    forests = default_members(members.recipe, 5, audited.rounds, 0, members.shape)
    assert {one.trees for one in forests if isinstance(one, QuantileForest)} == {10}
    assert {one.trees for one in default_members(None, 5, 100, 0) if isinstance(one, QuantileForest)} == {100}


def test_the_share_that_could_have_been_missed_follows_the_cuts(market):
    [few, *_] = verify(market, VIX, QUICK, cuts=2, fitted=0)
    assert few.facts["smallest share of sessions"] == pytest.approx(
        even_cuts(market.close("VIX").index, 2, 0).share, abs=0.01
    )
    assert 0.75 < few.facts["smallest share of sessions"] < 0.8
    assert any("would have been found with 95%" in note for note in few.notes)


def test_a_detector_that_learns_from_all_days_is_found(market, monkeypatch):
    from forecastkit.regimes.anomalies import AnomalyDetector, family_of

    families = family_of(profile_of(VIX).declarations)

    def all_knowing(X, target, settings, shelf=None):
        return AnomalyDetector(families, trees=20).fit(X).p_values(X), None

    assert report_of("anomalies", market, "2011-06-01").ok
    monkeypatch.setattr(verification, "anomaly_p_values", all_knowing)
    assert not report_of("anomalies", market, "2011-06-01").ok


def test_a_market_without_the_index_has_no_regimes_to_ask(market):
    from forecastkit.data.market import MarketData

    alone = MarketData({"SPX": market.bars("SPX")})
    asked = [part.name for part in audit_parts(alone, Target("SPX", "log_return"), QUICK)]
    assert asked == [HOUSE[0], *HOUSE[2:]]


# ---------------------------------------------------------------- a function of one's own

SOURCE = """
from dataclasses import dataclass
from beside import window

@dataclass
class Peek:
    days: int

    def __call__(self, market):
        return market.close("VIX").rolling(window).mean().shift(-self.days)

tomorrow = Peek(1)

def mean(market):
    return market.close("VIX").rolling(window).mean()
"""


def cell(source: str, kind: str = "code") -> dict:
    more = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": {}, **more}


def notebook(*cells: dict) -> str:
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def test_a_file_is_audited_in_one_line_with_what_lies_beside_it(market, tmp_path):
    (tmp_path / "beside.py").write_text("window = 5\n")
    (tmp_path / "mine.py").write_text(SOURCE)
    innocent = verify_function(f"{tmp_path / 'mine.py'}:mean", market, cuts=4, n_jobs=2)
    assert innocent.ok and innocent.subject.endswith("mine.py:mean")
    assert not verify_function(f"{tmp_path / 'mine.py'}:tomorrow", market, cuts=4).ok
    assert verify_function(f"{tmp_path / 'mine.py'}:mean", market, "open", cuts=4).found[0].probe == "perturb"


def test_a_notebook_is_run_up_to_the_definition(market, tmp_path):
    path = tmp_path / "mine.ipynb"
    path.write_text(
        notebook(
            cell("# my work", "markdown"),
            cell("%matplotlib inline\nimport pandas as pd"),
            cell("def z(market):\n    return market.close('VIX')"),
            cell("def z(market):\n    return market.close('VIX') - market.close('VIX').mean()"),
            cell("raise SystemExit('a long calculation')"),
        )
    )
    assert not verify_function(f"{path}:z", market, cuts=3).ok


def test_of_an_nbdev_notebook_only_what_is_exported_is_run(tmp_path, market):
    path = tmp_path / "mine.ipynb"
    path.write_text(
        notebook(cell("1 / 0"), cell("#| export\ndef level(market):\n    return market.close('VIX')"), cell("1 / 0"))
    )
    assert verify_function(f"{path}:level", market, cuts=2).ok


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("nowhere.py:mean", "there is no file nowhere.py"),
        ("mine.py", "names no function"),
        ("mine.py:", "names no function"),
        ("mine.txt:mean", "FILE.py:NAME or NOTEBOOK.ipynb:NAME"),
        ("mine.py:other", "defines no function other: it has mean"),
        ("mine.py:width", "width is int and no function"),
        ("broken.ipynb:mean", "this is no notebook"),
        ("empty.ipynb:mean", "defines no function mean: it has none"),
    ],
)
def test_what_cannot_be_audited_is_refused_in_one_sentence(where, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("width = 5\ndef mean(market):\n    return None\n")
    (tmp_path / "mine.txt").write_text("")
    (tmp_path / "broken.ipynb").write_text("[]")
    (tmp_path / "empty.ipynb").write_text(notebook())
    with pytest.raises(DataError, match=says) as caught:
        function_in(where)
    assert "\n" not in str(caught.value)


def test_running_a_file_leaves_nothing_behind(tmp_path):
    (tmp_path / "mine.py").write_text("def mean(market):\n    return None\n")
    before = [*sys.path], {*sys.modules}
    assert function_in(f"{tmp_path / 'mine.py'}:mean")(None) is None
    assert ([*sys.path], {*sys.modules}) == before
