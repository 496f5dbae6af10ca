"A paper book equals the backtest of the same forecasts, loses and doubles nothing when killed, and honours the pauses."

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from engines import opened, tampered

from forecastkit.cli.main import main
from forecastkit.core import PROBS, DataError, load_settings
from forecastkit.data import MarketData, synthetic_market
from forecastkit.forecasts import Forecast
from forecastkit.ledger import add_pause, lift_pause, paper_days, paper_summaries, stored_pauses
from forecastkit.pipeline import PaperBook, book_standing, keep_paper
from forecastkit.pipeline.paper import paper_terms
from forecastkit.trading import BacktestEngine

pytest_plugins = ("engine_fixtures",)
STOCKS = ("AAA", "BBB", "CCC")
FIRST, LAST = 40, 66  # sessions of the book


@pytest.fixture(scope="module")
def market() -> MarketData:
    return synthetic_market(seed=9, sessions=90, stocks=STOCKS).market


def settings_at(home: Path, **more):
    given = {
        "data.home": home,
        "paper.universe": ", ".join(STOCKS),
        "paper.capital": 100_000,
        "paper.stops": "quantiles",
    }
    return load_settings(overrides=given | {name.replace("__", "."): value for name, value in more.items()}, environ={})


def forecast_of(market: MarketData, symbol: str, t: int) -> Forecast:
    "A forecast of one stock at the t-th session, drawn from its own seed."
    days, rng = market.close(symbol).index, np.random.default_rng([t, STOCKS.index(symbol)])
    values = np.linspace(-4, 4, len(PROBS)) + rng.normal(0, 3)
    fields = {
        "cohort": "mid_cycle",
        "cohort_weight": 1.0,
        "feature_quality": 1.0,
        "model_version": "one",
        "code_version": "-",
    }
    made = market.calendar.closes_of([days[t]])[0].to_pydatetime() + timedelta(minutes=30)
    return Forecast(
        symbol=symbol, origin=days[t], target_session=market.calendar.offset(days[t], 5), horizon=5, kind="log_return", probs=PROBS,
        values=values, last_value=float(market.close(symbol).iloc[t]), data_fingerprint="-", made_at=made, **fields,
    )  # fmt: skip


def filled(market: MarketData, url: str, first: int = FIRST, last: int = LAST):
    "A ledger with the forecasts of a span."
    database = opened(url, calendar=market.calendar)
    database.store_predictions([(forecast_of(market, s, t), {}) for t in range(first, last) for s in STOCKS])
    return database


def backtest_of(market: MarketData, first: int, last: int, stops="quantiles"):
    "The backtest of the same forecasts, by the engine."
    days = market.close("AAA").index
    forecasts = {days[t]: {s: forecast_of(market, s, t) for s in STOCKS} for t in range(first, last)}
    terms = paper_terms(settings_at(Path(), paper__stops=stops))
    engine = BacktestEngine(market, terms.costs, terms.rules(True), terms.capital)
    return engine.run_walk_forward_backtest(
        forecasts, STOCKS, days[first], days[last - 1], terms.sizer({}), stops=terms.stops
    )


def apart(result, expected) -> float:
    "The largest difference of equity, cash and positions, as a share of the equity."
    books, other = result.books, expected.books
    marks = np.nan_to_num(other.prices.marks)
    gaps = [books.equity - other.equity, books.cash - other.cash, ((books.position - other.position) * marks).ravel()]
    return max(float(np.abs(gap).max()) for gap in gaps) / other.start_cash


@pytest.mark.parametrize("stops", ["", "quantiles", "atr"])
def test_a_book_kept_day_by_day_equals_the_backtest_of_the_same_forecasts(market, tmp_path, stops):
    settings = settings_at(tmp_path, paper__stops=stops)
    database, days = filled(market, settings.database_url()), market.close("AAA").index
    for t in range(FIRST, LAST, 1 if stops == "quantiles" else 5):
        keep_paper(settings, days[t], market=market, database=database)
    result, expected = (
        PaperBook(settings, market=market, database=database).result(),
        backtest_of(market, FIRST, LAST, stops),
    )
    assert apart(result, expected) <= 1e-9
    assert len(result.trades) > 3
    pd.testing.assert_frame_equal(result.trades, expected.trades)


def test_many_days_at_once_are_the_same_book_and_a_second_run_writes_nothing(market, url, tmp_path):
    settings, days = settings_at(tmp_path), market.close("AAA").index
    database = filled(market, url)
    book = keep_paper(settings, days[LAST - 1], start=days[FIRST], market=market, database=database)
    assert apart(book.result(), backtest_of(market, FIRST, LAST)) <= 1e-9
    before = book.rows()
    assert keep_paper(settings, days[LAST - 1], market=market, database=database).rows() == before
    assert (len(before), database.verify()) == (LAST - FIRST + 1, [])
    told = paper_summaries(database).loc["paper"]
    assert (told["sessions"], told["equity"]) == (LAST - FIRST, before[-1].equity)
    assert paper_days(database, "paper")["profit"].sum() == pytest.approx(told["profit"])


