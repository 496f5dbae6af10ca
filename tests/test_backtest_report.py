"The page of a backtest: calibration, ablation and scenarios, each shown where it was measured and else one sentence with the command."

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from forecastkit import pipeline
from forecastkit.core import PROBS, Piece, joined_html, load_settings
from forecastkit.data import synthetic_market
from forecastkit.evaluation import AblationStudy
from forecastkit.pipeline import (
    EQUAL_WEIGHT,
    PANEL_STRATEGY,
    Universe,
    about_book,
    backtest_universe,
    book_calibration,
    keep_backtest,
    kept_backtest,
    log_scenarios,
    log_study,
    strategy_scenarios,
)
from forecastkit.pipeline.backtest import UniverseBacktest
from forecastkit.pipeline.backtest_inputs import RowForecast
from forecastkit.reports import (
    backtest_page,
    cost_curve,
    equity_picture,
    exposure_picture,
    generate_report,
    paper_section,
    rolling_picture,
    trades_picture,
    verdict_words,
)
from forecastkit.reports.backtest_evidence import ablation_section, book_calibration_section, scenarios_section
from forecastkit.reports.backtest_sections import volume_words
from forecastkit.reports.html import drawn, paragraph, table

NAMES = ("AAA", "BBB")


@pytest.fixture(scope="module")
def market():
    return synthetic_market(seed=4, sessions=900, start="2014-05-01", stocks=NAMES).market


@pytest.fixture
def settings(tmp_path):
    return load_settings(environ={}, overrides={"data.home": tmp_path / "home", "run.progress": False})


def halves(view, tickers):
    "A twentieth in each."
    return dict.fromkeys(tickers, 0.05)


def weights_run(market, settings) -> UniverseBacktest:
    days = market.close("AAA").index
    return backtest_universe(Universe(NAMES, name="pair"), days[300], days[880], settings, market, strategy=halves)


def stated(market, name: str, t: int, width: float) -> RowForecast:
    "Quantiles of the last 250 changes over five sessions, made narrower or wider."
    closes = np.log(market.close(name).to_numpy())
    past = closes[t - 245 : t + 1] - closes[t - 250 : t - 4]
    return RowForecast(name, market.close(name).index[t], 5, tuple(PROBS), width * np.quantile(past, PROBS), 1.0)


def measured(market, width: float):
    days = market.close("AAA").index
    decided = {days[t]: {name: stated(market, name, t, width) for name in NAMES} for t in range(300, 880, 5)}
    return book_calibration(decided, market)


def test_ranges_of_the_right_width_are_calibrated_and_others_are_found(market):
    right, narrow, wide = (measured(market, width) for width in (1.0, 0.5, 2.0))
    assert abs(right.at(0.8)["covered"] - 0.8) < 2.5 * right.at(0.8)["covered_se"]
    assert narrow.at(0.8)["covered"] < 0.8 - 3 * narrow.at(0.8)["covered_se"]
    assert wide.at(0.8)["covered"] > 0.8 + 3 * wide.at(0.8)["covered_se"]
    assert sum(one["share"] for one in right.pit) == pytest.approx(1)


def test_what_is_not_known_yet_is_not_scored_and_tomorrow_changes_nothing(market):
    days = market.close("AAA").index
    decided = {days[t]: {"AAA": stated(market, "AAA", t, 1.0)} for t in range(300, 700, 5)}
    early, late = (book_calibration(decided, market.as_of(days[last])) for last in (600, 899))
    again = book_calibration({day: one for day, one in decided.items() if day <= days[595]}, market)
    assert early.forecasts == again.forecasts < late.forecasts
    assert early.to_dict() == again.to_dict()


def test_a_page_without_studies_says_what_is_missing_and_how_to_make_it(market, settings, tmp_path):
    run = weights_run(market, settings)
    written, page = generate_report(run, tmp_path / "out")
    said, text = json.loads(written.read_text()), page.read_text()
    assert (run.calibration, run.studies, said["calibration"]) == (None, {}, None)
    for told in (
        "Nothing can be said of calibration",
        "forecastkit study ablation --universe pair.csv",
        "forecastkit study scenarios --universe pair.csv",
    ):
        assert text.count(told) == 2, told  # in the verdict, and in its section
    for section in ("Were the forecasts calibrated?", "What carried it", "Would it have survived?"):
        assert f">{section}<" in text


def test_a_hostile_name_is_text_on_the_page(market, settings):
    evil = '<script>alert("x")</script>'
    run = weights_run(market, settings)
    universe = Universe(NAMES, {"AAA": evil, "BBB": evil}, name=evil)
    odd = replace(run, subject=evil, universe=universe, survivorship=evil, remarks=(evil,))
    by_name = backtest_page.traded_table(run.result.by_ticker.rename(index={"AAA": evil}))
    parts = [
        paragraph(backtest_page.backtest_basis(odd), "lead"), backtest_page.verdict_html(odd), table(by_name, evil),
        *map(paragraph, verdict_words(odd)), book_calibration_section(odd), ablation_section(odd), scenarios_section(odd),
    ]  # fmt: skip
    whole = joined_html(Piece(part) for part in parts)
    assert "<script" not in whole and whole.count("&lt;script&gt;") >= 6


