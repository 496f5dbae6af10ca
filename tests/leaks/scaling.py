"Scales, bins and models of scale that were fitted on everything."

import numpy as np
import pandas as pd

from leaks import leak


@leak
def standardised_by_all(market):
    "The z-score knows the mean and the spread of years to come."
    vix = market.close("VIX")
    return (vix - vix.mean()) / vix.std()


@leak
def between_minimum_and_maximum(market):
    "Min-max scaling knows that the crisis will be the highest of all."
    vix = market.close("VIX")
    return (vix - vix.min()) / (vix.max() - vix.min())


@leak
def ranked_among_all(market):
    "`rank(pct=True)` without a window ranks today among tomorrows."
    return market.close("VIX").rank(pct=True)


@leak
def bins_of_equal_count(market):
    "`qcut` draws the borders of its bins from the whole sample."
    return pd.qcut(market.close("VIX"), 5, labels=False)


@leak
def winsorised_by_all(market):
    "The limits beyond which values are clipped are quantiles of everything."
    change = market.close("SPX").pct_change()
    return change.clip(change.quantile(0.01), change.quantile(0.99))


@leak
def detrended_by_all(market):
    "A straight line through the whole history ends where the history ends."
    spx = np.log(market.close("SPX"))
    day = np.arange(len(spx))
    return spx - np.polyval(np.polyfit(day, spx, 1), day)


@leak
def imputed_by_all(market):
    "Missing returns get the median of all returns."
    change = market.close("XOM").pct_change().reindex(market.close("SPX").index)
    return change.fillna(change.median())


@leak
def principal_component_of_all(market):
    "The directions of the principal components come from the whole sample."
    from sklearn.decomposition import PCA

    change = pd.DataFrame({s: market.close(s).pct_change() for s in ("SPX", "VIX", "AAPL")}).dropna()
    return pd.Series(PCA(1).fit_transform(change.to_numpy())[:, 0], change.index)


@leak
def fraction_of_history(market):
    "The number of the row divided by how many there will be."
    spx = market.close("SPX")
    return pd.Series(np.arange(len(spx)) / len(spx), spx.index)


@leak
def volatility_matched(market):
    "Positions scaled so that the whole backtest comes out at 10 % volatility."
    change = market.close("SPX").pct_change()
    return 0.10 / (change.std() * 252**0.5) * np.sign(change.shift(1))


@leak
def season_of_all_years(market):
    "The mean of each month of the year, taken over all years, this one and the next included."
    change = market.close("VIX").pct_change()
    return change.groupby(change.index.month).transform("mean")
