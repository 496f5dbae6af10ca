"Scores against an independent library, against their definitions, and against their own promises."

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecastkit.core import PROBS, SCORE_PROBS, DataError
from forecastkit.metrics import (
    brier,
    coverage,
    crps,
    diebold_mariano,
    ece,
    hac_se,
    interval,
    log_loss,
    perfect_ece,
    pinball,
    pit,
    pit_test,
    qlike,
    r2,
    rps,
    simulated_ece,
    skill,
)
from forecastkit.metrics.calibration import bin_misses


@pytest.fixture(scope="module")
def forecasts() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 10, 300), np.sort(rng.normal(0, 10, (300, len(PROBS))), axis=1)


def test_against_scoringrules(forecasts):
    import scoringrules as sr

    y, q = forecasts
    columns = np.isin(PROBS, SCORE_PROBS)
    np.testing.assert_allclose(crps(y, q), sr.crps_quantile(y, q[:, columns], SCORE_PROBS), rtol=1e-12)
    np.testing.assert_allclose(pinball(y, q)[:, 4], sr.quantile_score(y, q[:, 4], PROBS[4]), rtol=1e-12)
    rng = np.random.default_rng(1)
    classes, outcome = rng.dirichlet(np.ones(4), 50), rng.integers(0, 4, 50)
    np.testing.assert_allclose(rps(classes, outcome), sr.rps_score(outcome + 1, classes), rtol=1e-12)
    event = rng.random(50) < 0.3
    np.testing.assert_allclose(
        brier(classes[:, 0], event), sr.brier_score(event.astype(float), classes[:, 0]), rtol=1e-12
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_row_scores_the_same_in_any_company(forecasts, order):
    y, q = forecasts
    q = np.asarray(q, order=order)
    for score in (crps, pit):
        whole = score(y, q)
        assert np.array_equal(whole[:97], score(y[:97], q[:97]))
        assert all(score(y[i : i + 1], q[i : i + 1])[0] == whole[i] for i in range(0, 300, 29))
    rng = np.random.default_rng(2)
    table, outcome = np.asarray(rng.dirichlet(np.ones(4), 60), order=order), rng.integers(0, 4, 60)
    for score in (rps, log_loss):
        assert all(score(table[i : i + 1], outcome[i : i + 1])[0] == score(table, outcome)[i] for i in range(60))


@settings(deadline=None)
@given(
    y=st.floats(-1e3, 1e3),
    q=arrays(float, 5, elements=st.floats(-1e3, 1e3)),
    shift=st.floats(-50, 50),
    scale=st.floats(0.1, 10),
)
def test_pinball_properties(y, q, shift, scale):
    probs = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
    loss = pinball([y], [q], probs)
    assert (loss >= 0).all()
    assert pinball([y], [[y]], [0.3])[0, 0] == 0
    np.testing.assert_allclose(pinball([scale * y + shift], [scale * q + shift], probs), scale * loss, atol=1e-5)
    # sorting crossed quantiles never costs anything
    assert pinball([y], [np.sort(q)], probs).sum() <= loss.sum() + 1e-9


@settings(max_examples=20, deadline=None)
@given(factor=st.sampled_from([0.4, 0.7, 1.5, 2.5]), shift=st.sampled_from([-0.5, 0.0, 0.5]))
def test_the_truth_wins(factor, shift):
    from scipy.stats import norm

    y = norm.ppf((np.arange(2000) + 0.5) / 2000)
    truth = np.tile(norm.ppf(PROBS), (2000, 1))
    assert crps(y, truth).mean() < crps(y, factor * truth + shift).mean()
    p, event = 0.3, (np.arange(1000) < 300).astype(float)
    assert brier(np.full(1000, p), event).mean() < brier(np.full(1000, p + 0.05 * factor), event).mean()
    ratio = np.exp(norm.ppf((np.arange(500) + 0.5) / 500))
    assert qlike(np.full(500, ratio.mean()), ratio).mean() < qlike(np.full(500, factor * ratio.mean()), ratio).mean()


def test_pit_and_coverage_agree(forecasts):
    y, q = forecasts
    u, inside = pit(y, q), coverage(y, *interval(q, 0.8))
    assert np.array_equal(inside == 1, (u >= 0.1 - 1e-12) & (u <= 0.9 + 1e-12))


def test_pit_with_tied_quantiles_is_finite():
    assert np.isfinite(pit([1.0, 0.0, 2.0], np.ones((3, len(PROBS))))).all()


@pytest.mark.parametrize("lag", [0, 1, 15, 40])
def test_hac_is_newey_west_by_its_definition(lag):
    x = np.random.default_rng(3).standard_normal(120).cumsum()
    n, d = len(x), x - x.mean()
    gamma = [sum(d[t] * d[t - k] for t in range(k, n)) / n for k in range(lag + 1)]
    variance = gamma[0] + 2 * sum((1 - k / (lag + 1)) * gamma[k] for k in range(1, lag + 1))
    assert hac_se(x, lag) == pytest.approx(np.sqrt(variance / n), rel=1e-10)


def test_hac_with_few_rows_and_with_gaps():
    assert hac_se([1.0, 2.0, 4.0], lag=15) >= 0
    for bad in ([1.0], [1.0, np.nan], [1.0, np.inf]):
        with pytest.raises(DataError, match="no gaps"):
            hac_se(bad)


def test_standard_error_of_skill_is_that_of_the_bootstrap():
    rng = np.random.default_rng(4)
    base = rng.gamma(2.0, 1.0, 4000)
    loss = 0.9 * base + rng.normal(0, 0.2, 4000)
    found = skill(loss, base, lag=0, step=1)
    picks = rng.integers(0, 4000, (1000, 4000))
    spread = (1 - loss[picks].mean(axis=1) / base[picks].mean(axis=1)).std()
    assert found.se == pytest.approx(spread, rel=0.1)
    assert found.t == pytest.approx(found.t_nonoverlapping, rel=0.01)  # nothing overlaps, so both say the same


def test_the_null_is_rejected_about_as_often_as_promised():
    rng = np.random.default_rng(5)
    shocks = rng.standard_normal((300, 1504))
    difference = shocks[:, 4:] + shocks[:, 3:-1] + shocks[:, 2:-2] + shocks[:, 1:-3] + shocks[:, :-4]
    t = np.array([diebold_mariano(np.zeros(1500), row).t for row in difference])
    assert 0.02 < (np.abs(t) > 1.96).mean() < 0.12
    naive = difference.mean(axis=1) / (difference.std(axis=1) / np.sqrt(1500))
    assert (np.abs(naive) > 1.96).mean() > 0.3  # what is avoided


def test_comparisons_refuse_what_does_not_pair():
    good = np.ones(50)
    with_gap = good.copy()
    with_gap[3] = np.nan
    for own, other in ((good, good[1:]), (with_gap, good), (good, with_gap), (good[:9], good[:9])):
        with pytest.raises(DataError, match="pair row by row"):
            skill(own, other)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_ece_is_within_its_range_and_the_sum_of_its_bins(rows):
    p, event = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    assert 0 <= ece(p, event) <= 1 + 1e-12
    assert bin_misses(p, event).sum() == pytest.approx(ece(p, event))


def test_perfect_ece_is_what_true_probabilities_show():
    rng = np.random.default_rng(6)
    p = rng.random(400)
    shown = [ece(p, rng.random(400) < p) for _ in range(300)]
    expected = perfect_ece(p, draws=300, seed=1)
    assert expected["mean"] == pytest.approx(np.mean(shown), rel=0.05)
    assert expected["q95"] == pytest.approx(np.quantile(shown, 0.95), rel=0.1)
    assert perfect_ece(p, block=15)["mean"] > expected["mean"]


def test_pit_test_finds_a_bias_and_keeps_quiet_without():
    rng = np.random.default_rng(7)
    u = rng.random(2000)
    assert max(abs(pit_test(u)["mean_t"]), abs(pit_test(u)["variance_t"])) < 3.5
    assert pit_test(u**1.3)["mean_t"] < -3.5


def test_r2_of_a_perfect_and_of_a_useless_forecast():
    y = np.array([1.0, 3.0, 2.0])
    assert r2(y, y) == 1.0
    assert r2(y, np.zeros(3), baseline=np.zeros(3)) == 0.0


@pytest.mark.parametrize(
    ("table", "outcome"), [([[0.5, 0.4]], [0]), ([[1.2, -0.2]], [0]), ([[0.5, 0.5]], [-1]), ([[0.5, 0.5]], [0.5])]
)
def test_class_probabilities_are_checked(table, outcome):
    for score in (rps, log_loss):
        with pytest.raises(DataError):
            score(table, outcome)


def test_log_loss_clips_from_both_sides():
    sure = np.array([[1.0, 0.0], [1.0, 0.0], [0.9995, 0.0005]])
    np.testing.assert_allclose(log_loss(sure, [0, 1, 0]), -np.log([0.999, 0.001, 0.999]), rtol=1e-15)


def test_simulated_events_exclude_each_other_and_come_as_often_as_stated():
    rng = np.random.default_rng(5)
    table = rng.dirichlet([1.0, 2.0, 3.0, 4.0], 400)
    alone = simulated_ece(
        table, bins=1, draws=2000
    )  # one bin: what is left is the distance of the mean from the frequency
    spread = np.sqrt((table * (1 - table)).sum(axis=0)) / 400
    np.testing.assert_allclose(alone.mean(axis=0), spread * np.sqrt(2 / np.pi), rtol=0.1)
    blocks = simulated_ece(table, bins=1, draws=500, block=20)
    assert (blocks.mean(axis=0) > 2 * alone.mean(axis=0)).all()
    certain = np.eye(4)[rng.integers(0, 4, 50)]
    assert not simulated_ece(certain, draws=20).any(), "what is certain happens in every history"
    np.testing.assert_array_equal(simulated_ece(table, draws=7), simulated_ece(table, draws=7))
