"""vectorbt, backtesting.py and bt on the orders that `books.py DIR --export` wrote; leaves `books.json` there.

    RIVALS_PYTHON benchmarks/rivals/books_rivals.py DIR

Runs in an environment of its own and knows nothing of forecastkit. vectorbt is compiled by a first run that is not counted.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import json
import resource
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CASH, FEE = 1e8, 5e-4
WINDOWS = list(range(10, 110, 10))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def later(block: np.ndarray) -> np.ndarray:
    "Decisions of a close in the session in which they are filled."
    moved = np.zeros_like(block)
    moved[1:] = block[:-1]
    return moved


def frames(given: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    days = pd.bdate_range("2008-01-01", periods=len(given["close"]))
    names = [f"T{i:02d}" for i in range(given["close"].shape[1])]
    return {name: pd.DataFrame(block, days, names) for name, block in given.items()}


def vectorbt_cases(given: dict[str, np.ndarray]) -> dict[str, Any]:
    import vectorbt as vbt

    table, found = frames(given), {}
    for at in ("open", "close"):

        def run(at: str = at) -> float:
            book = vbt.Portfolio.from_orders(
                table["close"], size=later(given["shares"]), price=given[at], fees=FEE, init_cash=CASH, group_by=True,
                cash_sharing=True, freq="1D",
            )  # fmt: skip
            return float(book.value().iloc[-1])

        run()
        took, equity = timed(run)
        found[f"orders at the {at}"] = {"seconds": took, "equity": equity}

    def swept(at: str, columns: pd.DataFrame) -> np.ndarray:
        fast, slow = vbt.MA.run_combs(columns, window=WINDOWS, r=2)
        held = (fast.ma > slow.ma.to_numpy()).to_numpy() if hasattr(fast.ma, "to_numpy") else fast.ma > slow.ma
        now = later(held)
        before = later(now)
        pairs = held.shape[1] // columns.shape[1]
        close = pd.DataFrame(np.tile(columns.to_numpy(), pairs), columns.index)
        price = np.tile(table[at][columns.columns].to_numpy(), pairs)
        book = vbt.Portfolio.from_signals(close, now & ~before, before & ~now, price=price, fees=FEE, freq="1D")
        return book.total_return().to_numpy().reshape(pairs, -1)

    swept("open", table["close"].iloc[:, :2])
    for at in ("open", "close"):
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        took, returns = timed(lambda at=at: swept(at, table["close"]))
        found[f"sweep at the {at}"] = {"seconds": took, "returns": returns.tolist()}
        if at == "open":
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            found[f"sweep at the {at}"] |= {"peak_mb": peak / 1024, "more_mb": (peak - memory) / 1024}
    return found


def bt_cases(given: dict[str, np.ndarray]) -> dict[str, Any]:
    "bt knows closes alone: market orders at the next close."
    import bt

    table = frames(given)
    wanted = later(given["shares"])

    class Orders(bt.Algo):
        def __call__(self, target: Any) -> bool:
            row = table["close"].index.get_loc(target.now)
            for i in np.flatnonzero(wanted[row]):
                target.transact(wanted[row, i], child=f"T{i:02d}")
            return True

    def run() -> float:
        strategy = bt.Strategy("orders", [Orders()], list(table["close"].columns))
        test = bt.Backtest(
            strategy, table["close"], initial_capital=CASH, commissions=lambda q, p: abs(q) * p * FEE,
            integer_positions=False, progress_bar=False,
        )  # fmt: skip
        test.run()
        return float(test.strategy.value)

    took, equity = timed(run)
    return {"orders at the close": {"seconds": took, "equity": equity}}


def backtesting_cases(given: dict[str, np.ndarray]) -> dict[str, Any]:
    "backtesting.py knows one ticker: one run each for the first ten, whose gains are added up."
    import backtesting
    from backtesting import Backtest, Strategy

    backtesting.backtesting._tqdm = lambda rows, **options: rows
    table, found = {name: block.iloc[:, :10] for name, block in frames(given).items()}, {}
    for case in ("orders of ten", "stops of ten", "single stops of ten"):
        orders = "single" if case.startswith("single") else "shares"

        def run(levels: bool = "stops" in case, single: bool = orders == "single", orders: str = orders) -> float:
            gained = 0.0
            for name in table["close"]:
                shares, close = table[orders][name].to_numpy(), table["close"][name].to_numpy()

                class Given(Strategy):
                    wanted, last = shares, close

                    def init(self) -> None:
                        pass

                    def next(self) -> None:
                        t = len(self.data) - 1
                        if self.wanted[t] > 0 and levels:
                            self.buy(size=int(self.wanted[t]), sl=0.97 * self.last[t], tp=1.05 * self.last[t])
                        elif self.wanted[t] > 0:
                            self.buy(size=int(self.wanted[t]))
                        elif self.wanted[t] < 0 and single and self.position:
                            self.position.close()
                        elif self.wanted[t] < 0 and not levels:
                            self.sell(size=int(-self.wanted[t]))

                bars = pd.DataFrame({word.title(): table[word][name] for word in ("open", "high", "low", "close")})
                one = Backtest(bars, Given, cash=CASH, commission=FEE, trade_on_close=False, finalize_trades=False)
                gained += float(one.run()["_equity_curve"]["Equity"].iloc[-1]) - CASH
            return CASH + gained

        took, equity = timed(run)
        found[case] = {"seconds": took, "equity": equity}
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_args().folder
    with np.load(folder / "market.npz") as kept:
        market = {name: kept[name] for name in kept.files}
    told: dict[str, Any] = {}
    for library, cases in (("vectorbt", vectorbt_cases), ("bt", bt_cases), ("backtesting.py", backtesting_cases)):
        try:
            told[library] = cases(market)
        except ModuleNotFoundError as error:
            print(f"{library} is not here: {error}")
        (folder / "books.json").write_text(json.dumps(told))
