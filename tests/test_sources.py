"Sources: every vendor's file read alike, every kind of broken file refused in one line, and the real folders' counts."

import datetime as dt
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, DataWarning, file_checksum
from forecastkit.data import sources as sources
from forecastkit.data.formats import inspect_file, read_file_columns
from forecastkit.data.layouts import BAR_NAMES
from forecastkit.data.market import BAR_COLUMNS
from forecastkit.data.sources import FolderSource, Reading, SampleSource, load_market, load_packaged, source_table

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("2018-02-01", "2018-02-07")
VIX = pd.DataFrame(
    {
        "open": [13.63, 13.64, 18.44, 37.32, 31.4],
        "high": [14.19, 17.86, 38.8, 50.3, 31.64],
        "low": [12.5, 13.64, 16.8, 22.42, 21.17],
        "close": [13.47, 17.31, 37.32, 29.98, 27.73],
    },
    DAYS,
)


@pytest.fixture
def bars(tmp_path) -> Path:
    folder = tmp_path / "bars"
    folder.mkdir()
    return folder


def table(style="%Y-%m-%d", date="Date", names=str.capitalize, frame: pd.DataFrame = VIX, **extra) -> pd.DataFrame:
    "VIX's five sessions as a vendor would write them."
    found = frame.rename(columns=names).assign(**extra)
    found.insert(0, date, frame.index.strftime(style))
    return found


def write(path: Path, frame: pd.DataFrame, index: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=index)


def said(error: pytest.ExceptionInfo) -> str:
    "The message, which must be one line."
    text = str(error.value)
    assert "\n" not in text and text
    return text


VENDORS = {
    "cboe iso, vix-daily.csv": table(date="DATE", names=str.upper),
    "cboe us, VIX_History.csv": table("%m/%d/%Y", "DATE", str.upper),
    "yahoo, ^VIX.csv": table(**{"Adj Close": 1.0, "Volume": 0}),
    "yfinance, vix.csv.gz": table(date="date", names=str.lower, volume=0),
    "yfinance with zone, ^vix.csv": table("%Y-%m-%d 00:00:00-05:00", volume=0, Dividends=0.0),
    "stooq newest first, VIX.csv": table().iloc[::-1],
    "own, VIX.csv": table(date="session", names=str.lower, volume=np.nan),
    "own, VIX.parquet": table(date="session", names=str.lower),
    "dates, VIX.parquet": table().assign(Date=DAYS.date),
    "index, VIX.parquet": VIX,
    "unnamed index with zone, VIX.parquet": VIX.set_axis(DAYS.tz_localize("America/New_York").rename(None)),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_says_the_same(vendor, bars):
    write(bars / vendor.split(", ")[1], VENDORS[vendor])
    market = load_market(f"folder:{bars}", needed=["VIX"])
    found = market.bars("VIX")
    pd.testing.assert_frame_equal(found[list(VIX.columns)], VIX, check_freq=False)
    assert market.repairs == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("VIXCLS.csv", "observation_date,VIXCLS\n2018-02-02,17.31\n2018-02-03,\n2018-02-05,37.32\n"),
        ("VIXCLS.csv", "DATE,VIXCLS\n2018-02-02,17.31\n2018-02-03,.\n2018-02-05,37.32\n"),
        ("VIX.csv", "\ufeffdate,value\n02/02/2018,17.31\n02/05/2018,37.32\n"),
        ("vix.csv", "date, close\n2018-02-02, 17.31\n2018-02-05, 37.32\n"),
    ],
)
def test_an_index_given_as_values_is_a_price(bars, name, text):
    (bars / name).write_text(text)
    market = load_market(f"folder:{bars}", needed=["VIX"])
    assert market.close("VIX").to_dict() == {pd.Timestamp("2018-02-02"): 17.31, pd.Timestamp("2018-02-05"): 37.32}
    assert market.repairs == ()
    assert np.isnan(market.bars("VIX")["high"]).all()


