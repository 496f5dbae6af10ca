"Regimes: nothing sees tomorrow, the same bits everywhere, and what cannot be trusted is refused."

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, DataWarning, FeatureDimensionError, ModelIntegrityError
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.regime import FeatureCalculator, FeatureSet, regime_features
from forecastkit.regimes.detector import Regime, RegimeDetector, regime_history, regime_versions
from forecastkit.regimes.hmm import HMMParameters, filter_states, log_density, smooth_states, stationary_distribution

NYSE = get_calendar("XNYS")

MARKET, TRUTH = synthetic_market(seed=3, sessions=1800)
X = regime_features(MARKET)
DETECTOR = RegimeDetector().fit(X)
FILTERED = DETECTOR.filtered_probabilities(X)


def random_chain(seed: int, k: int, n: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.full(k, 0.5), size=k) * 0.98 + 0.02 / k
    return rng.normal(size=(n, k)) * spread, transition, rng.dirichlet(np.ones(k))


# Bayes' rule


@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(1, 40), st.sampled_from([0.1, 3.0, 800.0]))
@settings(max_examples=60, deadline=None)
def test_filtering_is_bayes_rule_and_never_overflows(seed, k, n, spread):
    evidence, transition, start = random_chain(seed, k, n, spread)
    filtered = filter_states(evidence, transition, start)
    assert np.isfinite(filtered).all()
    np.testing.assert_allclose(filtered.sum(axis=1), 1, atol=1e-12)
    cut = seed % n
    assert (filter_states(evidence[: cut + 1], transition, start) == filtered[: cut + 1]).all()
    if spread < 100:  # where likelihoods themselves can be multiplied without losing them
        weight = start
        for t in range(n):
            weight = (weight if t == 0 else weight @ transition) * np.exp(evidence[t])
            weight = weight / weight.sum()
        np.testing.assert_allclose(filtered[-1], weight, atol=1e-10)
        smoothed = smooth_states(evidence, transition, start)
        np.testing.assert_allclose(smoothed.sum(axis=1), 1, atol=1e-9)
        np.testing.assert_array_equal(smoothed[-1], filtered[-1])


def test_hindsight_knows_more_only_through_later_rows():
    evidence, transition, start = random_chain(1, 3, 30, 2.0)
    smoothed = smooth_states(evidence, transition, start)
    backwards = np.ones(3)
    for t in range(29, 3, -1):
        backwards = transition @ (np.exp(evidence[t]) * backwards)
    weight = filter_states(evidence, transition, start)[3] * backwards
    np.testing.assert_allclose(smoothed[3], weight / weight.sum(), atol=1e-10)


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_a_density_with_gaps_is_that_of_the_features_present(seed, d):
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(seed)
    root = rng.normal(size=(d, d)) + 2 * np.eye(d)
    covariance = root @ root.T + np.eye(d)  # near a singular one the reference itself loses its digits
    means, rows = rng.normal(size=(2, d)), rng.normal(size=(5, d))
    rows[rng.random((5, d)) < 0.4] = np.nan
    found = log_density(rows, means, covariance)
    for t, row in enumerate(rows):
        at = np.flatnonzero(np.isfinite(row))
        for k, mean in enumerate(means):
            wanted = multivariate_normal(mean[at], covariance[np.ix_(at, at)]).logpdf(row[at]) if len(at) else 0.0
            assert found[t, k] == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_the_long_run_is_where_the_chain_ends_up():
    _, transition, start = random_chain(5, 3, 1, 1.0)
    np.testing.assert_allclose(
        stationary_distribution(transition), start @ np.linalg.matrix_power(transition, 500), atol=1e-9
    )


def test_a_row_without_any_feature_only_moves_the_chain():
    model: HMMParameters = DETECTOR.fitted_.model
    gap = X.copy()
    gap.iloc[500:502] = np.nan
    said = DETECTOR.filtered_probabilities(gap).to_numpy()
    np.testing.assert_allclose(said[500], said[499] @ model.transition, atol=1e-12)
    np.testing.assert_array_equal(said[:500], FILTERED.to_numpy()[:500])


