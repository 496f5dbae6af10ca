"The same bars through every door: memory, files, store, snapshot and a live server give the same clean bars or the same refusal."

from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
from handed_in import handed_in, verdict
from vendors import Vendors, chart_of

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, load_settings
from forecastkit.data import FolderSource, Store, frames, freeze_snapshot, read_frame, repair_notes
from forecastkit.data.synthetic import synthetic_market
from forecastkit.vendors import open_client, open_live

NYSE = get_calendar("XNYS")
BARS = synthetic_market(seed=11, sessions=260, start="2017-01-03", stocks=["MINE"]).market.bars("MINE")
NOON = pd.Timestamp("2018-01-12 12:00", tz="America/New_York")  # while the last session of BARS is open
CLOSES = BARS["close"]


def as_table(bars: pd.DataFrame) -> pd.DataFrame:
    return bars.rename_axis("Date").reset_index()


def in_folder(bars, folder, suffix):
    if suffix == "csv":
        as_table(bars).to_csv(folder / "MINE.csv", index=False)
    else:
        as_table(bars).to_parquet(folder / "MINE.parquet")
    return FolderSource(folder).read("MINE", NYSE)


def in_store(bars, folder, suffix=None):
    store = Store(folder)
    store.put("MINE", bars.rename_axis("date"), "a vendor", None, NYSE)
    return store.read("MINE", NYSE)


def in_snapshot(bars, folder, suffix=None):
    in_store(bars, folder)
    return freeze_snapshot(folder, "study", [Store(folder)], NYSE).read("MINE", NYSE)


def from_vendor(bars, folder, suffix=None):
    "Yahoo's chart of the bars from a server on this machine, at the address that the settings give."
    days = pd.DatetimeIndex(bars.index).as_unit("s")
    with Vendors() as server:
        body = chart_of("MINE", bars, days.astype("int64") + 17 * 3600)  # noon in New York
        server.files["/v8/finance/chart/MINE"] = ("application/json", body)
        given = {"live.yahoo": server.address, "live.attempts": 1, "data.home": folder, "data.sources": "yahoo"}
        access = load_settings(overrides=given).live
        with open_client(access) as client:
            (source,) = open_live(["yahoo"], ["MINE"], access, client)
            return source.read("MINE", NYSE)


DOORS = {
    "frame": lambda bars, folder: read_frame(bars, "MINE"),
    "series": lambda bars, folder: read_frame(bars["close"], "MINE"),
    "polars": lambda bars, folder: read_frame(pl.from_pandas(as_table(bars)), "MINE"),
    "dict": lambda bars, folder: read_frame({"ds": bars.index.to_numpy(), "y": bars["close"].to_numpy()}, "MINE"),
    "csv": lambda bars, folder: in_folder(bars, folder, "csv"),
    "parquet": lambda bars, folder: in_folder(bars, folder, "parquet"),
    "store": in_store,
    "snapshot": in_snapshot,
    "live": from_vendor,
}


def filled(bars: pd.DataFrame) -> pd.DataFrame:
    return bars.asfreq("D").ffill()


