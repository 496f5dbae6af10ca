"""Every declaration and many numbers of features and models on made-up data, as they were written down.

A formula is held to its definition elsewhere (`test_formulas`); here a number that the design chose, a window, a limit or a count of
rounds, cannot change unnoticed. So it is with the constants of modules and classes and the defaults of functions and methods, where they are numbers, words, moments, arrays, records or short tables of these. A change that is meant is written
down with `python tests/test_known_numbers.py`."""

import importlib
import inspect
import json
import math
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import EnumMeta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecastkit.calendars import get_calendar, reported_dates
from forecastkit.core import DataWarning, Target
from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features import FeatureEngine, compute_panel, earnings_panel_features, panel_features, stock_features
from forecastkit.features.base import Declaration
from forecastkit.features.panel_bars import PanelFeature
from forecastkit.features.volatility import volatility_features
from forecastkit.models import (
    VOLATILITY_RECIPE,
    DirectionEnsemble,
    MetaLearner,
    PanelForecaster,
    ProbabilisticForecaster,
    default_members,
    explain,
    folded_chances,
)

WRITTEN = Path(__file__).with_name("fixtures") / "known_numbers.json"
PACKAGE = Path(__file__).resolve().parents[1] / "forecastkit"
SECTORS = {"AAA": "energy", "BBB": "energy", "CCC": "health", "DDD": "health"}
NYSE = get_calendar("XNYS")


@cache
def market() -> MarketData:
    return synthetic_market(seed=11, sessions=1400, stocks=tuple(SECTORS)).market


def declared(features: tuple[Declaration, ...]) -> dict[str, Any]:
    plain = [one.name for one in fields(Declaration) if one.name not in ("name", "why")]
    more = ("columns", "pulse", "either", "winsor")
    return {
        one.name: [getattr(one, name) for name in plain] + [getattr(one, name) for name in more if hasattr(one, name)]
        for one in features
    }


def summed_up(table: pd.DataFrame) -> dict[str, list[float]]:
    "How many values each column has, their mean, how far they spread, and the last three; of a column of words how often each stands there."
    numbers, words = table.select_dtypes("number").astype(float), table.select_dtypes(exclude="number")
    counted = {
        f"{name} {word}": [count]
        for name, column in words.items()
        for word, count in sorted(column.value_counts().items())
    }
    return counted | {
        name: [int(column.count()), column.mean(), column.std(), *column.iloc[-3:]] for name, column in numbers.items()
    }


@cache
def house_table() -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return FeatureEngine().build_features(market())


@cache
def of_panel() -> tuple[PanelFeature, ...]:
    "The features of a panel, with those of earnings that are reported each quarter."
    return (*panel_features(), *earnings_panel_features(reported_dates("AAA", market().close("AAA").index[20::63])))


