"""Vendors that lie: each kind of answer that may not be believed, through each vendor, ends in one line that names the symbol."""

import gzip
import json
import logging
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from vendors import FAULTS, SLOW, Vendors, bomb

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, LiveSettings
from forecastkit.data import Store
from forecastkit.vendors import (
    VENDORS,
    DownloadReport,
    download_universe,
    open_client,
    open_live,
    read_universe,
    universe_of,
)
from forecastkit.vendors.http import HttpClient
from forecastkit.vendors.response import MEGABYTE

NYSE = get_calendar("XNYS")
NOW = pd.Timestamp("2018-02-06 02:00", tz="UTC")
DAY = "2018-02-05"
SYMBOLS = {
    "yahoo": ("AAPL", "MSFT"),
    "cboe": ("VIX", "VIX9D"),
    "fred": ("DGS10", "DGS2"),
    "alfred": ("UNRATE", "PAYEMS"),
    "finra": ("AAPL_SHORT", "AAPL_OFFEX"),
    "edgar": ("AAPL_ASSETS", "MSFT_ASSETS"),
}
PATHS = {
    "AAPL": "/v8/finance/chart/AAPL",
    "MSFT": "/v8/finance/chart/MSFT",
    "VIX": "/VIX_History.csv",
    "VIX9D": "/VIX9D_History.csv",
    "DGS10": "/fred?id=DGS10",
    "DGS2": "/fred?id=DGS2",
    "UNRATE": "/alfred?id=UNRATE",
    "PAYEMS": "/alfred?id=PAYEMS",
    "AAPL_SHORT": "/finra/CNMSshvol20180205.txt",
    "AAPL_OFFEX": "/finra/CNMSshvol20180205.txt",
    "AAPL_ASSETS": "/api/xbrl/companyfacts/CIK0000000001.json",
    "MSFT_ASSETS": "/api/xbrl/companyfacts/CIK0000000002.json",
}
TICKERS = json.dumps({str(k): {"cik_str": k, "ticker": name} for k, name in ((1, "AAPL"), (2, "MSFT"))})


def body_of(symbol: str, value: str = "20.5", day: str = DAY, word: str = "x", count: str = "1") -> str:
    "A good answer for a symbol, with one value, one day, one word that the vendor is free to choose."
    if symbol in ("AAPL", "MSFT"):
        seconds = "1517841000" if day == DAY else "253402214400" if day[0] == "9" else day
        quote = ", ".join(f'"{name}": [{value}]' for name in ("open", "high", "low", "close", "volume"))
        return (
            f'{{"chart": {{"error": null, "result": [{{"meta": {{"symbol": "{symbol if word == "x" else word}", '
            f'"exchangeTimezoneName": "America/New_York"}}, "timestamp": [{seconds}], '
            f'"indicators": {{"quote": [{{{quote}}}], "adjclose": [{{"adjclose": [{value}]}}]}}}}]}}}}'
        )
    if symbol.startswith("VIX"):
        return f"DATE,OPEN,HIGH,LOW,{'CLOSE' if word == 'x' else word}\n{day},{value},{value},{value},{value}\n"
    if symbol.startswith("DGS"):
        return f"observation_date,{symbol if word == 'x' else word}\n{day},{value}\n"
    if symbol in ("UNRATE", "PAYEMS"):
        row = f'{{"date": "{day}", "value": "{value if word == "x" else word}", "realtime_start": "{DAY}"}}'
        return f'{{"count": {count}, "observations": [{row}]}}'
    if "_ASSETS" in symbol:
        fact = f'{{"end": "{day}", "val": {value}, "form": "10-K", "filed": "{DAY if word == "x" else word}"}}'
        return f'{{"facts": {{"us-gaap": {{"Assets": {{"units": {{"USD": [{fact}]}}}}}}}}}}'
    head = "Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market\n"
    return f"{head}{day.replace('-', '')}|{'AAPL' if word == 'x' else word}|{value}|0|{value}|B,Q,N\n1\n"


