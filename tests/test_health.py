"Every check finds its seeded fault and a genuine one, and nothing on a market that has none."

import gzip
import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.data.checks import (
    FAULT_KINDS,
    bar_faults,
    disagreements,
    published_faults,
    series_faults,
    stale_faults,
)
from forecastkit.data.health import file_report, health_report, market_health, volume_faults, write_health
from forecastkit.data.market import MarketData
from forecastkit.data.sources import SampleSource, load_packaged
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.volatility import volatility_features

NYSE = get_calendar("XNYS")

SPX = synthetic_market(seed=3, sessions=800).market.bars("SPX")
PRICE_COLUMNS = ["open", "high", "low", "close"]


def counts(faults):
    return {(fault.symbol, fault.kind): fault.count for fault in faults}


@pytest.mark.parametrize("seed", range(7))
def test_nothing_is_found_where_nothing_is(seed):
    "Over 1e5 rows in all, of indices, stocks and yields."
    market = synthetic_market(seed, 1500, "1998-01-02", stocks=("AAA1", "BBB")).market
    report = market_health(market)
    assert report.faults == () and report.looked_at["rows"].sum() > 1e5 / 7


def seeded(kind: str) -> pd.DataFrame:
    bars = SPX.copy()
    if kind == "text":
        return bars.astype(object).assign(close=lambda f: f["close"].where(f.index != f.index[40], "n/a"))
    if kind == "future date":
        return pd.concat([bars, bars.iloc[[-1]].set_axis([pd.Timestamp("2030-01-02")])])
    if kind == "same row twice":
        return pd.concat([bars, bars.iloc[[7]]])
    if kind == "rows that differ":
        return pd.concat([bars, bars.iloc[[7]] + 1])
    if kind == "no session":
        return pd.concat([bars, bars.iloc[[7]].set_axis([pd.Timestamp("2010-07-05")])])
    if kind == "missing session":
        return bars.drop(bars.index[100])
    at = {
        "price of 0 or less": (60, PRICE_COLUMNS, 0.0),
        "volume below 0": (60, ["volume"], -1.0),
        "no close": (60, ["close"], np.nan),
    }
    if kind in at:
        row, columns, value = at[kind]
        bars.loc[bars.index[row], columns] = value
    elif kind == "high below low":
        bars.loc[bars.index[60], ["high", "low"]] = bars.loc[bars.index[60], ["low", "high"]].to_numpy()
    elif kind == "outside low..high":
        bars.loc[bars.index[60], "open"] *= 1.1
    elif kind == "no range":
        bars.iloc[200:210, :3] = bars["close"].iloc[200:210].to_numpy()[:, None]
    elif kind == "stale":
        bars.iloc[300:312] = bars.iloc[300].to_numpy()
    elif kind == "spike":
        bars.loc[bars.index[400], PRICE_COLUMNS] *= 10
    elif kind == "unadjusted split":
        bars.iloc[:400, :4] *= 3
    elif kind == "jump":
        bars.iloc[:400, :4] *= 37
    elif kind == "unfinished bar":
        bars.iloc[-1, 4] /= 30
    return bars


@pytest.mark.parametrize("kind", [
    "text", "future date", "same row twice", "rows that differ", "no session", "missing session", "price of 0 or less", "no close",
    "volume below 0", "high below low", "outside low..high", "no range", "stale", "spike", "unadjusted split", "jump", "unfinished bar",
])  # fmt: skip
def test_a_seeded_fault_is_found_and_no_other(kind):
    faults = series_faults("SPX", seeded(kind), NYSE, today="2020-01-01")
    expected = {kind} | ({"no close"} if kind == "text" else set())
    assert {fault.kind for fault in faults} == expected
    assert all(str(fault) and fault.grade == FAULT_KINDS[fault.kind][0] for fault in faults)


@pytest.mark.parametrize(("still", "count"), [(10, 10), (9, 0)])
def test_a_close_is_stale_that_rests_for_ten_sessions_where_it_does_not_rest_otherwise(still, count):
    "Ten of fifteen changes are none, in one run: the run itself says nothing of how often a close rests."
    close = np.r_[np.full(still + 1, 100.0), np.arange(101.0, 106.0)]
    bars = pd.DataFrame({"close": close}, NYSE.sessions_in_range("2018-01-02", "2018-02-28")[: len(close)])
    found = stale_faults("SPX", bars)
    assert sum(one.count for one in found) == count and len(found) == (count > 0)


def published(days, **columns) -> pd.DataFrame:
    return pd.DataFrame({"value": np.linspace(2.0, 3.0, len(days)), **columns}, days)


@pytest.mark.parametrize(
    ("series", "freq", "longest"), [("DGS10", "B", 7), ("ICSA", "W-SAT", 16), ("UNRATE", "MS", 74)]
)
def test_a_published_series_has_a_gap_where_it_is_silent_for_long_beside_its_own_rhythm(series, freq, longest):
    "Days since the value before: so many are none, one more is a gap, dated by the value that ended it."
    days = pd.date_range("2017-01-01", "2018-06-01", freq=freq, unit="us")
    for silent, expected in ((longest, []), (longest + 1, [days[-1] + pd.Timedelta(days=longest + 1)])):
        late = days.append(pd.DatetimeIndex([days[-1] + pd.Timedelta(days=silent)], dtype=days.dtype))
        found = [one for one in published_faults(series, published(late), "2018-12-31") if one.kind == "gap"]
        assert [(one.symbol, one.session, one.count) for one in found] == [(series, day, 1) for day in expected]
        assert all("nothing for long before 2018-" in str(one) for one in found)


