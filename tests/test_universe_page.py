"The universe page: what it shows is what was forecast, whatever a sector is called and whatever is missing; it loads nothing and stays small."

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pandas as pd
import pytest

from forecastkit.core import load_settings
from forecastkit.data import MarketData, synthetic_market
from forecastkit.pipeline import SymbolForecasts, Universe, UniverseSystem
from forecastkit.reports import UniverseDay, sector_map, ticker_rows, universe_day, universe_table
from forecastkit.reports import universe_page as page
from forecastkit.reports.universe_rows import forecast_reasons, panel_widths, usual_widths

NAMES = ("AAA", "BBB", "CCC")
HOSTILE = '<script>alert("x")</script>'
MAGNITUDES = {"feature": "vol_22", "family": "volatility", "given": None}


def day_of(home, market: MarketData, universe: Universe) -> UniverseDay:
    given = {
        "data.home": str(home),
        "model.rounds": 3,
        "model.refit_every": 252,
        "run.n_jobs": 1,
        "run.progress": False,
    }
    return universe_day(UniverseSystem(universe, load_settings(environ={}, overrides=given), market))


def whole(day: UniverseDay) -> str:
    "All parts of the page."
    parts = [
        page.universe_headline(day),
        page.state_strip_html(day.states),
        sector_map(day.rows),
        universe_table(day.rows),
        page.UNIVERSE_SCRIPT,
    ]
    parts += [
        page.widest_section(day),
        page.unusual_section(day),
        page.past_section(day.past),
        page.skipped_section(day.forecasts),
    ]
    return "\n".join([*parts, page.provenance_words(day), page.state_sentence(day.states, day.state_words)])


@pytest.fixture(scope="module")
def market() -> MarketData:
    return synthetic_market(seed=3, sessions=760, start="2014-01-02", stocks=NAMES).market


@pytest.fixture(scope="module")
def day(market, tmp_path_factory) -> UniverseDay:
    return day_of(
        tmp_path_factory.mktemp("home"), market, Universe(NAMES, {"AAA": HOSTILE, "BBB": "Banks"}, name="three")
    )


def bars_without(market: MarketData, *gone: str) -> MarketData:
    kinds = market.summary().set_index("symbol")["kind"]
    return MarketData({s: market.bars(s) for s in market.symbols if s not in gone and kinds[s] == "bars"})


def cells(html: str) -> dict[str, list[str]]:
    "What each row of the table is sorted by, by ticker."
    rows = re.findall(r"<tr id=.*?</tr>", html, re.S)
    found = [[unescape(one) for one in re.findall(r'<t[hd][^>]* data-sort="([^"]*)"', row)] for row in rows]
    return {row[0]: row for row in found}


def test_the_table_says_what_was_forecast(day):
    shown, heads = cells(universe_table(day.rows)), list(page.PAGE_COLUMNS)
    assert sorted(shown) == sorted(day.forecasts)
    widths = panel_widths(day.prepared, day.session)
    for symbol, forecast in day.forecasts.items():
        row = dict(zip(heads, shown[symbol]))
        low, high = forecast.in_points.interval(0.8)
        assert float(row["close"]) == forecast.last_value
        assert float(row["80% range in price"]) == pytest.approx(high / low - 1)
        assert float(row["fall beyond 5%"]) == pytest.approx(1 - forecast.prob_above(0.95 * forecast.last_value))
        assert float(row["width against its usual"]) == pytest.approx(
            widths[symbol].iloc[-1] / usual_widths(widths)[symbol]
        )
        assert f"{low:,.2f} to {high:,.2f}" in universe_table(day.rows)


def test_numbers_are_sorted_as_numbers_and_blanks_stand_apart(day):
    html = universe_table(day.rows.assign(width_ratio=[9.0, 10.0, float("nan")], label=""))
    kinds = re.findall(r'data-kind="(\w+)"', html)
    assert kinds == list(page.PAGE_COLUMNS.values())
    place = list(page.PAGE_COLUMNS).index("width against its usual")
    assert [row[place] for row in cells(html).values()] == ["9.0", "10.0", ""]
    for row in cells(html).values():
        assert all(np.isfinite(float(value)) for value, kind in zip(row, kinds) if kind == "number" and value)
    assert html.count('<button type="button"') == len(kinds) == html.count("aria-sort=")


