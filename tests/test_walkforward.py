"Walking forward: who is trained on what, who serves whom, and the same bits however it is run."

import re

import numpy as np
import pandas as pd
import pytest

from forecastkit.core import PROBS, DataError
from forecastkit.sessions import grid_session, outcomes, refit_sessions, session_number, sessions, target_sessions
from forecastkit.walkforward import blocks, first_origin, training_rows, walk_forward

DAYS = sessions("2000-01-03", "2003-12-31")  # four days of September 2001 are no sessions
GAPS = DAYS[[60, 61, 300, int(np.flatnonzero(session_number(DAYS) % 63 == 0)[9])]]  # the last one is a refit session
RNG = np.random.default_rng(5)
LEVEL = pd.Series(np.exp(3 + 0.1 * RNG.standard_normal(len(DAYS)).cumsum() / 5), DAYS).drop(GAPS)
X = pd.DataFrame({"log": np.log(LEVEL), "slow": np.log(LEVEL).rolling(30).mean()})
Y = outcomes(LEVEL, 5)
SEEN = []


class Plain:
    "Empirical quantiles of the outcomes around the last feature; notes what it was shown."

    def fit(self, X, y):
        SEEN.append((X.index, y))
        self.spread = np.quantile(y, PROBS)
        return self

    def predict_quantiles(self, X, last=None):
        x = X["log"].to_numpy()[-last if last else 0 :]
        return 0.1 * (3 - x)[:, None] + self.spread


def walk(X=X, y=Y, **more):
    return walk_forward(X, y, **{"make": Plain, "horizon": 5, "min_train_rows": 200} | more)


RAW = walk()


def test_each_version_saw_all_that_was_known_and_nothing_else():
    SEEN.clear()
    walk(needs=["slow"], train_start="2000-03-01")
    grids = refit_sessions(X.index[X.index >= first_origin(X, Y, 5, 63, 200, "2000-03-01", ["slow"])])
    assert len(SEEN) == len(grids)
    ends = target_sessions(Y.index, 5)
    for grid, (features, y) in zip(grids, SEEN):
        assert list(features) == list(X.index[X.index <= grid])
        fit_for = (ends <= grid) & Y.notna() & X["slow"].notna() & (Y.index >= "2000-03-01")
        pd.testing.assert_series_equal(y, Y[fit_for])
        assert y.index.max() < grid


def test_each_origin_is_served_once_by_the_version_in_force():
    assert list(RAW.origins) == list(X.index[X.index >= RAW.grid[0]])
    assert [grid_session(day) for day in RAW.origins] == list(RAW.grid)
    assert GAPS[-1] in RAW.grid and GAPS[-1] not in RAW.origins  # a version is trained where the data have a gap
    assert RAW.quantiles.shape == (len(RAW.origins), 23)
    joined = [day for block in blocks(X.index, "2001-02-07") for day in block.origins]
    assert joined == list(X.index[X.index >= "2001-02-07"])


@pytest.mark.parametrize("cut", [first_origin(X, Y, 5, 63, 200), *RAW.origins[[1, 62, 63, 200, -2]]], ids=str)
def test_tomorrow_taken_away_or_spoilt_changes_nothing(cut):
    n = RAW.origins.get_loc(cut) + 1
    shorter = walk(X[:cut], outcomes(LEVEL[:cut], 5))
    assert shorter.quantiles.tobytes() == RAW.quantiles[:n].tobytes()
    assert list(shorter.grid) == list(RAW.grid[:n])

    noise = np.where(X.index > cut, 7.0, 0.0)
    unknown = target_sessions(Y.index, 5) > cut
    nonsense = pd.Series(RNG.normal(9, 1, len(Y)), Y.index)
    spoilt = walk(X.add(noise, axis=0), Y.mask(unknown & Y.notna(), nonsense))
    assert spoilt.quantiles[:n].tobytes() == RAW.quantiles[:n].tobytes()


def test_a_later_beginning_gives_the_same_rows():
    for first in (RAW.origins[0], RAW.origins[100], RAW.origins[-1], pd.Timestamp("1999-12-31")):
        part = walk(first=first)
        assert part.quantiles.tobytes() == RAW.quantiles[RAW.origins >= first].tobytes()
    with pytest.raises(DataError, match="no origin from 2004-01-02 on"):
        walk(first="2004-01-02")
    with pytest.raises(DataError, match="is no session"):
        walk(first="2003-01-01")


