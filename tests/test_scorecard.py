"The scorecard against its definitions, written out a second time and slowly."

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import num2date

from forecastkit.calendars import COHORTS as EIGHT
from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, SCORE_PROBS, VIX_REGIMES, DataError, Target, vix_regime
from forecastkit.evaluation.scorecard import (
    breakdown,
    calibration_errors,
    count_apart,
    groupings,
    observe_outcomes,
    pinball_skill,
    point_scores,
    regime_scores,
    row_scores,
    score_forecasts,
    worst_forecasts,
)
from forecastkit.forecasts import blank_axes
from forecastkit.forecasts.distribution import cdf_at, strictly_increasing
from forecastkit.metrics import hac_lag, hac_se, simulated_ece
from forecastkit.models.baselines import ar1_quantiles, climatology_quantiles
from forecastkit.reports.scorecard import coverage_through_time

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("2000-01-03", "2006-12-29")
RNG = np.random.default_rng(4)
LOG = np.empty(len(DAYS))
LOG[0] = 3.0
for _t in range(1, len(DAYS)):
    LOG[_t] = 3.0 + 0.98 * (LOG[_t - 1] - 3.0) + 0.07 * RNG.standard_normal()
CLOSE = pd.Series(np.exp(LOG), DAYS).drop(DAYS[[300, 901]])  # sessions that the data lack
BOUNDS = (15.0, 20.0, 30.0)
COHORTS = pd.Series(np.where(np.arange(len(CLOSE)) % 3, "mid_cycle", "opex_week"), CLOSE.index)
Y = NYSE.outcomes(CLOSE, 5)
NORMAL = np.sort(RNG.standard_normal((200_000,)))
SPREAD = np.quantile(NORMAL, PROBS)


def expert(sharpness: float = 1.0) -> np.ndarray:
    "Quantiles of one who knows the process, in the right or in a wrong width, one row a close."
    drawn = 0.98**5
    mean = (drawn - 1) * (np.log(CLOSE) - 3.0)
    sd = 0.07 * np.sqrt(sum(0.98 ** (2 * k) for k in range(5)))
    return mean.to_numpy()[:, None] + sharpness * sd * SPREAD


ORIGINS = pd.DatetimeIndex(CLOSE.index[500:])
SEEN = observe_outcomes(CLOSE, ORIGINS, Target("VIX"), COHORTS, BOUNDS, calendar=NYSE)
AT = pd.DatetimeIndex(SEEN.rows.index)
PLACES = CLOSE.index.get_indexer(AT)
BASELINES = {
    "climatology": climatology_quantiles(Y, AT, 5, calendar=NYSE),
    "ar1": ar1_quantiles(np.log(CLOSE), Y, AT, 5, NYSE),
}
OWN = expert()[PLACES]
CARD = score_forecasts(OWN, SEEN, BASELINES)


