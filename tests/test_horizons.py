"Forecasts of several horizons: coherence, single forecasts untouched, bars of other timeframes, refusals."

import json
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from proofs import mostly_slow

import forecastkit as fk
from forecastkit.calendars import get_calendar
from forecastkit.core import KINDS, PROBS, DataError, SettingsError, load_settings
from forecastkit.data import bars_of_sessions, load_bars
from forecastkit.evaluation.coherence import coherence_price
from forecastkit.forecasts import MultiHorizonForecast, coherent_quantiles, range_width
from forecastkit.metrics import crps, overlap_se
from forecastkit.pipeline import (
    bar_clock,
    forecast_bar_horizons,
    generate_multi_horizon_forecasts,
    multi_horizon_forecast,
    timeframe_horizons,
)

XNYS = get_calendar("XNYS")
SHORT = {"run.progress": False, "model.rounds": 20, "model.refit_every": 252}  # few and small versions
QUIET = load_settings(overrides=SHORT)
INTRADAY = Path(__file__).parents[2] / "shared" / "data" / "intraday"


def record_of(values: np.ndarray, kind: str) -> MultiHorizonForecast:
    horizons = tuple(range(1, len(values) + 1))
    return MultiHorizonForecast.from_quantiles(
        values, symbol="XYZ", timeframe="d1", origin="2018-02-05", horizons=horizons, targets=[f"2018-03-{h:02d}" for h in horizons],
        kind=kind, probs=PROBS, last_value=10.0, feature_quality=1.0, model_versions=["m"] * len(horizons), code_version="0",
        data_fingerprint="f", made_at=datetime(2018, 2, 5, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("records", mostly_slow([60, 500], short=1))
def test_the_range_never_narrows_on_random_records_of_each_kind(kind, records):
    rng = np.random.default_rng(3)
    for _ in range(records):
        steps = np.sort(rng.standard_t(4, (4, len(PROBS))), axis=1) + np.arange(len(PROBS)) * 1e-6
        values = 0.2 * rng.standard_normal((4, 1)) + np.exp(rng.normal(-3, 1.2, (4, 1))) * steps
        record = record_of(values, kind)
        widths = [record.interval(0.8, h)[1] - record.interval(0.8, h)[0] for h in record.horizons]
        assert (np.diff(widths) > 0).all()
        assert (np.diff(np.array(record.coherent)) > 0).all()
        assert MultiHorizonForecast.from_json(record.to_json()) == record


def test_quantiles_that_contradict_nothing_keep_their_bits():
    z = np.sort(np.random.default_rng(1).standard_normal(len(PROBS)))
    values = np.array([0.01, 0.02, 0.03])[:, None] * z
    made, factors = coherent_quantiles(PROBS, values, "pct_change")
    assert (made == values).all() and (factors == 1).all()
    assert (np.diff(range_width(PROBS, values, "pct_change")) > 0).all()


def test_the_price_of_coherence_is_the_crps_that_it_costs_and_what_is_not_known_costs_nothing():
    "On every third origin the longer range is half the shorter one: both get the width between them, and are scored with it."
    rng, z = np.random.default_rng(0), np.array([NormalDist().inv_cdf(p) for p in PROBS])
    odd = np.arange(60) % 3 == 0
    scale = np.column_stack([np.full(60, 0.02), np.where(odd, 0.01, 0.04)])
    quantiles, outcomes = scale[:, :, None] * z, 0.02 * rng.normal(size=(60, 2))
    outcomes[-6:, 1] = np.nan
    found = coherence_price(quantiles, outcomes, [1, 5])
    for j, (horizon, rows) in enumerate(((1, 60), (5, 54))):
        made = np.where(odd, (0.02 * 0.01) ** 0.5, scale[:, j])
        before, after = (
            crps(100 * outcomes[:rows, j], 100 * wide[:rows, None] * z, np.array(PROBS)) for wide in (scale[:, j], made)
        )
        expected = [
            rows,
            1 / 3,
            before.mean(),
            after.mean(),
            (after - before).mean(),
            overlap_se(after - before, horizon),
        ]
        assert found.loc[horizon].tolist() == pytest.approx(expected, rel=1e-6)
    assert found.index.name == "horizon"
    for wrong in (
        (quantiles[:, :, 1:], outcomes, [1, 5]),
        (quantiles, outcomes[:, :1], [1, 5]),
        (quantiles, outcomes, [1]),
    ):
        with pytest.raises(DataError, match="do not fit"):
            coherence_price(*wrong)


def test_an_edited_coherent_row_is_refused():
    record = json.loads(record_of(np.outer([0.02, 0.01], np.linspace(-2, 2, len(PROBS))), "log_return").to_json())
    record["coherent"][0][0] -= 0.5
    with pytest.raises(DataError, match="follow from the raw"):
        MultiHorizonForecast.from_json(json.dumps(record))


def daily(sessions: int = 700) -> pd.DataFrame:
    days = XNYS.sessions_in_range("2014-01-02", "2018-12-31")[:sessions]
    return pd.DataFrame(
        {"close": 30 * np.exp(np.cumsum(0.01 * np.random.default_rng(8).standard_t(5, len(days))))}, days
    )


def test_a_single_forecast_is_the_same_to_the_bit_beside_others():
    alone = fk.forecast(daily(), symbol="XYZ", horizon=5, settings=QUIET)
    for horizons in ((5,), (1, 5), (5, 21)):
        record = fk.forecast(daily(), symbol="XYZ", horizons=horizons, settings=QUIET)
        at = record.horizons.index(5)
        assert (record.raw[at], record.metadata["predictions"][at]) == (alone.values, alone.prediction_id)
    assert record.prediction_id != fk.forecast(daily(), symbol="XYZ", horizons=(5,), settings=QUIET).prediction_id


def test_horizons_that_cannot_be_are_refused():
    for horizons, words in (
        ((0, 5), "whole numbers"),
        ((), "whole numbers"),
        ("5", "whole numbers"),
        ((1.5,), "whole numbers"),
    ):
        with pytest.raises(SettingsError, match=words):
            fk.forecast(daily(), symbol="XYZ", horizons=horizons, settings=QUIET)
    with pytest.raises(SettingsError, match="both given"):
        fk.forecast(daily(), symbol="XYZ", horizon=5, horizons=(1, 5), settings=QUIET)
    with pytest.raises(DataError, match="one symbol or table"):
        fk.forecast(["AAPL", "MSFT"], horizons=(1, 5), settings=QUIET)


def quarters(first: str = "2018-01-02", last: str = "2018-05-04") -> pd.DataFrame:
    ends = bars_of_sessions(XNYS.sessions_in_range(first, last), "m15", XNYS)
    moves = 0.002 * np.random.default_rng(9).standard_t(5, len(ends))
    return pd.DataFrame({"close": 20 * np.exp(np.cumsum(moves))}, ends)


@pytest.mark.parametrize(
    ("first", "least"),
    [
        ("2018-03-12", 1000),
        pytest.param("2018-01-02", 2000, marks=pytest.mark.slow("test_intraday_bars_are_forecast_from_end_to_end")),
    ],
)
def test_intraday_bars_are_forecast_from_end_to_end(monkeypatch, first, least):
    monkeypatch.setenv("FORECASTKIT_MODEL_ROUNDS", "20")
    monkeypatch.setenv("FORECASTKIT_MODEL_REFIT_EVERY", "252")
    bars = quarters(first)
    assert len(bars) >= least
    record = generate_multi_horizon_forecasts("XYZ", "m15", bars)
    assert record.timeframe == "m15" and record.horizons == (1, 4, 13, 26)
    assert [pd.Timestamp(target) for target in record.targets] == list(
        bars_of_sessions(XNYS.sessions_in_range("2018-05-07", "2018-05-07"), "m15", XNYS)[[0, 3, 12, 25]]
    )
    again = generate_multi_horizon_forecasts("XYZ", "m15", bars)
    assert (record.raw, record.prediction_id) == (again.raw, again.prediction_id)


def test_a_forecast_of_bars_sees_no_later_bar():
    bars = quarters()
    cut = bars.iloc[:-40]
    moment = cut.index[-1]
    spoilt = bars.assign(close=np.where(bars.index > moment, bars["close"] * 3, bars["close"]))
    first, second = (
        forecast_bar_horizons(bar_clock(frame[frame.index <= moment], "m15", XNYS), "XYZ", (1,), QUIET)
        for frame in (cut, spoilt)
    )
    assert first.raw == second.raw


def test_weeks_are_made_from_days():
    days = XNYS.sessions_in_range("2004-01-02", "2018-12-28")
    frame = pd.DataFrame(
        {"close": 30 * np.exp(np.cumsum(0.01 * np.random.default_rng(8).standard_t(5, len(days))))}, days
    )
    record = multi_horizon_forecast(frame, symbol="XYZ", timeframe="w1", horizons=(1, 4), settings=QUIET)
    assert (record.origin, record.targets) == ("2018-12-28", ("2019-01-04", "2019-01-25"))


@pytest.mark.skipif(not INTRADAY.exists(), reason="the real minute bars are absent")
def test_a_real_week_of_minutes_is_resampled_and_refused_for_too_few_bars():
    bars = load_bars(INTRADAY, "SPY", XNYS)
    clock = bar_clock(bars, "m15", XNYS)
    assert 100 < len(clock.closes) < 140
    with pytest.raises(DataError, match=f"SPY has {len(clock.closes)} bars of m15, and .* are needed"):
        generate_multi_horizon_forecasts("SPY", "m15", bars)


@pytest.mark.parametrize("horizons", [(1, "a"), (None, 1), 5.0, [[1], [2]], object()])
def test_horizons_that_are_no_whole_numbers_are_refused_in_one_line(horizons):
    with pytest.raises(SettingsError, match="whole numbers"):
        timeframe_horizons(QUIET, "d1", horizons)


def test_horizons_may_come_from_an_iterator():
    assert timeframe_horizons(QUIET, "d1", iter([5, 1])) == (1, 5)


def week_bars(**columns) -> pd.DataFrame:
    sessions = XNYS.sessions_in_range("2018-01-02", "2018-03-28")
    return pd.DataFrame({"close": np.linspace(100.0, 110.0, len(sessions)), **columns}, index=sessions)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (week_bars(close="abc"), "close of the bars"),
        (week_bars(close=True), "close of the bars"),
        (week_bars(close=1 + 2j), "close of the bars"),
        (week_bars(close=pd.Timestamp("2018-01-02")), "close of the bars"),
        (week_bars(volume="x"), "volume of the bars"),
        (week_bars(close=np.inf), "finite"),
        (pd.concat([week_bars(), week_bars()], axis=1), "close twice"),
    ],
    ids=["text", "bool", "complex", "dates", "volume", "inf", "twice"],
)
def test_bars_that_hold_no_prices_are_refused_in_one_line(frame, words):
    with pytest.raises(DataError, match=words):
        bar_clock(frame, "w1", XNYS)


def test_code_of_the_users_is_not_silently_left_out_of_bars():
    with pytest.raises(DataError, match="features serve forecasts of sessions only"):
        multi_horizon_forecast(week_bars(), symbol="XYZ", timeframe="w1", horizons=(1,), features=len, settings=QUIET)


def test_the_command_refuses_horizons_that_cannot_be_in_one_line(tmp_path, capsys):
    from forecastkit.cli.main import main

    for words in (("1,x",), ("1,5", "--horizon", "5"), ("1,5", "--universe", "sample"), ("1,5", "--csv"), ("",)):
        code = main(["forecast", "--sources", "sample", "--home", str(tmp_path), "--quiet", "--horizons", *words])
        out, err = capsys.readouterr()
        assert (code, out, len(err.strip().splitlines())) == (2, "", 1), words
    assert not list(tmp_path.iterdir())


def test_bars_are_forecast_from_their_closes_whatever_they_are_called():
    clock = bar_clock(quarters(last="2018-03-15"), "m15", XNYS)
    index, other = (forecast_bar_horizons(clock, name, (1,), QUIET) for name in ("VIX", "XYZ"))
    assert index.raw == other.raw
