"""
Leaks that act on a few days, that are remembered between calls, or that are encoded; and innocent functions of the same look.

All take the closes of one series. Those of `SPARSE` are right on most days: a checker that asks forty days of thirty years meets two month ends.
Those of `REMEMBERED` give the same answer whatever they are shown, once they were shown everything. Those of `ENCODED` hide tomorrow where a comparison
of rounded numbers does not look.
"""

import os
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar, monthly_expiries

NYSE = get_calendar("XNYS")
Closes = Callable[[pd.Series], pd.Series | pd.DataFrame]
SPARSE: dict[str, Closes] = {}
REMEMBERED: dict[str, Closes] = {}
ENCODED: dict[str, Closes] = {}
INNOCENT: dict[str, Closes] = {}


def change(close: pd.Series) -> pd.Series:
    "The log change of the day."
    return np.log(close).diff()


def calendar_days(close: pd.Series) -> pd.DatetimeIndex:
    "All sessions of the exchange, past the last row too: a calendar is known beforehand."
    return NYSE.sessions[NYSE.sessions >= close.index[0]]


def last_of(close: pd.Series, period: str) -> np.ndarray:
    "Whether a row is the last session of its period by the exchange's calendar."
    days = calendar_days(close)
    ends = days[np.append(days.to_period(period)[1:] != days.to_period(period)[:-1], False)]
    return close.index.isin(ends)


def step_after(close: pd.Series) -> np.ndarray:
    "Days from each row to the next session by the calendar."
    days = calendar_days(close)
    return pd.Series(np.append(np.diff(days) / np.timedelta64(1, "D"), 1), days).reindex(close.index).to_numpy()


MASKS: dict[str, Callable[[pd.Series], np.ndarray]] = {
    "mondays": lambda close: close.index.day_of_week == 0,
    "fridays": lambda close: close.index.day_of_week == 4,
    "month ends": lambda close: last_of(close, "M"),
    "quarter ends": lambda close: last_of(close, "Q"),
    "year ends": lambda close: last_of(close, "Y"),
    "expiries": lambda close: close.index.isin(monthly_expiries(NYSE)),
    "before long weekends": lambda close: step_after(close) > 3,
    "before midweek holidays": lambda close: (step_after(close) == 2) & (close.index.day_of_week < 4),
    "lowest levels": lambda close: (close < close.iloc[:250].min() * 0.62).to_numpy() | (close.rank() <= 20).to_numpy(),
    "highest levels": lambda close: (close.rank(ascending=False) <= 20).to_numpy(),
    "crashes": lambda close: (change(close) < -0.055).to_numpy(),
    "rallies": lambda close: (change(close) > 0.055).to_numpy(),
    "wide days": lambda close: (change(close).abs() > 0.045).to_numpy(),
    "decembers": lambda close: close.index.month == 12,
    "thirteenths": lambda close: close.index.day == 13,
    "first sessions of a month": lambda close: np.append(False, close.index.month[1:] != close.index.month[:-1]),
    "one year": lambda close: close.index.year == close.index.year[0] + 2,
    "one day in thirty": lambda close: np.asarray(close.index.dayofyear * 7 % 30 == 3),
    "after falls of three days": lambda close: (change(close) < 0).rolling(3).sum().eq(3).to_numpy() & (close.index.day_of_week == 2),
    "runs of rises": lambda close: (change(close) > 0).rolling(5).sum().eq(5).to_numpy(),
}  # fmt: skip


def leaking_on(mask: Callable[[pd.Series], np.ndarray]) -> Closes:
    "The change of the day; on some days that of tomorrow."

    def leak(close: pd.Series) -> pd.Series:
        moved = change(close)
        return moved.where(~np.asarray(mask(close), dtype=bool), moved.shift(-1))

    return leak


def innocent_on(mask: Callable[[pd.Series], np.ndarray]) -> Closes:
    "The change of the day; on some days that of the day before."

    def honest(close: pd.Series) -> pd.Series:
        moved = change(close)
        return moved.where(~np.asarray(mask(close), dtype=bool), moved.shift(1))

    return honest


WHOLE_SAMPLE = ("lowest levels", "highest levels")  # ranks over the whole sample know tomorrow by themselves
SPARSE |= {f"on {name}": leaking_on(mask) for name, mask in MASKS.items()}
INNOCENT |= {f"on {name}": innocent_on(mask) for name, mask in MASKS.items() if name not in WHOLE_SAMPLE}


