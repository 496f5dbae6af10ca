"Real bars as benchmarks/long_histories.py hands them in, begun in 1955 and 1962 or a few months ago: a forecast from their last session, or a sentence."

import sys
from pathlib import Path

import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.core import DataError, load_settings
from forecastkit.data import read_frame

ROOT = Path(__file__).resolve().parents[1]
STOCKS = ROOT.parent / "shared" / "market" / "stocks"
pytestmark = pytest.mark.skipif(
    not STOCKS.is_dir(), reason="the folder shared/market/stocks does not lie beside the checkout"
)


@pytest.fixture
def bars_from(monkeypatch):
    "Bars of a stock from a day to a day, prolonged backwards as the benchmark does it."
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import long_histories as benchmark

    yield lambda symbol, start, end: benchmark.begun(benchmark.bars_of(STOCKS / f"{symbol}.csv.gz"), start).loc[:end]
    del sys.modules["long_histories"]


def test_bars_from_the_first_session_of_the_calendar_give_a_forecast(bars_from, tmp_path):
    few = {"model.rounds": 10, "model.refit_every": 1260}
    settings = load_settings(overrides={"run.progress": False, "data.home": tmp_path, **few})
    made = fk.forecast(bars_from("CVX", "1962-01-02", "2018-12-31"), symbol="CVX", settings=settings)
    low, high = made.interval(0.8)
    assert made.origin == pd.Timestamp("2018-12-31") and low < 0 < high


def test_bars_from_before_the_calendar_are_cut_off_aloud(bars_from):
    reading = read_frame(bars_from("IBM", "1955-01-03", "2018-12-31"), "IBM")
    (said,) = (words for words in reading.words() if "before the calendar of XNYS" in words)
    assert "begins (1825 rows to 1961-12-29): cut off (1955-01-03)" in said
    assert reading.frame.index[0] == pd.Timestamp("1962-01-02")


def test_bars_of_a_few_months_are_refused_with_the_day_that_will_do(bars_from, tmp_path):
    settings = load_settings(overrides={"run.progress": False, "data.home": tmp_path})
    with pytest.raises(DataError, match=r"a refit needs 400: the first forecast will be possible as of 20\d\d"):
        fk.forecast(bars_from("KO", "2018-06-01", "2018-12-31"), symbol="KO", settings=settings)
