"Panels that compare a ticker with what only later was known of the others, and panels that do not."

import numpy as np
import pandas as pd

from forecastkit.features.panel import compute_panel
from leaks import innocent, leak
from leaks.universe import STOCKS, returns


def panel_of(market, column: str) -> pd.DataFrame:
    "One column of the bars of the stocks that this market has, by session and ticker."
    days = market.close("SPX").index
    return pd.DataFrame({s: market.bars(s)[column] for s in STOCKS if s in market}).reindex(days)


@leak
def ranked_by_what_comes(market):
    "The cross-sectional rank of the return of the next five sessions."
    return np.log(panel_of(market, "close")).diff(5).shift(-5).rank(axis=1, pct=True)


@leak
def ranked_over_all_sessions(market):
    "One rank over the stacked panel: a ticker's place among rows of other years."
    return returns(market).stack().rank(pct=True).unstack()  # noqa: PD010, PD013


@leak
def ranked_among_members_of_today(market):
    "The rank is cross-sectional, but among the members of the last day."
    change = market.members.groupby("symbol")["change"].sum()
    now = [symbol for symbol in STOCKS if change.get(symbol, 0) > 0 and symbol in market]
    return returns(market)[now].rolling(20).mean().rank(axis=1, pct=True)


@leak
def sector_mean_with_later_listings(market):
    "The sector's mean counts a share before it was listed, at the return of its first day."
    return returns(market).bfill().mean(axis=1)


@leak
def split_adjusted_volume(market):
    "Volume in money at the last price: whoever rose since looks heavily traded then."
    close, volume = panel_of(market, "close"), panel_of(market, "volume")
    return volume * close.ffill().iloc[-1]


@leak
def standardised_by_the_ticker_over_all(market):
    "Each ticker is standardised by its own mean and spread, of all years."
    change = returns(market)
    return (change - change.mean()) / change.std()


@leak
def weighted_by_size_of_today(market):
    "A mean weighted by what the tickers are worth on the last day."
    close = panel_of(market, "close").ffill()
    return (returns(market) * (close.iloc[-1] / close.iloc[-1].sum())).sum(axis=1)


@leak
def beta_of_the_whole_sample(market):
    "The part of the index is taken off with one beta, estimated over everything."
    change, index = returns(market), market.close("SPX").pct_change()
    return change.apply(lambda own: own - own.cov(index) / index.var() * index)


@leak
def sectors_by_later_correlation(market):
    "Who belongs together is read off the correlations of the whole sample."
    change = returns(market)
    twin = change.corr().mask(np.eye(change.shape[1], dtype=bool)).idxmax()
    return change - change[twin.to_numpy()].to_numpy()


@leak
def halts_filled_backwards(market):
    "A halted session shows the close at which the ticker came back."
    return np.log(panel_of(market, "close").bfill(limit=3)).diff(5)


@leak
def liquid_half_of_the_sample(market):
    "Only the half that was traded most, over all years, is ranked."
    traded = panel_of(market, "close") * panel_of(market, "volume")
    liquid = traded.mean().nlargest(2).index
    return returns(market)[liquid].rolling(20).std().rank(axis=1, pct=True)


@innocent
def ranked_by_what_came(market):
    "The rank of the five sessions that are over."
    return np.log(panel_of(market, "close")).diff(5).rank(axis=1, pct=True)


@innocent
def panel_of_the_house(market):
    "All panel features, ranked among members as they were known."
    return compute_panel(market, [s for s in STOCKS if s in market], sectors={"KO": "staples", "JNJ": "staples"})


@innocent
def standardised_by_the_session(market):
    "Across tickers, on one session: nothing of another day enters."
    change = returns(market)
    return change.sub(change.mean(axis=1), axis=0).div(change.std(axis=1), axis=0)


@innocent
def beta_so_far(market):
    "The beta of the sessions up to each."
    change, index = returns(market), market.close("SPX").pct_change()
    return change.apply(lambda own: own.expanding(60).cov(index) / index.expanding(60).var())


@innocent
def halts_filled_forwards(market):
    "A halted session shows the last close before it."
    return np.log(panel_of(market, "close").ffill(limit=3)).diff(5)


@innocent
def sector_mean_of_those_listed(market):
    "The mean of those that trade on the session."
    return returns(market).mean(axis=1)
