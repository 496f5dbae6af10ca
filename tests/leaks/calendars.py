"Calendars that were printed after the year was over."

import numpy as np
import pandas as pd

from leaks import leak


@leak
def surprise_meetings_foreseen(market):
    "Days to the next meeting, counted on a list that holds the unscheduled ones as well."
    days = market.close("VIX").index
    meetings = np.sort(market.events["date"].to_numpy())
    place = np.searchsorted(meetings, days.to_numpy())
    ahead = np.append(meetings, np.datetime64("NaT"))[place]
    return pd.Series((ahead - days.to_numpy()) / np.timedelta64(1, "D"), days)


@leak
def week_before_a_surprise(market):
    "A flag for the days before an unscheduled meeting is a flag for a crisis."
    days, events = market.close("VIX").index, market.events
    surprises = events.loc[~events["scheduled"], "date"]
    ahead = (surprises.to_numpy() - days.to_numpy()[:, None]) / np.timedelta64(1, "D")
    return pd.Series(((ahead > 0) & (ahead <= 7)).any(axis=1).astype(float), days)


@leak
def sessions_to_the_end(market):
    "How many sessions are left until the data end."
    spx = market.close("SPX")
    return pd.Series(np.arange(len(spx))[::-1].astype(float), spx.index)


@leak
def last_day_of_the_month_by_the_data(market):
    "A day is the last of its month because no later row of that month is there."
    spx = market.close("SPX")
    return spx.groupby(spx.index.to_period("M")).cumcount(ascending=False).eq(0).astype(float)