def test_a_seeded_fault_of_a_published_series_is_found_and_no_other():
    days = pd.date_range("2018-01-01", periods=60, freq="B", unit="us")
    known = {"known_at": days.tz_localize("UTC") + pd.Timedelta(days=1)}
    sound = published(days, **known)
    faults = {
        "future date": sound.set_axis([*days[:-1], pd.Timestamp("2018-03-26")]),
        "same row twice": pd.concat([sound, sound.iloc[[7]]]),
        "text": sound.astype({"value": object}).assign(value=lambda f: f["value"].where(f.index != days[4], "n/a")),
        "gap": sound.drop(index=days[20:26]),
    }
    assert published_faults("DGS10", sound, "2018-03-25") == []
    for kind, frame in faults.items():
        found = published_faults("DGS10", frame, "2018-03-25")
        assert [(one.symbol, one.kind, one.count) for one in found] == [("DGS10", kind, 1)], kind


def test_the_traps_of_the_real_folder_with_their_counts(shared_data):
    report = health_report(f"folder:{shared_data}")
    found = counts(report.faults)
    vix = {kind: n for (symbol, kind), n in found.items() if symbol == "VIX"}
    assert vix == {"no range": 505, "outside low..high": 47, "no session": 1, "missing session": 4}
    fred = sorted(path.stem for path in (shared_data / "fred").glob("*.csv"))
    rows = {one.symbol: one.rows for one in report.series}
    assert {symbol: found.pop((symbol, "observation dates")) for symbol in fred} == {
        symbol: rows[symbol] for symbol in fred
    }
    latest = {symbol for symbol, kind in found if kind == "latest vintage"}
    assert latest == {"NFCI", "ICSA", "PAYEMS", "UNRATE"}
    for symbol, bars in {"SPY": 1950, "QQQ": 1948, "AAPL": 1948}.items():
        assert {found[symbol, kind] for kind in ("newest first", "no time zone", "stamped at bar end")} == {bars}
    assert found["AAPL", "missing bars"] == found["QQQ", "missing bars"] == 2
    rest = {key: n for key, n in found.items() if key[0] not in {"VIX", "SPY", "QQQ", "AAPL", *fred}}
    assert rest == {
        ("CNMSshvol20210802_10rows", "trailer"): 1,
        ("CNMSshvol20210802_10rows", "foreign spelling"): 1,
        ("company_facts_TSLA", "filed later"): 17713,
        ("company_facts_TSLA", "restated"): 874,
        ("company_submission_TSLA", "filed later"): 605,
        ("fomc_dates", "surprise"): 9,
        ("fomc_dates", "cancelled"): 1,
        ("sp500_constituents", "survivors"): 503,
    }


def test_adjusted_and_raw_closes_of_one_stock_are_told_apart(shared_data):
    "Minutes of 2019 are raw, the sample is adjusted for the split of 2020 and for dividends."
    report = health_report([f"folder:{shared_data}", "sample"], symbols=["AAPL", "VIX"])
    apart = [fault for fault in report.faults if fault.kind in ("adjusted differently", "sources disagree")]
    assert [(fault.symbol, fault.kind, fault.count) for fault in apart] == [("AAPL", "adjusted differently", 5)]


def test_what_is_found_in_the_sample_and_what_is_not():
    "Three decades of twenty stocks: crashes are no splits; one stock of 1990 is broken, and is the only one found."
    sample = SampleSource()
    suspect = {"spike", "unadjusted split", "jump", "stale"}
    found = {
        symbol
        for symbol in sample.symbols
        for f in series_faults(symbol, sample.read(symbol, NYSE).frame, NYSE)
        if f.kind in suspect
    }
    assert found == {"RRC"}


def test_two_vendors_of_one_index_agree():
    both = load_packaged("sp500_index")["SP500"], load_packaged("sp500")["Close"]
    assert disagreements("SPX", *both, ("skfolio", "arch")) == []


def test_a_gap_costs_the_features_of_its_series():
    feeds = {}
    for feature in volatility_features():
        for symbol in feature.needs:
            feeds.setdefault(symbol, []).append(feature.name)
    market = MarketData({"VIX": SPX.drop(SPX.index[50])[["close"]]})
    costs = market_health(market, feeds).costs.set_index("symbol")
    assert costs.loc["VIX", "at_fault"] == "missing session 1" and costs.loc["VIX", "features"] == len(feeds["VIX"])
    assert costs.loc["SPX", "at_fault"] == "absent"


