"Simulated futures: the same bits in any company, the variance that was put in, and an answer where no GARCH can be fitted."

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from forecastkit.core import PROBS, DataError, FeatureDimensionError, canonical_json
from forecastkit.models import garch as garch
from forecastkit.models.base import STOCK_RECIPE
from forecastkit.models.garch import (
    GARCHHAR,
    LONG_MEAN,
    VarianceProcess,
    daily_mean,
    fit_variance,
    har_terms,
    mean_residuals,
    shock_indices,
    simulate_changes,
    trailing_windows,
)

RNG = np.random.default_rng(11)


def garch_path(rule: VarianceProcess, n: int, rng: np.random.Generator) -> np.ndarray:
    "Surprises of a known GJR-GARCH."
    h, e = rule.start, np.empty(n)
    for i, z in enumerate(rng.standard_normal(n)):
        e[i] = np.sqrt(h) * z
        h = float(rule.news_impact(e[i]) + rule.memory * h)
    return e


def frame(level: np.ndarray, column: str = "vix_log", start: str = "2000-01-03") -> pd.DataFrame:
    return pd.DataFrame({column: level}, pd.bdate_range(start, periods=len(level), unit="us"))


def changes(X: pd.DataFrame, column: str, horizon: int) -> pd.Series:
    return (X[column].shift(-horizon) - X[column]).dropna()


def reverting(n: int, rng: np.random.Generator) -> np.ndarray:
    "A log level that returns to 3, with shocks that cluster."
    x = np.full(n, 3.0)
    for i, e in enumerate(garch_path(TRUE, n - 1, rng), 1):
        x[i] = x[i - 1] + 0.03 * (3.0 - x[i - 1]) + e
    return x


TRUE = VarianceProcess(0.05 * 0.003, 0.12, -0.08, 0.87, start=0.003)
X = frame(reverting(1400, RNG))
Y = changes(X, "vix_log", 5)
LEARN = Y.iloc[:1000]


@pytest.fixture(scope="module")
def model() -> GARCHHAR:
    return GARCHHAR(paths=500).fit(X, LEARN)


def test_terms_are_those_of_a_plain_reckoning():
    x = X["vix_log"].to_numpy()
    terms = har_terms(trailing_windows(x))
    for i in (0, 3, 21, 22, 700):
        padded = np.r_[np.full(LONG_MEAN, x[0]), x[: i + 1]]
        wanted = [1, x[i], x[i] - padded[-5:].mean(), x[i] - padded[-22:].mean()]
        np.testing.assert_allclose(terms[i], wanted, atol=1e-12)
    mean = daily_mean(x, True, start=30)
    np.testing.assert_allclose(terms[30:-1].T @ mean_residuals(x, mean)[30:], 0, atol=1e-9)  # least squares
    assert daily_mean(x, False, start=0) == pytest.approx([np.diff(x).mean(), 0, 0, 0])


def test_the_variance_is_a_plain_recursion():
    e = garch_path(TRUE, 300, RNG)
    h = [TRUE.start]
    for v in e:
        h.append(TRUE.constant + (TRUE.shock + TRUE.fall * (v < 0)) * v * v + TRUE.memory * h[-1])
    np.testing.assert_allclose(TRUE.filtered(e), h, rtol=1e-12)


def test_the_fit_finds_what_was_put_in():
    found = fit_variance(garch_path(TRUE, 20_000, np.random.default_rng(0)))
    assert found.fitted
    assert found.shock == pytest.approx(TRUE.shock, abs=0.02)
    assert found.fall == pytest.approx(TRUE.fall, abs=0.02)
    assert found.memory == pytest.approx(TRUE.memory, abs=0.02)
    assert found.constant == pytest.approx(TRUE.constant, rel=0.25)


def test_simulated_variance_is_that_of_theory():
    "Without a mean, the variances of the days add up, and each is the expected one."
    n = 40_000
    shocks = np.random.default_rng(1).standard_normal((5, 1, n))
    rule = VarianceProcess(0.002, 0.1, 0.0, 0.8, start=0.0)
    made = simulate_changes(np.full((1, LONG_MEAN), 3.0), np.array([0.04]), shocks, np.zeros(4), rule)
    h, total = 0.04, 0.0
    for _ in range(5):
        total, h = total + h, 0.002 + 0.9 * h
    assert made.var() == pytest.approx(total, rel=0.03)


