"""Live sources against a server that answers as the vendors do and fails in all their ways."""

import gzip
import json
import threading
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendors import FAULTS, SLOW, Vendors, prices

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError
from forecastkit.core.settings import LiveSettings
from forecastkit.data.sources import load_market
from forecastkit.vendors.base import parse_table
from forecastkit.vendors.catalogue import open_client, open_live
from forecastkit.vendors.cboe import cboe_source
from forecastkit.vendors.edgar import Edgar, edgar_facts
from forecastkit.vendors.finra import finra_day, finra_source
from forecastkit.vendors.fred import alfred_source, alfred_vintages, fred_source
from forecastkit.vendors.http import HttpClient, RateLimiter
from forecastkit.vendors.yahoo import chart_table, chart_tables, yahoo_bars, yahoo_source, yfinance_tables

NYSE = get_calendar("XNYS")

VIX = "DATE,OPEN,HIGH,LOW,CLOSE\n02/02/2018,13.64,17.86,13.64,17.31\n02/05/2018,18.44,38.80,16.80,37.32\n"


@pytest.fixture
def server():
    with Vendors() as found:
        found.files["/VIX_History.csv"] = ("text/csv", VIX.encode())
        yield found


@pytest.fixture
def client():
    with HttpClient(
        rate=1e4, timeout=1.0, attempts=4, first_wait=0.001, user_agent="tests nobody@example.org"
    ) as found:
        yield found


def sources(client, server):
    return {
        "VIX": cboe_source(client, server.address),
        "AAPL": yahoo_source(["AAPL"], chart_tables(client, server.address)),
    }


