"The dashboard: every page without an exception on nothing and on a filled ledger, its figures those of the database, in process and in a real browser, and no way to write."

import ast
import dataclasses
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
import sqlalchemy as sa

pytest.importorskip("streamlit", reason="the dashboard needs streamlit: pip install 'forecastkit[dashboard]'")

from dashboard_ledger import CLOSES, DAYS, NAMES, SECTORS, filled_home, forecast_of, paper_row
from streamlit.testing.v1 import AppTest

from forecastkit.cli.main import app
from forecastkit.core import DataError
from forecastkit.forecasts import Forecast
from forecastkit.ledger import (
    PredictionDatabase,
    add_pause,
    ledger_rows,
    lock_paper,
    open_reader,
    paper_days,
    with_retry,
    write_paper,
)
from forecastkit.ops import (
    Alert,
    AlertPolicy,
    Line,
    LineTarget,
    keep_alerts,
    latest_performance,
    outcome_measures,
    read_shadow_deployment,
    recorded_job,
    register_line,
    stored_alerts,
    stored_deployments,
    stored_promotions,
)
from forecastkit.pipeline import stored_directions
from forecastkit.reports import gather_monitoring
from forecastkit.web import dashboard
from forecastkit.web.dashboard import PAGES
from forecastkit.web.dashboard_frames import forecast_tiles
from forecastkit.web.dashboard_records import reading_lines
from forecastkit.web.dashboard_server import dashboard_options

LAST = len(DAYS) - 1  # the session of the database's clock
VIX = {"symbol": "VIX", "horizon": 1, "kind": "pct_change"}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return filled_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def database(home):
    held = PredictionDatabase(f"sqlite:///{home}/forecasts.db")
    yield held
    held.close()


@pytest.fixture(autouse=True)
def main_module(monkeypatch):
    "A tested app puts its script in the place of `__main__` and leaves it there: spawned processes of later tests would run it."
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


def program(name: str) -> None:
    from forecastkit.web.dashboard import show_page

    show_page(name)


def page(name: str, home: Path, monkeypatch) -> AppTest:
    "A page as it is after its first run."
    monkeypatch.setenv("FORECASTKIT_DATA_HOME", str(home))
    shown = AppTest.from_function(program, kwargs={"name": name}, default_timeout=300).run()
    assert not shown.exception, shown.exception[0].value
    return shown


def text_of(shown: AppTest) -> str:
    "All that a page says in words and HTML, without its style."
    kinds = ("markdown", "caption", "info", "warning", "success", "html")
    said = [str(getattr(one, "value", None) or getattr(one, "body", "")) for kind in kinds for one in shown.get(kind)]
    return "\n".join(one for one in said if not one.startswith("<style>"))


@pytest.mark.parametrize("name", PAGES)
def test_without_a_ledger_a_page_says_what_to_run_and_makes_none(name, tmp_path, monkeypatch):
    shown = page(name, tmp_path, monkeypatch)
    assert shown.title[0].value == PAGES[name][0]
    assert "forecastkit daily" in text_of(shown)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    "A home with a ledger that holds nothing."
    folder = tmp_path_factory.mktemp("bare")
    PredictionDatabase(f"sqlite:///{folder}/forecasts.db").close()
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_ledger_names_commands_that_there_are(name, bare, monkeypatch):
    named = re.findall(r"Run `forecastkit ([a-z -]+)", text_of(page(name, bare, monkeypatch)))
    assert named
    for command in named:
        first = command.split()[0]
        groups = {one.name: one.typer_instance for one in app.registered_groups}
        held = {one.name or one.callback.__name__ for one in app.registered_commands}
        assert first in held | groups.keys(), command
        if first in groups:
            within = {one.name or one.callback.__name__ for one in groups[first].registered_commands}
            assert command.split()[1] in within, command


