"Drift is noticed where it is and not where it is not; feeds that break are named on their first day; decay is told beside its chance."

import io
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from forecastkit.core import DataError
from forecastkit.metrics import (
    DriftNull,
    DriftReport,
    check_drift,
    false_alarms_a_year,
    feed_faults,
    fit_change_detector,
    fit_drift_null,
    ks,
    psi,
)
from forecastkit.metrics.change_detectors import CHARTS, ChangeReport, right_forecasts
from forecastkit.ops.drift_watch import chance_words, drift_chances, forecast_columns, plot_drift
from forecastkit.ops.model_monitor import DECAY_RULES, detector_for, follow_pit, judge_decay, replay_decay, rule_nulls

ROWS, REFERENCE, FEATURES = 40, 400, 30


def noise(seed: int, rows: int = REFERENCE + ROWS) -> pd.DataFrame:
    draws = np.random.default_rng(seed).standard_normal((rows, FEATURES))
    return pd.DataFrame(draws, columns=[f"f{i}" for i in range(FEATURES)])


@pytest.fixture(scope="module")
def null() -> DriftNull:
    return fit_drift_null(noise(0).iloc[:REFERENCE], ROWS, draws=300)


@pytest.fixture(scope="module")
def detector():
    return fit_change_detector(draws=300)


def test_a_check_of_noise_seldom_raises_a_false_alarm(null):
    alarms = [not check_drift(null, noise(seed, ROWS)).ok for seed in range(1, 101)]
    assert np.mean(alarms) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


def test_slow_features_are_above_the_usual_limit_and_are_not_said_to_drift():
    rng, x = np.random.default_rng(4), np.zeros((1500, 8))
    for t in range(1, len(x)):
        x[t] = 0.97 * x[t - 1] + rng.standard_normal(8)
    frame = pd.DataFrame(x[-440:]).add_prefix("slow ")
    report = check_drift(fit_drift_null(frame.iloc[:400], ROWS, draws=200), frame.iloc[400:])
    assert report.ok and report.above >= 6 and report.expected >= 6


@pytest.mark.parametrize("change", ["scale", "mean", "correlation"])
def test_planted_drift_is_found_and_named(null, change):
    recent = noise(7, ROWS)
    if change == "correlation":
        recent["f1"] = 0.9 * recent["f0"] + 0.4 * recent["f1"]
        report = check_drift(null, recent)
        assert report.pair == ("f0", "f1") and report.joint["correlation"][1] <= 0.05 and "f0 and f1" in report.verdict
        return
    recent.iloc[:, :3] = recent.iloc[:, :3] * 2.5 if change == "scale" else recent.iloc[:, :3] + 1.5
    assert set(check_drift(null, recent).drifted) == {"f0", "f1", "f2"}


def test_psi_and_ks_are_those_of_the_books():
    rng = np.random.default_rng(3)
    known, now = rng.standard_normal(500), np.round(rng.standard_normal(60), 1)
    assert ks(known, now) == pytest.approx(ks_2samp(known, now).statistic, abs=1e-12)
    edges = np.quantile(known, np.arange(1, 10) / 10)
    a, e = (np.bincount(np.searchsorted(edges, x), minlength=10) / len(x) for x in (now, known))
    assert psi(known, now) == pytest.approx(float(((a - e) * np.log(a / e)).sum()), abs=0.02)


def test_a_kept_null_gives_the_same_report(null):
    held = io.BytesIO()
    np.savez(held, **null.to_arrays())
    again = DriftNull.from_arrays(np.load(io.BytesIO(held.getvalue()), allow_pickle=False))
    first, second = (check_drift(kept, noise(5, ROWS)).to_dict() for kept in (null, again))
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)


def test_gaps_constants_and_values_that_repeat_do_not_disturb_the_rest():
    frame = noise(12).iloc[:, :6].assign(flag=lambda f: (f["f0"] > 1.5) * 1.0, constant=2.0, empty=np.nan)
    frame.loc[frame.index[::7], "f1"] = np.nan
    report = check_drift(fit_drift_null(frame.iloc[:REFERENCE], ROWS, draws=200), frame.iloc[REFERENCE:])
    assert report.untested == ("constant", "empty") and report.ok
    assert np.isnan(report.table.loc["flag", "psi_p"]) and np.isfinite(report.table.loc["f1", "psi_p"])


