"Anomalies: stated false-alarm rates hold, a row's p-value depends on nothing beside or after it, and nothing is lost on the way to a file."

import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest
from threadpoolctl import threadpool_limits

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, DataWarning, ModelIntegrityError
from forecastkit.data.sources import load_market
from forecastkit.features.volatility import FeatureEngine
from forecastkit.metrics import hac_se
from forecastkit.regimes.anomalies import (
    AnomalyDetector,
    anomaly_history,
    anomaly_versions,
    conformal_p_values,
    family_of,
    scores_by_anomaly,
    training_mask,
)
from forecastkit.regimes.outliers import (
    distance_contributions,
    fit_isolation_trees,
    huberised_correlation,
    isolation_score,
    outlier_scores,
    reference_quantiles,
    standardise,
)

NYSE = get_calendar("XNYS")

NAMES = [f"{family}_{k}" for family in ("move", "level", "width") for k in range(4)]
FAMILIES = {name: name.split("_")[0] for name in NAMES}


def normal_days(n: int, seed: int = 0, gaps: float = 0.0) -> pd.DataFrame:
    "Independent days: correlated within families, heavy tails in one, skewed in another, here and there a gap."
    rng = np.random.default_rng(seed)
    common = np.repeat(rng.standard_normal((n, 3)), 4, axis=1)
    X = 0.7 * common + 0.7 * rng.standard_normal((n, 12))
    X[:, :4] *= np.sqrt(3 / rng.chisquare(3, (n, 1)))
    X[:, 8:] = np.exp(X[:, 8:])
    X[rng.random(X.shape) < gaps] = np.nan
    return pd.DataFrame(X, NYSE.sessions_in_range("1975-01-02", "2020-12-31")[:n], NAMES)


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    return AnomalyDetector(FAMILIES).fit(normal_days(1200, gaps=0.05))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("gaps", [0.0, 0.1])
def test_stated_false_alarm_rates_hold_on_5000_held_out_days(seed, gaps):
    days = normal_days(10_000, seed, gaps)
    detector = AnomalyDetector(FAMILIES, trees=60, seed=seed).fit(days.iloc[:5000])
    p = detector.p_values(days.iloc[5000:])
    for alpha in (0.01, 0.05):
        error = np.sqrt(alpha * (1 - alpha) * (1 / 5000 + 1 / len(detector.ranked_)))
        assert ((p <= alpha).mean() - alpha).abs().max() < 3.5 * error  # six voices, six runs, two rates


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 5))
def test_p_value_is_the_share_of_days_at_least_as_far_out(known, score):
    p = conformal_p_values(np.sort(np.array(known, dtype=float))[:, None], np.array([[float(score)]]))[0, 0]
    assert p == (1 + sum(k >= score for k in known)) / (1 + len(known))


def test_known_days_without_a_score_do_not_count():
    assert conformal_p_values(np.array([[1.0], [2.0], [np.nan]]), np.array([[2.0]]))[0, 0] == 2 / 3


@pytest.mark.parametrize("layout", ["C", "F"])
def test_a_row_does_not_depend_on_the_rows_beside_it(fitted, layout):
    days = normal_days(300, seed=5, gaps=0.15)
    days = pd.DataFrame(np.array(days, order=layout), days.index, days.columns)
    whole = fitted.p_values(days)
    scattered = days.iloc[np.random.default_rng(0).permutation(300)]
    pd.testing.assert_frame_equal(fitted.p_values(scattered).sort_index(), whole, check_exact=True, check_freq=False)
    for cut in (1, 2, 17, 150):
        pd.testing.assert_frame_equal(fitted.p_values(days.iloc[:cut]), whole.iloc[:cut], check_exact=True)


def test_scores_are_the_same_bits_alone_and_in_company(fitted):
    values, groups = normal_days(400, seed=6, gaps=0.15).to_numpy(), list(fitted.columns_.values())
    whole = outlier_scores(fitted.reference_, values, groups)
    for i in range(0, 400, 5):
        assert np.array_equal(outlier_scores(fitted.reference_, values[[i]], groups)[0], whole[i], equal_nan=True)


def test_a_fit_is_the_same_twice_and_with_more_threads(fitted):
    with threadpool_limits(2):
        again = AnomalyDetector(FAMILIES).fit(normal_days(1200, gaps=0.05))
    for name, values in fitted.to_state()[1].items():
        assert np.array_equal(values, again.to_state()[1][name], equal_nan=True), name


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.integers(2, 400), st.integers(1, 5))
def test_the_forest_is_that_of_scikit_learn(seed, n, decimals):
    Z = np.random.default_rng(seed).standard_normal((n, 3)).round(decimals)  # ties, and rows that equal each other
    theirs = IsolationForest(n_estimators=10, random_state=seed).fit(Z.astype(np.float32))
    np.testing.assert_allclose(
        isolation_score(fit_isolation_trees(Z, 10, seed), Z), -theirs.score_samples(Z.astype(np.float32)), rtol=1e-12
    )