def test_two_processes_give_the_same_bits_and_are_gone_afterwards():
    import multiprocessing
    import threading

    two = walk(n_jobs=2)
    assert two.quantiles.tobytes() == RAW.quantiles.tobytes()
    assert list(two.grid) == list(RAW.grid)
    assert not multiprocessing.active_children()
    assert not [t.name for t in threading.enumerate() if "QueueManager" in t.name]


class Shelf:
    "A store in memory that may be interrupted."

    def __init__(self, patience=10**9):
        self.models, self.answers, self.patience = {}, {}, patience

    def load(self, grid):
        return self.models.get(grid)

    def save(self, grid, model):
        if len(self.models) == self.patience:
            raise KeyboardInterrupt
        self.models[grid] = model

    def recall(self, grid, origins):
        return self.answers.get((grid, origins[0], origins[-1]))

    def remember(self, grid, origins, quantiles):
        self.answers[grid, origins[0], origins[-1]] = quantiles


def test_an_interrupted_walk_goes_on_where_it_stood():
    shelf = Shelf(patience=4)
    with pytest.raises(KeyboardInterrupt):
        walk(store=shelf)
    assert len(shelf.models) == len(shelf.answers) == 4
    shelf.patience = 10**9
    SEEN.clear()
    assert walk(store=shelf).quantiles.tobytes() == RAW.quantiles.tobytes()
    assert len(SEEN) == RAW.grid.nunique() - 4
    SEEN.clear()
    assert walk(store=shelf).quantiles.tobytes() == RAW.quantiles.tobytes()
    shelf.answers.clear()
    assert walk(store=shelf).quantiles.tobytes() == RAW.quantiles.tobytes()
    assert len(shelf.answers) == RAW.grid.nunique()
    assert not SEEN


def test_the_first_possible_date_is_said_and_is_true():
    for stop in (100, 203, 204, 235):
        with pytest.raises(DataError, match="first forecast will be possible as of") as error:
            first_origin(X[:stop], outcomes(LEVEL[:stop], 5), 5, 63, 200)
        said = pd.Timestamp(re.search(r"as of (\d{4}-\d{2}-\d{2})", str(error.value))[1])
        gapless = LEVEL.reindex(DAYS).interpolate()  # the promise holds if no further session is missing
        gapless = gapless.drop([day for day in GAPS if day <= X.index[stop - 1]])
        assert first_origin(X.reindex(gapless.index), outcomes(gapless, 5), 5, 63, 200) == said
        assert f"{len(training_rows(X[:stop], Y, X.index[stop - 1], 5)[1])} training rows are known" in str(error.value)
    with pytest.raises(DataError, match="possible as of a session after"):
        first_origin(X, Y, 5, min_train_rows=50_000)


@pytest.mark.parametrize(
    "answer",
    [
        lambda q: q[1:],
        lambda q: q[:, :-1],
        lambda q: q * np.nan,
        lambda q: q[:, ::-1],
        lambda q: np.where(np.arange(23) == 22, np.inf, q),
    ],
    ids=["a row short", "a probability short", "nan", "falling", "infinite"],
)
def test_what_is_no_quantiles_is_refused(answer):
    class Wrong(Plain):
        def predict_quantiles(self, X, last=None):
            return answer(super().predict_quantiles(X, last))

    with pytest.raises(DataError, match="gave no quantiles"):
        walk(make=Wrong)


def test_other_horizons_and_calendars():
    every_day = pd.date_range("2020-01-01", periods=500, unit="us", name="session")
    level = pd.Series(np.exp(0.01 * np.arange(500) + 0.1 * np.random.default_rng(0).standard_normal(500)), every_day)
    features = pd.DataFrame({"log": np.log(level)})
    for horizon in (1, 21):
        raw = walk(features, outcomes(level, horizon, "24/7"), horizon=horizon, calendar="24/7")
        assert raw.origins[0] == raw.grid[0] >= every_day[200 + horizon - 1]
        assert (session_number(raw.grid, "24/7") % 63 == 0).all()
