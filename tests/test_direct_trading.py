"Trading called directly with something else than it takes: one line that names what is wanted, and nothing is booked."

import numpy as np
import pandas as pd
import pytest

from forecastkit.core import DataError
from forecastkit.data import synthetic_market
from forecastkit.trading import (
    BacktestEngine,
    CostModel,
    FillRules,
    Limits,
    Order,
    OrderBlocks,
    Portfolio,
    PositionSizer,
    PriceBlocks,
    order_blocks,
    simulate,
)
from forecastkit.trading.limits import optimal_weights
from forecastkit.trading.portfolio import orders_for
from forecastkit.trading.sizing import as_holdings, kelly_fraction

DAYS = pd.bdate_range("2018-01-02", periods=6, unit="us")
PRICES = PriceBlocks.from_bars({n: pd.DataFrame({"close": [10.0, 11, 12, 13, 12, 11]}, DAYS) for n in "AB"})
BUY = np.zeros((6, 2))
BUY[0, 0] = 5
MARKET = synthetic_market(seed=4, sessions=40, stocks=("AAA", "BBB")).market


def walk(answer, universe=("AAA",), **options):
    return BacktestEngine(MARKET).run_walk_forward_backtest(lambda view, names: answer, universe, **options)


def run_given(forecasts):
    return BacktestEngine(MARKET).run_walk_forward_backtest(forecasts, ("AAA",))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: OrderBlocks(np.full((6, 2), "x")), "shares of orders are numbers"),
        (lambda: OrderBlocks(np.full((6, 2), "5")), "shares of orders are numbers"),
        (lambda: OrderBlocks(BUY, limit=np.full((6, 3), 5.0)), "as shares are"),
        (lambda: OrderBlocks(BUY, stop_loss=np.full(2, 5.0)), "stop loss of orders is a block"),
        (lambda: OrderBlocks(BUY, limit=np.full((6, 2), -5.0)), "limit of orders is a finite number above 0"),
        (lambda: OrderBlocks(BUY, trail=np.full((6, 2), np.inf)), "trail of orders"),
        (lambda: simulate(PRICES, BUY), "`OrderBlocks`"),
        (lambda: simulate(PRICES, None), "`OrderBlocks`"),
        (lambda: simulate(None, OrderBlocks(BUY)), "`PriceBlocks`"),
        (lambda: simulate(PRICES, OrderBlocks(BUY), "lots"), "cash is 'lots'"),
        (lambda: simulate(PRICES, OrderBlocks(BUY), 1e4, None), "`CostModel`"),
        (lambda: simulate(PRICES, OrderBlocks(BUY), 1e4, CostModel(), "open"), "`FillRules`"),
        (lambda: Portfolio(PRICES).step([1]), "`OrderBlocks`"),
        (lambda: orders_for(["A"], Portfolio(PRICES)), "by ticker"),
        (lambda: orders_for({"A": "much"}, Portfolio(PRICES)), "weight of A is 'much'"),
        (lambda: order_blocks(None, PRICES), "list of `Order`s"),
        (lambda: order_blocks(["buy"], PRICES), "`Order`s"),
        (lambda: FillRules(at=["open"]), "use one of open"),
        (lambda: FillRules(volume_share="x"), "volume_share"),
        (lambda: CostModel(bps="x"), "bps is 'x'"),
        (lambda: Limits(ticker="x"), "the limit ticker is 'x'"),
        (lambda: PositionSizer(limits=None), "`Limits`"),
        (lambda: PositionSizer(sectors=["a"]), "sectors are a mapping"),
        (lambda: PositionSizer(fraction="x"), "fraction is 'x'"),
        (lambda: PositionSizer(observations="x"), "observations is 'x'"),
        (lambda: as_holdings(None), "equity"),
        (lambda: as_holdings({"equity": "lots"}), "equity of a portfolio"),
        (lambda: as_holdings({"equity": 1, "weights": [1]}), "weights of a portfolio"),
        (lambda: kelly_fraction(["a"]), "outcomes are numbers"),
        (lambda: kelly_fraction([]), "there are none"),
        (lambda: kelly_fraction([0.1, -0.1], [1.0]), "a probability of each"),
        (lambda: optimal_weights([0.1], np.eye(2), [0]), "covariance"),
        (lambda: optimal_weights([np.nan], np.eye(1), [0]), "finite"),
        (lambda: PriceBlocks.from_bars([1]), "frames by ticker"),
        (lambda: PriceBlocks.from_bars({"A": pd.DataFrame({"x": [1.0]}, DAYS[:1])}), "no column close"),
        (lambda: PriceBlocks.from_bars({"A": pd.DataFrame({"close": ["x"]}, DAYS[:1])}), "close prices of A"),
        (lambda: walk(["AAA"]), "a strategy answers with a weight"),
        (lambda: walk({"AAA": "much"}), "weight of AAA is 'much'"),
        (lambda: walk({"AAA": None}), "weight of AAA is None"),
        (lambda: walk({"AAA": 0.1}, sizer=None), "a sizer is a function"),
        (lambda: walk({"AAA": 0.1}, sizer=lambda forecasts, holdings: [1]), "a sizer answers"),
        (lambda: walk({"AAA": 0.1}, sizer=PositionSizer()), "takes forecasts"),
        (lambda: walk({}, universe="AAA"), "collection of tickers"),
        (lambda: walk({}, universe=None), "collection of tickers"),
        (lambda: walk({}, start="soon"), "no dates"),
        (lambda: walk({}, every="x"), "every=1"),
        (lambda: walk({}, every=1.5), "every=1"),
        (lambda: walk({}, trials="x"), "trials is 'x'"),
        (lambda: walk({}, states=["calm"]), "states are a series"),
        (lambda: run_given({"soon": {"AAA": 0.1}}), "dates as keys"),
        (lambda: run_given({None: {"AAA": 0.1}}), "dates as keys"),
        (lambda: run_given({MARKET.close("AAA").index[3]: [1, 2]}), "list was given"),
        (lambda: BacktestEngine(None).run_walk_forward_backtest({}, ("AAA",)), "`MarketData`"),
        (lambda: BacktestEngine(MARKET).run_strategy("x", ("AAA",)), "function of a market"),
        (lambda: BacktestEngine(MARKET).run_orders(None, ("AAA",)), "list of `Order`s"),
    ],
)
def test_something_else_than_is_wanted_is_one_line(call, words):
    with pytest.raises(DataError) as told:
        call()
    assert words in str(told.value) and "\n" not in str(told.value)


