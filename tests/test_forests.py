"A forest kept as arrays: it sorts as scikit-learn's does, weighs as Meinshausen's does, and keeps its bits."

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, FeatureDimensionError, canonical_json, pack_arrays, unpack_arrays
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.volatility import FeatureEngine, volatility_features
from forecastkit.models.base import VOLATILITY_RECIPE, Recipe
from forecastkit.models.baselines import HARLocationScale
from forecastkit.models.boosting import tree_columns, tree_table
from forecastkit.models.forest import (
    QuantileForest,
    cumulative_weights,
    floor_float32,
    grow_forest,
    leaf_indices,
    trees_of_forest,
    weighted_quantiles,
)

NYSE = get_calendar("XNYS")

MARKET = synthetic_market(seed=3, sessions=900).market
RECIPE = VOLATILITY_RECIPE
READ = {*RECIPE.location, *RECIPE.scale, *RECIPE.scale_logged, *RECIPE.quantiles, "vix", "day_of_week"}
X = FeatureEngine([f for f in volatility_features() if f.name in READ]).build_features(MARKET)
Y = NYSE.outcomes(MARKET.close("VIX"), 5)
LEARN = Y.iloc[:700].dropna()


def with_gaps(n: int, k: int, seed: int, share: float = 0.15) -> np.ndarray:
    "A table in which every column has gaps but the first."
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, k)).astype(np.float32)
    gaps = rng.random((n, k)) < share
    gaps[:, 0] = False
    return np.where(gaps, np.float32("nan"), table)


@pytest.fixture(scope="module")
def model() -> QuantileForest:
    return QuantileForest(trees=20).fit(X, LEARN)


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(-(2.0**30), 2.0**30, width=32))
def test_a_cut_rounded_down_parts_the_same_numbers(cut, x):
    low = floor_float32(np.array([cut]))
    assert low.dtype == np.float32 and float(low[0]) <= cut
    assert (np.float32(x) <= low[0]) == (x <= cut)


def test_the_arrays_sort_rows_as_the_forest_does():
    "Rows it was grown on, rows with other gaps, and rows that stand exactly on a cut."
    table, new = with_gaps(1500, 6, 0), with_gaps(700, 6, 1, share=0.4)
    target = np.nan_to_num(table[:, 1]) + np.random.default_rng(2).normal(size=1500)
    forest = grow_forest(table, target, trees=30, seed=7)
    trees = trees_of_forest(forest)
    on_cuts = np.repeat(trees.cut[trees.left != np.arange(len(trees.cut))][:300, None], 6, axis=1)
    for rows in (table, new, on_cuts.astype(np.float32)):
        np.testing.assert_array_equal(leaf_indices(trees, rows), forest.apply(rows))
    assert trees.cut.dtype == np.float32 and len(trees.root) == 30


def test_a_gap_where_training_had_none_goes_with_the_many():
    table = np.random.default_rng(0).normal(size=(800, 3)).astype(np.float32)
    trees = trees_of_forest(grow_forest(table, table[:, 0], trees=5, seed=0))
    rows = np.full((1, 3), np.float32("nan"))
    assert leaf_indices(trees, rows).shape == (1, 5)
    root, grown = trees.root[0], grow_forest(table, table[:, 0], trees=5, seed=0).estimators_[0].tree_
    left, right = grown.children_left[0], grown.children_right[0]
    assert trees.gap_left[root] == (grown.n_node_samples[left] > grown.n_node_samples[right])


def test_quantiles_are_those_of_the_definition():
    "Weights and quantiles by a slow reckoning, day by day and tree by tree."
    rng = np.random.default_rng(4)
    past, here = rng.integers(0, 6, (12, 90)), rng.integers(0, 6, (5, 12))
    residual = np.sort(rng.normal(size=90))
    for row, up_to, q in zip(
        here, cumulative_weights(here, past), weighted_quantiles(here, past, residual), strict=True
    ):
        weight = np.zeros(90)
        for leaf, days in zip(row, past, strict=True):
            inside = np.flatnonzero(days == leaf)
            weight[inside] += 1 / len(inside) / 12
        np.testing.assert_allclose(up_to, np.cumsum(weight), atol=1e-12)
        wanted = [residual[np.argmax(np.cumsum(weight) >= p - 1e-12)] for p in PROBS]
        np.testing.assert_array_equal(q, wanted)


def test_one_leaf_is_climatology():
    residual = np.sort(np.random.default_rng(5).normal(size=200))
    q = weighted_quantiles(np.zeros((1, 3), int), np.zeros((3, 200), int), residual)
    np.testing.assert_array_equal(q[0], residual[np.ceil(np.round(200 * PROBS, 6)).astype(int) - 1])


OTHER_RECIPE = Recipe((), ("spx_drawdown",), ("vix_vol_ewma94",), ("vix_vol_ewma94",), 0.001)  # of other columns


