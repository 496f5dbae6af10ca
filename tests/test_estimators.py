"Estimators and forecasters: whatever is handed in is used, refused in a sentence or repaired aloud; scikit-learn's conventions."

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, DataError, DataWarning, FeatureDimensionError, Target
from forecastkit.metrics import crps
from forecastkit.models import (
    AR1,
    GARCHHAR,
    BoostedResidual,
    Climatology,
    CohortForecaster,
    HARLocationScale,
    LinearQuantile,
    PredictionIntervals,
    ProbabilisticForecaster,
    QuantileForest,
    Recipe,
    crps_scorer,
)
from forecastkit.models.base import HistoryForecaster
from forecastkit.models.cohort_models import CohortModel

RECIPE = Recipe(location=("level", "gap"), scale=(), scale_logged=("vol",), quantiles=("level", "vol"), floor=0.005)
MEMBERS = [LinearQuantile(RECIPE), GARCHHAR(RECIPE, paths=100), BoostedResidual(RECIPE, rounds=5)]
POOL = ProbabilisticForecaster(Target("VIX"), members=MEMBERS)
ROWWISE = [
    Climatology(),
    AR1("level"),
    HARLocationScale(RECIPE),
    LinearQuantile(RECIPE),
    QuantileForest(RECIPE, trees=5),
    BoostedResidual(RECIPE, rounds=5),
]
HISTORY = [GARCHHAR(RECIPE, paths=100), POOL, CohortModel(POOL, "mid_cycle"), CohortForecaster(POOL)]
MODELS = pytest.mark.parametrize("model", [*ROWWISE, *HISTORY], ids=lambda model: type(model).__name__)

DAYS = get_calendar("XNYS").sessions_in_range("2010-01-04", "2012-06-29")
RNG = np.random.default_rng(0)
N = len(DAYS)
LEVEL = np.empty(N)
LEVEL[0] = 3.0
for t in range(1, N):
    LEVEL[t] = 3.0 + 0.95 * (LEVEL[t - 1] - 3.0) + RNG.normal(0, 0.06)
X = pd.DataFrame(
    {"level": LEVEL, "gap": LEVEL - 3.0 + RNG.normal(0, 0.1, N), "vol": RNG.gamma(4.0, 0.02, N), "other": RNG.normal(size=N),
     "cohort_weight": 1.0, "calendar_cohort": "mid_cycle"}, DAYS,
)  # fmt: skip
Y = pd.Series(np.r_[LEVEL[5:] - LEVEL[:-5], np.full(5, np.nan)], DAYS).iloc[: N - 105].dropna()
TRAIN = X.loc[Y.index]


def fitted(model, X=TRAIN, y=Y):
    return clone(model, safe=False).fit(X, y)


def last_five(model):
    return model.predict_quantiles(X, last=5)


@pytest.fixture(scope="module")
def clean():
    "The last five quantiles of each model, fitted on clean rows."
    return {type(model).__name__: last_five(fitted(model)) for model in [*ROWWISE, *HISTORY]}


# --- the same answer however it is handed in

SAME = {
    "y as an array": lambda X, y: (X, y.to_numpy()),
    "y as a list": lambda X, y: (X, y.to_list()),
    "y as a frame": lambda X, y: (X, y.to_frame()),
    "y numbered from 0": lambda X, y: (X, y.reset_index(drop=True)),
    "y as Float64": lambda X, y: (X, y.astype("Float64")),
    "X as Float64": lambda X, y: (X.astype(dict.fromkeys(X.columns[:5], "Float64")), y),
    "X as objects": lambda X, y: (X.astype(object), y),
    "y of some rows only, X of all": lambda X_, y: (X[: y.index[-1]], y),
}


@MODELS
@pytest.mark.parametrize("form", SAME)
def test_another_form_of_the_same_data_gives_the_same_bits(model, form, clean):
    np.testing.assert_array_equal(last_five(fitted(model, *SAME[form](TRAIN, Y))), clean[type(model).__name__])


