"Answers and data of every kind that pandas has: compared properly, or refused in one sentence."

import decimal
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecastkit.core import DataError, SettingsError, UserCodeError, format_value
from forecastkit.data import synthetic_market
from forecastkit.evaluation import audit
from forecastkit.evaluation.audit_views import FrameViews, moments_of
from forecastkit.evaluation.fresh_answers import FirstAnswer, called
from forecastkit.evaluation.function_audit import AuditLimits, audit_report
from forecastkit.evaluation.traces import as_table, differences, same_cell

BARS = synthetic_market(sessions=200, seed=5).market.bars("SPX")


def reported(fn, data=BARS):
    "The report of a function without memory, whose first answer needs no process of its own."
    moments_of(data)
    views = FrameViews(data)
    return audit_report(
        fn, views, FirstAnswer(called(fn, views.whole(), views, "asked")), AuditLimits(cuts=6), "asked", None
    )


def rises(bars, k):
    "Whether the close rose: yesterday for k of 1, tomorrow for k of -1."
    change = bars["close"].diff()
    return change.shift(k) > 0


def cells(make):
    "Objects in cells, one for each truth value."
    return lambda bars, k: pd.Series([make(float(one)) for one in rises(bars, k)], bars.index)


def gaps(column):
    return column.where(np.arange(len(column)) % 5 > 0)


