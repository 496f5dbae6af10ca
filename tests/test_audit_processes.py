"Two processes that differ are told from a function that remembers."

import sys
import types

import numpy as np
import pandas as pd
import pytest

from forecastkit.data import synthetic_market
from forecastkit.evaluation import audit

CLOSE = synthetic_market(sessions=300, seed=5).market.close("SPX")

SOURCE = """
W, KEEP, kept = 1, False, {}


def configure(window=1, keep=False):
    global W, KEEP
    W, KEEP = window, keep


def change(close):
    return close.pct_change(W)


def ahead(close):
    return close.shift(W)


def scaled(close):
    if not KEEP:
        return close / close.expanding().mean()
    return close / kept.setdefault("mean", close.mean())


def remembering(close):
    return close / kept.setdefault("mean", close.mean()) * W


def ordered(close):
    return close * (hash("a text") % 1000)
"""


@pytest.fixture
def module(tmp_path, monkeypatch) -> types.ModuleType:
    "A module of the user's on the search path, as a fresh process imports it."
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "user_signals.py").write_text(SOURCE)
    import user_signals

    yield user_signals
    sys.modules.pop("user_signals")


def told(report) -> bool:
    return any("answers differ between processes" in note and "nothing was found" in note for note in report.notes)


def test_a_constant_that_the_calling_process_has_set_is_a_note(module):
    module.configure(window=3)
    report = audit(module.change, CLOSE, cuts=6)
    assert report.ok and told(report) and report.facts["cuts"] == 6


def test_the_order_of_a_hash_is_a_note(module):
    report = audit(module.ordered, CLOSE, cuts=4)
    assert report.ok and (told(report) or "PYTHONHASHSEED" in __import__("os").environ)


def test_the_same_answer_in_both_processes_has_no_such_note(module):
    assert not told(audit(module.change, CLOSE, cuts=4))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ahead", {"window": -1}),  # it leaks in this process alone
        ("scaled", {"keep": True}),  # it remembers in this process alone
        ("remembering", {"window": 2}),  # it remembers, and its processes differ
    ],
)
def test_a_leak_or_a_memory_that_the_calling_process_has_set_stays_a_finding(name, settings, module):
    module.configure(**settings)
    assert not audit(getattr(module, name), CLOSE, cuts=6).ok


def test_a_scale_that_was_fixed_on_other_data_before_stays_a_finding(module):
    module.remembering(CLOSE.iloc[:100])
    report = audit(module.remembering, CLOSE, cuts=6)
    assert not report.ok and "state" in set(report.findings["probe"])


def test_dice_are_no_difference_between_processes():
    report = audit(lambda close: pd.Series(np.random.normal(size=len(close)), close.index), CLOSE, cuts=4)  # noqa: NPY002
    assert {one.probe for one in report.found} == {"repeat"} and not told(report)