def test_text_columns_and_other_columns_are_refused_in_one_line(null):
    for wrong in (noise(1).assign(cohort="mid"), noise(1).iloc[:100]):
        with pytest.raises(DataError) as caught:
            fit_drift_null(wrong, ROWS)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="it was fitted on"):
        check_drift(null, noise(1).rename(columns={"f0": "g"}))


@pytest.mark.parametrize("kind", ["unit", "stale", "zeros", "missing"])
def test_a_feed_that_breaks_is_named_on_its_first_day(kind):
    sound = np.exp(3 + 0.3 * noise(2))
    recent = sound.iloc[-2:].copy()
    last = recent.index[-1]
    broken = {"unit": recent["f3"].iloc[-1] * 100, "stale": recent["f3"].iloc[-2], "zeros": 0.0, "missing": np.nan}
    recent.loc[last, "f3"] = broken[kind]
    assert [(f.feature, f.kind) for f in feed_faults(sound.iloc[:-2], recent)] == [("f3", kind)]


def test_prices_in_cents_and_flags_that_repeat_are_no_faults():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame(
        {"flag": (rng.random(1400) > 0.9) * 1.0, "price": np.round(20 + 0.02 * rng.standard_normal(1400), 2)}
    )
    cries = [feed_faults(frame.iloc[:1260], frame.iloc[1260 : 1260 + end]) for end in range(1, 140)]
    assert not any(cries)


def test_the_run_length_is_the_one_asked_for_and_a_halved_width_is_found(detector):
    from statistics import NormalDist

    z = right_forecasts(2520, 100, 5, seed=1)
    quiet = np.mean([detector.follow(pd.Series(np.vectorize(NormalDist().cdf)(row))).ok for row in z.T[:60]])
    assert abs(quiet - np.exp(-0.5)) < 0.2
    halved = pd.Series([NormalDist().cdf(2 * v) for v in z[:120, 70]], index=pd.bdate_range("2014-01-02", periods=120))
    assert detector.follow(halved).alarms[0][2] == "narrow"


def test_usual_rules_fire_often_without_change_and_are_told_so():
    rng = np.random.default_rng(8)
    days = pd.bdate_range("2014-01-02", periods=900)
    same = pd.DataFrame({"pit": rng.random(900), "hit": (rng.random(900) < 0.55) * 1.0}, index=days)
    assert rule_nulls(same[:600])[DECAY_RULES[0]].fires > 0.1
    report = judge_decay(same, same[:600], metrics={"hit_rate": 0.9})
    assert report.rules[0].fired and "without change" in report.verdict and report.rules[0].usual == 0.9
    alerts = replay_decay(same, days[600])
    assert (alerts["severity"] == "high").sum() <= 1 and (alerts["session"] >= days[600]).all()


def test_outcomes_are_followed_as_of_right_forecasts_where_fewer_than_500_came_before():
    rng = np.random.default_rng(3)
    recent = pd.Series(rng.random(60), pd.bdate_range("2018-01-02", periods=60))
    before = pd.DataFrame({"pit": rng.beta(4, 4, 499)})
    pd.testing.assert_frame_equal(follow_pit(recent, before, 5).charts, detector_for(5).follow(recent).charts)


def test_alarms_of_one_chart_within_a_year_of_outcomes_are_one_episode():
    days = pd.bdate_range("2010-01-01", periods=1000)
    at = {10: "narrow", 200: "narrow", 440: "narrow", 450: "low", 900: "narrow"}
    alarms = tuple((days[place], days[place - 5], chart) for place, chart in at.items())
    report = ChangeReport(pd.DataFrame(0.0, days, list(CHARTS)), alarms, 12_600)
    assert [(days.get_loc(day), chart) for day, _, chart in report.episodes] == [
        (10, "narrow"),
        (450, "low"),
        (900, "narrow"),
    ]
    assert round(report.per_decade, 2) == 0.18


