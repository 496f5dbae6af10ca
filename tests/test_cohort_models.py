"A cohort's own model: it serves where it wins the stated test, and nowhere else."

import json

import numpy as np
import pandas as pd
import pytest

from forecastkit.calendars import get_calendar
from forecastkit.calendars.cohorts import COHORTS
from forecastkit.core import ModelIntegrityError, Target
from forecastkit.evaluation import RefitSchedule, walk_forward
from forecastkit.models.base import VOLATILITY_RECIPE, Recipe
from forecastkit.models.baselines import Climatology
from forecastkit.models.cohort_models import (
    MIN_COHORT_ROWS,
    MIN_ORIGINS,
    CohortForecaster,
    CohortModel,
    CohortTest,
    compare_cohort,
    train_cohort_models,
)
from forecastkit.models.forecaster import ProbabilisticForecaster
from forecastkit.models.quantile_regression import LinearQuantile

NYSE = get_calendar("XNYS")

TARGET = Target("VIX", horizon=1)
RECIPE = Recipe((), (), (), ("lean",), VOLATILITY_RECIPE.floor)
DAYS = NYSE.sessions_in_range("2000-01-03", "2014-12-31")
RNG = np.random.default_rng(6)
X = pd.DataFrame(
    {"lean": RNG.normal(size=len(DAYS)), "calendar_cohort": np.repeat(COHORTS, 5)[np.arange(len(DAYS)) % 40]}, DAYS
)
WEEK = (X["calendar_cohort"] == "opex_week").to_numpy()
SAME = pd.Series(0.03 * X["lean"] + 0.05 * RNG.normal(size=len(X)), DAYS)
OTHER = SAME.mask(WEEK, SAME - 0.12 * X["lean"])  # in this one cohort the feature works the other way round
MODEL = ProbabilisticForecaster(TARGET, members=[LinearQuantile(RECIPE)])


def trained(y: pd.Series, **asked) -> CohortForecaster:
    schedule = RefitSchedule(NYSE, horizon=1, every=252, train_start="2000-01-01")
    return train_cohort_models(X, y, MODEL, TARGET, lambda make: walk_forward(X, y, make, schedule), **asked)


@pytest.fixture(scope="module")
def differing() -> CohortForecaster:
    return trained(OTHER)


def test_a_cohort_that_differs_gets_a_model_of_its_own(differing):
    verdicts = {verdict.cohort: verdict for verdict in differing.tests}
    assert list(verdicts) == list(COHORTS)
    won = verdicts["opex_week"]
    assert won.serves and won.skill > 0.1 and won.t > 5 and won.origins >= MIN_ORIGINS
    assert "opex_week" in differing.own_ and len(differing.own_) <= 2
    own, pooled = differing.own_["opex_week"], differing.pooled_
    slope = [m.members_[0].lines_.slopes[0, 11] for m in (own, pooled)]
    assert slope[0] < 0 < slope[1]


def test_cohorts_that_do_not_differ_are_left_to_the_pooled_model():
    "Eight tests at t >= 2: none wins here, and each says that it was tested."
    made = trained(SAME)
    assert [v.cohort for v in made.tests if v.serves] == [] and made.own_ == {}
    assert all(v.t is not None and v.origins >= MIN_ORIGINS for v in made.tests)
    assert set(made.served_by(X)) == {"pooled"}
    np.testing.assert_array_equal(made.predict_quantiles(X), made.pooled_.predict_quantiles(X))


def test_every_row_is_answered_by_the_model_that_is_named(differing):
    by, q = differing.served_by(X), differing.predict_quantiles(X)
    assert (by[WEEK] == "opex_week").all() and (by != "pooled").sum() < len(X) / 3
    np.testing.assert_array_equal(q[WEEK], differing.own_["opex_week"].predict_quantiles(X)[WEEK])
    np.testing.assert_array_equal(q[by == "pooled"], differing.pooled_.predict_quantiles(X)[by == "pooled"])
    np.testing.assert_array_equal(differing.predict_quantiles(X, last=60), q[-60:])
    for i in (700, 1205):
        np.testing.assert_array_equal(differing.predict_quantiles(X.iloc[: i + 1], last=1), q[[i]])


