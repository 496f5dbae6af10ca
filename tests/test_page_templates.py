"Pages are made from packaged templates: a hostile name is text on every one of them, drawings follow the page's colours, and no page grows without bound."

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from html5lib import HTMLParser
from html5lib.html5parser import ParseError

from forecastkit.core import Piece, Report, Target, html_macros, joined_html, load_settings
from forecastkit.core.findings import Finding, html_section, write_page
from forecastkit.data import synthetic_market
from forecastkit.forecasts import blank_axes, fan_chart, figure_pair, figure_svg, house_style, html_card
from forecastkit.ops import JobRun, MonitorReport
from forecastkit.pipeline import IntegratedSystem
from forecastkit.pipeline.daily import scorecard_path, worst_quarters_sentence
from forecastkit.reports import daily, morning
from forecastkit.reports.html import GUARD, STYLE, drawn, heading, is_text, paragraph, table
from forecastkit.reports.monitoring_page import Monitoring, picture, skill_section

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


def test_features_have_words_on_the_page(day):
    told = daily.quality_sentences(
        replace(day, missing=["vix9d_vix", "vix_rsi_14", "spx_momentum_252_22", "spx_return_1", "vix_dev_22"])
    )
    assert (
        "VIX9D to VIX, VIX RSI of 14 sessions, S&P 500 momentum of 252 and 22 sessions, S&P 500 over 1 session"
        in told[-2]
    )
    assert not re.search(r"[a-z]_[a-z0-9]", " ".join(told) + morning.moved_section(day.forecast))


def test_columns_of_words_begin_below_each_other_and_numbers_end_so():
    page = table(pd.DataFrame({"event": ["FOMC decision", "expiry", ""], "far": ["3", "10", ""]}, ["a", "b", "c"]))
    assert '<th scope="col" class="text">event</th><th scope="col">far</th>' in page
    assert '<td class="text">expiry</td><td>10</td>' in page
    assert not is_text(["none, +1.1%", "+5.2%", "12%"]) and is_text(["86b191d5-9d6a-5a48-8fe4-33e5074f4e64"])


def test_an_axis_writes_days_as_the_page_does_and_no_line_crosses_words():
    days = pd.bdate_range("2018-12-10", "2019-01-08")
    with house_style():
        ax = blank_axes(3.9, 2.5)
    shown = fan_chart(
        pd.Series(20.0, days),
        "2019-01-15",
        [0.05, 0.25, 0.5, 0.75, 0.95],
        [14.0, 18, 20, 24, 36],
        bounds=(15, 20, 30),
        ax=ax,
    )
    shown.figure.draw_without_rendering()
    written = [shown.xaxis.get_major_formatter().get_offset(), *(label.get_text() for label in shown.get_xticklabels())]
    assert "Jan 2019" in written and not any("-" in words for words in written)
    bounds = [words for words in shown.texts if " from " in words.get_text()]
    assert len(bounds) == 3 and all(words.get_bbox_patch() is not None for words in bounds)
    assert "var(--paper, #fefefe)" in figure_svg(shown.figure, "fan")


def test_the_job_that_speaks_does_not_say_that_it_is_at_work():
    now = datetime(2018, 12, 31, 21, 15, tzinfo=UTC)
    runs = [
        JobRun(1, "update", now - timedelta(hours=1), {}, now, "done"),
        JobRun(2, "daily", now, {}),
        JobRun(3, "monitor", now, {}),
    ]
    report = MonitorReport(
        "", pd.DataFrame({"feature": []}), 0, pd.DataFrame({"decayed": []}), (runs[0],), (), 0, (), tuple(runs[1:])
    )
    assert (
        report._job_line("daily")
        == "Jobs: update done 31 Dec 2018, 21:15 UTC, monitor at work since 21:15 UTC. 0 alerts stand."
    )
    assert "daily at work since" in report._job_line("")


def test_a_span_within_one_year_is_one_year(tmp_path):
    settings = load_settings(environ={}, overrides={"data.home": str(tmp_path)})
    path = scorecard_path(Target("VIX", "pct_change", 5), settings)
    path.parent.mkdir(parents=True)
    row = {"quarter": "2018Q4", "skill": 0.06, "skill_se": 0.03}
    path.write_text(json.dumps({"start": "2018-01-02", "end": "2018-12-21", "worst_quarters": [row]}))
    told = worst_quarters_sentence(Target("VIX", "pct_change", 5), settings)
    assert "in the worst quarters of 2018: 2018Q4 +6% (s.e. 3)" in told


def test_the_parts_of_the_daily_page_are_valid_html(day):
    parts = [
        daily.headline(day), morning.morning_card(day), morning.month_section(day.record), morning.moved_section(day.forecast), daily.record_section(day),
        morning.record_drawing(day.record), morning.regime_drawing(day.regimes), morning.anomaly_drawing(day), table(daily.provenance_table(day), "caption"),
        table(daily.ahead_table(day.ahead)), table(daily.last_forecasts(day.record)), html_macros("daily").past([("2018-12-31", "Monday, 31 Dec 2018")]),
    ]  # fmt: skip
    HTMLParser(strict=True).parse(html_macros("pieces").page("VIX", STYLE, joined_html(parts), GUARD))
    with pytest.raises(ParseError):
        HTMLParser(strict=True).parse(html_macros("pieces").page("VIX", STYLE, Piece("<p><table></p>"), GUARD))


def test_no_report_leaves_a_picture_without_words():
    "Axes that a notebook shows by themselves get a stock text, and a box that no keyboard reaches."
    for path in (PACKAGE.parent / "reports").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            bare = re.search(r"^ *axes? = |plt\.show", "".join(cell["source"]), re.MULTILINE)
            assert bare is None or "drawn(axes" in "".join(cell["source"]), (path.name, bare)


def test_a_measure_by_session_fits_a_phone():
    days = pd.bdate_range("2018-01-02", periods=90, unit="us")
    rows = pd.DataFrame(
        {"target_session": days, "crps": 1.0, "base_crps": 1.2, "inside_80": 1.0, "horizon": 5, "symbol": "VIX"}
    )
    shown = skill_section(Monitoring(None, None, rows, [], [], [], None))
    assert shown.count('class="drawing narrow"') == 2 and "<img" not in shown
