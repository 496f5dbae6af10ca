"What a function carries from before its audit is named in a note, and what carries nothing gets none."

from functools import cache, partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from forecastkit.data import synthetic_market
from forecastkit.evaluation import audit
from forecastkit.evaluation.carried_values import carried_values

MARKET = synthetic_market(sessions=300, seed=5).market
CLOSE = MARKET.close("SPX")
SCALER = StandardScaler().fit(CLOSE.to_numpy()[:, None])
PIPE = make_pipeline(StandardScaler()).fit(CLOSE.to_frame())
MODELS = {"scale": SCALER, "windows": [5, 20]}
EMPTY: dict[int, pd.Series] = {}
WEIGHTS = np.array([0.5, 0.3, 0.2])
SECTORS = {f"S{k}": k % 11 for k in range(15)}
GRID = np.arange(5, 250, 5)
BLANK = StandardScaler()


class Level:
    "Learns the mean of what it is shown first, or when it is told to."

    mean: float | None = None

    def __init__(self, window=20):
        self._prepare(window)

    def _prepare(self, window):
        self.window = window

    def fit(self, close):
        self.mean = close.mean()
        return self

    def __call__(self, close):
        return close / (close.mean() if self.mean is None else self.mean)


class Lazy:
    "Keeps the mean of what it was asked first."

    kept = None

    def __call__(self, close):
        self.kept = close.mean() if self.kept is None else self.kept
        return close / self.kept


@cache
def mean_of_a_year(year):
    return float(CLOSE[CLOSE.index.year == year].mean())


def by_scaler(close):
    return pd.Series(SCALER.transform(close.to_numpy()[:, None])[:, 0], close.index)


def by_helper(close):
    return by_scaler(close) + 1


TOMORROW = CLOSE.shift(-1)


def by_default(close, tomorrow=TOMORROW):
    return tomorrow.reindex(close.index)


def lazy_one():
    lazy = Lazy()
    lazy(CLOSE)
    return lazy


LISTED = ["scale", SCALER]
CARRYING = {
    "a global": (by_scaler, "`SCALER` (StandardScaler) was fitted before the audit"),
    "a helper's global": (by_helper, "`SCALER` (StandardScaler) was fitted before the audit"),
    "a pipeline": (lambda close: PIPE.transform(close), "`PIPE` (Pipeline) was fitted"),
    "in a dict": (lambda close: MODELS["scale"].transform(close), "`MODELS['scale']` (StandardScaler) was fitted"),
    "in a list": (lambda close: LISTED[1].transform(close), "`LISTED[1]` (StandardScaler) was fitted"),
    "a default": (by_default, "`tomorrow` (Series) was made before the audit and holds"),
    "a partial": (partial(by_default, tomorrow=CLOSE), "`tomorrow` (Series) was made before the audit"),
    "a closure": ((lambda kept: lambda close: close / kept[0])(CLOSE.to_numpy()), "`kept` (ndarray) was made"),
    "a method": (SCALER.transform, "`self` (StandardScaler) was fitted"),
    "an own object": (Level().fit(CLOSE), "`self` (Level) was fitted before the audit"),
    "an object called before": (lazy_one(), "`self` (Lazy) has set kept before the audit"),
    "a market": (lambda close: MARKET.close("VIX"), "`MARKET` (MarketData) was made before the audit"),
}


@pytest.mark.parametrize("case", CARRYING)
def test_what_was_fitted_or_filled_before_is_named(case):
    fn, words = CARRYING[case]
    notes = carried_values(fn)
    assert len(notes) == 1 and notes[0].startswith(words) and notes[0].endswith("later sessions is not proved")


def test_a_cache_with_answers_is_named_and_an_empty_one_is_not():
    mean_of_a_year.cache_clear()
    by_year = lambda close: close / mean_of_a_year(close.index[-1].year)  # noqa: E731
    assert not [note for note in carried_values(by_year) if "mean_of_a_year" in note]
    by_year(CLOSE)
    assert any("`mean_of_a_year`" in note and "answers of calls before" in note for note in carried_values(by_year))


INNOCENTS = {
    "weights": lambda close: close.rolling(3).apply(lambda part: part @ WEIGHTS),
    "a lookup": lambda close: close * SECTORS["S1"],
    "a grid": lambda close: close.rolling(int(GRID[3])).mean(),
    "an estimator to be fitted": lambda close: BLANK.fit_transform(close.to_frame()),
    "an empty cache": lambda close: EMPTY.setdefault(len(close), close),
    "modules and functions": lambda close: np.log(close).pipe(pd.Series.diff).pipe(audit),
    "an own object before its fit": Level(5),
    "a method of one": Lazy().__call__,
    "a partial of settings": partial(
        lambda close, window, names: close.rolling(window).mean(), window=5, names=["a"] * 50
    ),
}


@pytest.mark.parametrize("case", INNOCENTS)
def test_settings_and_what_is_yet_to_be_fitted_get_no_note(case):
    assert carried_values(INNOCENTS[case]) == []


def test_an_object_whose_attributes_raise_ends_no_audit():
    class Odd:
        @property
        def shape(self):
            raise RuntimeError("not now")

    odd = Odd()
    assert carried_values(lambda close: (odd, SCALER)) != []


def test_the_report_says_it_and_accuses_nobody():
    report = audit(by_scaler, CLOSE, cuts=2)
    assert report.ok and any(note.startswith("`SCALER` (StandardScaler) was fitted") for note in report.notes)


class Held:
    "Data and no method."

    close = CLOSE


class Class:
    "A class method that reads what the class holds."

    close = CLOSE

    @classmethod
    def scaled(cls, close):
        return close / cls.close.max()


FILLED, SPACE, ARROW = Held(), SimpleNamespace(close=CLOSE), pa.array(CLOSE.to_numpy())
FILLED.own = CLOSE.to_numpy()


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (lambda close: close / Held.close.max(), "Held.close"),
        (lambda close: close / FILLED.own.max(), "FILLED.own"),
        (lambda close: close / SPACE.close.max(), "SPACE.close"),
        (lambda close: close / max(ARROW.to_pylist()), "ARROW"),
        (Class.scaled, "Class.close"),
    ],
)
def test_data_in_a_class_a_namespace_or_an_arrow_array_are_named(fn, name):
    assert [note for note in carried_values(fn) if f"`{name}`" in note]


def test_a_class_of_parameters_is_no_data():
    class Parameters:
        window = 20

    given = Parameters()
    given.fast = 5
    assert carried_values(lambda close: close.rolling(given.window).mean() - close.rolling(given.fast).mean()) == []
