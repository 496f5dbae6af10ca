"Formats: each vendor's rows, written by hand, mean what they say; what is no table is called what it is."

import gzip
import struct

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.calendars.expiries import vix_expiries
from forecastkit.core import DataError
from forecastkit.data import formats as formats
from forecastkit.data import layouts as layouts
from forecastkit.data.formats import inspect_file, read_file_columns, read_table, symbol_of
from forecastkit.data.futures import expiry_of, read_contract, read_future, roll_contracts
from forecastkit.data.layouts import parse_days, price_columns
from forecastkit.data.sources import FolderSource, load_market

NYSE = get_calendar("XNYS")

ALPHA = "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
GENUINE = (
    "2020-08-31,444.6100,500.1400,440.1100,498.3200,498.3200,115847020,0.0000,5.0000\n"  # of shared/data/README.md
)
CFE = "Trade Date,Futures,Open,High,Low,Close,Settle,Change,Total Volume,EFP,Open Interest\n"


def read(folder, name, text):
    "The columns of a file, as the folder source reads them, and its layout."
    (folder / name).write_text(text)
    look = inspect_file(folder / name, symbol_of(name), name)
    assert look.layout is not None, look.why
    return read_file_columns(folder / name, look.layout, name), look.layout


def test_stooq(tmp_path):
    text = "Date,Open,High,Low,Close,Volume\n2018-02-05,37.1,38.8,16.8,37.32,0\n2018-02-06,37.3,50.3,22.42,29.98,0\n"
    for name in ("^vix_d.csv", "VIX.csv"):
        frame, layout = read(tmp_path, name, text)
        assert symbol_of(name) == "VIX" and frame["close"].tolist() == [37.32, 29.98] and layout.notes == ()
    assert symbol_of("aapl_us_d.csv") == "AAPL"


def test_alpha_vantage_in_shares_of_today(tmp_path):
    before = "2020-08-28,2295.1200,2318.4900,2186.5200,2213.4000,442.6800,20081176,0.0000,1.0000\n"
    frame, layout = read(tmp_path, "daily_adjusted_TSLA.csv", ALPHA + GENUINE + before)
    assert frame.loc["2020-08-31"].tolist() == [444.61, 500.14, 440.11, 498.32, 115847020]
    assert frame.loc["2020-08-28"].tolist() == pytest.approx([459.024, 463.698, 437.304, 442.68, 100405880])
    assert layout.notes[-1] == "close and its range divided by the splits after it, dividends left in"
    assert load_market(f"folder:{tmp_path}").close("TSLA").tolist() == pytest.approx([442.68, 498.32])


@settings(max_examples=30, deadline=None)
@given(
    splits=st.lists(st.sampled_from([1.0, 1.0, 1.0, 2.0, 5.0, 0.125]), min_size=2, max_size=30), seed=st.integers(0, 99)
)
def test_a_split_moves_no_one(splits, seed):
    "A price that only splits move is constant, in whatever order the rows stand; a later split changes no change."
    days = NYSE.sessions_in_range("2018-01-02", "2018-06-29")[: len(splits)]
    raw = pd.DataFrame({"close": 64 / np.cumprod(splits), "volume": 8 * np.cumprod(splits), "split": splits}, days)
    found = layouts.split_adjusted(raw.sample(frac=1, random_state=seed))
    assert np.allclose(found["close"], raw["close"].iloc[-1]) and np.allclose(found["volume"], raw["volume"].iloc[-1])


@pytest.mark.parametrize("split", ["0", "-1", "", "none"])
def test_a_split_that_is_none_is_refused(split, tmp_path):
    (tmp_path / "TSLA.csv").write_text(ALPHA + GENUINE.replace("5.0000", split))
    with pytest.raises(DataError, match=r"TSLA\.csv: 2020-08-31: split is no number"):
        load_market(f"folder:{tmp_path}", needed=["TSLA"])


@pytest.mark.parametrize(
    "text",
    [
        '{\n    "Error Message": "Invalid API call. Please retry, or visit the documentation for TIME_SERIES_DAILY."\n}',
        '{"Note": "Thank you, our standard call frequency is 5 calls per minute, and 500 calls per day."}',
        '{"Information": "rate limit"}',
    ],
)
def test_a_complaint_with_status_200_is_quoted(text, tmp_path):
    (tmp_path / "IBM.csv").write_text(text)
    with pytest.raises(DataError) as error:
        load_market(f"folder:{tmp_path}", needed=["IBM"])
    assert "IBM.csv: no column of dates in its header: it is a message, '" in str(error.value)
    assert any(words in str(error.value) for words in ("Invalid API call", "Thank you", "rate limit"))


