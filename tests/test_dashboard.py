"The dashboard: every page without an exception on nothing and on a filled ledger, its figures those of the database, and no way to write."

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

pytest.importorskip("streamlit", reason="the dashboard needs streamlit: pip install 'forecastkit[dashboard]'")

from dashboard_ledger import DAYS, NAMES, filled_home
from streamlit.testing.v1 import AppTest

from forecastkit.core import DataError
from forecastkit.ledger import PredictionDatabase, ledger_rows, open_reader, with_retry
from forecastkit.web.dashboard import PAGES
from forecastkit.web.dashboard_frames import forecast_tiles
from forecastkit.web.dashboard_server import dashboard_options


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return filled_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def database(home):
    held = PredictionDatabase(f"sqlite:///{home}/forecasts.db")
    yield held
    held.close()


def program(name: str) -> None:
    from forecastkit.web.dashboard import show_page

    show_page(name)


def page(name: str, home: Path, monkeypatch) -> AppTest:
    "A page as it is after its first run."
    monkeypatch.setenv("FORECASTKIT_DATA_HOME", str(home))
    shown = AppTest.from_function(program, kwargs={"name": name}, default_timeout=120).run()
    assert not shown.exception, shown.exception[0].value
    return shown


def text_of(shown: AppTest) -> str:
    "All that a page says in words and HTML."
    return "\n".join(
        str(one.value if hasattr(one, "value") else one.body)
        for kind in ("markdown", "caption", "info", "warning", "html")
        for one in shown.get(kind)
    )


@pytest.mark.parametrize("name", PAGES)
def test_without_a_ledger_a_page_says_what_to_run_and_makes_none(name, tmp_path, monkeypatch):
    shown = page(name, tmp_path, monkeypatch)
    assert shown.title[0].value == PAGES[name][0]
    assert "forecastkit daily" in shown.info[0].value
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_ledger_is_no_error(name, tmp_path, monkeypatch):
    PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db").close()
    assert "forecastkit " in text_of(page(name, tmp_path, monkeypatch))


def test_today_shows_the_newest_forecast_as_the_database_has_it(home, database, monkeypatch):
    shown, newest = page("today", home, monkeypatch), database.latest("VIX", 1, "pct_change")
    said = text_of(shown)
    for name, value, below in forecast_tiles(newest):
        assert name in said and value in said and below in said
    first = ledger_rows(database.get_predictions("VIX", limit=1)).iloc[0]
    assert all(f"{first[name]:,.2f}" in said for name in ("last", "median", "low_80", "high_80"))
    assert len(shown.selectbox[0].options) == len(NAMES)


def test_the_universe_has_a_row_for_each_ticker_and_is_searched(home, database, monkeypatch):
    shown = page("universe", home, monkeypatch)
    rows = shown.dataframe[0].value
    assert rows["symbol"].tolist() == sorted(NAMES)
    for row in rows.itertuples():
        stored = database.latest(row.symbol, 1, "pct_change" if row.symbol == "VIX" else "log_return")
        assert (row.close, row.low_80, row.high_80) == (stored.last_value, *stored.in_points.interval(0.8))
        assert list(row.history) == [level for _, level in stored.metadata["history"]]
    shown.text_input[0].set_value("energy").run()
    assert shown.dataframe[0].value["symbol"].tolist() == ["AAA", "BBB"]


def test_what_is_read_cannot_be_written(home):
    reader = open_reader(f"sqlite:///{home}/forecasts.db")
    for work, write in (
        (lambda c: None, True),
        (lambda c: c.execute(sa.text("DELETE FROM deliveries")), False),
        (lambda c: c.execute(sa.text("CREATE TABLE x (y)")), False),
    ):
        with pytest.raises(DataError):
            with_retry(reader.engine, work, write=write)
    assert reader.latest("VIX", 1, "pct_change").origin == DAYS[-2]
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