def test_a_file_written_before_the_close_of_its_last_row(tmp_path):
    file = tmp_path / "SPX.csv"
    SPX.rename_axis("date").to_csv(file)
    last = SPX.index[-1]
    for hour, kinds in ((17, ["unfinished bar"]), (23, [])):
        moment = pd.Timestamp(f"{last:%Y-%m-%d} {hour}:00Z").timestamp()
        os.utime(file, (moment, moment))
        assert [fault.kind for fault in file_report(file, "SPX.csv", NYSE).faults] == kinds


def test_values_of_a_quoted_index_are_judged_as_closes_and_those_of_a_published_series_are_not(tmp_path):
    closes = SPX["close"].copy()
    closes.iloc[400] *= 3.0
    for name, kinds in (("VIX", ["spike"]), ("DGS10", [])):
        file = tmp_path / f"{name}.csv"
        closes.rename(name).rename_axis("DATE").to_csv(file)
        told = file_report(file, file.name, NYSE, today="2030-01-02").faults
        assert [fault.kind for fault in told if fault.kind == "spike"] == kinds, name


def test_a_document_of_facts_is_reported_under_its_name(tmp_path):
    file = tmp_path / "AAPL.facts.json"
    file.write_text(json.dumps({"facts": {}}))
    report = file_report(file, file.name, NYSE)
    assert (report.symbol, report.kind) == ("AAPL", "other")


@pytest.mark.parametrize("rows", [1, 2])
def test_a_file_of_one_intraday_bar_has_no_step_and_no_missing_bars(tmp_path, rows):
    file = tmp_path / "AAPL_1min.csv"
    lines = ["datetime,open,high,low,close", *["2019-02-15 16:00:00,1,1,1,1"] * rows]
    file.write_text("\n".join(lines))
    assert "missing bars" not in [fault.kind for fault in file_report(file, file.name, NYSE).faults]


def test_the_page_is_whole_and_escapes(tmp_path):
    (tmp_path / "bars").mkdir()
    SPX.drop(SPX.index[9]).rename_axis("date").to_csv(tmp_path / "bars" / "SPX.csv")
    report = health_report(f"folder:{tmp_path}/bars", feeds={"SPX": ["<b>spx</b>"]})
    page = write_health(report, tmp_path / "health.html").read_text()
    assert "missing session" in page and "&lt;b&gt;spx" in page and "<b>spx" not in page
    assert not any(word in page for word in ("http:", "https:", "<script", "src="))
    assert json.loads(json.dumps(report.to_dict()))["faults"][0]["symbol"] == "SPX"


def test_every_fault_says_where_it_is(shared_data):
    report = health_report(f"folder:{shared_data}")
    assert all(fault.source.startswith("data/") and fault.words and fault.count > 0 for fault in report.faults)
    assert report.table["kind"].isin(FAULT_KINDS).all() and set(report.table["symbol"]) == {
        f.symbol for f in report.faults
    }
    assert replace(report, series=()).faults == report.compared


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_broken_files_end_in_faults_not_in_tracebacks(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    name = data.draw(
        st.sampled_from(
            ["VIX.csv", "VIX.csv.gz", "VIX.parquet", "facts.json", "facts.json.gz", "short.txt", "AAPL_1min.csv"]
        )
    )
    text = {
        "VIX": "DATE,OPEN,HIGH,LOW,CLOSE\n2018-02-02,13.64,17.86,13.64,17.31\n2018-02-05,18.44,38.8,16.8,37.32\n",
        "fac": '{"facts": {"a": {"b": {"units": {"USD": [{"end": "2019-12-31", "filed": "2020-02-13", "val": 1}]}}}}}',
        "sho": "Date|Symbol|ShortVolume\n20210802|KEY|771419\n1\n",
        "AAP": "datetime,open,high,low,close\n2019-02-15 16:00:00,1,1,1,1\n2019-02-15 15:59:00,1,1,1,1\n",
    }[name[:3]].encode()
    content = gzip.compress(text) if name.endswith(".gz") else text
    at = data.draw(st.integers(0, len(content) - 1))
    content = data.draw(st.sampled_from([
        content[:at], content[:at] + data.draw(st.binary(max_size=6)) + content[at:], content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
    ]))  # fmt: skip
    (folder / name).write_bytes(content)
    report = health_report([f"folder:{folder}"]) if name.startswith(("VIX", "AAP")) else None
    told = file_report(folder / name, name, NYSE)
    assert report is None or report.text()
    assert told is None or all(str(fault) for fault in told.faults)


@pytest.mark.parametrize(("volume", "kinds"), [("100", ["trailer"]), ("100.5", ["trailer", "fractions"])])
def test_fractions_of_shares_are_named_where_a_volume_has_some(volume, kinds):
    text = f"Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market\n20210802|AAA|{volume}|0|900|B.Q\n20210802|BBB|7|0|90|B\n2\n"
    found = volume_faults("CNMS", text)
    assert [one.kind for one in found] == kinds and found[-1].count == 1


def test_a_session_without_trades_has_no_volume_below_zero():
    days = pd.bdate_range("2018-02-05", periods=3)
    bars = pd.DataFrame({"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.0, "volume": [100.0, 0.0, -1.0]}, days)
    assert [(fault.kind, fault.count) for fault in bar_faults("AAA", bars)] == [("volume below 0", 1)]