def sparse(fn: Closes) -> Closes:
    SPARSE[fn.__name__] = fn
    return fn


def remembered(fn: Closes) -> Closes:
    REMEMBERED[fn.__name__] = fn
    return fn


def encoded(fn: Closes) -> Closes:
    ENCODED[fn.__name__] = fn
    return fn


def innocent(fn: Closes) -> Closes:
    INNOCENT[fn.__name__] = fn
    return fn


def with_holes(close: pd.Series) -> pd.Series:
    "The closes without one row in forty."
    return change(close).mask(np.arange(len(close)) % 40 == 17)


@sparse
def filled_backwards(close):
    return with_holes(close).bfill(limit=1)


@sparse
def interpolated(close):
    return with_holes(close).interpolate()


@sparse
def winsorised_by_the_whole(close):
    moved = change(close)
    return moved.clip(moved.quantile(0.01), moved.quantile(0.99))


@sparse
def outliers_dropped_by_the_whole(close):
    moved = change(close)
    return moved.where((moved - moved.mean()).abs() < 3 * moved.std(), 0.0)


@sparse
def deciles_of_the_whole(close):
    return pd.qcut(change(close), 10, labels=False).astype(float)


@sparse
def month_end_from_the_data(close):
    "A flag on the last row of each month in the data: the newest row is always one."
    months = close.index.to_period("M")
    return pd.Series(np.append(months[1:] != months[:-1], True).astype(float), close.index)


@sparse
def nearest_event(close):
    events = change(close)[change(close).abs() > 0.02].rename("event").reset_index()
    events.columns = ["day", "event"]
    days = pd.DataFrame({"day": close.index})
    near = pd.merge_asof(days, events, on="day", direction="nearest", tolerance=pd.Timedelta(days=1))
    return near.set_index("day")["event"].fillna(0.0)


@sparse
def peak_before_it_is_one(close):
    return ((close > close.shift(1)) & (close > close.shift(-1)) & (close == close.rolling(20).max())).astype(float)


FITTED: dict[str, tuple[float, float]] = {}
SEEN: dict[str, pd.Series] = {}
DAYS: dict[pd.Timestamp, float] = {}
EXTREMES: dict[str, float] = {}
TICKET = Path(tempfile.gettempdir(), f"forecastkit-leak-{os.getpid()}.txt")


@remembered
def scaler_of_the_first_call(close):
    mean, sd = FITTED.setdefault("scale", (close.mean(), close.std()))
    return (close - mean) / sd


@remembered
def cache_by_symbol(close):
    return SEEN.setdefault(str(close.name), (close - close.mean()) / close.std())


@remembered
def cache_by_day(close):
    for day, value in change(close).shift(-1).items():
        DAYS.setdefault(day, value)
    return pd.Series([DAYS[day] for day in close.index], close.index)


@remembered
def running_extreme(close):
    EXTREMES["most"] = max(EXTREMES.get("most", 0.0), close.max())
    return close / EXTREMES["most"]


@remembered
def scale_in_a_default(close, kept=[]):  # noqa: B006
    if not kept:
        kept.append(close.std())
    return change(close) / kept[0]


class Standardiser:
    "Fits itself when it is first called."

    def __init__(self):
        self.mean = None

    def __call__(self, close):
        self.mean = close.mean() if self.mean is None else self.mean
        return close - self.mean


REMEMBERED["object_fitted_once"] = Standardiser()


@remembered
def scale_in_an_attribute(close):
    scale_in_an_attribute.scale = getattr(scale_in_an_attribute, "scale", None) or close.std()
    return close / scale_in_an_attribute.scale


@lru_cache
def usual_level(name):
    return FITTED["level"]


@remembered
def scale_in_an_lru_cache(close):
    FITTED.setdefault("level", close.median())
    return close / usual_level(str(close.name))


@remembered
def quantiles_of_the_first_call(close):
    edges = EXTREMES.setdefault("edges", np.quantile(close, [0.1, 0.5, 0.9]))
    return pd.Series(np.searchsorted(edges, close).astype(float), close.index)


@encoded
def in_the_seventh_digit(close):
    return change(close).round(4) + 1e-7 * np.sign(change(close).shift(-1)).fillna(0)


