"What data say of themselves: a symbol, a kind of cell, another file beside them; believed, refused or told, through every door."

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.calendars import get_calendar
from forecastkit.cli.main import main
from forecastkit.core import DataError, load_settings
from forecastkit.data import FolderSource, read_frame
from forecastkit.pipeline import setting_problems

NYSE = get_calendar("XNYS")
DAYS = NYSE.sessions_in_range("2016-07-18", "2018-12-28")
CLOSE = pd.Series(100 * np.exp(np.random.default_rng(0).normal(0, 0.012, len(DAYS)).cumsum()), DAYS)
LONG = CLOSE.rename("close").rename_axis("date").reset_index()
EVERY_DAY = pd.Series(CLOSE.to_numpy()[:600], pd.date_range("2017-01-01", periods=600))


def yfinance_frame(ticker: str) -> pd.DataFrame:
    return CLOSE.rename("Close").to_frame().set_axis(pd.MultiIndex.from_tuples([("Close", ticker)]), axis=1)


SAYS_AAPL = {
    "Series": CLOSE.rename("AAPL"),
    "a column": CLOSE.to_frame("AAPL"),
    "long": LONG.assign(symbol="aapl"),
    "yfinance": yfinance_frame("AAPL"),
}


@pytest.mark.parametrize("shape", SAYS_AAPL)
def test_a_symbol_that_data_tell_is_not_overruled(shape):
    given = SAYS_AAPL[shape]
    assert read_frame(given, "aapl").frame["close"].tolist() == CLOSE.tolist()
    if shape != "yfinance":
        assert read_frame(given).symbol == "AAPL"
    with pytest.raises(DataError, match=r"it says .*AAPL.* correct the one or the other"):
        read_frame(given, "MSFT")
    with pytest.raises(DataError, match=r"it says .*AAPL"):
        fk.forecast(given, symbol="MSFT", progress=False)


@pytest.mark.parametrize("name", ["close", "Adj Close", "PX_LAST", "my prices", "y", None, 0, "x"])
def test_names_that_are_no_symbol_are_not_heard(name):
    for given in (CLOSE.rename(name), CLOSE.to_frame(name) if name is not None else CLOSE.to_frame("close")):
        reading = read_frame(given, "MSFT")
        assert reading.symbol == "MSFT" and reading.frame["close"].tolist() == CLOSE.tolist()


def test_a_file_that_tells_another_symbol_is_refused(tmp_path):
    lines = [f"{day:%Y-%m-%d},{value!r}" for day, value in CLOSE.items()]
    (tmp_path / "MSFT.csv").write_text("\n".join(["Price,Close", "Ticker,AAPL", "Date,", *lines]) + "\n")
    LONG.assign(symbol="AAPL").to_csv(tmp_path / "KO.csv", index=False)
    yfinance_frame("AAPL").rename_axis("Date").to_parquet(tmp_path / "GE.parquet")
    for symbol in ("MSFT", "KO", "GE"):
        with pytest.raises(DataError, match=rf"{symbol}\..* it says that it holds AAPL, and is taken for {symbol}"):
            FolderSource(tmp_path).read(symbol, NYSE)


def test_several_series_are_named():
    both = pd.concat([LONG.assign(symbol="AAPL"), LONG.assign(symbol="MSFT")])
    wide = pd.DataFrame({"AAPL": CLOSE, "MSFT": CLOSE})
    for given in (both, wide):
        assert read_frame(given, "msft").symbol == "MSFT"
        with pytest.raises(DataError, match=r"AAPL, MSFT.*say which one as symbol="):
            read_frame(given)
        with pytest.raises(DataError, match=r"AAPL, MSFT.*none of them MINE"):
            read_frame(given, "MINE")


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64", "object", "Float64", "string", "category"])
def test_numbers_of_every_dtype(dtype):
    given = CLOSE.round(3).astype(dtype)
    found = read_frame(given.to_frame("close"), "MINE").frame["close"]
    assert found.tolist() == pytest.approx(given.astype(float).tolist())