def test_keys_and_nesting_are_those_that_were_promised():
    told = CARD.to_dict()
    judged = ["crps", "skill", "coverage", "coverage_by_regime", "rolling_250", "regime_log_loss_skill", "ece", "direction"]  # fmt: skip
    assert list(told) == ["symbol", "horizon", "start", "end", "origins", "seconds", "seconds_by_stage", "variants_tried", "forecaster", "baselines", "by_cohort", "by_half", "worst_quarters", "by_quantile"]  # fmt: skip
    assert list(told["baselines"]) == ["climatology", "ar1"]
    for part in (told["forecaster"], *told["baselines"].values()):
        assert list(part) == judged
        assert list(part["skill"]) == ["climatology", "ar1"]
        assert list(part["skill"]["ar1"]) == ["value", "se", "t", "t_nonoverlapping"]
        assert list(part["coverage"]) == ["0.5", "0.8", "0.9"]
        assert list(part["coverage_by_regime"]) == list(VIX_REGIMES)
        assert all(list(found) == ["0.8", "n"] for found in part["coverage_by_regime"].values())
        assert list(part["rolling_250"]) == ["lowest", "highest"]
        assert list(part["regime_log_loss_skill"]) == ["transition_matrix", "ar1"]
        assert list(part["ece"]) == [*VIX_REGIMES, "perfect_95"]
        assert list(part["direction"]) == ["accuracy", "base_rate", "confidence", "ece", "perfect_95", "brier_skill", "brier_skill_se"]  # fmt: skip
    assert list(told["by_cohort"]) == list(EIGHT)
    assert sum(part["n"] for part in told["by_cohort"].values()) == told["origins"]
    assert [part["n"] for part in told["by_half"].values()] == [(len(AT) + 1) // 2, len(AT) // 2]
    skills = [part["skill"] for part in told["worst_quarters"]]
    assert skills == sorted(skills) and len(skills) <= 4
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_crps_skill_and_ranges_by_hand():
    told, y = CARD.to_dict()["forecaster"], 100 * np.expm1(Y[AT].to_numpy())
    losses = {}
    for name, quantiles in {"own": OWN, **BASELINES}.items():
        q = 100 * np.expm1(quantiles)
        losses[name] = np.zeros(len(y))
        for p in SCORE_PROBS:
            miss = y - q[:, list(PROBS).index(p)]
            losses[name] += 2 / 19 * np.where(miss >= 0, p * miss, (p - 1) * miss)
    assert told["crps"] == pytest.approx(losses["own"].mean(), rel=1e-12)
    own, base = losses["own"], losses["climatology"]
    value = 1 - own.mean() / base.mean()
    assert told["skill"]["climatology"]["value"] == pytest.approx(value, rel=1e-12)
    moved = (base - own - value * base) / base.mean()
    assert told["skill"]["climatology"]["se"] == pytest.approx(hac_se(moved, 15), rel=1e-9)
    inside = (y >= 100 * np.expm1(OWN[:, 3])) & (y <= 100 * np.expm1(OWN[:, 19]))
    assert (PROBS[3], PROBS[19]) == (0.1, 0.9)
    assert told["coverage"]["0.8"] == pytest.approx(inside.mean())
    for k, name in enumerate(VIX_REGIMES):
        there = vix_regime(CLOSE[AT].to_numpy()) == k
        assert told["coverage_by_regime"][name]["n"] == there.sum()
        assert told["coverage_by_regime"][name]["0.8"] == pytest.approx(inside[there].mean())
    windows = [inside[i : i + 250].mean() for i in range(len(inside) - 249)]
    assert told["rolling_250"] == pytest.approx({"lowest": min(windows), "highest": max(windows)})


def after(day: pd.Timestamp) -> float:
    "The close five sessions later, looked up on the calendar."
    return CLOSE[DAYS[DAYS.get_loc(day) + 5]]


def test_regimes_by_hand():
    told, table, counted, came = CARD.to_dict()["forecaster"], [], [], []
    for i, day in enumerate(AT):
        below = [float(cdf_at(np.log(b / CLOSE[day]), PROBS, OWN[i])) for b in BOUNDS]
        table.append(np.diff([0.0, *below, 1.0]))
        came.append(int(vix_regime(after(day))))
    table, came = np.array(table), np.array(came)
    for i in range(0, len(AT), 97):
        counts, here = np.ones((4, 4)), DAYS.get_loc(AT[i])
        for day in CLOSE.index:
            at = DAYS.get_loc(day)
            if at + 5 <= here and DAYS[at + 5] in CLOSE.index:
                counts[int(vix_regime(CLOSE[day])), int(vix_regime(CLOSE[DAYS[at + 5]]))] += 1
        row = counts[int(vix_regime(CLOSE[AT[i]]))]
        assert SEEN.rows.loc[AT[i], list(VIX_REGIMES)].to_numpy(float) == pytest.approx(row / row.sum())
    counted = SEEN.rows[list(VIX_REGIMES)].to_numpy()
    lost = [-np.log(np.clip(t[np.arange(len(came)), came], 0.001, 0.999)).mean() for t in (table, counted)]
    assert told["regime_log_loss_skill"]["transition_matrix"] == pytest.approx(1 - lost[0] / lost[1], rel=1e-9)
    for k, name in enumerate(VIX_REGIMES):
        error, p = 0.0, table[:, k]
        for b in range(10):
            member = np.minimum((p * 10).astype(int), 9) == b
            if member.any():
                error += member.mean() * abs(p[member].mean() - (came[member] == k).mean())
        assert told["ece"][name] == pytest.approx(error, abs=1e-12)


def test_a_perfect_forecaster_stays_below_perfect_95_in_all_regimes_at_once():
    scores = row_scores(OWN, SEEN)
    told = calibration_errors(scores, SEEN)["perfect_95"]
    each = np.quantile(simulated_ece(scores[list(VIX_REGIMES)].to_numpy(), block=hac_lag(5)), 0.95, axis=0)
    assert told >= each.max() > each.min()


def test_direction_beside_what_was_more_frequent_before():
    told, rose = CARD.to_dict()["forecaster"]["direction"], Y[AT].to_numpy() > 0
    known = Y.dropna()
    share = np.array([(known[[DAYS.get_loc(d) + 5 <= DAYS.get_loc(day) for d in known.index]] > 0).mean() for day in AT[:3]])  # fmt: skip
    assert SEEN.rows["rise"].to_numpy()[:3] == pytest.approx(share)
    base = SEEN.rows["rise"].to_numpy()
    assert told["base_rate"] == pytest.approx(((base > 0.5) == rose).mean())
    p = 1 - np.array([float(cdf_at(0.0, PROBS, q)) for q in OWN])
    assert told["accuracy"] == pytest.approx(((p > 0.5) == rose).mean())
    assert told["brier_skill"] == pytest.approx(1 - ((p - rose) ** 2).mean() / ((base - rose) ** 2).mean())


def test_who_knows_the_process_is_found_calibrated_and_who_boasts_is_not():
    honest, boasting = CARD.to_dict()["forecaster"], score_forecasts(expert(0.5)[PLACES], SEEN, BASELINES).to_dict()["forecaster"]  # fmt: skip
    assert honest["skill"]["climatology"]["t"] > 2 and honest["skill"]["climatology"]["t_nonoverlapping"] > 2
    assert abs(honest["coverage"]["0.8"] - 0.8) < 0.04
    assert max(honest["ece"][name] for name in VIX_REGIMES) < honest["ece"]["perfect_95"]
    assert boasting["coverage"]["0.8"] < 0.6
    assert max(boasting["ece"][name] for name in VIX_REGIMES) > boasting["ece"]["perfect_95"]
    assert boasting["crps"] > honest["crps"]


def test_against_itself_a_baseline_has_no_skill_and_no_error():
    for name in BASELINES:
        itself = CARD.to_dict()["baselines"][name]["skill"][name]
        assert itself == {"value": 0.0, "se": 0.0, "t": None, "t_nonoverlapping": None}
    assert CARD.to_dict()["baselines"]["ar1"]["regime_log_loss_skill"]["ar1"] == 0.0
    back = CARD.to_dict()["baselines"]["climatology"]["skill"]["ar1"]["value"]
    there = CARD.to_dict()["baselines"]["ar1"]["skill"]["climatology"]["value"]
    assert (1 - back) * (1 - there) == pytest.approx(1.0)


def test_what_was_known_at_an_origin_does_not_change_when_more_is_known():
    cut = CLOSE.index[1200]
    shorter = observe_outcomes(CLOSE[:cut], ORIGINS[cut >= ORIGINS], Target("VIX"), COHORTS, BOUNDS, calendar=NYSE)
    pd.testing.assert_frame_equal(shorter.rows, SEEN.rows.loc[: shorter.rows.index[-1]], check_exact=True)
    part = row_scores(OWN[: len(shorter.rows)], shorter)
    pd.testing.assert_frame_equal(part, CARD.scores.iloc[: len(part)], check_exact=True)


def test_a_level_on_a_bound_belongs_to_the_regime_above():
    close = pd.Series(19.3, NYSE.sessions_in_range("2001-01-02", "2003-12-31"))
    close.iloc[600:] = 20.0
    seen = observe_outcomes(
        close, pd.DatetimeIndex(close.index), Target("VIX"), pd.Series("mid_cycle", close.index), BOUNDS, calendar=NYSE
    )
    assert seen.rows["after"].iloc[594] == 1 and seen.rows["after"].iloc[595] == 2


def test_unknown_outcomes_are_left_out_and_gaps_refused():
    assert AT[-1] == DAYS[-6]
    assert not {DAYS[896], DAYS[901]} & set(AT), "an outcome whose target session is absent is no outcome"
    for wrong in (OWN[1:], OWN[:, 1:], np.where(np.arange(len(OWN))[:, None] == 7, np.nan, OWN)):
        with pytest.raises(DataError, match="finite quantiles"):
            score_forecasts(wrong, SEEN, BASELINES)
    few = observe_outcomes(CLOSE, ORIGINS[:40], Target("VIX"), COHORTS, BOUNDS, calendar=NYSE)
    with pytest.raises(DataError, match="40 origins with known outcomes are too few"):
        score_forecasts(OWN[:40], few, {})


@pytest.mark.parametrize("horizon", [1, 21])
def test_other_horizons_and_targets_without_regimes(horizon):
    y = NYSE.outcomes(CLOSE, horizon)
    seen = observe_outcomes(CLOSE, ORIGINS, Target("MINE", "log_return", horizon), COHORTS, calendar=NYSE)
    at = pd.DatetimeIndex(seen.rows.index)
    base = climatology_quantiles(y, at, horizon, calendar=NYSE)
    told = score_forecasts(strictly_increasing(1.2 * base), seen, {"climatology": base}).to_dict()
    for empty in ("coverage_by_regime", "regime_log_loss_skill", "ece"):
        assert told["forecaster"][empty] == {}
    assert told["horizon"] == horizon and told["origins"] == len(at)


def test_fewer_bounds_name_fewer_regimes():
    seen = observe_outcomes(CLOSE, ORIGINS, Target("VIX"), COHORTS, (15.0, 25.0), calendar=NYSE)
    assert seen.regimes == VIX_REGIMES[:3] and set(seen.rows["regime"]) <= {0, 1, 2, *VIX_REGIMES[:3]}


def test_parts_make_up_the_whole():
    for name, labels in groupings(SEEN).items():
        parts = breakdown(CARD, labels, fewest=10)
        assert parts["origins"].sum() == len(AT), name
        whole = (parts["coverage"] * parts["origins"]).sum() / len(AT)
        assert whole == pytest.approx(CARD.summary.coverage["0.8"])
    assert pinball_skill(CARD)["loss"].mean() * 2 == pytest.approx(CARD.summary.crps)
    assert point_scores(CARD).loc["climatology", "r2"] == 0.0
    assert list(worst_forecasts(CARD)["crps"]) == sorted(CARD.scores["crps"], reverse=True)[:10]
    table = regime_scores(CARD)
    assert table.loc["log_loss", "skill_ar1"] == CARD.summary.regime_log_loss_skill["ar1"].value
    assert list(table.index) == ["log_loss", "regime_brier", "rps"]


def test_a_part_of_few_overlapping_outcomes_has_no_error_instead_of_one_near_zero():
    labels = pd.Series(np.where(np.arange(len(AT)) < 25, "few", "many"), AT)
    assert breakdown(CARD, labels)["coverage_se"].isna().tolist() == [True, False]


def test_a_span_without_250_origins_has_no_rolling_coverage():
    short = observe_outcomes(CLOSE, ORIGINS[:200], Target("VIX"), COHORTS, BOUNDS, calendar=NYSE)
    told = score_forecasts(
        OWN[: len(short.rows)], short, {k: q[: len(short.rows)] for k, q in BASELINES.items()}
    ).to_dict()
    assert told["forecaster"]["rolling_250"] == {"lowest": None, "highest": None}


def test_coverage_of_a_short_span_is_drawn_in_its_own_years_below_its_legend():
    short = observe_outcomes(CLOSE, ORIGINS[:200], Target("VIX"), COHORTS, BOUNDS, calendar=NYSE)
    n = len(short.rows)
    for card in (CARD, score_forecasts(OWN[:n], short, {k: q[:n] for k, q in BASELINES.items()})):
        ax = coverage_through_time(card, blank_axes(7, 2.2))
        ax.figure.draw_without_rendering()
        first, last = (day.replace(tzinfo=None) for day in num2date(ax.get_xlim()))
        assert ORIGINS[0] - pd.Timedelta(days=60) < first < last < ORIGINS[-1] + pd.Timedelta(days=400), (
            "an empty plot begins in 1970"
        )
        assert all(np.isfinite(line.get_ydata(orig=False)).any() for line in ax.lines)
        assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1 - 1, "it stands over the curves"


def test_origins_that_do_not_overlap_are_counted():
    assert [count_apart(np.array(at), 5) for at in ([], [0], [0, 4], [0, 5], [3, 4, 8, 12, 13, 30])] == [0, 1, 1, 2, 4]
