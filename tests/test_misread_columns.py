"Columns that are no close by their names, dates that contradict each other and tables of several securities are refused through every door."

import numpy as np
import pandas as pd
import polars as pl
import pytest

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, SettingsError, load_settings
from forecastkit.data import FolderSource, MarketData, read_frame
from forecastkit.data.synthetic import synthetic_market
from forecastkit.pipeline.profile import settings_for

NYSE = get_calendar("XNYS")
BARS = synthetic_market(seed=5, sessions=120, start="2017-01-03", stocks=["MINE"]).market.bars("MINE")
TABLE = BARS.rename_axis("date").reset_index()


def from_file(table, folder):
    table.to_csv(folder / "MINE.csv", index=False)
    return FolderSource(folder).read("MINE", NYSE)


DOORS = {
    "frame": lambda table, folder: read_frame(table, "MINE"),
    "no symbol": lambda table, folder: read_frame(table),
    "polars": lambda table, folder: read_frame(pl.from_pandas(table), "MINE"),
    "dict": lambda table, folder: read_frame({name: table[name].to_numpy() for name in table}, "MINE"),
    "file": from_file,
}
NO_CLOSES = [
    "volume",
    "high",
    "Open",
    "Prev Close",
    "Return",
    "id",
    "sentiment",
    "open_interest",
    "dailyReturn",
    "VOLUME",
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", NO_CLOSES)
def test_a_column_that_is_no_close_by_its_name_is_refused(name, door, tmp_path):
    table = TABLE[["date", "close"]].rename(columns={"close": name})
    with pytest.raises(DataError, match=f"{name} is no close by its name"):
        DOORS[door](table, tmp_path)


@pytest.mark.parametrize("name", NO_CLOSES)
def test_a_series_that_is_no_close_by_its_name_is_refused(name):
    with pytest.raises(DataError, match="is no close by its name"):
        read_frame(BARS["close"].rename(name), "MINE")


def test_a_share_whose_ticker_is_such_a_word_is_taken_in_capitals():
    for given in (BARS["close"].rename("LOW"), BARS["close"].to_frame("LOW")):
        assert read_frame(given, "LOW").frame["close"].tolist() == BARS["close"].tolist()


def test_two_columns_of_prices_without_a_close_ask_for_one():
    for names in (["open", "high"], ["Close_AAPL", "High_AAPL"]):
        with pytest.raises(DataError) as caught:
            read_frame(TABLE[["date", "open", "high"]].set_axis(["date", *names], axis=1))
        assert "symbol=" not in str(caught.value) and "close" in str(caught.value)


def test_an_index_and_a_column_of_dates_that_contradict_each_other():
    for name in ("date", "Date", "ds"):
        with pytest.raises(DataError, match=f"by the column {name}: take the wrong one away"):
            read_frame(BARS.assign(**{name: BARS.index + pd.Timedelta(days=364)}), "MINE")
        assert len(read_frame(BARS.assign(**{name: BARS.index}), "MINE").frame) == len(BARS)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["Name", "Stock", "isin", "instrument", "act_symbol", "contract"])
def test_two_securities_are_not_read_as_one(name, door, tmp_path):
    two = TABLE.assign(**{name: np.where(np.arange(len(TABLE)) < 60, "AAPL", "MSFT")})
    with pytest.raises(DataError, match=f"its column {name} names several"):
        DOORS[door](two, tmp_path)
    assert len(DOORS[door](TABLE.assign(**{name: "Apple Inc."}), tmp_path).frame) == len(TABLE)


@pytest.mark.parametrize("door", ["frame", "polars", "dict", "file"])
def test_a_name_that_is_another_symbol_is_not_overruled(door, tmp_path):
    with pytest.raises(DataError, match="it says that it holds AAPL, and is taken for MINE"):
        DOORS[door](TABLE.assign(Name="AAPL"), tmp_path)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"A": BARS["close"]}, "A is Series: give a frame of bars"),
        ({"": BARS}, "'' is no symbol"),
        (None, "NoneType is no dict"),
        (BARS, "DataFrame is no dict"),
        ([BARS], "list is no dict"),
    ],
    ids=["Series", "no symbol", "None", "frame", "list"],
)
def test_a_market_of_anything_but_frames_by_symbol_is_refused(given, words):
    with pytest.raises(DataError) as caught:
        MarketData(given)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_an_empty_kind_is_not_the_default_kind():
    with pytest.raises(SettingsError, match=r"forecast\.kind"):
        settings_for(load_settings(environ={}), "MINE", kind="")


@pytest.mark.parametrize("index", [[0.5, 1.5], [True, False]], ids=["floats", "truths"])
def test_an_index_of_floats_or_truths_holds_no_dates(index):
    frame = pd.DataFrame({"close": [10.0, 11.0]}, index=index)
    with pytest.raises(DataError, match="it has no dates"):
        read_frame(frame)
    dated = frame.assign(date=["2020-01-02", "2020-01-03"])
    pd.testing.assert_frame_equal(read_frame(dated).frame, read_frame(dated.set_index("date")).frame)