@given(st.integers(0, 2**16), st.integers(1, 5))
def test_the_distance_of_a_row_with_gaps_is_that_of_what_it_has(seed, k):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((60, k)) @ rng.standard_normal((k, k))
    R, z = huberised_correlation(Z), Z[0]
    seen = rng.random(k) < 0.7
    parts = distance_contributions(np.where(seen, z, np.nan)[None], R)[0]
    assert np.array_equal(np.isfinite(parts), seen)
    if seen.any():
        wanted = z[seen] @ np.linalg.solve(R[np.ix_(seen, seen)], z[seen]) / seen.sum()
        assert np.nansum(parts) == pytest.approx(wanted, rel=1e-9)


def test_a_gap_is_no_anomaly(fitted):
    day = normal_days(1).assign(**{f"level_{k}": 2.0 for k in range(4)})
    gap = day.assign(level_1=np.nan)
    assert fitted.p_values(gap).loc[gap.index[0], "level"] > 0.5 * fitted.p_values(day).loc[day.index[0], "level"]


def test_rows_with_little_are_not_judged_and_late_features_are_left_out():
    days = normal_days(600)
    days.loc[days.index[:200], "move_0"] = np.nan
    days["level_0"] = 1.0
    detector = AnomalyDetector(FAMILIES).fit(days)
    assert detector.dropped_ == ["move_0", "level_0"]
    poor = days.tail(2).copy()
    poor.iloc[0, 3:] = np.nan
    assert detector.p_values(poor).isna().all(axis=1).tolist() == [True, False]


@pytest.mark.parametrize("name", NAMES[::3])
def test_a_planted_anomaly_is_found_and_named(fitted, name):
    day = normal_days(1, seed=9)
    day[name] = normal_days(1200)[name].median() + 40.0
    p = fitted.p_values(day).iloc[0]
    assert p["distance"] <= 0.005 and p["p_value"] <= 0.02  # a forest of twelve features hardly sees one of them
    why = fitted.explain(day, day.index[0])
    assert why.index[0] == name and why["forest"].idxmax() == name


def test_every_stretch_takes_one_part():
    assert training_mask(16).tolist() == [True, True, False, False] * 4
    assert training_mask(0).tolist() == []
    assert 0.49 < training_mask(1001).mean() < 0.51


def test_standardising_knows_each_side():
    X = np.array([[-3.0], [-2.0], [0.0], [20.0], [30.0]])
    quantiles = np.array([[-2.0], [0.0], [20.0]])
    assert standardise(X, quantiles)[[1, 3], 0] == pytest.approx([-1.28155, 1.28155], rel=1e-5)
    assert np.isnan(standardise(X, np.zeros((3, 1)))).all()
    assert reference_quantiles(np.array([[1.0], [np.nan], [3.0]]))[1, 0] == 2.0


def test_history_sees_nothing_later():
    days = normal_days(900, gaps=0.02)
    grid = days.index[[0, 100, 300, 500, 700]]
    whole = anomaly_history(days, grid, FAMILIES, trees=20)
    assert whole["p_value"].first_valid_index() == days.index[300]
    cut = days.index[620]
    later = days.copy()
    later.loc[later.index > cut] *= -7.0
    for other in (days[:cut], later):
        pd.testing.assert_frame_equal(
            anomaly_history(other, grid[grid <= cut], FAMILIES, trees=20)[:cut], whole[:cut], check_exact=True
        )
    own = AnomalyDetector(FAMILIES, trees=20).fit(days[days.index < grid[3]]).p_values(days.iloc[500:700])
    pd.testing.assert_frame_equal(whole.iloc[500:700][own.columns], own, check_exact=True)


def test_history_without_enough_days_is_empty():
    days = normal_days(100)
    assert anomaly_history(days, days.index[[0, 50]], FAMILIES).isna().all(axis=None)


def test_a_stored_detector_is_the_same_detector(fitted):
    state, arrays = fitted.to_state()
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    file.seek(0)
    stored = dict(np.load(file, allow_pickle=False))
    again = AnomalyDetector.from_state(json.loads(json.dumps(state)), stored)
    days = normal_days(200, seed=8, gaps=0.1)
    pd.testing.assert_frame_equal(again.p_values(days), fitted.p_values(days), check_exact=True)
    pd.testing.assert_frame_equal(
        again.explain(days, days.index[7]), fitted.explain(days, days.index[7]), check_exact=True
    )
    for name in arrays:
        with pytest.raises(ModelIntegrityError):
            AnomalyDetector.from_state(state, {key: values for key, values in stored.items() if key != name})


