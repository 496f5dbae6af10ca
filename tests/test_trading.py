"Trading: books that balance whatever is asked for, fills that a market would have given, and orders that are refused whole."

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proofs import scaled

from forecastkit.core import DataError
from forecastkit.trading import CostModel, FillRules, Order, OrderBlocks, Portfolio, PriceBlocks, order_blocks, simulate
from forecastkit.trading.portfolio import orders_for

MODEL = CostModel(
    per_share=0.005, per_trade=1.0, bps=1.0, half_spread_bps=2.0, slippage_bps=1.0, impact=0.5, borrow_rate=0.03
)


def a_market(seed: int, n: int = 30, k: int = 4, halts: float = 0.1, splits: bool = False) -> PriceBlocks:
    "Random bars with gaps over night, halts, thin volume, dividends and, where asked for, splits."
    rng = np.random.default_rng(seed)
    close = 40 * np.exp(np.cumsum(0.03 * rng.standard_normal((n, k)), axis=0))
    first = np.vstack([close[:1], close[:-1]]) * np.exp(0.02 * rng.standard_normal((n, k)))
    bars = [first, np.maximum(first, close) * 1.01, np.minimum(first, close) * 0.99, close, 300 * rng.random((n, k))]
    closed = rng.random((n, k)) < halts
    bars = [np.where(closed, np.nan, block) for block in bars]
    dividends = np.where(rng.random((n, k)) < 0.05, 0.3, 0.0)
    ratio = np.where(rng.random((n, k)) < 0.03, 2.0, 1.0) if splits else None
    days = pd.bdate_range("2018-01-02", periods=n, unit="us")
    return PriceBlocks(days, tuple(f"T{i}" for i in range(k)), *bars, dividends=dividends, splits=ratio)


def some_orders(seed: int, prices: PriceBlocks, levels: bool) -> OrderBlocks:
    rng = np.random.default_rng(seed)
    shape, price = prices.close.shape, np.nan_to_num(prices.marks, nan=40.0)
    shares = rng.integers(-40, 41, shape) * (rng.random(shape) < 0.5).astype(float)
    if not levels:
        return OrderBlocks(shares)

    def near(share: float, sign: float) -> np.ndarray:
        wanted = price * (1 + sign * np.sign(shares) * 0.05 * rng.random(shape))
        return np.where(rng.random(shape) < share, wanted, np.nan)

    limit = near(0.3, -1)
    stop = np.where(np.isfinite(limit), np.nan, near(0.2, 1))
    trail = np.where(rng.random(shape) < 0.3, 0.03, np.nan)
    return OrderBlocks(shares, limit, stop, near(0.5, -1), near(0.5, 1), trail)


def stepped(prices: PriceBlocks, orders: OrderBlocks, costs: CostModel, rules: FillRules):
    portfolio = Portfolio(prices, 1e6, costs, rules)
    for t in range(len(prices.sessions)):
        portfolio.step(orders.at(t - 1) if t else None)
    return portfolio.books()


RULES = st.builds(FillRules, at=st.sampled_from(["open", "close", "vwap"]), volume_share=st.sampled_from([0.05, np.inf]), short=st.booleans())  # fmt: skip
SEEDS = st.integers(0, 10**6)


@settings(max_examples=scaled(150), deadline=None)
@given(SEEDS, RULES, st.booleans(), st.booleans())
def test_the_books_balance_whatever_is_ordered(seed, rules, levels, splits):
    prices = a_market(seed, splits=splits)
    books = simulate(prices, some_orders(seed, prices, levels), 1e6, MODEL, rules)  # raises where they do not
    assert max(books.identities().values()) <= 1e-9
    if not rules.short:
        assert books.position.min() >= 0
    if np.isfinite(rules.volume_share):
        traded = books._by_cell(np.abs(books.fills.shares))
        assert (traded <= rules.volume_share * np.nan_to_num(prices.volume) * (1 + 1e-12)).all()


@settings(max_examples=scaled(60), deadline=None)
@given(SEEDS, RULES)
def test_running_sums_and_steps_give_the_same_books(seed, rules):
    prices = a_market(seed)
    orders = some_orders(seed, prices, levels=False)
    once, steps = simulate(prices, orders, 1e6, MODEL, rules), stepped(prices, orders, MODEL, rules)
    np.testing.assert_allclose(once.equity, steps.equity, rtol=1e-12)
    np.testing.assert_allclose(once.position, steps.position, atol=1e-9)
    assert {one.text() for one in once.rejects} == {one.text() for one in steps.rejects}


