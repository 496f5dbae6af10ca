"""Data at the terminal: a universe from a server that fails, what a study used, and the daily job on live sources."""

import gzip
import json
import signal
import socket
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest
from kill_download import NOW, contents
from vendors import Vendors, prices

from forecastkit.calendars import get_calendar
from forecastkit.cli.main import main
from forecastkit.core.settings import load_settings
from forecastkit.data.sources import load_market
from forecastkit.data.store import Store
from forecastkit.pipeline.loading import open_market
from forecastkit.vendors import yahoo_schedule

pytestmark = pytest.mark.usefixtures("few_years")


@pytest.fixture
def server(monkeypatch):
    with Vendors() as found:
        for vendor in ("YAHOO", "CBOE"):
            monkeypatch.setenv(f"FORECASTKIT_LIVE_{vendor}", found.address)
        monkeypatch.setenv("FORECASTKIT_LIVE_FRED", f"{found.address}/fred")
        monkeypatch.setenv("FORECASTKIT_LIVE_RATE", "1000")
        monkeypatch.setenv("FORECASTKIT_LIVE_ATTEMPTS", "1")
        yield found


@pytest.fixture
def clock(monkeypatch):
    "Set the present moment of the commands: `clock('2018-12-31 22:00Z')`."

    def at(moment: str | pd.Timestamp) -> None:
        now = pd.Timestamp(moment)
        for module in ("main", "data"):
            monkeypatch.setattr(f"forecastkit.cli.{module}.utc_now", lambda: now)
        fixed = type("Fixed", (datetime,), {"now": lambda zone: now.to_pydatetime()})
        for module in ("pipeline.system", "ledger.database"):
            monkeypatch.setattr(f"forecastkit.{module}.datetime", fixed)

    at(NOW)
    return at


@pytest.fixture
def no_network(monkeypatch):
    def refuse(self, address):
        raise AssertionError(f"the network was asked for {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    "Exit code, standard output, standard error of one command."
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # at the terminal a warning is a line, not an error
        try:
            code = main(list(arguments))
        except SystemExit as leave:
            code = leave.code or 0
    said = capsys.readouterr()
    return code, said.out, said.err


# download


def test_a_universe_comes_and_a_second_run_asks_for_nothing(tmp_path, capsys, server, clock):
    universe = tmp_path / "mine.csv"
    universe.write_text("symbol,from,to\nAAPL,,\nbrk-b,2016-01-04,\nOLD,,2015-06-30\nVIX,,\n")
    arguments = ("download", "--universe", str(universe), "--start", "2014-01-02", "--from", "cboe, yahoo", "--home", str(tmp_path), "--quiet")  # fmt: skip
    code, out, err = run(capsys, *arguments)
    assert code == 0, out + err
    assert "4 symbols: 4 new" in out and "survivorship" not in out  # one of them has an end
    store = Store(tmp_path)
    assert [store.bars(s).index[i].year for s, i in (("BRK.B", 0), ("OLD", -1))] == [2016, 2015]
    assert store.bars("VIX")["close"].tolist() == prices("VIX")["close"].tolist()
    assert set(store.rows("VIX")["source"]) == {"cboe"} and set(store.rows("AAPL")["source"]) == {"yahoo"}
    server.requests.clear()
    code, out, _ = run(capsys, *arguments)
    assert (code, server.requests) == (0, []) and "4 symbols: 4 unchanged" in out


def test_what_could_not_be_had_is_one_line_a_symbol_and_the_exit_code(tmp_path, capsys, server, clock):
    server.faults |= {"/BAD": ["html!"], "/CUT": ["cut!"]}
    arguments = ("download", "--symbols", "GOOD,BAD,CUT,NONE,DGS10", "--from", "yahoo", "--home", str(tmp_path))
    code, out, err = run(capsys, *arguments, "--quiet")
    assert code == 1 and "Traceback" not in err
    failed = [line.split(": ")[1] for line in out.splitlines() if line.startswith("  failed: ")]
    assert failed == ["BAD", "CUT", "NONE", "DGS10 is in none of the sources (yahoo)"]
    assert "survivorship: none of these 5 symbols has an end" in out
    assert Store(tmp_path).symbols == ("GOOD",)
    server.faults.clear()
    code, out, _ = run(capsys, *arguments, "--json")
    states = {one["symbol"]: one["state"] for one in json.loads(out)["symbols"]}
    assert code == 1
    assert states == {"GOOD": "unchanged", "BAD": "new", "CUT": "new", "NONE": "failed", "DGS10": "failed"}


def test_failures_are_told_as_they_come_beside_the_bar(tmp_path, capsys, server, clock):
    code, out, err = run(capsys, "download", "--symbols", "GOOD,NONE", "--from", "yahoo", "--home", str(tmp_path), "--start", "2018-01-02")  # fmt: skip
    assert code == 1 and "NONE: 127.0.0.1" in err and "2/2" in err
    assert out.startswith("2 symbols: 1 new, 1 failed")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "yaho"), "live source 'yaho' is unknown: use yahoo, cboe"),
        (("--from", "alfred"), "set live.fred_key"),
        (("--from", "edgar"), "set live.contact"),
        (("--start", "soon"), "'soon' is no day"),
        (("--start", "2018-01-02", "--end", "2017-01-02"), "exchange them"),
        (("--universe", "nowhere.csv"), "give one of them"),
    ],
)
def test_wrong_wishes_are_refused_in_one_line(arguments, says, tmp_path, capsys, server, clock):
    code, _, err = run(capsys, "download", "--symbols", "A", "--from", "yahoo", "--home", str(tmp_path), *arguments)
    assert code == 2 and says in err and len(err.strip().splitlines()) == 1
    assert not server.requests


