"Scenarios of a strategy: what may be read, limits at their boundary, faults that are found, the same paths from a seed, and whose error counts."

import numpy as np
import pandas as pd
import pytest

from forecastkit.core import DataError, ExperimentLog, UserCodeError, load_settings
from forecastkit.data import MarketData, synthetic_market
from forecastkit.pipeline import EQUAL_WEIGHT, Universe, log_scenarios, logged_study, strategy_scenarios
from forecastkit.pipeline import scenarios as pipeline_scenarios
from forecastkit.trading import ANNOUNCED, KNOWN_UNTIL, BacktestEngine, ScenarioLimits, ScenarioTester, state_path
from forecastkit.trading.scenarios import missing_source, new_doubts, stale_feed, unadjusted_split

STOCKS = ("AAA", "BBB", "CCC")


@pytest.fixture(scope="module")
def market() -> MarketData:
    return synthetic_market(seed=9, sessions=500, start="2017-06-01", stocks=STOCKS).market


def even(given: MarketData, first: pd.Timestamp, last: pd.Timestamp):
    "The same share of the money in each stock, changed once a month."
    days = given.close("BBB").loc[first:last].index[::21]
    decided = {day: dict.fromkeys(STOCKS, 0.3) for day in days}
    return BacktestEngine(given).run_walk_forward_backtest(decided, STOCKS, first, last, benchmarks=False)


def days_of(market: MarketData) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(market.close("AAA").index)


def test_nothing_after_the_announced_day_reaches_a_strategy(market):
    seen = list[pd.Timestamp]()

    def run(given, first, last):
        seen.append(max(given.close(name).index[-1] for name in STOCKS))
        return even(given, first, last)

    tester = ScenarioTester(run, market, STOCKS)
    assert days_of(market)[-1] > KNOWN_UNTIL + pd.Timedelta(days=30)
    report = tester.report("2017-09-01", "2018-12-31")
    assert len(seen) > 6 and max(seen) <= KNOWN_UNTIL
    for name, span in ANNOUNCED.items():
        assert tester.one(name, "replay", *span).verdict == "absent"
    assert tester.one("half of it", "replay", "2018-12-03", "2019-02-28").verdict == "absent"
    assert "2018-12-31" in report.notes[0] and "2020-02" in report.notes[0]


def test_a_day_that_is_known_earlier_cuts_earlier(market):
    tester = ScenarioTester(even, market, STOCKS, known_until=pd.Timestamp("2018-06-29"))
    assert days_of(tester.market)[-1] == pd.Timestamp("2018-06-29")
    assert tester.one("late", "replay", "2018-07-02", "2018-08-31").verdict == "absent"


@pytest.mark.parametrize("limit", ["loss", "drawdown", "worst_session"])
def test_a_limit_holds_up_to_its_very_number_and_not_beyond(market, limit):
    days = days_of(market)
    span = days[100], days[300]
    probe = ScenarioTester(even, market, STOCKS, ScenarioLimits(9, 9, 9)).one("x", "replay", *span)
    result = even(market, *span)
    reached = {
        "loss": 1 - float(result.equity.iloc[-1]) / result.books.start_cash,
        "drawdown": -probe.drawdown,
        "worst_session": -probe.worst_session,
    }[limit]
    wide = {"loss": 9.0, "drawdown": 9.0, "worst_session": 9.0}
    at = ScenarioTester(even, market, STOCKS, ScenarioLimits(**wide | {limit: reached})).one("x", "replay", *span)
    below = np.nextafter(reached, -np.inf)
    under = ScenarioTester(even, market, STOCKS, ScenarioLimits(**wide | {limit: below})).one("x", "replay", *span)
    assert (at.verdict, at.broken) == ("pass", ())
    assert (under.verdict, under.broken) == ("fail", (limit,))


@pytest.mark.parametrize(
    ("fault", "words"), [(missing_source, "ended"), (stale_feed, "stale"), (unadjusted_split, "unadjusted split")]
)
def test_a_fault_in_the_data_is_found_and_sound_data_are_not_accused(market, fault, words):
    days = days_of(market)
    assert new_doubts(market, market, STOCKS, days[400]) == ()
    told = new_doubts(market, fault(market, STOCKS, days[250]), STOCKS, days[400])
    assert told and all(words in one for one in told)
    tester = ScenarioTester(even, market, STOCKS, known_until=days[-1])
    found = {one.name: one for one in tester.changed(days[100], days[400]) if one.kind == "fault"}
    assert all(one.found for one in found.values()) and len(found) == 3