# nothing sees tomorrow


@pytest.mark.parametrize("cut", [260, 611, 1000, 1503])
def test_truncating_the_market_changes_no_bit_of_what_was_said(cut):
    session = X.index[cut]
    known = regime_features(MARKET.as_of(session))
    pd.testing.assert_frame_equal(known, X.loc[:session], check_exact=True)
    grid = NYSE.refit_sessions(X.index, every=252)
    whole, then = regime_history(X, grid), regime_history(known, grid[grid <= session])
    pd.testing.assert_frame_equal(then, whole.loc[:session], check_exact=True)


def test_a_wild_future_changes_nothing_before_it():
    wild = X.copy()
    wild.iloc[900:] *= 7.0
    grid = NYSE.refit_sessions(X.index, every=252)
    before = X.index[899]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the wild versions may be refused
        changed = regime_history(wild, grid)
    pd.testing.assert_frame_equal(changed.loc[:before], regime_history(X, grid).loc[:before], check_exact=True)


def test_a_row_is_the_same_alone_and_in_the_crowd():
    one_by_one = [DETECTOR.predict_regime_probabilities(X.iloc[: t + 1])[Regime.RISK_OFF] for t in range(0, 200, 20)]
    assert one_by_one == FILTERED["risk_off"].iloc[0:200:20].tolist()


def test_another_process_with_two_threads_learns_the_same_bits():
    code = (
        "from forecastkit.features.regime import regime_features; from forecastkit.regimes.detector import RegimeDetector\n"
        "from forecastkit.data.synthetic import synthetic_market\n"
        "print(RegimeDetector().fit(regime_features(synthetic_market(seed=3, sessions=1800).market)).model_version)"
    )
    env = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "5"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == DETECTOR.model_version


# what is learnt


def test_the_whole_job_on_a_market_whose_truth_is_known():
    transition = DETECTOR.get_transition_matrix()
    stays = np.diag(transition)
    assert transition.shape == (3, 3)
    assert (stays == transition.max(axis=1)).all()
    assert (stays < 1).all()
    assert set(FILTERED.idxmax(axis=1)) == {"risk_on", "neutral", "risk_off"}
    levels = pd.DataFrame(DETECTOR.get_state_characteristics()).T
    assert levels["vix_level"].is_monotonic_increasing
    assert levels["realized_volatility"].is_monotonic_increasing
    assert (FILTERED.idxmax(axis=1) == TRUTH["state"].loc[X.index]).mean() > 0.7
    diagnostics = DETECTOR.get_diagnostics()
    assert diagnostics["converged"]
    wanted = {
        "converged",
        "n_iterations",
        "log_likelihood",
        "state_persistence",
        "persistence_by_state",
        "n_samples_trained",
        "n_features",
        "n_states",
    }
    assert set(diagnostics) == wanted
    assert sum(DETECTOR.get_feature_importance().values()) == pytest.approx(1)
    assert sum(DETECTOR.get_stationary_distribution().values()) == pytest.approx(1)


def test_units_and_the_order_of_columns_do_not_matter():
    thousand = X.assign(curve_slope=1000 * X["curve_slope"], vix_level=1000 * X["vix_level"])[X.columns[::-1]]
    other = RegimeDetector().fit(thousand).filtered_probabilities(thousand)
    assert (other.idxmax(axis=1) == FILTERED.idxmax(axis=1)).mean() > 0.99


def test_an_era_is_not_a_regime():
    era = X.assign(
        era=np.where(np.arange(len(X)) < 800, 0.0, 5.0) + np.random.default_rng(0).normal(size=len(X)) * 0.01
    )
    named = RegimeDetector().fit(era).filtered_probabilities(era).idxmax(axis=1)
    assert (named == FILTERED.idxmax(axis=1)).mean() > 0.8
    assert named.iloc[:800].nunique() == named.iloc[800:].nunique() == 3


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_regimes(seed):
    noise = pd.DataFrame(
        np.random.default_rng(seed).normal(size=(1500, 3)), columns=["vix_percentile", "drawdown", "x"]
    )
    with pytest.raises(DataError, match="the regime model is refused"):
        RegimeDetector().fit(noise)