def test_interrupted_it_keeps_what_was_stored_and_goes_on_from_there(tmp_path):
    symbols = [f"S{k:02d}" for k in range(40)]
    with Vendors(latency=0.1) as server:
        environ = {"FORECASTKIT_LIVE_YAHOO": server.address, "FORECASTKIT_LIVE_RATE": "20", "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-m", "forecastkit", "download", "--symbols", ",".join(symbols), "--from", "yahoo",
                   "--end", "2018-12-31", "--home", str(tmp_path), "--quiet"]  # fmt: skip
        victim = subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        while len(Store(tmp_path).symbols) < 3 and victim.poll() is None:
            time.sleep(0.02)
        victim.send_signal(signal.SIGINT)
        out, err = victim.communicate(timeout=60)
        assert victim.returncode == 130, out + err
        assert "Traceback" not in err and "the same command goes on from there" in err
        kept = contents(tmp_path)
        assert 3 <= len(kept) < len(symbols)
        server.requests.clear()
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{len(kept)} unchanged" in done.stdout and len(server.requests) == len(symbols) - len(kept)
    for symbol, rows in kept.items():
        pd.testing.assert_frame_equal(rows, contents(tmp_path)[symbol])


# snapshots


def forecast_from(capsys, home: Path, sources: str) -> dict:
    code, out, err = run(capsys, "forecast", "--no-store", "--json", "--as-of", "2016-09-30", "--sources", sources, "--home", str(home))  # fmt: skip
    assert code == 0, err
    return json.loads(out)["metadata"] | {"quantiles": json.loads(out)["quantiles"]}


