"""What a fresh user handed in and nobody spoke of: each is refused in a sentence, or the forecast says so."""

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.core import DataError, SettingsError
from forecastkit.data import read_frame

SESSIONS = fk.calendars.get_calendar("XNYS").sessions_in_range("2016-07-18", "2018-12-28")
CLOSE = pd.Series(100 * np.exp(np.random.default_rng(0).normal(0, 0.012, len(SESSIONS)).cumsum()), SESSIONS)


@pytest.mark.parametrize("day", ["05/02/2018", "5.2.2018", "29/06/2018", "2018", "February 5"])
def test_a_day_that_can_be_read_in_two_ways_is_refused(day):
    with pytest.raises(DataError, match="write it as 2018-02-05"):
        fk.load_market("sample").as_of(day)
    with pytest.raises(DataError, match="write it as 2018-02-05"):
        fk.forecast("VIX", as_of=day, store=False, progress=False)


def test_a_series_that_never_moves_is_refused():
    with pytest.raises(DataError, match="never moves"):
        fk.forecast(CLOSE * 0 + 100, progress=False)


@pytest.mark.parametrize("factor", [1e-4, 7.3, 0.13])
def test_a_bad_tick_is_spoken_of(factor):
    close = CLOSE.copy()
    close.iloc[300] *= factor
    words = " ".join(read_frame(close, "MINE").words())
    assert f"{close.index[300]:%Y-%m-%d}" in words and ("spike" in words or "split" in words)
    step = CLOSE.copy()
    step.iloc[300:] *= 9.1
    assert "jump" in " ".join(read_frame(step, "MINE").words())
    assert read_frame(CLOSE, "MINE").words() == ()


def test_two_keys_of_one_symbol_are_refused():
    with pytest.raises(DataError, match="'a' and 'A' are one symbol"):
        fk.forecast({"a": CLOSE.to_frame("close"), "A": CLOSE.to_frame("close")}, progress=False)


def test_what_is_no_symbol_and_no_settings_is_named():
    for symbol in (42, ["A"]):
        with pytest.raises(DataError, match="is no symbol"):
            fk.forecast(CLOSE, symbol=symbol, progress=False)
    with pytest.raises(SettingsError, match="load_settings"):
        fk.forecast(CLOSE, settings={"horizon": 3}, progress=False)


@pytest.mark.parametrize("level", [-0.1, 1.1, "x", None])
def test_a_range_of_an_impossible_probability_is_refused(level):
    from forecastkit.forecasts.distribution import central

    with pytest.raises(DataError, match="between 0 and 1"):
        central(level)


def test_a_folder_says_of_a_price_what_memory_says(tmp_path):
    close = CLOSE.copy()
    close.iloc[300:] *= 9.1
    bars = pd.DataFrame({"close": close, "open": close, "high": close * 1.01, "low": close * 0.99}) * 1e-9
    folder = tmp_path / "bars"
    folder.mkdir()
    bars.rename_axis("date").to_csv(folder / "MINE.csv")
    settings = fk.core.load_settings(overrides={"data.home": str(tmp_path / "home"), "run.n_jobs": 1})
    held = fk.forecast(bars, symbol="MINE", progress=False, settings=settings).metadata["data_notes"]
    read = fk.forecast("MINE", sources=f"folder:{folder}", progress=False, store=False, settings=settings)
    assert read.metadata["data_notes"] == held
    assert any("jump of the price" in note for note in held) and any("quality" in note for note in held)
