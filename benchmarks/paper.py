"""Real processes that keep a paper book through a year are killed fifty times; nothing may be lost or doubled.

    python benchmarks/paper.py [--kills 50] [--sessions 252]

Prints asked beside measured: rows of the book, the largest difference from the backtest of the same forecasts, and the chain.
"""

import argparse
import multiprocessing
import os
import signal
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np

from forecastkit.core import PROBS, load_settings
from forecastkit.data import MarketData, synthetic_market
from forecastkit.forecasts import Forecast
from forecastkit.ledger import PredictionDatabase
from forecastkit.pipeline import PaperBook, keep_paper
from forecastkit.trading import BacktestEngine

STOCKS, FIRST = ("AAA", "BBB", "CCC"), 60


def forecast_of(market: MarketData, symbol: str, t: int) -> Forecast:
    "A forecast drawn from its own seed."
    days, rng = market.close(symbol).index, np.random.default_rng([t, STOCKS.index(symbol)])
    values = np.linspace(-4, 4, len(PROBS)) + rng.normal(0, 3)
    made = market.calendar.closes_of([days[t]])[0].to_pydatetime() + timedelta(minutes=30)
    return Forecast(
        symbol=symbol, origin=days[t], target_session=market.calendar.offset(days[t], 5), horizon=5, kind="log_return", probs=PROBS,
        values=values, last_value=float(market.close(symbol).iloc[t]), cohort="mid_cycle", cohort_weight=1.0, feature_quality=1.0,
        model_version="one", code_version="-", data_fingerprint="-", made_at=made,
    )  # fmt: skip


def keep_year(settings, market: MarketData, last: int) -> None:
    "What the daily job does on each session, one after the other, from where the book stands."
    database, days = PredictionDatabase(settings.database_url(), market.calendar), market.close("AAA").index
    rows = PaperBook(settings, market=market, database=database).rows(1)
    begin = FIRST if not rows or not rows[-1].number else days.get_loc(rows[-1].session) + 1
    for t in range(begin, last):
        keep_paper(settings, days[t], market=market, database=database)


def main() -> None:
    "Kill, go on, compare."
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--sessions", type=int, default=252)
    asked = parser.parse_args()
    last = FIRST + asked.sessions
    market = synthetic_market(seed=9, sessions=last + 10, stocks=STOCKS).market
    days, rng, fork = market.close("AAA").index, np.random.default_rng(0), multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        given = {"data.home": Path(folder), "paper.universe": ", ".join(STOCKS), "paper.stops": "quantiles"}
        settings = load_settings(overrides=given, environ={})
        database = PredictionDatabase(settings.database_url(), market.calendar)
        database.store_predictions([(forecast_of(market, s, t), {}) for t in range(FIRST, last) for s in STOCKS])
        database.close()
        kills, each = 0, asked.sessions / (asked.kills + 1)
        while kills < asked.kills:
            child = fork.Process(
                target=keep_year, args=(settings, market, min(last, FIRST + int(each * (kills + 1)) + 1))
            )
            child.start()
            time.sleep(float(rng.uniform(0.02, 0.6)))
            if child.is_alive() and child.pid:
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
            child.join()
        child = fork.Process(target=keep_year, args=(settings, market, last))
        child.start()
        child.join()
        database = PredictionDatabase(settings.database_url(), market.calendar)
        book = PaperBook(settings, market=market, database=database)
        numbers, result, terms = [row.number for row in book.rows()], book.result(), book.own_terms.terms
        engine = BacktestEngine(market, terms.costs, terms.rules(True), terms.capital)
        forecasts = {days[t]: {s: forecast_of(market, s, t) for s in STOCKS} for t in range(FIRST, last)}
        expected = engine.run_walk_forward_backtest(
            forecasts, STOCKS, days[FIRST], days[last - 1], terms.sizer({}), stops=terms.stops
        )
        apart = float(np.abs(result.equity.to_numpy() / expected.equity.to_numpy() - 1).max())
        print("asked                                             measured")
        print(f"{asked.kills} kills of real processes (SIGKILL)                {kills}")
        print(
            f"{asked.sessions} sessions, each once                            {numbers == list(range(asked.sessions + 1))}"
        )
        print(f"equal to the backtest to 1e-9                     {apart:.1g}")
        print(f"the chain is whole                                {database.verify() == []}")
        database.close()


if __name__ == "__main__":
    main()