def test_a_forecast_from_a_snapshot_is_that_of_the_study(tmp_path, capsys, no_network, monkeypatch):
    monkeypatch.setenv("FORECASTKIT_MODEL_ROUNDS", "5")
    bars, home = tmp_path / "bars", tmp_path / "home"
    bars.mkdir()
    market = load_market("sample", symbols={"VIX", "SPX"})
    vix = market.bars("VIX").loc["2014":"2018", ["close"]]
    vix.to_csv(bars / "VIX.csv", index_label="date")
    Store(home).put("SPX", market.bars("SPX"), "a vendor", "2019-01-02 22:00Z", get_calendar("XNYS"))
    words = f"folder:{bars}, store, sample"
    study = forecast_from(capsys, home, words)
    code, out, err = run(capsys, "data", "snapshot", "paper-2016", "--sources", words, "--home", str(home))
    assert code == 0 and "--sources snapshot:paper-2016" in out, err
    vix.assign(close=vix["close"] * 1.01).to_csv(bars / "VIX.csv", index_label="date")  # the past is told anew
    assert forecast_from(capsys, home, words)["data_fingerprint"] != study["data_fingerprint"]
    again = forecast_from(capsys, home, "snapshot:paper-2016")
    assert again == study
    code, _, err = run(capsys, "data", "snapshot", "paper-2016", "--sources", words, "--home", str(home))
    assert code == 2 and "other content" in err
    code, out, _ = run(capsys, "data", "snapshot", "--list", "--json", "--home", str(home))
    assert [one["name"] for one in json.loads(out)] == ["paper-2016"]
    assert run(capsys, "data", "snapshot", "paper-2016", "--verify", "--home", str(home))[0] == 0
    file = home / "store" / "snapshots" / "paper-2016" / "series" / "VIX.parquet"
    file.write_bytes(file.read_bytes()[:-40])
    code, out, _ = run(capsys, "data", "snapshot", "paper-2016", "--verify", "--home", str(home))
    assert code == 1 and "VIX" in out


def test_unknown_words_name_those_there_are(tmp_path, capsys):
    for command in (("data", "list"), ("data", "health"), ("data", "snapshot", "x"), ("forecast",)):
        code, _, err = run(capsys, *command, "--sources", "attic:x", "--home", str(tmp_path))
        assert code == 2 and "use sample, or folder:PATH such as folder:bars, or store or snapshot" in err
    code, _, err = run(capsys, "forecast", "--sources", "snapshot:none", "--home", str(tmp_path))
    assert code == 2 and "there is no snapshot none" in err


def test_meetings_of_a_file_are_in_force_for_its_home(tmp_path, capsys):
    mine = tmp_path / "mine.csv"
    mine.write_text("date,scheduled\n2027-01-27,1\n")
    assert run(capsys, "data", "fomc", str(mine), "--home", str(tmp_path))[0] == 0
    settings = load_settings(overrides={"data.home": str(tmp_path), "run.progress": False}, environ={})
    assert open_market(settings, ["VIX"]).events["date"].iloc[-1] == pd.Timestamp("2027-01-27")
    elsewhere = load_settings(overrides={"data.home": str(tmp_path / "x"), "run.progress": False}, environ={})
    assert open_market(elsewhere, ["VIX"]).events["date"].iloc[-1] == pd.Timestamp("2026-12-09")
    mine.write_text("date,scheduled\n2024-02-07,1\n")
    code, _, err = run(capsys, "data", "fomc", str(mine), "--home", str(tmp_path))
    assert code == 2 and "2024-02-07 is not as in the table that is shipped" in err
    _, out, _ = run(capsys, "data", "fomc", "--json", "--home", str(tmp_path))
    assert json.loads(out)[-1] == {"date": "2027-01-27", "scheduled": True}


