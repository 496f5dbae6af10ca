"Frames as people hand them in: one seed, one frame, changed in up to three ways; and what may become of it."

from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError
from forecastkit.data import read_frame
from forecastkit.data.frames import clean_series
from forecastkit.data.market import BAR_COLUMNS

NYSE = get_calendar("XNYS")
DAYS = NYSE.sessions_in_range("2016-01-04", "2018-12-31")
PRICES = list(BAR_COLUMNS[:4])


class Handed(NamedTuple):
    "A frame that was handed in, the bars it was made from, and how it was changed."

    frame: object
    bars: pd.DataFrame
    kinds: tuple[str, ...]


def clean_bars(rng: np.random.Generator) -> pd.DataFrame:
    "Bars in eighths, which every float can hold, with steps far from those of a split."
    n, start = int(rng.integers(2, 90)), int(rng.integers(0, 600))
    close = 100 + np.cumsum(rng.integers(-8, 9, n)) / 8
    spread = rng.integers(1, 16, n) / 8
    columns = {
        "open": close,
        "high": close + spread,
        "low": close - spread,
        "close": close,
        "volume": rng.integers(1, 9, n) * 1e6,
    }
    return pd.DataFrame(columns, DAYS[start : start + n].rename("session"))


def spoilt(rng, frame, column, value):
    frame = frame.astype(object) if isinstance(value, str) else frame.copy()
    frame.iloc[int(rng.integers(len(frame))), frame.columns.get_loc(column)] = value
    return frame


def crossed(rng, frame):
    frame = frame.copy()
    at = int(rng.integers(len(frame)))
    frame.iloc[at, frame.columns.get_loc("high")] = 1.0
    return frame


def extra_day(rng, frame, weekday):
    day = frame.index[0] + pd.Timedelta(days=int((weekday - frame.index[0].day_of_week) % 7))
    return pd.concat([frame, frame.iloc[[0]].set_axis([day])]) if day not in frame.index else frame


ROWS = {  # of numbers: order, gaps, duplicates, what cannot be
    "shuffled": lambda rng, f: f.sample(frac=1, random_state=int(rng.integers(99))),
    "newest first": lambda rng, f: f.iloc[::-1],
    "a row twice": lambda rng, f: pd.concat([f, f.iloc[[int(rng.integers(len(f)))]]]),
    "two rows that differ": lambda rng, f: pd.concat([f, f.iloc[[int(rng.integers(len(f)))]] + 1]),
    "a gap": lambda rng, f: (
        f.drop(f.index[1 + int(rng.integers(len(f) - 2))]) if len(f) > 2 and f.index.is_unique else f
    ),
    "a saturday": lambda rng, f: extra_day(rng, f, 5),
    "a blank close": lambda rng, f: spoilt(rng, f, "close", np.nan),
    "a blank high": lambda rng, f: spoilt(rng, f, "high", np.nan),
    "all closes blank": lambda rng, f: f.assign(close=np.nan),
    "no rows": lambda rng, f: f.iloc[:0],
    "infinity": lambda rng, f: spoilt(rng, f, "close", np.inf),
    "an infinite high": lambda rng, f: spoilt(rng, f, "high", -np.inf),
    "zero": lambda rng, f: spoilt(rng, f, "close", 0.0),
    "text": lambda rng, f: spoilt(rng, f, "close", "n/a"),
    "high below low": crossed,
    "open above high": lambda rng, f: spoilt(rng, f, "open", 150.0),
    "a negative volume": lambda rng, f: spoilt(rng, f, "volume", -1.0),
    "a day early": lambda rng, f: (
        f.set_axis(f.index - pd.Timedelta(days=1)) if len(f) >= 40 else f
    ),  # in fewer rows it may be true
    "a day late": lambda rng, f: f.set_axis(f.index + pd.Timedelta(days=1)) if len(f) >= 40 else f,
    "weeks": lambda rng, f: f.resample("W-MON", label="left", closed="left").last() if len(f) >= 40 else f,
    "the future": lambda rng, f: pd.concat([f, f.iloc[[0]].set_axis([pd.Timestamp("2218-01-03")])]),
    "before the calendar": lambda rng, f: pd.concat([f, f.iloc[[0]].set_axis([pd.Timestamp("1950-01-03")])]),
    "nothing": lambda rng, f: f,
}
COLUMNS = {
    "capitals": lambda rng, f: f.rename(columns=str.upper),
    "as yfinance": lambda rng, f: f.rename(columns=str.capitalize).assign(
        **{"Adj Close": 1.0, "Dividends": 0.0, "Stock Splits": 0.0}
    ),
    "pairs": lambda rng, f: f.set_axis(
        pd.MultiIndex.from_product([[c.capitalize() for c in f.columns], ["MINE"]]), axis=1
    ),
    "tickers first": lambda rng, f: f.set_axis(
        pd.MultiIndex.from_product([["MINE"], [c.capitalize() for c in f.columns]]), axis=1
    ),
    "closes alone": lambda rng, f: f[["close"]],
    "a series": lambda rng, f: f["close"],
    "price": lambda rng, f: f.rename(columns={"close": "Price"}),
    "no close": lambda rng, f: f.drop(columns="close"),
    "close twice": lambda rng, f: pd.concat([f, f[["close"]]], axis=1),
    "as they are": lambda rng, f: f,
}
DTYPES = {
    "float32": lambda f: f.astype("float32"),
    "Float64": lambda f: f.astype("Float64"),
    "object": lambda f: f.astype(object),
    "text": lambda f: f.astype(object).map(str),
    "decimal": lambda f: f.astype(object).map(lambda cell: Decimal(str(cell))),
    "as they are": lambda f: f,
}
INDICES = {
    "nanoseconds": lambda i: i.as_unit("ns"),
    "seconds": lambda i: i.as_unit("s"),
    "New York": lambda i: i.tz_localize("America/New_York"),
    "UTC of New York": lambda i: i.tz_localize("America/New_York").tz_convert("UTC"),
    "UTC": lambda i: i.tz_localize("UTC"),
    "at the close": lambda i: (i + pd.Timedelta(hours=16)).tz_localize("America/New_York").tz_convert("UTC"),
    "text": lambda i: pd.Index(i.strftime("%Y-%m-%d")),
    "compact text": lambda i: pd.Index(i.strftime("%Y%m%d")),
    "whole numbers": lambda i: pd.Index(i.strftime("%Y%m%d").astype(int)),
    "dates": lambda i: pd.Index(i.date),
    "periods": lambda i: i.to_period("D"),
    "counted": lambda i: pd.RangeIndex(len(i)),
    "as it is": lambda i: i,
}


