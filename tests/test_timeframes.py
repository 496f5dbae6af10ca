"Timeframes: bars made longer lose nothing, mix nothing, and know nothing before it is over."

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, DataWarning
from forecastkit.data.market import MarketData
from forecastkit.data.timeframes import (
    BAR_WIDTHS,
    TIMEFRAMES,
    after_hours_share,
    as_intraday,
    bar_known_at,
    in_hours,
    load_bars,
    read_bars,
    resample,
)

NYSE = get_calendar("XNYS")

ZONE = "America/New_York"
WEEKS = {  # first and last day: what is special
    "spring": ("2018-03-08", "2018-03-13"),  # clocks go forward on the 11th
    "autumn": ("2018-11-01", "2018-11-07"),  # and back on the 4th
    "half days": ("2018-07-02", "2018-07-06"),  # closed early on the 3rd, and on the 4th
    "called off": ("2001-09-06", "2001-09-19"),
    "new year": ("2018-12-21", "2019-01-04"),
}


def minutes(week: str, seed: int, kept: float = 1.0, around: bool = True) -> pd.DataFrame:
    "Seeded minutes of a week, perhaps thin, perhaps with the hours around trading."
    rng, days = np.random.default_rng(seed), NYSE.sessions_in_range(*WEEKS[week])
    extra = pd.Timedelta(minutes=45 if around else 0)
    spans = [
        pd.date_range(o + pd.Timedelta(minutes=1) - extra, c + extra, freq="1min")
        for o, c in zip(NYSE.opens_of(days), NYSE.closes_of(days))
    ]
    time = pd.DatetimeIndex(np.concatenate(spans), tz="UTC").as_unit("us").tz_convert(ZONE)
    path = np.round(100 * np.exp(np.append(0, rng.normal(0, 5e-4, len(time)).cumsum())), 2)
    low, high = np.minimum(path[:-1], path[1:]), np.maximum(path[:-1], path[1:])
    bars = pd.DataFrame(
        {"open": path[:-1], "high": high + 0.01, "low": low - 0.01, "close": path[1:]}, time.rename("time")
    ).assign(volume=rng.integers(0, 999, len(time)).astype(float))
    return bars[rng.random(len(bars)) < kept]


some_bars = st.builds(
    minutes, st.sampled_from(sorted(WEEKS)), st.integers(0, 99), st.sampled_from([1.0, 0.5, 0.02]), st.booleans()
)
FAR = pd.Timestamp("2030-01-01", tz="UTC")


@settings(max_examples=25, deadline=None)
@given(bars=some_bars, to=st.sampled_from(TIMEFRAMES))
def test_nothing_is_lost_and_nothing_is_added(bars, to):
    regular, found = bars[in_hours(bars.index, NYSE)], resample(bars, to, NYSE, FAR)
    assert found["volume"].sum() == regular["volume"].sum()
    assert found["high"].max() == regular["high"].max() and found["low"].min() == regular["low"].min()
    assert (found["open"].iloc[0], found["close"].iloc[-1]) == (regular["open"].iloc[0], regular["close"].iloc[-1])
    assert found.index.is_monotonic_increasing and found.index.is_unique


@settings(max_examples=25, deadline=None)
@given(
    bars=some_bars,
    steps=st.sampled_from([("m15", "h1"), ("h1", "h4"), ("h1", "d1"), ("m15", "d1"), ("h4", "d1"), ("d1", "w1")]),
)
def test_two_steps_are_one(bars, steps):
    short, long = steps
    pd.testing.assert_frame_equal(
        resample(resample(bars, short, NYSE, FAR), long, NYSE, FAR),
        resample(bars, long, NYSE, FAR),
    )


@settings(max_examples=40, deadline=None)
@given(bars=some_bars, to=st.sampled_from(TIMEFRAMES), share=st.floats(0, 1))
def test_what_was_known_stays_and_nothing_is_known_early(bars, to, share):
    cut = bars.index[int(share * (len(bars) - 1))]
    then, later = resample(bars[:cut], to, NYSE), resample(bars, to, NYSE, FAR)
    pd.testing.assert_frame_equal(then, later[: len(then)], check_freq=False)
    known = bar_known_at(later.index, to, NYSE)
    assert (known[: len(then)] <= cut).all()
    assert (known[len(then) :] > cut).all()


