"The share of a stated direction that past outcomes support: causal, within bounds, honest about chance."

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import COHORTS
from forecastkit.models import direction_shares, panel_share, shrunk_chance


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


def test_the_stocks_of_a_session_are_one_witness():
    rng = np.random.default_rng(0)
    days, shares, alone = np.repeat(np.arange(80), 40), [], []
    for _ in range(60):
        claim = 0.1 * rng.standard_normal(80)[days]
        came = np.where(rng.random(80) < 0.5, 0.5, -0.5)[days]
        shares.append(panel_share(claim, came, days, 0))
        alone.append(panel_share(claim, came, np.arange(len(days)), 0))
    assert np.mean(np.array(shares) > 0) < 0.25 < np.mean(np.array(alone) > 0)
    claim = np.clip(0.1 * rng.standard_normal(4000), -0.4, 0.4)
    came = (rng.random(4000) < 0.5 + 2 * claim.clip(-0.24, 0.24)) - 0.5
    order = np.arange(4000) // 10
    assert panel_share(claim, came, order, 0) == 1.0 and 1.4 < panel_share(claim, came, order, 0, most=3.0) < 2.3
    gaps = np.where(np.arange(4000) % 7 == 0, np.nan, came)
    known = np.isfinite(gaps)
    assert panel_share(claim, gaps, order, 0) == pytest.approx(panel_share(claim[known], came[known], order[known], 0))