def handed_in(seed: int) -> Handed:
    "One frame, the bars it was made from, and the names of its changes."
    rng = np.random.default_rng(seed)
    bars = clean_bars(rng)
    changes = [str(rng.choice([*ROWS])) for _ in range(int(rng.integers(1, 3)))]
    columns, dtype, index = (str(rng.choice([*table])) for table in (COLUMNS, DTYPES, INDICES))
    frame = bars
    for change in changes:
        frame = ROWS[change](rng, frame) if len(frame) else frame
    dates = INDICES[index](pd.DatetimeIndex(frame.index))
    if dtype != "as they are" and not {"text", *changes} & {*changes} & {"text"}:
        frame = DTYPES[dtype](frame)
    frame = COLUMNS[columns](rng, frame).set_axis(dates, axis=0)
    if (
        rng.random() < 0.2
        and isinstance(frame, pd.DataFrame)
        and columns in ("capitals", "as they are", "closes alone", "price")
    ):
        frame, columns = frame.rename_axis("Date").reset_index(), f"{columns}, dates in a column"
    return Handed(frame, bars, (*changes, columns, dtype, index))


def silent_changes(clean: pd.DataFrame, found: pd.DataFrame, told: set[pd.Timestamp], blanks: bool) -> list[str]:
    "The sessions whose row is not bit for bit that of the clean bars, and of which nothing was said."
    both = clean.index.union(found.index)
    one, other = clean.reindex(both), found.reindex(both)
    given = other["close"].notna() & one["close"].notna()
    same = (one["close"] == other["close"]) & given
    ranges = [
        name for name in BAR_COLUMNS if name not in ("close", "open" if blanks else "") and found[name].notna().any()
    ]
    for name in ranges:
        same &= (one[name] == other[name]) | (other[name].isna() & (one[name].isna() | blanks))
    return [f"{day:%Y-%m-%d}" for day in both[~same] if day not in told]


def verdict(handed: Handed) -> tuple[str, str]:
    "What became of a frame: refused, same, noticed or violation; and why."
    try:
        reading = read_frame(handed.frame, "MINE")
    except DataError as error:
        words = str(error)
        return ("violation", f"no sentence: {words!r}") if "\n" in words or len(words) > 600 else ("refused", words)
    except Exception as error:
        return "violation", f"raw {type(error).__name__}: {error}"
    clean, _ = clean_series("MINE", handed.bars, NYSE)
    told = {repair.session for repair in reading.repairs}
    if silent := silent_changes(clean, reading.frame, told, "a blank high" in handed.kinds):
        return "violation", f"changed without a word on {', '.join(silent[:4])}"
    unnamed = {repair.session for repair in reading.repairs if repair.what.startswith("the price steps")}
    return ("noticed" if told - unnamed else "same"), "; ".join(reading.words())