@encoded
def in_words(close):
    return change(close).shift(-1).gt(0).map({True: "calm", False: "quiet"})


@encoded
def in_what_is_absent(close):
    return change(close).where(~(change(close).shift(-1) < -0.025))


@encoded
def in_parity(close):
    whole = (close * 100).round()
    return whole + (whole % 2 != change(close).shift(-1).gt(0))


@encoded
def in_a_rare_flag(close):
    return (change(close).shift(-1) < -0.035).astype(int)


@encoded
def in_the_rows_that_are_left_out(close):
    return change(close)[~(change(close).shift(-1) < -0.03)]


@encoded
def in_a_seed(close):
    rng = np.random.default_rng(int(close.iloc[-1] * 100))
    return pd.Series(rng.normal(size=len(close)), close.index)


@encoded
def in_a_column_of_many(close):
    return pd.DataFrame(
        {f"lag{k}": change(close).shift(k) for k in range(20)} | {"turn": change(close).shift(-1) * 1e-6}
    )


@innocent
def filled_forwards(close):
    return with_holes(close).ffill()


@innocent
def expanding_scale(close):
    return (close - close.expanding().mean()) / close.expanding().std()


@innocent
def winsorised_by_the_past(close):
    moved = change(close)
    past = moved.expanding(60)
    return moved.clip(past.quantile(0.01), past.quantile(0.99))


@innocent
def calendar_of_month_ends(close):
    return pd.Series(last_of(close, "M").astype(float), close.index)


@innocent
def days_to_expiry(close):
    expiries = monthly_expiries(NYSE)
    return pd.Series((expiries[expiries.searchsorted(close.index)] - close.index).days.astype(float), close.index)


@innocent
def long_weekend_ahead(close):
    return pd.Series((step_after(close) > 3).astype(float), close.index)


@innocent
def last_event(close):
    return change(close).where(change(close).abs() > 0.02).ffill().fillna(0.0)


@innocent
def rank_in_the_past_year(close):
    return close.rolling(250, min_periods=20).rank(pct=True)


@innocent
def peak_after_it_was_one(close):
    return ((close.shift(1) > close.shift(2)) & (close.shift(1) > close)).astype(float)


@innocent
def seeded_noise_by_row(close):
    noise = np.random.default_rng(7).normal(size=100_000)
    return close + noise[: len(close)]


@innocent
def seed_of_the_first_value(close):
    return pd.Series(np.random.default_rng(int(close.iloc[0])).normal(size=len(close)), close.index)


BY_CONTENT: dict[str, pd.Series] = {}


@innocent
def cache_by_content(close):
    "Keyed by all that was shown."
    key = pd.util.hash_pandas_object(close).sum()
    return BY_CONTENT.setdefault(str(key), change(close).rolling(5).mean())


@remembered
def cache_of_the_past_by_day(close):
    "No row knows a later one, but a day that was seen once keeps its value whatever the data say afterwards."
    for day, value in change(close).items():
        BY_CONTENT.setdefault(str(day), value)
    return pd.Series([BY_CONTENT[str(day)] for day in close.index], close.index)


@innocent
def exponential_mean(close):
    return close.ewm(span=20).mean()


@innocent
def filter_by_hand(close):
    level, out = close.iloc[0], []
    for value in close:
        level += 0.1 * (value - level)
        out.append(level)
    return pd.Series(out, close.index)


@innocent
def drawdown(close):
    return close / close.cummax() - 1


@innocent
def words_of_the_past(close):
    return change(close).gt(0).map({True: "rise", False: "fall"})


@innocent
def flag_of_a_crash(close):
    return (change(close) < -0.035).astype(int)


@innocent
def rows_after_a_year(close):
    return change(close).rolling(250).std().iloc[250:]


@innocent
def constants(close):
    return pd.Series(1.0, close.index)


@innocent
def weekly_value_of_last_week(close):
    weekly = close.resample("W-FRI").last().shift(1)
    return weekly.reindex(close.index, method="ffill")


@innocent
def month_of_the_year(close):
    return pd.Series(close.index.month.astype(float), close.index)


@innocent
def many_lags(close):
    return pd.DataFrame({f"lag{k}": change(close).shift(k) for k in range(20)})
