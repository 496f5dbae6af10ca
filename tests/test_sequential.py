"""A sequential test of two scores holds on every day it is read: against its formulas, by exhaustion, by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.metrics import (
    clip_bound,
    confidence_sequence,
    decision_time,
    diebold_mariano,
    log_e_values,
    sequential_test,
)
from forecastkit.metrics.sequential_tests import BET_SHARES


def capital(x: np.ndarray, m: float, bets: np.ndarray) -> np.ndarray:
    "The capital process of Waudby-Smith and Ramdas (2023, section 4.1) of x within 0 and 1 against a mean of m, for averaged fixed bets."
    return np.mean([np.cumprod([1 + bet * (value - m) for value in x]) for bet in bets], axis=0)


def overlapping(runs: int, n: int, seed: int, horizon: int = 5) -> np.ndarray:
    "Differences of mean zero whose neighbours share their outcome, with heavy tails, (runs, n)."
    total = np.cumsum(np.random.default_rng(seed).standard_t(4, (runs, n + horizon)), axis=1)
    return (total[:, horizon:] - total[:, :-horizon]) / np.sqrt(2 * horizon)


def test_it_is_the_published_capital_process_on_the_unit_interval() -> None:
    y = np.random.default_rng(0).uniform(-1, 1, 200)
    expected = capital((y + 1) / 2, 0.5, 2 * BET_SHARES)  # y = 2x - 1: a bet on x is twice that on y
    np.testing.assert_allclose(np.exp(log_e_values(y, 1.0)), expected, rtol=1e-10)


def account(y: np.ndarray, horizon: int, share: float) -> list[tuple[float, float]]:
    "Free money and what stands in open bets, on the session each outcome becomes known: bookkeeping by hand."
    free, bets, told = 1.0, {}, []
    for session in range(len(y) + horizon):
        if (settled := session - horizon) in bets:
            free += bets.pop(settled) * (1 + y[settled])
            told.append((free, sum(bets.values())))
        bets[session] = share * free
        free -= bets[session]
    return told


def test_outcomes_that_overlap_are_bet_on_with_the_free_money_of_one_account() -> None:
    y, horizon = overlapping(1, 203, 1)[0].clip(-1, 1), 5
    free = np.mean([[money for money, _ in account(y, horizon, share)] for share in BET_SHARES], axis=0)
    np.testing.assert_allclose(np.exp(log_e_values(y, 1.0, horizon)), free, rtol=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=12, max_size=40), st.integers(2, 6))
def test_what_is_read_is_never_more_than_what_stands_when_open_bets_are_settled(
    values: list[float], horizon: int
) -> None:
    y = np.array(values)
    read = np.exp(log_e_values(y, 1.0, horizon))
    for last in range(len(y) - horizon + 1):  # nobody bets after session last + horizon - 1
        settled = 0.0
        for share in BET_SHARES:
            later, stakes = 1.0, {}
            for session in range(last + horizon):
                later += stakes.pop(session - horizon, 0.0) * (1 + y[session - horizon])
                stakes[session] = share * later
                later -= stakes[session]
            settled += (later + sum(c * (1 + y[at]) for at, c in stakes.items())) / len(BET_SHARES)
        assert read[last] <= settled * (1 + 1e-9)


def test_a_challenger_better_in_some_years_and_worse_in_others_by_as_much_is_not_found_better() -> None:
    worse_first = np.tile(np.repeat([-0.1, 0.1], 125), 2)
    rows = overlapping(200, 500, 7) * 0.3 + worse_first
    assert (log_e_values(rows, 1.0, 5) >= np.log(20)).any(axis=1).mean() <= 0.05


def test_daily_looks_keep_the_level_where_a_fixed_sample_test_does_not() -> None:
    null = overlapping(200, 500, 2)
    ever = (log_e_values(null, 1.0, 5) >= np.log(20)).any(axis=1)
    assert ever.mean() <= 0.05
    days = range(60, 500, 20)  # fewer looks than daily, and already too many
    zero = np.zeros(500)
    by_t = [any(diebold_mariano(zero[:n], row[:n]).t > 1.645 for n in days) for row in null[:60]]
    assert np.mean(by_t) > 0.1


def test_a_better_challenger_is_found_about_when_announced_and_a_worse_one_does_harm() -> None:
    found = overlapping(40, 1500, 3) * 0.15 + 0.05
    sd = float(found.std())
    rows = [sequential_test(row, 0.5, 5).decided_at for row in found]
    taken = np.median([10_000 if row is None else row + 1 for row in rows])
    announced = decision_time(0.05, sd, 0.5, 5)
    assert announced and 0.4 * announced < taken < 1.6 * announced
    assert sequential_test(-found[0], 0.5, 5).verdict == "worse"


def test_the_confidence_sequence_covers_at_all_times_and_agrees_with_the_evidence() -> None:
    missed = 0
    for row in overlapping(60, 600, 4):
        low, high = confidence_sequence(row, 1.0, 5)
        missed += bool(((low > 0) | (high < 0)).any())  # symmetric: the mean of the clipped differences is 0
        assert (low <= high).all()
        out = low > 0
        assert (log_e_values(row, 1.0, 5)[out] >= np.log(20)).all()  # a range above zero never stands without evidence
    assert missed / 60 <= 0.05


def test_gaps_are_no_bets_and_change_no_chain() -> None:
    y = overlapping(1, 300, 5)[0]
    holed = y.copy()
    holed[100:110] = np.nan
    zeroed = np.nan_to_num(holed)
    np.testing.assert_array_equal(log_e_values(holed, 1.0, 5), log_e_values(zeroed, 1.0, 5))
    assert sequential_test(holed, 1.0, 5).pairs == 290


def test_seven_days_decide_nothing() -> None:
    assert max(sequential_test(np.full(7, 1.0), 0.5, 1).e_value) < 20
    assert decision_time(0.05, 0.16, 0.5, 5) > 100


def test_the_bound_comes_from_a_span_before_the_test() -> None:
    assert clip_bound(np.full(60, 2.0)) == 1.0
    with pytest.raises(ValueError, match="60 or more"):
        clip_bound(np.full(60, np.nan))
