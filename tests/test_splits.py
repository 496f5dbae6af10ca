"Splits: every pair judged one by one, and both splitters judged by that."

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError
from forecastkit.data.splits import ExpandingSplit, PurgedKFold, assert_no_leak

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("2001-01-02", "2004-12-31")


def overlaps(train: pd.DatetimeIndex, test: pd.DatetimeIndex, horizon: int) -> bool:
    "Whether two outcomes share a session, pair by pair."
    ends = {day: NYSE.target_sessions([day], horizon)[0] for day in train.union(test)}
    return any(max(one, other) < min(ends[one], ends[other]) for one in train for other in test)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_a_leak_is_a_pair_of_overlapping_outcomes(seed, horizon):
    rng = np.random.default_rng(seed)
    near = DAYS[rng.integers(0, 900) :][:60]  # some of them around September 2001
    rows = near[rng.permutation(60)[: rng.integers(2, 14)]]
    train, test = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    if overlaps(train, test, horizon):
        with pytest.raises(DataError, match="the split leaks"):
            assert_no_leak(train, test, horizon, NYSE)
    else:
        assert_no_leak(train, test, horizon, NYSE)


def test_the_message_names_a_pair_that_leaks():
    with pytest.raises(DataError, match="training row 2001-09-10 and tested row 2001-09-18 are 2 sessions apart"):
        assert_no_leak(["2001-09-07", "2001-09-10"], ["2001-09-18", "2001-10-18"], 3, NYSE)
    assert_no_leak(["2001-09-07", "2001-09-10"], ["2001-09-18", "2001-10-18"], 2, NYSE)
    with pytest.raises(DataError, match="0 sessions apart"):
        assert_no_leak(DAYS[:3], DAYS[2:5], 1, NYSE)


def test_empty_sides_leak_nothing():
    assert_no_leak(DAYS[:0], DAYS[:5], 5, NYSE)
    assert_no_leak(DAYS[:5], DAYS[:0], 5, NYSE)


@st.composite
def frames(draw):
    "Rows on some of the sessions, with gaps."
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n = draw(st.integers(40, 300))
    return pd.DataFrame({"x": np.arange(n)}, index=DAYS[np.sort(rng.permutation(n + draw(st.integers(0, 80)))[:n])])


@settings(max_examples=40, deadline=None)
@given(frames(), st.integers(1, 12), st.integers(0, 5), st.integers(1, 5))
def test_an_expanding_split_trains_on_what_was_known(X, horizon, embargo, n_splits):
    assume(len(X) > 30 + horizon + embargo + n_splits)
    folds = list(ExpandingSplit(horizon, n_splits, 20, embargo).split(X))
    assert len(folds) == n_splits
    assert [i for _, test in folds for i in test] == list(
        range(folds[0][1][0], len(X))
    )  # each later row once, in order
    for train, test in folds:
        assert_no_leak(X.index[train], X.index[test], horizon, NYSE)
        assert len(train) >= 20
        known = NYSE.target_sessions(X.index, horizon + embargo) <= X.index[test[0]]
        assert list(train) == list(np.flatnonzero(known))


@settings(max_examples=40, deadline=None)
@given(frames(), st.integers(1, 8), st.integers(0, 5), st.integers(2, 5))
def test_purged_folds_test_every_row_and_drop_no_more_than_they_must(X, horizon, embargo, n_splits):
    tested = []
    for train, test in PurgedKFold(horizon, n_splits, embargo).split(X):
        assert_no_leak(X.index[train], X.index[test], horizon, NYSE)
        tested += list(test)
        dropped = set(range(len(X))) - set(train) - set(test)
        for row in dropped:
            with pytest.raises(DataError):
                assert_no_leak(X.index[[row]], X.index[test], horizon + embargo, NYSE)
    assert tested == list(range(len(X)))


def test_too_little_data_and_wrong_rows_are_refused():
    X = pd.DataFrame({"x": 0.0}, index=DAYS[:60])
    for bad, message in (
        (X.reset_index(drop=True), "sessions"),
        (X.iloc[[3, 2]], "in order"),
        (X.iloc[[3, 3]], "twice"),
    ):
        for cv in (ExpandingSplit(5, 2, 1), PurgedKFold(5, 2)):
            with pytest.raises(DataError, match=message):
                next(cv.split(bad))
    with pytest.raises(DataError, match="60 rows leave 5 to test on"):
        next(ExpandingSplit(5, 6, 51).split(X))
    with pytest.raises(DataError, match="leaves no row to train on"):
        list(PurgedKFold(50, 2).split(X))


def test_as_many_rows_as_folds_are_enough_and_one_fewer_is_not():
    days = get_calendar("XNYS").sessions_in_range("2018-01-02", "2018-01-31")
    folds = list(PurgedKFold(n_splits=5, horizon=1).split(pd.DataFrame({"x": 1.0}, days[:5])))
    assert [test.tolist() for _, test in folds] == [[0], [1], [2], [3], [4]]
    with pytest.raises(DataError, match="4 rows cannot be cut into 5 folds"):
        list(PurgedKFold(n_splits=5, horizon=1).split(pd.DataFrame({"x": 1.0}, days[:4])))


def test_both_serve_as_cv_in_scikit_learn():
    from sklearn.base import clone
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    X = pd.DataFrame({"x": np.arange(300.0)}, index=DAYS[:300])
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=ExpandingSplit(5, 3, 100))
    assert clone(search).fit(X, X["x"]).n_splits_ == 3
    assert GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=PurgedKFold(5, 4)).fit(X, X["x"]).n_splits_ == 4