@settings(max_examples=25, deadline=None)
@given(bars=some_bars, to=st.sampled_from(sorted(BAR_WIDTHS)))
def test_no_bar_mixes_two_sessions(bars, to):
    found = resample(bars, to, NYSE, FAR)
    days = pd.DatetimeIndex(found.index.date).as_unit("us")
    begin, end = NYSE.opens_of(days), NYSE.closes_of(days)
    assert ((found.index > begin) & (found.index <= end)).all()
    steps = (found.index - begin) % BAR_WIDTHS[to]
    assert ((steps == pd.Timedelta(0)) | (found.index == end)).all()


@settings(max_examples=20, deadline=None)
@given(bars=some_bars, share=st.floats(0, 1))
def test_after_hours_are_known_at_the_close(bars, share):
    cut = bars.index[int(share * (len(bars) - 1))]
    then, later = after_hours_share(bars[:cut], NYSE), after_hours_share(bars, NYSE, FAR)
    pd.testing.assert_series_equal(then, later[: len(then)], check_freq=False)
    assert (NYSE.closes_of(later.index[len(then) :]) > cut).all()
    assert later.dropna().between(0, 1).all()


@pytest.mark.parametrize(
    ("day", "to", "ends"),
    [
        ("2018-07-02", "h1", "10:30 11:30 12:30 13:30 14:30 15:30 16:00"),
        ("2018-07-03", "h1", "10:30 11:30 12:30 13:00"),
        ("2018-07-02", "h4", "13:30 16:00"),
        ("2018-07-03", "h4", "13:00"),
    ],
)
def test_labels_are_ends_in_exchange_time(day, to, ends):
    bars = resample(minutes("half days", 1), to, NYSE)
    assert " ".join(bars.loc[day].index.strftime("%H:%M")) == ends


def test_the_same_clock_on_both_sides_of_a_change_of_clocks():
    bars = resample(minutes("spring", 1), "h1", NYSE)
    assert bars.loc["2018-03-09"].index.strftime("%H:%M").equals(bars.loc["2018-03-12"].index.strftime("%H:%M"))
    assert {stamp.utcoffset().total_seconds() / 3600 for stamp in bars.index} == {-5, -4}


def test_a_week_that_was_broken_off_was_not_known_to_be_over():
    bars = minutes("called off", 1)
    weeks = resample(bars, "w1", NYSE)
    assert weeks.index.strftime("%m-%d").tolist() == ["09-07", "09-10"]
    assert bar_known_at(weeks.index, "w1", NYSE)[1] == pd.Timestamp("2001-09-15", tz=ZONE)
    assert len(resample(bars[:"2001-09-10"], "w1", NYSE)) == 1


def test_a_market_takes_the_daily_bars_and_knows_them_at_the_close():
    bars = minutes("half days", 3)
    market = MarketData({"MINE": resample(bars, "d1", NYSE)})
    assert len(market.as_of("2018-07-03").bars("MINE")) == 2
    assert market.as_of(pd.Timestamp("2018-07-03 12:59", tz=ZONE)).close("MINE").index[-1] == pd.Timestamp("2018-07-02")
    noon = resample(bars[: pd.Timestamp("2018-07-06 12:00", tz=ZONE)], "d1", NYSE)
    assert noon.index[-1] == pd.Timestamp("2018-07-05")


def written(frame: pd.DataFrame, style: str) -> str:
    "The minutes as one vendor or another writes them."
    times = frame.index
    if "start" in style:
        times = times - pd.Timedelta(minutes=1)
    text = {
        "naive": times.tz_localize(None).strftime("%Y-%m-%d %H:%M:%S"),
        "utc": times.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
        "zoned": pd.Index([stamp.isoformat() for stamp in times]),
        "unix": pd.Index((times.tz_convert("UTC").as_unit("s").astype("int64")).astype(str)),
    }[style.split()[0]]
    table = frame.set_axis(text.rename("time"))
    return (table[::-1] if "backwards" in style else table).to_csv()