@settings(max_examples=25, deadline=None)
@given(
    prices=st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=30),
    style=st.sampled_from(["%Y-%m-%d", "%m/%d/%Y", "%Y-%m-%dT00:00:00Z"]),
    suffix=st.sampled_from([".csv", ".csv.gz", ".parquet"]),
    seed=st.integers(0, 99),
)
def test_what_is_written_is_read_to_the_last_bit(prices, style, suffix, seed):
    days = NYSE.sessions_in_range("2016-01-04", "2016-12-30")[: len(prices)]
    frame = table(style, frame=pd.DataFrame({"close": prices}, days)).sample(frac=1, random_state=seed)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, f"MINE{suffix}"), frame)
        found = load_market(f"folder:{folder}").close("MINE")
    assert found.index.equals(days) and found.tolist() == prices


def faulty(**changed) -> str:
    "The five sessions as text, with something wrong on 5 February."
    frame = table().astype(object)
    for column, value in changed.items():
        frame.loc["2018-02-05", column] = value
    return frame.to_csv(index=False)


BROKEN = {
    "a VIX of 0": (faulty(Close=0, Low=0), "VIX 2018-02-05: a price of 0 or less"),
    "a negative price": (faulty(Low=-1), "VIX 2018-02-05: a price of 0 or less"),
    "high and low swapped": (table().rename(columns={"High": "Low", "Low": "High"}).to_csv(index=False), "VIX 2018-02-01: high below low"),
    "close and high swapped": (table().rename(columns={"High": "Close", "Close": "High"}).to_csv(index=False), "columns swapped?"),
    "a word among numbers": (faulty(Close="closed"), "VIX 2018-02-05: close is no number: correct it"),
    "a column of text": (table(High="high").to_csv(index=False), "VIX 2018-02-01: high is no number"),
    "thousands or decimals": (faulty(High="38,800"), "high is no number"),
    "infinity": (faulty(High="inf"), "high is no number"),
    "a date in the future": (faulty(Date=f"{dt.date.today() + dt.timedelta(days=3)}"), "a date in the future"),
    "a far future": (faulty(Date="2918-02-05"), "a date in the future"),
    "two rows that differ": (faulty() + "2018-02-05,1,2,1,2\n", "VIX 2018-02-05: two rows that differ: decide which one is right"),
    "days before months": (table("%d/%m/%Y", frame=VIX.set_axis(NYSE.sessions_in_range("2018-02-08", "2018-02-14"))).to_csv(index=False), "line 5: '13/02/2018' is no date"),
    "two kinds of dates": (faulty(Date="02/05/2018"), "line 4: '02/05/2018' is no date: write all as YYYY-MM-DD"),
    "an empty date": (faulty(Date=""), "line 4: '' is no date"),
    "moments": (table("%Y-%m-%d 21:00:00").to_csv(index=False), "its rows carry a time of day"),
    "moments of the evening": (table("%Y-%m-%d 23:00:00+00:00").to_csv(index=False), "is in the evening of New York"),
    "one moment": (faulty(Date="2018-02-05 21:00"), "line 4: '2018-02-05 21:00' carries a time of day"),
    "longer rows": ("Date,Close\n2018-02-05,37.32,0\n", "its rows are longer than its header"),
    "one longer row": ("Date,Close\n2018-02-02,17.31\n2018-02-05,37.32,0\n", "cannot be read"),
    "no close": (table().drop(columns="Close").to_csv(index=False), "neither a column close nor one single column"),
    "no date": (table().drop(columns="Date").to_csv(index=False), "no column of dates in its header (Open, High, Low, Close)"),
    "a web page": ("<!DOCTYPE html>\n<html><body>404</body></html>\n", "no column of dates"),
    "another index": ("DATE,VVIX\n2018-02-05,200\n", "its column is called VVIX: name the file VVIX.csv"),
    "an empty file": ("", "cannot be read"),
    "a header alone": ("Date,Open,High,Low,Close\n", "not one row that can be used"),
    "holidays alone": ("Date,Close\n2018-07-04,16\n", "not one row that can be used"),
    "not a text": (b"Date,Close\n2018-02-05,\xff\xfe\n", "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_of_a_needed_series_is_refused_by_name(fault, bars):
    content, words = BROKEN[fault]
    (bars / "VIX.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as error:
        load_market([f"folder:{bars}", "sample"], symbols=["VIX"], needed=["VIX"])
    assert said(error).startswith("bars/VIX.csv: ") and words in said(error)


@pytest.mark.parametrize(
    ("fault", "symbols"),
    [
        ("a VIX of 0", None),
        ("a web page", None),
        ("a VIX of 0", ["VIX", "SPX"]),
        ("a web page", ["VIX", "SPX"]),
        ("an empty file", ["VIX", "SPX"]),
        ("moments", ["VIX", "SPX"]),
    ],
)
def test_no_later_source_takes_the_place_of_a_broken_one(fault, symbols, bars):
    (bars / "VIX.csv").write_text(BROKEN[fault][0])
    with pytest.warns(DataWarning, match=r"^bars/VIX.csv: .*\(VIX is left out\)$") as warned:
        market = load_market([f"folder:{bars}", "sample"], symbols=symbols, needed=["SPX"])
    assert len(warned) == 1
    assert "SPX" in market and "VIX" not in market
    assert "VIX" in load_market(["sample", f"folder:{bars}"], symbols=["VIX"])  # the order is the user's to choose


@pytest.mark.parametrize(("rows", "kept"), [(1, 20), (5000, -20), (200_000, -1000)])
def test_half_a_gzip_is_refused(rows, kept, bars):
    text = "Date,Close\n" + "2018-02-05,37.32\n" * rows
    (bars / "VIX.csv.gz").write_bytes(gzip.compress(text.encode())[:kept])
    with pytest.raises(DataError) as error:
        load_market([f"folder:{bars}", "sample"], needed=["VIX"])
    assert said(error).startswith("bars/VIX.csv.gz: cannot be read") and "fetch the file again" in said(error)


def test_what_is_no_parquet_is_refused(bars):
    (bars / "VIX.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError) as error:
        load_market([f"folder:{bars}", "sample"], needed=["VIX"])
    assert said(error).startswith("bars/VIX.parquet: cannot be read")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("observation_date,DGS10\n2018-02-05,closed\n", "value is no number"),
        ("observation_date,DGS10\n2018-02-05,2.77\n2918-02-05,2.77\n", "DGS10 2918-02-05: a date in the future"),
        ("observation_date,DGS10\n2018-02-05,2.77\n2018-02-05,2.78\n", "DGS10 2018-02-05: two values that differ"),
        ("observation_date,DGS10\n2018-02-05,.\n", "not one row that can be used"),
        ("date,known_at,value\n2018-02-05,soon,2.77\n", "a known_at is no moment"),
        ("date,known_at,value\n2018-02-05,,2.77\n", "a known_at is no moment"),
        ("date,known_at,value\n2018-02-05,2018-02-01,2.77\n", "a known_at before it could be known"),
        ("date,known_at,value\n2018-02-05,2018-02-07,2.77\n2018-02-05,2018-02-07,2.78\n", "two values that differ"),
    ],
)
def test_a_broken_published_series_is_refused_by_name(text, words, bars):
    (bars / "DGS10.csv").write_text(text)
    with pytest.raises(DataError) as error:
        load_market(f"folder:{bars}", needed=["DGS10"])
    assert said(error).startswith("bars/DGS10.csv: ") and words in said(error)


def test_a_series_without_a_rule_is_refused_and_with_known_at_taken(bars):
    (bars / "NROU.csv").write_text("observation_date,NROU\n2018-01-01,248.743\n")
    with pytest.raises(DataError) as error:
        load_market(f"folder:{bars}", needed=["NROU"])
    assert "bars/NROU.csv: NROU has no publication rule" in said(error)
    (bars / "NROU.csv").write_text(
        "date,known_at,value\n2018-01-01,2018-02-14 13:30,247.9\n2018-01-01,2018-03-13 12:30,248.0\n"
    )
    market = load_market(f"folder:{bars}")
    seen = market.at_sessions("NROU", NYSE.sessions_in_range("2018-02-13", "2018-03-13"))
    assert (seen.iloc[0], seen.iloc[1], seen.iloc[-1]) == (pytest.approx(np.nan, nan_ok=True), 247.9, 248.0)


def test_folders_that_are_none(tmp_path):
    cases = {
        tmp_path / "absent": "does not exist: relative paths count from the working directory",
        tmp_path / "empty": "holds no .csv, .csv.gz, .parquet file",
        tmp_path / "notes.txt": "is a file: give the folder it lies in",
        tmp_path / "texts": "holds no .csv",
    }
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts" / ".hidden").mkdir(parents=True)
    (tmp_path / "texts" / ".hidden" / "VIX.csv").write_text(faulty())
    (tmp_path / "notes.txt").write_text("")
    for folder, words in cases.items():
        with pytest.raises(DataError) as error:
            load_market([f"folder:{folder}", "sample"], symbols=["VIX"])
        assert str(folder) in said(error) and words in said(error)


@pytest.mark.parametrize("word", ["smaple", "folder", "folder:", "http://example.org", "", []])
def test_unknown_sources(word):
    with pytest.raises(DataError) as error:
        load_market(word)
    assert "use sample, or folder:PATH" in said(error)


def test_where_all_is_refused_the_first_refusal_is_raised(bars):
    (bars / "VIX.csv").write_text(BROKEN["a VIX of 0"][0])
    with pytest.warns(DataWarning), pytest.raises(DataError, match=r"^bars/VIX\.csv: VIX 2018-02-05: a price of 0"):
        load_market(f"folder:{bars}")


def test_where_nothing_is_understood_one_file_is_named(bars):
    (bars / "README.md").write_text("")
    (bars / "IBM.csv").write_text('{"Error Message": "Invalid API call"}')
    with pytest.raises(DataError, match=r"hold no market data: bars/IBM\.csv \(no column of dates"):
        load_market(f"folder:{bars}")


def test_symbols_that_are_nowhere(bars):
    write(bars / "VIX.csv", table())
    with pytest.raises(DataError) as error:
        load_market([f"folder:{bars}", "sample"], needed=["VIX", "NOSUCH"])
    assert said(error).startswith(f"NOSUCH is in none of the sources (folder:{bars}, sample): add a source")
    with pytest.raises(DataError, match="A or B is in none"):
        load_market("sample", symbols=["A", "B"])
    assert load_market("sample", symbols=["VIX", "NOSUCH"]).symbols == ("VIX",)


def test_the_first_source_gives_all_of_a_symbol(bars, tmp_path):
    write(bars / "deep" / "down" / "VIX.csv", table())
    other = tmp_path / "other"
    write(other / "VIX.csv", table(frame=VIX + 1))
    write(other / "^GSPC.csv", table(frame=100 * VIX))
    market = load_market(f"folder:{bars}, folder:{other} ,sample", symbols=["VIX", "SPX", "BAA"], needed=["^vix"])
    assert market.close("VIX").tolist() == VIX["close"].tolist()
    assert market.close("SPX").tolist() == (100 * VIX["close"]).tolist()
    assert market.summary().set_index("symbol")["source"].to_dict() == {
        "BAA": "sample (arch)",
        "SPX": "other/^GSPC.csv",
        "VIX": "bars/deep/down/VIX.csv",
    }


def test_one_content_one_fingerprint(bars, tmp_path):
    write(bars / "VIX.csv", table("%m/%d/%Y").iloc[::-1])
    write(tmp_path / "other" / "VIX.parquet", VIX.astype("float32").astype("float64").assign(close=VIX["close"]))
    write(tmp_path / "third" / "vix_history.csv.gz", table())
    prints = [
        load_market(f"folder:{folder}").fingerprint() for folder in (bars, tmp_path / "third", tmp_path / "other")
    ]
    assert prints[0] == prints[1] != prints[2]


def test_two_files_of_one_symbol(bars):
    write(bars / "VIX.csv", table()[["Date", "Close"]])
    write(bars / "vix_history.csv", table(frame=VIX + 1))
    (bars / "old").mkdir()
    (bars / "old" / "VIX.csv").write_text("Symbol\nVIX\n")
    source = FolderSource(bars)
    assert source.read("VIX", NYSE).origin == "bars/vix_history.csv"
    assert source.ignored == {
        "bars/VIX.csv": "VIX is read from bars/vix_history.csv, which has open, high and low",
        "bars/old/VIX.csv": "no column of dates in its header (Symbol)",
    }
    write(bars / "old" / "VIX.csv", table())
    with pytest.raises(DataError, match=r"both give VIX to .* differ on 5 days, .* take one of them away"):
        load_market(f"folder:{bars}", needed=["VIX"])  # both have ranges and end on one day
    assert source_table(f"folder:{bars}", NYSE)["note"].str.startswith("refused: ").sum() == 1
    write(bars / "old" / "VIX.csv", table(frame=(VIX + 1.004).round(2)))  # rounded, not contradicted
    named = "VIX is read from bars/vix_history.csv, which says the same"
    assert FolderSource(bars).ignored["bars/old/VIX.csv"] == named
    market = load_market(f"folder:{bars}", needed=["VIX"])
    assert market.summary()["source"].tolist() == ["bars/vix_history.csv"]
    assert market.as_of(VIX.index[-1]).notes("^VIX")[-2:] == tuple(
        f"{file} is left aside: {why}" for file, why in FolderSource(bars).ignored.items()
    )
    longer = VIX.set_axis(VIX.index + pd.Timedelta(days=7))
    write(bars / "old" / "VIX.csv", table(frame=longer))
    source = FolderSource(bars)
    assert source.read("VIX", NYSE).origin == "bars/old/VIX.csv"
    named = "VIX is read from bars/old/VIX.csv, which reaches further"
    assert source.ignored["bars/vix_history.csv"].startswith(named)
    aside = source.read("VIX", NYSE).notes
    assert any(note.startswith(f"bars/vix_history.csv is left aside: {named}") for note in aside)
    (bars / "old" / "VIX.csv").write_text("")
    with pytest.raises(DataError, match=r"^bars/old/VIX\.csv: cannot be read"):
        load_market(f"folder:{bars}", needed=["VIX"])


def test_rows_before_the_calendar_are_cut_aloud(bars):
    (bars / "SPX.csv").write_text(
        "Date,Close\n1927-12-30,17.66\n1961-12-29,71.55\n1962-01-02,70.96\n1962-01-03,71.13\n"
    )
    market = load_market(f"folder:{bars}")
    assert market.close("SPX").to_dict() == {pd.Timestamp("1962-01-02"): 70.96, pd.Timestamp("1962-01-03"): 71.13}
    assert [r.what for r in market.repairs] == ["before the calendar of XNYS begins (2 rows to 1961-12-29)"]


def test_an_early_look_reads_no_more_than_it_must(bars):
    "A folder of many files: what was not asked for is not opened."
    write(bars / "VIX.csv", table())
    (bars / "HUGE.csv.gz").write_bytes(b"opened, this would raise")
    assert load_market(f"folder:{bars}", symbols=["VIX"]).symbols == ("VIX",)
    with pytest.warns(DataWarning, match=r"bars/HUGE\.csv\.gz: cannot be read"):
        load_market(f"folder:{bars}")


def test_a_source_of_ones_own():
    class Mine:
        name, symbols, ignored = "mine", ("VIX",), {}

        def __contains__(self, symbol):
            return symbol == "VIX"

        def read(self, symbol, calendar="XNYS"):
            return Reading(VIX, (), "made in a test")

    market = load_market([Mine(), "sample"], symbols=["VIX", "SPX"])
    assert market.summary()["source"].tolist()[1] == "made in a test" and market.close("VIX").iloc[-1] == 27.73


def test_the_sample_is_what_it_is_said_to_be():
    market = load_market("sample", needed=["VIX", "SPX"])
    assert len(market.symbols) == len(SampleSource().symbols) == 41
    assert Counter((r.symbol, r.what) for r in market.repairs) == {
        ("RRC", "the price steps by 3 for 1, as an unadjusted split does"): 1,
        ("VIX", "open or close outside low..high"): 47,
        ("VIX", "no session of the exchange"): 1,
        ("VIX", "no row for this session"): 4,
    }
    vix, spx = market.close("VIX"), market.bars("SPX")
    assert (vix.index[0], vix.index[-1], len(vix)) == (pd.Timestamp("1990-01-02"), pd.Timestamp("2018-12-31"), 7303)
    assert (spx.index[0], spx.index[-1]) == (pd.Timestamp("1990-01-02"), pd.Timestamp("2018-12-31"))
    assert spx.loc[:"1998", ["open", "high", "low", "volume"]].isna().all(axis=None) and spx.loc["1999":].notna().all(
        axis=None
    )
    assert market.last_session(["VIX", "SPX"]) == pd.Timestamp("2018-12-31")
    assert set(load_packaged("sp500_dataset")) | set(load_packaged("factors_dataset")) <= set(market.symbols)
    assert market.bars("AAPL")["high"].isna().all()


@pytest.mark.parametrize("name", ["wti", "sp500", "sp500_index"])
def test_the_packages_loaders_give_the_same(name, monkeypatch):
    "Where a package keeps its files elsewhere its public loader is asked."
    monkeypatch.setitem(
        sources.PACKAGED, name, sources.PackagedTable(**{**vars(sources.PACKAGED[name]), "file": "elsewhere.csv.gz"})
    )
    load_packaged.cache_clear()
    loaded = load_packaged(name).astype(float)
    load_packaged.cache_clear()
    monkeypatch.undo()
    pd.testing.assert_frame_equal(loaded, load_packaged(name).astype(float), check_freq=False, check_names=False)
    assert loaded.index.unit == "us"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda name: None)
    load_packaged.cache_clear()
    with pytest.raises(DataError, match="the sample needs the package arch: pip install arch"):
        load_market("sample", needed=["AAA"])


def test_the_sample_is_read_lazily_and_imports_no_library():
    code = """if True:
        import json, sys
        from forecastkit.data import sources as sources
        market = sources.load_market("sample", symbols=["VIX", "SPX"], needed=["VIX", "SPX"])
        heavy = {"arch", "skfolio", "scipy", "sklearn", "matplotlib"} & set(sys.modules)
        print(json.dumps([sorted(heavy), sources.load_packaged.cache_info().currsize, market.symbols]))"""
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], 2, ["SPX", "VIX"]]


