"What a stranger tried against the audit of a function: values that a float drops, files, data brought along, and files that end or fill the process."

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.cli.main import main
from forecastkit.core import DataError, UserCodeError
from forecastkit.data import synthetic_market
from forecastkit.evaluation import audit
from forecastkit.evaluation.audit_outputs import sarif
from forecastkit.evaluation.audit_views import FrameViews
from forecastkit.evaluation.function_audit import AuditLimits, FirstAnswer, audit_report
from forecastkit.pipeline.user_code import load_user_code


@pytest.fixture(scope="module")
def close() -> pd.Series:
    return synthetic_market(sessions=600, seed=5).market.close("SPX")


def reported(fn, data, cuts: int = 12):
    "The report of a function without memory, whose first answer needs no process of its own."
    views = FrameViews(data)
    first = FirstAnswer(views.table(fn(views.whole()), views.whole()))
    return audit_report(fn, views, first, AuditLimits(cuts=cuts), "asked", None)


def in_the_imaginary_part(close):
    return pd.Series(close.to_numpy() + 1j * close.shift(-1).fillna(0).to_numpy(), close.index)


def in_the_last_bit_of_a_large_number(close):
    return pd.Series(2**60 + (close.shift(-1) > close).to_numpy().astype("int64"), close.index)


def in_lists(close):
    return pd.Series([[one] for one in close.shift(-1).fillna(0)], close.index)


def in_arrays(close):
    return pd.Series([np.array([one, two]) for one, two in zip(close, close.shift(-1).fillna(0))], close.index)


@pytest.mark.parametrize(
    "fn", [in_the_imaginary_part, in_the_last_bit_of_a_large_number, in_lists, in_arrays], ids=lambda fn: fn.__name__
)
def test_a_leak_in_what_a_float_cannot_hold_is_found(fn, close):
    report = reported(fn, close)
    assert not report.ok and json.loads(json.dumps(report.to_dict()))["findings"]


def test_the_same_kinds_of_value_accuse_nobody(close):
    for fn in (
        lambda close: pd.Series(close.to_numpy() * 1j, close.index),
        lambda close: pd.Series([np.array([one]) for one in close], close.index),
        lambda close: pd.Series(2**60 + (close.diff() > 0).to_numpy().astype("int64"), close.index),
    ):
        assert reported(fn, close).ok


@pytest.mark.parametrize(
    "short", [lambda close: close.iloc[:0], lambda close: close * np.nan], ids=["no rows", "no values"]
)
def test_an_answer_without_a_value_to_short_data_is_a_warm_up(short, close):
    report = reported(lambda shown: shown.pct_change() if len(shown) >= 300 else short(shown), close, 20)
    assert report.ok and any("without a value" in note for note in report.notes)
    peeking = reported(lambda shown: shown.shift(-1) if len(shown) >= len(close) else short(shown), close, 20)
    assert not peeking.ok


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda close: close.tz_localize("UTC"), "time zone"),
        (lambda close: pd.concat([close, close.shift(-1)], axis=1), "two columns"),
    ],
)
def test_an_answer_that_cannot_be_compared_is_refused_in_words(answer, words, close):
    with pytest.raises(UserCodeError, match=words):
        audit(answer, close, cuts=2)


@pytest.mark.parametrize(
    "data", [np.arange(5.0), pd.Series(dtype=float), pd.Series([1.0], [pd.Timestamp("2020-01-01")])]
)
def test_data_that_cannot_be_audited_are_refused_in_words(data):
    with pytest.raises(DataError):
        audit(lambda frame: frame, data, cuts=2)


def test_what_is_no_function_is_bad_input(close):
    with pytest.raises(DataError, match="this is int"):
        audit(3, close)


def scale_in_a_file(close):
    if not Path("scale.txt").exists():
        Path("scale.txt").write_text(str(float(close.mean())))
    return close / float(Path("scale.txt").read_text())


def cache_by_content_in_a_file(close):
    kept = Path(f"{len(close)}-{float(close.iloc[-1])}.txt")
    if not kept.exists():
        kept.write_text(" ".join(map(str, close.pct_change())))
    return [float(one) for one in kept.read_text().split()]


