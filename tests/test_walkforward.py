"Walking forward: who is trained on what, who serves whom, and the same bits however it is run."

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import gone

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, DataError, SettingsError, Stopwatch
from forecastkit.evaluation.refits import RefitSchedule
from forecastkit.evaluation.walkforward import drift_statistic, walk_forward
from forecastkit.metrics import pit, pit_test

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("2000-01-03", "2003-12-31")  # four days of September 2001 are no sessions
GAPS = DAYS[
    [60, 61, 300, int(np.flatnonzero(NYSE.session_numbers(DAYS) % 63 == 0)[9])]
]  # the last one is a refit session
RNG = np.random.default_rng(5)
LEVEL = pd.Series(np.exp(3 + 0.1 * RNG.standard_normal(len(DAYS)).cumsum() / 5), DAYS).drop(GAPS)
X = pd.DataFrame({"log": np.log(LEVEL), "slow": np.log(LEVEL).rolling(30).mean()})
Y = NYSE.outcomes(LEVEL, 5)
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


def schedule(horizon=5, calendar=NYSE, **more):
    return RefitSchedule(calendar, horizon, **{"min_train_rows": 200} | more)


SCHEDULE = schedule()


def walk(X=X, y=Y, make=Plain, schedule=SCHEDULE, **more):
    return walk_forward(X, y, make, schedule, **more)


RAW = walk()


def test_each_version_saw_all_that_was_known_and_nothing_else():
    SEEN.clear()
    later = schedule(needs=("slow",), train_start="2000-03-01")
    walk(schedule=later)
    grids = later.refit_sessions(X.index[X.index >= later.first_origin(X, Y)])
    assert len(SEEN) == len(grids)
    ends = NYSE.target_sessions(Y.index, 5)
    for grid, (features, y) in zip(grids, SEEN):
        assert list(features) == list(X.index[X.index <= grid])
        fit_for = (ends <= grid) & Y.notna() & X["slow"].notna() & (Y.index >= "2000-03-01")
        pd.testing.assert_series_equal(y, Y[fit_for])
        assert y.index.max() < grid


def test_each_origin_is_served_once_by_the_version_in_force():
    assert list(RAW.origins) == list(X.index[X.index >= RAW.grid[0]])
    assert [NYSE.grid_session(day) for day in RAW.origins] == list(RAW.grid)
    assert GAPS[-1] in RAW.grid and GAPS[-1] not in RAW.origins  # a version is trained where the data have a gap
    assert RAW.quantiles.shape == (len(RAW.origins), 23)
    joined = [day for block in SCHEDULE.blocks(X.index, "2001-02-07") for day in block.origins]
    assert joined == list(X.index[X.index >= "2001-02-07"])


@pytest.mark.parametrize("cut", [SCHEDULE.first_origin(X, Y), *RAW.origins[[1, 62, 63, 200, -2]]], ids=str)
def test_tomorrow_taken_away_or_spoilt_changes_nothing(cut):
    n = RAW.origins.get_loc(cut) + 1
    shorter = walk(X[:cut], NYSE.outcomes(LEVEL[:cut], 5))
    assert shorter.quantiles.tobytes() == RAW.quantiles[:n].tobytes()
    assert list(shorter.grid) == list(RAW.grid[:n])

    noise = np.where(X.index > cut, 7.0, 0.0)
    unknown = NYSE.target_sessions(Y.index, 5) > cut
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


def test_a_walk_that_begins_later_gives_the_same_rows_and_no_earlier_ones():
    for start in (RAW.origins[100], "2001-09-12"):  # no session
        late = schedule(walk_start=start)
        part = walk(schedule=late)
        assert part.origins[0] == late.first_origin(X, Y) == RAW.origins[RAW.origins >= pd.Timestamp(start)][0]
        assert part.quantiles.tobytes() == RAW.quantiles[RAW.origins >= part.origins[0]].tobytes()
    assert schedule(walk_start="1999-01-04").first_origin(X, Y) == RAW.origins[0]
    with pytest.raises(DataError, match=f"set walk_start to {RAW.origins[0]:%Y-%m-%d}"):
        walk(schedule=schedule(walk_start="2010-01-04"))