class Killed(BaseException):
    "What a process does not survive."


def test_a_kill_at_any_statement_loses_and_doubles_nothing(market, tmp_path):
    settings, days = settings_at(tmp_path), market.close("AAA").index
    database, rng = filled(market, settings.database_url()), np.random.default_rng(1)
    left = [0]

    def count(*_) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    sa.event.listen(database.engine, "before_cursor_execute", count)
    sa.event.listen(database.engine, "commit", count)
    kills = 0
    for t in range(FIRST, LAST):
        for _ in range(3):
            left[0] = int(rng.integers(1, 20))
            with suppress(Killed):
                keep_paper(settings, days[t], market=market, database=database)
            kills += left[0] <= 0
        left[0] = -1
        keep_paper(settings, days[t], market=market, database=database)
    sa.event.remove(database.engine, "before_cursor_execute", count)
    sa.event.remove(database.engine, "commit", count)
    book = PaperBook(settings, market=market, database=database)
    assert kills >= 50
    assert [row.number for row in book.rows()] == list(range(LAST - FIRST + 1))
    assert apart(book.result(), backtest_of(market, FIRST, LAST)) <= 1e-9
    assert database.verify() == []


def test_somebody_who_changes_a_book_is_found(market, url, tmp_path):
    settings, days = settings_at(tmp_path), market.close("AAA").index
    database = filled(market, url, FIRST, FIRST + 6)
    keep_paper(settings, days[FIRST + 5], start=days[FIRST], market=market, database=database)
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE paper_events SET equity = equity + 1 WHERE number = 3")
    tampered(url, "UPDATE paper_events SET equity = equity + 1 WHERE number = 3")
    (problem,) = database.verify()
    assert str(problem).startswith("paper_events row 4 (session ") and "was changed" in str(problem)


def test_a_book_whose_records_were_changed_decides_and_stores_nothing(market, url, tmp_path):
    settings, days = settings_at(tmp_path), market.close("AAA").index
    database = filled(market, url, FIRST, FIRST + 8)
    book = keep_paper(settings, days[FIRST + 5], start=days[FIRST], market=market, database=database)
    tampered(url, "UPDATE paper_events SET equity = equity + 1 WHERE number = 3")
    before = book.rows()
    with pytest.raises(DataError, match=r"not carried on, its records are not what was written .paper_events row 4"):
        keep_paper(settings, days[FIRST + 7], market=market, database=database)
    assert book.rows() == before and len(stored_pauses(database)) == 0


def test_pauses_stop_new_risk_from_the_next_decision_and_until_they_are_lifted(market, tmp_path):
    settings, days, clock = settings_at(tmp_path, paper__stops=""), market.close("AAA").index, [None]
    database = opened(settings.database_url(), calendar=market.calendar, clock=lambda: clock[0])
    grew, pause = [], None
    for t in range(FIRST, FIRST + 14):
        clock[0] = market.calendar.closes_of([days[t]])[0].to_pydatetime() + timedelta(hours=1)
        database.store_predictions(
            [(replace(forecast_of(market, s, t), values=np.linspace(-2, 6, len(PROBS))), {}) for s in STOCKS]
        )
        if t == FIRST:
            pause = add_pause(database, "portfolio:paper", "Jane", "until the lawyers are back")
        if t == FIRST + 6:
            lift_pause(database, pause.number, "Jane", "they are")
            add_pause(database, "symbol:BBB", "Jane", "a merger")
        row = keep_paper(settings, days[t], market=market, database=database).rows(1)[0]
        assert row.timeliness == "live"
        grew.append({fill[0] for fill in row.said["booked"]["fills"] if fill[1] > 0})
    assert set().union(*grew[:7]) == set()  # what is decided at a close is filled in the session after it
    assert set().union(*grew[7:]) == {"AAA", "CCC"}


def test_a_line_that_is_paused_stops_the_symbols_that_it_serves(market, tmp_path):
    settings, days = settings_at(tmp_path, paper__stops=""), market.close("AAA").index
    now = market.calendar.closes_of([days[FIRST]])[0].to_pydatetime() + timedelta(hours=1)
    database = opened(settings.database_url(), calendar=market.calendar, clock=lambda: now)
    database.store_predictions(
        [(replace(forecast_of(market, s, FIRST), values=np.linspace(-2, 6, len(PROBS))), {}) for s in STOCKS]
    )
    add_pause(database, "line:house-pool", "Jane", "it drifts")
    row = keep_paper(settings, days[FIRST], market=market, database=database).rows(1)[0]
    assert (row.said["state"]["orders"], row.said["forecasts"]) == ({}, 3)
    assert "line:house-pool paused by Jane" in row.said["paused"][0]


