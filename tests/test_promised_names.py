"""The names and shapes that the requirement documents promise (`../shared/seeds`), called as their examples call them.

Each district appends the examples that concern it. What a name gives beyond that is tested where the district is tested."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.core import PROBS, Target
from forecastkit.features import FeatureCalculator, FeatureSet, TemporalValidator, calculate_all_features
from forecastkit.regimes import Regime, RegimeDetector


def a_forecast(symbol: str = "VIX") -> fk.Forecast:
    "A forecast made by hand: five sessions from a VIX of 18."
    values = Target(symbol).from_log(np.linspace(-0.4, 0.6, len(PROBS)) ** 3)
    return fk.Forecast(
        symbol=symbol, origin="2018-11-05", target_session="2018-11-12", horizon=5, kind="pct_change", probs=PROBS,
        values=values, last_value=18.0, cohort="mid_cycle", cohort_weight=1.0, feature_quality=0.95,
        regime_bounds=(15.0, 20.0, 30.0) if symbol == "VIX" else (), model_version="m", code_version="c",
        data_fingerprint="d", made_at=datetime(2018, 11, 5, 22, tzinfo=UTC), metadata={"features_used": 12},
    )  # fmt: skip


# ---------------------------------------------------------------- forecasts: the distribution object


@pytest.mark.parametrize("name", ["point_estimate", "confidence_score", "feature_quality"])
def test_numbers_of_the_distribution_are_found_as_key_and_as_attribute(name):
    distribution = a_forecast()
    assert isinstance(distribution[name], float)
    assert getattr(distribution, name) == distribution[name]


def test_quantiles_and_regimes_are_read_by_name():
    distribution = a_forecast()
    quantiles, regimes = distribution["quantiles"], distribution["regime_probabilities"]
    assert quantiles["q10"] < quantiles["q25"] < quantiles["q50"] < quantiles["q75"] < quantiles["q90"]
    assert [f"{name.capitalize()}: {p * 100:.1f}%" for name, p in regimes.items()]
    assert sum(regimes[name] for name in ("low", "normal", "elevated", "crisis")) == pytest.approx(1)
    assert distribution["cohort"] == "mid_cycle"


def test_the_metadata_name_date_horizon_quality_and_level():
    distribution = a_forecast()
    metadata = distribution["metadata"]
    assert pd.Timestamp(metadata["forecast_date"]) == pd.Timestamp(distribution["forecast_date"])
    assert pd.Timestamp(metadata["observation_date"]) == distribution.origin
    assert metadata["horizon_days"] == 5  # sessions, as everywhere
    assert metadata["feature_quality"] == distribution["feature_quality"] == 0.95
    assert metadata["features_used"] == 12
    assert metadata["cohort_weight"] == 1.0
    expected = metadata["current_vix"] * (1 + distribution["point_estimate"] / 100)
    assert expected == pytest.approx(metadata["expected_value"])


def test_the_same_values_as_attributes():
    forecast = a_forecast()
    assert forecast.forecast_date == pd.Timestamp("2018-11-12")
    assert (forecast.horizon_days, forecast.current_vix, forecast.current_value) == (5, 18.0, 18.0)
    assert forecast.expected_value == forecast["metadata"]["expected_value"]
    assert forecast.quantiles == forecast["quantiles"]


def test_a_forecast_of_a_stock_has_no_level_of_the_vix():
    forecast = a_forecast("AAPL")
    assert "current_vix" not in forecast["metadata"]
    with pytest.raises(fk.core.DataError, match="forecast of AAPL"):
        _ = forecast.current_vix


# ---------------------------------------------------------------- ledger: store_prediction(record)


def test_the_record_of_the_document_is_stored(tmp_path):
    distribution = a_forecast()
    record = {
        "prediction_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "timestamp": pd.Timestamp.now(),
        "forecast_date": pd.Timestamp(distribution["metadata"]["forecast_date"]), "horizon": 5,
        "calendar_cohort": distribution["cohort"], "cohort_weight": distribution["metadata"]["cohort_weight"],
        "point_estimate": distribution["point_estimate"],
        **{name: distribution["quantiles"][name] for name in ("q10", "q25", "q50", "q75", "q90")},
        **{f"prob_{name}": chance for name, chance in distribution["regime_probabilities"].items()},
        "confidence_score": distribution["confidence_score"],
        "feature_quality": distribution["metadata"]["feature_quality"], "num_features_used": 2,
        "current_vix": distribution["metadata"]["current_value"], "features_used": '{"vix": 18.0, "spx": 2738.0}',
        "model_version": "git-0a1b2c3",
    }  # fmt: skip
    database = fk.PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db")
    assert database.store_prediction(record) and not database.store_prediction(record)
    stored = database.get_predictions("VIX")
    assert stored[["horizon", "model_version", "timeliness"]].values.tolist() == [[5, "git-0a1b2c3", "backfill"]]
    forecast = database.get_forecast(stored["prediction_id"][0])
    assert (f"{forecast.origin:%Y-%m-%d}", forecast.last_value, forecast.cohort) == ("2018-11-05", 18.0, "mid_cycle")
    for p, name in ((0.1, "q10"), (0.5, "q50"), (0.9, "q90")):
        assert forecast.quantile(p) == pytest.approx(record[name], abs=1e-9)
    assert database.get_features(forecast.prediction_id) == {"vix": 18.0, "spx": 2738.0}
    assert database.verify() == []
    database.close()


# ---------------------------------------------------------------- pipeline: the integrated system


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    settings = fk.load_settings(
        environ={},
        overrides={
            "data.home": str(tmp_path_factory.mktemp("home")),
            "run.progress": False,
            "model.rounds": 5,
            "model.refit_every": 126,
        },
    )
    return fk.IntegratedSystem(settings=settings, market=fk.synthetic_market(seed=3, sessions=900).market)


def test_a_batch_is_a_list_of_forecasts(system):
    days = system.market.close("VIX").index[-12:]
    forecasts = system.generate_forecast_batch(days[0], days[-1])
    assert isinstance(forecasts, list) and len(forecasts) == 12 and forecasts.skipped == {}
    assert f"Generated {len(forecasts)} forecasts" == "Generated 12 forecasts"
    assert all(isinstance(one, fk.Forecast) for one in forecasts)
    early = system.generate_forecast_batch(system.market.close("VIX").index[0], system.market.close("VIX").index[4])
    assert len(early) == 0 and len(early.skipped) == 5


def test_the_system_has_the_components_that_the_document_names(system):
    assert isinstance(system.feature_engine, fk.FeatureEngine)
    assert isinstance(system.forecaster, fk.ProbabilisticForecaster)
    assert isinstance(system.anomaly_detector, fk.AnomalyDetector)
    assert isinstance(system.prediction_db, fk.PredictionDatabase) and system.prediction_db is system.database
    frame = system.feature_engine.build_features(system.market, window="15y")
    quality = system.validator.compute_feature_quality(frame, frame.index[-1])
    assert system.validator.check_quality_threshold(quality)[0]
    assert system.forecaster.features_ == [name for name in frame.columns if name in system.forecaster.features_]


def test_the_distribution_of_the_system_has_the_structure_of_the_document(system):
    distribution = system.generate_forecast()
    assert {"point_estimate", "quantiles", "regime_probabilities", "confidence_score", "metadata"} <= set(distribution)
    q = distribution["quantiles"]
    assert q["q10"] <= q["q25"] <= q["q50"] <= q["q75"] <= q["q90"]
    assert abs(sum(distribution["regime_probabilities"].values()) - 1.0) < 0.01
    assert 0 <= distribution["confidence_score"] <= 1
    assert system.last_forecast.prediction_id == distribution["prediction_id"]
    with pytest.warns(DeprecationWarning):
        assert system.run()["prediction_id"] == distribution["prediction_id"]


# ---------------------------------------------------------------- regimes: the regime detector of 002.md, whose fixture and tests stand here as the document has them


@pytest.fixture(scope="module")
def synthetic_data() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    n_days = 1500
    dates = pd.date_range(end="2024-01-15", periods=n_days, freq="B")
    rng = np.random.default_rng(42)
    vix_values = 15 + 10 * np.sin(np.linspace(0, 6 * np.pi, n_days))
    vix_values += rng.normal(scale=2, size=n_days)
    vix_df = pd.DataFrame({"vix": vix_values}, index=dates)
    spy_returns = rng.normal(loc=0.0003, scale=0.01, size=n_days)
    spy_df = pd.DataFrame({"close": 100 * np.exp(np.cumsum(spy_returns))}, index=dates)
    t2y = 4.5 + rng.normal(scale=0.2, size=n_days)
    t10y = 4.0 + rng.normal(scale=0.2, size=n_days)
    treasury_df = pd.DataFrame({"treasury_2y": t2y, "treasury_10y": t10y}, index=dates)
    hy_spread_df = pd.DataFrame({"hy_spread": 3.5 + rng.normal(scale=0.5, size=n_days)}, index=dates)
    return vix_df, spy_df, treasury_df, hy_spread_df


@pytest.fixture(scope="module")
def feature_array(synthetic_data) -> np.ndarray:
    vix_df, spy_df, treasury_df, hy_spread_df = synthetic_data
    calculator = FeatureCalculator(lookback_days=252)
    features_df = calculator.calculate_feature_history(
        vix_df=vix_df, price_df=spy_df, treasury_df=treasury_df, hy_spread_df=hy_spread_df
    )
    assert len(features_df) > 0
    assert all(col in features_df.columns for col in FeatureSet.feature_names())
    again = calculator.calculate_feature_history(
        vix_df=vix_df, price_df=spy_df, treasury_df=treasury_df, hy_spread_df=hy_spread_df
    )
    pd.testing.assert_frame_equal(features_df, again)
    return features_df[FeatureSet.feature_names()].values


@pytest.fixture(scope="module")
def fitted_detector(feature_array) -> RegimeDetector:
    return RegimeDetector(n_states=3, random_state=42).fit(feature_array)


def test_regime_detection_workflow(feature_array, fitted_detector, tmp_path):
    assert fitted_detector.is_fitted
    assert fitted_detector.n_features == 9
    regime = fitted_detector.predict_regime(feature_array[-1:])
    assert isinstance(regime, Regime)
    probs = fitted_detector.predict_regime_probabilities(feature_array[-1:])
    assert len(probs) == 3
    assert abs(sum(probs.values()) - 1.0) < 1e-6
    fitted_detector.save(str(tmp_path / "model"))
    loaded = RegimeDetector.load(str(tmp_path / "model"))
    assert loaded.predict_regime(feature_array[-10:]) == fitted_detector.predict_regime(feature_array[-10:])
    loaded_probs = loaded.predict_regime_probabilities(feature_array[-10:])
    original = fitted_detector.predict_regime_probabilities(feature_array[-10:])
    assert all(abs(loaded_probs[regime] - original[regime]) < 1e-6 for regime in Regime)


def test_regime_transitions_make_sense(fitted_detector):
    trans_matrix = fitted_detector.get_transition_matrix()
    for i in range(3):
        assert trans_matrix[i, i] >= max(trans_matrix[i, j] for j in range(3) if j != i)
    # the document wants < 0.99, "not 100 % persistence": a diagonal of .99 is a mean stay of 100 sessions and legitimate
    assert np.all(np.diag(trans_matrix) < 1)


def test_regime_characteristics_are_indexed_as_documented(fitted_detector):
    characteristics = fitted_detector.get_state_characteristics()
    for regime in [Regime.RISK_ON, Regime.NEUTRAL, Regime.RISK_OFF]:
        chars = characteristics[regime]
        assert f"{regime.value}: {chars['feature_0']:.1f} {chars['feature_1']:.2f} {chars['feature_2']:.2%}"
    for regime, prob in fitted_detector.get_stationary_distribution().items():
        assert f"{regime.value}: {prob:.1%}"
    assert fitted_detector.get_transition_matrix().shape == (3, 3)


def test_get_feature_importance(fitted_detector):
    importance = fitted_detector.get_feature_importance()
    assert len(importance) == fitted_detector.n_features
    assert abs(sum(importance.values()) - 1.0) < 1e-6
    assert all(v >= 0 for v in importance.values())
    assert 0 <= importance["feature_0"] <= 1


def test_get_diagnostics(fitted_detector):
    diag = fitted_detector.get_diagnostics()
    assert {"converged", "n_iterations", "state_persistence", "n_samples_trained", "n_features", "n_states"} <= set(
        diag
    )
    assert 0 <= diag["state_persistence"] <= 1


def test_get_prediction_metadata(feature_array, fitted_detector):
    metadata = fitted_detector.get_prediction_metadata(feature_array[-1:])
    wanted = {"regime", "confidence", "probabilities", "model_version", "n_features", "feature_values", "timestamp"}
    assert wanted <= set(metadata)
    assert 0 <= metadata["confidence"] <= 1
    assert sum(metadata["probabilities"].values()) == pytest.approx(1)
    three = RegimeDetector().fit(feature_array[:, :3]).get_prediction_metadata(np.array([[10, 0.05, 0.5]]))
    assert 0 <= three["confidence"] <= 1


# ---------------------------------------------------------------- features: the validator of 000.md takes the values of one session


def test_the_quality_of_a_dict_of_features():
    date = pd.Timestamp("2024-01-12")
    feature_dict = {"vix": 13.2, "vix_dev_22": -0.05, "calendar_cohort": "mid_cycle"}
    validator = TemporalValidator()
    quality_score = validator.compute_feature_quality(feature_dict, date)
    usable, quality_msg = validator.check_quality_threshold(quality_score)
    assert (quality_score, usable) == (1.0, True)
    poor = feature_dict | {"vix_dev_22": float("nan")}
    assert validator.compute_feature_quality(poor, date) == 0.5
    assert not validator.check_quality_threshold(0.5)[0]
    assert validator.get_quality_report(poor, date)["issues"] == ["no series: no value for vix_dev_22, never seen"]
    assert isinstance(quality_msg, str)


# ---------------------------------------------------------------- regimes: the twelve states


def test_the_classification_into_twelve_is_a_name():
    market = fk.synthetic_market(seed=5, sessions=700).market
    state = fk.regimes.regime_12_classification(market.close("SPX"))
    assert isinstance(state, str) and state in fk.regimes.MARKET_STATES and len(fk.regimes.MARKET_STATES) == 12


# ---------------------------------------------------------------- features: all features of a ticker on a date


def test_all_features_of_a_ticker_are_a_dictionary_of_numbers():
    market = fk.synthetic_market(seed=3, sessions=400, stocks=("AAPL", "MSFT")).market
    features = calculate_all_features("AAPL", market, market.close("AAPL").index[-1])
    assert 40 <= len(features) <= 60
    assert all(isinstance(name, str) and type(value) is float for name, value in features.items())


# ---------------------------------------------------------------- features: the research features of 003.md


def test_research_features_give_what_the_document_says():
    market = fk.synthetic_market(seed=3, sessions=400, stocks=("AAPL",)).market
    with pytest.warns(fk.core.DataWarning, match="finra"):
        assert isinstance(fk.features.dark_pool_ratio(market, "AAPL"), float)
    score, parts = fk.features.pre_breakout_fingerprint(market.bars("AAPL"), market.close("SPX"))
    assert 0 <= score <= 1 and set(parts) == {"contraction", "dry_up", "closeness", "strength"}
    with pytest.warns(fk.core.DataWarning, match="gold"):
        correlations = fk.features.cross_asset_correlation(market, "AAPL")
    assert isinstance(correlations, dict) and {"vix", "yields", "dollar", "oil", "gold", "bitcoin"} == set(correlations)


# ---------------------------------------------------------------- trading: the sizer and the backtest of 003.md


def test_a_position_is_a_dictionary_of_size_stops_and_targets():
    position = fk.PositionSizer().calculate_position_size(a_forecast("AAPL"), {"equity": 100_000.0})
    wanted = {"shares", "weight", "notional", "stop_loss", "take_profit", "trailing_stop", "kelly_fraction", "reasons"}
    assert wanted <= set(position)
    assert abs(position["weight"]) <= 0.05


def test_a_walk_forward_backtest_gives_aggregated_results():
    market = fk.synthetic_market(seed=3, sessions=120, stocks=("AAPL", "MSFT")).market
    engine = fk.BacktestEngine(market)
    result = engine.run_walk_forward_backtest(lambda view, names: dict.fromkeys(names, 0.3), ("AAPL", "MSFT"), every=10)
    assert {"sharpe", "max_drawdown", "hit_rate", "by_year"} <= set(result.to_dict())


# ---------------------------------------------------------------- pipeline: several horizons


def test_the_job_of_several_horizons_takes_symbol_timeframe_and_bars():
    days = fk.calendars.get_calendar("XNYS").sessions_in_range("2016-01-04", "2018-12-28")
    df = pd.DataFrame(
        {"close": 30 * np.exp(np.cumsum(0.01 * np.random.default_rng(1).standard_normal(len(days))))}, days
    )
    record = fk.pipeline.generate_multi_horizon_forecasts("AAPL", "d1", df)
    assert (record.symbol, record.timeframe, record.horizons) == ("AAPL", "d1", (1, 5, 10, 21))


# ---------------------------------------------------------------- models: signals, calibration, intervals


def test_the_meta_learner_combines_signals_by_state_and_sector():
    answer = fk.MetaLearner().combine({"ensemble": 0.6, "distribution": 0.55}, state="bull_normal", sector="Technology")
    assert {"direction", "confidence", "reasoning", "weights"} <= set(answer)
    assert sum(answer["weights"].values()) == pytest.approx(1) and answer["reasoning"]


def test_the_calibrator_fits_curves_by_regime_and_tells_ece_brier_and_log_loss():
    rng = np.random.default_rng(0)
    stated = rng.uniform(0.4, 0.7, 1200)
    rose, regime = (
        (rng.random(1200) < stated).astype(int),
        np.where(np.arange(1200) < 700, "bull_normal", "bear_crisis"),
    )
    calibrator = fk.ConfidenceCalibrator(horizon=1)
    calibrator.fit(stated, rose, regime)
    assert ((calibrator.calibrate(stated, regime) >= 0) & (calibrator.calibrate(stated, regime) <= 1)).all()
    told = calibrator.evaluate_calibration(stated, rose, regime)
    assert {"ece", "ece_debiased", "ece_perfect", "brier", "log_loss", "n"} <= set(told)
    assert calibrator.needs_recalibration(stated, rose, regime) is False
    assert calibrator.plot_calibration_curve(stated, rose, regime) is not None


def test_intervals_have_a_lower_and_an_upper_end():
    from forecastkit.models import PredictionIntervals

    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 2))
    intervals = PredictionIntervals()
    intervals.fit(X[:250], X[:250, 0] + rng.standard_normal(250))
    lower, upper = intervals.predict_intervals(X[250:])
    assert lower.shape == upper.shape == (50,) and (lower < upper).all()


def test_hyperparameters_are_optimised_as_the_document_calls_it():
    from forecastkit.ops import MODEL_CONFIGS, OuterFolds, optimize_hyperparameters, register_target

    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((240, 2)), pd.bdate_range("2015-01-01", periods=240), ["a", "b"])
    register_target("net_profit", X, X["a"] + rng.standard_normal(240))
    study, best_params = optimize_hyperparameters(
        target="net_profit",
        config=MODEL_CONFIGS["net_profit"],
        n_trials=2,
        use_cv=False,
        n_jobs=2,
        outer=OuterFolds(1, 1),
    )
    assert len(study.trials) == 2 and study.best_params == best_params
    assert set(study.user_attrs["nested"]) == {"gain", "se", "t", "n"}


# ---------------------------------------------------------------- pipeline: the stored ensembles of 001.md, whose tests stand here as the document has them


@pytest.fixture
def home_with_an_ensemble(tmp_path, monkeypatch):
    "A home in which an ensemble that serves AAPL and MSFT was stored, in force by the environment."
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product(
        [pd.bdate_range("2016-01-04", periods=200), ["AAPL", "MSFT"]], names=["session", "symbol"]
    )
    X = pd.DataFrame(rng.standard_normal((400, 3)), rows, ["close", "rsi", "macd"])
    up = (X["rsi"] + rng.standard_normal(400) > 0).astype(int)
    ensemble = fk.DirectionEnsemble({"rf": LogisticRegression(), "gb": LogisticRegression(C=0.01)}, horizon=1)
    monkeypatch.setenv("FORECASTKIT_DATA_HOME", str(tmp_path / "home"))
    database = fk.PredictionDatabase(f"sqlite:///{tmp_path}/home/forecasts.db")
    fk.ModelRegistry(tmp_path / "home" / "models", database).save(
        "5e771465c0ffee00",
        ensemble.fit(X, up),
        target=fk.Target("DIRECTION"),
        origin="2017-05-02",
        symbols=("AAPL", "MSFT"),
    )
    database.close()


@pytest.mark.parametrize("trained", [True, False])
def test_the_tests_of_the_document_run_with_other_import_paths(trained, request, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FORECASTKIT_DATA_HOME", str(tmp_path / "home"))
    if trained:
        request.getfixturevalue("home_with_an_ensemble")
    # --- test 1
    from forecastkit.pipeline import EnsembleLoader

    # Check what models are available
    available = EnsembleLoader.list_available_models()
    print(f"Available models: {available}")

    # Load specific model
    model_info = EnsembleLoader.get_model_info("AAPL", "d1")
    if model_info:
        print(f"Loaded: {model_info['timestamp']}")
        print(f"Accuracy: {model_info['ensemble_accuracy']:.1%}")
        print(f"Weights: {model_info['weights']}")
    else:
        print("No trained models found - run training job first")

    # --- test 2
    from forecastkit.pipeline import get_production_ensemble_with_trained_weights

    ensemble = get_production_ensemble_with_trained_weights("AAPL", "d1")

    if ensemble.is_trained:
        print(" Ensemble is trained")
        print(f"Weights: {ensemble.ensemble_manager.ensemble.weights}")
    else:
        print(" Ensemble not trained")

    # --- test 3
    df = pd.DataFrame({
        "close": [100, 101, 102, 103, 104],
        "rsi": [50, 55, 60, 65, 70],
        "macd": [0, 0.1, 0.2, 0.3, 0.4],
    })  # fmt: skip

    ensemble = get_production_ensemble_with_trained_weights("AAPL", "d1")

    if ensemble.is_trained:
        result = ensemble.predict(df)
        print(f"Prediction: {result['label']}")
        print(f"Confidence: {result['confidence']:.1%}")
        print(f"Agreement: {result['agreement']:.1%}")
    else:
        print("Ensemble not trained")

    said = capsys.readouterr().out
    if trained:
        assert available == {"AAPL_d1": ["5e771465c0ffee00"], "MSFT_d1": ["5e771465c0ffee00"]}
        assert {"symbol", "timeframe", "timestamp", "ensemble_accuracy", "weights", "file_size_mb", "file_path"} <= set(
            model_info
        )
        assert result["label"] in ("bullish", "neutral", "bearish") and "Agreement: " in said
        assert ensemble.training_stats["loaded_from"] == "AAPL_d1_20170502"
        artifact = EnsembleLoader.load_latest_model("AAPL", "d1")
        assert {"models", "weights", "timestamp", "ensemble_accuracy", "performances"} <= set(artifact)
        assert artifact["performances"]["rf"]["n_features"] == len(df.columns)
    else:
        assert (available, model_info, EnsembleLoader.load_latest_model("AAPL", "d1")) == ({}, None, None)
        assert "Ensemble not trained" in said and not (tmp_path / "home").exists()
        assert "forecastkit train --symbol AAPL" in ensemble.training_stats["remedy"]
