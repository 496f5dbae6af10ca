"Tickers that cannot be trusted: each gets a forecast of lower quality that says why, or one clear reason, and the others go on."

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, DataQualityError, load_settings
from forecastkit.data import load_market
from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features import least_left, ticker_doubts
from forecastkit.pipeline import Universe, build_panel_forecast, prepare_panel, read_universe_file
from forecastkit.pipeline.panel_evaluation import evaluate_panel, refused_rows
from forecastkit.reports.panel_scorecard import panel_basis

NYSE = get_calendar("XNYS")
SOUND = ("AAA", "BBB", "CCC", "DDD")
PRICES = ["open", "high", "low", "close"]
QUICK = load_settings(
    environ={}, overrides={"run.progress": False, "run.n_jobs": 1, "model.rounds": 10, "model.refit_every": 252}
)
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def market() -> MarketData:
    whole = synthetic_market(seed=11, sessions=900, stocks=SOUND).market
    return MarketData({symbol: whole.bars(symbol) for symbol in (*SOUND, "SPX", "VIX")})


def doubtful(market: MarketData) -> dict[str, pd.DataFrame]:
    days = market.close("SPX").index
    bars = [market.bars(symbol) for symbol in SOUND]
    split, reused, renamed, penny = bars[1].copy(), bars[1].copy(), bars[1].copy(), bars[3].copy()
    split.loc[days[-8:], PRICES] /= 10
    reused.loc[days[740:], PRICES] *= 7
    renamed.loc[days[440:], PRICES] *= 7
    penny[PRICES] = (penny[PRICES] * 0.01 / penny["close"].iloc[-1]).round(4)
    return {
        "YOUNG": bars[0][-30:], "SPLIT": split, "HALTED": bars[2].drop(days[-40:-18]), "RESTING": bars[2].drop(days[-60:-38]),
        "DELISTED": bars[3][:-60], "UNTRADED": bars[0].assign(volume=0.0), "REUSED": reused.drop(days[600:740]), "RENAMED": renamed.drop(days[300:440]),
        "BRK.B": bars[2], "PENNY": penny, "FLAT": bars[0].assign(**dict.fromkeys(PRICES, 5.0)),
    }  # fmt: skip


@pytest.fixture(scope="module")
def prepared(market):
    given = doubtful(market)
    series = {symbol: market.bars(symbol) for symbol in market.symbols}
    universe = Universe((*SOUND, *given, "NOWHERE"), dict.fromkeys(SOUND, "a"))
    return prepare_panel(MarketData({**series, **given}), universe, QUICK, market.close("SPX").index[-1])


LOWER = {
    "SPLIT": "steps by 10 for 1", "RESTING": "halted for 22 sessions before", "UNTRADED": "volume is 0 on 22 of the last 22",
    "RENAMED": "no bars for 140 sessions before .*another company", "PENNY": "priced at 0.01",
}  # fmt: skip
REASON = {
    "YOUNG": "too little history yet", "REUSED": "another company may have had the symbol", "HALTED": "close did not move, or was missing", "DELISTED": "its last close by then is of",
    "FLAT": "close did not move, or was missing", "NOWHERE": "no bars by then",
}  # fmt: skip


@pytest.mark.parametrize("symbol", [*SOUND, "BRK.B"])
def test_sound_ones_go_on(prepared, symbol):
    made = build_panel_forecast(prepared, prepared.last, symbol, LATER)
    assert made.feature_quality == 1.0 and np.all(np.diff(made.values) > 0)


@pytest.mark.parametrize("symbol", LOWER)
def test_a_doubtful_one_is_of_lower_quality_and_says_why(prepared, symbol):
    made = build_panel_forecast(prepared, prepared.last, symbol, LATER)
    assert 0.7 <= made.feature_quality < 0.95
    assert np.all(np.isfinite(made.values)) and np.all(np.diff(made.values) > 0)
    said = " ".join(made.metadata["data_notes"])
    assert pd.Series([said]).str.contains(LOWER[symbol]).all(), said


@pytest.mark.parametrize("symbol", REASON)
def test_one_that_cannot_be_forecast_has_one_clear_reason(prepared, symbol):
    with pytest.raises((DataError, DataQualityError)) as found:
        build_panel_forecast(prepared, prepared.last, symbol, LATER)
    assert REASON[symbol] in str(found.value) and symbol in str(found.value)


