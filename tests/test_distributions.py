"One distribution from quantiles: inverse functions, monotone, the same in any company, and means that are exact."

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecastkit.core import PROBS
from forecastkit.forecasts.distribution import (
    TAIL_LIMIT,
    cdf_at,
    mean_of,
    quantile_at,
    strictly_increasing,
    tail_scales,
)

steps = arrays(float, len(PROBS), elements=st.floats(1e-4, 0.3))
quantiles = st.builds(lambda s, start: start + np.cumsum(s), steps, st.floats(-2, 2))


@settings(deadline=None)
@given(v=quantiles, p=st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=20))
def test_the_two_functions_undo_each_other(v, p):
    x = quantile_at(p, PROBS, v)
    np.testing.assert_allclose(cdf_at(x, PROBS, v), p, atol=1e-9)
    assert np.array_equal(quantile_at(PROBS, PROBS, v), v)


@settings(deadline=None)
@given(v=quantiles, x=st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_probabilities_increase_and_stay_within_their_range(v, x):
    f = cdf_at(np.sort(x), PROBS, v)
    assert (np.diff(f) >= -1e-15).all()
    assert (f >= 0).all()
    assert (f <= 1).all()


@settings(deadline=None)
@given(v=quantiles, shift=st.floats(-1, 1))
def test_means_move_with_the_distribution(v, shift):
    assert mean_of(PROBS, v + shift, "log_return") == pytest.approx(
        mean_of(PROBS, v, "log_return") + 100 * shift, abs=1e-8
    )
    level, moved = (1 + mean_of(PROBS, w) / 100 for w in (v, v + shift))
    assert moved == pytest.approx(np.exp(shift) * level, rel=1e-10)
    assert level >= np.exp(mean_of(PROBS, v, "log_return") / 100) * (1 - 1e-12)  # Jensen


@pytest.mark.parametrize("scale", [0.01, 0.1, 0.4])
def test_means_against_numerical_integration(scale):
    from scipy.integrate import quad
    from scipy.stats import skewnorm

    v = scale * skewnorm.ppf(PROBS, 4)
    low, high = tail_scales(PROBS, v)
    edges = [v[0] - 60 * low, *v, v[-1] + 120 * high]

    def beyond(x: float, density: bool) -> float:  # integrate exp by its survival function, piece by piece
        return np.exp(x) * (cdf_at(x, PROBS, v) if density else 1 - cdf_at(x, PROBS, v))

    at = v[11]
    upper = sum(quad(beyond, max(a, at), b, args=(False,), epsrel=1e-11)[0] for a, b in pairwise(edges) if b > at)
    lower = sum(quad(beyond, a, min(b, at), args=(True,), epsrel=1e-11)[0] for a, b in pairwise(edges) if a < at)
    expected = np.exp(at) + upper - lower  # E[g(X)] = g(c) + int_c g'(1-F) - int^c g' F
    assert mean_of(PROBS, v) == pytest.approx(100 * (expected - 1), rel=1e-6)


def test_heavy_tails_still_have_a_mean():
    v = np.linspace(-30, 30, len(PROBS))
    assert tail_scales(PROBS, v) == (TAIL_LIMIT, TAIL_LIMIT)
    assert np.isfinite(mean_of(PROBS, v))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_row_keeps_its_bits_in_any_company(order):
    rng = np.random.default_rng(0)
    raw = np.asarray(rng.normal(0, 0.2, (200, len(PROBS))), order=order)
    rows = strictly_increasing(raw)
    x, p = rng.normal(0, 0.3, 200), rng.random(200)
    for i in range(0, 200, 11):
        assert np.array_equal(strictly_increasing(raw[i]), rows[i])
        assert cdf_at(x[i], PROBS, rows[i]) == cdf_at(x, PROBS, rows)[i]
        assert quantile_at(p[i], PROBS, rows[i]) == quantile_at(p, PROBS, rows)[i]
        assert mean_of(PROBS, rows[i]) == mean_of(PROBS, rows)[i]
        assert mean_of(PROBS, rows[: i + 1])[i] == mean_of(PROBS, rows)[i]


@settings(deadline=None)
@given(raw=arrays(float, (3, 7), elements=st.sampled_from([-0.5, -1e-10, 0.0, 1e-10, 0.1, 2.0])))
def test_any_quantiles_become_a_distribution(raw):
    fixed = strictly_increasing(raw)
    assert (np.diff(fixed) > 0).all()
    assert np.array_equal(strictly_increasing(fixed), fixed)
    np.testing.assert_allclose(fixed, np.sort(raw, axis=1), atol=1e-8)


def test_inputs_are_not_changed():
    raw = np.array([[0.2, 0.1, 0.1]])
    strictly_increasing(raw)
    assert raw.tolist() == [[0.2, 0.1, 0.1]]


def test_rows_without_a_forecast_stay_without():
    rows = np.stack([np.full(len(PROBS), np.nan), np.linspace(-1, 1, len(PROBS))])
    assert np.isnan(strictly_increasing(rows)[0]).all()
    assert np.isnan(cdf_at(0.0, PROBS, rows)[0])
    assert np.isnan(mean_of(PROBS, rows)[0])
    assert np.isfinite(mean_of(PROBS, rows)[1])