@settings(max_examples=scaled(60), deadline=None)
@given(SEEDS, RULES, st.booleans(), st.sampled_from(["per_share", "bps", "half_spread_bps", "impact", "borrow_rate"]))
def test_costs_never_help(seed, rules, levels, name):
    prices = a_market(seed)
    orders = some_orders(seed, prices, levels)
    free = simulate(prices, orders, 1e6, CostModel.free(), rules)
    dear = simulate(prices, orders, 1e6, replace(CostModel.free(), **{name: 0.5}), rules)
    assert (dear.equity <= free.equity + 1e-6).all()
    np.testing.assert_array_equal(dear.position, free.position)


@settings(max_examples=scaled(60), deadline=None)
@given(SEEDS, RULES)
def test_every_price_lies_within_its_bar_and_no_bar_trades_nothing(seed, rules):
    prices = a_market(seed, halts=0.3)
    books = simulate(prices, some_orders(seed, prices, levels=True), 1e6, MODEL, rules)
    cell = books.fills.session, books.fills.ticker
    assert prices.has_bar[cell].all()
    assert (books.fills.price >= prices.low[cell] - 1e-9).all()
    assert (books.fills.price <= prices.high[cell] + 1e-9).all()


@settings(max_examples=scaled(40), deadline=None)
@given(SEEDS, RULES, st.integers(5, 25))
def test_what_comes_later_changes_nothing_before(seed, rules, cut):
    prices = a_market(seed, splits=True)
    orders = some_orders(seed, prices, levels=True)
    whole = simulate(prices, orders, 1e6, MODEL, rules)
    part = OrderBlocks(*(None if block is None else block[:cut] for block in vars(orders).values()))
    np.testing.assert_array_equal(simulate(prices.until(cut), part, 1e6, MODEL, rules).equity, whole.equity[:cut])


@settings(max_examples=scaled(40), deadline=None)
@given(SEEDS, RULES, st.permutations(range(4)))
def test_the_order_of_tickers_changes_nothing(seed, rules, order):
    prices = a_market(seed)
    orders = some_orders(seed, prices, levels=True)
    mixed = {name: getattr(prices, name)[:, order] for name in ("open", "high", "low", "close", "volume", "dividends")}
    other = PriceBlocks(prices.sessions, tuple(prices.tickers[i] for i in order), **mixed)
    theirs = OrderBlocks(*(None if block is None else block[:, order] for block in vars(orders).values()))
    a, b = simulate(prices, orders, 1e6, MODEL, rules), simulate(other, theirs, 1e6, MODEL, rules)
    np.testing.assert_allclose(a.equity, b.equity, rtol=1e-12)
    np.testing.assert_array_equal(a.position[:, order], b.position)


def one_ticker(*bars: tuple[float, float, float, float]) -> PriceBlocks:
    days = pd.bdate_range("2018-01-02", periods=len(bars), unit="us")
    return PriceBlocks.from_bars({"A": pd.DataFrame(list(bars), days, ["open", "high", "low", "close"])})


def exit_of(prices: PriceBlocks, **levels: float) -> tuple[float, str, int]:
    "Bought at the open of the second session: at which price, by what, and after how many sessions it was closed."
    orders, _ = order_blocks([Order(prices.sessions[0], "A", "buy", 10, **levels)], prices)
    (trade,) = simulate(prices, orders, 1e4, CostModel.free()).trades.itertuples()
    return trade.exit_price, trade.exit_by, trade.sessions


START, QUIET = (100, 101, 99, 100), (100, 101, 99, 100)


def test_stop_and_target_in_one_bar_the_worse_comes_first():
    prices = one_ticker(START, QUIET, (100, 111, 94, 105))
    assert exit_of(prices, stop_loss=95, take_profit=110) == (95, "stop", 1)


def test_a_gap_through_the_stop_fills_at_the_open():
    prices = one_ticker(START, QUIET, (90, 92, 88, 91))
    assert exit_of(prices, stop_loss=95, take_profit=110) == (90, "stop", 1)


def test_a_trailing_stop_follows_the_high_of_sessions_that_are_over():
    prices = one_ticker(START, (100, 120, 100, 118), (118, 125, 109, 112), (112, 113, 105, 106))
    assert exit_of(prices, trail=0.1) == (
        112,
        "stop",
        2,
    )  # 125 * 0.9 = 112.5 lies above the next open, not in the bar of the high
    assert exit_of(one_ticker(START, (100, 120, 100, 118), (118, 119, 107, 112)), trail=0.1) == (108, "stop", 1)


def test_entered_inside_a_bar_its_high_moves_no_trailing_stop():
    prices = one_ticker(START, (100, 130, 94, 96), (96, 97, 95, 96))
    orders, _ = order_blocks([Order(prices.sessions[0], "A", "buy", 10, limit=95, trail=0.1)], prices)
    books = simulate(prices, orders, 1e4, CostModel.free())
    assert len(books.fills.price) == 1  # 130 * 0.9 = 117 would have closed it
    assert books.fills.price[0] == 95