def test_earnings_of_vendors_are_kept_and_a_universe_is_forecast_with_them(
    tmp_path, capsys, server, clock, monkeypatch, shared_data
):
    body = gzip.decompress((shared_data / "sec" / "company_submission_TSLA.json.gz").read_bytes())
    server.files["/submissions/CIK0001318605.json"] = ("application/json", body)
    for file in json.loads(body)["filings"].get("files", []):
        older = {name: [] for name in ("form", "reportDate", "filingDate", "acceptanceDateTime", "items")}
        server.files[f"/submissions/{file['name']}"] = ("application/json", json.dumps(older).encode())
    listed = b'{"0": {"cik_str": 1318605, "ticker": "TSLA", "title": "Tesla, Inc."}}'
    server.files["/tickers"] = ("application/json", listed)
    for name, value in {
        "EDGAR": server.address,
        "EDGAR_TICKERS": f"{server.address}/tickers",
        "CONTACT": "a@b.c",
    }.items():
        monkeypatch.setenv(f"FORECASTKIT_LIVE_{name}", value)
    shown = {"TSLA": {"Earnings Date": [pd.Timestamp("2019-01-30").date()]}}
    own = partial(yahoo_schedule, fetch=lambda ticker: shown.get(ticker, {}))
    monkeypatch.setattr("forecastkit.vendors.earnings.yahoo_schedule", own)
    at = ("--home", str(tmp_path), "--json")
    code, out, _ = run(capsys, "data", "earnings", "--fetch", "--symbols", "TSLA,NONE", *at)
    said = json.loads(out)
    assert code == 1 and [*said["failed"]] == ["NONE"] and "edgar lists no company" in said["failed"]["NONE"]
    (tesla,) = said["companies"]
    assert tesla["symbol"] == "TSLA" and tesla["reports"] > 4
    assert (tesla["next"], tesla["known"]) == ("2019-01-02", "predicted")  # deliveries are furnished as results, too
    Store(tmp_path).put("TSLA", load_market(["sample"], ["AAPL"]).bars("AAPL"), "yahoo", NOW, get_calendar("XNYS"))
    settings = load_settings(overrides={"data.home": str(tmp_path), "run.progress": False}, environ={})
    for sources in ("store, sample", "yahoo, sample"):
        chosen = replace(settings, data=replace(settings.data, sources=tuple(sources.split(", "))))
        market = open_market(chosen, ["TSLA", "AAPL"])
        assert market.earnings is not None and {*market.earnings["symbol"]} == {"TSLA"}
        assert len(market.earnings) == tesla["reports"] + 1
        coming = market.earnings[market.earnings["kind"] == "scheduled"]
        assert coming["date"].tolist() == [pd.Timestamp("2019-01-30")] and coming["known_at"].iloc[0] == NOW
    assert open_market(replace(settings, data=replace(settings.data, sources=("sample",))), ["AAPL"]).earnings is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--fetch",), "say whose earnings to fetch: --universe FILE"),
        (("--fetch", "--symbols", "A", "--universe", "sample"), "say whose earnings to fetch"),
        (("--fetch", "--symbols", "A", "--from", "fred"), "'fred' has no earnings calendar: use edgar or yahoo"),
        (("--fetch", "--symbols", "A"), "set live.contact"),
        (("mine.csv", "--fetch"), "give one of them"),
        (("none.csv",), "none.csv: cannot be read"),
    ],
)
def test_wrong_wishes_for_earnings_are_refused_in_one_line(arguments, says, tmp_path, capsys, no_network):
    code, out, err = run(capsys, "data", "earnings", *arguments, "--home", str(tmp_path))
    assert code == 2 and says in err and len(err.strip().splitlines()) == 1 and not out
    code, out, _ = run(capsys, "data", "earnings", "--home", str(tmp_path))
    assert code == 0 and out.startswith("no earnings are held")


# daily


@pytest.fixture
def pages(tmp_path, monkeypatch):
    "The daily job with a report that is only noted."
    monkeypatch.setenv("FORECASTKIT_MODEL_ROUNDS", "5")
    rendered: list[str] = []
    monkeypatch.setattr(
        "forecastkit.reports.run_report",
        lambda name, folder, parameters, *_: rendered.append(parameters["as_of"]),
    )
    return rendered


def daily(capsys, home: Path, *arguments: str) -> tuple[int, str, str]:
    return run(capsys, "daily", "--quiet", "--sources", "cboe, yahoo, fred", "--home", str(home), "--output", str(home / "pages"), *arguments)  # fmt: skip


