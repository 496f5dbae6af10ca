"The earnings calendar: nothing is known before its moment, and the predictions are as good as they are said to be."

import numpy as np
import pandas as pd
import pytest

from forecastkit.calendars import (
    earnings_csv,
    earnings_features,
    earnings_table,
    get_calendar,
    next_reports,
    reaction_mask,
    read_earnings,
    reported_dates,
    results_within,
    scheduled_dates,
)
from forecastkit.calendars.earnings import reaction_span
from forecastkit.core import DataError
from forecastkit.data import freeze_snapshot, load_market
from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import synthetic_market
from forecastkit.evaluation import audit_market_function
from forecastkit.features import compute_panel, earnings_panel_features

NYSE = get_calendar("XNYS")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    "Six years of quarterly reports whose days wander, every other one of them announced three weeks ahead."
    rng = np.random.default_rng(5)
    quarters = pd.date_range("2012-01-25", "2018-12-01", freq="91D")
    days = quarters + pd.to_timedelta(rng.integers(-9, 10, len(quarters)), unit="D")
    announced = (days - pd.Timedelta(days=21)).tz_localize("UTC") + pd.Timedelta(hours=15)
    return earnings_table(reported_dates("SPX", days), scheduled_dates("SPX", days[::2], announced[::2]))


@pytest.fixture(scope="module")
def market(table) -> MarketData:
    "A market that carries the reports as its events, so that the audit can cut them off and change them."
    bars = synthetic_market(seed=3, sessions=1500).market.bars("SPX")
    events = table[(table["date"] >= bars.index[0]) & (table["date"] <= bars.index[-1])]
    return MarketData({"SPX": bars}, events=events.reset_index(drop=True))


def features(market: MarketData) -> pd.DataFrame:
    return earnings_features(market.events, "SPX", market.bars("SPX").index, market.calendar)


def test_the_audit_finds_no_leak(market):
    whole = features(market)
    assert whole["earnings_within_5"].mean() > 0.05 and whole.notna().any().all()
    report = audit_market_function(features, market, cuts=25)
    assert report.ok, report


def test_the_audit_finds_a_calendar_that_was_not_known(market):
    def peeking(market: MarketData) -> pd.DataFrame:
        told = market.events.assign(known_at=market.events["known_at"] - pd.Timedelta(days=30), kind="scheduled")
        return earnings_features(told, "SPX", market.bars("SPX").index, market.calendar)

    assert not audit_market_function(peeking, market, cuts=25).ok


def test_every_row_equals_that_of_the_table_known_at_its_close(table):
    index = NYSE.sessions_in_range("2012-06-01", "2018-12-31")
    whole = earnings_features(table, "SPX", index, NYSE)
    closes = NYSE.closes_of(index)
    for at in np.random.default_rng(1).choice(len(index), 60, replace=False):
        known = table[table["known_at"] <= closes[at]]
        assert earnings_features(known, "SPX", index[at : at + 1], NYSE).equals(whole[at : at + 1])


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_a_delayed_mask_lacks_no_session(table, delay):
    index = NYSE.sessions_in_range("2012-06-01", "2018-11-30")
    made = table[table["kind"] == "reported"]
    days = {NYSE.sessions[at] for span in reaction_span(made, NYSE.sessions) for at in span}
    spoken_of = NYSE.target_sessions(index, -delay)
    assert set(spoken_of[reaction_mask(made, "SPX", index, NYSE, delay)]) == days & set(spoken_of)


def test_a_horizon_holds_the_report_if_a_session_in_it_may_react(table):
    index = NYSE.sessions_in_range("2013-06-03", "2018-11-30")
    scheduled = table[table["kind"] == "scheduled"]
    first, last = reaction_span(scheduled, NYSE.sessions)
    upcoming = next_reports(scheduled, "SPX", index, NYSE)
    known, at = NYSE.leading_to(pd.DatetimeIndex(scheduled["known_at"])), NYSE.positions(index)
    for horizon in (1, 5, 21):
        truth = [any(k <= t < e and b <= t + horizon for k, b, e in zip(known, first, last, strict=True)) for t in at]
        assert (results_within(upcoming, horizon).fillna(0) == truth).all()


def test_predictions_of_real_companies(shared_data):
    """Figures that the lesson states: 93 companies, 2010-2018, days predicted from the own past alone."""
    path = shared_data.parent / "market" / "earnings_dates.csv"
    if not path.is_file():
        pytest.skip("the folder shared/market does not lie beside the checkout")
    table, index = read_earnings(path), NYSE.sessions_in_range("2010-01-04", "2018-12-21")
    came = told = both = 0
    for symbol in sorted(table["symbol"].unique())[::4]:
        reacts = np.zeros(len(NYSE.sessions) + 1, dtype=bool)
        for places in reaction_span(table[table["symbol"] == symbol], NYSE.sessions):
            reacts[places] = True
        after = np.any([reacts[NYSE.positions(index) + k] for k in range(1, 6)], axis=0)
        said = results_within(next_reports(table, symbol, index, NYSE), 5)
        known = said.notna().to_numpy()
        came, told, both = came + after[known].sum(), told + (said == 1).sum(), both + (after & (said == 1)).sum()
    assert both / came > 0.88 and both / told > 0.75