@pytest.mark.parametrize(
    "cell",
    [1 + 2j, True, b"1", pd.Timestamp("2018-01-01"), pd.Timedelta(3, "D"), [1.0], "n/a", object()],
    ids=lambda cell: type(cell).__name__,
)
def test_cells_that_are_no_number_are_refused(cell):
    given = CLOSE.to_frame("close").astype(object)
    given.iloc[7, 0] = cell
    with pytest.raises(DataError, match="close is no number: correct it"):
        read_frame(given, "MINE")
    if not isinstance(cell, (list, dict, str)) and type(cell) is not object:
        with pytest.raises(DataError, match="close is no number"):
            read_frame(pd.DataFrame({"close": [cell] * 20}, DAYS[:20]), "MINE")


def test_an_index_of_two_levels_of_one_name():
    with pytest.raises(DataError, match="levels of its index have the same name"):
        read_frame(CLOSE.set_axis(pd.MultiIndex.from_arrays([DAYS, DAYS])), "MINE")


@pytest.mark.parametrize("name", ["BTC", "ETH", "MINE", "BTC-USD"])
def test_bars_of_every_day_are_told_their_calendar(name):
    with pytest.raises(DataError, match=r'days on which XNYS rests.*say calendar="24/7"'):
        fk.forecast(EVERY_DAY, symbol=name, progress=False)
    made = fk.forecast(EVERY_DAY, symbol=name, calendar="24/7", progress=False)
    assert made.origin == EVERY_DAY.index[-1]


def test_a_file_that_was_passed_over_stands_in_the_record(tmp_path):
    bars = pd.DataFrame({"open": CLOSE, "high": CLOSE + 1, "low": CLOSE - 1, "close": CLOSE}).rename_axis("date")
    (tmp_path / "old").mkdir()
    bars.to_csv(tmp_path / "MINE.csv")
    bars[["close"]].to_csv(tmp_path / "old" / "MINE.csv")
    overrides = {
        "data.home": str(tmp_path / "home"),
        "run.progress": False,
        "model.rounds": 5,
        "model.refit_every": 126,
    }
    settings = load_settings(environ={}, overrides=overrides)
    made = fk.forecast("MINE", sources=f"folder:{tmp_path}", settings=settings)
    [note] = made.metadata["data_notes"]
    assert note.startswith("MINE: ") and "old/MINE.csv is left aside" in note and "which has open, high and low" in note
    assert note in made.words()[-1] and "left aside" in str(made) and note in made["metadata"]["data_notes"]
    (tmp_path / "old" / "MINE.csv").unlink()
    handed = fk.forecast(bars, symbol="MINE", settings=settings)
    assert "data_notes" not in handed.metadata and handed.values == made.values


def test_settings_that_cannot_be_used_are_no_settings(tmp_path, capsys):
    for odd, words in (
        ({"data.calendar": "NOPE"}, "data.calendar: calendar 'NOPE' is unknown"),
        ({"data.sources": "sample, attic:x"}, "data.sources: source 'attic:x' is unknown"),
        ({"data.sources": f"folder:{tmp_path / 'nowhere'}"}, "does not exist"),
        ({"forecast.symbol": "NOSUCH"}, "NOSUCH, which is in none of the sources"),
        ({"releases.rules": "NROU quarter 300 15"}, "is no publication rule"),
    ):
        [problem] = setting_problems(load_settings(environ={}, overrides=odd))
        assert words in problem
    assert setting_problems(load_settings(environ={})) == []
    (tmp_path / "mine.ini").write_text("[data]\ncalendar = NOPE\n")
    assert main(["settings", "check", str(tmp_path / "mine.ini")]) == 2
    assert "data.calendar" in capsys.readouterr().err