TAKEN = {  # how the bars are changed -> what is said of it
    "as they are": (lambda b: b, ()),
    "newest first": (lambda b: b.iloc[::-1], ()),
    "a row twice": (lambda b: pd.concat([b, b.iloc[[7]]]), ("the same row twice",)),
    "weekends filled up": (filled, ("no session of the exchange",)),
    "a blank tail": (lambda b: b.assign(close=b["close"].where(np.arange(len(b)) < len(b) - 3)), ("no close",)),
    "a missing session": (lambda b: b.drop(b.index[40]), ("no row for this session",)),
    "a split": (lambda b: b.mul(np.where(np.arange(len(b)) < 130, 4.0, 1.0), axis=0), ("the price steps by 4 for 1",)),
    "before the calendar": (lambda b: pd.concat([b.iloc[:30].set_axis(pd.bdate_range("1955-01-03", periods=30)), b]), ("before the calendar",)),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", TAKEN)
def test_every_door_gives_the_same_bars_and_says_what_it_did(door, kind, tmp_path):
    change, said = TAKEN[kind]
    given = change(BARS)
    reading = DOORS[door](given, tmp_path)
    found = reading.frame[~reading.frame.index.duplicated()].sort_index()
    expected = given["close"].sort_index()[lambda c: c.index.isin(NYSE.sessions) & c.notna()]
    expected = expected[~expected.index.duplicated()]
    assert found["close"].index.equals(expected.index) and (found["close"] == expected).all()
    assert {part for part in said if any(repair.what.startswith(part) for repair in reading.repairs)} == set(said)
    assert bool(repair_notes(reading.repairs)) == bool(reading.repairs)


REFUSED = {
    "a day early": (lambda b: b.set_axis(b.index - pd.Timedelta(days=1)), "stand a day early"),
    "a day late": (lambda b: b.set_axis(b.index + pd.Timedelta(days=1)), "stand a day late"),
    "weeks by their Monday": (lambda b: b.resample("W-MON", label="left", closed="left").last(), "its rows are 7 days apart"),
    "weeks by their Friday": (lambda b: b.resample("W-FRI").last(), "its rows are 7 days apart"),
    "months": (lambda b: b.resample("MS").last(), "days apart"),
    "weeks, then days": (lambda b: pd.concat([b.iloc[:130].resample("W-FRI").last(), b.iloc[130:]]), "its rows are 7 days apart"),
    "seven days a week": (lambda b: b.set_axis(pd.date_range("2017-01-03", periods=len(b))), 'say calendar="24/7"'),
    "nothing": (lambda b: b.iloc[:0], "not one row that can be used"),
    "closes all blank": (lambda b: b.assign(close=np.nan), "not one row that can be used"),
    "holidays alone": (lambda b: b.iloc[:2].set_axis(pd.DatetimeIndex(["2017-07-04", "2017-12-25"])), "not one row that can be used"),
    "a price of 0": (lambda b: b.assign(close=b["close"].where(np.arange(len(b)) != 9, 0.0), low=0.0), "a price of 0 or less"),
    "infinity": (lambda b: b.assign(close=b["close"].where(np.arange(len(b)) != 9, np.inf)), "close is no number"),
    "two rows that differ": (lambda b: pd.concat([b, b.iloc[[7]] + 1]), "two rows that differ"),
    "the future": (lambda b: pd.concat([b, b.iloc[[7]].set_axis([pd.Timestamp("2918-01-03")])]), "a date in the future"),
}  # fmt: skip


VENDORS_WORDS = {"infinity": "no such number is possible", "the future": "a row is dated 2918"}  # refused as it arrives


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", REFUSED)
def test_every_door_refuses_the_same_in_one_sentence(door, kind, tmp_path):
    change, words = REFUSED[kind]
    with pytest.raises(DataError) as caught:
        DOORS[door](change(BARS), tmp_path)
    words = VENDORS_WORDS.get(kind, words) if door == "live" else words
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("door", DOORS)
def test_the_bar_of_an_open_session_is_nowhere(door, tmp_path, monkeypatch):
    assert BARS.index[-1] == pd.Timestamp("2018-01-12")
    monkeypatch.setattr(frames, "_now", lambda: NOON.tz_convert("UTC"))
    if door in ("store", "snapshot"):
        store = Store(tmp_path)
        assert store.put("MINE", BARS.rename_axis("date"), "a vendor", NOON, NYSE).unfinished == 1
        reading = store.read("MINE", NYSE)
    else:
        reading = DOORS[door](BARS, tmp_path)
        assert [(r.session, r.what) for r in reading.repairs] == [(BARS.index[-1], "its session had not closed")]
    assert reading.frame.index[-1] == pd.Timestamp("2018-01-11")


@pytest.mark.parametrize("door", ["frame", "polars", "csv", "parquet"])
def test_one_row_with_high_below_low_loses_its_range(door, tmp_path):
    given = BARS.copy()
    given.iloc[9, [1, 2]] = given.iloc[9, [2, 1]].to_numpy()
    reading = DOORS[door](given, tmp_path)
    assert reading.frame["close"].tolist() == CLOSES.tolist()
    assert reading.frame.iloc[9][["open", "high", "low"]].isna().all() and reading.frame["high"].isna().sum() == 1
    assert [(r.session, r.what) for r in reading.repairs] == [(BARS.index[9], "high below low")]


def yfinance_file(path):
    rows = [
        f"{day:%Y-%m-%d},{bar.close!r},{bar.high!r},{bar.low!r},{bar.open!r},{bar.volume!r}"
        for day, bar in zip(BARS.index, BARS.itertuples())
    ]
    path.write_text(
        "\n".join(["Price,Close,High,Low,Open,Volume", "Ticker,MINE,MINE,MINE,MINE,MINE", "Date,,,,,", *rows]) + "\n"
    )


def investing_file(path):
    rows = [f'"{day:%m/%d/%Y}","{bar.close:,.2f}","{bar.open:,.2f}","{bar.high:,.2f}","{bar.low:,.2f}","{bar.volume / 1e6:.2f}M","0.1%"'
            for day, bar in zip(BARS.index[::-1], BARS.iloc[::-1].itertuples())]  # fmt: skip
    path.write_text("\n".join(['"Date","Price","Open","High","Low","Vol.","Change %"', *rows]) + "\n")


def semicolon_file(path):
    table = as_table(BARS)
    table.to_csv(path, index=False, sep=";", decimal=",")


@pytest.mark.parametrize("writer", [yfinance_file, investing_file, semicolon_file])
def test_files_as_vendors_write_them(writer, tmp_path):
    writer(tmp_path / "MINE.csv")
    reading = FolderSource(tmp_path).read("MINE", NYSE)
    assert reading.frame["close"].tolist() == CLOSES.tolist() and reading.repairs == ()
    assert reading.frame["low"].tolist() == BARS["low"].tolist()


def test_a_wide_file_gives_each_of_its_columns(tmp_path):
    pd.DataFrame({"Date": BARS.index, "MINE": CLOSES.to_numpy(), "^GSPC": CLOSES.to_numpy() * 9, "DGS10": 2.5}).to_csv(
        tmp_path / "all.csv", index=False
    )
    source = FolderSource(tmp_path)
    assert source.symbols == ("DGS10", "MINE", "SPX") and source.ignored == {}
    assert source.read("MINE", NYSE).frame["close"].tolist() == CLOSES.tolist()
    assert "value" in source.read("DGS10", NYSE).frame


def test_a_parquet_file_of_yfinance(tmp_path):
    frame = BARS.rename(columns=str.capitalize).rename_axis("Date")
    frame.columns = pd.MultiIndex.from_product([frame.columns, ["MINE"]], names=["Price", "Ticker"])
    frame.to_parquet(tmp_path / "MINE.parquet")
    assert FolderSource(tmp_path).read("MINE", NYSE).frame["close"].tolist() == CLOSES.tolist()


@pytest.mark.parametrize(("name", "symbol"), [("BTC_USD", "BTC"), ("ETH_USD", "ETH"), ("ETH-USD", "ETH")])
def test_coins_keep_their_weekends(name, symbol, tmp_path):
    days = pd.date_range("2018-01-01", periods=60)
    pd.DataFrame({"Date": days, "Close": np.linspace(100, 130, 60)}).to_csv(tmp_path / f"{name}.csv", index=False)
    reading = FolderSource(tmp_path).read(symbol, NYSE)
    assert len(reading.frame) == 60 and reading.repairs == ()


def test_several_tickers_need_a_choice():
    frame = pd.concat(
        {"MINE": BARS.rename(columns=str.capitalize), "B": BARS.rename(columns=str.capitalize) * 2}, axis=1
    )
    assert read_frame(frame, "B").frame["close"].tolist() == (CLOSES * 2).tolist()
    with pytest.raises(DataError, match=r"several tickers \(MINE, B\)"):
        read_frame(frame)


@pytest.mark.parametrize("part", range(4))
def test_no_frame_is_changed_without_a_word(part):
    outcomes = Counter()
    for seed in range(100 * part, 100 * part + 100):
        handed = handed_in(seed)
        outcome, why = verdict(handed)
        assert outcome != "violation", f"seed {seed}, {handed.kinds}: {why}"
        outcomes[outcome] += 1
    assert min(outcomes[name] for name in ("refused", "same", "noticed")) > 0, outcomes


@pytest.mark.parametrize("first", ["1950-01-03", "1962-01-02", "1962-03-01", "1980-01-02", "2000-01-03"])
def test_long_histories_are_read_from_their_first_session(first):
    days = pd.bdate_range(first, "2018-12-31")
    days = days[~days.isin(NYSE.holidays.union(NYSE.adhoc))]
    reading = read_frame(pd.Series(np.linspace(50, 90, len(days)), days), "CVX")
    assert reading.frame.index[0] >= NYSE.sessions[0]
    assert any("before the calendar" in note for note in reading.words()) == (first < "1962")
    assert NYSE.grid_session(reading.frame.index[0]) <= reading.frame.index[0]
