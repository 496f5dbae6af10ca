"The market in which the corpus is judged: everything in it that a leak could feed on."

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.calendars.releases import release_of
from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import synthetic_market

NYSE = get_calendar("XNYS")

STOCKS = ("AAPL", "JNJ", "KO", "XOM")


def members_table(days: pd.DatetimeIndex) -> pd.DataFrame:
    "Who joined and who left an index, each change known at the close of the session before it."
    changes = [("AAPL", 0, 1), ("JNJ", 0, 1), ("KO", 200, 1), ("JNJ", 330, -1), ("XOM", 400, 1), ("AAPL", 440, -1)]
    known = NYSE.closes_of([days[max(0, at - 1)] for _, at, _ in changes])
    return pd.DataFrame(
        {
            "symbol": [c[0] for c in changes],
            "date": days[[c[1] for c in changes]],
            "change": [c[2] for c in changes],
            "known_at": known,
        }
    )


def payrolls(rng: np.random.Generator) -> pd.DataFrame:
    "A monthly series that is published, and revised a month after."
    month = pd.date_range("2006-10-01", "2009-05-01", freq="MS", unit="us")
    first = pd.DataFrame(
        {"value": 1000 + rng.normal(0, 5, len(month)).cumsum(), "known_at": release_of("PAYEMS").known_at(month)}, month
    )
    second = first.assign(
        value=first["value"] + rng.normal(0, 3, len(month)), known_at=first["known_at"] + pd.Timedelta(days=30)
    )
    return pd.concat([first, second])


def corpus_market() -> MarketData:
    "Two years with surprise meetings, a listing, a delisting, holes, a market without closing bell, and revisions."
    rng, synthetic = np.random.default_rng(5), synthetic_market(seed=5, sessions=480, start="2007-01-03", stocks=STOCKS)
    market, days = synthetic.market, synthetic.truth.index
    series = {symbol: market.bars(symbol) for symbol in ("SPX", "VIX", "AAPL", "JNJ", "KO", "XOM")}
    series["KO"] = series["KO"].iloc[150:]  # listed later
    series["JNJ"] = series["JNJ"].iloc[:400]  # taken over
    series["XOM"] = series["XOM"].drop(index=days[[70, 71, 180, 181, 182, 300, 420, 421]])  # trading halted
    every_day = pd.date_range(days[0], days[-1], freq="D", unit="us")
    coin = 100 * np.exp(rng.normal(0, 0.03, len(every_day)).cumsum())
    series["BTC"] = pd.DataFrame({"close": coin}, every_day)
    series["DGS10"] = market.macro("DGS10").to_frame("value")
    series["PAYEMS"] = payrolls(rng)
    return MarketData(series, members=members_table(days))