def test_a_target_is_not_reached_in_the_bar_of_an_entry_inside_it():
    prices = one_ticker(START, (100, 130, 94, 96), (96, 97, 95, 96))
    orders, _ = order_blocks([Order(prices.sessions[0], "A", "buy", 10, limit=95, take_profit=110)], prices)
    assert simulate(prices, orders, 1e4).position[-1, 0] == 10


def test_an_order_and_a_stop_at_one_open_sell_once():
    prices = one_ticker(START, QUIET, (90, 92, 88, 91), QUIET)
    orders, _ = order_blocks(
        [Order(prices.sessions[0], "A", "buy", 10, stop_loss=95), Order(prices.sessions[1], "A", "sell", 10)], prices
    )
    books = simulate(prices, orders, 1e4, CostModel.free())
    assert books.fills.shares.tolist() == [10, -10]
    assert books.fills.price.tolist() == [100, 90]


def test_a_stop_that_came_before_the_close_cancels_the_order_at_the_close():
    prices = one_ticker(START, QUIET, (100, 101, 90, 100), QUIET)
    orders, _ = order_blocks(
        [Order(prices.sessions[0], "A", "buy", 10, stop_loss=95), Order(prices.sessions[1], "A", "sell", 10)], prices
    )
    books = simulate(prices, orders, 1e4, CostModel.free(), FillRules("close", short=True))
    assert books.position[-1, 0] == 0
    assert len(books.fills.shares) == 2