def test_formats_and_market_mean_the_same_columns():
    assert BAR_NAMES == BAR_COLUMNS


def test_real_folder_and_sample_together(shared_data):
    market = load_market([f"folder:{shared_data}", "sample"], needed=["VIX", "SPX"])
    vix = [repair for repair in market.repairs if repair.symbol == "VIX"]
    assert Counter(repair.what for repair in vix) == {
        "open or close outside low..high": 47,
        "no session of the exchange": 1,
        "no row for this session": 4,
    }
    assert {repair.symbol for repair in market.repairs} == {"RRC", "VIX"}
    days = {what: [f"{r.session:%Y-%m-%d}" for r in vix if r.what == what] for what in {r.what for r in vix}}
    assert days["no session of the exchange"] == ["2004-06-11"]
    assert days["no row for this session"] == ["1991-03-01", "1997-01-31", "1997-11-26", "1999-12-31"]
    assert days["open or close outside low..high"][-1] == "2006-02-08"
    bars = market.bars("VIX")
    assert (bars.index[0], bars.index[-1], len(bars)) == (pd.Timestamp("1990-01-02"), pd.Timestamp("2018-12-31"), 7303)
    assert bars["close"].notna().all() and bars["high"].isna().sum() == 47
    assert market.summary().set_index("symbol").loc["VIX", "source"] == "data/cboe/vix-daily.csv"
    fred = {path.stem for path in (shared_data / "fred").iterdir()}
    assert set(market.symbols) == fred | set(SampleSource().symbols)