@MODELS
def test_a_gap_is_a_gap_whether_nan_or_na(model):
    gaps = TRAIN.assign(vol=TRAIN["vol"].mask(np.arange(len(TRAIN)) % 17 == 0))
    na = gaps.assign(vol=gaps["vol"].astype("Float64"))
    np.testing.assert_array_equal(last_five(fitted(model, na)), last_five(fitted(model, gaps)))


@MODELS
def test_the_infinite_is_absent_and_counted_in_fit_and_in_predict(model):
    every = np.arange(len(TRAIN)) % 40 == 7
    bad, gap = (TRAIN.assign(**{n: TRAIN[n].mask(every, v) for n in ("level", "vol")}) for v in (np.inf, np.nan))
    reads = not isinstance(model, Climatology)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        made = fitted(model, bad)
        assert any("infinite values in" in str(w.message) for w in heard if w.category is DataWarning) == reads
        heard.clear()
        predicted = made.predict_quantiles(bad, last=40)
        assert any("infinite values in" in str(w.message) for w in heard if w.category is DataWarning) == reads
    np.testing.assert_array_equal(predicted, fitted(model, gap).predict_quantiles(gap, last=40))
    assert np.isfinite(predicted).all() and (np.ptp(predicted, axis=1) > 0.05).all()


# --- refused in a sentence, at fit and at predict

ROWS = {
    "shuffled": lambda X: X.iloc[np.random.default_rng(1).permutation(len(X))],
    "newest first": lambda X: X.iloc[::-1],
    "a row twice": lambda X: pd.concat([X, X.iloc[[-1]]]),
    "a row twice in the middle": lambda X: pd.concat([X.iloc[:50], X.iloc[49:]]),
    "no row": lambda X: X.iloc[:0],
    "columns of two levels": lambda X: pd.concat([X], axis=1, keys=["all"]),
    "rows of two levels": lambda X: pd.concat([X], keys=["VIX"]),
    "an undated row": lambda X: X.set_axis(X.index.insert(0, pd.NaT)[:-1]),
}
COLUMNS = {
    "text for numbers": lambda X: X.assign(level="high"),
    "a column twice": lambda X: pd.concat([X, X[["level"]]], axis=1),
    "a complex column": lambda X: X.assign(level=X["level"] + 1j),
}


@MODELS
@pytest.mark.parametrize("how", [*ROWS, *COLUMNS])
def test_what_cannot_be_read_is_refused_at_fit_and_at_predict(model, how):
    if how in COLUMNS and isinstance(model, Climatology):
        pytest.skip("it reads no column")
    spoil = (ROWS | COLUMNS)[how]
    with pytest.raises(DataError) as at_fit:
        fitted(model, spoil(TRAIN), Y if how != "no row" else Y.iloc[:0])
    with pytest.raises(DataError) as at_predict:
        fitted(model).predict_quantiles(spoil(X))
    for error in (at_fit, at_predict):
        assert 20 < len(str(error.value)) < 300 and "\n" not in str(error.value)


@MODELS
@pytest.mark.parametrize(
    "y",
    [
        Y.iloc[::-1],
        Y.sample(frac=1, random_state=0),
        pd.concat([Y, Y.iloc[[-1]]]),
        Y.mask(np.arange(len(Y)) == 3),
        Y.astype("Float64").mask(np.arange(len(Y)) == 3),
        Y.mask(np.arange(len(Y)) == 3, np.inf),
        Y.to_numpy()[1:],
        Y.set_axis(Y.index + pd.DateOffset(years=40)),
        pd.DataFrame({"a": Y, "b": Y}),
        Y.iloc[:0],
        None,
    ],
    ids=["newest first", "shuffled", "twice", "missing", "NA", "infinite", "shorter", "other days", "two columns", "none", "None"],
)  # fmt: skip
def test_outcomes_that_do_not_belong_to_the_rows_are_refused(model, y):
    with pytest.raises(DataError):
        fitted(model, TRAIN, y)


@pytest.mark.parametrize("model", HISTORY, ids=lambda model: type(model).__name__)
def test_a_model_of_history_wants_dates(model):
    with pytest.raises(DataError, match="index are dates"):
        fitted(model, TRAIN.reset_index(drop=True), Y.to_numpy())


