"A synthetic market that has every series any feature asks for."

import numpy as np
import pandas as pd

from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.base import publication_of

FUNDS = ("IXIC", "RUT", "IWM", "GLD", "USO", "UUP", "TLT", "HYG")
PUBLISHED = {  # how often, where about, how far it moves from one to the next, decimals
    "DGS3MO": ("B", 2.0, 0.03, 2), "BAMLH0A0HYM2": ("B", 5.0, 0.06, 2), "AAA": ("MS", 4.0, 0.05, 2), "BAA": ("MS", 6.0, 0.05, 2),
    "NFCI": ("W-FRI", 0.0, 0.04, 5), "ICSA": ("W-SAT", 3e5, 6e3, -3), "DTWEXBGS": ("B", 110.0, 0.3, 4), "DCOILWTICO": ("B", 60.0, 0.8, 2),
}  # fmt: skip


def near(rng: np.random.Generator, centre: float, step: float, n: int) -> np.ndarray:
    "A path that moves by about `step` at a time and stays near its centre."
    path = np.zeros(n)
    for i, shock in enumerate(rng.normal(0, step, n)[1:], 1):
        path[i] = 0.98 * path[i - 1] + shock
    return centre + path


def whole_market(sessions: int = 1600, start: str = "2010-01-04", seed: int = 7) -> MarketData:
    "Bars of all indices, futures, funds and bitcoin, and all published series."
    market = synthetic_market(seed=seed, sessions=sessions, start=start, stocks=FUNDS).market
    index, rng = market.close("VIX").index, np.random.default_rng(seed)
    market = market.with_series("VX1", market.bars("VIX3M")).with_series("VX2", market.bars("VIX6M"))
    days = pd.date_range(index[0], index[-1], unit="us")
    bitcoin = pd.DataFrame({"close": np.exp(near(rng, 8, 0.03, len(days)))}, days)
    market = market.with_series("BTC", bitcoin)
    for name, (freq, centre, step, decimals) in PUBLISHED.items():
        dates = pd.date_range(index[0] - pd.Timedelta(days=70), index[-1], freq=freq, unit="us")
        values = np.round(near(rng, centre, step, len(dates)), decimals)
        market = market.with_series(name, pd.DataFrame({"value": values}, dates))
    return market


def frame_of(market: MarketData, series: str) -> pd.DataFrame:
    "A series as it was handed in: bars, or a column value."
    return market.bars(series) if publication_of(series)[0] == "bars" else market.macro(series).to_frame("value")


def without(market: MarketData, *series: str) -> MarketData:
    "The market without some series."
    return MarketData({name: frame_of(market, name) for name in market.symbols if name not in series})