PIXEL = "![px](http://192.0.2.1/px.png) :red[now] <img src=x>"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    "A home whose ledger holds text that would fetch a picture, draw a link or a colour where it were read as markdown."
    folder = filled_home(tmp_path_factory.mktemp("hostile"))
    clock = CLOSES[LAST].to_pydatetime() + timedelta(hours=3)
    database = PredictionDatabase(f"sqlite:///{folder}/forecasts.db", clock=lambda: clock)
    add_pause(database, "symbol:VIX", who=PIXEL, why=PIXEL)
    with pytest.raises(DataError), recorded_job(database, "daily"):
        raise DataError(PIXEL)
    keep_alerts(
        database, ["drift"], [Alert("drift", f"symbol:{PIXEL}", "critical", PIXEL, PIXEL, PIXEL, PIXEL)], AlertPolicy()
    )
    vix = LineTarget("VIX_d1", "pct_change", 1)
    register_line(database, vix, Line("other", {"model.rounds": "40"}), who=PIXEL, why=PIXEL)

    def keep(connection):
        lock_paper(connection)
        row = paper_row(31, 1100.0)
        write_paper(connection, dataclasses.replace(row, said={**row.said, "paused": [PIXEL]}))

    with_retry(database.engine, keep, write=True)
    told = {
        "label": PIXEL,
        "chance": 0.5,
        "base_rate": 0.5,
        "confidence": 0.5,
        "agreement": 0.5,
        "reasons": [PIXEL],
        "state": f"{PIXEL}_low",
    }
    made = dataclasses.replace(forecast_of("AAA", LAST), metadata={"direction": told, "history": []})
    database.store_predictions([(made, None)])
    database.close()
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_text_of_the_ledger_is_shown_as_it_was_written(name, hostile, monkeypatch):
    shown = page(name, hostile, monkeypatch)
    marked = [
        str(one.proto)
        for one in shown.main
        if one.type not in ("html", "arrow_data_frame", "dataframe", "vega_lite_chart", "selectbox")
    ]
    assert not any("192.0.2.1" in one for one in marked), marked
    drawn = "".join(one.proto.body for one in shown.get("html"))
    assert "<img" not in drawn
    if name in ("lines", "health", "paper"):
        assert "![px](http://192.0.2.1/px.png)" in drawn


def test_no_words_of_the_ledger_are_given_to_streamlit_as_markdown():
    "Where a text is put together it goes through `say` or a template; what is markdown holds dates, counts and words of the program."
    body = ast.parse(Path(dashboard.__file__).read_text())
    calls = [one for one in ast.walk(body) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)]
    kinds = {"caption", "success", "error", "write", "text", "subheader", "header"}
    told = [ast.unparse(one) for one in calls if one.func.attr in kinds and ast.unparse(one.func.value) == "st"]
    assert told == ["st.subheader(title)"]


def test_today_is_found_by_its_own_address():
    def program() -> None:
        from forecastkit.web.dashboard import show_dashboard

        show_dashboard()

    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            dashboard.st,
            "navigation",
            lambda pages: made.extend(pages) or type("Run", (), {"run": lambda self: None})(),
        )
        AppTest.from_function(program, default_timeout=300).run()
    assert [one.url_path for one in made] == ["", *PAGES]


def test_the_health_page_is_not_green_above_a_pause(hostile, monkeypatch):
    said = text_of(page("health", hostile, monkeypatch))
    assert "Nothing needs to be done" not in said and "Something needs a look" in said and "Paused: " in said


def test_today_shows_the_newest_forecast_as_the_database_has_it(home, database, monkeypatch):
    shown, newest = page("today", home, monkeypatch), database.latest(**VIX)
    said = text_of(shown)
    for name, value, below in forecast_tiles(newest):
        assert name in said and value in said and below in said
    for row in ledger_rows(database.get_predictions("VIX", limit=3)).itertuples():
        assert all(f"{number:,.2f}" in said for number in (row.last, row.median, row.low_80, row.high_80))
    assert f"{newest.in_points.quantile(0.95):,.2f}" in said
    assert len(shown.selectbox[0].options) == len(NAMES)


def test_a_listed_forecast_has_two_decimals_of_what_is_stored(database):
    stored = database.get_predictions("VIX", limit=3)
    made = [Forecast.from_json(text) for text in stored["forecast"]]
    risky = [dataclasses.replace(f, metadata={**f.metadata, "risk": {"score": 0.256, "reasons": []}}) for f in made]
    rows = ledger_rows(stored.assign(forecast=[f.to_json() for f in risky]))
    for f, row in zip(made, rows.itertuples(), strict=True):
        expected = [round(float(f.in_points.quantile(p)), 2) for p in (0.1, 0.5, 0.9)]
        assert [row.low_80, row.median, row.high_80, row.risk_score] == [*expected, 0.26]


