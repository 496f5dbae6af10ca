"What must be beaten: walk-forward baselines against their definitions, and a location-scale model that keeps its bits."

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, DataError, FeatureDimensionError, canonical_json
from forecastkit.models.base import VOLATILITY_RECIPE, Linear, Recipe, fit_linear, fit_terms, float_table
from forecastkit.models.baselines import (
    AR1,
    HAR_RECIPE,
    HAR_STOCK_RECIPE,
    Climatology,
    HARLocationScale,
    ar1_quantiles,
    climatology_quantiles,
    rise_frequency,
    transition_probabilities,
)

NYSE = get_calendar("XNYS")
pytestmark = pytest.mark.filterwarnings("ignore:.*infinite values.*count as absent")  # X has some

DAYS = NYSE.sessions_in_range("2000-01-03", "2004-12-31")
RNG = np.random.default_rng(11)
LOG = np.empty(len(DAYS))
LOG[0] = 3.0
for _t in range(1, len(DAYS)):
    LOG[_t] = 3.0 + 0.97 * (LOG[_t - 1] - 3.0) + 0.06 * RNG.standard_normal()
LEVEL = pd.Series(np.exp(LOG), DAYS).drop(DAYS[[90, 91, 400, 777]])  # sessions that the data lack
Y = NYSE.outcomes(LEVEL, 5)


def features(log: pd.Series, seed: int = 1) -> pd.DataFrame:
    "The columns of the volatility recipe, some real, some noise, with gaps and a warm-up."
    rng = np.random.default_rng(seed)
    change = log.diff()
    X = pd.DataFrame(
        {"vix_log": log, "vix_dev_5": log - log.rolling(5).mean(), "vix_dev_22": log - log.rolling(22).mean()}
    )
    X["vix_vol_ewma94"] = np.sqrt((change**2).ewm(alpha=0.06).mean())
    X["vix_vol_ewma80"] = np.sqrt((change**2).ewm(alpha=0.2).mean())
    X["vix_vol_66"] = change.rolling(66).std()
    X["vix_change_5"] = log.diff(5)
    for name in ("vix_range_5", "vrp", "spx_return_5", "spx_drawdown"):
        X[name] = np.abs(rng.normal(0.1, 0.02, len(X)))
    X.loc[X.index[::50], "vrp"] = np.nan
    X.loc[X.index[7::60], "vix_range_5"] = np.inf
    return X.assign(cohort_weight=rng.choice([0.9, 1.0, 1.2], len(X)), feature_quality=1.0, calendar_cohort="mid_cycle")


X = features(np.log(LEVEL))
LEARN = Y.iloc[70:900].dropna()


def through_json(model):
    "The model as it comes back from its stored text."
    state, blobs = model.to_state()
    return type(model).from_state(json.loads(canonical_json(state)), blobs)


# --- the walk-forward baselines


def known(day: pd.Timestamp) -> pd.Series:
    "The outcomes known at a session, by the definition."
    return Y[NYSE.target_sessions(Y.index, 5) <= day].dropna()


def test_climatology_is_what_it_says():
    table = climatology_quantiles(Y, X.index, 5, window=400, calendar=NYSE)
    for i in (100, 258, 262, 300, 700, len(X) - 1):
        past = known(X.index[i])
        if len(past) < 250:
            assert np.isnan(table[i]).all()
        else:
            np.testing.assert_allclose(table[i], np.quantile(past.to_numpy()[-400:], PROBS), atol=1e-8)


def test_ar1_is_what_it_says():
    table = ar1_quantiles(X["vix_log"], Y, X.index, 5, NYSE)
    for i in (100, 300, 700, len(X) - 1):
        past = known(X.index[i])
        if len(past) < 250:
            assert np.isnan(table[i]).all()
        else:
            x = X.loc[past.index, "vix_log"].to_numpy()
            b, a = np.polyfit(x, past.to_numpy(), 1)
            wanted = a + b * X["vix_log"].iloc[i] + np.quantile(past.to_numpy() - a - b * x, PROBS)
            np.testing.assert_allclose(table[i], wanted, atol=1e-7)


@pytest.mark.parametrize("i", [254, 255, 400, 500, 999])
def test_baselines_do_not_see_tomorrow(i):
    "Computed from data cut at a session, its row has the same bits as in the whole table; one origin is as good as all."
    then, day = NYSE.outcomes(LEVEL.iloc[: i + 1], 5), X.index[i : i + 1]
    whole = climatology_quantiles(Y, X.index, 5, calendar=NYSE)
    np.testing.assert_array_equal(climatology_quantiles(then, day, 5, calendar=NYSE)[0], whole[i])
    whole = ar1_quantiles(X["vix_log"], Y, X.index, 5, NYSE)
    np.testing.assert_array_equal(ar1_quantiles(X["vix_log"].iloc[: i + 1], then, day, 5, NYSE)[0], whole[i])


# --- terms and lines