@pytest.mark.parametrize(
    "style", ["naive", "naive backwards", "naive start", "utc", "utc start", "zoned", "unix backwards"]
)
@pytest.mark.parametrize("week", ["spring", "autumn", "half days"])
def test_every_way_to_write_times_says_the_same(style, week, tmp_path):
    bars = minutes(week, 5, around=False)
    (tmp_path / "X_1min.csv").write_text(written(bars, style))
    found = read_bars(tmp_path / "X_1min.csv", NYSE, stamped="start" if "start" in style else "end")
    pd.testing.assert_frame_equal(found, bars, check_freq=False)
    with pytest.raises(DataError, match=r"X_1min\.csv: the bars are stamped at their (start|end)"):
        read_bars(tmp_path / "X_1min.csv", NYSE, stamped="end" if "start" in style else "start")


def test_clock_times_of_another_zone(tmp_path):
    bars = minutes("spring", 5, around=False)
    local = bars.set_axis(bars.index.tz_convert("Europe/Berlin").tz_localize(None).rename("time"))
    (tmp_path / "X_1min.csv.gz").write_bytes(gzip.compress(local.to_csv().encode()))
    found = load_bars(tmp_path, "X", NYSE, zone="Europe/Berlin")
    pd.testing.assert_frame_equal(found, bars, check_freq=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,close\n2018-03-11 02:30,1\n", "does not exist in America/New_York"),
        ("time,close\n2018-07-02 09:31,1\n2018-07-02 09:31,2\n", "two bars that differ"),
        ("time,close\n2018-07-02 09:31,closed\n", "a cell is no number"),
        ("time,close\n2018-07-02 09:31,-1\n", "a price of 0 or less"),
        ("time,open,high,low,close\n2018-07-02 09:31,1,1,2,1\n", "outside low..high"),
        ("time,cost\n2018-07-02 09:31,1\n", "its column is called cost"),
        ("time,close\n2018-07-02,09:31,1\n", "cannot be read"),
        ("time,close\n2118-07-02 09:31,1\n", "after the calendar"),
        ("", "cannot be read"),
    ],
)
def test_broken_files_are_refused_by_name(text, words, tmp_path):
    (tmp_path / "X_1min.csv").write_text(text)
    with pytest.raises(DataError, match=r"^X_1min\.csv: ") as error:
        read_bars(tmp_path / "X_1min.csv", NYSE)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_bars_without_a_close_are_named():
    bars = minutes("spring", 5, around=False)
    bars.iloc[3, bars.columns.get_loc("close")] = np.nan
    with pytest.warns(DataWarning, match="1 bars without a close are left out"):
        assert len(as_intraday(bars, NYSE)) == len(bars) - 1


def test_hours_that_a_clock_cut_are_refused():
    hour = pd.date_range("2018-07-02 09:00", "2018-07-02 16:00", freq="1h", tz=ZONE)
    frame = pd.DataFrame({"close": 1.0}, hour)
    with pytest.raises(DataError, match="h1 bar to 2018-07-02 10:00 lies across the open"):
        as_intraday(frame, NYSE, "h1")


def test_bitcoin_trades_around_the_clock():
    index = pd.date_range("2018-07-01", "2018-07-09", freq="1h", tz="UTC", inclusive="right")
    bars = as_intraday(pd.DataFrame({"close": 1.0, "volume": 1.0}, index), get_calendar("24/7"), "h1")
    days = resample(bars, "d1", get_calendar("24/7"))
    assert len(days) == 8 and (days["volume"] == 24).all()
    assert resample(bars, "w1", get_calendar("24/7"))["volume"].tolist() == [24, 168]


def test_real_minutes(shared_data):
    bars = load_bars(shared_data / "intraday", "SPY", NYSE)
    assert len(bars) == 1950 and str(bars.index[0]) == "2019-02-11 09:31:00-05:00"
    days = resample(bars, "d1", NYSE)
    assert (
        days.index.equals(pd.DatetimeIndex(NYSE.sessions_in_range("2019-02-11", "2019-02-15")))
        and len(resample(bars, "w1", NYSE)) == 1
    )
    assert days["close"].iloc[-1] == 277.39 and days["volume"].iloc[-1] == bars.loc["2019-02-15", "volume"].sum()
    assert after_hours_share(bars, NYSE).isna().all()
    assert NYSE.sessions[-1] > days.index[-1]