def test_a_list_of_shares_is_as_good_as_an_array():
    books = simulate(PRICES, OrderBlocks(BUY.tolist()), 1e4)
    assert np.array_equal(books.position, simulate(PRICES, OrderBlocks(BUY), 1e4).position)
    assert books.position[1, 0] == 5


def test_a_series_of_weights_is_as_good_as_a_dictionary():
    found, same = walk(pd.Series({"AAA": 0.1})), walk({"AAA": 0.1})
    assert len(found.books.fills.shares) and np.array_equal(found.equity, same.equity)


def test_an_order_of_no_date_is_refused_and_the_others_are_kept():
    blocks, rejects = order_blocks([Order("soon", "A", "buy", 5), Order(DAYS[0], "A", "buy", 5)], PRICES)
    assert blocks.shares[0, 0] == 5
    assert [one.text() for one in rejects] == ["no date A +5: decided on a day that is no session of these prices"]


@pytest.mark.parametrize("long", [True, False])
def test_a_stop_or_target_below_nothing_is_never_reached_and_refuses_no_order(long):
    portfolio = Portfolio(PRICES, 1e4, rules=FillRules(short=True))
    portfolio.step()
    wanted = orders_for({"A": 0.5 if long else -0.5}, portfolio, levels={"A": (-4.0, 30.0) if long else (30.0, -4.0)})
    portfolio.step(wanted)
    assert np.isnan(portfolio.levels.stop[0] if long else portfolio.levels.target[0]) and portfolio.position[0]
