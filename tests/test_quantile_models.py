"Two members: lines that are as good as the exact solution, and trees that answer a row alike in any company."

import json

import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.base import clone

from forecastkit.calendars import get_calendar
from forecastkit.calendars.cohorts import COHORTS
from forecastkit.core import PROBS, FeatureDimensionError, canonical_json
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.volatility import FeatureEngine, volatility_features
from forecastkit.metrics import pinball
from forecastkit.models.base import VOLATILITY_RECIPE, Recipe
from forecastkit.models.baselines import HARLocationScale
from forecastkit.models.boosting import (
    TREE_LEVELS,
    BoostedResidual,
    interpolate_normal_scores,
    read_booster,
    tree_columns,
    tree_table,
)
from forecastkit.models.quantile_regression import LinearQuantile, quantile_lines

NYSE = get_calendar("XNYS")

MARKET = synthetic_market(seed=3, sessions=900).market
RECIPE = VOLATILITY_RECIPE
READ = {*RECIPE.location, *RECIPE.scale, *RECIPE.scale_logged, *RECIPE.quantiles, "vix", "day_of_week"}
X = FeatureEngine([f for f in volatility_features() if f.name in READ]).build_features(MARKET)
Y = NYSE.outcomes(MARKET.close("VIX"), 5)
LEARN = Y.iloc[:700].dropna()


def exact_loss(table: np.ndarray, y: np.ndarray, p: float) -> float:
    "The least mean pinball loss, by the linear programme in its dual form."
    solved = linprog(-y, A_eq=table.T, b_eq=(1 - p) * table.sum(axis=0), bounds=(0, 1), method="highs")
    return float(-(solved.fun) - (1 - p) * y.sum()) / len(y)


def problem(name: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(len(name))
    x = rng.normal(size=(n, 6))
    if name == "bell":
        y = x[:, 0] + rng.normal(size=n)
    elif name == "fans out, heavy tails, in hundredths":
        y = np.round(np.exp(x[:, 0]) * rng.standard_t(2, n), 2)
    elif name == "one term twice, one constant":
        x[:, 1], x[:, 2] = x[:, 0], 0.0
        y = x[:, 0] + rng.exponential(size=n)
    else:  # a few outcomes far from all others
        y = x[:, 0] + 0.3 * rng.normal(size=n)
        y[::40] += rng.normal(0, 5, len(y[::40]))
    return np.column_stack([np.ones(n), x]), y


@pytest.mark.parametrize(
    "name", ["bell", "fans out, heavy tails, in hundredths", "one term twice, one constant", "outliers"]
)
@pytest.mark.parametrize("n", [400, 3000])
def test_lines_are_as_good_as_the_exact_solution(name, n):
    table, y = problem(name, n)
    loss = pinball(y, table @ quantile_lines(table, y), PROBS).mean(axis=0)
    some = [0, 1, 3, 8, 11, 17, 19, 21, 22]
    best = np.array([exact_loss(table, y, PROBS[j]) for j in some])
    assert (loss[some] >= best * (1 - 1e-7)).all()
    assert (loss[some] <= best * (1.001 if n > 1000 else 1.005)).all()
    assert loss[some].sum() <= best.sum() * 1.001


@pytest.mark.parametrize("y", [np.zeros(50), np.r_[np.zeros(49), 1.0], np.linspace(0, 1e-9, 50), 1e6 * np.arange(50.0)])
def test_odd_outcomes_give_finite_lines(y):
    table = np.column_stack([np.ones(50), np.sin(np.arange(50))])
    lines = quantile_lines(table, y)
    assert np.isfinite(lines).all()
    assert np.abs(table @ lines).max() <= 2 * np.abs(y).max() + 1e-9


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=7, max_size=7))
def test_between_the_levels_quantiles_rise(values):
    seven = np.sort(np.array(values))[None, :]
    q = interpolate_normal_scores(seven)
    assert (np.diff(q) >= -1e-12).all()
    for p in (0.10, 0.25, 0.50, 0.75, 0.90):
        assert q[0, np.argmin(np.abs(PROBS - p))] == pytest.approx(
            seven[0, np.argmin(np.abs(np.array(TREE_LEVELS) - p))], abs=1e-9
        )


def test_what_trees_read():
    table = tree_table(X, tree_columns(X))
    assert table.dtype == np.float32 and table.flags.c_contiguous and table.shape == (900, X.shape[1] - 2)
    assert not {"feature_quality", "cohort_weight"} & set(tree_columns(X))
    odd = X.iloc[:3].assign(vrp=[np.inf, -np.inf, 1.0], calendar_cohort=["opex_week", "mid_cycle", "of_another_world"])
    columns = ["vrp", "calendar_cohort"]
    expected = np.float32([[np.nan, COHORTS.index("opex_week")], [np.nan, COHORTS.index("mid_cycle")], [1, -1]])
    np.testing.assert_array_equal(tree_table(odd, columns), expected)
    assert tree_columns(X.assign(note="text", flag=True))[-1] == "flag"