ESCAPES = "\\u001b]0;owned\\u0007\\u001b[2J"  # as JSON spells it
HOSTILE = {
    "a number beyond all others": lambda s: body_of(s, value="1e308"),
    "infinity": lambda s: body_of(s, value="1e999"),
    "a number of 5000 digits": lambda s: body_of(s, value="1" * 5000),
    "a word for a number": lambda s: body_of(s, value="many"),
    "a list for a number": lambda s: body_of(s, value="[]"),
    "the year 9999": lambda s: body_of(s, day="9999-12-31"),
    "a day beyond 64 bits": lambda s: body_of(s, day="9" * 25),
    "no day": lambda s: body_of(s, day="soon"),
    "null": lambda s: "null",
    "a number alone": lambda s: "7",
    "a word alone": lambda s: '"words"',
    "an empty object": lambda s: "{}",
    "an empty list": lambda s: "[]",
    "a list so deep": lambda s: "[" * 200_000,
    "an object so deep": lambda s: '{"error":' * 200_000,
    "an error so deep": lambda s: '{"error":' * 300 + '"why"' + "}" * 300,
    "an error with escapes": lambda s: f'{{"error": "{ESCAPES}"}}',
    "an error with half a character": lambda s: '{"error": "\\ud800 half"}',
    "an error of a megabyte": lambda s: json.dumps({"error": "no " * 350_000}),
    "escapes in a word": lambda s: body_of(s, word=ESCAPES if "{" in body_of(s) else "\x1b[2J\x1b]0;owned\x07"),
    "half a character in a word": lambda s: body_of(s, word="\\ud800"),
    "a formula": lambda s: body_of(s, word="=HYPERLINK(1)"),
    "a line of a megabyte": lambda s: body_of(s).split("\n", 1)[0] + "," * 2**20,
    "zeros": lambda s: "\0" * 5000,
    "no text": lambda s: "\udcff\udcfe",
}  # fmt: skip
COUNTS = ["1000000000000", '"many"', "null", "-1", "1e308", "true", "[]", "NaN", "9" * 5000]


class Asked(Vendors):
    "The vendors, with ALFRED's series told apart by their id."

    def body(self, path, query):
        series = query.get("series_id", query.get("id", [""]))[0]
        return self.files.get(f"{path}?id={series}") or super().body(path, query)


def live(server: Vendors, **more) -> LiveSettings:
    "Live settings that ask the local server for everything."
    at = more.pop("at", server.address)
    own = {"yahoo": at, "cboe": at, "fred": f"{at}/fred", "alfred": f"{at}/alfred", "finra": f"{at}/finra", "edgar": at}
    own |= {"edgar_tickers": f"{at}/tickers", "fred_key": "abc123key", "contact": "tests nobody@example.org"}
    return LiveSettings(**({"rate": 1e4, "attempts": 1, "timeout": 2.0, "finra_since": DAY} | own | more))


@pytest.fixture
def server() -> Iterator[Asked]:
    with Asked() as found:
        found.files["/tickers"] = ("application/json", TICKERS.encode())
        for symbol, path in PATHS.items():
            put(found, symbol, body_of(symbol))
            assert path in found.files
        yield found


def put(server: Vendors, symbol: str, body: str) -> None:
    kind = "application/json" if body.lstrip()[:1] in ("{", "[") else "text/plain"
    server.files[PATHS[symbol]] = (kind, body.encode("utf-8", "surrogateescape"))


def download(home: Path, vendor: str, access: LiveSettings) -> DownloadReport:
    symbols = SYMBOLS[vendor]
    with open_client(access) as client:
        client.sleep, client.first_wait = lambda seconds: None, 0.0
        sources = open_live([vendor], symbols, access, client)
        return download_universe(symbols, sources, Store(home), home, NYSE, start=DAY, end=DAY, now=NOW)


def one_line(report: DownloadReport, home: Path, vendor: str) -> str:
    "The line of the first symbol, which failed; the second came, unless both stand in one file."
    bad, good = report.results
    assert bad.state == "failed", report
    assert str(bad).startswith(bad.symbol)
    assert str(bad).isprintable(), repr(str(bad))
    assert len(str(bad)) <= 600
    assert str(report).count("\n") <= 3
    str(report).encode("utf-8")
    assert good.state == ("failed" if vendor == "finra" else "new"), report
    assert Store(home).symbols == (() if vendor == "finra" else (good.symbol,))
    return str(bad)