def test_what_models_measure_is_added_up_over_processes(walks_in_processes):
    class Timed(Plain):
        def fit(self, X, y):
            self.watch_ = Stopwatch({"fit Timed": 1.0})
            return super().fit(X, y)

    for n_jobs in (1, 2):
        walk(make=Timed, n_jobs=n_jobs, watch=(watch := Stopwatch()))
        assert watch.seconds == {"fit Timed": float(RAW.grid.nunique())}


def test_two_processes_give_the_same_bits_and_are_gone_afterwards(walks_in_processes):
    import multiprocessing
    import threading

    two = walk(n_jobs=2)
    assert two.quantiles.tobytes() == RAW.quantiles.tobytes()
    assert list(two.grid) == list(RAW.grid)
    assert not multiprocessing.active_children()
    assert not [t.name for t in threading.enumerate() if "QueueManager" in t.name]


def test_two_dask_workers_give_the_same_bits():
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        assert walk(dask=cluster.scheduler_address).quantiles.tobytes() == RAW.quantiles.tobytes()
        with pytest.raises(DataError, match="gave no quantiles"):
            walk(make=NoAnswer, dask=cluster.scheduler_address)


class NoAnswer(Plain):
    def predict_quantiles(self, X, last=None):
        return super().predict_quantiles(X, last)[:0]


@pytest.mark.parametrize("address", ["nowhere", "tcp://127.0.0.1:1", "tcp://localhost:port"])
def test_a_scheduler_that_does_not_answer_is_named(address):
    with pytest.raises(SettingsError, match=f"no Dask scheduler answers at {address}"):
        walk(dask=address)


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SettingsError, match=r"forecastkit\[dask\]"):
        walk(dask="tcp://127.0.0.1:8786")


class InMemory:
    "A store in memory that may be interrupted."

    def __init__(self, patience=10**9):
        self.models, self.quantiles, self.patience = {}, {}, patience

    def load(self, grid):
        return self.models.get(grid)

    def save(self, grid, model):
        if len(self.models) == self.patience:
            raise KeyboardInterrupt
        self.models[grid] = model

    def load_quantiles(self, grid, origins):
        return self.quantiles.get((grid, origins[0], origins[-1]))

    def save_quantiles(self, grid, origins, quantiles):
        self.quantiles[grid, origins[0], origins[-1]] = quantiles


def test_an_interrupted_walk_goes_on_where_it_stood():
    store = InMemory(patience=4)
    with pytest.raises(KeyboardInterrupt):
        walk(store=store)
    assert len(store.models) == len(store.quantiles) == 4
    store.patience = 10**9
    SEEN.clear()
    assert walk(store=store).quantiles.tobytes() == RAW.quantiles.tobytes()
    assert len(SEEN) == RAW.grid.nunique() - 4
    SEEN.clear()
    assert walk(store=store).quantiles.tobytes() == RAW.quantiles.tobytes()
    store.quantiles.clear()
    assert walk(store=store).quantiles.tobytes() == RAW.quantiles.tobytes()
    assert len(store.quantiles) == RAW.grid.nunique()
    assert not SEEN


def test_the_first_possible_date_is_said_and_is_true():
    for stop in (100, 203, 204, 235):
        with pytest.raises(DataError, match="first forecast will be possible as of") as error:
            SCHEDULE.first_origin(X[:stop], NYSE.outcomes(LEVEL[:stop], 5))
        said = pd.Timestamp(re.search(r"as of (\d{4}-\d{2}-\d{2})", str(error.value))[1])
        gapless = LEVEL.reindex(DAYS).interpolate()  # the promise holds if no further session is missing
        gapless = gapless.drop([day for day in GAPS if day <= X.index[stop - 1]])
        assert SCHEDULE.first_origin(X.reindex(gapless.index), NYSE.outcomes(gapless, 5)) == said
        assert f"{len(SCHEDULE.training_rows(X[:stop], Y, X.index[stop - 1])[1])} training rows are known" in str(
            error.value
        )
    with pytest.raises(DataError, match="possible as of a session after"):
        schedule(min_train_rows=50_000).first_origin(X, Y)


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
        daily = get_calendar("24/7")
        raw = walk(features, daily.outcomes(level, horizon), schedule=schedule(horizon, daily))
        assert raw.origins[0] == raw.grid[0] >= every_day[200 + horizon - 1]
        assert (daily.session_numbers(raw.grid) % 63 == 0).all()