def quantiles() -> dict[str, list[float]]:
    "Of each member of the pool, fitted on all but the last rows: three quantiles of the last two."
    table, y = house_table(), NYSE.outcomes(market().close("VIX"), 5).iloc[:1200].dropna()
    found = {}
    for place, member in enumerate(default_members(VOLATILITY_RECIPE, 5, rounds=12, seed=7)):
        told = np.asarray(member.fit(table.loc[y.index], y).predict_quantiles(table, last=2))
        found[f"{place} {type(member).__name__}"] = told[:, [0, told.shape[1] // 2, -1]].ravel().tolist()
    return found


def learnt() -> dict[str, list[float]]:
    "The weights of signals of which the first knows something."
    rng = np.random.default_rng(3)
    days = NYSE.sessions_in_range("2015-01-02", "2017-12-29")
    rose = rng.random(len(days)) < 0.5
    signals = pd.DataFrame(
        {"knows": np.where(rose, 0.65, 0.4), "guesses": rng.uniform(0.3, 0.7, len(days)), "half": 0.5}, days
    )
    made, claims = MetaLearner().learn_weights(signals, rose.astype(float), horizon=5)
    told = folded_chances(made.base_rate, claims, 5)
    return {
        **{name: [weight] for name, weight in made.learnt.items()},
        "chances": [float(told.mean()), *map(float, told[100:700:150])],
    }


def contributions() -> dict[str, list[float]]:
    "Of the features to middle and width of the last two forecasts of a pool."
    table, y = house_table(), NYSE.outcomes(market().close("VIX"), 5).iloc[:1200].dropna()
    model = ProbabilisticForecaster(Target("VIX"), rounds=12, seed=7).fit(table, y)
    found = explain(model, table, table.index[-2:])
    parts = {
        name: one.contributions.loc[:, one.contributions.abs().max() > 0]
        for name, one in zip(("middle", "width"), found)
    }
    return {f"{of} {name}": column.tolist() for of, part in parts.items() for name, column in part.items()}


@cache
def panel_rows() -> tuple[pd.DataFrame, pd.Series]:
    told = {name: NYSE.outcomes(market().close(name), 5) for name in SECTORS}
    return compute_panel(market(), sectors=SECTORS, features=of_panel()), pd.concat(
        told, names=["symbol", "session"]
    ).swaplevel().dropna()


def panel_quantiles() -> dict[str, list[float]]:
    "Of three rows by the panel's forecaster, and their chances of a rise."
    X, y = panel_rows()
    last = X.index.get_level_values("session")[-252 * len(SECTORS)]
    early = y[y.index.get_level_values("session") < last].sort_index()
    learn, rows = X.reindex(early.index), X.tail(3)
    told = PanelForecaster(rounds=8, seed=7).fit(learn, early).predict_quantiles(rows)
    directions = DirectionEnsemble(seed=7).fit(learn[-1600:], (early > 0).astype(int)[-1600:], early[-1600:])
    chances = np.ravel(directions.predict_proba(rows)).tolist()
    return {**{str(place): one.tolist() for place, one in enumerate(told)}, "chances": chances}


DISTRICTS = (
    "calendars",
    "core",
    "data",
    "evaluation",
    "features",
    "forecasts",
    "ledger",
    "metrics",
    "models",
    "ops",
    "pipeline",
    "regimes",
    "trading",
)
CHANGED_BY_TESTS = {"VERSIONS_A_PROCESS"}  # see `conftest.walks_stay_here`
PLAIN = (bool, int, float, str, bytes, timedelta, datetime, type(None))


def plain(value: Any) -> bool:
    "Whether a value is written the same in every process: numbers, words and moments, and tuples and tables of them."
    if isinstance(value, (dict, MappingProxyType)):
        return len(value) <= 40 and all(plain(key) and plain(one) for key, one in value.items())
    return all(map(plain, value)) and len(value) <= 40 if isinstance(value, (tuple, list)) else isinstance(value, PLAIN)


def made_plain(value: Any) -> Any:
    "A set in order, an array as its numbers, a record as its fields; whatever else as it is."
    if isinstance(value, (frozenset, set)):
        return ["set", *sorted(map(made_plain, value), key=repr)]
    if isinstance(value, np.ndarray) and value.size <= 200:
        return [value.shape, *value.ravel().tolist()]
    if is_dataclass(value) and not isinstance(value, type):
        held = {one.name: made_plain(getattr(value, one.name)) for one in fields(value)}
        return {type(value).__name__: {name: one for name, one in held.items() if plain(one)}}
    if isinstance(value, (tuple, list)):
        return type(value)(map(made_plain, value)) if type(value) in (tuple, list) else value
    if isinstance(value, (dict, MappingProxyType)):
        return {key: made_plain(one) for key, one in value.items()}
    return value


def defaults_of(call: Any) -> dict[str, str]:
    try:
        given = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return {}
    told = {one.name: made_plain(one.default) for one in given if one.default is not one.empty}
    return {name: repr(one) for name, one in told.items() if plain(one)}


def parts_of(value: Any) -> dict[str, dict[str, str]]:
    "What a function or a class takes where nothing is said, and each method of a class; the class's own numbers."
    found = {"": defaults_of(value)}
    if isinstance(value, type):
        own = {name: one for name, one in vars(value).items() if not name.startswith("__")}
        found |= {f".{name}": defaults_of(getattr(one, "__func__", one)) for name, one in own.items() if callable(one)}
        numbers = {name: made_plain(one) for name, one in own.items() if not callable(one) and not name.startswith("_")}
        found["."] = {name: repr(one) for name, one in numbers.items() if plain(one)}
    return {name: told for name, told in found.items() if told}


def constants_and_defaults() -> dict[str, Any]:
    "By module and name: what a constant is, and what a function, a class or a method takes where nothing is said."
    found: dict[str, Any] = {}
    for path in sorted(path for district in DISTRICTS for path in (PACKAGE / district).glob("[!_]*.py")):
        module = importlib.import_module(f"forecastkit.{path.parent.name}.{path.stem}")
        for name, value in sorted(vars(module).items()):
            if (
                name.startswith("__")
                or isinstance(value, EnumMeta)
                or (callable(value) and getattr(value, "__module__", "") != module.__name__)
            ):
                continue
            if name.startswith("_") and isinstance(value, (dict, list, set)):  # what a process remembers
                continue
            place, held = f"{path.parent.name}.{path.stem}.{name}", made_plain(value)
            if plain(held) and name.isupper() and name not in CHANGED_BY_TESTS and "/" not in repr(held):
                found[place] = repr(held)
            elif callable(value):
                found |= {f"{place}{part}": told for part, told in parts_of(value).items()}
    return found


SETS: Mapping[str, Callable[[], Mapping[str, Any]]] = {
    "declared features of the VIX": lambda: declared(volatility_features()),
    "declared features of a stock": lambda: declared(stock_features("AAA", "SPX")),
    "declared features of a panel": lambda: declared(of_panel()),
    "features of the VIX": lambda: summed_up(house_table()),
    "features of a stock": lambda: summed_up(
        FeatureEngine(stock_features("AAA", "SPX"), symbol="AAA").build_features(market())
    ),
    "features of a panel": lambda: summed_up(compute_panel(market(), sectors=SECTORS, features=of_panel())),
    "quantiles of the members": quantiles,
    "learnt weights": learnt,
    "contributions": contributions,
    "quantiles and directions of a panel": panel_quantiles,
    "constants and defaults": constants_and_defaults,
}


# What share of the largest number of a set another may be off, where models were fitted.
FITTED = {
    "quantiles of the members": 1e-6,
    "learnt weights": 1e-6,
    "contributions": 2e-4,
    "quantiles and directions of a panel": 1e-6,
}


def largest(told: Any) -> float:
    if isinstance(told, (list, dict)):
        return max((largest(one) for one in (told.values() if isinstance(told, dict) else told)), default=0.0)
    return abs(told) if isinstance(told, float) and math.isfinite(told) else 0.0


def same(now: Any, then: Any, share: float = 1e-7, least: float = 1e-10) -> bool:
    if isinstance(then, list):
        return len(now) == len(then) and all(same(one, other, share, least) for one, other in zip(now, then))
    if isinstance(then, float):
        return math.isclose(now, then, rel_tol=share, abs_tol=least) or (math.isnan(now) and math.isnan(then))
    return now == then


@pytest.mark.pinned
@pytest.mark.parametrize("name", SETS)
def test_the_numbers_are_those_that_were_written_down(name):
    then, now = json.loads(WRITTEN.read_text())[name], json.loads(json.dumps(SETS[name]()))
    # A fit ends elsewhere on another processor: measured on two, by up to 4e-5 of the largest contribution and 5e-7 of a quantile.
    near = (1e-4, FITTED[name] * largest(then)) if name in FITTED else (1e-7, 1e-10)
    assert list(now) == list(then)
    assert {key: [then[key], now[key]] for key in then if not same(now[key], then[key], *near)} == {}


if __name__ == "__main__":
    kept = {name: call() for name, call in SETS.items()}
    lines = (
        f"{json.dumps(name)}: {{\n"
        + ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in one.items())
        + "}"
        for name, one in kept.items()
    )
    WRITTEN.write_text("{" + ",\n".join(lines) + "}\n")
    sys.stdout.write(f"{WRITTEN}: {sum(map(len, kept.values()))} lines\n")