@pytest.mark.parametrize("symbol", ["VIX", "AAPL"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_ends_in_the_right_data_or_in_one_line(fault, symbol, client, server):
    right = sources(client, server)[symbol].read(symbol, NYSE).frame
    server.faults["/"] = [fault] * (1 if fault in SLOW else 2)
    try:
        found = sources(client, server)[symbol].read(symbol, NYSE).frame
    except DataError as error:
        assert str(error).startswith(f"{symbol}:")
        assert "\n" not in str(error)
        assert fault in ("404", "json error"), "a passing fault was not asked about again"
    else:
        pd.testing.assert_frame_equal(found, right)


@pytest.mark.parametrize("symbol", ["VIX", "AAPL"])
@pytest.mark.parametrize("fault", sorted({*FAULTS} - {"gzip"}))
def test_a_fault_that_stays_ends_in_one_line(fault, symbol, server):
    server.faults["/"] = [f"{fault}!"]
    line = rf"^{symbol}: 127\.0\.0\.1:\d+ .+$"
    impatient = HttpClient(rate=1e4, timeout=0.2, attempts=3, first_wait=0.001)
    with impatient as client, pytest.raises(DataError, match=line) as caught:
        sources(client, server)[symbol].read(symbol, NYSE)
    assert "\n" not in str(caught.value)
    assert len(server.requests) <= (6 if fault == "round" else 3)


def test_one_of_several_that_fails_takes_no_other_along(client, server):
    found = yahoo_source(["A", "NONE", "B"], chart_tables(client, server.address)).fetch(["A", "NONE", "B"], None, None)
    assert [isinstance(one, DataError) for one in found.values()] == [False, True, False]
    assert str(found["NONE"]).endswith("answers 404: No data found, symbol may be delisted")
    pd.testing.assert_series_equal(found["B"]["close"], prices("B")["close"], check_names=False, check_freq=False)


def test_a_key_is_in_no_error(client, server):
    server.faults["/"] = ["500!"]
    with pytest.raises(DataError) as caught:
        alfred_source(client, "s3cret", server.address).read("UNRATE", NYSE)
    assert "s3cret" not in str(caught.value)
    assert any("s3cret" in path for path in server.requests)


def test_threads_share_one_rate():
    clock, slept = 0.0, []
    limiter = RateLimiter(20, clock=lambda: clock, sleep=slept.append)
    threads = [threading.Thread(target=lambda: [limiter.wait() for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slept) == pytest.approx([k / 20 for k in range(1, 100)])


def test_vendors_that_change_their_columns_are_refused(client, server):
    for text in (
        VIX.replace("CLOSE", "LAST"),
        VIX.replace("DATE", "DAY"),
        VIX.replace("CLOSE", "CLOSE,BID").replace("2\n", "2,1\n"),
    ):
        server.files["/VIX_History.csv"] = ("text/csv", text.encode())
        with pytest.raises(DataError, match=r"^VIX: "):
            cboe_source(client, server.address).read("VIX", NYSE)


def test_alfred_reads_all_pages(client, server, monkeypatch):
    rows = [{"date": "2018-01-01", "value": str(k), "realtime_start": f"2018-02-{k:02d}"} for k in range(1, 6)]
    pages = [{"count": 5, "observations": rows[:3]}, {"count": 5, "observations": rows[3:]}]
    monkeypatch.setattr(
        server, "body", lambda path, query: ("application/json", json.dumps(pages[query["offset"] != ["0"]]).encode())
    )
    assert alfred_source(client, "key", server.address).read("UNRATE", NYSE).frame["value"].tolist() == [1, 2, 3, 4, 5]


# The words of the settings, each asked at the address that the settings give.

FACTS = {
    "us-gaap": {"Assets": {"units": {"USD": [{"end": "2017-12-31", "val": 7, "filed": "2018-02-05", "form": "10-K"}]}}}
}
ANSWERS = {
    "/fred?id=DGS10": "observation_date,DGS10\n2018-02-02,2.84\n2018-02-05,2.77\n",
    "/alfred": json.dumps({"count": 1, "observations": [{"date": "2018-01-01", "value": "4.1", "realtime_start": "2018-02-02"}]}),
    "/finra/CNMSshvol20180205.txt": "Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market\n20180205|AAPL|5|0|20|B,Q,N\n1\n",
    "/tickers": json.dumps({"0": {"cik_str": 320193, "ticker": "AAPL", "title": "Apple Inc."}}),
    "/api/xbrl/companyfacts/CIK0000320193.json": json.dumps({"facts": FACTS}),
}  # fmt: skip


def addresses(server, **more) -> LiveSettings:
    "Live settings that ask the local server for everything."
    at = server.address
    own = {"yahoo": at, "cboe": at, "fred": f"{at}/fred", "alfred": f"{at}/alfred", "finra": f"{at}/finra", "edgar": at}
    return LiveSettings(rate=1000, attempts=1, edgar_tickers=f"{at}/tickers", **own, **more)


@pytest.mark.parametrize(
    ("word", "symbol", "value"),
    [
        ("yahoo", "AAPL", None),
        ("cboe", "VIX", 37.32),
        ("fred", "DGS10", 2.77),
        ("alfred", "UNRATE", 4.1),
        ("finra", "AAPL_SHORT", 0.25),
        ("edgar", "AAPL_ASSETS", 7.0),
    ],
)
def test_each_word_asks_at_its_address(word, symbol, value, server):
    for path, body in ANSWERS.items():
        server.files[path] = ("application/json" if body.startswith("{") else "text/csv", body.encode())
    access = addresses(server, fred_key="abc123", contact="tests nobody@example.org")
    day = pd.Timestamp("2018-02-05")
    with open_client(access) as client:
        (source,) = open_live([word], [symbol, "SPX"], access, client)
        frame = source.fetch([symbol], day if word == "finra" else None, day)[symbol]
    assert (source.name, symbol in source, symbol in source.symbols) == (word, True, True)
    last = frame["close" if "close" in frame.columns else "value"].iloc[-1]
    assert last == (prices("AAPL")["close"][day] if value is None else value)
    assert all("abc123" not in path for path in server.requests) or word == "alfred"


def test_the_first_word_that_claims_a_symbol_is_asked(server):
    access = addresses(server)
    with open_client(access) as client:
        both = open_live(["cboe", "yahoo"], ["VIX", "AAPL", "DGS10", "AAPL_SHORT"], access, client)
    first = {
        s: next((source.name for source in both if s in source), "") for s in ("VIX", "AAPL", "DGS10", "AAPL_SHORT")
    }
    assert first == {"VIX": "cboe", "AAPL": "yahoo", "DGS10": "", "AAPL_SHORT": ""}
    assert server.requests == []


# Genuine files, as their vendors wrote them.


def test_genuine_vix_and_fred(client, server, shared_data: Path):
    server.files["/VIX_History.csv"] = ("text/csv", (shared_data / "cboe" / "vix-daily.csv").read_bytes())
    names = ("DGS10", "DFF", "NFCI", "ICSA", "UNRATE")
    for name in names:
        server.files[f"/{name}"] = ("application/csv", (shared_data / "fred" / f"{name}.csv").read_bytes())
        reading = fred_source(client, f"{server.address}/{name}").read(name, NYSE)
        assert len(reading.frame) > 500
    market = load_market([cboe_source(client, server.address)], ["VIX"])
    assert len(market.bars("VIX")) == 7303  # one row lies on a holiday
    assert market.close("VIX")["2018-02-05"] == 37.32


def test_genuine_finra(client, server, shared_data: Path):
    body = (shared_data / "finra" / "CNMSshvol20210802_10rows.txt").read_bytes()
    server.files["/CNMSshvol20210802.txt"] = ("text/plain", body)
    day = pd.Timestamp("2021-08-02")
    found = finra_source(client, ["TSLA", "RDS.A"], NYSE, base=server.address).fetch(
        ["TSLA_SHORT", "RDS.A_OFFEX"], day, day
    )
    assert found["TSLA_SHORT"]["value"].tolist() == [5368275 / 14686076]
    assert found["RDS.A_OFFEX"]["value"].tolist() == [910288.0]


def test_genuine_edgar(client, server, shared_data: Path):
    for name, file in (("/api/xbrl/companyfacts", "company_facts_TSLA"), ("/submissions", "company_submission_TSLA")):
        body = gzip.decompress((shared_data / "sec" / f"{file}.json.gz").read_bytes())
        server.files[f"{name}/CIK0001318605.json"] = ("application/json", body)
    server.files["/tickers"] = (
        "application/json",
        b'{"0": {"cik_str": 1318605, "ticker": "TSLA", "title": "Tesla, Inc."}}',
    )
    edgar = Edgar(client, server.address, f"{server.address}/tickers")
    filings = edgar.filings("TSLA")
    assert {"10-K", "10-Q"} <= set(filings["form"])
    assert filings["known_at"].is_monotonic_increasing
    market = load_market([edgar.source(["TSLA_ASSETS", "TSLA_NETINCOMELOSS_Q"])])
    assets = market.as_of("2018-02-26").macro("TSLA_ASSETS")
    assert assets.index[-1] == pd.Timestamp("2017-12-31")
    assert assets.iloc[-1] == 28655372000
    assert market.as_of("2018-02-23").macro("TSLA_ASSETS").index[-1] == pd.Timestamp(
        "2017-09-30"
    )  # filed that day, known after it


# Whatever a vendor sends, it ends in a table or in a DataError.

FINRA = "Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market\n20180205|AAPL|9|1|20|B,Q,N\n20180205|T|5.5|0|20|B\n2\n"
JUNK = st.sampled_from([",", "\n", "|", "x", "0", "-", "", "\x00", '"', "é", "1e999", "2018"])
MONDAY = pd.Timestamp("2018-02-05")


@settings(max_examples=100, deadline=None)
@given(text=st.sampled_from([VIX, FINRA]), at=st.integers(0, 120), length=st.integers(0, 9), junk=JUNK)
def test_a_mutated_table_ends_in_a_table_or_an_error(text, at, length, junk):
    mutated = text[:at] + junk + text[at + length :]
    try:
        parse_table("VIX", mutated, ranged=True) if text is VIX else finra_day(MONDAY, mutated)
    except DataError as error:
        assert str(error)


VALUES = st.sampled_from([None, [], {}, "x", -1, [None], {"a": 1}, "2018-13-01", 1e999])


def spoil(document, path, value):
    "The document with one of its branches, chosen by numbers, replaced."
    if not path or not isinstance(document, (dict, list)) or not document:
        return value
    keys = [*document] if isinstance(document, dict) else [*range(len(document))]
    key = keys[path[0] % len(keys)]
    changed = document.copy()
    changed[key] = spoil(document[key], path[1:], value)
    return changed


DOCUMENTS = {
    "chart": {"chart": {"error": None, "result": [{
        "meta": {"symbol": "A", "exchangeTimezoneName": "America/New_York"}, "timestamp": [1517841000],
        "events": {"dividends": {"1": {"date": 1517841000, "amount": 1.0}}},
        "indicators": {"quote": [{k: [1.0] for k in ("open", "high", "low", "close", "volume")}], "adjclose": [{"adjclose": [1.0]}]}}]}},
    "alfred": [{"date": "2018-01-01", "value": "1", "realtime_start": "2018-02-02", "realtime_end": "9999-12-31"}],
    "edgar": {"facts": {"dei": {"Shares": {"units": {"shares": [{"end": "2018-01-01", "val": 1, "form": "10-K", "filed": "2018-02-02"}]}}}}},
}  # fmt: skip
READERS = {
    "chart": lambda d: chart_table("A", d),
    "alfred": lambda d: alfred_vintages("A", d),
    "edgar": lambda d: edgar_facts("A", d),
}


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from([*DOCUMENTS]), path=st.lists(st.integers(0, 9), min_size=1, max_size=9), value=VALUES)
def test_a_mutated_document_ends_in_a_table_or_an_error(name, path, value):
    try:
        READERS[name](spoil(DOCUMENTS[name], path, value))
    except DataError as error:
        assert str(error)


def test_yfinance_itself_gives_the_tables_and_reasons_that_are_expected(monkeypatch):
    "Its own code, but for the one method that would reach the network."
    import yfinance

    def history(self, **options):
        if self.ticker != "AAPL":
            raise RuntimeError("Too Many Requests")
        bars = prices("AAPL").tail(5).rename(columns=str.capitalize).tz_localize("America/New_York")
        return bars.assign(**{"Adj Close": bars["Close"], "Dividends": 0.0, "Stock Splits": 0.0})

    monkeypatch.setattr(yfinance.Ticker, "history", history)
    slept = []
    tables = yfinance_tables(RateLimiter(1e4), attempts=3, sleep=slept.append)(
        ["AAPL", "MSFT"], pd.Timestamp("2018-12-01")
    )
    close = yahoo_bars(tables["AAPL"])["close"]
    pd.testing.assert_series_equal(close, prices("AAPL")["close"].tail(5), check_names=False, check_freq=False)
    assert str(tables["MSFT"]).startswith("MSFT: yahoo answers: RuntimeError('Too Many Requests')")
    assert len(slept) == 2


SECRET = "zqS3cr8etQz"  # noqa: S105


@pytest.mark.parametrize(
    "said",
    [
        f"Failed to connect to http://ada:{SECRET}@proxy.example.org:8080", f"407 for ada with {SECRET}",
        "Proxy-Authorization: Basic BASE64", "tunnel refused (BASE64)", f"/v8/chart?crumb={SECRET}&x=1", f"token={SECRET}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [OSError, RuntimeError, ValueError, KeyError])
def test_yfinance_shows_no_secret_of_a_proxy(monkeypatch, tmp_path, caplog, capsys, said, kind):
    "Planted in what yfinance raises and logs; looked for in errors, tracebacks, logs, notes and files of the store."
    import base64
    import logging
    import traceback

    from forecastkit.vendors.yahoo import yahoo_schedule

    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:{SECRET}@proxy.example.org:8080")
    coded = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    said = said.replace("BASE64", coded)

    def download(tickers, **options):
        logging.getLogger("yfinance").error(f"['{tickers[0]}']: {said}")
        if len(tickers) == 1:
            raise kind(said)
        return pd.DataFrame()

    caplog.set_level(logging.DEBUG)
    source = yahoo_source(["AAPL", "MSFT"], yfinance_tables(RateLimiter(1e4), download, attempts=1))
    found = [*source.fetch(["AAPL"], None, None).values(), *source.fetch(["AAPL", "MSFT"], None, None).values()]

    def calendar(ticker):
        raise kind(said)

    try:
        yahoo_schedule("AAPL", fetch=calendar)
    except (DataError, RuntimeError) as error:
        found.append(error)
    assert len(found) == 4 and all(isinstance(error, (DataError, RuntimeError)) for error in found[:3])
    shown = ["".join(traceback.format_exception(error)) for error in found if isinstance(error, DataError)]
    shown += [caplog.text, *capsys.readouterr()]
    assert not any(SECRET in text or coded.rstrip("=") in text for text in shown)


def test_what_an_address_says_is_hidden_also_as_a_header_has_it():
    import base64

    from forecastkit.core import redacted
    from forecastkit.vendors.http import secrets_in

    coded = base64.b64encode(f"ada:{SECRET}@x".encode()).decode()
    hidden = secrets_in(f"https://ada:{SECRET}%40x@host/x?k={SECRET}k", {"symbol": "AAPL"})
    for said in (
        f"no entry for Basic {coded}",
        f"saw {coded.rstrip('=')}",
        f"k is {SECRET}k",
        f"{SECRET}%40x",
        f"{SECRET}@x",
    ):
        shown = redacted(said, hidden)
        assert SECRET not in shown and coded.rstrip("=") not in shown
    assert redacted("AAPL is unknown", hidden) == "AAPL is unknown"


@pytest.mark.parametrize(
    "text", ["Date,Close\n" + "1," * 500_000, "Date,Close\n2018-02-02,1\n" + "1," * 500_000, "1," * 500_000]
)
def test_a_line_of_commas_is_refused_before_it_becomes_columns(monkeypatch, text):
    from forecastkit.vendors.base import parse_table

    monkeypatch.setattr("pandas.read_csv", lambda *args, **options: pytest.fail("it was read"))
    with pytest.raises(DataError, match="no table was sent"):
        parse_table("VIX", text)


@pytest.mark.parametrize(
    "said", [f"Failed to connect to http://ada:{SECRET}@proxy.example.org:8080", f"407 with {SECRET}"]
)
def test_a_whole_download_through_yfinance_leaves_no_secret_in_any_file(monkeypatch, tmp_path, caplog, capsys, said):
    "One ticker answers, with the secret in what comes along; one fails. Store, metadata, notes, report, logs are searched."
    import logging

    from forecastkit.data.store import Store
    from forecastkit.vendors.download import download_universe

    monkeypatch.setenv("HTTPS_PROXY", f"http://ada:{SECRET}@proxy.example.org:8080")

    def download(tickers, **options):
        logging.getLogger("yfinance").error(f"['MSFT']: {said}")
        bars = prices("AAPL").rename(columns=str.capitalize).assign(Dividends=0.0)
        bars = bars.assign(**{"Adj Close": bars["Close"], "Stock Splits": 0.0})
        bars.attrs["source"] = bars.index.name = said
        if "AAPL" not in tickers:
            raise OSError(said)
        return pd.concat({"AAPL": bars}, axis=1)

    caplog.set_level(logging.DEBUG)
    source = yahoo_source(["AAPL", "MSFT"], yfinance_tables(RateLimiter(1e4), download, attempts=1))
    now = pd.Timestamp("2018-12-31 22:00", tz="UTC")
    report = download_universe(["AAPL", "MSFT"], [source], Store(tmp_path), tmp_path, NYSE, start="2014-01-02", now=now)
    assert [*Store(tmp_path).symbols] == ["AAPL"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 2 and all(SECRET.encode() not in path.read_bytes() for path in files)
    meta = [str(pq.read_metadata(path).metadata) for path in files if path.suffix == ".parquet"]
    assert meta and not any(
        SECRET in one for one in [*meta, str(report), repr(report), caplog.text, *capsys.readouterr()]
    )