def test_a_cohort_that_was_not_asked_for_falls_back():
    made = trained(OTHER, cohorts=["month_end"])
    assert [v.cohort for v in made.tests] == ["month_end"] and "opex_week" not in made.own_
    assert set(made.served_by(X)[WEEK]) == {"pooled"}


def test_it_learns_from_its_own_rows_alone():
    changed = OTHER.mask(~WEEK, 9.0)
    one, other = (CohortModel(Climatology(), "opex_week").fit(X, y) for y in (OTHER, changed))
    assert one.own_rows_
    np.testing.assert_array_equal(one.predict_quantiles(X, last=1), other.predict_quantiles(X, last=1))
    few = OTHER[WEEK].iloc[: MIN_COHORT_ROWS - 1]
    short = CohortModel(Climatology(), "opex_week").fit(X, pd.concat([few, OTHER[~WEEK]]).sort_index())
    assert not short.own_rows_
    enough = OTHER[WEEK].iloc[:MIN_COHORT_ROWS]
    assert CohortModel(Climatology(), "opex_week").fit(X, pd.concat([enough, OTHER[~WEEK]]).sort_index()).own_rows_
    winner = CohortTest("opex_week", 400, 0.1, 3.0, serves=True)
    late = CohortForecaster(Climatology(), [winner]).fit(X, OTHER.iloc[:300])
    assert late.own_ == {} and set(late.served_by(X)) == {"pooled"}


def test_the_test_is_as_stated():
    rng = np.random.default_rng(0)
    loss = rng.gamma(4.0, size=MIN_ORIGINS)
    assert compare_cohort("opex_week", 0.9 * loss, loss, 5).serves
    assert not compare_cohort("opex_week", 1.1 * loss, loss, 5).serves
    assert compare_cohort("opex_week", loss, loss, 5) == CohortTest("opex_week", MIN_ORIGINS, 0.0, None, serves=False)
    few = compare_cohort("opex_week", 0.9 * loss[1:], loss[1:], 5)
    assert few == CohortTest("opex_week", MIN_ORIGINS - 1, None, None, serves=False)
    assert "too few" in str(few)
    weak = compare_cohort("opex_week", loss - 0.08 + rng.normal(size=len(loss)), loss, 5)
    assert weak.skill > 0 and 0 < weak.t < 2 and not weak.serves


@pytest.mark.parametrize("horizon", [130, 200])
def test_a_long_horizon_is_tested_on_two_of_its_spans_or_more(horizon):
    loss = np.random.default_rng(1).gamma(4.0, size=2 * horizon)
    assert compare_cohort("opex_week", 0.9 * loss, loss, horizon).skill == pytest.approx(0.1)
    assert compare_cohort("opex_week", 0.9 * loss[1:], loss[1:], horizon).skill is None


def test_unknown_outcomes_are_neither_learnt_from_nor_scored():
    "Outcomes that are not known yet change no verdict and no model."
    ahead = OTHER.copy()
    ahead.iloc[-40:] = np.nan
    asked = {"cohorts": ["opex_week"]}
    made, cut = trained(ahead, **asked), trained(ahead.iloc[:-40].reindex(X.index), **asked)
    assert made.tests == cut.tests
    np.testing.assert_array_equal(made.predict_quantiles(X), cut.predict_quantiles(X))


def test_saved_and_loaded_it_is_the_same(differing, tmp_path):
    sums = differing.save(tmp_path)
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")} == set(sums)
    back = CohortForecaster.load(tmp_path, sums)
    np.testing.assert_array_equal(back.predict_quantiles(X), differing.predict_quantiles(X))
    assert back.tests == differing.tests
    assert back.served_by(X).equals(differing.served_by(X))
    assert back.save(tmp_path / "again") == sums
    for name in sums:
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:-1])
        with pytest.raises(ModelIntegrityError, match="not as it was saved"):
            CohortForecaster.load(tmp_path, sums)
        (tmp_path / name).write_bytes(whole)


@pytest.mark.parametrize("own", [["../elsewhere"], ["pooled/.."], 7, [["opex_week"]]])
def test_a_forged_text_is_refused(differing, tmp_path, own):
    differing.save(tmp_path)
    text = json.loads((tmp_path / "cohorts.json").read_text()) | {"own": own}
    (tmp_path / "cohorts.json").write_text(json.dumps(text))
    with pytest.raises(ModelIntegrityError):
        CohortForecaster.load(tmp_path)
