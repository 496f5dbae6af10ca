"""Downloads from a server that fails, changes its mind, or is killed: the store holds the right data, and every gap is named."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from kill_download import NOW, contents, fetch, kills
from vendors import FAULTS, SLOW, Vendors, prices

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError
from forecastkit.data.sources import load_market
from forecastkit.data.store import Store
from forecastkit.vendors.base import LiveSource, fetch_each
from forecastkit.vendors.download import download_lock, download_universe, read_fetch_record

NYSE = get_calendar("XNYS")


@pytest.fixture
def server():
    with Vendors() as found:
        yield found


def bytes_below(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_symbol_is_right_or_named(tmp_path, server):
    faults = [fault for fault in FAULTS if fault not in SLOW]  # waited for in test_live
    symbols = [f"S{k:02d}" for k in range(2 * len(faults))] + ["NONE", "GOOD"]
    for symbol, fault in zip(symbols, [*faults, *(f"{fault}!" for fault in faults)]):
        server.faults[f"/{symbol}"] = [fault]
    report = fetch(tmp_path, server.address, symbols)
    states = dict(zip(symbols, (result.state for result in report.results)))
    assert [result.symbol for result in report.results] == symbols
    named = {line.split(": ")[1] for line in str(report).splitlines() if line.startswith("  failed: ")}
    assert named == {symbol for symbol, state in states.items() if state == "failed"}
    assert states["NONE"] == "failed"
    assert all(states[symbol] == "failed" for symbol, fault in zip(symbols[len(faults) :], faults) if fault != "gzip")
    for symbol in set(symbols) - named:
        pd.testing.assert_series_equal(
            Store(tmp_path).bars(symbol)["close"], prices(symbol)["close"], check_names=False, check_freq=False
        )
    assert set(Store(tmp_path).symbols) == set(symbols) - named
    server.faults.clear()
    again = fetch(tmp_path, server.address, [symbol for symbol in symbols if symbol != "NONE"])
    assert not again.failed


def test_a_second_run_asks_for_nothing_and_changes_no_byte(tmp_path, server):
    symbols = ["AAPL", "BRK.B", "^GSPC"]
    fetch(tmp_path, server.address, symbols)
    before, server.requests[:] = bytes_below(tmp_path), []
    report = fetch(tmp_path, server.address, symbols, now=NOW + pd.Timedelta(hours=1))
    assert ([o.state for o in report.results], server.requests) == (["unchanged"] * 3, [])
    assert bytes_below(tmp_path) == before


def test_extended_day_by_day_equals_fetched_at_once(tmp_path, server):
    for day in pd.DatetimeIndex(["2018-11-30", "2018-12-03", "2018-12-21", "2018-12-31"]):
        server.until = day
        report = fetch(tmp_path / "grown", server.address, ["A"], now=day.tz_localize("UTC") + pd.Timedelta(hours=22))
    assert report.results[0].state == "extended"
    fetch(tmp_path / "once", server.address, ["A"])
    grown, once = contents(tmp_path / "grown")["A"], contents(tmp_path / "once")["A"]
    pd.testing.assert_frame_equal(grown, once)
    assert len(server.requests) == 5


def test_a_split_is_seen_and_the_whole_fetched_again(tmp_path, server):
    server.until = pd.Timestamp("2018-11-30")
    fetch(tmp_path, server.address, ["A", "B"], now=pd.Timestamp("2018-11-30 22:00", tz="UTC"))
    server.until, server.splits["A"] = pd.Timestamp("2018-12-31"), 4.0
    report = fetch(tmp_path, server.address, ["A", "B"])
    assert [result.state for result in report.results] == ["replaced", "extended"]
    assert "times 0.25 now" in str(report)
    market = load_market([Store(tmp_path)])
    assert market.close("A").iloc[0] == pytest.approx(prices("A")["close"].iloc[0] / 4)
    assert market.as_of("2018-11-30").close("A").iloc[0] == prices("A")["close"].iloc[0]  # what was known then


def test_a_later_start_does_not_leave_the_beginning_in_old_prices(tmp_path, server):
    fetch(tmp_path, server.address, ["A"])
    server.splits["A"] = 2.0
    calls = []

    def vendor(symbol, start, end):
        calls.append(start)
        return (prices("A") / 2)[start:end]

    source = LiveSource("yahoo", fetch_each(vendor), ("A",), grows=True)
    store = Store(tmp_path)
    report = download_universe(
        ["A"], [source], store, tmp_path, start="2018-06-01", now=NOW + pd.Timedelta(days=2), calendar=NYSE
    )
    assert report.results[0].state == "replaced"
    assert calls[-1] == pd.Timestamp("2014-01-02")
    assert store.bars("A")["close"].pct_change().abs().max() < 0.2


def test_a_failure_keeps_what_was_there(tmp_path, server):
    server.until = pd.Timestamp("2018-11-30")
    fetch(tmp_path, server.address, ["A"], now=pd.Timestamp("2018-11-30 22:00", tz="UTC"))
    before = bytes_below(tmp_path)
    server.faults["/A"] = ["html!"]
    (result,) = fetch(tmp_path, server.address, ["A"]).results
    assert (result.state, str(result)[:3]) == ("failed", "A: ")
    assert result.why.endswith("what was there is kept")
    assert bytes_below(tmp_path) == before


def test_impossible_prices_are_refused_and_named(tmp_path):
    source = LiveSource("vendor", fetch_each(lambda symbol, start, end: prices("A") * 0), ("A",))
    (result,) = download_universe(["A", "B"], [source], Store(tmp_path), tmp_path, now=NOW, calendar=NYSE).failed[:1]
    assert str(result).startswith("A 2014-01-02: a price of 0 or less")
    assert Store(tmp_path).symbols == ()


def test_holes_and_early_ends_are_told(tmp_path):
    bars = prices("A").drop(pd.Timestamp("2018-06-01"))[:"2018-12-27"]
    source = LiveSource("vendor", fetch_each(lambda symbol, start, end: bars[start:end]), ("A",))
    report = download_universe(["A"], [source], Store(tmp_path), tmp_path, now=NOW, calendar=NYSE)
    assert "A: absent sessions: 1, the first 2018-06-01; it ends with 2018-12-27; sessions since: 2" in str(report)


def test_a_run_at_noon_stores_no_price_of_noon(tmp_path, server):
    noon = pd.Timestamp("2018-12-31 12:00", tz="America/New_York").tz_convert("UTC")
    fetch(tmp_path, server.address, ["A"], now=noon)
    assert Store(tmp_path).bars("A").index[-1] == pd.Timestamp("2018-12-28")
    assert fetch(tmp_path, server.address, ["A"]).results[0].state == "extended"


def test_published_series_are_asked_for_once_a_session(tmp_path):
    calls = []

    def vendor(symbol, start, end):
        calls.append(symbol)
        return pd.DataFrame({"value": [2.5, 2.6]}, pd.DatetimeIndex(["2018-12-27", "2018-12-28"]))

    source = LiveSource("fred", fetch_each(vendor), ("DGS10",))
    for hours in (0, 1, 2):
        report = download_universe(
            ["DGS10"], [source], Store(tmp_path), tmp_path, now=NOW + pd.Timedelta(hours=hours), calendar=NYSE
        )
    assert (calls, report.results[0].state) == (["DGS10"], "unchanged")
    download_universe(["DGS10"], [source], Store(tmp_path), tmp_path, now=NOW + pd.Timedelta(days=2), calendar=NYSE)
    assert len(calls) == 2


def test_two_runs_do_not_trample_each_other(tmp_path, server):
    with download_lock(tmp_path), pytest.raises(DataError, match="another download is at work"):
        fetch(tmp_path, server.address, ["A"])
    assert not fetch(tmp_path, server.address, ["A"]).failed
    record = read_fetch_record(tmp_path, "A")
    assert record is not None
    assert record.source == "yahoo"


def test_killed_and_run_again_the_store_is_that_of_an_undisturbed_run(tmp_path):
    kills(tmp_path, times=3, count=12, longest=0.8, seed=2018)