WITH_LIMIT = schedule(drift_limit=0.8)
LIMITED = walk(schedule=WITH_LIMIT)  # so low that versions are refitted off the grid


def test_no_version_serves_longer_than_the_grid_is_wide():
    for walked in (RAW, LIMITED):
        age = NYSE.session_numbers(walked.origins) - NYSE.session_numbers(walked.grid)
        assert age.min() >= 0 and age.max() < 63


def test_a_version_that_drifts_is_refitted_off_the_grid_and_serves_from_there():
    off = LIMITED.grid.unique().difference(RAW.grid.unique())
    assert len(off), "no drift was found: the test shows nothing"
    t = drift_statistic(RAW, Y, SCHEDULE)
    for grid in RAW.grid.unique():
        rows = np.flatnonzero(RAW.grid == grid)
        served = LIMITED.grid[rows]
        over = np.abs(t[rows]) > 0.8
        if over.any() and not over[0]:
            crossed = int(over.argmax())
            assert (served[:crossed] == grid).all() and (served[crossed:] == RAW.origins[rows[crossed]]).all()
            model = Plain().fit(*SCHEDULE.training_rows(X, Y, RAW.origins[rows[crossed]]))
            wanted = model.predict_quantiles(X[: RAW.origins[rows[-1]]], last=len(rows) - crossed)
            assert LIMITED.quantiles[rows[crossed:]].tobytes() == wanted.tobytes()
        else:
            assert (served == grid).all()
            assert LIMITED.quantiles[rows].tobytes() == RAW.quantiles[rows].tobytes()


def test_the_drift_statistic_looks_back_upon_the_last_known_outcomes():
    t = drift_statistic(RAW, Y, SCHEDULE)
    i = len(t) - 30
    known = [
        k
        for k, day in enumerate(RAW.origins)
        if np.isfinite(Y[day]) and NYSE.target_sessions([day], 5)[0] <= RAW.origins[i]
    ]
    u = pit(Y[RAW.origins[known[-250:]]].to_numpy(), RAW.quantiles[known[-250:]])
    assert t[i] == pit_test(u, 15)["variance_t"]
    assert np.isnan(t[:250]).all()


@pytest.mark.parametrize(
    "cut", [*LIMITED.origins[[0, 255, 300, -40, -2]], *LIMITED.grid.unique().difference(RAW.grid)], ids=str
)
def test_refits_off_the_grid_see_nothing_of_tomorrow(cut):
    n = LIMITED.origins.get_loc(cut) + 1
    then = walk(X[:cut], NYSE.outcomes(LEVEL[:cut], 5), schedule=WITH_LIMIT)
    assert then.quantiles.tobytes() == LIMITED.quantiles[:n].tobytes()
    assert list(then.grid) == list(LIMITED.grid[:n])
    part = walk(schedule=WITH_LIMIT, first=cut)
    assert part.quantiles.tobytes() == LIMITED.quantiles[n - 1 :].tobytes()
    assert list(part.grid) == list(LIMITED.grid[n - 1 :])


TERMINATED = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from forecastkit.cli.main import sigterm_as_exit
from test_walkforward import Plain, walk

class Busy(Plain):
    def fit(self, X, y):
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(60)

with sigterm_as_exit():
    walk(make=Busy, n_jobs=2)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked up in /proc")
def test_sigterm_ends_the_processes_that_train():
    command = [sys.executable, "-c", TERMINATED, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        workers = [int(process.stdout.readline()) for _ in range(2)]
        process.terminate()
        assert process.wait(timeout=50) == 143
    assert all(gone(worker) for worker in workers)
