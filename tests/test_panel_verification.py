"`verify --universe`: every part of a panel is asked, what is planted in it is found, and so are panel leaks in a file of one's own."

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from leaks import LEAKS, LOOKALIKES
from leaks.setting import corpus_market
from proofs import mostly_slow

from forecastkit.calendars import reported_dates, scheduled_dates
from forecastkit.cli.main import main
from forecastkit.core import load_settings
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.panel_bars import PanelFeature
from forecastkit.pipeline import Universe, panel_preparation, panel_verification, verify_universe
from forecastkit.pipeline.panel_verification import universe_parts
from forecastkit.pipeline.verification import part_report

STOCKS = ("AAPL", "JNJ", "KO", "XOM")
QUICK = load_settings(environ={}, overrides={"run.progress": False, "run.n_jobs": 1, "model.rounds": 3})
PARTS = ["stock features", "research features", "breadth and sector rotation", "the twelve market states"]


@pytest.fixture(scope="module")
def market():
    return synthetic_market(seed=7, sessions=760, stocks=STOCKS).market


@pytest.fixture(scope="module")
def universe(market) -> Universe:
    days = pd.date_range(market.close("SPX").index[30], market.close("SPX").index[-30], freq="91D")
    told = scheduled_dates("AAPL", days[1::2], (days[1::2] - pd.Timedelta(days=20)).tz_localize("UTC"))
    tables = [*(reported_dates(symbol, days + pd.Timedelta(days=k)) for k, symbol in enumerate(STOCKS[:3])), told]
    return Universe(STOCKS, {"JNJ": "a", "KO": "a", "XOM": "b"}, pd.concat(tables))


def features_report(market, universe, cuts: int = 2):
    "What is found in the stock features alone."
    whole = universe.market(market)
    days = whole.close("SPX").index[300 :: 400 // cuts]
    return part_report(universe_parts(whole, universe, QUICK)[0], whole, days[:cuts])


def subjects(reports) -> list[str]:
    return [report.subject.removeprefix("look-ahead audit of ") for report in reports]


def test_every_part_is_asked_and_nothing_is_found(market, universe):
    reports = verify_universe(market, universe, QUICK, cuts=2, fitted=1)
    assert subjects(reports) == [*PARTS, "the panel forecast", "directions"]
    assert all(report.ok for report in reports), "\n".join(map(str, reports))
    columns = reports[0].facts["columns"]
    assert columns == 4 * len(panel_preparation.panel_declarations(universe, 5))  # the earnings features among them


def test_what_is_planted_in_the_declarations_is_found(market, universe, monkeypatch):
    declared = panel_preparation.panel_declarations

    def among_the_sample(x):  # a rank over all years
        change = x.change(5)
        return pd.DataFrame(change).stack().rank(pct=True).unstack().reindex(range(len(change))).to_numpy()  # noqa: PD010, PD013

    planted = PanelFeature(
        "all_years", "rank", ("ticker",), 6, "rank", 0, 1, "A rank over all years.", among_the_sample
    )
    monkeypatch.setattr(panel_verification, "panel_declarations", lambda *given: (*declared(*given), planted))
    report = features_report(market, universe)
    assert not report.ok and all("all_years" in found.feature for found in report.found)


def test_reports_read_before_they_were_out_are_found(market, universe, monkeypatch):
    told = panel_preparation.panel_declarations

    def early(known, horizon):
        table = known.earnings.assign(known_at=known.earnings["known_at"] - pd.Timedelta(days=30), kind="scheduled")
        return told(replace(known, earnings=table), horizon)

    monkeypatch.setattr(panel_verification, "panel_declarations", early)
    report = features_report(market, universe, 6)
    assert not report.ok and any("earnings" in found.feature for found in report.found)


def test_the_forecast_reads_the_reports_of_the_market_as_those_of_the_universe(market, universe):
    last = market.close("SPX").index[640]
    brought = panel_preparation.prepare_panel(market, universe, QUICK, last)
    carried = panel_preparation.prepare_panel(
        market.with_earnings(universe.earnings), replace(universe, earnings=None), QUICK, last
    )
    assert "earnings_ahead" in carried.features and carried.features.equals(brought.features)
    assert np.array_equal(brought.quantiles, carried.quantiles)


# ---------------------------------------------------------------- the corpus, through the door that users have


def leaving(*words: str) -> int:
    "The exit code of a command."
    try:
        return main(list(words))
    except SystemExit as leave:
        return int(leave.code or 0)


CORPUS = Path(__file__).parent / "leaks" / "panel.py"
PANEL = [case for case in LEAKS + LOOKALIKES if case.fn.__module__ == "leaks.panel"]
SHORT_FIRST = [PANEL[0], PANEL[-1], *PANEL[1:-1]]  # a leak, a look-alike, and the others


def test_the_panel_has_ten_leaks_and_five_lookalikes():
    assert sum(case in LEAKS for case in PANEL) >= 10 and sum(case in LOOKALIKES for case in PANEL) >= 5


@pytest.mark.parametrize("case", mostly_slow(SHORT_FIRST), ids=str)
def test_a_file_of_ones_own_is_judged_alike(case, monkeypatch, capsys):
    monkeypatch.setattr("forecastkit.pipeline.open_market", lambda *given, **named: corpus_market())
    known = len(LEAKS + LOOKALIKES)
    code = leaving("verify", "--function", f"{CORPUS}:{case.fn.__name__}", "--cuts", "10", "--json")
    [report] = json.loads(capsys.readouterr().out)
    assert len(LEAKS + LOOKALIKES) == known  # loading the file lists nothing again
    assert report["ok"] is (case in LOOKALIKES) and code == (0 if report["ok"] else 1)


def test_verify_of_a_universe_file(tmp_path, capsys, market):
    page, file, bars = tmp_path / "page.html", tmp_path / "mine.csv", tmp_path / "bars"
    bars.mkdir()
    for symbol in ("VIX", "SPX", *STOCKS):
        market.bars(symbol).rename_axis("date").to_csv(bars / f"{symbol}.csv")
    file.write_text("symbol,sector\nAAPL,a\nKO,b\nXOM,b\n")
    days = market.close("AAPL").index[[300, 500]]
    (tmp_path / "earnings_dates.csv").write_text(f"symbol,date\nAAPL,{days[0]:%Y-%m-%d}\nKO,{days[1]:%Y-%m-%d}\n")
    code = leaving("verify", "--universe", str(file), "--sources", f"folder:{bars}", "--jobs", "1", "--home", str(tmp_path / "home"), "--cuts", "1", "--fitted", "0", "--json", "--html", str(page))  # fmt: skip
    reports = json.loads(capsys.readouterr().out)
    assert code == 0 and len(reports) == 4 and all(report["ok"] for report in reports)
    assert "stock features" in page.read_text()
    assert leaving("verify", "--universe", "sample", "--function", "a.py:b") == 2
    assert "one of them" in capsys.readouterr().err


@pytest.mark.parametrize("more", [("--symbol", "AAPL"), ("--function", "mine.py:f")])
def test_an_audit_of_two_subjects_is_refused(more, capsys):
    assert main(["verify", "--universe", "sample", *more]) == 2
    assert "both say what is audited" in capsys.readouterr().err
