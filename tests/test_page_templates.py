"Pages are made from packaged templates: a hostile name is text on every one of them, drawings follow the page's colours, and no page grows without bound."

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.core import Piece, Report, html_macros, joined_html, load_settings
from forecastkit.core.findings import Finding, html_section, write_page
from forecastkit.data import synthetic_market
from forecastkit.forecasts import blank_axes, figure_pair, figure_svg, html_card
from forecastkit.pipeline import IntegratedSystem
from forecastkit.reports import daily, morning
from forecastkit.reports.html import STYLE, drawn, heading, paragraph, table
from forecastkit.reports.monitoring_page import picture

HOSTILE = '<script>alert("x")</script>'
PACKAGE = Path(__file__).resolve().parents[1] / "forecastkit"


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    given = {
        "data.home": str(tmp_path_factory.mktemp("home")),
        "run.progress": False,
        "model.rounds": 3,
        "model.refit_every": 252,
    }
    quick = load_settings(environ={}, overrides=given)
    return IntegratedSystem(settings=quick, market=synthetic_market(seed=7, sessions=1100).market).daily()


def hostile_day(day):
    "The same day, with a script wherever a name came from outside."
    f = replace(day.forecast, symbol=HOSTILE, metadata=day.forecast.metadata | {"data_notes": [HOSTILE]})
    quality = day.quality | {"issues": [HOSTILE], "status": HOSTILE}
    series = day.series.assign(source=HOSTILE)
    repairs = pd.DataFrame({"symbol": [HOSTILE], "session": [day.as_of], "what": [HOSTILE], "action": [HOSTILE]})
    ahead = day.ahead.assign(event=HOSTILE)
    return replace(day, forecast=f, quality=quality, series=series, repairs=repairs, ahead=ahead, missing=[HOSTILE])


def test_a_hostile_name_is_text_on_the_daily_page(day):
    odd = hostile_day(day)
    parts = [
        morning.morning_card(odd), morning.month_section(odd.record), morning.moved_section(odd.forecast), daily.record_section(odd),
        table(daily.ahead_table(odd.ahead)), table(daily.repair_table(odd.repairs)), table(daily.provenance_table(odd), HOSTILE),
        *(paragraph(line) for line in daily.quality_sentences(odd)), heading(HOSTILE, 1),
    ]  # fmt: skip
    whole = html_macros("pieces").page(HOSTILE, "", joined_html(parts), "")
    assert "<script" not in whole.lower()
    assert whole.count("&lt;script&gt;") >= 10


def test_a_hostile_name_is_text_on_reports_of_checks(tmp_path):
    odd = Report(
        HOSTILE,
        (Finding(HOSTILE, HOSTILE, HOSTILE),),
        {HOSTILE: 1},
        (HOSTILE,),
        {HOSTILE: pd.DataFrame({HOSTILE: [HOSTILE]})},
    )
    page = write_page(tmp_path / "a.html", [odd], HOSTILE).read_text()
    assert "<script" not in html_section(odd) + page and page.count("&lt;script&gt;") >= 9


def test_plain_text_between_pieces_is_escaped_and_pieces_are_not():
    assert joined_html([paragraph("a"), "<b>"]) == "<p>a</p>\n&lt;b&gt;"
    assert isinstance(paragraph("a") + paragraph("b"), Piece) and not isinstance(paragraph("a") + "<b>", Piece)


def test_no_page_is_put_together_from_pieces_of_text():
    "The modules that were turned to templates hold no tag in their code."
    spared = {"html.py", "universe_page.py", "plotting.py"}
    looked = [
        *(PACKAGE / "reports").glob("*.py"),
        *(PACKAGE.parent / "reports").glob("*.ipynb"),
        PACKAGE / "core" / "findings.py",
        PACKAGE / "data" / "health.py",
        *(PACKAGE / "forecasts").glob("*.py"),
    ]
    found = {
        path.name
        for path in looked
        if path.name not in spared and re.search(r"[\"'>]</?(div|p|table|td|tr|span|h[1-6]|img)\b", path.read_text())
    }
    assert found == set()


def test_a_drawing_takes_the_colours_of_the_page_and_no_two_share_a_name():
    ax = blank_axes(3, 2)
    ax.plot([1, 2], color="#24303c")
    one, pair = figure_svg(ax.figure, HOSTILE), figure_pair(lambda ax: ax.plot([1, 2]), "a line")
    assert "<script" not in one and "var(--ink, #24303c)" in one and "#ffffff" not in one
    names = re.findall(r' id="([^"]+)"', pair)
    assert names and len(names) == len(set(names))
    assert 'class="drawing wide"' in pair and 'class="drawing narrow"' in pair


def test_what_scrolls_is_reached_by_the_keyboard_and_no_column_widens_the_page():
    ax = blank_axes(3, 2)
    ax.set_title(HOSTILE, loc="left")
    for box in (drawn(ax.figure), picture(ax.figure, HOSTILE), table(pd.DataFrame({"a": [1]}), HOSTILE)):
        assert re.match(r'\s*<div class="[^"]+" role="group" aria-label="[^"]{10,}" tabindex="0">', box), box[:200]
        assert "<script" not in box
    assert ".columns>div{min-width:0" in STYLE  # a flexible child is as wide as its table otherwise


def test_pages_write_days_in_one_way():
    "No page spells a day in numbers; folders, files and what programs read do."
    shown = ("scorecard", "monitoring_page", "backtest_page", "paper_page", "panel_scorecard", "daily", "morning")
    found = [name for name in shown if re.search(r"%Y-%m-%d|%-d %B", (PACKAGE / "reports" / f"{name}.py").read_text())]
    assert found == []


def test_every_drawing_of_the_daily_page_says_what_it_shows(day):
    parts = [
        morning.morning_card(day),
        morning.record_drawing(day.record),
        morning.regime_drawing(day.regimes),
        morning.anomaly_drawing(day),
    ]
    for part in parts:
        assert part.count("<svg") == 2 and part.count('role="img"') == 2
        assert all(len(alt) > 20 for alt in re.findall(r'aria-label="([^"]*)" viewBox', part))
    assert sum(map(len, parts)) < 700_000


def test_a_month_is_judged_beside_the_others():
    days = pd.bdate_range("2017-01-02", periods=250, unit="us")
    record = pd.DataFrame(
        {
            "target_session": days,
            "outcome_points": 17.0,
            "median_points": 16.0,
            "inside_80": 1.0,
            "crps": 1.0,
            "crps_climatology": 1.2,
        },
        days,
    )
    assert morning.judgement(record).startswith(
        "The last 14 outcomes were mostly above the median (14), 0 of them outside"
    )
    record.loc[days[-12:], "crps"] = 5.0
    assert "the worst month" in morning.judgement(record)
    assert morning.judgement(record.assign(outcome_points=np.where(np.arange(250) % 2, 15.0, 17.0))).startswith(
        "The last 14 outcomes were on both sides"
    )


def test_a_card_warns_of_old_data_and_only_of_them(day):
    f = day.forecast
    assert "Old data" in f._repr_html_()
    assert "Old data" not in html_card(f, "", f.origin.date()) + morning.morning_card(
        day
    )  # the page says it above the card