# ---------------------------------------------------------------- the calendar of a market


@pytest.fixture(scope="module")
def reporting(table) -> MarketData:
    "Four stocks, of which two report."
    whole = synthetic_market(seed=3, sessions=700, start="2012-01-03", stocks=("AAPL", "JNJ", "KO", "XOM")).market
    return whole.with_earnings(earnings_table(table.assign(symbol="AAPL"), table.assign(symbol="KO")))


def panel_of(market: MarketData, table: pd.DataFrame) -> pd.DataFrame:
    here = [symbol for symbol in ("AAPL", "JNJ", "KO", "XOM") if symbol in market]
    return compute_panel(market, here, earnings_panel_features(table, 5))


def test_a_view_holds_no_report_that_came_later(reporting):
    for day in reporting.close("SPX").index[[5, 200, 500]]:
        view, moment = reporting.as_of(day), NYSE.closes_of([day])[0]
        assert (view.earnings["known_at"] <= moment).all()
        assert len(view.earnings) == (reporting.earnings["known_at"] <= moment).sum()
        assert view.with_earnings(reporting.earnings).earnings.equals(view.earnings)


def test_the_audit_reaches_the_reports_of_a_market(reporting):
    report = audit_market_function(lambda market: panel_of(market, market.earnings), reporting, cuts=8, tolerance=0)
    assert report.ok, report

    def of_the_evening(market: MarketData) -> pd.Series:
        return market.earnings.groupby("date")["symbol"].count().astype(float)

    def early(market: MarketData) -> pd.DataFrame:
        told = market.earnings.assign(known_at=market.earnings["known_at"] - pd.Timedelta(days=30), kind="scheduled")
        return panel_of(market, told)

    assert not audit_market_function(early, reporting, cuts=8).ok
    days = pd.DatetimeIndex(reporting.earnings["date"].unique())
    assert not audit_market_function(
        of_the_evening, reporting, cuts=days[days.isin(reporting.close("SPX").index)][:3]
    ).ok


def test_a_fingerprint_answers_to_the_reports_of_its_own_symbols(reporting):
    fewer = reporting.with_earnings(reporting.earnings[3:])
    assert fewer.fingerprint(["AAPL"]) != reporting.fingerprint(["AAPL"])
    assert fewer.fingerprint(["SPX", "VIX"]) == reporting.fingerprint(["SPX", "VIX"])
    assert fewer.fingerprint() != reporting.fingerprint()


def test_a_folder_brings_its_reports_and_a_snapshot_keeps_them(reporting, tmp_path):
    folder = tmp_path / "bars"
    folder.mkdir()
    for symbol in ("AAPL", "JNJ"):
        reporting.bars(symbol).to_csv(folder / f"{symbol}.csv", index_label="date")
    (folder / "earnings_dates.csv").write_text("symbol,date\nAAPL,2012-04-24\nAAPL,2012-07-24\nKO,2012-07-17\n")
    market = load_market(f"folder:{folder}")
    assert market.symbols == ("AAPL", "JNJ")
    assert market.earnings["symbol"].tolist() == ["AAPL", "AAPL"]
    assert load_market(f"folder:{folder}", ["JNJ"]).earnings is None
    held = freeze_snapshot(tmp_path / "home", "study", f"folder:{folder}", NYSE)
    assert not held.verify()
    (folder / "earnings_dates.csv").write_text("symbol,date\nAAPL,2012-04-25\n")
    with pytest.raises(DataError, match="other content"):
        freeze_snapshot(tmp_path / "home", "study", f"folder:{folder}", NYSE)
    assert load_market([held]).earnings.equals(market.earnings)


def test_a_file_may_say_when_each_row_was_known(table, tmp_path):
    file = tmp_path / "reports.csv"
    file.write_text(earnings_csv(table))
    assert read_earnings(file).equals(table)
    head = "symbol,date,hour,kind,known_at\n"
    for row, words in {
        "AAPL,2018-02-01,unknown,reported,2018-02-01 21:30": "row 2",  # without a zone
        "AAPL,2018-02-01,unknown,reported,2018-01-01T21:30:00Z": "before its day",
        "AAPL,1 Feb,unknown,reported,2018-02-01T21:30:00Z": "row 2",
    }.items():
        file.write_text(head + row + "\n")
        with pytest.raises(DataError, match=words):
            read_earnings(file)