def test_shocks_are_no_faults_and_stand_beside_what_holding_would_have_lost(market):
    days = days_of(market)
    shocked = {one.name: one for one in ScenarioTester(even, market, STOCKS).changed(days[100], days[300])}
    fallen = shocked["prices fall by 20%"]
    assert fallen.found == () and fallen.held == pytest.approx(fallen.change / 0.9, abs=0.03)
    assert fallen.worst_session == pytest.approx(-0.18, abs=0.03)


def test_synthetic_paths_are_the_same_bits_for_a_seed_and_others_for_another(market):
    days = days_of(market)
    states = pd.Series(np.where(np.arange(len(days)) // 50 % 2, "bear_elevated", "bull_low"), days)
    paths = [state_path(market, STOCKS, states, "bear_elevated", days[300], seed) for seed in (1, 1, 2)]
    first, again, other = ([path.close(name).to_numpy().tobytes() for name in STOCKS] for path in paths)
    assert first == again and first != other
    tester = ScenarioTester(even, market, STOCKS, states=states)
    told = [[one for one in tester.changed(days[100], days[390]) if one.kind == "synthetic"] for _ in range(2)]
    assert told[0] == told[1] and len(told[0]) == 3
    assert len({one.change for one in told[0]}) == 3


def test_a_state_with_too_few_sessions_is_absent_and_stops_nothing(market):
    days = days_of(market)
    states = pd.Series("bull_low", days)
    change = lambda given: state_path(given, STOCKS, states, "bear_crisis", days[300])  # noqa: E731
    one = ScenarioTester(even, market, STOCKS).one("x", "synthetic", days[100], days[390], change)
    assert (one.verdict, one.change) == ("absent", None) and "bear_crisis" in one.said


def stops(error: Exception):
    def run(given, first, last):
        raise error

    return run


def test_only_the_strategys_own_code_fails_and_only_data_are_refused(market):
    days = days_of(market)
    span = days[100], days[200]
    for kind in ("replay", "shock", "fault", "synthetic"):
        own = ScenarioTester(stops(UserCodeError("momentum failed")), market, STOCKS).one("x", kind, *span)
        assert (own.verdict, own.said) == ("fail", "momentum failed")
    assert ScenarioTester(stops(DataError("stale")), market, STOCKS).one("x", "fault", *span).verdict == "refused"
    for error in (ZeroDivisionError("ours"), KeyError("ours"), ArithmeticError("books do not balance")):
        for kind in ("replay", "fault"):
            with pytest.raises(type(error), match=r"ours|balance"):
                ScenarioTester(stops(error), market, STOCKS).one("x", kind, *span)
    with pytest.raises(DataError, match="no such bars"):
        ScenarioTester(stops(DataError("no such bars")), market, STOCKS).one("x", "replay", *span)


@pytest.fixture
def settings(tmp_path):
    return load_settings(environ={}, overrides={"data.home": tmp_path, "run.progress": False})


def test_a_strategy_that_stops_has_failed_and_a_fault_of_ours_stops_the_study(market, settings, monkeypatch):
    days = days_of(market)
    span = days[100], days[300]

    def breaks(view, tickers):
        return {name: 1 / (len(view.close(name)) < 200) for name in tickers}

    report = strategy_scenarios(Universe(STOCKS), breaks, *span, settings, market)
    ran = report.table().query("verdict != 'absent'")
    assert set(ran["verdict"]) == {"fail"} and ran["said"].str.startswith("breaks failed with ZeroDivisionError").all()

    def broken(*given, **more):
        raise IndexError("a fault of the engine")

    monkeypatch.setattr(pipeline_scenarios.BacktestEngine, "run_walk_forward_backtest", broken)
    with pytest.raises(IndexError, match="a fault of the engine"):
        strategy_scenarios(Universe(STOCKS), None, *span, settings, market)


def test_what_was_found_is_in_the_log_and_is_found_again(market, settings):
    days, universe = days_of(market), Universe(STOCKS)
    report = strategy_scenarios(universe, None, days[100], days[300], settings, market)
    log_scenarios(settings, universe, None, (None, None), report)
    kept = logged_study(settings.home, "scenarios", universe.identity, ["another", EQUAL_WEIGHT])
    assert kept is not None and kept["scenarios"] == report.to_dict()["scenarios"]
    assert logged_study(settings.home, "scenarios", universe.identity, ["another"]) is None
    assert logged_study(settings.home, "ablation", universe.identity, [EQUAL_WEIGHT]) is None
    assert ExperimentLog(settings.home.experiments).verify() == []