@pytest.mark.parametrize("start", [QuantileForest(trees=15), QuantileForest(OTHER_RECIPE, trees=5, seed=1)])
def test_every_row_keeps_its_bits(start):
    fitted = clone(start).fit(X, LEARN)
    whole = fitted.predict_quantiles(X)
    assert whole.shape == (len(X), 23) and (np.diff(whole, axis=1) > 0).all() and np.isfinite(whole).all()
    np.testing.assert_array_equal(fitted.predict_quantiles(X, last=70), whole[-70:])
    for i in (0, 30, 555, 899):
        np.testing.assert_array_equal(fitted.predict_quantiles(X.iloc[: i + 1], last=1), whole[[i]])
    cut = clone(start).fit(X.loc[: LEARN.index[-1]], LEARN)
    np.testing.assert_array_equal(cut.predict_quantiles(X), whole)
    state, blobs = fitted.to_state()
    back = QuantileForest.from_state(json.loads(canonical_json(state)), blobs)
    np.testing.assert_array_equal(back.predict_quantiles(X), whole)
    assert back.get_params() == fitted.get_params() and back.to_state() == (state, blobs)


def test_the_seed_is_the_only_chance():
    one, same, other = (QuantileForest(trees=3, seed=s).fit(X, LEARN).to_state()[1] for s in (1, 1, 2))
    assert one == same != other


def test_a_gap_in_a_row_is_no_failure(model):
    holed = X.copy()
    holed.loc[X.index[800], X.columns[:-1]] = np.nan
    q, whole = model.predict_quantiles(holed), model.predict_quantiles(X)
    assert np.isfinite(q).all()
    np.testing.assert_array_equal(np.delete(q, 800, axis=0), np.delete(whole, 800, axis=0))


def test_a_column_that_is_never_there_is_not_read():
    bare = X.assign(vix_range_5=np.nan)
    fitted = QuantileForest(trees=5).fit(bare, LEARN)
    assert "vix_range_5" not in fitted.columns_ and fitted.dropped_ == ("vix_range_5",)
    assert np.isfinite(fitted.predict_quantiles(bare)).all()
    with pytest.raises(FeatureDimensionError, match="lack vrp"):
        fitted.predict_quantiles(bare.drop(columns="vrp"))


def test_the_forest_finds_what_location_and_scale_cannot():
    "A column that the recipe does not know and that moves the outcome."
    rng = np.random.default_rng(0)
    hint = pd.Series(rng.choice([-1.0, 1.0], len(X)), X.index)
    moved = (Y + 0.3 * hint)[LEARN.index]
    fitted = QuantileForest(trees=60).fit(X.assign(hint=hint), moved)
    up, down = (fitted.predict_quantiles(X.assign(hint=h), last=100)[:, 11].mean() for h in (1.0, -1.0))
    assert up > down + 0.3


def test_the_weights_are_those_of_the_grown_forest(model):
    "Against scikit-learn's own forest, from the same rows and the same seed."
    rows = X.loc[LEARN.index]
    base = HARLocationScale().fit(X, LEARN)
    residual = base.standardised_residuals(rows, LEARN.to_numpy())
    forest = ExtraTreesRegressor(20, min_samples_leaf=20, max_features=0.1, random_state=42, n_jobs=1)
    table = tree_table(rows, tree_columns(X))
    leaf, new = forest.fit(table, residual).apply(table), forest.apply(tree_table(X.iloc[800:810], tree_columns(X)))
    weight = np.array([[(leaf[:, t] == row[t]) / (leaf[:, t] == row[t]).sum() for t in range(20)] for row in new]).mean(
        axis=1
    )
    order = np.argsort(residual, kind="stable")
    mean, scale = base.location_scale(X.iloc[800:810])
    q = model.predict_quantiles(X.iloc[:810], last=10)
    for i, row in enumerate(np.cumsum(weight[:, order], axis=1)):
        wanted = mean[i] + scale[i] * residual[order][np.minimum(np.searchsorted(row, PROBS - 1e-12), len(row) - 1)]
        np.testing.assert_allclose(q[i], wanted, atol=1e-6)


def test_contributions_account_for_the_median(model):
    for i in (50, 899):
        parts = model.contributions(X.iloc[: i + 1])
        assert parts.index[0] == "base" and parts.index.is_unique
        assert parts.sum() == pytest.approx(model.predict_quantiles(X.iloc[[i]])[0, 11], abs=1e-12)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04N.", b"PK\x03\x04" + b"\x00" * 60])
def test_bytes_that_are_no_arrays_are_refused(content, model):
    with pytest.raises(ValueError):
        QuantileForest.from_state(model.to_state()[0], {"forest.npz": content})


def test_objects_are_never_unpacked():
    with pytest.raises(ValueError):
        pack_arrays({"a": np.array([{}], dtype=object)})
    import io

    np.savez(buffer := io.BytesIO(), a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        unpack_arrays(buffer.getvalue())