def test_the_universe_has_a_row_for_each_ticker_and_is_searched(home, database, monkeypatch):
    shown = page("universe", home, monkeypatch)
    rows = shown.dataframe[0].value
    assert rows["symbol"].tolist() == sorted(NAMES)
    for row in rows.itertuples():
        stored = database.latest(row.symbol, 1, "pct_change" if row.symbol == "VIX" else "log_return")
        assert (row.close, row.low_80, row.high_80) == (stored.last_value, *stored.in_points.interval(0.8))
        assert list(row.history) == [level for _, level in stored.metadata["history"]]
    assert set(shown.multiselect[0].options) == set(SECTORS.values())
    shown.text_input[0].set_value("energy").run()
    assert shown.dataframe[0].value["symbol"].tolist() == ["AAA", "BBB"]


def test_a_universe_without_sectors_has_no_box_with_nothing_to_choose_from(home, tmp_path, monkeypatch):
    shutil.copy(home / "forecasts.db", tmp_path)
    shown = page("universe", tmp_path, monkeypatch)
    assert not shown.multiselect and len(shown.dataframe[0].value) == len(NAMES)
    shown.text_input[0].set_value("aaa").run()
    assert shown.dataframe[0].value["symbol"].tolist() == ["AAA"]


def test_the_state_map_counts_what_the_forecasts_told(home, database, monkeypatch):
    said, told = text_of(page("states", home, monkeypatch)), stored_directions(database, "AAA")
    counts = told["state"].value_counts()
    assert said.count("<td") == 12 and f"{counts['bear_crisis']} (now)" in said
    assert all(f">{counts[state]}" in said for state in counts.index)
    assert f"of {len(told)}" in said


def test_the_track_record_is_that_of_the_stored_outcomes(home, database, monkeypatch):
    said = text_of(page("record", home, monkeypatch))
    rows = database.get_predictions("VIX").dropna(subset="outcome")
    measured = outcome_measures(rows)
    assert f"{len(rows):,} outcomes ({len(rows)} backfill)" in said
    for level in (50, 80, 90):
        assert f"{100 * measured[f'inside_{level}'].mean():.1f}%" in said
    assert f"{rows['crps'].astype(float).max():,.2f}" in said
    assert "Inside the 80% range, last 60 outcomes" in said and "Places of" in said


def test_lines_show_champion_challenger_ledger_and_confidence_sequence(home, database, monkeypatch):
    said = unescape(text_of(page("lines", home, monkeypatch)))
    reading = read_shadow_deployment(database, stored_deployments(database)[0])
    assert all(line in said for line in reading_lines(reading)) and "wider (shadow)" in said
    assert "VIX, 1 session ahead" in said and "VIX_d1" not in said and "pct_change" not in said
    assert f"{reading.test.mean[-1]:.3g}" in said and f"{reading.test.low[-1]:.3g}" in said
    assert all(f"<td>{row.why}</td>" in said for row in stored_promotions(database))


def test_health_shows_alerts_escaped_drift_and_jobs(home, database, monkeypatch):
    said = text_of(page("health", home, monkeypatch))
    (alert,) = stored_alerts(database)
    assert (
        alert.alert.what_to_do in said and "slope drifted &lt;b&gt;twice&lt;/b&gt;" in said and "<b>twice" not in said
    )
    assert f"forecasts {len(NAMES)}" in said and "slope" in said and "12 sessions" in said
    assert "Something needs a look" in said and "symbol:VIX" not in said


def test_the_paper_book_is_that_of_the_ledger(home, database, monkeypatch):
    said, days = text_of(page("paper", home, monkeypatch)), paper_days(database, "paper")
    assert f"{days['equity'].iloc[-1]:,.2f}" in said
    assert f"{100 * (days['equity'].iloc[-1] / 1000 - 1):+.2f}%" in said
    assert "AAA" in said and "CCC" in said and "90.00" in said
    assert "1 order for the next session" in said


def test_sectors_and_states_show_what_was_measured(home, database, monkeypatch):
    said, measured = text_of(page("sectors", home, monkeypatch)), latest_performance(database)
    rows = measured[
        (measured["metric"] == "crps_skill")
        & (measured["window_rows"] == 60)
        & measured["scope"].isin(["sector", "state"])
    ]
    assert len(rows) and all(f"{100 * value:.1f}%" in said for value in rows["value"].astype(float))
    assert all(sector in said for sector in SECTORS.values())
    assert "of 2 sectors" in said and "(per cent)" in said and "(log)" in said and "sessions ahead" in said