def test_good_answers_are_taken(tmp_path, server):
    for vendor in VENDORS:
        report = download(tmp_path / vendor, vendor, live(server))
        assert [result.state for result in report.results] == ["new", "new"], str(report)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_an_answer_that_may_not_be_believed_ends_in_one_line(kind, vendor, tmp_path, server):
    symbol = SYMBOLS[vendor][0]
    body = HOSTILE[kind](symbol)
    if body == body_of(symbol):
        pytest.skip("nothing of this kind can be said to this vendor")
    put(server, symbol, body)
    report = download(tmp_path, vendor, live(server))
    if kind in ("a formula", "half a character in a word", "escapes in a word") and not report.failed:
        return  # a word that this vendor's reader does not take up
    one_line(report, tmp_path, vendor)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_the_same_for_a_source_that_is_read_without_a_store(kind, vendor, server):
    symbol, access = SYMBOLS[vendor][0], live(server)
    put(server, symbol, HOSTILE[kind](symbol))
    with open_client(access) as client:
        (source,) = open_live([vendor], [symbol], access, client)
        try:
            frame = source.read(symbol, NYSE).frame
        except DataError as error:
            assert str(error).startswith(symbol) and str(error).isprintable()
        else:
            assert len(frame) == 1 and vendor != "finra"


@pytest.mark.parametrize("count", COUNTS)
def test_pages_are_bounded_whatever_the_count(count, tmp_path, server):
    put(server, "UNRATE", body_of("UNRATE", count=count))
    line = one_line(download(tmp_path, "alfred", live(server)), tmp_path, "alfred")
    assert "alfred" in line or "JSON" in line
    assert len(server.requests) <= 55


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "gzip"])
def test_a_fault_of_the_line_ends_in_one_line(fault, vendor, tmp_path, server):
    path, shared = PATHS[SYMBOLS[vendor][0]].partition("?")[0], vendor in ("fred", "alfred")  # one path for all series
    server.faults[path] = [f"{fault}!"] if shared else [fault] * (6 if fault == "round" else 1)
    report = download(tmp_path, vendor, live(server, timeout=0.7 if fault in SLOW else 10.0))
    if not shared:
        one_line(report, tmp_path, vendor)
    assert all(str(result).startswith(result.symbol) for result in report.failed)
    assert len(report.failed) == (2 if shared or vendor == "finra" else 1)


@pytest.mark.parametrize("fault", SLOW)
def test_the_deadline_covers_headers_and_body(fault, server):
    server.faults["/"] = [f"{fault}!"]
    begun = time.monotonic()
    with (
        HttpClient(rate=1e4, timeout=0.3, attempts=2, first_wait=0.001) as client,
        pytest.raises(DataError, match=r"in full within 0\.3 s, at 2"),
    ):
        client.text("VIX", f"{server.address}/VIX_History.csv")
    assert time.monotonic() - begun < 60  # and not the minutes for which the server goes on
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(isinstance(t, threading.Timer) for t in threading.enumerate()):
        time.sleep(0.01)
    assert not any(isinstance(thread, threading.Timer) for thread in threading.enumerate())


