"Windows that reach ahead."

import numpy as np
import pandas as pd

from leaks import leak


@leak
def shifted_back(market):
    "`shift(-1)` is tomorrow's change; someone meant `shift(1)`."
    return market.close("SPX").pct_change().shift(-1)


@leak
def centred_mean(market):
    "`center=True` takes half of its window from the future."
    return market.close("VIX").rolling(5, center=True).mean()


@leak
def forward_window(market):
    "A rolling window over the reversed series looks forward once it is turned round again."
    return market.close("SPX").pct_change()[::-1].rolling(10).std()[::-1]


@leak
def backward_ewm(market):
    "Smoothing forwards and backwards, to take out the lag, takes in the future."
    vix = market.close("VIX")
    return (vix.ewm(span=10).mean() + vix[::-1].ewm(span=10).mean()[::-1]) / 2


@leak
def zero_phase_filter(market):
    "`filtfilt` has no delay because it runs over the series from both ends."
    from scipy.signal import butter, filtfilt

    vix = market.close("VIX")
    return pd.Series(filtfilt(*butter(2, 0.1), vix), vix.index)


@leak
def hodrick_prescott(market):
    "The Hodrick-Prescott trend of a day is a compromise with the days after it."
    from scipy.linalg import solveh_banded

    spx = np.log(market.close("SPX"))
    band = np.tile(1600.0 * np.array([[1], [-4], [6]]), len(spx)) + np.array([[0], [0], [1]])
    band[2, [0, 1, -2, -1]] = 1 + 1600.0 * np.array([1, 5, 5, 1])
    band[1, [1, -1]] = -3200
    return pd.Series(solveh_banded(band, spx), spx.index)


@leak
def fourier_denoised(market):
    "Dropping the high frequencies of a Fourier transform spreads every day over the whole sample."
    vix = market.close("VIX")
    spectrum = np.fft.rfft(vix)
    spectrum[20:] = 0
    return pd.Series(np.fft.irfft(spectrum, len(vix)), vix.index)


@leak
def turning_points(market):
    "A peak is a peak only because the next day is lower."
    spx = market.close("SPX")
    return ((spx > spx.shift(1)) & (spx > spx.shift(-1))).astype(float)


@leak
def gaps_filled_from_behind(market):
    "`bfill` closes a hole with the first value after it; it shows only in the holes."
    return market.close("XOM").reindex(market.close("SPX").index).bfill()


@leak
def gaps_interpolated(market):
    "A straight line over a hole knows where it will end."
    return market.close("XOM").reindex(market.close("SPX").index).interpolate()


@leak
def nearest_match(market):
    "`merge_asof(direction='nearest')` takes the coming month where it is nearer than the past one."
    left = pd.DataFrame({"at": market.close("SPX").index})
    monthly = market.close("VIX").resample("MS").first()
    right = pd.DataFrame({"at": monthly.index, "vix": monthly.to_numpy()})
    return pd.merge_asof(left, right, on="at", direction="nearest").set_index("at")["vix"]


@leak
def label_of_the_month_on_its_left(market):
    "The mean of a month, labelled with its first day, is known from the first day on."
    vix = market.close("VIX")
    return vix.resample("MS").mean().reindex(vix.index, method="ffill")


@leak
def label_of_the_week_on_its_left(market):
    "A weekly bar labelled with its Monday and carried forward gives Friday's close on Monday."
    spx = market.close("SPX")
    return spx.resample("W-MON", label="left", closed="left").last().reindex(spx.index, method="ffill")


@leak
def month_as_a_group(market):
    "`groupby(month).transform('max')` tells the month's high on its first day."
    spx = market.close("SPX")
    return spx / spx.groupby([spx.index.year, spx.index.month]).transform("max")