def test_the_level_returns_along_the_path():
    "Against a slow reckoning of one path, day by day, its own levels in its own means."
    mean, rule = np.array([0.3, -0.1, -0.2, 0.05]), VarianceProcess(0.001, 0.1, 0.2, 0.7, start=0.0)
    window, shocks = 3 + 0.1 * RNG.standard_normal((1, LONG_MEAN)), RNG.standard_normal((30, 1, 2))
    made = simulate_changes(window, np.array([0.01]), shocks, mean, rule)
    for path in range(2):
        levels, h = list(window[0]), 0.01
        for z in shocks[:, 0, path]:
            now, e = levels[-1], np.sqrt(h) * z
            terms = [1, now, now - np.mean(levels[-5:]), now - np.mean(levels[-22:])]
            levels.append(now + mean @ terms + e)
            h = rule.constant + (rule.shock + rule.fall * (e < 0)) * e * e + rule.memory * h
        assert made[0, path] == pytest.approx(levels[-1] - window[0, -1], abs=1e-10)


@pytest.mark.parametrize("horizon", [1, 5, 10, 21])
def test_every_row_keeps_its_bits(horizon):
    fitted = GARCHHAR(horizon=horizon, paths=300).fit(X, LEARN)
    whole = fitted.predict_quantiles(X)
    assert whole.shape == (len(X), 23) and np.isfinite(whole).all() and (np.diff(whole, axis=1) > 0).all()
    np.testing.assert_array_equal(fitted.predict_quantiles(X, last=70), whole[-70:])
    for i in (0, 21, 700, 1399):
        np.testing.assert_array_equal(fitted.predict_quantiles(X.iloc[: i + 1], last=1), whole[[i]])
    cut = GARCHHAR(horizon=horizon, paths=300).fit(X.loc[: LEARN.index[-1]], LEARN)
    np.testing.assert_array_equal(cut.predict_quantiles(X), whole)
    state, blobs = fitted.to_state()
    back = GARCHHAR.from_state(json.loads(canonical_json(state)), blobs)
    np.testing.assert_array_equal(back.predict_quantiles(X), whole)
    assert (back.get_params(), back.to_state()) == (fitted.get_params(), (state, blobs))


def test_chunks_leave_no_trace(model, monkeypatch):
    whole = model.predict_quantiles(X, last=50)
    for at_once in (1, 500, 1700):
        monkeypatch.setattr(garch, "PATHS_AT_ONCE", at_once)
        np.testing.assert_array_equal(model.predict_quantiles(X, last=50), whole)


def test_the_seed_and_the_origin_are_the_only_chance():
    days = X.index[:3]
    drawn = shock_indices(days, 900, (5, 40), seed=1)
    np.testing.assert_array_equal(shock_indices(days[1:2], 900, (5, 40), seed=1), drawn[:, 1:2])
    assert (drawn != shock_indices(days, 900, (5, 40), seed=2)).any()
    assert (drawn[:, 0] != drawn[:, 1]).any()
    assert drawn.min() >= 0 and drawn.max() < 900


def test_wild_days_make_wide_forecasts_and_high_levels_fall(model):
    q = model.predict_quantiles(X)
    volatility = X["vix_log"].diff().ewm(alpha=0.06).std().to_numpy()
    assert np.corrcoef((q[:, 19] - q[:, 3])[100:], volatility[100:])[0, 1] > 0.7
    assert np.corrcoef(q[100:, 11], X["vix_log"].to_numpy()[100:])[0, 1] < -0.5
    inside = (Y.to_numpy() >= q[:1395, 3]) & (Y.to_numpy() <= q[:1395, 19])
    assert inside.mean() == pytest.approx(0.8, abs=0.04)


def test_the_cohort_weight_is_not_read(model):
    heavy = X.assign(cohort_weight=np.linspace(0.5, 2.0, len(X)))
    plain = X.drop(columns="cohort_weight", errors="ignore")
    np.testing.assert_array_equal(model.predict_quantiles(heavy, last=5), model.predict_quantiles(plain, last=5))


def test_gaps_are_stepped_over(model):
    "Sessions without a level, and sessions that are not there, are the same."
    gone = X.index[[3, 600, 601, 602, 1398]]
    holed, absent = X.copy(), X.drop(gone)
    holed.loc[gone, "vix_log"] = np.nan
    learn = LEARN.drop(LEARN.index.intersection(gone))
    one, other = (GARCHHAR(paths=300).fit(frame, learn) for frame in (holed, absent))
    assert one.to_state()[0]["shocks"] == other.to_state()[0]["shocks"]
    there = ~X.index.isin(gone)
    np.testing.assert_array_equal(one.predict_quantiles(holed)[there], other.predict_quantiles(absent))
    assert np.isfinite(one.predict_quantiles(holed)).all()  # a session without a level goes on from the last one