def test_two_states_leave_neutral_out():
    two = RegimeDetector(n_states=2).fit(X)
    assert list(two.predict_regime_probabilities(X)) == [Regime.RISK_ON, Regime.RISK_OFF]
    assert list(regime_history(X, NYSE.refit_sessions(X.index, 252), n_states=2).columns) == ["risk_on", "risk_off"]


def test_the_likeliest_of_several_starts_is_taken():
    from forecastkit.regimes.detector import risk_signs
    from forecastkit.regimes.hmm import fit_hmm

    z, signs = DETECTOR.fitted_.scaling.apply(X), risk_signs(X.columns)
    one, five = (fit_hmm(z[:-1], z[1:], signs, starts=n) for n in (1, 5))
    assert five.iterations > one.iterations
    assert RegimeDetector(n_starts=5).fit(X).fitted_.training["n_iterations"] == five.iterations
    assert clone(RegimeDetector(n_starts=5)).n_starts == 5


def test_a_stored_text_without_its_arrays_is_refused():
    state, arrays = DETECTOR.to_state()
    for name in arrays:
        with pytest.raises(ModelIntegrityError, match=f"lacks '{name}'"):
            RegimeDetector.from_state(state, {key: values for key, values in arrays.items() if key != name})


def test_a_refused_version_leaves_the_one_before_in_force():
    grid = [X.index[400], X.index[-1]]
    broken = X.copy()
    broken.iloc[401:] = X.sample(len(X) - 401, random_state=0).to_numpy()  # days in no order at all
    with pytest.warns(DataWarning, match="the version before stays in force"):
        versions = regime_versions(broken, grid)
    assert list(versions) == grid[:1]
    served = regime_history(broken, grid, versions)
    assert served.iloc[:400].isna().all(axis=None)
    assert served.iloc[400:].notna().all(axis=None)


def test_a_feature_that_vanishes_later_is_done_without():
    gone = X.copy()
    gone.loc[X.index[1200] :, "realized_volatility"] = np.nan
    said = DETECTOR.filtered_probabilities(gone)
    pd.testing.assert_frame_equal(said.iloc[:1200], FILTERED.iloc[:1200], check_exact=True)
    assert (said.idxmax(axis=1) == FILTERED.idxmax(axis=1)).mean() > 0.9


# doors and files


def test_scikit_learn_can_clone_it():
    again = clone(RegimeDetector(n_states=2, random_state=7, n_starts=2))
    assert again.get_params() == {"n_states": 2, "random_state": 7, "n_starts": 2}
    assert not again.is_fitted


def test_other_features_are_refused_by_name():
    with pytest.raises(FeatureDimensionError, match="drawdown"):
        DETECTOR.predict_regime(X.drop(columns="drawdown"))
    assert DETECTOR.predict_regime(X.assign(more=1.0)) == DETECTOR.predict_regime(X)


def test_saved_and_loaded_is_the_same_detector(tmp_path):
    DETECTOR.save(tmp_path)
    RegimeDetector(n_states=2).fit(X).save(tmp_path)
    DETECTOR.save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    loaded = RegimeDetector.load(tmp_path)
    assert loaded.model_version == DETECTOR.model_version
    pd.testing.assert_frame_equal(loaded.filtered_probabilities(X), FILTERED, check_exact=True)
    assert loaded.get_diagnostics() == DETECTOR.get_diagnostics()
    assert json.dumps(loaded.get_prediction_metadata(X)) == json.dumps(DETECTOR.get_prediction_metadata(X))