def test_a_hostile_ticker_is_text_in_the_paper_book(monkeypatch):
    evil = '<script>alert("x")</script>'
    rows = pd.DataFrame({"symbol": [evil], "share": [0.1], "why": [evil]})
    for name in ("positions_table", "orders_table"):
        monkeypatch.setattr(pipeline, name, lambda row: rows)
    monkeypatch.setattr(pipeline, "trades_table", lambda result: rows.rename(columns={"symbol": "ticker"}))
    result = SimpleNamespace(benchmarks={}, books=SimpleNamespace(start_cash=1.0))
    book = SimpleNamespace(text=lambda: f"{evil}\nPAUSED {evil}\n{evil}", result=result, profit=0.1, row=None)
    shown = paper_section(book)
    assert "<script" not in shown and shown.count("&lt;script&gt;") == 9


def test_every_plot_has_a_title_and_no_legend_over_it(market, settings):
    run = weights_run(market, settings)
    drawings = [
        equity_picture(run),
        *(draw(run).figure for draw in (exposure_picture, rolling_picture, trades_picture)),
    ]
    for figure in drawings:
        ax = figure.axes[0]
        figure.canvas.draw()
        assert len(ax.get_title()) > 10 or len(ax.get_title("left")) > 10
        title = ax._left_title.get_window_extent()
        legend = ax.get_legend().get_window_extent()
        assert legend.y0 >= ax.get_window_extent().y1 - 1 and title.y0 >= legend.y1 - 2, (
            "title above legend above curves"
        )
        shown = drawn(figure)
        assert 'tabindex="0"' in shown and 'role="img"' in shown and ax.get_title("left") in shown


def test_what_was_measured_and_logged_is_on_the_page_with_errors_and_baselines(market, settings, tmp_path):
    days, universe = market.close("AAA").index, Universe(NAMES, name="pair")
    log_scenarios(
        settings,
        universe,
        None,
        (days[300], days[880]),
        strategy_scenarios(universe, None, days[300], days[880], settings, market),
    )
    run = replace(weights_run(market, settings), calibration=measured(market, 0.5))
    assert list(run.studies) == ["scenarios"] and run.studies["scenarios"]["about"]["strategy"] == EQUAL_WEIGHT
    rng = np.random.default_rng(0)
    returns = pd.Series(0.01 * rng.standard_normal(500) + 0.002, days[300:800])
    studied = AblationStudy(
        ("sizing", "stops"), lambda kept: returns - 0.002 * ("sizing" not in kept), "return", draws=200
    )
    written, page = generate_report(run, tmp_path / "out", ablation=studied.results())
    said, text = json.loads(written.read_text()), page.read_text()
    assert said["calibration"]["levels"][1]["covered"] == pytest.approx(run.calibration.at(0.8)["covered"])
    assert [one["part"] for one in said["studies"]["ablation"]["parts"]] == ["sizing", "stops"]
    assert said["crises"]["2015-08,_the_yuan"].keys() >= {"book_change", "equal_weight_change", "broken"}
    for told in (
        "too narrow by more than two errors",
        "carried by sizing",
        "equal weight of the same tickers, not the book itself",
        "of climatology",
        "a split unadjusted (fault)",
    ):
        assert told in text, told
    assert "data after 2018-12-31 were not read" in text and len(text) < 3_000_000


def test_studies_of_another_universe_or_strategy_are_not_taken_for_its_own(market, settings):
    result = AblationStudy(
        ("a",), lambda kept: pd.Series(np.arange(9.0), pd.bdate_range("2018-01-01", periods=9))
    ).results()
    log_study(settings, "ablation", "why", result, about_book("ablation", Universe(NAMES).identity, PANEL_STRATEGY))
    log_study(settings, "scenarios", "why", result, about_book("scenarios", Universe(("AAA",)).identity, EQUAL_WEIGHT))
    assert weights_run(market, settings).studies == {}  # a strategy of one's own is not the panel


def test_the_verdict_says_what_was_earned_against_the_best_benchmark_and_how_many_were_tried(market, settings):
    run = weights_run(market, settings)
    told = " ".join(verdict_words(run))
    best = run.result.beside.drop("strategy")["sharpe"].idxmax()
    apart = 25200 * (run.result.returns.to_numpy() - run.result.benchmarks[best].returns[1:]).mean()
    assert f"and earned {apart:+.1f} points a year (s.e. " in told and "the one strategy tried in this home" in told
    once = cost_curve(run).loc["1 times", "return a year, %"]
    assert once == pytest.approx(100 * run.result.measures["annual_return"])  # one definition on one page
    assert volume_words(run) == ""


def test_a_kept_run_tells_the_same(market, settings, tmp_path):
    run = replace(
        weights_run(market, settings),
        calibration=measured(market, 1.0),
        studies={"ablation": {"carrying": [], "parts": [{"smallest": 0.5}]}},
    )
    again = kept_backtest(keep_backtest(run, Path(tmp_path) / "run.npz"))
    assert verdict_words(again) == verdict_words(run)
    assert again.calibration.to_dict() == run.calibration.to_dict()
