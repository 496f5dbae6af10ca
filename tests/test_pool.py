"The linear pool: the mean of the members' probabilities, row by row."

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecastkit.core import PROBS, DataError, SettingsError
from forecastkit.forecasts.distribution import cdf_at, strictly_increasing
from forecastkit.models.pool import linear_pool
from forecastkit.models.shapes import parse_shape

values = arrays(float, (3, 23), elements=st.floats(-3, 3, allow_subnormal=False))
member = values.map(lambda v: strictly_increasing(v, gap=1e-4))
shares = st.lists(st.floats(0.05, 1), min_size=3, max_size=3).map(lambda w: [x / sum(w) for x in w])


@settings(max_examples=150, deadline=None)
@given(st.lists(member, min_size=3, max_size=3), shares)
def test_a_pool_averages_probabilities(members, weights):
    pool = linear_pool(members, weights)
    assert (np.diff(pool, axis=1) > 0).all()
    stacked = np.stack(members)
    assert (pool >= stacked.min(axis=0) - 1e-6).all() and (pool <= stacked.max(axis=0) + 1e-6).all()
    averaged = sum(w * cdf_at(pool, PROBS, m[:, None, :]) for w, m in zip(weights, members))
    assert np.abs(averaged - PROBS).max() < 5e-4


@settings(max_examples=60, deadline=None)
@given(st.lists(member, min_size=2, max_size=2))
def test_two_alike_are_one_and_order_does_not_matter(members):
    one, other = members
    np.testing.assert_allclose(linear_pool([one, one]), one, atol=1e-6)
    np.testing.assert_allclose(linear_pool([one, other], [1.0, 0.0]), one, atol=1e-6)
    np.testing.assert_array_equal(linear_pool([one, other]), linear_pool([other, one]))


def test_a_pool_of_straight_lines_is_exact():
    "Uniform members: the pool's CDF can be written down."
    one, other = (np.asarray(PROBS)[None, :] * width for width in (1.0, 3.0))
    pool = linear_pool([one, other])[0]
    inside = (PROBS > 0.02) & (PROBS < 0.6)  # where neither member has ended
    np.testing.assert_allclose(pool[inside], PROBS[inside] / ((1 + 1 / 3) / 2), atol=1e-9)


def test_a_row_is_pooled_alone():
    rng = np.random.default_rng(0)
    members = [strictly_increasing(rng.normal(size=(300, 23))) for _ in range(4)]
    whole = linear_pool(members)
    for i in (0, 7, 299):
        np.testing.assert_array_equal(linear_pool([m[[i]] for m in members])[0], whole[i])
    np.testing.assert_array_equal(linear_pool([np.asfortranarray(m) for m in members]), whole)
    assert linear_pool([m[:0] for m in members]).shape == (0, 23)


@pytest.mark.parametrize("weights", [(0.5,), (0.5, 0.6), (-0.5, 1.5), (np.nan, 1.0), (0.5, 0.25, 0.25)])
def test_weights_that_are_no_shares_are_refused(weights):
    with pytest.raises(DataError, match="2 members want 2 weights"):
        linear_pool([np.arange(23.0)[None, :]] * 2, weights)


@pytest.mark.parametrize("name", ["depth", "leaf", "forest_trees"])
def test_a_tree_has_a_level_a_leaf_a_day_and_a_forest_a_tree(name):
    assert getattr(parse_shape(f"{name}=1"), name) == 1
    with pytest.raises(SettingsError, match=name):
        parse_shape(f"{name}=0")
