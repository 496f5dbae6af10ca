"The day: what a page shows is what was known then, kept or fitted anew, and nothing of it reaches the forecast."

import numpy as np
import pandas as pd
import pytest

from forecastkit.calendars import get_calendar
from forecastkit.core import Target
from forecastkit.core.settings import load_settings
from forecastkit.data.sources import load_market
from forecastkit.data.synthetic import synthetic_market
from forecastkit.pipeline.daily import assess_anomaly, filtered_regimes, forecast_scores
from forecastkit.pipeline.preparation import prepare
from forecastkit.pipeline.system import IntegratedSystem

NYSE = get_calendar("XNYS")


def settings_at(home, **more):
    return load_settings(
        environ={},
        overrides={"data.home": str(home), "run.progress": False, "model.rounds": 3, "model.refit_every": 126, **more},
    )


@pytest.fixture(scope="module")
def market():
    return synthetic_market(seed=11, sessions=1000).market


@pytest.fixture(scope="module")
def system(market, tmp_path_factory):
    return IntegratedSystem(settings=settings_at(tmp_path_factory.mktemp("home")), market=market)


@pytest.fixture(scope="module")
def day(system):
    return system.daily()


@pytest.fixture(scope="module")
def prepared(market, system, day):
    return prepare(market, Target("VIX"), system.settings, market.last_session(), system.registry)


def same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True, check_freq=False)


def same_days(one, other) -> None:
    for name in ("p_values", "reasons", "scores"):
        same(getattr(one, name), getattr(other, name))
    assert one.ranked == other.ranked


def test_regimes_from_the_shelf_are_those_fitted_anew(tmp_path):
    market = synthetic_market(seed=11, sessions=1500).market
    fresh = filtered_regimes(market)
    for _ in range(2):
        same(filtered_regimes(market, states=tmp_path), fresh)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) >= 2
    next(kept[0].glob("*.npz")).write_bytes(b"cut short")
    with pytest.warns(UserWarning, match="damaged"):
        same(filtered_regimes(market, states=tmp_path), fresh)
    cut = market.close("VIX").index[1200]
    same(filtered_regimes(market.as_of(cut), states=tmp_path), fresh.loc[:cut])
    assert sorted(tmp_path.iterdir()) == kept  # a day of the past asks for no other versions


def test_an_unusual_day_is_the_same_from_the_shelf_and_from_an_earlier_market(market, system, prepared, tmp_path):
    whole = assess_anomaly(prepared, prepared.last)
    for _ in range(2):
        same_days(assess_anomaly(prepared, prepared.last, tmp_path), whole)
    cut = prepared.origins[-150]
    then = prepare(market.as_of(cut), prepared.target, prepared.settings, cut, system.registry)
    early = assess_anomaly(then, cut)
    same(early.p_values, whole.p_values.loc[:cut])
    same_days(assess_anomaly(prepared, cut), early)


def test_scores_are_those_of_the_stored_forecasts(system, day):
    scores = forecast_scores(system.prepared(day.as_of), day.as_of).loc[day.record.index]
    np.testing.assert_allclose(scores["crps"], day.record["crps"], rtol=1e-9)
    np.testing.assert_allclose(scores["climatology"], day.record["crps_climatology"], rtol=1e-9)
    card = system.evaluate(day.record.index[0], day.record.index[-1])
    for name in ("climatology", "ar1", "har", "garch"):  # what the page sets beside is what `evaluate` scores
        np.testing.assert_allclose(card.baseline_scores[name]["crps"], day.record[f"crps_{name}"], rtol=1e-9)
    assert (scores["inside_80"] == day.record["inside_80"]).mean() > 0.99
    assert (
        day.anomaly.scores["days"].sum()
        == day.anomaly.p_values["p_value"]
        .reindex(forecast_scores(system.prepared(day.as_of), day.as_of).index)
        .notna()
        .sum()
    )


def test_outcomes_after_the_session_do_not_count(prepared):
    cut = prepared.origins[200]
    scores = forecast_scores(prepared, cut)
    assert scores.index[-1] == prepared.origins[195]


def test_with_too_little_history_the_day_says_nothing(prepared):
    early = assess_anomaly(prepared, prepared.features.index[240])
    assert early.ranked == 0 and early.reasons.empty and early.p_values["p_value"].isna().all()


def test_the_forecast_does_not_know_of_it(market, day, tmp_path, monkeypatch):
    from forecastkit.regimes import anomalies as anomalies

    monkeypatch.setattr(anomalies, "conformal_p_values", lambda known, scores: np.full(scores.shape, 1e-9))
    alarmed = IntegratedSystem(settings=settings_at(tmp_path), market=market).daily()
    assert (alarmed.anomaly.p_values["p_value"].dropna() == 1e-9).all()
    assert alarmed.forecast.values == day.forecast.values
    assert alarmed.forecast.prediction_id == day.forecast.prediction_id


def test_a_stock_has_a_day_of_its_own_kind(tmp_path):
    bars = synthetic_market(seed=3, sessions=900, stocks=("AAPL",)).market
    target = Target("AAPL", "log_return")
    prepared = prepare(bars, target, settings_at(tmp_path), bars.last_session(), first=bars.close("AAPL").index[-60])
    anomaly = assess_anomaly(prepared, prepared.last, tmp_path)
    assert 0 < anomaly.p_values.loc[prepared.last, "p_value"] <= 1
    assert len(anomaly.reasons) > 10


def test_on_the_embedded_data_february_2018_stands_out(tmp_path, five_years):
    market = load_market(f"folder:{five_years}")
    storm = pd.Timestamp("2018-02-05")
    prepared = prepare(market, Target("VIX"), settings_at(tmp_path), storm, first=pd.Timestamp("2017-12-01"))
    anomaly = assess_anomaly(prepared, storm)
    assert anomaly.p_values.loc[storm, "p_value"] <= 0.005
    assert anomaly.p_values.loc[storm, "change"] <= 0.005
    assert "vix_change_1" in anomaly.reasons.index[:5]