def test_a_sector_and_a_symbol_are_text_whatever_they_say(day):
    parts = whole(day)
    assert HOSTILE not in parts and parts.count("<script>") == 1, "the one script of the page"
    assert "&lt;script&gt;" in sector_map(day.rows) and "&lt;script&gt;" in universe_table(day.rows)
    turned = day.rows.rename(index={"CCC": '"><img src=x>'})
    assert "<img" not in universe_table(turned) + sector_map(turned)
    assert "<by>" not in page.skipped_section(SymbolForecasts({}, {"Z<by>": "none <by> then"}))


def test_nothing_is_loaded_from_anywhere(day):
    assert not re.search(r"https?:|//\w|url\(|@import|<link|<img|<iframe|\bsrc=", whole(day))


def test_five_hundred_tickers_stay_below_three_megabytes(day):
    many = pd.concat([day.rows] * 167).set_axis([f"T{place:03d}" for place in range(501)])
    many = many.assign(sector=[f"Communication Services {place % 11}" for place in range(501)])
    size = len((universe_table(many) + sector_map(many) + whole(day)).encode())
    assert 200_000 < size < 3_000_000


@pytest.mark.parametrize("gone", [("VIX",), ("VIX", "SPX")])
def test_a_page_without_vix_index_or_sectors(market, tmp_path, gone):
    found = day_of(tmp_path, bars_without(market, *gone), Universe(NAMES))
    assert "no sector" in sector_map(found.rows) and "<select" not in universe_table(found.rows)
    assert ("average of these stocks" in found.state_words) == ("SPX" in gone)
    assert "NaN" not in whole(found) and ">nan" not in whole(found)


def test_a_page_of_one_ticker(market, tmp_path):
    found = day_of(tmp_path, market, Universe(("AAA",)))
    assert list(cells(universe_table(found.rows))) == ["AAA"] and "1 ticker," in sector_map(found.rows)
    assert "nan" not in re.sub(r"<[^>]+>", " ", whole(found)).lower().split()


def test_reasons_come_from_the_forecast_and_are_silent_without(day):
    bare = {
        name: replace(f, metadata={k: v for k, v in f.metadata.items() if k != "explanation"})
        for name, f in day.forecasts.items()
    }
    assert "wider</li>" not in page.widest_section(replace(day, forecasts=SymbolForecasts(bare)))
    parts = [{**MAGNITUDES, "amount": amount} for amount in (0.01, -0.3, 0.2, 0.05)]
    told = {"explanation": {"width": {"base": 0.0, "value": 0.0, "contributions": parts, "rest": 0.0}}}
    explained = {name: replace(f, metadata={**f.metadata, **told}) for name, f in bare.items()}
    assert [reason.amount for reason in forecast_reasons(explained["AAA"])] == [-0.3, 0.2, 0.05]
    html = page.widest_section(replace(day, forecasts=SymbolForecasts(explained)))
    assert "25.9% narrower" in html and "22.1% wider" in html


def test_a_label_is_shown_once_there_is_one(day):
    labelled = universe_table(day.rows.assign(label=["bullish", "", "neutral"], chance=[0.6, np.nan, 0.5]))
    assert (
        ">label</button>" in labelled
        and "bullish" in labelled
        and ">label</button>" not in universe_table(day.rows.assign(label=""))
    )


def test_the_last_year_is_of_the_walk_until_the_ledger_has_outcomes(day):
    assert day.past.card is not None and "ledger holds too few" in day.past.words
    assert day.past.card.scores.index.get_level_values(0).max() == day.prepared.sessions[-6]


def test_the_chance_behind_a_label_stands_beside_the_base_rate_it_was_held_against(day):
    said = {"direction": {"label": "neutral", "chance": 0.53, "base_rate": 0.61}}
    told = {name: replace(f, metadata={**f.metadata, **said}) for name, f in day.forecasts.items()}
    rows = ticker_rows(day.prepared, SymbolForecasts(told))
    assert (rows["base_rate"] == 0.61).all() and "rise 53%, base 61%" in unescape(universe_table(rows)).replace(
        "\xa0", " "
    )


def test_the_share_of_unusual_names_stands_beside_that_of_earlier_sessions(day):
    assert np.isfinite(day.usual_unusual) and "by chance" not in page.unusual_section(day)
    assert f"{100 * day.usual_unusual:.0f}% did on average a quarter" in page.unusual_section(day)


def test_a_sector_with_odd_spaces_can_be_chosen(day):
    odd = " Two   spaces "  # a browser trims the text of an option without a value
    html = universe_table(day.rows.assign(sector=odd))
    assert f'<option value="{odd}">' in html and f'data-sector="{odd}"' in html
