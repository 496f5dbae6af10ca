"A sweep: every account is what stepping through it by hand gives, whatever is missing, and nothing sees tomorrow."

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proofs import scaled
from test_trading import a_market

from forecastkit.core import DataError
from forecastkit.trading import CostModel, FillRules, PriceBlocks, moving_average_pairs, sweep

SEEDS = st.integers(0, 10**6)
COSTS = CostModel(per_share=0.0, bps=3.0, half_spread_bps=1.0, slippage_bps=1.0)


def by_hand(prices: PriceBlocks, wanted: np.ndarray, rate: float, rules: FillRules) -> np.ndarray:
    "What each account of 1 becomes, session by session."
    fill, marks, final = rules.market_price(prices), prices.marks, []
    for i in range(len(prices.tickers)):
        cash, shares = 1.0, 0.0
        for t in range(len(prices.sessions)):
            if prices.splits is not None:
                shares *= prices.splits[t, i]
            before = shares
            if t and prices.has_bar[t, i] and np.isfinite(fill[t, i]):
                if wanted[t - 1, i] and not shares:
                    shares, cash = cash / (fill[t, i] * (1 + rate)), 0.0
                elif not wanted[t - 1, i] and shares:
                    cash, shares = cash + shares * fill[t, i] * (1 - rate), 0.0
            cash += before * (0.0 if prices.dividends is None else prices.dividends[t, i])
            if shares and cash and before:  # dividends are reinvested at the close, free of costs
                shares, cash = shares + cash / marks[t, i], 0.0
        final.append(cash + (shares * marks[-1, i] if shares else 0.0))
    return np.array(final)


@settings(max_examples=scaled(150), deadline=None)
@given(SEEDS, st.sampled_from(["open", "close", "vwap"]), st.booleans(), st.floats(0.0, 0.4))
def test_every_account_is_what_stepping_through_it_gives(seed, at, splits, halts):
    prices, rules = a_market(seed, halts=halts, splits=splits), FillRules(at, volume_share=np.inf)
    wanted = np.random.default_rng(seed).random(prices.close.shape) < 0.5
    found = sweep(prices, [("one", wanted)], COSTS, rules)
    np.testing.assert_allclose(1 + found.total_return[0], by_hand(prices, wanted, 5e-4, rules), rtol=1e-10)


@settings(max_examples=scaled(50), deadline=None)
@given(SEEDS, st.integers(5, 25))
def test_what_comes_later_changes_nothing_before(seed, cut):
    prices = a_market(seed)
    wanted = np.random.default_rng(seed).random(prices.close.shape) < 0.5
    part = sweep(prices.until(cut), [("one", wanted[:cut])])
    changed = wanted.copy()
    changed[cut - 1 :] = ~changed[cut - 1 :]  # decided at the last close: filled after it
    again = sweep(prices.until(cut), [("one", changed[:cut])])
    np.testing.assert_array_equal(part.total_return, again.total_return)


@settings(max_examples=scaled(50), deadline=None)
@given(SEEDS)
def test_costs_never_help_and_who_wants_nothing_keeps_all(seed):
    prices = a_market(seed)
    wanted = np.random.default_rng(seed).random(prices.close.shape) < 0.5
    sets = [("some", wanted), ("none", np.zeros_like(wanted))]
    free, dear = sweep(prices, sets, CostModel.free()), sweep(prices, sets, COSTS)
    assert (dear.total_return <= free.total_return + 1e-12).all()
    assert (dear.total_return[1] == 0).all() and (dear.trades[1] == 0).all() and (dear.max_drawdown[1] == 0).all()


def test_sets_are_made_one_at_a_time():
    prices, alive = a_market(1), []

    def sets():
        for i in range(5):
            alive.append(i)
            yield i, np.ones(prices.close.shape, dtype=bool)
            alive.remove(i)

    assert sweep(prices, sets()).sets == (0, 1, 2, 3, 4)
    assert alive == []


@pytest.mark.parametrize(
    ("signals", "costs", "words"),
    [
        ([], COSTS, "at least one"),
        ([("x", np.ones((3, 4), dtype=bool))], COSTS, "are a block of"),
        ([("x", np.ones((30, 4)))], COSTS, "yes and no"),
        ([("x", np.ones((30, 4), dtype=bool))], CostModel(), "basis points"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(signals, costs, words):
    with pytest.raises(DataError, match=words) as told:
        sweep(a_market(1), signals, costs)
    assert "\n" not in str(told.value)


def test_an_average_that_is_not_known_yet_holds_nothing():
    prices = a_market(1, halts=0)
    ((name, wanted),) = moving_average_pairs(prices, (3, 10))
    assert name == (3, 10)
    assert not wanted[:9].any()
    with pytest.raises(DataError, match="at least one session"):
        next(moving_average_pairs(prices, (0, 3)))
