"Explanations: they add up, agree with the shap library, find what a target was made of, and nothing in noise."

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, DataError, FeatureDimensionError, Target
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.volatility import FeatureEngine, volatility_features
from forecastkit.models.attribution import (
    RESULT_PROBS,
    LinearShape,
    Pool,
    ScaledMember,
    attribute,
    explained_members,
    quantile_shares,
    results,
    unscaled,
)
from forecastkit.models.base import VOLATILITY_RECIPE, QuantileEstimator
from forecastkit.models.baselines import HARLocationScale
from forecastkit.models.boosting import BoostedResidual, tree_table
from forecastkit.models.explanations import (
    ExplanationTable,
    explain,
    explain_model,
    mixture_parts,
    permutation_null,
    rotated_outcomes,
)
from forecastkit.models.forecaster import ProbabilisticForecaster
from forecastkit.models.forest import QuantileForest, leaf_indices, trees_of_forest
from forecastkit.models.panel import PanelForecaster
from forecastkit.models.panel_scale import VarianceMix
from forecastkit.models.pool import linear_pool
from forecastkit.models.shapley import Additive, ForestGame, booster_parts

MARKET = synthetic_market(seed=5, sessions=900).market
READ = {*VOLATILITY_RECIPE.columns, "day_of_week"}
X = FeatureEngine([f for f in volatility_features() if f.name in READ]).build_features(MARKET)
Y = get_calendar("XNYS").outcomes(MARKET.close("VIX"), 5)
LEARN = Y.iloc[:700].dropna()
THREE = [3, 11, 19]  # .1, .5, .9 among the probabilities


@pytest.fixture(scope="module")
def model() -> ProbabilisticForecaster:
    return ProbabilisticForecaster(Target("VIX"), rounds=20).fit(X, LEARN)


def made_of_three(seed: int, rows: int = 1500) -> tuple[pd.DataFrame, pd.Series]:
    "A table of ten columns and outcomes whose middle and width are made of `a`, `b`, `c`; `noise` and the others know nothing."
    draw = np.random.default_rng(seed)
    names = ["a", "b", "c", "noise", *(f"other_{k}" for k in range(6))]
    index = pd.bdate_range("2000-01-03", periods=rows)
    table = pd.DataFrame(draw.normal(size=(rows, len(names))), index, names)
    width = np.exp(0.4 * table["a"] - 0.5 * table["c"] + 0.4 * np.abs(table["b"]))
    middle = 0.5 * table["a"] + 0.6 * table["b"] + 0.4 * table["c"]
    return table, middle + 0.5 * width * draw.normal(size=rows)


def pool_of_trees(seed: int, recipe=None) -> ProbabilisticForecaster:
    members = [BoostedResidual(None, 60, seed), QuantileForest(None, 40, seed)]
    return ProbabilisticForecaster(Target("SPX"), members=members, seed=seed)


# Sums


def test_the_contributions_add_up_to_the_pool_of_the_members(model):
    origins = X.index[[300, 500, 698, 750, 899]]
    found = explain(model, X, origins)
    raw = model.predict_quantiles(X)[X.index.get_indexer(origins)]
    for table, value in zip(found, results(raw[:, THREE]).T):
        np.testing.assert_allclose(table.value, value, atol=1e-6)
        np.testing.assert_allclose(table.base + table.contributions.sum(axis=1), table.value, atol=1e-9)


def test_the_calibrated_width_has_a_part_of_its_own_and_the_middle_none(model):
    raw = model.predict_quantiles(X, last=2)
    stretched = raw[:, [11]] + 1.3 * (raw - raw[:, [11]])
    found = explain(model, X, X.index[-2:], calibrated=stretched)
    np.testing.assert_allclose(found.width.contributions["calibration"], np.log(1.3), atol=1e-6)
    np.testing.assert_allclose(found.middle.contributions["calibration"], 0.0, atol=1e-6)
    np.testing.assert_allclose(found.width.base + found.width.contributions.sum(axis=1), found.width.value, atol=1e-9)


def test_an_origin_is_explained_alone_as_in_company_and_after_it_nothing_is_read(model):
    origins = X.index[[400, 600, 800]]
    together = explain(model, X, origins).width.contributions
    alone = explain(model, X.loc[: origins[1]], origins[1:2]).width.contributions
    np.testing.assert_allclose(alone.iloc[0], together.iloc[1], atol=1e-12)


def test_what_the_steps_leave_over_is_small(model):
    members, climatology = explained_members(model, X, X.index[-60:]), model.members_[-1].predict_quantiles(X.tail(60))
    found = attribute(members, Pool(model.weights_, model.tail_share_, climatology))
    assert (np.abs(found.shared).mean(axis=0) < 0.01 * np.abs(found.parts).sum(axis=1).mean(axis=0)).all()