def test_the_embedded_series_are_those_that_were_published(shared_data):
    "Nothing but the container differs: the same bars, repairs and moments as from the published files."
    embedded = load_market("sample", symbols=sources.EMBEDDED)
    published = load_market(f"folder:{shared_data}", symbols=sources.EMBEDDED)
    assert set(embedded.symbols) == set(sources.EMBEDDED) and embedded.repairs == published.repairs
    assert embedded.fingerprint() == published.fingerprint()
    for symbol in set(embedded.symbols) - {"VIX"}:
        assert (embedded.known_at(symbol) == published.known_at(symbol)).all()
        assert embedded.macro(symbol).index[-1].year == 2018


def test_the_embedded_files_are_made_again_byte_for_byte(shared_data, tmp_path):
    code = "import sys; from pathlib import Path; sys.path.insert(0, 'benchmarks'); import embed; embed.main(*map(Path, sys.argv[1:]))"
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", code, str(shared_data), str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert {path.stem: file_checksum(path) for path in tmp_path.iterdir()} == sources.EMBEDDED
    assert set(done.stdout.splitlines()) <= set((root / "DATA_LICENSES.md").read_text().splitlines())


def test_every_embedded_file_has_its_line_in_the_licences():
    folder = sources.embedded_file("VIX").parent
    lines = [line for line in (folder / "DATA_LICENSES.md").read_text().splitlines() if ".parquet` | " in line]
    assert {line.split("`")[1]: line.split("`")[5] for line in lines} == {
        f"{symbol}.parquet": checksum for symbol, checksum in sources.EMBEDDED.items()
    }
    files = list(folder.glob("*.parquet"))
    assert len(files) == len(lines) and sum(file.stat().st_size for file in files) < 1_000_000