def test_a_fall_from_the_peak_is_a_pause_on_record(market, tmp_path):
    settings, days = settings_at(tmp_path, paper__fraction=10.0, paper__stops=""), market.close("AAA").index
    crashed = market
    for name in STOCKS:
        bars = market.bars(name).copy()
        bars.loc[days[FIRST + 8] :, ["open", "high", "low", "close"]] *= 0.1
        crashed = crashed.with_series(name, bars)
    database = opened(settings.database_url(), calendar=market.calendar)
    sure = np.linspace(0.5, 3, len(PROBS))
    made = [(replace(forecast_of(market, s, t), values=sure), {}) for t in range(FIRST, FIRST + 12) for s in STOCKS]
    database.store_predictions(made)
    book = keep_paper(settings, days[FIRST + 11], start=days[FIRST], market=crashed, database=database)
    (pause,) = stored_pauses(database)
    assert (pause.subject, pause.who, pause.active) == ("portfolio:paper", "drawdown breaker", True)
    assert book.rows(1)[0].said["paused"][0].endswith("sessions ago")


def test_a_split_that_the_vendor_adjusted_afterwards_keeps_the_value(market, tmp_path):
    settings, days = settings_at(tmp_path), market.close("AAA").index
    database = filled(market, settings.database_url())
    cut = FIRST + 15
    keep_paper(settings, days[cut - 1], start=days[FIRST], market=market, database=database)
    bars = market.bars("AAA").copy()
    bars[["open", "high", "low", "close"]] /= 2
    bars["volume"] *= 2
    halved = market.with_series("AAA", bars)
    book = keep_paper(settings, days[LAST - 1], market=halved, database=database)
    expected = backtest_of(market, FIRST, LAST).equity.to_numpy()
    assert (
        np.abs(book.result().equity.to_numpy() / expected - 1).max() < 2e-3
    )  # whole shares of half the price are rounded otherwise
    assert max(book.result().books.identities().values()) < 1e-9


def test_an_index_is_no_book_and_says_what_to_trade(market, tmp_path):
    settings = settings_at(tmp_path, paper__universe="VIX")
    with pytest.raises(DataError, match="cannot be bought"):
        keep_paper(settings, market=market, database=opened(settings.database_url()))


def test_a_session_that_is_not_over_is_not_decided(market, tmp_path):
    settings, days = settings_at(tmp_path), market.close("AAA").index
    noon = market.calendar.closes_of([days[FIRST]])[0].to_pydatetime() - timedelta(hours=3)
    database = opened(settings.database_url(), calendar=market.calendar, clock=lambda: noon)
    with pytest.raises(DataError, match="before that session's close"):
        keep_paper(settings, days[FIRST], market=market, database=database)


def test_a_book_keeps_the_terms_it_was_opened_with(market, tmp_path):
    settings, days = settings_at(tmp_path), market.close("AAA").index
    database = filled(market, settings.database_url(), FIRST, FIRST + 4)
    keep_paper(settings, days[FIRST], market=market, database=database)
    book = keep_paper(
        settings_at(tmp_path, paper__capital=5.0, paper__universe="CCC"),
        days[FIRST + 3],
        market=market,
        database=database,
    )
    assert (book.terms.terms.capital, book.terms.universe.symbols) == (100_000, STOCKS)
    assert book_standing(book).row.number == 4


def test_the_command_prints_what_its_schema_promises(tmp_path, capsys, monkeypatch):
    import jsonschema

    from forecastkit.cli.schemas import SCHEMAS

    monkeypatch.chdir(tmp_path)
    asked = [
        "paper",
        "--universe",
        "AAPL,JPM",
        "--start",
        "2018-06-25",
        "--as-of",
        "2018-06-29",
        "--sources",
        "sample",
        "--home",
        "h",
    ]
    with pytest.raises(SystemExit, match="0"):
        main([*asked, "--json", "--quiet"])
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, SCHEMAS["paper"])
    assert (told["sessions"], told["written"], told["timeliness"]["backfill"]) == (5, 5, 5)
    with pytest.raises(SystemExit, match="0"):
        main([*asked, "--quiet"])
    assert "no stored forecast of 2018-06-29" in capsys.readouterr().out
    earlier = [*asked[: asked.index("--as-of")], "--as-of", "2018-06-27", *asked[asked.index("--sources") :], "--quiet"]
    with pytest.raises(SystemExit, match="0"):
        main([*earlier, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["session"], told["sessions"], told["written"]) == ("2018-06-27", 3, 0)
    assert main([one.replace("2018-06-27", "2018-06-22") for one in earlier]) == 2
    assert "opened on 2018-06-25, has no session by 2018-06-22" in capsys.readouterr().err