def test_what_cannot_be_known_is_said(model):
    with pytest.raises(FeatureDimensionError, match="lack vix_log"):
        model.predict_quantiles(X.rename(columns={"vix_log": "other"}))
    late = X.assign(vix_log=X["vix_log"].where(np.arange(len(X)) > 5))
    with pytest.raises(DataError, match="no level is known up to 2000-01-03"):
        model.predict_quantiles(late)
    with pytest.raises(DataError, match="no two levels"):
        GARCHHAR().fit(X.assign(vix_log=np.nan), LEARN)


class Failed:
    "What `arch` returns when its search ends nowhere."

    convergence_flag = 4
    params = (0.1, 0.1, 0.0, 0.8)


ODD = {
    "too few days": (200, lambda e: e, None),
    "nothing moves": (600, lambda e: 0.0 * e, None),
    "ends nowhere": (600, lambda e: e, Failed()),
    "explodes": (600, lambda e: e, type("Explosive", (), {"convergence_flag": 0, "params": (0.1, 0.3, 0.0, 0.8)})()),
    "not a number": (600, lambda e: e, type("Lost", (), {"convergence_flag": 0, "params": (np.nan,) * 4})()),
}


@pytest.mark.parametrize("name", ODD)
def test_without_a_garch_there_is_smoothing(name, monkeypatch):
    n, change, answer = ODD[name]
    level = frame(3 + np.cumsum(change(garch_path(TRUE, n, np.random.default_rng(2)))))
    if answer is not None:
        from arch.univariate import ZeroMean

        monkeypatch.setattr(ZeroMean, "fit", lambda self, **_: answer)
    y = changes(level, "vix_log", 5)
    model = GARCHHAR(paths=300).fit(level, y)
    assert model.dropped_ == ("gjr_garch",) and model.variance_.memory == 0.94
    q = model.predict_quantiles(level)
    assert np.isfinite(q).all() and (np.diff(q, axis=1) > 0).all()
    back = GARCHHAR.from_state(*model.to_state())
    assert back.dropped_ == model.dropped_
    np.testing.assert_array_equal(back.predict_quantiles(level, last=3), q[-3:])


def test_a_jump_beyond_all_experience_is_survived(model):
    x = X["vix_log"].to_numpy().copy()
    x[-2:] += 2.0  # seven times as high overnight
    q = model.predict_quantiles(X.assign(vix_log=x), last=2)
    assert np.isfinite(q).all() and (np.diff(q, axis=1) > 0).all()
    assert np.ptp(q[-1, [3, 19]]) > 2 * np.ptp(model.predict_quantiles(X, last=1)[0, [3, 19]])


def test_a_price_drifts():
    price = frame(np.cumsum(0.001 + garch_path(VarianceProcess(1e-5, 0.05, 0.05, 0.85, 1e-4), 1200, RNG)), "own_log")
    y = changes(price, "own_log", 10)
    model = GARCHHAR(STOCK_RECIPE, horizon=10, paths=1000).fit(price, y)
    drift = price["own_log"].diff().mean()
    assert model.mean_ == pytest.approx([drift, 0, 0, 0], abs=1e-4)
    q = model.predict_quantiles(price)
    assert q[:, 11].mean() == pytest.approx(10 * drift, abs=0.005)
    assert np.corrcoef(q[:, 11], price["own_log"])[0, 1] < 0.1  # the height of a price says nothing
    assert list(model.contributions(price).index) == ["base"]


def test_contributions_account_for_the_median(model):
    for i in (50, 700, 1399):
        parts = model.contributions(X.iloc[: i + 1])
        assert list(parts.index) == ["base", "vix_log", "vix_dev_5", "vix_dev_22"]
        assert parts.sum() == pytest.approx(model.predict_quantiles(X.iloc[: i + 1], last=1)[0, 11], abs=1e-12)
    high = model.contributions(X.assign(vix_log=X["vix_log"] + 0.5))
    assert high["vix_log"] < model.contributions(X)["vix_log"]


def test_it_is_an_estimator(model):
    assert clone(model).get_params() == model.get_params()
    assert len(PROBS) == model.predict_quantiles(X, last=1).shape[1]
    with pytest.raises(ValueError, match="not fitted"):
        GARCHHAR().predict_quantiles(X)