def test_values_that_are_no_numbers_are_gaps():
    frame = pd.DataFrame({"a": [1.0, 0.0, -1.0, np.inf, np.nan], "b": np.arange(5)})
    assert np.isnan(float_table(frame, ["a"], ["a"])[1:]).all()
    np.testing.assert_array_equal(np.isnan(float_table(frame, ["b", "a"]))[:, 1], [False, False, False, True, True])
    assert not np.shares_memory(float_table(frame, ["b"]), frame["b"].to_numpy())


def test_terms_missing_too_often_are_dropped_and_small_gaps_filled():
    n = 100
    frame = pd.DataFrame(
        {"whole": np.arange(n) * 1.0, "some": np.arange(n) * 2.0, "few": np.arange(n) * 3.0, "flat": 7.0}
    )
    frame.loc[:19, "some"] = np.nan  # a fifth is allowed
    frame.loc[:20, "few"] = np.nan
    terms = fit_terms(frame, ["whole", "some", "few", "flat", "unheard_of"])
    assert terms.names == ("whole", "some", "flat") and terms.dropped == ("few", "unheard_of")
    row = pd.DataFrame({"whole": [1.0], "some": [np.nan], "flat": [7.0]})
    assert terms.matrix(row)[0, 1] == (np.median(np.arange(20, n) * 2.0) - terms.centre[1]) / terms.spread[1]
    assert terms.matrix(frame)[:, 2].any() == False  # noqa: E712  (a constant says nothing, and divides by nothing)
    with pytest.raises(FeatureDimensionError, match="lack some"):
        terms.matrix(row.drop(columns="some"))


@pytest.mark.parametrize("k", [0, 1, 2, 3, 5, 8, 9])
def test_a_line_gives_a_row_the_same_bits_in_any_company(k):
    rng = np.random.default_rng(k)
    frame = pd.DataFrame(rng.normal(size=(500, k)), DAYS[:500], [f"x{j}" for j in range(k)])
    lines = Linear(fit_terms(frame, list(frame.columns)), rng.normal(size=23), rng.normal(size=(k, 23)))
    batch = lines.predict(frame)
    assert batch.shape == (500, 23)
    for start, stop in ((0, 1), (3, 4), (17, 60), (250, 499)):
        np.testing.assert_array_equal(lines.predict(frame.iloc[start:stop]), batch[start:stop])
    mixed = rng.permutation(500)
    np.testing.assert_array_equal(lines.predict(frame.iloc[mixed]), batch[mixed])
    scattered = pd.DataFrame({name: frame[name] for name in reversed(frame.columns)}, frame.index)
    np.testing.assert_array_equal(lines.predict(scattered), batch)
    np.testing.assert_array_equal(Linear.from_state(json.loads(canonical_json(lines.to_state()))).predict(frame), batch)


def test_least_squares():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(5, 2, 400), "b": np.exp(rng.normal(size=400))})
    y = 1 + 2 * frame["a"].to_numpy() - 3 * np.log(frame["b"].to_numpy())
    line = fit_linear(frame, y, ["a", "b"], ["b"])
    np.testing.assert_allclose(line.predict(frame)[:, 0], y, atol=1e-9)
    assert line.contributions(frame)["a"] == pytest.approx(2 * (frame["a"].iloc[-1] - frame["a"].mean()))


# --- the models

OTHER_RECIPE = Recipe((), ("spx_drawdown",), ("vix_vol_ewma94",), ("vix_vol_ewma94",), 0.001)  # of other columns
MODELS = [Climatology(300), AR1(), HARLocationScale(), HARLocationScale(OTHER_RECIPE)]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_every_model_keeps_its_bits(model):
    fitted = clone(model).fit(X, LEARN)
    whole = fitted.predict_quantiles(X)
    assert whole.shape == (len(X), 23) and (np.diff(whole, axis=1) > 0).all() and np.isfinite(whole).all()
    np.testing.assert_array_equal(fitted.predict_quantiles(X, last=3), whole[-3:])
    np.testing.assert_array_equal(fitted.predict_quantiles(X.iloc[:950], last=1), whole[949:950])
    cut = clone(model).fit(X.loc[: LEARN.index[-1]], LEARN)
    np.testing.assert_array_equal(cut.predict_quantiles(X), whole)
    np.testing.assert_array_equal(through_json(fitted).predict_quantiles(X), whole)
    assert through_json(fitted).get_params() == fitted.get_params()


def test_a_model_changes_nothing_it_is_handed():
    before, target = X.copy(), LEARN.copy()
    HARLocationScale().fit(X, LEARN).predict_quantiles(X)
    pd.testing.assert_frame_equal(X, before)
    pd.testing.assert_series_equal(LEARN, target)


def test_scale_is_learnt():
    "A scale that doubles with a column is found, and a cohort weight does nothing to it."
    rng = np.random.default_rng(5)
    n = 4000
    days = NYSE.sessions_in_range("1990-01-02", "2010-12-31")[:n]
    vol = np.exp(rng.normal(0, 0.5, n))
    frame = pd.DataFrame({"vol": vol, "cohort_weight": 1.0}, days)
    y = pd.Series(0.02 + 0.1 * vol * rng.normal(size=n), days)
    model = HARLocationScale(Recipe((), (), ("vol",), (), floor=0.001)).fit(frame, y)
    q = model.predict_quantiles(frame)
    np.testing.assert_allclose((q[:, 19] - q[:, 3]) / (0.1 * vol * 2.563), 1, atol=0.12)
    mean, scale = model.location_scale(frame)
    wider = model.location_scale(frame.assign(cohort_weight=1.5))
    np.testing.assert_array_equal(wider[0], mean)
    np.testing.assert_array_equal(wider[1], scale)
    assert model.contributions(frame).to_dict() == {"base": model.predict_quantiles(frame, last=1)[0, 11]}