def test_rules_of_releases_reach_every_command(tmp_path, capsys, monkeypatch):
    (tmp_path / "bars").mkdir()
    days = pd.date_range("2015-01-01", "2018-10-01", freq="QS")
    pd.DataFrame({"observation_date": days, "OWNRULE": np.arange(len(days)) + 4.5}).to_csv(
        tmp_path / "bars" / "OWNRULE.csv", index=False
    )
    monkeypatch.chdir(tmp_path)
    arguments = ["data", "health", "--sources", f"folder:{tmp_path / 'bars'}", "--json"]
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 1 and "no publication rule" in capsys.readouterr().out
    monkeypatch.setenv("FORECASTKIT_RELEASES_RULES", "OWNRULE quarter 30 15")
    with pytest.raises(SystemExit):
        main(arguments)
    assert "no publication rule" not in capsys.readouterr().out


@pytest.mark.parametrize("symbol", ["", "VIX,AAPL", "../x", "A B", "a;b"])
def test_what_is_no_symbol_is_refused_at_the_terminal(symbol, capsys):
    assert main(["forecast", "--symbol", symbol, "--no-store"]) == 2
    said = capsys.readouterr().err
    assert "symbol" in said and said.count("\n") == 1


def test_a_folder_that_cannot_be_is_said_before_the_work(capsys):
    assert main(["daily", "--output", "/proc/nowhere/x"]) == 2
    said = capsys.readouterr().err
    assert "--output /proc/nowhere/x cannot be a folder of pages" in said and "Errno" not in said


def test_a_poor_quality_says_why(tmp_path):
    bars = pd.DataFrame({"open": CLOSE, "high": CLOSE * 1.01, "low": CLOSE * 0.99, "close": CLOSE})
    made = fk.forecast(bars * 1e-9, symbol="MINE", progress=False)
    assert made.feature_quality < 1
    assert any(f"quality {made.feature_quality:.2f}, since own_log is" in note for note in made.metadata["data_notes"])
    assert "own_log" in made.words()[-1]
    assert fk.forecast(bars, symbol="MINE", progress=False).feature_quality == 1.0


def test_a_long_first_run_is_told_before_it_starts(tmp_path, capsys, monkeypatch):
    from forecastkit.pipeline import IntegratedSystem, system

    started = []
    monkeypatch.setattr(system, "prepare", lambda *given, **more: started.append(1) or 1 / 0)
    for progress in (True, False):
        overrides = {"data.home": str(tmp_path), "forecast.symbol": "KO", "run.progress": progress}
        of_call = IntegratedSystem(settings=load_settings(environ={}, overrides=overrides))
        with pytest.raises(ZeroDivisionError):
            of_call.generate_forecast(store_prediction=False)
        said = capsys.readouterr().err
        assert ("model versions of KO are trained" in said and "minutes" in said) == progress
    assert len(started) == 2


def test_what_holds_nothing_or_is_no_file_is_refused_at_the_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("symbol\n")
    assert main(["forecast", "--universe", "empty.csv"]) == 2
    assert "empty.csv: it names no symbol" in capsys.readouterr().err
    monkeypatch.setenv("FORECASTKIT_DATA_CALENDAR", "XNYZ")
    assert main(["settings", "show"]) == 2
    assert "XNYZ" in capsys.readouterr().err
    monkeypatch.delenv("FORECASTKIT_DATA_CALENDAR")
    (tmp_path / "settings.ini").mkdir()
    assert main(["settings", "show"]) == 2
    assert "settings.ini: cannot be read" in capsys.readouterr().err


def test_the_health_of_a_folder_names_a_file_without_rows(tmp_path):
    from forecastkit.data import health_report

    (tmp_path / "BASE.csv").write_text("date,open,high,low,close,volume\n")
    (found,) = health_report(f"folder:{tmp_path}").series
    assert [fault.kind for fault in found.faults] == ["refused"] and "it is empty" in found.faults[0].words
