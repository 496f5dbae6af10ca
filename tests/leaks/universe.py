"Those who were left over."

import pandas as pd

from leaks import leak

STOCKS = ("AAPL", "JNJ", "KO", "XOM")


def returns(market) -> pd.DataFrame:
    "The daily returns of the stocks that this market has."
    return pd.DataFrame({s: market.close(s).pct_change() for s in STOCKS if s in market}).reindex(
        market.close("SPX").index
    )


@leak
def members_of_today(market):
    "The mean return of those who are members now, as if they had always been."
    change = market.members.groupby("symbol")["change"].sum()
    now = [symbol for symbol in STOCKS if change.get(symbol, 0) > 0 and symbol in market]
    return returns(market)[now].mean(axis=1)


@leak
def survivors(market):
    "Only shares that still trade at the end have a past."
    last = market.close("SPX").index[-1]
    alive = [s for s in STOCKS if s in market and market.close(s).index[-1] == last]
    return returns(market)[alive].mean(axis=1)


@leak
def complete_histories_only(market):
    "`dropna(axis=1)` drops whoever will one day have a hole."
    return returns(market).dropna(axis=1, thresh=int(0.9 * len(market.close("SPX")))).mean(axis=1)


@leak
def best_of_the_universe(market):
    "The two shares that have risen most over the whole sample make a fine portfolio in its first year."
    change = returns(market)
    return change[change.sum().nlargest(2).index].mean(axis=1)
