"Used at the open, known at the close."

import pandas as pd

from leaks import leak


@leak(decide="open")
def close_traded_at_the_open(market):
    "The rule reads today's close and buys at today's open."
    spx = market.close("SPX")
    return (spx > spx.rolling(20).mean()).astype(float)


@leak(decide="open")
def range_known_at_the_open(market):
    "Buy at the open if the day's low is going to hold."
    spx = market.bars("SPX")
    return (spx["low"] > spx["open"] * 0.995).astype(float)


@leak(decide="open")
def volume_known_at_the_open(market):
    "Today's volume against its mean is known when the day is over."
    volume = market.bars("AAPL")["volume"]
    return volume / volume.rolling(20).mean().shift(1)


@leak(decide="open")
def release_of_this_morning(market):
    "The newest value at the *close* of the day holds what came out after the open."
    days = market.close("SPX").index
    return market.at_sessions("DGS10", days)


@leak(decide="open")
def gap_and_close(market):
    "The overnight gap may be known at the open; the fill of the gap is not."
    spx = market.bars("SPX")
    return pd.Series((spx["open"] / spx["close"].shift(1) - 1) * (spx["close"] < spx["open"]), spx.index)
