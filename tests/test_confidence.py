"The share of a stated direction that past outcomes support: causal, within bounds, honest about chance."

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import COHORTS
from forecastkit.models import ConfidenceCalibrator, direction_shares, shrunk_chance


def history(seed, n=400, skill=1.0):
    rng = np.random.default_rng(seed)
    chance = np.clip(0.5 + 0.15 * rng.standard_normal(n), 0.01, 0.99)
    came = np.where(rng.random(n) < 0.5 + skill * (chance - 0.5), 0.01, -0.01)
    return chance, np.full(n, 0.5), came, np.minimum(np.arange(n) + 5, n)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 99), cut=st.integers(10, 390), horizon=st.sampled_from([1, 5, 21]))
def test_no_share_sees_tomorrow(seed, cut, horizon):
    chance, base, came, known = history(seed)
    whole = direction_shares(chance, base, came, known, horizon)
    assert ((whole >= 0) & (whole <= 1)).all() and (whole[:5] == 0).all()
    spoilt = np.where(known > cut, -came, came)
    np.testing.assert_array_equal(direction_shares(chance, base, spoilt, known, horizon)[: cut + 1], whole[: cut + 1])
    between = shrunk_chance(chance, base, whole)
    assert (np.abs(between - base) <= np.abs(chance - base) + 1e-15).all()


def test_a_random_walk_keeps_little_and_a_forecaster_much():
    last = {skill: [direction_shares(*history(s, 3000, skill), 1)[-1] for s in range(20)] for skill in (0.0, 1.0)}
    assert np.mean(last[0.0]) < 0.25 and np.mean(last[1.0]) > 0.75
    model = ConfidenceCalibrator(1).fit(*(x for x in (history(3, 3000)[0], history(3, 3000)[2] > 0)))
    assert model.reliability(history(4, 3000)[0], history(4, 3000)[2] > 0)["ece"] < 0.06


def test_unknown_rows_count_for_nothing():
    chance, base, came, known = history(1)
    gaps = np.where(np.arange(400) % 3 == 0, np.nan, came)
    assert np.isfinite(direction_shares(chance, base, gaps, known, 5)).all()
    assert (direction_shares(chance, base, np.full(400, np.nan), known, 5) == 0).all()


def test_cohorts_are_eight():
    "A scorecard tells all of them, also those without an origin."
    assert len(COHORTS) == 8
    with pytest.raises(ValueError, match="row by row"):
        direction_shares(np.ones(3), np.ones(3), np.ones(2), np.arange(3), 5)
