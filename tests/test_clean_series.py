"A series to which nothing has to be done is recognised quickly, and nothing else is."

import numpy as np
import pandas as pd
import pytest

import forecastkit.data.frames as module
from forecastkit.calendars import get_calendar
from forecastkit.core import DataError
from forecastkit.data import synthetic_market
from forecastkit.data.frames import clean_series


def spoilt(bars: pd.DataFrame, how: int, row: int) -> pd.DataFrame:
    "Bars with one thing, or nothing, that is not as it should be."
    bars, day = bars.copy(), bars.index[row]
    changes = {
        1: lambda: bars.drop(index=day), 2: lambda: bars.iloc[::-1], 3: lambda: pd.concat([bars, bars.loc[[day]]]),
        4: lambda: bars.assign(close=bars["close"].mask(bars.index == day)), 5: lambda: bars.drop(columns="volume"),
        6: lambda: bars.assign(high=bars["high"].mask(bars.index == day, bars["low"] * 0.99)),
        7: lambda: bars.assign(close=bars["close"].mask(bars.index == day, bars["high"] * 1.01)),
        8: lambda: bars.assign(volume=bars["volume"].mask(bars.index == day, -1.0)),
        9: lambda: bars.mul(np.where(bars.index > day, 0.5, 1.0), axis=0), 10: lambda: bars.set_axis(bars.index.as_unit("ns")),
        11: lambda: bars.set_axis(bars.index + pd.Timedelta(days=1)), 12: lambda: bars * (bars.index != day)[:, None],
        13: lambda: bars[["close"]], 14: lambda: bars.astype({"volume": int}), 15: lambda: bars.astype(object),
        16: lambda: bars[["volume", "close", "low", "high", "open"]], 17: lambda: bars.iloc[:9],
        18: lambda: bars.assign(open=np.inf), 19: lambda: bars.set_axis(bars.index + pd.Timedelta(hours=16)),
    }  # fmt: skip
    return changes[how]() if how else bars


@pytest.mark.parametrize("market", ["XNYS", "24/7"])
@pytest.mark.parametrize("how", range(20))
def test_a_series_that_needs_nothing_is_what_the_long_way_makes_of_it(how, market, monkeypatch):
    bars = synthetic_market(seed=5, sessions=400, stocks=["MINE"]).market.bars("MINE")
    calendar = get_calendar(market)
    bars = bars.set_axis(
        pd.DatetimeIndex(calendar.sessions_in_range("2015-01-02", "2018-12-31")[: len(bars)].to_numpy())
    )
    frame, now, found = spoilt(bars, how, 200), pd.Timestamp("2018-12-31 22:00", tz="UTC"), []
    for find in (module.sound_bars, lambda *given: None):
        monkeypatch.setattr(module, "sound_bars", find)
        for moment in (now, frame.index.max().tz_localize("UTC") + pd.Timedelta(hours=1)):
            try:
                found.append(clean_series("MINE", frame, calendar, moment))
            except DataError as error:
                found.append((str(error), ()))
    for quick, slow in zip(found[:2], found[2:]):
        assert quick[1] == slow[1] and type(quick[0]) is type(slow[0])
        if isinstance(quick[0], str):
            assert quick[0] == slow[0]
        else:
            pd.testing.assert_frame_equal(quick[0], slow[0], check_exact=True, check_freq=True)


def test_a_series_that_needs_nothing_goes_the_short_way(monkeypatch):
    bars = synthetic_market(seed=5, sessions=400, stocks=["MINE"]).market.bars("MINE")
    monkeypatch.setattr(module, "repair_bars", lambda *given, **more: pytest.fail("it went the long way"))
    assert len(clean_series("MINE", bars, get_calendar("XNYS"))[0]) == 400


def test_a_row_without_a_date_is_named_by_its_place():
    bars = pd.DataFrame({"close": [1.0, 2.0, 3.0]}, pd.DatetimeIndex(["2018-01-02", None, "2018-01-04"]))
    with pytest.raises(DataError, match="MINE: row 2 has no date"):
        clean_series("MINE", bars, get_calendar("XNYS"))