def test_a_forecaster_wants_names():
    for arrays in (TRAIN.iloc[:, :5].to_numpy(), TRAIN.iloc[:, :5].to_numpy().tolist()):
        with pytest.raises(DataError, match="hand over a frame"):
            POOL.fit(arrays, Y.to_numpy())


@pytest.mark.parametrize("model", ROWWISE[1:4], ids=lambda model: type(model).__name__)
def test_a_frame_without_the_columns_of_the_recipe_is_refused(model):
    with pytest.raises(FeatureDimensionError, match="none of the columns"):
        fitted(model, TRAIN[["other"]])


@MODELS
def test_no_row_is_no_forecast(model):
    made = fitted(model)
    for last in (0, -3):
        with pytest.raises(DataError, match="ask for one or more"):
            made.predict_quantiles(X, last=last)


def test_rows_out_of_order_would_have_made_garch_eight_times_too_wide():
    right = fitted(GARCHHAR(RECIPE, paths=100))
    assert 0.1 < np.ptp(last_five(right)[-1, [3, 19]]) < 0.6  # about 2.56 x .06 x sqrt(5) = .34
    with pytest.raises(DataError, match="not in order of time"):
        fitted(right, ROWS["shuffled"](TRAIN))


# --- arrays


@pytest.mark.parametrize("model", ROWWISE, ids=lambda model: type(model).__name__)
def test_an_array_has_no_names_and_all_its_columns_are_terms(model):
    table = TRAIN[["level", "gap", "vol"]].to_numpy()
    for form in (table, table.tolist(), pd.DataFrame(table), np.asfortranarray(table)):
        made = fitted(model, form, Y.to_numpy())
        assert made.n_features_in_ == 3 and not hasattr(made, "feature_names_in_")
        q = made.predict_quantiles(table[-4:])
        np.testing.assert_array_equal(q, fitted(model, table, Y.to_numpy()).predict_quantiles(table, last=4))
        with pytest.raises(ValueError, match="X has 2 features"):
            made.predict(table[:, :2])


def test_the_median_of_an_array_is_right():
    "An exact line through the level is found, whatever the form."
    exact = 0.3 - 0.1 * TRAIN["level"].to_numpy()
    noise = np.random.default_rng(5).normal(0, 0.01, len(exact))
    table = TRAIN[["level", "gap"]].to_numpy()
    for model in (AR1(), LinearQuantile(), HARLocationScale()):
        np.testing.assert_allclose(model.fit(table, exact + noise).predict(table), exact, atol=0.004)


# --- predictions and scores


@MODELS
def test_predict_is_the_median_and_score_the_negative_crps(model):
    made = fitted(model)
    q = made.predict_quantiles(X)
    np.testing.assert_array_equal(made.predict(X), q[:, 11])
    np.testing.assert_array_equal(made.predict(X, last=3), q[-3:, 11])
    np.testing.assert_allclose(made.predict(X, quantiles=PROBS), q, atol=1e-12)
    assert made.predict(X, quantiles=[0.1, 0.33, 0.9]).shape == (len(X), 3)
    rows = X.index.get_indexer(Y.index)
    assert made.score(X, Y) == pytest.approx(-crps(Y.to_numpy(), q[rows]).mean(), rel=1e-12)
    assert crps_scorer(made, X, Y) == made.score(X, Y)
    weights = np.arange(len(Y))
    assert made.score(X, Y, weights) == pytest.approx(-np.average(crps(Y.to_numpy(), q[rows]), weights=weights))
    with pytest.raises(DataError, match="probability"):
        made.predict(X, quantiles=[1.5])


@MODELS
def test_clone_and_parameters(model):
    again = clone(model)
    assert type(again) is type(model) and repr(again) == repr(model)
    with pytest.raises(NotFittedError):
        again.predict(X)
    with pytest.raises(ValueError, match=r"(?i)parameter"):
        again.set_params(nonsense=1)
    assert set(again.get_params(deep=False)) <= set(again.get_params())


# --- scikit-learn

EXPECTED = {
    "check_dtype_object": "a dict among numbers is refused as DataError, a ValueError, and not as TypeError",
    "check_supervised_y_2d": "a column vector is announced by DataWarning and not by DataConversionWarning",
    "check_parameters_default_constructible": "a recipe is a frozen record and no plain number",
}