OTHER_RECIPE = Recipe((), ("spx_drawdown",), ("vix_vol_ewma94",), ("vix_vol_ewma94",), 0.001)  # of other columns
MODELS = [LinearQuantile(), BoostedResidual(rounds=20), BoostedResidual(OTHER_RECIPE, rounds=5, seed=1)]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"{type(m).__name__}-{len(m.recipe.location)}")
def test_every_member_keeps_its_bits(model):
    fitted = clone(model).fit(X, LEARN)
    whole = fitted.predict_quantiles(X)
    assert whole.shape == (len(X), 23) and (np.diff(whole, axis=1) > 0).all() and np.isfinite(whole).all()
    np.testing.assert_array_equal(fitted.predict_quantiles(X, last=2), whole[-2:])
    for i in (0, 30, 555, 898):
        np.testing.assert_array_equal(fitted.predict_quantiles(X.iloc[: i + 1], last=1), whole[i : i + 1])
    cut = clone(model).fit(X.loc[: LEARN.index[-1]], LEARN)
    np.testing.assert_array_equal(cut.predict_quantiles(X), whole)
    state, blobs = fitted.to_state()
    back = type(model).from_state(json.loads(canonical_json(state)), blobs)
    np.testing.assert_array_equal(back.predict_quantiles(X), whole)
    assert back.get_params() == fitted.get_params()


def test_a_gap_in_a_row_is_no_failure():
    "Whatever is missing today, there is an answer, and the rows beside it do not change."
    fitted = BoostedResidual(rounds=20).fit(X, LEARN), LinearQuantile().fit(X, LEARN)
    holed = X.copy()
    holed.loc[X.index[800], X.columns[:-1]] = np.nan
    for model in fitted:
        q, whole = model.predict_quantiles(holed), model.predict_quantiles(X)
        assert np.isfinite(q).all()
        np.testing.assert_array_equal(np.delete(q, 800, axis=0), np.delete(whole, 800, axis=0))


def test_the_seed_is_the_only_chance():
    one, same, other = (BoostedResidual(rounds=5, seed=s).fit(X, LEARN).to_state()[1]["trees.ubj"] for s in (1, 1, 2))
    assert one == same != other


def test_a_column_contributes_what_the_trees_of_the_median_say():
    fitted = BoostedResidual(rounds=20).fit(X, LEARN)
    table = xgboost.DMatrix(tree_table(X.tail(1), fitted.columns_))
    by_level = fitted.trees_.predict(table, pred_contribs=True, strict_shape=True)[0]
    assert by_level.shape == (7, len(fitted.columns_) + 1) and not np.allclose(by_level[3], by_level[4])
    _, scale = fitted.base_.location_scale(X.tail(1))
    parts, lines = fitted.contributions(X), fitted.base_.location_.contributions(X.tail(1))
    trees = parts.drop("base").sum() - lines.drop("base", errors="ignore").sum()
    assert trees == pytest.approx(scale[0] * by_level[TREE_LEVELS.index(0.5), :-1].sum(), rel=1e-5)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"{type(m).__name__}-{len(m.recipe.location)}")
def test_contributions_account_for_the_median(model):
    fitted = clone(model).fit(X, LEARN)
    for i in (50, 700, 899):
        parts = fitted.contributions(X.iloc[: i + 1])
        assert parts.index.is_unique and parts.index[0] == "base"
        assert parts.sum() == pytest.approx(fitted.predict_quantiles(X.iloc[[i]])[0, 11], abs=1e-12)


def test_trees_find_what_location_and_scale_cannot():
    "A column that the recipe does not know and that moves the outcome."
    rng = np.random.default_rng(0)
    hint = pd.Series(rng.choice([-1.0, 1.0], len(X)), X.index)
    moved = (Y + 0.3 * hint)[LEARN.index]
    boosted = BoostedResidual(rounds=60).fit(X.assign(hint=hint), moved)
    assert boosted.contributions(X.assign(hint=hint)).abs().idxmax() == "hint"
    up, down = (boosted.predict_quantiles(X.assign(hint=h), last=100)[:, 11].mean() for h in (1.0, -1.0))
    assert up > down + 0.3
    blind = HARLocationScale().fit(X.assign(hint=hint), moved)
    assert blind.predict_quantiles(X.assign(hint=1.0)).tolist() == blind.predict_quantiles(X.assign(hint=-1.0)).tolist()


def test_what_is_missing_is_named():
    for model in (LinearQuantile().fit(X, LEARN), BoostedResidual(rounds=3).fit(X, LEARN)):
        with pytest.raises(FeatureDimensionError, match="lack vrp"):
            model.predict_quantiles(X.drop(columns="vrp"))
    with pytest.raises(ValueError):
        read_booster(b"\x00" * 100)