def test_a_changed_embedded_file_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "data" / "sample"
    folder.mkdir(parents=True)
    content = bytearray(sources.embedded_file("VIX").read_bytes())
    content[1000] ^= 1
    (folder / "VIX.parquet").write_bytes(content)
    monkeypatch.setattr(sources.resources, "files", lambda package: tmp_path)
    for symbol in ("VIX", "DGS10"):  # changed, and gone
        with pytest.raises(
            DataError, match=rf"{symbol}\.parquet is not the file that was shipped: install forecastkit again"
        ):
            load_market("sample", symbols=[symbol], needed=[symbol])


def test_published_series_of_the_real_folder_come_late(shared_data):
    market = load_market(f"folder:{shared_data}", symbols=["DGS10", "NFCI", "ICSA", "UNRATE", "DTWEXBGS", "DFF"])
    view = market.as_of("2018-02-05")  # a Monday
    last = {symbol: f"{view.macro(symbol).index[-1]:%Y-%m-%d}" for symbol in market.symbols}
    assert last == {
        "DFF": "2018-02-04",
        "DGS10": "2018-02-02",
        "DTWEXBGS": "2018-01-26",
        "ICSA": "2018-01-27",
        "NFCI": "2018-01-26",
        "UNRATE": "2017-12-01",
    }
    assert all((view.known_at(symbol) <= NYSE.closes_of(["2018-02-05"])[0]).all() for symbol in last)