ONE = pd.Timestamp("2020-01-01")
ANSWERS = {
    "arrow integer": lambda bars, k: rises(bars, k).astype("int64[pyarrow]"),
    "arrow float with gaps": lambda bars, k: bars["close"].shift(k).astype("float64[pyarrow]"),
    "arrow text": lambda bars, k: rises(bars, k).map({True: "up", False: "down"}).astype("string[pyarrow]"),
    "arrow list": lambda bars, k: pd.Series(
        pd.array([[int(one)] for one in rises(bars, k)], dtype=pd.ArrowDtype(pa.list_(pa.int64()))), bars.index
    ),
    "arrow struct": lambda bars, k: pd.Series(
        pd.array([{"a": int(one)} for one in rises(bars, k)], dtype=pd.ArrowDtype(pa.struct([("a", pa.int64())]))), bars.index
    ),
    "nullable truth": lambda bars, k: gaps(rises(bars, k).astype("boolean")),
    "nullable integer": lambda bars, k: gaps(rises(bars, k).astype("Int64")),
    "nullable float": lambda bars, k: bars["close"].shift(k).astype("Float64"),
    "nullable text": lambda bars, k: gaps(rises(bars, k).map({True: "up", False: "down"}).astype("string")),
    "a large nullable integer": lambda bars, k: rises(bars, k).astype("Int64") + 2**60,
    "a large unsigned integer": lambda bars, k: rises(bars, k).astype("uint64") + np.uint64(2**63),
    "dicts": cells(lambda one: {"rose": one}),
    "lists with a gap": cells(lambda one: [one, float("nan")]),
    "long arrays": cells(lambda one: np.r_[np.zeros(1000), one, np.zeros(1000)]),
    "tuples": cells(lambda one: (one, 1)),
    "series": cells(lambda one: pd.Series([one, np.nan])),
    "decimals": cells(lambda one: decimal.Decimal(int(one))),
    "spans of time": lambda bars, k: pd.to_timedelta(rises(bars, k).astype(int), unit="D"),
    "moments": lambda bars, k: ONE + pd.to_timedelta(rises(bars, k).astype(int), unit="D"),
    "half floats": lambda bars, k: rises(bars, k).astype("float16"),
    "long floats": lambda bars, k: bars["close"].shift(k).astype("longdouble"),
    "sparse": lambda bars, k: rises(bars, k).astype(int).astype(pd.SparseDtype("int64", 0)),
    "sparse truth": lambda bars, k: rises(bars, k).astype(pd.SparseDtype("bool", False)),
    "categories": lambda bars, k: rises(bars, k).map({True: "up", False: "down"}).astype("category"),
    "complex": lambda bars, k: bars["close"].shift(k) * 1j,
    "months": lambda bars, k: pd.Series(pd.PeriodIndex(np.where(rises(bars, k), "2020-01", "2020-02"), freq="M"), bars.index),
    "intervals": lambda bars, k: pd.Series(
        pd.arrays.IntervalArray.from_arrays(rises(bars, k).astype(float), rises(bars, k) + 1.0), bars.index
    ),
    "columns of two levels": lambda bars, k: pd.concat({"x": bars[["close"]].shift(k), "y": bars}, axis=1),
    "a frame of all kinds": lambda bars, k: pd.DataFrame(
        {"a": rises(bars, k).astype("Int64"), "b": pd.to_timedelta(rises(bars, 1).astype(int), unit="D"), "c": bars["close"]}
    ),
    "the frame itself, changed": lambda bars, k: bars.assign(close=bars["close"].shift(k)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_of_every_kind_is_compared(kind):
    assert reported(lambda bars: ANSWERS[kind](bars, 1)).ok
    assert not reported(lambda bars: ANSWERS[kind](bars, -1)).ok


HOLDS = {
    "dicts": [{"a": k} for k in range(200)],
    "lists": [[k] for k in range(200)],
    "nullable truth with gaps": pd.array([True, None] * 100, dtype="boolean"),
    "arrow truth with gaps": pd.array([True, None] * 100, dtype="bool[pyarrow]"),
    "nullable integers with gaps": pd.array([1, None] * 100, dtype="Int64"),
    "spans of time": pd.to_timedelta(np.arange(200), unit="D"),
    "sparse": pd.arrays.SparseArray([0, 1] * 100),
    "half floats": np.arange(200).astype("float16"),
    "floats of 32 bits": np.arange(200).astype("float32"),
    "arrow decimals": pd.array([decimal.Decimal(k) for k in range(200)], dtype=pd.ArrowDtype(pa.decimal128(10, 2))),
    "arrow lists": pd.array([[k] for k in range(200)], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
}


@pytest.mark.parametrize("kind", HOLDS)
def test_data_of_every_kind_are_perturbed(kind):
    data = BARS.assign(held=HOLDS[kind])
    assert reported(lambda frame: frame["held"].shift(1), data).ok
    assert not reported(lambda frame: frame["held"].shift(-1), data).ok
    later = FrameViews(data).perturbed(data.index[99])
    assert later["held"].dtype == data["held"].dtype


REFUSED = {
    "no rows": (lambda bars: bars[["close"]].iloc[:0], "without a single row"),
    "no columns": (lambda bars: bars[[]], "without a single column"),
    "nothing": (lambda bars: None, "returned NoneType"),
    "a dict": (lambda bars: {"close": bars["close"]}, "makes one of a dict"),
    "too few values": (lambda bars: np.zeros(3), "3 values for 200 rows"),
    "a cube": (lambda bars: np.zeros((len(bars), 2, 2)), "one column for each feature"),
    "a date twice": (lambda bars: pd.concat([bars["close"]] * 2), "stands twice"),
    "a panel with a row twice": (lambda bars: pd.concat([bars["close"].to_frame().assign(s="A").set_index("s", append=True)] * 2), "stands twice"),
    "no dates": (lambda bars: bars["close"].reset_index(drop=True), "give them the index of the data"),
    "an absent date": (lambda bars: bars["close"].set_axis(bars.index[:-1].append(pd.DatetimeIndex([pd.NaT]))), "one is absent"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_an_answer_that_is_no_table_by_date_is_refused_in_one_sentence(kind):
    fn, words = REFUSED[kind]
    with pytest.raises(UserCodeError, match=words):
        reported(fn)


def test_two_columns_of_the_data_with_one_name_are_bad_input():
    with pytest.raises(DataError, match="two columns of the frame are called"):
        reported(lambda frame: frame, pd.concat([BARS, BARS], axis=1))


def test_cells_are_the_same_part_by_part():
    assert same_cell({"a": [1.0, np.nan]}, {"a": [1.0, np.nan]}) and not same_cell([1, 2], [1, 3])
    assert format_value(pd.NA) == "nothing"


@pytest.mark.parametrize("dtype", ["int64[pyarrow]", "double[pyarrow]"])
def test_a_frame_of_arrow_numbers_is_audited(dtype):
    frame = pd.DataFrame({"close": (100 * BARS["close"]).round().astype("int64").astype(dtype)})
    assert reported(lambda bars: bars["close"].diff(), frame).ok
    assert not reported(lambda bars: bars["close"].diff().shift(-1), frame).ok


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"cuts": 1.5}, "give 1 or more, a whole number"),
        ({"seconds": 0}, "leave no time"),
        ({"tolerance": -1}, "tells nothing apart"),
        ({"tolerance": float("nan")}, "tells nothing apart"),
        ({"tolerance": float("inf")}, "tells nothing apart"),
        ({"n_jobs": 0}, "whole number of processes"),
        ({"decide": "noon"}, "at the close or at the open"),
    ],
)
def test_settings_of_an_audit_that_make_no_sense_are_refused_before_anything_is_asked(wrong, told):
    with pytest.raises(SettingsError, match=told):
        audit(lambda bars: pytest.fail("it was asked"), BARS, **wrong)


def test_dates_in_another_form_are_told_how_to_become_an_index():
    with pytest.raises(DataError, match=r"pd\.to_datetime"):
        moments_of(BARS.set_axis(BARS.index.strftime("%Y-%m-%d")))


def test_a_function_that_leaves_the_working_folder_changes_it_for_nobody(tmp_path):
    def wanders(bars):
        os.chdir(tmp_path)
        return bars["close"].diff()

    here = Path.cwd()
    assert reported(wanders).ok and Path.cwd() == here


def unless_it_fell(bars):
    if bars["close"].iloc[-1] < bars["close"].iloc[-2]:
        raise ValueError("no signal today")
    return bars["close"].pct_change()


def after_a_while(bars):
    if len(bars) < 120:
        raise ValueError("too few rows")
    return bars["close"].pct_change()


@pytest.mark.parametrize(("fn", "late"), [(unless_it_fell, True), (after_a_while, False)])
def test_a_refusal_that_depends_on_the_data_is_told_from_a_lack_of_history(fn, late):
    rose = BARS.loc[: BARS["close"].diff().idxmax()]
    report = audit(fn, BARS if fn is after_a_while else rose, cuts=40)
    assert report.ok and any("it gave no answer to" in note and "views" in note for note in report.notes)
    assert any("that is no lack of history" in note for note in report.notes) is late


EQUAL = {
    "truths and numbers": (True, 1),
    "truths and numbers in cells": ([True, None], [1, None]),
    "keys of a dict in another order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
}
UNLIKE = {
    "numbers and texts": (1, "1"),
    "lists and tuples": ([1], (1,)),
    "lists and arrays": ([1, 2], np.array([1, 2])),
    "objects without an equality": (object(), object()),
}


@pytest.mark.parametrize("kind", [*EQUAL, *UNLIKE])
def test_what_the_page_says_of_equal_values_holds(kind):
    one, other = ({**EQUAL, **UNLIKE})[kind]
    days = BARS.index[:2]
    tables = [as_table(pd.Series([value, value], days)) for value in (one, other)]
    assert bool(differences(*tables).any()) is (kind in UNLIKE)


def test_of_columns_with_one_name_that_name_is_told():
    with pytest.raises(DataError, match="two columns of the function's result are called b:"):
        as_table(pd.DataFrame([[1.0, 2.0, 3.0]], index=pd.to_datetime(["2018-01-02"]), columns=["a", "b", "b"]))