@pytest.mark.parametrize(
    "times", [("2018-02-05", "2018-02-06"), ("1517841000", "1517927400"), ("1517788800", "1517875200")]
)
def test_tradingview(times, tmp_path):
    text = "time,open,high,low,close,Plot,Plot,RSI,Volume\n{},37.1,38.8,16.8,37.32,1,2,55.5,0\n{},37.3,50.3,22.42,29.98,1,2,,0\n"
    frame, layout = read(tmp_path, "CBOE_DLY_VIX, 1D.csv", text.format(*times))
    assert symbol_of("CBOE_DLY_VIX, 1D.csv") == "VIX" and layout.unused == ("Plot", "Plot.1", "RSI")
    assert frame.index.strftime("%Y-%m-%d").tolist() == ["2018-02-05", "2018-02-06"] and frame["volume"].eq(0).all()
    assert "column RSI left aside" in layout.notes


def test_days_of_summer_and_winter_in_seconds():
    bells = [pd.Timestamp(f"{day} 09:30", tz="America/New_York") for day in ("2018-01-16", "2018-07-16", "1968-07-16")]
    found = parse_days(pd.Series([str(int(bell.timestamp())) for bell in bells]))
    assert found.strftime("%Y-%m-%d").tolist() == ["2018-01-16", "2018-07-16", "1968-07-16"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,open,high,low,close\n1517841000,1,2,1,2\n1517841060,1,2,1,2\n", "its rows carry a time of day"),
        ("Date,Time,Open,High,Low,Close\n2018-02-05,09:31,1,2,1,2\n", "its rows carry a time of day"),
        ("time,close\n1517871600,1\n1517958000,1\n", "line 2: 1517871600 is in the evening of New York"),
    ],
)
def test_moments_are_no_sessions(text, words, tmp_path):
    (tmp_path / "VIX.csv").write_text(text)
    with pytest.raises(DataError) as error:
        load_market(f"folder:{tmp_path}", needed=["VIX"])
    assert words in str(error.value)


def test_what_is_left_aside_is_said():
    yahoo = layouts.detect_layout(["Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"], "IBM")
    assert yahoo.notes == ("column Adj Close left aside", "prices are those of Close")


# Cboe's futures


def contract(rows: str, before: str = "") -> str:
    return before + CFE + rows


def test_a_contract_before_and_after_the_change_of_scale(tmp_path):
    file = tmp_path / "CFE_J07_VX.csv"
    file.write_text(
        contract(
            "3/22/2007,J (Apr 07),131.5,132.0,129.0,130.2,130.4,-1.1,1041,0,15010\n"
            "3/23/2007,J (Apr 07),0,0,0,0,130.0,-0.4,0,0,15000\n"
            "3/26/2007,J (Apr 07),13.1,13.4,13.0,13.2,13.25,0.25,900,0,14890\n"
            "3/27/2007,J (Apr 07),13.1,13.2,13.0,13.2,13.5,0.25,900,0,14890\n",
            "CFE data is compiled for the convenience of site visitors, and is furnished without responsibility.\n",
        )
    )
    bars = read_contract(file)
    assert bars["close"].tolist() == pytest.approx([13.04, 13.0, 13.25, 13.5])
    assert bars["high"].tolist() == pytest.approx([13.2, np.nan, 13.4, np.nan], nan_ok=True)
    assert bars["volume"].tolist() == [1041, 0, 900, 900]


def test_a_file_that_was_put_on_the_new_scale_already_is_left_there(tmp_path):
    file = tmp_path / "CFE_J07_VX.csv"
    file.write_text(contract("03/22/2007,J (Apr 07),13.15,13.2,12.9,13.02,13.04,-.11,1041,0,15010\n"))
    assert read_contract(file)["close"].tolist() == [13.04]


