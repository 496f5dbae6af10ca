"Widths: a pure fold that sees no tomorrow, and comes to rest where the ranges hold what they say."

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from forecastkit.core import PROBS, DataError
from forecastkit.forecasts.distribution import strictly_increasing
from forecastkit.metrics import coverage, interval
from forecastkit.models.calibration import BANDS, calibrate, required_factors, stretch_bands, width_factors


def example(seed: int, n: int, delay: int = 5):
    "Raw quantiles of changing width, outcomes with gaps, regimes, and known_from with days that skip rows."
    rng = np.random.default_rng(seed)
    raw = strictly_increasing(rng.normal(0, 0.3, n)[:, None] + np.exp(rng.normal(0, 0.3, n))[:, None] * ndtri(PROBS))
    outcome = np.where(rng.random(n) < 0.1, np.nan, 1.4 * rng.normal(size=n))
    day = np.cumsum(rng.integers(1, 3, n))  # sessions, some without a row
    return raw, outcome, rng.integers(0, 4, n), np.searchsorted(day, day + delay)


def by_definition(raw, outcome, regimes, known_from, band_gain, regime_gain, start):
    "The same, written down as the words say it, one origin at a time from scratch."
    quantiles, active = raw.copy(), np.zeros(len(raw), bool)
    factors = []
    for i in range(len(raw)):
        g, r, count = np.zeros(3), np.zeros((4, 3)), 0
        for j in range(i):
            if known_from[j] <= i and np.isfinite(outcome[j]):
                middle = raw[j, 11]
                for b, band in enumerate(BANDS):
                    low, high = interval(raw[[j]], band)
                    low, high = (middle + factors[j][b] * (edge[0] - middle) for edge in (low, high))
                    surprise = float(not low <= outcome[j] <= high) - (1 - band)
                    g[b] += band_gain * surprise
                    r[regimes[j], b] += regime_gain * surprise
                count += 1
        factors.append(np.exp(g + r[regimes[i]]))
        active[i] = count >= start
        if active[i]:
            factor = np.exp(np.interp(np.abs(PROBS - 0.5), [0.25, 0.4, 0.45], np.log(factors[i])))
            quantiles[i] = np.sort(raw[i, 11] + factor * (raw[i] - raw[i, 11]))
    return quantiles, np.array(factors), active


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_the_words_say(seed):
    given_ = example(seed, 120)
    made = calibrate(*given_, band_gain=0.05, regime_gain=0.1, start=40)
    quantiles, factors, active = by_definition(*given_, 0.05, 0.1, 40)
    np.testing.assert_allclose(made.multipliers, factors, rtol=1e-9)
    np.testing.assert_array_equal(made.active, active)
    np.testing.assert_allclose(made.quantiles, quantiles, atol=1e-8)
    assert 0 < active.sum() < len(active)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25), st.integers(1, 299))
def test_no_row_sees_tomorrow(seed, delay, cut):
    raw, outcome, regimes, known_from = example(seed, 300, delay)
    whole = calibrate(raw, outcome, regimes, known_from, start=50)
    rows = slice(0, cut + 1)
    known = known_from[rows] <= cut
    then = calibrate(
        raw[rows],
        np.where(known, outcome[rows], np.nan),
        regimes[rows],
        np.where(known, known_from[rows], cut + 1),
        start=50,
    )
    for now, before in zip(whole, then):
        np.testing.assert_array_equal(now[rows], before)
    lies = np.where(known_from > cut, 1e9, outcome)  # what is not known yet may be anything
    np.testing.assert_array_equal(calibrate(raw, lies, regimes, known_from, start=50).quantiles[rows], then.quantiles)