@pytest.mark.parametrize("model", [Climatology(), AR1(), HARLocationScale(), LinearQuantile(), QuantileForest(trees=5), BoostedResidual(rounds=5), PredictionIntervals(rounds=5)], ids=lambda model: type(model).__name__)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(model):
    found = check_estimator(model, on_fail=None, on_skip=None)
    failed = {check["check_name"] for check in found if check["status"] == "failed"}
    assert len(found) > 45 and failed <= set(EXPECTED)


def test_what_reads_history_does_not_claim_to_be_an_estimator():
    for model in HISTORY:
        assert isinstance(model, HistoryForecaster) and not isinstance(model, BaseEstimator)
    assert all(isinstance(model, BaseEstimator) for model in ROWWISE)


def test_a_grid_search_with_default_scoring_finds_the_better_recipe():
    blind = Recipe((), (), (), ("other",), 0.005)
    search = GridSearchCV(LinearQuantile(), {"recipe": [blind, RECIPE]}, cv=TimeSeriesSplit(3), error_score="raise")
    assert search.fit(TRAIN, Y).best_params_ == {"recipe": RECIPE}
    assert search.best_score_ == pytest.approx(search.cv_results_["mean_test_score"].max()) and search.best_score_ < 0
    assert search.predict(X).shape == (N,)
    by_scorer = cross_val_score(
        LinearQuantile(RECIPE), TRAIN, Y, cv=TimeSeriesSplit(3), scoring=crps_scorer, error_score="raise"
    )
    assert by_scorer.mean() == pytest.approx(search.best_score_)


def test_a_grid_search_over_a_forecaster():
    default = ProbabilisticForecaster(Target("VIX"), recipe=RECIPE)
    search = GridSearchCV(default, {"rounds": [1, 3]}, cv=TimeSeriesSplit(2, test_size=20), error_score="raise").fit(
        TRAIN, Y
    )
    assert search.best_params_["rounds"] in (1, 3) and np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_pipelines_of_arrays_and_of_frames():
    names = ["level", "gap", "vol"]
    arrays = make_pipeline(StandardScaler(), LinearQuantile()).fit(TRAIN[names].to_numpy(), Y.to_numpy())
    frames = make_pipeline(
        StandardScaler().set_output(transform="pandas"), LinearQuantile(Recipe((), (), (), tuple(names), 0.005))
    )
    frames.fit(TRAIN[names], Y)
    np.testing.assert_allclose(frames.predict(X[names]), arrays.predict(X[names].to_numpy()), atol=1e-9)
    assert frames.score(TRAIN[names], Y) == pytest.approx(arrays.score(TRAIN[names].to_numpy(), Y.to_numpy()))


CHECKED_ELSEWHERE = {
    "DirectionEnsemble": "test_direction.py",
    "ArimaDirection": "reads a named column by symbol; without it, it is the base rate",
    "DriftOverScale": "reads named columns of a frame; without them it is the base rate",
    "ConfidenceCalibrator": "takes stated chances and states, no table",
    "PanelForecaster": "takes a frame by session and symbol only",
    "MultiTarget": "takes a frame of targets with the rows of X",
}


def test_every_estimator_on_the_face_is_checked_or_says_why_not():
    import forecastkit.models as face

    found = {
        name
        for name in face.__all__
        if isinstance(made := getattr(face, name), type) and issubclass(made, BaseEstimator) and hasattr(made, "fit")
    }
    checked = {"Climatology", "AR1", "HARLocationScale", "LinearQuantile", "QuantileForest", "BoostedResidual"}
    assert found - checked - {"PredictionIntervals"} == set(CHECKED_ELSEWHERE) & found
    assert len(EXPECTED) <= 5


@pytest.mark.parametrize("model", [*ROWWISE, *HISTORY, PredictionIntervals()], ids=lambda model: type(model).__name__)
def test_scikit_learn_is_told_that_what_is_absent_may_be_nan(model):
    assert get_tags(model).input_tags.allow_nan