@pytest.mark.parametrize("damage", ["arrays", "no arrays", "no text", "cut text", "a list", "another kind"])
def test_a_damaged_model_is_not_loaded(tmp_path, damage):
    DETECTOR.save(tmp_path)
    text, (arrays,) = tmp_path / "regimes.json", tmp_path.glob("*.npz")
    match damage:
        case "arrays":
            content = bytearray(arrays.read_bytes())
            content[200] ^= 1
            arrays.write_bytes(content)
        case "no arrays":
            arrays.unlink()
        case "no text":
            text.unlink()
        case "cut text":
            text.write_text(text.read_text()[:100])
        case "a list":
            text.write_text("[]")
        case "another kind":
            text.write_text(text.read_text().replace("RegimeDetector", "Pipeline"))
    with pytest.raises(ModelIntegrityError):
        RegimeDetector.load(tmp_path)


def edited(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)


def test_an_edited_byte_of_a_fitted_state_is_found_and_the_version_fitted_again(tmp_path):
    "Both files of a version are sealed: wherever a byte is edited, the same probabilities come out, and the edit is told."
    grid = [X.index[500]]
    served = regime_history(X, grid, regime_versions(X, grid, folder=tmp_path))
    (text,), (arrays,) = tmp_path.glob("*/regimes.json"), tmp_path.glob("*/*.npz")
    told = 0
    for path in (text, arrays):
        whole = path.read_bytes()
        for at in range(0, len(whole), len(whole) // 12):
            path.write_bytes(edited(whole, at))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                again = regime_history(X, grid, regime_versions(X, grid, folder=tmp_path))
            pd.testing.assert_frame_equal(again, served, check_exact=True)
            told += any("is damaged and is fitted again" in str(one.message) for one in caught)
    assert told >= 24
    changed = json.loads(text.read_text())
    changed["features"] = changed["features"][::-1]  # a plausible edit of the text
    text.write_text(json.dumps(changed))
    with pytest.warns(DataWarning, match="a stored RegimeDetector is damaged and is fitted again"):
        again = regime_history(X, grid, regime_versions(X, grid, folder=tmp_path))
    pd.testing.assert_frame_equal(again, served, check_exact=True)


def test_a_session_on_which_only_the_vix_has_a_close_keeps_its_row():
    vix, spx = MARKET.close("VIX"), MARKET.close("SPX").drop(X.index[300])
    with pytest.warns(DataWarning, match="hy_spread"):
        table = FeatureCalculator().calculate_feature_history(vix, spx)
    assert np.isnan(FeatureSet.at(table, X.index[300]).drawdown)
    assert FeatureSet.at(table, X.index[300]).vix_level == vix[X.index[300]]


def test_on_the_real_market_every_version_is_accepted_and_crises_are_named(shared_data):
    from forecastkit.data.sources import load_market

    features = regime_features(load_market([f"folder:{shared_data}", "sample"]))
    grid = NYSE.refit_sessions(features.index, every=1008)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        versions = regime_versions(features, grid)
    named = regime_history(features, grid, versions).dropna().idxmax(axis=1)
    for month, regime in (
        ("2008-11", "risk_off"),
        ("2009-01", "risk_off"),
        ("2005-07", "risk_on"),
        ("2017-06", "risk_on"),
    ):
        assert (named.loc[month] == regime).mean() > 0.9, month
    vix = features["vix_level"].loc[named.index].groupby(named).mean()
    assert vix["risk_on"] < vix["neutral"] < vix["risk_off"]


# Rows that say nothing


def test_no_regime_is_named_out_of_absent_values():
    with pytest.raises(DataError, match="no row has a value"):
        DETECTOR.predict_regime(X * np.nan)
    gone = X.copy()
    gone.iloc[-60:] = np.nan
    for ask in (DETECTOR.predict_regime, DETECTOR.predict_regime_probabilities, DETECTOR.get_prediction_metadata):
        with pytest.warns(DataWarning, match=f"{X.index[-61]:%Y-%m-%d}, carried over 60 rows"):
            ask(gone)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DETECTOR.predict_regime(X)


def test_values_beyond_arithmetic_are_refused():
    with pytest.raises(DataError, match="too large to compute with"):
        DETECTOR.predict_regime_probabilities(X * 1e200)
    with pytest.raises(DataError, match="too large to compute with"):
        RegimeDetector().fit(X * 1e200)
