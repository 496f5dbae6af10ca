"The panel forecaster: honest about tickers it never saw, the same bits in any batch, stored without pickle, calibrated on what is known."

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from forecastkit.calendars import reported_dates
from forecastkit.core import PROBS, DataError, FeatureDimensionError, ModelIntegrityError
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features import compute_panel, earnings_panel_features, panel_features
from forecastkit.metrics import crps
from forecastkit.models import PanelForecaster, calibrate_panel, linear_pool
from forecastkit.models.panel_scale import VarianceMix, fit_scale_line, scale_loss

NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE")


@pytest.fixture(scope="module")
def data() -> tuple[pd.DataFrame, pd.Series]:
    market = synthetic_market(seed=5, sessions=1300, stocks=NAMES).market
    table = reported_dates("AAA", market.close("AAA").index[20::63])
    X = compute_panel(market, features=(*panel_features(), *earnings_panel_features(table)))
    outcome = {name: market.calendar.outcomes(market.close(name), 5) for name in NAMES}
    return X, pd.concat(outcome, names=["symbol", "session"]).swaplevel().dropna()


def until(frame, day: str):
    return frame[frame.index.get_level_values("session") < day]


@pytest.fixture(scope="module")
def model(data) -> PanelForecaster:
    X, y = data
    return PanelForecaster(rounds=20).fit(until(X, "2014-01-01"), until(y, "2013-12-20"))


def test_quantiles_rise_and_beat_one_distribution_for_all(data, model):
    X, y = data
    later = X[~X.index.isin(until(X, "2014-01-01").index)]
    later = later[later.index.isin(y.index)]
    truth, table = y.reindex(later.index).to_numpy(), model.predict_quantiles(later)
    assert table.shape == (len(later), len(PROBS)) and (np.diff(table, axis=1) > 0).all()
    flat = np.tile(np.quantile(until(y, "2013-12-20"), PROBS), (len(later), 1))
    assert crps(truth, table).mean() < crps(truth, flat).mean()
    assert model.score(later, y[y.index.isin(later.index)]) == pytest.approx(-crps(truth, table).mean())


def test_a_row_is_the_same_in_any_batch_and_order_of_tickers(data, model):
    X = data[0].tail(400)
    table = model.predict_quantiles(X)
    for at in (0, 7, 399):
        assert model.predict_quantiles(X.iloc[[at]]).tobytes() == table[[at]].tobytes()
    assert model.predict_quantiles(X, last=11).tobytes() == table[-11:].tobytes()


def test_fitting_twice_gives_the_same_bits_and_leaves_the_input_alone(data, model):
    X, y = until(data[0], "2014-01-01"), until(data[1], "2013-12-20")
    before = X.copy()
    again = clone(model).fit(X, y)
    assert again.predict_quantiles(X.tail(50)).tobytes() == model.predict_quantiles(X.tail(50)).tobytes()
    assert X.equals(before)


def test_outcomes_that_are_not_known_teach_nothing(data, model):
    X, y = until(data[0], "2014-01-01"), until(data[1], "2013-12-20")
    more = until(data[0], "2014-09-01")
    same = clone(model).fit(more, y)
    assert same.predict_quantiles(X.tail(50)).tobytes() == model.predict_quantiles(X.tail(50)).tobytes()


def test_a_ticker_never_seen_has_the_drift_of_all(data, model):
    row = data[0].tail(1)
    name = row.index[0][1]
    stranger = row.rename(index={name: "NEW"}, level="symbol")
    moved = model.predict_quantiles(stranger) - model.predict_quantiles(row)
    assert_allclose(moved, model.drift_ - model.drifts_[name], atol=1e-8)


def test_gaps_of_a_young_ticker_are_filled(data, model):
    row = data[0].tail(1).copy()
    row.loc[:, [c for c in row if c.endswith(("_66", "_252", "_200"))]] = np.nan
    assert np.isfinite(model.predict_quantiles(row)).all()


def test_results_ahead_are_known_to_the_model(data, model):
    assert {"earnings_ahead", "earnings_pull"} <= set(model.members_[0].line.terms.names)
    assert "clean_vol_22" in model.members_[0].line.terms.names


