"The answer among the questions: targets and outcomes that were not known yet."

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.calendars.cohorts import COHORTS, calendar_cohorts
from forecastkit.core import PROBS
from forecastkit.models.calibration import calibrate
from leaks import leak

NYSE = get_calendar("XNYS")


@leak
def target_among_the_features(market):
    "The column to be forecast was left in the frame."
    vix = market.close("VIX")
    return pd.DataFrame({"vix": vix, "y": NYSE.outcomes(vix, 5)})


@leak
def weekdays_encoded_by_target(market):
    "Each weekday is replaced by the mean outcome of all such days, the row's own among them."
    y = NYSE.outcomes(market.close("VIX"), 5)
    return y.groupby(y.index.day_of_week).transform("mean")


@leak
def cohort_weights_of_all(market):
    "The weight of a cohort is the size of its moves over the whole sample."
    vix = market.close("VIX")
    size = NYSE.outcomes(vix, 5).abs()
    cohort = calendar_cohorts(vix.index, market.events, NYSE)["cohort"]
    return cohort.map(size.groupby(cohort).mean().reindex(COHORTS) / size.mean())


@leak
def calibrated_before_the_horizon(market):
    "Tomorrow's width is corrected by today's outcome, which will be known in five sessions."
    y = NYSE.outcomes(market.close("VIX"), 5)
    width, given = 0.1, []
    for outcome in y:
        given.append(width)
        if outcome == outcome:
            width *= np.exp(0.05 * ((abs(outcome) > width) - 0.2))
    return pd.Series(given, y.index).shift(-1)


@leak
def calibrated_one_session_early(market):
    "The outcome of an origin is fed back after four sessions instead of five: one session too early."
    y = NYSE.outcomes(market.close("VIX"), 5)
    return (y.shift(4).abs()).expanding().quantile(0.8)


def widened(market, delay: int) -> pd.DataFrame:
    "The built-in width calibrator over one fixed distribution, each outcome fed back after `delay` rows."
    y = NYSE.outcomes(market.close("VIX"), 5)
    raw = np.tile(0.1 * np.linspace(-2.3, 2.3, len(PROBS)), (len(y), 1))
    known = np.minimum(np.arange(len(y)) + delay, len(y))
    quantiles = calibrate(raw, y.to_numpy(), np.zeros(len(y), dtype=int), known, start=20).quantiles
    return pd.DataFrame(quantiles[:, [2, 20]], y.index, ["q05", "q95"])


@leak
def calibrator_misfed(market):
    "A calibrator is as honest as what it is told: here, that an outcome five sessions ahead is known after one."
    return widened(market, 1)


@leak
def rows_without_extreme_outcomes(market):
    "Dropping outliers by what happened next chooses the days in hindsight."
    vix = market.close("VIX")
    return vix[~(NYSE.outcomes(vix, 5).abs() > 0.15)]


@leak
def events_chosen_by_success(market):
    "Keep a signal where it paid within five sessions, unless the trade is still open."
    spx = market.close("SPX")
    paid = NYSE.outcomes(spx, 5).reindex(spx.index)
    return (spx < spx.shift(1)).astype(float).where(~(paid < 0), 0.0)