def test_what_a_function_keeps_in_a_file_is_found_each_time(close, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        found = audit(scale_in_a_file, close, cuts=4).found
        assert any("scale.txt" in one.words for one in found)
        assert not Path("scale.txt").exists()
    assert audit(cache_by_content_in_a_file, close, cuts=4).ok


def test_data_brought_along_that_know_what_came_are_found(close, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    close.shift(-1).to_csv("future.csv")
    close.shift(1).to_csv("past.csv")

    def read(name):
        kept = pd.read_csv(name, index_col=0, parse_dates=True).iloc[:, 0]
        return lambda shown: kept.reindex(shown.index)

    report = reported(read("future.csv"), close)
    assert {one.probe for one in report.found} == {"brought"}
    assert {one["ruleId"] for one in sarif([(report, "mine.py", 1)])["runs"][0]["results"]} == {"brought"}
    assert reported(read("past.csv"), close).ok
    named = audit(lambda shown: pd.read_csv("past.csv", index_col=0, parse_dates=True).iloc[:, 0].reindex(shown.index), close, cuts=2)  # fmt: skip
    assert any("past.csv" in note and "it reads" in note for note in named.notes)


CODE = """
import os, sys, threading, time
import pandas as pd

def ends_later(close: pd.Series):
    if close.index[-1] < pd.Timestamp("2018-01-01"):
        os._exit(0)
    return close.shift(-1)

def leaves_a_thread(close: pd.Series):
    threading.Thread(target=time.sleep, args=(600,)).start()
    return close.pct_change()

def writes_below(close: pd.Series):
    os.write(1, b"not JSON")
    return close.pct_change()
"""


@pytest.mark.parametrize(("name", "code"), [("ends_later", 3), ("leaves_a_thread", 0), ("writes_below", 0)])
def test_a_file_that_ends_or_fills_the_process_gets_no_false_answer(name, code, tmp_path, capfd):
    (tmp_path / "mine.py").write_text(CODE)
    home = str(tmp_path / "home")
    words = [
        "verify",
        "--function",
        f"{tmp_path}/mine.py:{name}",
        "--cuts",
        "3",
        "--home",
        home,
        "--quiet",
        "--json",
        "--jobs",
        "1",
    ]
    with pytest.raises(SystemExit) as left:
        main(words)
    told = capfd.readouterr()
    assert left.value.code == code
    if code:
        assert "ended its process" in told.err
    else:
        assert json.loads(told.out)[0]["ok"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfdef f(close):\n    return close\n",
        b'# coding: latin-1\ndef f(close):\n    "\xe9"\n    return close\n',
    ],
    ids=["mark", "declared"],
)
def test_a_file_is_read_as_python_reads_it(content, tmp_path):
    (tmp_path / "mine.py").write_bytes(content)
    assert load_user_code(f"{tmp_path}/mine.py:f")(3) == 3


def test_a_file_that_is_no_text_and_a_notebook_that_is_none_say_so(tmp_path):
    (tmp_path / "mine.py").write_bytes(b"def f(close): return close  # \xe9\n")
    with pytest.raises(UserCodeError, match="save it as UTF-8"):
        load_user_code(f"{tmp_path}/mine.py:f")
    for content in (b"no json", b'{"cells": 3}', b"\xff\xfe"):
        (tmp_path / "mine.ipynb").write_bytes(content)
        with pytest.raises(DataError, match="give FILE") as refused:
            load_user_code(f"{tmp_path}/mine.ipynb:f")
        assert not isinstance(refused.value, UserCodeError)


def test_a_failure_is_told_briefly_and_at_the_users_line(tmp_path):
    (tmp_path / "mine.py").write_text('raise ValueError("x" * 10**6)\n')
    with pytest.raises(UserCodeError, match="1000000 characters") as failed:
        load_user_code(f"{tmp_path}/mine.py:f")
    assert len(str(failed.value)) < 700
    (tmp_path / "mine.py").write_text("import json\njson.loads('no')\n")
    with pytest.raises(UserCodeError, match=r"\(mine.py, line 2\)"):
        load_user_code(f"{tmp_path}/mine.py:f")


def test_a_path_with_a_space_is_a_uri_in_sarif(close):
    report = reported(lambda close: close.shift(-1), close)
    [run] = sarif([(report, "my features/é.py", 1)])["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "my%20features/%C3%A9.py"}
