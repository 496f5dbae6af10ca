"""The front door: what is handed in is used, refused or repaired aloud, never misread."""

import json

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.core import DataError, DataWarning, SettingsError, load_settings
from forecastkit.data import synthetic_market
from forecastkit.pipeline import SymbolForecasts
from forecastkit.pipeline.forecasting import kind_of_input

BARS = synthetic_market(seed=3, sessions=700).market.bars("SPX")
CLOSE = BARS["close"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    home = str(tmp_path_factory.mktemp("home"))
    return load_settings(
        environ={}, overrides={"data.home": home, "run.progress": False, "model.rounds": 5, "model.refit_every": 126}
    )


def body(forecast: fk.Forecast) -> dict:
    "All of a forecast but the moment of making it."
    return {name: value for name, value in json.loads(forecast.to_json()).items() if name != "made_at"}


def polars_frame():
    polars = pytest.importorskip("polars")
    return polars.DataFrame({"date": [day.date() for day in CLOSE.index], "close": CLOSE.to_numpy()})


@pytest.fixture(scope="module")
def of_closes(settings):
    "The forecast of the closes as a frame with a clean index."
    return body(fk.forecast(CLOSE.to_frame(), symbol="MINE", settings=settings))


@pytest.mark.parametrize(
    "given",
    [
        lambda: CLOSE,
        lambda: CLOSE.rename(None),
        lambda: {"date": CLOSE.index, "close": CLOSE.to_numpy()},
        lambda: {"Date": [f"{day:%Y-%m-%d}" for day in CLOSE.index], "Close": list(CLOSE)},
        lambda: CLOSE.rename("Close").rename_axis("Date").reset_index(),
        polars_frame,
    ],
    ids=["Series", "Series without a name", "dict of arrays", "dict of lists", "a column of dates", "polars"],
)
def test_the_same_closes_give_the_same_forecast_however_they_come(given, of_closes, settings):
    assert body(fk.forecast(given(), symbol="MINE", settings=settings)) == of_closes


def test_a_series_is_forecast_and_not_the_symbol_that_names_it(settings):
    made = fk.forecast(CLOSE, symbol="AAPL", settings=settings)
    assert (made.symbol, made.kind, made.origin) == ("AAPL", "log_return", CLOSE.index[-1])
    assert made.last_value == CLOSE.iloc[-1]
    assert not (settings.data.home / "forecasts.db").exists(), "data in memory are never stored"


@pytest.mark.parametrize(
    ("what", "options", "says"),
    [
        ("", {}, "an empty text is no symbol: give a symbol"),
        (None, {"symbol": " "}, "symbol is an empty text"),
        ("MSFT", {"symbol": "AAPL"}, "'MSFT' and symbol='AAPL' are two symbols"),
        (["AAPL", "KO"], {"symbol": "AAPL"}, "several were given"),
        ([], {}, "the list is empty"),
        ({}, {}, "the dict is empty"),
        ([1.0, 2.0], {}, "this one holds float"),
        (np.arange(500.0), {}, "ndarray is nothing that can be forecast"),
        (5, {}, "int is nothing that can be forecast"),
        (CLOSE.head(0), {}, "not one row that can be used"),
        (CLOSE * np.nan, {}, "MINE"),
        (CLOSE.reset_index(drop=True), {}, "dates"),
        (pd.concat([CLOSE, CLOSE], axis=1), {}, "same name"),
        (CLOSE.tail(200), {}, "400"),
        (CLOSE[CLOSE.index.day_of_week == 0], {}, "days apart"),
    ],
)
def test_what_cannot_be_forecast_is_refused_in_one_sentence(what, options, says, settings):
    with pytest.raises((DataError, SettingsError)) as refused:
        fk.forecast(what, settings=settings, **options)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_the_symbol_may_be_said_twice_if_it_is_the_same():
    assert kind_of_input("^GSPC") == "symbol"
    sample = load_settings(environ={}, overrides={"run.progress": False})
    with pytest.raises(DataError, match="NOSUCH"):
        fk.forecast("nosuch", symbol="NOSUCH", settings=sample, store=False)


def test_several_are_forecast_each_by_itself(settings):
    with pytest.warns(DataWarning, match="SHORT has no forecast: .*400"):
        made = fk.forecast({"LONG": CLOSE, "OTHER": BARS, "SHORT": CLOSE.tail(100)}, settings=settings)
    assert isinstance(made, SymbolForecasts) and list(made) == ["LONG", "OTHER"]
    assert "400" in made.skipped["SHORT"]
    assert body(made["LONG"]) == body(fk.forecast(CLOSE, symbol="LONG", settings=settings))
    with pytest.raises(DataError, match="400"):
        fk.forecast({"SHORT": CLOSE.tail(100)}, settings=settings)


def test_several_symbols_of_the_sources(settings, tmp_path):
    (tmp_path / "bars").mkdir()
    for name in ("ONE", "TWO"):
        CLOSE.to_frame().to_csv(tmp_path / "bars" / f"{name}.csv", index_label="date")
    options = {"sources": f"folder:{tmp_path / 'bars'}", "settings": settings, "store": False, "horizon": np.int64(5)}
    made = fk.forecast(["ONE", "two"], **options)
    assert list(made) == ["ONE", "TWO"] and made["ONE"].values == made["TWO"].values
    assert made["ONE"].horizon == 5 and made["ONE"].kind == "log_return"
    day = CLOSE.index[-8]
    assert fk.forecast("ONE", as_of=int(f"{day:%Y%m%d}"), **options).origin == day


def test_repairs_stand_in_the_record_on_the_card_and_in_the_words(settings, of_closes):
    holiday = CLOSE.iloc[[-5]].set_axis(pd.DatetimeIndex(["2012-07-04"]))
    dirty = fk.forecast(pd.concat([CLOSE, holiday]).sort_index(), symbol="MINE", settings=settings)
    [note] = dirty.metadata["data_notes"]
    assert "holiday" in note or "no session" in note
    assert note in dirty.words()[-1] and note.split()[0] in str(dirty) and note in dirty["metadata"]["data_notes"]
    assert list(dirty.values) == of_closes["values"]


def test_rows_without_a_close_at_the_end_are_told(settings):
    made = fk.forecast(pd.concat([CLOSE.iloc[:-2], CLOSE.iloc[-2:] * np.nan]), symbol="MINE", settings=settings)
    assert made.origin == CLOSE.index[-3]
    assert any("the last 2 rows have no close" in note for note in made.metadata["data_notes"])


def test_own_bars_say_why_they_carry_no_trained_direction(settings):
    made = fk.forecast(CLOSE, symbol="MINE", settings=settings)
    told = made.metadata["direction"]
    assert told["label"] == made.label and told["weights"] == {"distribution": 1.0}
    assert "classifiers of a direction are not trained on bars" in " ".join(str(made).split())
