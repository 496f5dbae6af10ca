"Models, states and choices that were made with the future on the table."

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from leaks import leak
from leaks.states import STATE_ARGUMENTS, forward_backward, viterbi

NYSE = get_calendar("XNYS")


def har(market) -> tuple[pd.DataFrame, pd.Series]:
    "Terms of a simple model of the VIX, and what it has to forecast."
    x = np.log(market.close("VIX"))
    terms = pd.DataFrame({"one": 1.0, "log": x, "dev": x - x.rolling(22).mean(), "change": x.diff(5)}).dropna()
    return terms, NYSE.outcomes(market.close("VIX"), 5).reindex(terms.index)


def fitted(terms: pd.DataFrame, y: pd.Series) -> np.ndarray:
    "Least squares on the rows whose outcome is there."
    known = y.notna().to_numpy()
    return np.linalg.lstsq(terms[known].to_numpy(), y[known].to_numpy(), rcond=None)[0]


@leak
def model_from_the_future(market):
    "One model, trained on everything, forecasts the years that it was trained on."
    terms, y = har(market)
    return (terms * fitted(terms, y)).sum(axis=1)


@leak
def shuffled_folds(market):
    "Out-of-fold predictions from shuffled folds: every model has seen the days around the tested one."
    from sklearn.linear_model import LinearRegression
    from sklearn.model_selection import KFold, cross_val_predict

    terms, y = har(market)
    terms, y = terms[y.notna()], y.dropna()
    return pd.Series(
        cross_val_predict(LinearRegression(), terms, y, cv=KFold(5, shuffle=True, random_state=0)), terms.index
    )


@leak
def folds_that_overlap(market):
    "Refitted every month on all rows before it, the last five of which have outcomes that are not known yet."
    terms, y = har(market)
    said = pd.Series(np.nan, terms.index)
    for _, block in terms.groupby(terms.index.to_period("M")):
        before = terms.index < block.index[0]
        if before.sum() > 60:
            said[block.index] = (block * fitted(terms[before], y[before])).sum(axis=1)
    return said


@leak
def feature_chosen_on_everything(market):
    "Which lag of the VIX to use was decided by its correlation with the target over the whole sample."
    x = np.log(market.close("VIX"))
    y = NYSE.outcomes(market.close("VIX"), 5)
    lags = pd.DataFrame({n: x.diff(n) for n in (1, 2, 3, 5, 8, 13, 21, 34, 55)})
    weights = lags.corrwith(y)
    return lags[weights.abs().nlargest(3).index].mul(np.sign(weights), axis=1).sum(axis=1, min_count=3)


@leak
def threshold_tuned_on_the_test(market):
    "Invested below a level of the VIX and short above it: the level is the one that would have paid best."
    vix, change = market.close("VIX"), market.close("SPX").pct_change()
    levels = np.arange(10, 40, 0.5)
    best = max(levels, key=lambda level: (change * np.sign(level - vix.shift(1))).sum())
    return (vix < best).astype(float) * best


@leak
def window_chosen_by_its_profit(market):
    "The length of a moving average, chosen by the profit of the whole backtest."
    spx = market.close("SPX")
    profit = {
        n: (spx.pct_change() * (spx > spx.rolling(n).mean()).shift(1, fill_value=False)).sum() for n in range(5, 60, 5)
    }
    return spx.rolling(max(profit, key=profit.get)).mean()


@leak
def smoothed_states(market):
    "The probability of a state given the whole sequence: what `predict_proba` of a hidden Markov model returns."
    change = market.close("SPX").pct_change().dropna()
    return pd.Series(forward_backward(change.to_numpy(), *STATE_ARGUMENTS)[1][:, 1], change.index)


@leak
def most_likely_path(market):
    "Viterbi's path is the likeliest as a whole; later days rewrite the states of earlier ones."
    change = market.close("SPX").pct_change().dropna()
    return pd.Series(viterbi(change.to_numpy(), *STATE_ARGUMENTS).astype(float), change.index)


@leak
def clusters_of_all_days(market):
    "k-means over all days: each day's cluster depends on all of them."
    from sklearn.cluster import KMeans

    x = pd.DataFrame({"vix": market.close("VIX"), "change": 100 * market.close("SPX").pct_change()}).dropna()
    found = KMeans(3, n_init=1, random_state=0).fit(x)
    return pd.Series(found.cluster_centers_[found.labels_, 0], x.index)


@leak
def nearest_days(market):
    "Analogues of today are sought in the whole history, and their outcomes averaged."
    from sklearn.neighbors import KNeighborsRegressor

    terms, y = har(market)
    known = y.notna()
    return pd.Series(KNeighborsRegressor(5).fit(terms[known], y[known]).predict(terms), terms.index)


@leak
def outliers_by_all(market):
    "An isolation forest that has seen the crash no longer finds the tremor before it strange."
    from sklearn.ensemble import IsolationForest

    change = market.close("SPX").pct_change().dropna().to_frame("change")
    return pd.Series(IsolationForest(n_estimators=10, random_state=0).fit(change).score_samples(change), change.index)