@pytest.mark.parametrize("symbol", ["", "BBB"])
def test_the_monitoring_page_reads_the_forecasts_of_one_target_alone(home, database, monkeypatch, symbol):
    whole = outcome_measures(database.get_predictions())
    keys = ["symbol", "kind", "horizon"]
    most = (whole[whole["symbol"] == symbol] if symbol else whole).groupby(keys).size().idxmax()
    asked, read = [], PredictionDatabase.get_predictions
    monkeypatch.setattr(
        PredictionDatabase, "get_predictions", lambda self, *a, **k: asked.append((*a, k)) or read(self, *a, **k)
    )
    drawn = gather_monitoring(database, symbol).measured
    assert asked == [(most[0], {"horizon": most[2], "kind": most[1]})]
    expected = whole[(whole[keys] == list(most)).all(axis=1)]
    assert drawn.reset_index(drop=True).equals(expected.reset_index(drop=True))


def test_what_is_read_cannot_be_written(home):
    reader = open_reader(f"sqlite:///{home}/forecasts.db")
    statements = ("DELETE FROM alert_deliveries", "CREATE TABLE x (y)", "INSERT INTO chain VALUES (99, 0, '')")
    with pytest.raises(DataError, match="opened to be read"):
        with_retry(reader.engine, lambda c: None, write=True)
    for statement in statements:
        with pytest.raises(DataError, match="readonly"):
            with_retry(reader.engine, lambda c, s=statement: c.execute(sa.text(s)))
    assert reader.latest(**VIX).origin == DAYS[LAST - 1]
    reader.close()


def test_streamlit_listens_here_reports_nothing_and_watches_no_file():
    options = dashboard_options("127.0.0.1", 8501)
    assert options["server.allowedHosts"] == ["localhost", "127.0.0.1", "::1"]
    assert (
        not options["browser.gatherUsageStats"]
        and options["server.fileWatcherType"] == "none"
        and options["server.headless"]
    )


def test_forecastkit_alone_imports_no_streamlit():
    code = "import sys, forecastkit as fk; fk.web.create_app; fk.web.run_dashboard; print([m for m in ('streamlit', 'altair') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


# In a browser: one server, whose home is empty at first, and one window.


def browser_path() -> str:
    "Chromium; where CI is set a test fails without it, elsewhere it is skipped with the reason."
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    missing = "no Chromium on the path: apt-get install chromium" if found is None else ""
    try:
        import playwright  # noqa: F401
    except ModuleNotFoundError:
        missing = "playwright is not installed: pip install playwright"
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    return str(found)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    "The folder of a home without a ledger, and the address at which `forecastkit dashboard` shows it."
    browser_path()
    folder = tmp_path_factory.mktemp("served")
    server, address = started(folder)
    try:
        yield folder, address
    finally:
        server.terminate()
        server.wait(60)


def started(folder: Path) -> tuple[subprocess.Popen, str]:
    "A server that answers, and its address; a port that was free may be taken before the server opens it."
    code = "import sys; from forecastkit.cli.main import main; sys.exit(main())"
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, "-c", code, "dashboard", "--port", str(port), "--home", str(folder), "--quiet"]
        server = subprocess.Popen(command, cwd=folder)
        if answers(f"http://127.0.0.1:{port}/_stcore/health", server):
            return server, f"http://127.0.0.1:{port}"
        server.kill()
    raise AssertionError("the server did not start")


def answers(address: str, server: subprocess.Popen, seconds: float = 300) -> bool:
    "Whether a server answers: it may have ended, or be silent for so many seconds."
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=10):  # noqa: S310
                time.sleep(0.5)
                return server.poll() is None  # what answers may be another, that has the port
        except OSError:
            time.sleep(0.2)
    return False


class Window:
    "A page of Chromium that remembers what went wrong and whom it asked."

    def __init__(self, browser, address: str, **options):
        self.page = browser.new_context(**options).new_page()
        self.page.set_default_timeout(300_000)
        self.errors, self.asked = [], set()
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.add(request.url))
        self.page.on("websocket", lambda socket: self.asked.add(socket.url))
        self.page.goto(address)

    def opened(self, title: str, *words: str, pictures: int = 0) -> str:
        "The text of a page once all its words and pictures are there; its navigation is not part of it."
        from playwright.sync_api import expect

        self.page.get_by_role("heading", level=1, name=title, exact=True).wait_for()
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        main = self.page.locator("[data-testid=stMain]")
        for one in words:  # the script may be done before its words are drawn
            expect(main).to_contain_text(one, timeout=300_000, use_inner_text=True)
        charts = self.page.locator("[data-testid=stVegaLiteChart]:has([aria-label])")
        expect(charts).to_have_count(pictures, timeout=300_000) if pictures else None
        assert not self.page.locator("[data-testid=stException]").count()
        return main.inner_text()

    def goes_to(self, title: str, *words: str, pictures: int = 0) -> str:
        "The text of a page, by its link."
        self.page.get_by_role("link", name=title, exact=True).click()
        return self.opened(title, *words, pictures=pictures)