def test_a_check_says_how_often_it_cries_in_a_year_without_drift(null):
    assert false_alarms_a_year() <= 1 and false_alarms_a_year(0.01) <= false_alarms_a_year() <= false_alarms_a_year(
        0.05
    )
    said = check_drift(null, noise(7, ROWS)).to_dict()
    assert said["false_alarms_a_year"] == false_alarms_a_year(said["level"])


# --- drift of stored forecasts, and its map


def stored(values, outcome: float | None, target_session: str, **more) -> dict:
    "A row as the ledger gives it, with three quantiles."
    record = {"probs": [0.1, 0.5, 0.9], "values": values, **more}
    return {
        "forecast": json.dumps(record),
        "outcome": outcome,
        "pit": 0.75,
        "target_session": pd.Timestamp(target_session),
    }


def test_forecasts_become_columns_by_the_session_they_speak_of():
    "Residual 2 - 1 over a width of 4; a forecast without an outcome says nothing, and equal ends are no division by zero."
    rows = pd.DataFrame([
        stored([-1.0, 1.0, 3.0], 2.0, "2018-01-09", regime_probabilities={"low": 0.25, "crisis": 0.75}),
        stored([0.0, 0.0, 0.0], 0.0, "2018-01-08"),
        stored([-1.0, 1.0, 3.0], None, "2018-01-10"),
    ])  # fmt: skip
    found = forecast_columns(rows)
    assert found.index.tolist() == [pd.Timestamp("2018-01-08"), pd.Timestamp("2018-01-09")]
    last = {
        "median": 1.0,
        "log_width": np.log(4),
        "outcome": 2.0,
        "residual": 0.25,
        "pit": 0.75,
        "regime_low": 0.25,
        "regime_crisis": 0.75,
    }
    assert found.iloc[1].to_dict() == pytest.approx(last)
    assert found["log_width"].iloc[0] == pytest.approx(np.log(1e-9)) and found["residual"].iloc[0] == 0.0
    with pytest.raises(DataError, match="no stored forecast has an outcome"):
        forecast_columns(rows.iloc[[2]])


def reported(**chances) -> DriftReport:
    "A report of two measures: for each feature their chances and that over all."
    table = pd.DataFrame(chances, index=["psi_p", "ks_p", "p"]).T.assign(psi=0.1, drifted=False)
    return DriftReport(table, {}, ("", ""), (), 0, 0.0, (), 0.01, 0.25)


def test_a_map_of_drift_shows_the_surest_first():
    report = reported(a=[0.5, 0.9, 0.5], b=[0.2, 0.004, 0.01], c=[0.1, 0.3, 0.5], d=[0.9, 0.9, 1.0])
    found = drift_chances(report, 3)
    assert [*found.columns] == ["psi", "ks", "all"] and [*found.index] == [
        "b",
        "c",
        "a",
    ]  # c before a: its least chance
    assert found.loc["b"].tolist() == [0.2, 0.004, 0.01]
    days = pd.to_datetime(["2018-01-08", "2018-01-09"])
    many = drift_chances(
        {days[0]: report, days[1]: reported(a=[0, 0, 0.02], b=[0, 0, 0.9], c=[0, 0, 0.9], d=[0, 0, 0.001])}, 3
    )
    assert [*many.columns] == [*days] and [*many.index] == ["d", "b", "a"]
    assert many.loc["d"].tolist() == [1.0, 0.001]
    with pytest.raises(DataError, match="one report or more"):
        drift_chances({})
    axes = plot_drift(report)
    assert [text.get_text() for text in axes.texts] == [
        "0.2",
        "< 0.01",
        "0.01",
        "0.1",
        "0.3",
        "0.5",
        "0.5",
        "0.9",
        "0.5",
        "0.9",
        "0.9",
        "1",
    ]
    assert [text.get_text() for text in plot_drift({days[0]: report}).get_xticklabels()] == ["2018-01-08"]


@pytest.mark.parametrize(
    ("chance", "words"), [(0.0, "< 0.01"), (0.0099, "< 0.01"), (0.01, "0.01"), (0.123, "0.12"), (1.0, "1")]
)
def test_a_chance_of_zero_is_never_shown(chance, words):
    assert chance_words(chance) == words