def test_what_is_no_market_data_is_listed(shared_data):
    found = source_table([f"folder:{shared_data}", "sample"], NYSE)
    ignored = found[found["note"].str.startswith("ignored: ")].set_index("source")["note"]
    assert Counter(path.split("/")[1] for path in ignored.index) == {
        "README.md": 1,
        "finra": 1,
        "intraday": 3,
        "meta": 2,
        "sec": 2,
    }
    assert ignored.filter(like="intraday/").str.contains("time of day").all()
    served = found[found["symbol"].ne("") & found["note"].eq("")]
    assert served["symbol"].is_unique and len(served) == 42  # NFCI is the only one of the folder that is not embedded
    assert found.loc[found["symbol"].eq("VIX"), "note"].tolist() == ["", f"not used: folder:{shared_data} comes first"]


def test_looking_twice_is_looking_once(shared_data):
    "The head of a real file promises what reading it gives."
    path = shared_data / "cboe" / "vix-daily.csv"
    look = inspect_file(path, "VIX", "vix-daily.csv")
    assert look.layout is not None and look.layout.ranged and look.layout.unused == ()
    assert len(read_file_columns(path, look.layout, "vix-daily.csv")) == 7304


@pytest.fixture
def listed(bars, tmp_path):
    "Bars, closes beside them, a wide file, a published series, a page and a broken file; what `data list` says of them."
    write(bars / "VIX.csv", table())
    write(bars / "closes" / "VIX.csv", table()[["Date", "Close"]])
    write(bars / "SPX.csv", table(frame=VIX * 100))
    (bars / "watch.csv").write_text("Date;AAPL;MSFT\n2018-02-02;160,5;91,78\n2018-02-05;156,49;88,0\n")
    (bars / "DGS10.csv").write_text("observation_date,DGS10\n2018-02-02,2.84\n2018-02-05,2.77\n")
    (bars / "page.csv").write_text("<!DOCTYPE html><html>blocked</html>")
    (bars / "JPM.csv").write_text("Date,Close\n2018-02-02,1\n2018-02-05,closed\n")
    home = tmp_path / "home"
    home.mkdir()

    def ask() -> pd.DataFrame:
        return source_table([f"folder:{bars}", "sample"], NYSE, home=home)

    return bars, home, ask