@pytest.mark.parametrize(
    ("name", "expiry"),
    [
        ("CFE_F18_VX.csv", "2018-01-17"),
        ("cfe_h08_vx.csv.gz", "2008-03-19"),
        ("VX_2018-02-14.csv", "2018-02-14"),
        ("VX_2018-02-07.csv", None),
        ("CFE_A18_VX.csv", None),
        ("CFE_F99_VX.csv", None),
        ("VX_2018-13-14.csv", None),
        ("VIX.csv", None),
    ],
)
def test_names_of_contracts(name, expiry):
    assert expiry_of(name, NYSE) == (pd.Timestamp(expiry) if expiry else None)


@settings(max_examples=20, deadline=None)
@given(months=st.sets(st.integers(0, 11)), rank=st.integers(1, 3))
def test_each_session_has_the_contract_whose_turn_it_is_or_none(months, rank):
    expiries = vix_expiries(NYSE)
    year = expiries[expiries.year == 2018]
    days = NYSE.sessions_in_range("2017-06-01", "2018-12-31")
    held = {year[month]: pd.DataFrame({"close": float(month)}, days) for month in months}
    found = roll_contracts(held, NYSE, rank)["close"]
    for day in days[::7]:
        due = expiries[expiries > day][rank - 1]
        assert found.get(day) == (float(due.month - 1) if due in held else None)


def test_the_series_the_features_ask_for(tmp_path):
    for name, month, worth in (("CFE_F18_VX.csv", "F (Jan 18)", 11.0), ("CFE_G18_VX.csv", "G (Feb 18)", 12.5)):
        rows = "".join(
            f"{day:%m/%d/%Y},{month},0,0,0,0,{worth},0,0,0,0\n"
            for day in NYSE.sessions_in_range("2018-01-12", "2018-01-18")
        )
        (tmp_path / name).write_text(contract(rows))
    paths = {path.name: path for path in sorted(tmp_path.iterdir())}
    first, second = (read_future(symbol, paths, NYSE)["close"] for symbol in ("VX1", "VX2"))
    assert first.to_dict() == {day: 11.0 if day < pd.Timestamp("2018-01-17") else 12.5 for day in first.index}
    assert second.index.max() == pd.Timestamp("2018-01-16") and second.eq(12.5).all()


def test_a_contract_that_is_none_is_refused_by_name(tmp_path):
    file = tmp_path / "CFE_F18_VX.csv"
    for text, words in {
        "": "cannot be read",
        "Trade Date,Settle\n01/16/2018,11\n": "it has no column open",
        contract("01/16/2018,F (Jan 18),0,0,0,0,closed,0,0,0,0\n"): "2018-01-16: a cell is no number",
        contract("soon,F (Jan 18),0,0,0,0,11,0,0,0,0\n"): "line 2: 'soon' is no date",
        "Date,Close\n2018-01-16,11\n": "it has no column",
    }.items():
        file.write_text(text)
        with pytest.raises(DataError, match=r"^CFE_F18_VX\.csv: ") as error:
            read_contract(file)
        assert words in str(error.value)


# what is no table


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'Date,Close,Note\n2018-02-05,1,"x\n2018-02-06,2,y\n2018-02-07,3,z"\n',
            "a quotation mark in line 2 is not closed",
        ),
        ('Date,Close,Note\n2018-02-05,1,"x\n2018-02-06,2,y\n', "a quotation mark in line"),
        ("Date,Close\n2018-02-05,1\n2018-02-06\n", "line 3 has 1 cells, its header 2"),
        ("Date,Close\n2018-02-05,1,1\n", "its rows are longer than its header"),
        ("Date,Close\n2018-02-05,1\0\n", "NUL bytes"),
        ("Date,Close\x1b[31m\n2018-02-05,1\n2018-02-06\n", "line 3"),
    ],
)
def test_uneven_tables_are_refused(text, words, tmp_path):
    (tmp_path / "X.csv").write_text(text)
    with pytest.raises(DataError) as error:
        read_table(tmp_path / "X.csv", "X.csv")
    assert words in str(error.value) and str(error.value).isprintable()


def test_quoted_cells_are_cells(tmp_path):
    (tmp_path / "X.csv").write_text('"Date","Close","Note"\n"2018-02-05","1","a, ""b"""\n')
    assert read_table(tmp_path / "X.csv", "X.csv").iloc[0].tolist() == ["2018-02-05", "1", 'a, "b"']