@pytest.fixture(scope="module")
def window(served):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield Window(browser, served[1], viewport={"width": 1280, "height": 900})
        browser.close()


@pytest.fixture(scope="module")
def filled(served, home) -> Path:
    "That folder with the filled home in it: the ledger lands in one go, beside a server that runs."
    folder, _ = served
    if not (folder / "forecasts.db").exists():
        ready = folder / "forecasts.copy"
        shutil.copy(home / "forecasts.db", ready)
        shutil.copytree(home / "universes", folder / "universes")
        ready.replace(folder / "forecasts.db")
    return folder


def test_in_a_browser_every_page_opens_on_nothing_and_shows_a_forecast_that_lands(served, window, request):
    for title, _page in PAGES.values():
        window.goes_to(title, "forecastkit daily")
    window.goes_to("Today")
    folder = request.getfixturevalue("filled")
    window.page.get_by_text("From the close of").wait_for()
    database = PredictionDatabase(f"sqlite:///{folder}/forecasts.db")
    try:
        window.opened("Today", *(value for _, value, _ in forecast_tiles(database.latest(**VIX))))
        database.store_predictions([(forecast_of("VIX", LAST), None)])
        window.page.get_by_text(f"From the close of {DAYS[LAST]:%a} {DAYS[LAST].day} {DAYS[LAST]:%b %Y}").wait_for()
        window.opened("Today", *(value for _, value, _ in forecast_tiles(database.latest(**VIX))))
    finally:
        database.close()


WHOLE = {  # of each page of the filled home: words that stand late in it, and how many pictures it has
    "Today": ("the largest loss", 1), "Universe": ("the newest of", 0), "Market states": ("As the forecasts of VIX told them", 1),
    "Track record": ("Only live forecasts are proof", 3), "Lines": ("Diebold-Mariano", 1), "Health": ("Drift", 1),
    "Paper book": ("Orders for the next session", 2), "Sectors and states": ("By market state", 2),
}  # fmt: skip


def test_in_a_browser_every_page_is_whole_has_words_for_pictures_and_asks_nobody_else(filled, window):
    assert WHOLE.keys() == {title for title, _ in PAGES.values()}
    for title, (words, pictures) in WHOLE.items():
        said = window.goes_to(title, words, pictures=pictures)
        assert (
            "Run forecastkit" not in said.replace("forecastkit shadow", "").replace("forecastkit models", "")
            or title == "Today"
        ), said
        told = window.page.locator("[data-testid=stVegaLiteChart]").evaluate_all(
            "all => all.map(one => [one, ...one.querySelectorAll('[aria-label]')].map(e => e.getAttribute('aria-label') || '').join(' '))"
        )
        assert len(told) == pictures
        assert all(len(one.strip()) > 30 for one in told), told
    assert not window.errors, window.errors
    assert {re.match(r"(?:blob:)?\w+://([^/:]+)|data:", one)[1] or "127.0.0.1" for one in window.asked} == {"127.0.0.1"}


def test_in_a_browser_the_pages_are_reached_by_keyboard_and_fit_a_phone(filled, window):
    window.goes_to("Today", "From the close of")
    reached = False
    for _ in range(60):
        window.page.keyboard.press("Tab")
        if reached := window.page.evaluate("document.activeElement.innerText || ''").strip() == "Market states":
            break
    assert reached, "no link has the focus after 60 tabs"
    window.page.keyboard.press("Enter")
    window.opened("Market states", "bear")
    window.page.set_viewport_size({"width": 400, "height": 800})
    for title in ("Track record", "Lines"):
        window.page.set_viewport_size({"width": 1280, "height": 800})
        window.goes_to(title, WHOLE[title][0])
        window.page.set_viewport_size({"width": 400, "height": 800})
        window.page.wait_for_function("document.documentElement.scrollWidth <= 400")
        wide = window.page.locator("[data-testid=stMain] .fk-scroll").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().right)"
        )
        assert all(right <= 400 for right in wide)