def test_closes_alone_are_enough(data):
    X, y = until(data[0], "2014-01-01"), until(data[1], "2013-12-20")
    closes = X.drop(
        columns=[c for c in X if "range" in c or c.startswith(("earnings", "clean", "gap", "overnight", "volume"))]
    )
    model = PanelForecaster(rounds=5).fit(closes, y)
    assert np.isfinite(model.predict_quantiles(closes.tail(3))).all()


def test_saved_and_loaded_is_the_same(data, model, tmp_path):
    X = data[0].tail(60)
    sums = model.save(tmp_path / "panel")
    assert not [name for name in sums if name.endswith((".pkl", ".pickle", ".joblib"))]
    loaded = PanelForecaster.load(tmp_path / "panel", sums)
    assert loaded.predict_quantiles(X).tobytes() == model.predict_quantiles(X).tobytes()
    assert loaded.get_params() == model.get_params()
    trees = next(name for name in sums if name.endswith(".ubj"))
    (tmp_path / "panel" / trees).write_bytes(b"something else")
    with pytest.raises(ModelIntegrityError):
        PanelForecaster.load(tmp_path / "panel", sums)


@pytest.mark.parametrize("text", ['{"format": 1}', "[]", '{"format": 99}', "no json"])
def test_what_is_no_model_is_refused(text, tmp_path):
    (tmp_path / "panel.json").write_text(text)
    with pytest.raises(ModelIntegrityError):
        PanelForecaster.load(tmp_path)


def test_the_forecast_is_the_pool_of_what_the_members_say(data, model):
    X = data[0].tail(30)
    members = model.member_quantiles(X)
    assert len(members) == len(model.members_)
    assert_array_equal(model.predict_quantiles(X), linear_pool(members, model.weights))


def test_what_cannot_be_used_is_said(data, model):
    X, y = data
    for asked in (PanelForecaster().predict_quantiles, PanelForecaster().member_quantiles, PanelForecaster().save):
        with pytest.raises(NotFittedError):
            asked(X)
    with pytest.raises(DataError, match="index levels session and symbol"):
        model.predict_quantiles(X.droplevel("symbol"))
    with pytest.raises(DataError, match="sort_index"):
        model.predict_quantiles(X.iloc[::-1])
    with pytest.raises(DataError, match="more than once"):
        model.predict_quantiles(X.iloc[[0, 0]])
    with pytest.raises(FeatureDimensionError, match="vol_22"):
        model.predict_quantiles(X.drop(columns="vol_22"))
    with pytest.raises(DataError, match="no row of features"):
        PanelForecaster().fit(X.tail(500), y)


def test_the_scale_line_finds_a_known_law():
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"vol": np.exp(rng.normal(-4, 0.5, 40_000))})
    residual = 2 * X["vol"].to_numpy() ** 0.8 * rng.normal(size=40_000)
    line = fit_scale_line(X, residual, ("vol",), ("vol",))
    assert line.slopes[0, 0] / line.terms.spread[0] == pytest.approx(0.8, abs=0.03)


def test_the_mixture_finds_known_weights():
    rng = np.random.default_rng(4)
    X = pd.DataFrame(np.exp(rng.normal(-4, 0.6, (60_000, 2))), columns=["slow", "fast"])
    scale = np.sqrt(1.5 * X["slow"] ** 2 + 0.5 * X["fast"] ** 2).to_numpy()
    mix = VarianceMix.fit(X, scale * rng.laplace(size=60_000), ("slow", "fast"))
    assert_allclose(mix.weights, [1.5, 0.5], rtol=0.1)
    residual = scale * rng.laplace(size=60_000)
    assert scale_loss(mix.scale(X), residual) <= scale_loss(scale, residual) + 1e-3


def test_the_width_of_a_panel_uses_known_outcomes_only():
    rng = np.random.default_rng(1)
    times, tickers = np.repeat(np.arange(900), 3), np.tile(np.arange(3), 900)
    raw = np.tile(np.linspace(-0.05, 0.05, len(PROBS)), (2700, 1))
    outcome, bands = rng.normal(0, 0.06, 2700), (times // 100) % 2
    whole = calibrate_panel(raw, outcome, times, tickers, bands, 5)
    for cut in (300, 555):
        known = np.where(times + 5 <= cut, outcome, np.nan)
        then = calibrate_panel(raw, known, times, tickers, bands, 5)
        assert then.quantiles[times <= cut].tobytes() == whole.quantiles[times <= cut].tobytes()