def test_dropped_terms_are_on_record():
    model = HARLocationScale().fit(X.assign(vix_range_5=np.nan), LEARN)
    assert model.dropped_ == ("vix_range_5",)
    assert HARLocationScale().fit(X.drop(columns="vix_range_5"), LEARN).dropped_ == ("vix_range_5",)
    assert HARLocationScale().fit(X, LEARN).dropped_ == ()


def test_what_does_not_belong_together_is_refused():
    for bad in (Y, Y.iloc[:0], Y.mask(Y > 0.1, np.inf).dropna()):
        with pytest.raises(DataError, match="known"):
            HARLocationScale().fit(X, bad)
    with pytest.raises(DataError, match="no row of features"):
        AR1().fit(X.iloc[200:], LEARN)


# --- on the real VIX


def walk(X, y, make, first="2005-01-03", every=63):
    from forecastkit.evaluation import RefitSchedule, walk_forward

    return walk_forward(X, y, make, RefitSchedule(NYSE, 5, every=every), first=first)


@pytest.mark.filterwarnings("ignore::forecastkit.core.errors.DataWarning")  # meetings are known from 2000 on
def test_the_real_vix(shared_data):
    "The skill that the notebook quotes, within a standard error, and baselines in their order."
    from forecastkit.core import Target
    from forecastkit.data.sources import load_market
    from forecastkit.features.volatility import FeatureEngine, volatility_features
    from forecastkit.metrics import crps, skill

    market = load_market(f"folder:{shared_data}/cboe, sample", symbols={"VIX", "SPX"})
    names = {*VOLATILITY_RECIPE.location, *VOLATILITY_RECIPE.scale, *VOLATILITY_RECIPE.scale_logged}
    declared = [f for f in volatility_features() if f.name in names]
    X, y = FeatureEngine(declared).build_features(market), NYSE.outcomes(market.close("VIX"), 5)
    raw = walk(X, y, HARLocationScale)
    ok, change = y[raw.origins].notna().to_numpy(), Target("VIX").from_log
    assert ok.sum() == 3518
    truth = change(y[raw.origins][ok].to_numpy())
    base = crps(truth, change(climatology_quantiles(y, raw.origins, 5, calendar=NYSE)[ok]))
    har = skill(crps(truth, change(raw.quantiles[ok])), base)
    ar1 = skill(crps(truth, change(ar1_quantiles(X["vix_log"], y, raw.origins, 5, NYSE)[ok])), base)
    assert har.value == pytest.approx(0.049, abs=0.008)
    assert ar1.value == pytest.approx(0.011, abs=0.004)


def test_transitions_and_rises_are_counted_from_what_was_known():
    before = pd.Series(np.digitize(np.log(LEVEL), [2.8, 3.2]), LEVEL.index)
    after = before.reindex(NYSE.target_sessions(LEVEL.index, 5)).set_axis(LEVEL.index)
    table = transition_probabilities(before, after, LEVEL.index, 5, 3, NYSE)
    rises = rise_frequency(Y, LEVEL.index, 5, NYSE)
    ends = NYSE.target_sessions(LEVEL.index, 5)
    for i in (0, 4, 5, 89, 95, 400, len(LEVEL) - 1):
        known = (ends <= LEVEL.index[i]) & after.notna().to_numpy()
        counts = [1 + ((before == before.iloc[i]) & (after == k))[known].sum() for k in range(3)]
        np.testing.assert_allclose(table[i], np.array(counts) / sum(counts), rtol=1e-15)
        outcomes_then = Y[(ends <= LEVEL.index[i]) & Y.notna().to_numpy()]
        wanted = (outcomes_then > 0).mean() if len(outcomes_then) >= 250 else np.nan
        np.testing.assert_allclose(rises[i], wanted)


def test_the_har_baseline_moves_its_middle_and_keeps_its_width():
    plain = X.drop(columns="cohort_weight")
    q = HARLocationScale(HAR_RECIPE).fit(plain, LEARN).predict_quantiles(plain)[100:]
    width = q[:, -1] - q[:, 0]
    np.testing.assert_allclose(width, width[0], rtol=1e-9)
    assert q[:, 11].std() > 0.005
    own = plain.assign(own_vol_5=plain["vix_vol_66"], own_vol_22=plain["vix_vol_66"], own_vol_66=plain["vix_vol_66"])
    q = HARLocationScale(HAR_STOCK_RECIPE).fit(own, LEARN).predict_quantiles(own)[100:]
    assert (q[:, -1] - q[:, 0]).std() > 0.001