def reads(monkeypatch) -> list[str]:
    "The files that are read from here on, as messages call them."
    from forecastkit.data import folders

    found: list[str] = []
    for name, place in (("inspect_file", 2), ("read_file_columns", 2), ("wide_columns", 1)):
        usual = getattr(folders, name)

        def noted(*args, usual=usual, place=place, **options):
            found.extend([args[place]] if args[place].startswith("bars/") else [])
            return usual(*args, **options)

        monkeypatch.setattr(folders, name, noted)
    return found


def test_a_listing_remembers_what_is_in_the_files(listed, monkeypatch):
    bars, home, ask = listed
    fresh, done = source_table([f"folder:{bars}", "sample"], NYSE), reads(monkeypatch)
    pd.testing.assert_frame_equal(ask(), fresh)
    assert {"bars/VIX.csv", "bars/watch.csv", "bars/DGS10.csv", "bars/JPM.csv"} <= {*done}
    done.clear()
    pd.testing.assert_frame_equal(ask(), fresh)
    assert {*done} == {"bars/JPM.csv"}  # what is refused is looked at again
    (notes,) = (home / "cache" / "folders").iterdir()
    before = notes.stat().st_mtime_ns
    ask()
    assert notes.stat().st_mtime_ns == before  # nothing new: not written