def test_stored_versions_say_the_same_to_the_last_bit(tmp_path, monkeypatch):
    days, fits = normal_days(900, gaps=0.02), []
    grid = days.index[[300, 500, 700]]
    fitting = AnomalyDetector.fit
    monkeypatch.setattr(AnomalyDetector, "fit", lambda self, X: fits.append(len(X)) or fitting(self, X))
    whole = anomaly_history(days, grid, FAMILIES, trees=20)
    for _ in range(2):
        kept = anomaly_versions(days, grid, FAMILIES, trees=20, folder=tmp_path)
        pd.testing.assert_frame_equal(anomaly_history(days, grid, FAMILIES, kept), whole, check_exact=True)
    assert fits == [300, 500, 700] * 2  # without a folder, and for the folder; then none
    next(tmp_path.glob("*/*.npz")).write_bytes(b"")
    with pytest.warns(DataWarning, match="damaged"):
        again = anomaly_versions(days, grid, FAMILIES, trees=20, folder=tmp_path)
    pd.testing.assert_frame_equal(anomaly_history(days, grid, FAMILIES, again), whole, check_exact=True)
    revised = days.copy()
    revised.iloc[10, 0] += 1e-9  # one bit of one early day: another version for each
    anomaly_versions(revised, grid, FAMILIES, trees=20, folder=tmp_path)
    assert fits[7:] == [300, 500, 700]


@pytest.mark.parametrize("name", ["anomalies.json", "*.npz"])
def test_an_edited_byte_of_a_stored_detector_is_found_and_it_is_fitted_again(tmp_path, name):
    days = normal_days(600, gaps=0.02)
    grid = days.index[[400]]
    whole = anomaly_history(days, grid, FAMILIES, anomaly_versions(days, grid, FAMILIES, trees=20, folder=tmp_path))
    for part in (0.3, 0.6, 0.9):
        (path,) = tmp_path.glob(f"*/{name}")
        content = bytearray(path.read_bytes())
        content[int(part * len(content))] ^= 1
        path.write_bytes(bytes(content))
        with pytest.warns(DataWarning, match="a stored AnomalyDetector is damaged and is fitted again"):
            versions = anomaly_versions(days, grid, FAMILIES, trees=20, folder=tmp_path)
        pd.testing.assert_frame_equal(anomaly_history(days, grid, FAMILIES, versions), whole, check_exact=True)


def test_errors_by_band_are_means_with_the_error_of_a_ratio():
    index = NYSE.sessions_in_range("2010-01-04", "2013-12-31")[:800]
    rng = np.random.default_rng(0)
    p = pd.Series(rng.random(800), index)
    loss = pd.Series(1 + rng.random(800) + (p <= 0.05), index)
    table = scores_by_anomaly(p, loss.to_frame("loss"), bounds=(0.05,))
    assert table["days"].sum() == 800
    assert table.loc["p <= 0.05", "loss"] == pytest.approx(loss[p <= 0.05].mean())
    naive = loss[p <= 0.05].std() / np.sqrt((p <= 0.05).sum())
    assert table.loc["p <= 0.05", "loss s.e."] == pytest.approx(naive, rel=0.4)
    everything = scores_by_anomaly(p, loss.to_frame("loss"), bounds=(1.0,))
    assert everything.loc["p <= 1", "loss s.e."] == pytest.approx(hac_se(loss, 15))
    assert np.isnan(everything.loc["p > 1", "loss"])
    with pytest.raises(DataError, match="same sessions"):
        scores_by_anomaly(p.iloc[:5], loss.iloc[5:].to_frame("loss"))


def test_known_days_of_the_real_vix_stand_out(shared_data):
    declarations = FeatureEngine().declarations
    families = family_of(declarations)
    engine = FeatureEngine([feature for feature in declarations if feature.name in families])
    X = engine.build_features(load_market(f"folder:{shared_data}, sample", symbols={"VIX", "SPX"}))
    days = {
        "2007-02-27": "2007-01-01",
        "2008-10-10": "2008-01-01",
        "2015-08-24": "2015-01-01",
        "2018-02-05": "2018-01-01",
    }
    for day, known in days.items():
        p = AnomalyDetector(families, trees=100).fit(X[:known]).p_values(X.loc[[pd.Timestamp(day)]])
        assert p["p_value"].iloc[0] <= 0.02, day