def test_a_large_order_is_filled_in_part_and_its_rest_lapses():
    prices = a_market(1, halts=0)
    shares = np.zeros(prices.close.shape)
    shares[3, 0] = 1e6
    books = simulate(prices, OrderBlocks(shares), 1e6, CostModel.free(), FillRules(volume_share=0.1))
    assert books.position[-1, 0] == pytest.approx(0.1 * prices.volume[4, 0])


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (Order("2018-01-03", "VIX", "buy", 5), "futures"),
        (Order("2018-01-03", "NONE", "buy", 5), "unknown ticker"),
        (Order("2018-01-03", "T0", "buy", -5), "not above 0"),
        (Order("2018-01-03", "T0", "buy", float("nan")), "not above 0"),
        (Order("2018-01-03", "T0", "buy", 5, limit=float("nan")), "NaN"),
        (Order("2018-01-06", "T0", "buy", 5), "no session"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_in_one_line(order, words):
    orders, (reject,) = order_blocks([order], a_market(0))
    assert words in reject.text()
    assert "\n" not in reject.text()
    assert not orders.shares.any()


def test_who_sells_more_than_he_holds_is_refused_whole():
    prices = a_market(2, halts=0)
    orders, _ = order_blocks(
        [Order(prices.sessions[0], "T0", "buy", 5), Order(prices.sessions[2], "T0", "sell", 6)], prices
    )
    books = simulate(prices, orders, 1e6, MODEL, FillRules(volume_share=np.inf))
    assert books.position[-1, 0] == 5
    (reject,) = books.rejects
    assert "sells more than is held" in reject.text()
    borrowed = simulate(prices, orders, 1e6, MODEL, FillRules(volume_share=np.inf, short=True))
    assert borrowed.position[-1, 0] == -1
    assert borrowed.costs["borrow"] > 0


def test_a_delisted_ticker_is_paid_out_and_cannot_be_bought_again():
    prices = a_market(3, halts=0)
    gone = prices.sessions[10]
    closed = [block.copy() for block in (prices.open, prices.high, prices.low, prices.close, prices.volume)]
    for block in closed:
        block[10:, 0] = np.nan
    delisted = PriceBlocks(prices.sessions, prices.tickers, *closed, delistings={"T0": (gone, 7.0)})
    orders, _ = order_blocks(
        [Order(prices.sessions[0], "T0", "buy", 5), Order(prices.sessions[15], "T0", "buy", 5)], delisted
    )
    books = simulate(delisted, orders, 1e6, CostModel.free(), FillRules(volume_share=np.inf))
    assert books.trades.exit_by.tolist() == ["delisting"]
    assert books.equity[-1] - 1e6 == pytest.approx(5 * (7.0 - prices.open[1, 0]))
    assert books.rejects[0].reason == "delisted"


FREE = CostModel.free()


def bought_and_held(prices: PriceBlocks, size: float, costs: CostModel = FREE, **rules):
    "The books of a market order for A at the first close, sold short where the size is below 0."
    side = "buy" if size > 0 else "sell"
    orders, rejects = order_blocks([Order(prices.sessions[0], "A", side, abs(size))], prices)
    assert rejects == []
    return simulate(prices, orders, 1e4, costs, FillRules(volume_share=np.inf, **rules))


def test_a_dividend_is_received_by_who_held_it_before_the_session_and_paid_by_who_was_short():
    bars = one_ticker((100, 100, 100, 100), (100, 100, 100, 100), (98, 98, 98, 98), (98, 98, 98, 98))
    with_dividend = replace(bars, dividends=np.array([[0.0], [0.0], [2.5], [0.0]]))
    assert bought_and_held(with_dividend, 10).equity.tolist() == [1e4, 1e4, 1e4 - 20 + 25, 1e4 - 20 + 25]
    assert bought_and_held(with_dividend, -10, short=True).equity[-1] == 1e4 + 20 - 25
    too_late = replace(bars, dividends=np.array([[0.0], [2.5], [0.0], [0.0]]))  # bought in the ex-session
    assert bought_and_held(too_late, 10).equity[-1] == 1e4 - 20


def test_a_split_changes_the_shares_and_not_the_equity():
    bars = one_ticker((100, 100, 100, 100), (100, 100, 100, 100), (50, 50, 50, 50), (51, 51, 51, 51))
    books = bought_and_held(replace(bars, splits=np.array([[1.0], [1.0], [2.0], [1.0]])), 10)
    assert books.position[:, 0].tolist() == [0, 10, 20, 20]
    assert books.equity.tolist() == [1e4, 1e4, 1e4, 1e4 + 20]


def test_borrow_is_paid_on_the_close_before_for_each_session():
    bars = one_ticker((100, 100, 100, 100), (100, 100, 100, 100), (110, 110, 110, 110), (110, 110, 110, 110))
    books = bought_and_held(bars, -10, replace(CostModel.free(), borrow_rate=0.252), short=True)
    assert books.borrow[:, 0].tolist() == pytest.approx([0, 0, 10 * 100 * 0.001, 10 * 110 * 0.001])
    assert books.equity[-1] == pytest.approx(1e4 - 100 - 1.0 - 1.1)


def test_a_roll_earns_what_the_two_contracts_earned_and_not_the_gap_between_them():
    days = pd.bdate_range("2018-01-02", periods=5, unit="us")
    near, far = ([14, 14, 15, 15, np.nan], [15, 15, 16, 17, 18])  # the near contract expires after the fourth session
    prices = PriceBlocks.from_bars(
        {"VXF8": pd.DataFrame({"close": near}, days), "VXG8": pd.DataFrame({"close": far}, days)}
    )
    orders, rejects = order_blocks(
        [Order(days[0], "VXF8", "buy", 10), Order(days[2], "VXF8", "sell", 10), Order(days[2], "VXG8", "buy", 10)],
        prices,
    )
    books = simulate(prices, orders, 1e4, CostModel(per_share=0.1, half_spread_bps=0.0, slippage_bps=0.0))
    assert rejects == []
    assert books.position.tolist() == [[0, 0], [10, 0], [10, 0], [0, 10], [0, 10]]
    assert books.equity[-1] == pytest.approx(1e4 + 10 * (15 - 14) + 10 * (18 - 17) - 3 * 10 * 0.1)
    assert books.trades.profit.tolist() == pytest.approx([10 - 2, 10 - 1])


@pytest.mark.parametrize("levels", [False, True])
@pytest.mark.parametrize(("size", "name", "words"), [(np.nan, "A", "NaN"), (np.inf, "A", "NaN"), (5.0, "VIX", "futures"), (-5.0, "A", "more than is held")])  # fmt: skip
def test_bad_sizes_in_blocks_are_refused_in_one_line_and_nothing_is_booked(size, name, words, levels):
    days = pd.bdate_range("2018-01-02", periods=4, unit="us")
    prices = PriceBlocks.from_bars({name: pd.DataFrame({"close": [10.0, 11, 12, 13]}, days)})
    shares = np.array([[size], [0.0], [0.0], [0.0]])
    stops = np.full(shares.shape, 5.0) if levels else None
    books = simulate(prices, OrderBlocks(shares, stop_loss=stops), 1e4)
    (reject,) = books.rejects
    assert words in reject.text() and "\n" not in reject.text()
    assert books.equity.tolist() == [1e4] * 4
    assert not books.position.any()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"NONE": 0.1}, "NONE"),
        ({"A": np.nan}, "that of A, nan, on"),
        ({"A": np.inf}, "that of A, inf, on"),
        ({"A": -0.1}, "needs short selling: --short, or FillRules"),
    ],
)
def test_bad_weights_are_refused_in_one_line_before_anything_is_ordered(weights, words):
    portfolio = Portfolio(one_ticker(START, QUIET), 1e4)
    portfolio.step()
    with pytest.raises(DataError, match=words) as told:
        orders_for(weights, portfolio)
    assert "\n" not in str(told.value)
    assert portfolio.cash == 1e4