def test_coverage_differs_from_its_name_by_the_term_over_gain_and_count():
    rng = np.random.default_rng(2)
    n, gain = 3000, 0.02
    raw, outcome = np.tile(ndtri(PROBS), (n, 1)), 2.5 * rng.standard_t(3, n)
    needed = required_factors(raw, outcome)
    factors, counts = width_factors(needed, np.zeros(n, int), np.arange(n) + 1, gain, 0.0)
    assert counts[-1] == n - 1
    missed = (needed > factors)[:-1].mean(axis=0)
    np.testing.assert_allclose(missed - (1 - np.array(BANDS)), np.log(factors[-1]) / (gain * (n - 1)), atol=1e-12)
    assert np.abs(missed - (1 - np.array(BANDS))).max() < 0.03


def test_a_regime_learns_from_its_own_days():
    n = 2000
    rng = np.random.default_rng(4)
    regimes = (np.arange(n) // 100) % 2
    raw, outcome = np.tile(ndtri(PROBS), (n, 1)), np.where(regimes == 1, 2.0, 1.0) * rng.normal(size=n)
    factors = width_factors(required_factors(raw, outcome), regimes, np.arange(n) + 5, 0.0, 0.05)[0]
    assert factors[regimes == 0][-100:, 1].mean() == pytest.approx(1.0, abs=0.15)
    assert factors[regimes == 1][-100:, 1].mean() == pytest.approx(2.0, abs=0.3)
    alone = width_factors(required_factors(raw, outcome), np.full(n, 3), np.arange(n) + 5, 0.0, 0.05)[0]
    assert alone.shape == (n, 3)  # a number of a regime that stands alone is no trouble


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.05, 20), min_size=3, max_size=3), st.integers(0, 1000))
def test_order_and_median_are_kept(factors, seed):
    raw = example(seed, 5)[0]
    q = stretch_bands(raw, np.tile(factors, (5, 1)))
    assert (np.diff(q, axis=1) > 0).all()
    np.testing.assert_allclose(q[:, 11], raw[:, 11], atol=1e-7)
    if factors == sorted(factors):
        for band, factor in zip(BANDS, factors):
            width, before = (np.subtract(*interval(x, band)[::-1]) for x in (q, raw))
            np.testing.assert_allclose(width, factor * before, rtol=1e-6)


def test_raw_is_served_until_enough_is_known():
    raw, outcome, regimes, known_from = example(9, 700)
    made = calibrate(raw, outcome, regimes, known_from, start=500)
    begin = int(made.active.argmax())
    assert made.active[begin:].all() and not made.active[:begin].any()
    np.testing.assert_array_equal(made.quantiles[:begin], raw[:begin])
    assert np.isfinite(outcome[known_from <= begin]).sum() >= 500 > np.isfinite(outcome[known_from <= begin - 1]).sum()
    assert not np.allclose(made.multipliers[begin], 1.0)  # it had been listening before


def test_nothing_known_changes_nothing():
    raw, _, regimes, known_from = example(1, 50)
    silent = calibrate(raw, np.full(50, np.nan), regimes, known_from, start=0)
    np.testing.assert_array_equal(silent.multipliers, 1.0)
    np.testing.assert_allclose(silent.quantiles, raw, atol=1e-12)


def test_what_cannot_be_is_refused():
    raw, outcome, regimes, known_from = example(0, 50)
    with pytest.raises(DataError, match="known after its origin"):
        calibrate(raw, outcome, regimes, np.arange(50))
    with pytest.raises(DataError, match="never fall"):
        calibrate(raw, outcome, regimes, known_from[::-1].copy())
    with pytest.raises(DataError, match="row by row"):
        calibrate(raw, outcome[:-1], regimes, known_from)


def test_it_repairs_a_pool_that_is_too_narrow():
    rng = np.random.default_rng(8)
    n = 4000
    regimes = np.minimum((np.arange(n) // 40) % 5, 3)
    spread = np.array([1.0, 1.3, 1.15, 0.9])[regimes]
    raw, outcome = np.tile(ndtri(PROBS), (n, 1)), spread * rng.normal(size=n)
    made = calibrate(raw, outcome, regimes, np.arange(n) + 5)
    for regime in range(4):
        late = (regimes == regime) & (np.arange(n) > 800)
        assert coverage(outcome, *interval(made.quantiles, 0.8))[late].mean() == pytest.approx(0.8, abs=0.035)
