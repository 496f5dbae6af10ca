"Online weights: their sum, their floor, what they know of tomorrow, and their regret against the best switching sequence."

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.core import DataError
from forecastkit.models import fixed_share_weights, switching_bound
from forecastkit.models.online_weights import best_switching_loss, log_losses, updated_weights


def stream(seed, n=1200, members=5, switches=3):
    "Stated chances of members of whom one knows, another after each switch, and what came."
    rng = np.random.default_rng(seed)
    chance = np.clip(0.5 + 0.25 * rng.standard_normal(n), 0.05, 0.95)
    stated = np.clip(0.5 + 0.25 * rng.standard_normal((n, members)), 0.05, 0.95)
    knows = rng.permutation(members)[: switches + 1][np.arange(n) * (switches + 1) // n]
    stated[np.arange(n), knows] = chance
    return stated, (rng.random(n) < chance).astype(float)


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_regret_on_streams_that_switch_three_times_stays_under_the_bound(horizon, rate):
    for seed in range(10):
        stated, rose = stream(seed)
        losses = log_losses(stated, rose)
        weights = fixed_share_weights(losses, horizon, rate=rate)
        mixture = log_losses(np.einsum("ij,ij->i", weights, stated)[:, None], rose).sum()
        regret = mixture - best_switching_loss(losses, 3)
        assert regret < switching_bound(5, len(rose), 3, horizon, rate=rate)
        if horizon == 1:
            assert mixture < losses.sum(axis=0).min() - 20, "no single member does as well"


def test_the_bound_holds_against_an_enemy():
    "Every outcome goes against the weights: the heaviest member is wrong."
    weights, losses, own = np.full(2, 0.5), [], 0.0
    for _ in range(400):
        loss = np.where(np.arange(2) == weights.argmax(), -np.log(0.1), -np.log(0.9))
        own -= np.log(np.einsum("i,i", weights, np.exp(-loss)))
        losses.append(loss)
        weights = updated_weights(weights, loss, 0.05)
    for switches in (0, 3, 20, 399):
        assert own - best_switching_loss(losses, switches) < switching_bound(2, 400, switches, floor=0.05)


def test_weights_add_up_and_respect_the_floor_on_ten_thousand_random_inputs():
    rng = np.random.default_rng(0)
    for _ in range(10_000):
        members = int(rng.integers(1, 9))
        floor = float(rng.uniform(1e-4, 1.0 / members))
        before = rng.dirichlet(np.full(members, 0.2))
        losses = np.where(rng.random(members) < 0.2, np.nan, rng.exponential(10.0 ** rng.integers(-3, 4), members))
        after = updated_weights(before, losses, floor, float(rng.uniform(0.01, 1.0)))
        assert abs(after.sum() - 1.0) < 1e-12
        assert after.min() >= floor * (1 - 1e-9) or not np.isfinite(losses).any()


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 99), horizon=st.sampled_from([1, 5, 21]), cut=st.integers(1, 250))
def test_no_weight_sees_an_outcome_that_is_not_known(seed, horizon, cut):
    stated, rose = stream(seed, n=300)
    losses = log_losses(stated, rose)
    spoilt = losses.copy()
    spoilt[cut:] = np.random.default_rng(seed).exponential(3.0, spoilt[cut:].shape)
    whole, other = fixed_share_weights(losses, horizon), fixed_share_weights(spoilt, horizon)
    np.testing.assert_array_equal(whole[: cut + horizon], other[: cut + horizon])
    np.testing.assert_array_equal(fixed_share_weights(losses[:cut], horizon), whole[:cut])
    np.testing.assert_allclose(whole.sum(axis=1), 1.0, atol=1e-12)


def test_who_is_silent_keeps_its_place_among_the_others():
    before = np.array([0.5, 0.3, 0.2])
    after = updated_weights(before, [0.2, np.nan, 0.9], floor=1e-6)
    assert after[1] == pytest.approx(0.3, abs=1e-5)
    assert after[0] > 0.5 and after[2] < 0.2
    np.testing.assert_array_equal(updated_weights(before, [np.nan] * 3), before)


@pytest.mark.parametrize("made", [{"floor": 0.3}, {"floor": 0.0}, {"rate": 1.5}, {"horizon": 0}, {"start": [1.0]}])
def test_constants_without_a_guarantee_are_refused(made):
    with pytest.raises(DataError):
        fixed_share_weights(np.ones((10, 5)), **made)