def test_lines_above_a_header_are_skipped_but_never_rows(tmp_path):
    file = tmp_path / "X.csv"
    file.write_text("Data as they are.\nNo warranty, none.\nDate,Close\n2018-02-05,1\n")
    assert read_table(file, "X.csv").columns.tolist() == ["Date", "Close"]
    file.write_text("2018-02-05,1\nDate,Close\n2018-02-06,2\n")
    assert len(read_table(file, "X.csv")) == 2


def test_files_that_unfold_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "MAX_BYTES", 2**20)
    (tmp_path / "X.csv.gz").write_bytes(gzip.compress(b"Date,Close\n" + b"2018-02-05,1\n" * 100_000))
    pq.write_table(pa.table({"date": pa.nulls(200_000), "close": pa.nulls(200_000)}), tmp_path / "Y.parquet")
    for name in ("X.csv.gz", "Y.parquet"):
        with pytest.raises(DataError, match=f"{name}: cannot be read .more than 1 MB once unpacked, split it"):
            read_table(tmp_path / name, name)


def test_a_long_file_is_looked_at_by_its_head(tmp_path):
    (tmp_path / "X.csv").write_text("Date,Close\n" + "2018-02-05,37.32\n" * 20_000)
    assert inspect_file(tmp_path / "X.csv", "X", "X.csv").layout.columns == {"close": "Close"}


@pytest.mark.parametrize(("shift", "words"), [(-1, "a day early"), (1, "a day late")])
def test_dates_that_stand_beside_their_day_are_refused(shift, words, tmp_path):
    "Dates cut from UTC stamps: right in winter, a day early in summer."
    days = NYSE.sessions_in_range("2018-01-02", "2018-12-31")
    summer = (days >= "2018-03-26") & (days < "2018-10-29")
    dates = days.where(~summer, days + pd.Timedelta(days=shift))
    pd.DataFrame({"close": np.arange(1.0, len(days) + 1)}, dates.rename("date")).to_csv(tmp_path / "MINE.csv")
    with pytest.raises(DataError, match=words):
        load_market(f"folder:{tmp_path}", needed=["MINE"])


def test_a_folder_of_contracts_gives_the_front_ones(tmp_path):
    for name, month, worth in (("CFE_F18_VX.csv", "F (Jan 18)", 11.0), ("CFE_G18_VX.csv", "G (Feb 18)", 12.5)):
        rows = "".join(
            f"{day:%m/%d/%Y},{month},0,0,0,0,{worth},0,0,0,0\n"
            for day in NYSE.sessions_in_range("2018-01-12", "2018-01-18")
        )
        (tmp_path / name).write_text(contract(rows))
    market = load_market(f"folder:{tmp_path}")
    assert market.symbols == ("VX1", "VX2") and market.close("VX1").tolist() == [11.0, 11.0, 12.5, 12.5]
    assert FolderSource(tmp_path).ignored == {} and market.repairs == ()


@pytest.mark.parametrize("turned", [False, True])
def test_the_date_beside_pairs_of_price_and_ticker_is_no_ticker(turned):
    pairs = [("Date", ""), *(("Close", "AAPL")[:: -1 if turned else 1], ("Open", "AAPL")[:: -1 if turned else 1])]
    assert price_columns(pairs, symbol="AAPL") == {0: "Date", 1: "Close", 2: "Open"}
    two = [*pairs, ("Close", "MSFT")[:: -1 if turned else 1]]
    assert price_columns(two, symbol="MSFT") == {0: "Date", 3: "Close"}
    with pytest.raises(DataError, match="it holds several tickers \\(AAPL, MSFT\\)"):
        price_columns(two)


def test_a_parquet_file_with_a_flipped_bit_is_refused(tmp_path):
    file = tmp_path / "X.parquet"
    table = pa.table({"date": ["2018-02-05", "2018-02-06"], "close": [37.32, 29.98]})
    pq.write_table(
        table, file, write_page_checksum=True, compression="none", use_dictionary=False, write_statistics=False
    )
    content, value = bytearray(file.read_bytes()), struct.pack("<d", 29.98)
    assert read_table(file, "X.parquet")["close"].tolist() == [37.32, 29.98]
    content[content.index(value) + 4] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"X\.parquet: cannot be read .could not verify page integrity"):
        read_table(file, "X.parquet")