def test_one_that_has_no_row_changes_no_bit_of_the_others(market):
    """A ticker without bars leaves every other number as it is; one with bars is one more in ranks and pool, even if it stands still."""
    last, series = market.close("SPX").index[-1], {symbol: market.bars(symbol) for symbol in market.symbols}
    alone = prepare_panel(market, Universe(SOUND), QUICK, last)
    held = prepare_panel(market, Universe((*SOUND, "NOWHERE")), QUICK, last)
    assert held.origins.equals(alone.origins) and held.skipped.keys() == {"NOWHERE"}
    assert np.array_equal(held.raw, alone.raw) and np.array_equal(held.quantiles, alone.quantiles)
    still = MarketData({**series, "FLAT": doubtful(market)["FLAT"]})
    held = prepare_panel(still, Universe((*SOUND, "FLAT")), QUICK, last)
    assert held.origins.equals(alone.origins)
    assert np.allclose(np.ptp(held.quantiles, axis=1), np.ptp(alone.quantiles, axis=1), rtol=0.1)


def test_an_unadjusted_split_moves_the_others_little(market):
    last, series = market.close("SPX").index[-1], {symbol: market.bars(symbol) for symbol in market.symbols}
    widths = []
    for bars in (market.bars("BBB"), doubtful(market)["SPLIT"]):
        held = prepare_panel(MarketData({**series, "SPLIT": bars}), Universe((*SOUND, "SPLIT")), QUICK, last)
        widths.append([np.ptp(held.quantiles[held.at(last, symbol)][[4, -5]]) for symbol in SOUND])
    assert np.allclose(*widths, rtol=0.02)


def test_rows_that_forecasting_refuses_are_not_scored_and_counted(prepared):
    strict = replace(prepared, settings=replace(QUICK, quality=replace(QUICK.quality, usable=0.8)))
    for panel, step in ((prepared, 9), (strict, 23)):
        rows = np.arange(0, len(panel.origins), step)
        refused = refused_rows(panel, rows)
        for row, poor in zip(rows, refused):
            session, symbol = panel.origins[row]
            try:
                build_panel_forecast(panel, session, symbol, LATER)
            except DataQualityError:
                assert poor, (session, symbol)
            else:
                assert not poor, (session, symbol)
        assert 0 < refused.sum() < len(rows)
    card = evaluate_panel(strict)
    every = evaluate_panel(replace(strict, settings=replace(QUICK, quality=replace(QUICK.quality, usable=0.0))))
    assert card.refused > 0 and every.refused == 0 and len(card.scores) == len(every.scores) - card.refused
    assert f"{card.refused:,} more would have been refused" in panel_basis(card)
    assert "refused" not in panel_basis(every)


def test_the_quick_bound_of_doubts_is_never_above_what_they_leave(market):
    for symbol, bars in doubtful(market).items():
        left = least_left(bars, NYSE.sessions)
        for at in range(0, len(bars), 7):
            exact = np.prod([1 - doubt.cost for doubt in ticker_doubts(bars[: at + 1], NYSE.sessions)])
            assert left[at] <= exact + 1e-12, (symbol, at)


def test_doubts_look_at_no_later_bar(market):
    bars = doubtful(market)["REUSED"]
    day = bars.index[599]
    assert ticker_doubts(bars.loc[:day], NYSE.sessions) == []
    assert ticker_doubts(bars, NYSE.sessions) and not ticker_doubts(market.bars("AAA"), NYSE.sessions)


# ---------------------------------------------------------------- their names


@pytest.mark.parametrize("name", ["BRK.B", "brk-b", "BRK/B", "BRK_B"])
def test_a_share_class_is_found_under_all_its_names(market, tmp_path, name):
    (tmp_path / "stocks").mkdir()
    market.bars("AAA").to_csv(tmp_path / "stocks" / "BRK_B.csv.gz", index_label="Date")
    (tmp_path / "mine.csv").write_text(f"symbol\n{name}\n")
    universe = read_universe_file(tmp_path / "mine.csv")
    assert universe.symbols == ("BRK.B",)
    assert load_market(f"folder:{tmp_path / 'stocks'}", [name]).symbols == ("BRK.B",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("symbol\nAAA\nBBB\nAAA\n", "line 4: the same symbol a second time"),
        ("AAA\nBBB\n", "no column symbol"),
        ("", "mine.csv"),
    ],
)
def test_a_faulty_universe_file_is_one_sentence(tmp_path, text, words):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        read_universe_file(tmp_path / "mine.csv")