def test_a_finer_path_says_the_same(model):
    climatology = model.members_[-1].predict_quantiles(X.tail(5))
    pool = Pool(model.weights_, model.tail_share_, climatology)
    coarse, fine = (attribute(explained_members(model, X, X.index[-5:]), pool, steps) for steps in (12, 96))
    size = np.abs(fine.parts).sum(axis=1)
    assert (np.abs(coarse.parts - fine.parts).sum(axis=1) < 0.03 * size).all()


def test_a_member_alone_is_its_own_explanation():
    har = ProbabilisticForecaster(Target("VIX"), members=[HARLocationScale()]).fit(X, LEARN)
    width = explain(har, X, X.index[-3:]).width
    own = har.members_[0].scale_
    np.testing.assert_allclose(
        width.contributions[list(own.terms.names)], own.terms.matrix(X.tail(3)) * own.slopes[:, 0], atol=2e-3
    )


def test_a_feature_that_no_member_reads_is_given_nothing():
    har = ProbabilisticForecaster(Target("VIX"), members=[HARLocationScale()]).fit(X, LEARN)
    assert "day_of_week" not in explain(har, X).width.contributions.columns


# Trees against the shap library


@pytest.mark.parametrize("kind", [ExtraTreesRegressor, RandomForestRegressor])
@pytest.mark.parametrize("leaf", [1, 3, 20])
def test_a_forests_game_is_that_of_shap(kind, leaf):
    shap = pytest.importorskip("shap")
    draw = np.random.default_rng(leaf)
    table = draw.normal(size=(300, 7)).astype(np.float32)
    outcome = table[:, 0] * table[:, 1] + np.abs(table[:, 2]) + 0.3 * draw.normal(size=300)
    params = {"bootstrap": False} if kind is RandomForestRegressor else {}
    forest = kind(12, min_samples_leaf=leaf, max_features=0.5, random_state=0, **params).fit(table, outcome)
    game = ForestGame(trees_of_forest(forest), forest.apply(table).T)
    mine = np.array([game.shapley(row, outcome[:, None])[:, 0] for row in table[:20]])
    np.testing.assert_allclose(mine, shap.TreeExplainer(forest).shap_values(table[:20]), atol=1e-5)


def test_the_shapley_values_of_a_forest_sum_to_its_mean_also_where_values_are_missing():
    draw = np.random.default_rng(1)
    table = draw.normal(size=(400, 5)).astype(np.float32)
    table[draw.random(table.shape) < 0.2] = np.nan
    outcome = np.nan_to_num(table[:, 0]) + draw.normal(size=400)
    forest = ExtraTreesRegressor(15, min_samples_leaf=5, random_state=0).fit(table, outcome)
    game = ForestGame(trees_of_forest(forest), forest.apply(table).T)
    for row in table[:10]:
        added = game.shapley(row, outcome[:, None])[:, 0].sum()
        assert added == pytest.approx(forest.predict(row[None])[0] - outcome.mean(), abs=1e-9)


def test_boosted_trees_are_those_of_shap(model):
    shap = pytest.importorskip("shap")
    boosted = model.members_[3]
    table = tree_table(X.tail(10), boosted.columns_)
    mine = booster_parts(boosted.trees_, table, boosted.columns_)
    theirs = np.asarray(shap.TreeExplainer(boosted.trees_).shap_values(table))
    theirs = theirs if theirs.shape == mine.parts.shape else np.moveaxis(theirs, 0, -1)
    np.testing.assert_allclose(mine.parts, theirs, atol=1e-5)
    np.testing.assert_allclose(mine.at(1.0), boosted.trees_.inplace_predict(table), atol=1e-5)


def test_the_typical_day_of_a_forest_is_the_distribution_of_its_residuals(model):
    forest, members = model.members_[5], explained_members(model, X, X.index[-1:])
    at = np.ceil(PROBS * len(forest.residual_) - 1e-6).astype(int) - 1
    np.testing.assert_allclose(members[5].quantiles(0.0)[0], forest.residual_[at], atol=1e-8)
    leaves = leaf_indices(forest.trees_, tree_table(X.tail(1), forest.columns_))
    assert leaves.shape == (1, 100)


