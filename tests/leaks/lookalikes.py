"Innocents: they reach forward, average over everything, or refit, and yet say nothing that was not known."

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.calendars.cohorts import calendar_cohorts, calendar_features, cohort_weights
from leaks import innocent
from leaks.answers import widened
from leaks.models import fitted, har
from leaks.states import STATE_ARGUMENTS, forward_backward
from leaks.universe import returns

NYSE = get_calendar("XNYS")


@innocent
def expanding_score(market):
    "The z-score by the past up to each day."
    vix = market.close("VIX")
    return (vix - vix.expanding().mean()) / vix.expanding().std()


@innocent
def exponential_mean(market):
    "An exponentially weighted mean reaches back for ever and never ahead."
    return market.close("VIX").ewm(span=20).mean()


@innocent
def there_and_back(market):
    "`shift(-1).shift(1)` looks at tomorrow and returns."
    return market.close("SPX").pct_change().shift(-1).shift(1)


@innocent
def centred_then_delayed(market):
    "A centred window of five, delayed by two sessions, is an ordinary window."
    return market.close("VIX").rolling(5, center=True).mean().shift(2)


@innocent
def backwards_twice(market):
    "Reversed, cumulated, reversed, and the total taken off again: a sum of the past."
    change = market.close("SPX").pct_change().fillna(0)
    ahead = change[::-1].cumsum()[::-1]
    return change.sum() - ahead


@innocent
def filtered_states(market):
    "Probabilities of hidden states given the values so far."
    change = market.close("SPX").pct_change().dropna()
    return pd.Series(forward_backward(change.to_numpy(), *STATE_ARGUMENTS)[0][:, 1], change.index)


@innocent
def lagged_target(market):
    "The outcome of five sessions ago is over today."
    vix = market.close("VIX")
    return NYSE.outcomes(vix, 5).shift(5)


@innocent
def season_of_the_past(market):
    "The mean of each month of the year over the days that were."
    change = market.close("VIX").pct_change()
    return change.groupby(change.index.month).transform(lambda days: days.expanding().mean())


@innocent
def scheduled_calendar(market):
    "Days to the next meeting that is in the calendar by then; the calendar itself reaches a year ahead."
    vix = market.close("VIX")
    return calendar_features(vix.index, market.events, NYSE)


@innocent
def cohorts_and_weights(market):
    "Cohorts of a week that is not over, and weights from outcomes known so far."
    vix = market.close("VIX")
    change = np.log(vix).diff()
    cohort = calendar_cohorts(vix.index, market.events, NYSE)["cohort"]
    scale = change.ewm(alpha=0.06, min_periods=22).std() * 5**0.5
    return pd.DataFrame({"cohort": cohort, "weight": cohort_weights(NYSE.outcomes(vix, 5), scale, cohort, 5, NYSE)})


@innocent
def month_before(market):
    "The mean of the month that is over, from the first session of the next one on."
    vix = market.close("VIX")
    monthly = vix.resample("MS").mean().shift(1)
    return monthly.reindex(vix.index, method="ffill")


@innocent
def month_so_far(market):
    "The high of the month up to today: a transform by groups that only cumulates."
    spx = market.close("SPX")
    return spx / spx.groupby([spx.index.year, spx.index.month]).cummax()


@innocent
def published_when_published(market):
    "Yields and payrolls, each in the version that was out at the close."
    days = market.close("SPX").index
    return pd.DataFrame({name: market.at_sessions(name, days) for name in ("DGS10", "PAYEMS")})


@innocent
def coin_of_the_day_before(market):
    "The last midnight before New York's close ended the coin's day before."
    return market.at_sessions("BTC", market.close("SPX").index)


@innocent
def members_of_the_day(market):
    "The mean return of those who were members by what was known at each close."
    change, days = returns(market), market.close("SPX").index
    close, table = NYSE.closes_of(days), market.members
    for symbol in change:
        own = table[table["symbol"] == symbol]
        count = np.append(0, own["change"].cumsum())[
            pd.DatetimeIndex(own["known_at"]).searchsorted(close, side="right")
        ]
        change[symbol] = change[symbol].where(count > 0)
    return change.mean(axis=1)


@innocent
def whoever_trades(market):
    "A panel with a row for each share and day; shares come and go."
    return returns(market).stack().rename("change")  # noqa: PD013


@innocent
def refitted_and_purged(market):
    "Refitted on a fixed grid of sessions from rows whose outcomes were known there."
    terms, y = har(market)
    said, grid = pd.Series(np.nan, terms.index), NYSE.refit_sessions(terms.index, 63)
    for start, end in zip(grid, [*grid[1:], None]):
        learnt = NYSE.known_outcomes(y, start, 5)
        rows = (terms.index >= start) & ((terms.index < end) if end is not None else True)
        if len(learnt) > 60:
            said[rows] = (terms[rows] * fitted(terms.loc[learnt.index], learnt)).sum(axis=1)
    return said


@innocent
def calibrated_after_the_horizon(market):
    "The width is corrected by outcomes that are over."
    y = NYSE.outcomes(market.close("VIX"), 5)
    return y.shift(5).abs().expanding().quantile(0.8)


@innocent
def calibrator_rightly_fed(market):
    "The built-in calibrator, told of each outcome when it is known."
    return widened(market, 5)


@innocent
def threshold_of_the_past(market):
    "The level that has paid best until yesterday, chosen anew every day."
    vix, change = market.close("VIX"), market.close("SPX").pct_change()
    paid = pd.DataFrame(
        {level: (change * (vix.shift(1) < level)).fillna(0).cumsum() for level in np.arange(10, 40, 2.0)}
    )
    return paid.idxmax(axis=1)


@innocent
def components_of_the_first_year(market):
    "Principal components of a training window that is over before the first row that uses them."
    from sklearn.decomposition import PCA

    change = pd.DataFrame({s: market.close(s).pct_change() for s in ("SPX", "VIX", "AAPL")}).dropna()
    if len(change) < 252:
        return pd.Series(np.nan, change.index)
    return pd.Series(PCA(1).fit(change[:252].to_numpy()).transform(change[252:].to_numpy())[:, 0], change.index[252:])


@innocent
def last_year_only(market):
    "Rows older than a year are not returned, so the first row moves with the last."
    return market.close("VIX").rolling(22).mean().iloc[-252:]


@innocent
def fixed_scale(market):
    "Min-max scaling between bounds that were written down beforehand."
    return (market.close("VIX") - 9) / (90 - 9)


@innocent(decide="open")
def yesterday_at_the_open(market):
    "The rule reads yesterday's close and buys at today's open."
    spx = market.close("SPX")
    return (spx > spx.rolling(20).mean()).astype(float).shift(1)


@innocent(decide="open")
def gap_at_the_open(market):
    "At the open the gap is known."
    spx = market.bars("SPX")
    return spx["open"] / spx["close"].shift(1) - 1


@innocent(decide="open")
def released_before_the_open(market):
    "The newest yield that was out when trading began."
    days = market.close("SPX").index
    known = pd.DatetimeIndex(market.known_at("DGS10").sort_index())
    place = known.searchsorted(NYSE.opens_of(days), side="right")
    return pd.Series(np.append(np.nan, market.macro("DGS10"))[place], days)
