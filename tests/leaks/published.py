"Published numbers before they were published, and bars of another clock."

import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.calendars.releases import release_of
from leaks import leak

NYSE = get_calendar("XNYS")


@leak
def yield_by_its_own_date(market):
    "The yield of a day is posted in the evening; it is joined to that afternoon's close."
    return market.macro("DGS10").reindex(market.close("SPX").index)


@leak
def payrolls_by_the_month_they_describe(market):
    "January's payrolls, stamped on the first of January, are used from that day on."
    return market.macro("PAYEMS").reindex(market.close("SPX").index, method="ffill")


@leak
def payrolls_as_last_revised(market):
    "The lag is right, the number is not: it is the last revision, not what was announced that day."
    payrolls, days = market.macro("PAYEMS"), market.close("SPX").index
    announced = payrolls.set_axis(release_of("PAYEMS").known_at(payrolls.index))
    return pd.Series(announced.reindex(NYSE.closes_of(days), method="ffill").to_numpy(), days)


@leak
def lagged_by_a_guess(market):
    "Twenty days are not enough: payrolls of a month are out five or six weeks after its first day."
    payrolls = market.macro("PAYEMS")
    return payrolls.set_axis(payrolls.index + pd.Timedelta(days=20)).reindex(market.close("SPX").index, method="ffill")


@leak
def coin_of_the_same_date(market):
    "The coin's day ends at midnight in London, hours after New York has closed."
    return market.close("BTC").pct_change().reindex(market.close("SPX").index)


@leak
def coin_over_the_weekend(market):
    "On Friday the mean of the week to Sunday is already in."
    weekly = market.close("BTC").resample("W").mean()
    return weekly.reindex(market.close("SPX").index, method="bfill")