# The pool


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_pool_moves_with_its_members_as_the_shares_say(seed):
    draw = np.random.default_rng(seed)
    members = [np.sort(draw.normal(draw.normal(0, 0.3), draw.uniform(0.5, 2), (1, 400)), axis=1) for _ in range(3)]
    members = [np.quantile(m, PROBS, axis=1).T for m in members]
    weights = draw.dirichlet([2, 2, 2])
    pooled = linear_pool(members, weights)
    shares = quantile_shares(members, weights, pooled[:, THREE])
    assert sum(one.sum(axis=1) for one in shares) == pytest.approx(np.ones((1, 3)))
    nudge = 1e-7 * draw.normal(size=(3, 1, 23))
    moved = linear_pool([m + n for m, n in zip(members, nudge)], weights)[:, THREE] - pooled[:, THREE]
    expected = sum(np.einsum("njq,nj->nq", one, n) for one, n in zip(shares, nudge))
    inside = np.all([(m[0, 0] < pooled[0, THREE]) & (pooled[0, THREE] < m[0, -1]) for m in members], axis=0)
    miss = np.abs(moved - expected)[0]
    assert (miss[inside] < 1e-9).all() and (miss < 2e-8).all()  # the pool bends exponential tails at four knots


def test_equal_members_of_one_feature_each_share_the_credit():
    shape = np.tile(np.linspace(-2, 2, 23), (1, 1))
    one = np.array([[[0.3]]])
    members = [
        ScaledMember(unscaled(1), Additive((name,), np.zeros((1, 1)), one), LinearShape(Additive((), shape, np.zeros((1, 0, 23)))))
        for name in ("left", "right")
    ]  # fmt: skip
    found = attribute(members, Pool([0.5, 0.5]))
    np.testing.assert_allclose(found.parts[0, :, 1], [0.15, 0.15], atol=1e-9)
    assert tuple(RESULT_PROBS) == (0.1, 0.5, 0.9)


# Members of a user's own


class Asked(QuantileEstimator):
    "A member that is not known here: normal, with a product in its middle."

    def fit(self, X, y):
        self._fit_features(X, ["a", "b"])
        self.fitted_ = True
        return self

    def predict_quantiles(self, X, last=None):
        rows = self._row_features(X, last, ("a", "b"))
        middle = (rows["a"] * rows["b"]).to_numpy()
        return middle[:, None] + 0.1 * np.linspace(-2, 2, 23)


def test_a_member_of_a_users_own_is_asked_and_its_contributions_add_up():
    table, y = made_of_three(0, 400)
    model = ProbabilisticForecaster(Target("SPX"), members=[Asked()]).fit(table, y)
    found = explain(model, table, table.index[-3:])
    np.testing.assert_allclose(found.middle.value, table["a"].tail(3) * table["b"].tail(3), atol=1e-6)
    assert set(found.middle.importance().index[:2]) == {"a", "b"}
    assert found.middle.contributions["noise"].abs().max() < 1e-9
    again = explain(model, table, table.index[-3:])
    pd.testing.assert_frame_equal(found.middle.contributions, again.middle.contributions)


# What a target was made of


@pytest.mark.parametrize(
    "seeds",
    [5, pytest.param(20, marks=pytest.mark.slow("test_three_known_features_are_the_top_three_in_all_seeds_but_one"))],
)
def test_three_known_features_are_the_top_three_in_all_seeds_but_one(seeds):
    hits = 0
    for seed in range(seeds):
        table, y = made_of_three(seed)
        fitted = pool_of_trees(seed).fit(table, y)
        found = explain(fitted, table, table.index[::25])
        hits += all(set(t.importance().index[:3]) == {"a", "b", "c"} for t in found)
    assert hits >= seeds - 1


def test_a_column_of_noise_lies_within_its_null_and_the_three_above():
    table, y = made_of_three(1)
    fitted = pool_of_trees(1).fit(table, y)
    found = explain(fitted, table, table.index[-3:])
    for told, null in zip(found, permutation_null(fitted, table, y, table.index[::30])):
        assert null.loc[["a", "b", "c"], "counts"].all(), null
        assert not null.loc["noise", "counts"], null
        kept = told.without_noise(null)
        np.testing.assert_allclose(kept.base + kept.contributions.sum(axis=1), kept.value, atol=1e-9)
        assert "within_noise" in kept.contributions and "noise" not in kept.contributions


def test_rotated_outcomes_are_the_same_numbers_elsewhere():
    y = pd.Series(np.arange(200.0), pd.bdate_range("2001-01-01", periods=200))
    for moved in rotated_outcomes(y, 0, 5):
        assert sorted(moved) == sorted(y) and (moved != y).all()
    index = pd.MultiIndex.from_product([y.index[:50], ["A", "B"]], names=["session", "symbol"])
    panel = pd.Series(np.arange(100.0), index)
    for moved in rotated_outcomes(panel, 0, 3):
        assert (moved.xs("A", level="symbol") % 2 == 0).all()  # a ticker keeps its own outcomes


# Panels