def test_the_daily_job_on_live_sources(tmp_path, capsys, server, clock, pages):
    server.until = pd.Timestamp("2016-09-28")
    server.faults["/fred"] = ["404!"]
    clock("2016-09-28 21:00Z")
    code, out, err = daily(capsys, tmp_path)
    assert (code, pages) == (0, ["2016-09-28"]), out + err
    assert (
        "note: AAA: 127.0.0.1" in err and "note: DGS10: 127.0.0.1" in err and "Traceback" not in err
    )  # helpful, not needed
    assert "no run in time" not in err
    asked = len(server.requests)

    clock("2016-09-29 12:00Z")  # the next morning, nothing has closed
    code, out, err = daily(capsys, tmp_path)
    assert (code, err, pages, len(server.requests)) == (0, "", ["2016-09-28"], asked) and "nothing to do" in out

    clock("2016-10-03 21:00Z")  # Monday; no run on Thursday and Friday, and the vendor is late
    code, out, err = daily(capsys, tmp_path)
    assert code == 2 and pages == ["2016-09-28"]
    assert "no run in time after the close of 2016-09-29, 2016-09-30" in err
    assert err.splitlines()[-1].startswith("forecastkit: SPX: yahoo ends with 2016-09-28, but 2016-10-03 has closed")

    server.until = pd.Timestamp("2016-10-03")
    server.faults["/VIX_History.csv"] = ["html!"]
    code, _, err = daily(capsys, tmp_path)
    assert code == 2 and err.splitlines()[-1].startswith("forecastkit: VIX: 127.0.0.1")
    assert "what was there is kept" in err and "Traceback" not in err

    server.faults["/VIX_History.csv"] = []
    code, out, err = daily(capsys, tmp_path)
    assert (code, pages) == (0, ["2016-09-28", "2016-10-03"]), err
    _, out, _ = run(capsys, "forecasts", "list", "--last", "4", "--json", "--home", str(tmp_path))
    assert [(one["origin"][:10], one["made"]) for one in json.loads(out)] == [
        ("2016-09-28", "live"), ("2016-09-29", "late"), ("2016-09-30", "late"), ("2016-10-03", "live"),
    ]  # fmt: skip


def test_offline_the_network_is_never_asked(tmp_path, capsys, no_network, pages, five_years):
    folder = f"folder:{five_years}"
    code, _, err = run(
        capsys, "daily", "--quiet", "--as-of", "2016-09-30", "--sources", folder, "--home", str(tmp_path), "--output", str(tmp_path / "pages")
    )  # fmt: skip
    assert (code, pages) == (0, ["2016-09-30"]), err
    for command in (("data", "list"), ("data", "health"), ("forecast", "--as-of", "2016-09-30")):
        code, out, err = run(capsys, *command, "--sources", f"yahoo, {folder}", "--home", str(tmp_path))
        assert code in (0, 1) and "Traceback" not in err, out + err


def test_a_series_that_an_earlier_source_has_is_not_asked_for(tmp_path, capsys, server, clock, pages, five_years):
    server.until = pd.Timestamp("2016-09-30")
    clock("2016-09-30 21:00Z")
    words = f"folder:{five_years}, yahoo"
    given = ["--sources", words, "--home", str(tmp_path), "--output", str(tmp_path / "pages")]
    code, _, err = run(capsys, "daily", "--quiet", "--as-of", "2016-09-30", *given)
    assert code == 0, err
    asked = {unquote(urlsplit(path).path.rpartition("/")[2]) for path in server.requests}
    assert {"^VIX3M", "^IXIC", "HYG"} <= asked and not asked & {"^VIX", "^GSPC"}


CALENDAR = (
    b"<!doctype html><html><body><h4>2026 FOMC Meetings</h4><p>January</p><p>27-28</p><p>March</p><p>3 (unscheduled)</p>"
    b"<h4>2027 FOMC Meetings</h4><p>January</p><p>26-27</p><p>March</p><p>16-17*</p></body></html>"
)


def test_the_page_of_the_federal_reserve_adds_what_comes_later_and_changes_nothing_before(
    server, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("FORECASTKIT_LIVE_FOMC", f"{server.address}/fomccalendars.htm")
    server.files["/fomccalendars.htm"] = ("text/html", CALENDAR)
    code, out, err = run(capsys, "data", "fomc", "--fetch", "--json", "--home", str(tmp_path))
    assert (code, err) == (0, "")
    assert [row["date"][:10] for row in json.loads(out)][-3:] == ["2026-12-09", "2027-01-27", "2027-03-17"]
    kept = (tmp_path / "meetings.csv").read_bytes()
    bad = {"cut": "cut off", "html": "cut off", "500": "500", "json error": "no web page"}
    for fault, says in bad.items():
        server.faults["fomccalendars"] = [f"{fault}!"]
        code, _, err = run(capsys, "data", "fomc", "--fetch", "--home", str(tmp_path))
        assert code == 2 and len(err.splitlines()) == 1 and says in err, err
        assert (tmp_path / "meetings.csv").read_bytes() == kept