def test_eight_bombs_at_once_take_at_most_64_megabytes(server):
    server.faults["/"] = ["bomb!"]
    bomb()
    errors = []

    def ask(client: HttpClient) -> None:
        try:
            client.text("VIX", f"{server.address}/VIX_History.csv")
        except DataError as error:
            errors.append(str(error))

    with HttpClient(rate=1e4, timeout=20, attempts=1) as client:
        client.limiter.wait()
        tracemalloc.start()
        threads = [threading.Thread(target=ask, args=(client,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(errors) == 12
    assert all("more than 24 MB" in error for error in errors), errors
    print(f"peak {peak / MEGABYTE:.1f} MB")
    assert peak < 64 * MEGABYTE


# Secrets: planted in every place that an address has, and looked for wherever something is shown or stored.

USER, PASSWORD, TOKEN, KEY = "annsname", "hunter2@word", "t0ken-t0ken", "fredk3yfredk3y"
SECRETS = (USER, PASSWORD, PASSWORD.replace("@", "%40"), "hunter2", TOKEN, KEY)
ANSWERS = {
    "good": None,
    "404": (404, b'{"error": "no"}'),
    "echo": (400, json.dumps({"error_message": f"user {USER}:{PASSWORD} {TOKEN} api_key={KEY}"}).encode()),
    "echoed table": (200, f"{USER},{PASSWORD},{TOKEN}\n1,2,3\n".encode()),
    "500": (500, b""),
}  # fmt: skip


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("kind", [*ANSWERS, "refused", "nonsense"])
def test_a_secret_in_an_address_is_nowhere_shown_or_stored(kind, vendor, tmp_path, server, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    place = {"refused": "127.0.0.1:1", "nonsense": "[nowhere"}.get(kind, server.address.removeprefix("http://"))
    at = f"http://{USER}:{PASSWORD.replace('@', '%40')}@{place}"
    access = live(server, at=at, fred_key=KEY)
    named = {name: f"{getattr(access, name)}?token={TOKEN}" for name in ("yahoo", "cboe", "fred", "alfred", "finra", "edgar", "edgar_tickers")}  # fmt: skip
    access = live(server, **named, fred_key=KEY)
    if ANSWERS.get(kind):
        server.answers = ANSWERS[kind]
    report = download(tmp_path, vendor, access)
    assert bool(report.failed) == (kind != "good"), str(report)
    if kind in ("good", "404"):
        assert all(TOKEN in path for path in server.requests if "tickers" not in path), "the token did not arrive"
        assert KEY in server.requests[-1] or vendor != "alfred"
    stored = b"\n".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    shown = "\n".join(
        (str(report), report.table().to_csv(), repr(report), repr(access), caplog.text, *capsys.readouterr())
    )
    for secret in SECRETS:
        assert secret not in shown, shown
        assert secret.encode() not in stored
    for path in tmp_path.rglob("*"):
        assert USER not in path.name


STREAMS = {
    "two in a row": gzip.compress(b"DATE,VVIX\n", mtime=0) + gzip.compress(b"02/05/2018,152.5\n", mtime=0),
    "broken": b"\x1f\x8b" + b"x" * 50,
}


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_that_is_no_plain_gzip_is_refused(kind, server, monkeypatch):
    monkeypatch.setattr(Vendors, "body", lambda self, path, query: ("text/csv", STREAMS[kind]))
    server.packed = True
    with HttpClient(rate=1e4, timeout=20, attempts=1) as client, pytest.raises(DataError, match="gzip stream"):
        client.text("VVIX", f"{server.address}/VVIX_History.csv")


@pytest.mark.parametrize("symbol", ["\x1b[2J", "=HYPERLINK(1)", "-1", "@a", "A\nB", "\ud800", "A" * 500, "../x"])
def test_a_symbol_that_is_none_is_refused_in_one_line(symbol, tmp_path):
    with pytest.raises(DataError, match="is no symbol") as error:
        universe_of([symbol])
    assert str(error.value).isprintable()
    (tmp_path / "mine.csv").write_text(f'symbol,name\n"{symbol}",x\n', "utf-8", "replace")
    if "?" not in (tmp_path / "mine.csv").read_text():
        with pytest.raises(DataError, match=r"mine\.csv: line \d") as error:
            read_universe(tmp_path / "mine.csv")
        assert str(error.value).isprintable()


def test_names_of_a_universe_are_printable(tmp_path):
    (tmp_path / "mine.csv").write_text("symbol,name,sector\nAAPL,\x1b[2JApple,a\u202eb\n", "utf-8")
    assert read_universe(tmp_path / "mine.csv").loc[0, ["name", "sector"]].tolist() == [r"\x1b[2JApple", r"a\u202eb"]