def panel_of(seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    draw = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2014-01-01", periods=250), list("ABCDEFGH")], names=["session", "symbol"]
    )
    names = ["vol_22", "vol_252", "vol_ewma94", "vol_ewma86", "fall_ewma94"]
    table = pd.DataFrame(np.exp(draw.normal(-4, 0.4, (len(index), 5))), index, names)
    table["earnings_ahead"] = (draw.random(len(index)) < 0.1) * 1.0
    return table, table["vol_22"] * draw.standard_t(4, len(index)) * (1 + table["earnings_ahead"])


@pytest.mark.parametrize("weights", [(0, 0, 0, 1), (1, 0, 0, 0), (0, 1, 0, 0), (0.25, 0.25, 0.25, 0.25)])
def test_a_panels_contributions_add_up_to_its_quantiles(weights):
    table, y = panel_of()
    model = PanelForecaster(rounds=20, weights=weights).fit(table, y)
    found = explain(model, table.tail(40))
    said = results(model.predict_quantiles(table.tail(40))[:, THREE])
    for of, value in zip(found, said.T):
        np.testing.assert_allclose(of.value, value, atol=1e-9)
        np.testing.assert_allclose(of.base + of.contributions.sum(axis=1), of.value, atol=1e-9)
    assert found.width.at(table.index[-1]).value == pytest.approx(said[-1, 1])


def test_a_mixture_of_variances_is_shared_out_exactly():
    table, y = panel_of()
    mix = VarianceMix.fit(table, y.to_numpy(), ["vol_22", "vol_252"])
    parts = mixture_parts(mix, table.tail(30))
    np.testing.assert_allclose(np.exp(parts.at(1.0)[:, 0]), mix.scale(table.tail(30)), rtol=1e-9)
    usual = table.tail(1).assign(**{n: np.sqrt(g) for n, g in zip(mix.names, mix.gaps)})
    np.testing.assert_allclose(mixture_parts(mix, usual).parts, 0.0, atol=1e-12)


# The doors


def explained(index: pd.Index) -> ExplanationTable:
    "One feature, whose contribution is the place of the origin."
    place = pd.Series(np.arange(float(len(index))), index)
    return ExplanationTable("width", 0 * place, place.to_frame("vix"), place, place.to_frame("vix"))


def test_an_origin_is_found_by_its_date_in_any_form_and_only_by_it():
    days = pd.bdate_range("2018-02-01", periods=5, unit="us")
    for asked in ("2018-02-05", "20180205", days[2], days[2].to_datetime64(), days[2].date()):
        found = explained(days).at(asked)
        assert found.origin == days[2] and isinstance(found.origin, pd.Timestamp) and found.value == 2.0
    for asked in ("2018-02-04", "moon", 2, None):
        with pytest.raises(DataError, match="is not among the 5 origins explained"):
            explained(days).at(asked)
    assert explained(pd.RangeIndex(5)).at(2).value == 2.0
    panel = explained(pd.MultiIndex.from_product([days, ["AAA", "BBB"]]))
    assert panel.at((days[2], "BBB")).value == panel.at(("2018-02-05", "BBB")).value == 5.0
    for asked in ("2018-02-05", (days[2], "CCC")):
        with pytest.raises(DataError, match="is not among the 10"):
            panel.at(asked)


def test_an_explanation_is_refused_where_features_or_models_do_not_belong(model):
    with pytest.raises(FeatureDimensionError, match="moon"):
        explain(model, X.assign(moon=1.0))
    with pytest.raises(DataError, match="no row"):
        explain(model, X, pd.DatetimeIndex(["1970-01-01"]))
    with pytest.raises(DataError, match="explain_model"):
        explain(object(), X)
    with pytest.raises(DataError, match="not among"):
        explain(model, X).width.at("1970-01-01")


def test_a_users_model_is_explained_by_the_shap_library():
    pytest.importorskip("shap")
    table, y = made_of_three(3, 600)
    forest = RandomForestRegressor(20, min_samples_leaf=5, random_state=0).fit(table, y)
    found = explain_model(forest, table.tail(40), table, families={"a": "first"})
    np.testing.assert_allclose(found.value, forest.predict(table.tail(40)), atol=1e-6)
    assert set(found.importance().index[:3]) == {"a", "b", "c"} and "first" in found.by_family()
    assert found.to_shap().values.shape == (40, 10)


def test_pipeline_and_models_load_no_shap():
    code = (
        "import sys; from forecastkit.pipeline import IntegratedSystem; import forecastkit.models as m; m.explain; "
        "print([n for n in ('shap', 'numba') if n in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
    code = "import sys; from forecastkit.pipeline import IntegratedSystem; print('xgboost' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