def test_a_file_that_changed_is_read_again_and_the_others_are_not(listed, monkeypatch):
    bars, _, ask = listed
    ask()
    file, done = bars / "VIX.csv", reads(monkeypatch)
    was = file.stat()
    text = file.read_text()
    changed = text.replace(text.splitlines()[-1].split(",")[0], "2018-03-01")
    assert len(changed) == len(text)
    file.write_text(changed)
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))  # as long as before, and dated back
    found = ask().set_index(["symbol", "source"])
    assert f"{found.loc[('VIX', 'bars/VIX.csv'), 'last']:%Y-%m-%d}" == "2018-03-01"
    assert {*done} == {"bars/VIX.csv", "bars/JPM.csv"}
    file.unlink()
    assert ask().set_index("symbol").loc["VIX", "source"].tolist()[0] == "bars/closes/VIX.csv"


@pytest.mark.parametrize("how", ["edited", "forged", "cut", "another key", "lost", "other code"])
def test_notes_that_are_not_what_was_written_are_made_again(listed, monkeypatch, how):
    from forecastkit.core import code_version, seal

    _, home, ask = listed
    fresh, done = ask(), reads(monkeypatch)
    (notes,) = (home / "cache" / "folders").iterdir()
    text = notes.read_text()
    forged = text.partition("\n")[2].replace('"rows":5', '"rows":7')
    assert forged != text.partition("\n")[2]
    if how == "other code":
        monkeypatch.setattr("forecastkit.data.sources.code_version", lambda: f"{code_version()}+1")
    elif how == "lost":
        notes.unlink()
    elif how == "another key":
        (home / "seal.key").unlink()
    else:
        kept = {"edited": text.replace('"rows":5', '"rows":7'), "forged": seal(forged, b""), "cut": text[:-9]}
        notes.write_text(kept[how])
    pd.testing.assert_frame_equal(ask(), fresh)
    assert len({*done}) >= 7
    done.clear()
    ask()
    assert {*done} == {"bars/JPM.csv"}  # and are good again


def test_a_session_that_is_still_open_is_not_remembered(bars, tmp_path, monkeypatch):
    write(bars / "VIX.csv", table())
    (tmp_path / "home").mkdir()
    last = NYSE.closes_of(VIX.index[-1:])[0]

    def rows(moment: pd.Timestamp) -> int:
        monkeypatch.setattr("forecastkit.data.frames._now", lambda: moment)
        return source_table(f"folder:{bars}", NYSE, home=tmp_path / "home")["rows"].iloc[0]

    assert [rows(last - pd.Timedelta(hours=1)), rows(last + pd.Timedelta(hours=1))] == [len(VIX) - 1, len(VIX)]


def test_nothing_is_kept_where_there_is_no_home(bars, tmp_path):
    write(bars / "VIX.csv", table())
    source_table(f"folder:{bars}", NYSE, home=tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
