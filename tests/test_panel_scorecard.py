"The scorecard of a panel, against values computed by hand or by other means."

import json

import numpy as np
import pandas as pd
import pytest

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, DataError
from forecastkit.evaluation import (
    observe_panel,
    panel_breakdown,
    panel_groupings,
    panel_worst_quarters,
    score_panel,
)
from forecastkit.metrics import cluster_se, clustered_skill, crps, holm, session_blocks, smallest_effect, two_sided_p
from forecastkit.models import climatology_quantiles, garch_volatility, panel_climatology, scaled_quantiles

NYSE = get_calendar("XNYS")


def panel(sessions: int = 120, tickers: int = 4, seed: int = 0):
    "Outcomes of a small panel, the quantiles of a forecaster that knows the scale, and of one that does not."
    rng, days = np.random.default_rng(seed), NYSE.sessions_in_range("2014-01-02", "2016-12-30")[:sessions]
    index = pd.MultiIndex.from_product([days, [f"T{k}" for k in range(tickers)]], names=["session", "symbol"])
    scale = np.tile(np.linspace(0.01, 0.04, tickers), sessions)
    change = pd.Series(scale * rng.standard_normal(len(index)), index)
    shape = np.quantile(rng.standard_normal(100_000), PROBS)
    return change, scale[:, None] * shape, np.full((len(index), 1), 0.025) * shape


def places_of(index: pd.MultiIndex) -> np.ndarray:
    return NYSE.positions(pd.DatetimeIndex(index.get_level_values("session")))


def card_of(**labels):
    change, own, base = panel()
    outcomes = observe_panel(change, places_of(change.index), 5, labels, "four")
    return score_panel(own, outcomes, {"climatology": base}), own, base


def test_a_clustered_error_is_that_of_the_sums():
    rng = np.random.default_rng(1)
    x, clusters = rng.standard_normal(300), rng.integers(0, 20, 300)
    sums = [sum(x[clusters == c] - x.mean()) for c in range(20)]
    by_hand = np.sqrt(20 / 19 * sum(s * s for s in sums)) / 300
    assert cluster_se(x, clusters) == pytest.approx(by_hand, rel=1e-12)
    assert cluster_se(x, np.arange(300)) == pytest.approx(x.std(ddof=1) / np.sqrt(300), rel=1e-12)


def test_blocks_are_three_horizons_of_the_calendar():
    assert session_blocks([0, 14, 15, 29, 30], 5).tolist() == [0, 0, 1, 1, 2]
    assert session_blocks([0, 2, 3], 1).tolist() == [0, 0, 1]


def test_skill_is_one_less_the_share_of_losses_and_its_error_that_of_a_regression():
    import statsmodels.api as sm

    rng = np.random.default_rng(2)
    base, places = 1 + rng.random(600), np.repeat(np.arange(150), 4)
    own = 0.9 * base + 0.1 * rng.standard_normal(600)
    found = clustered_skill(own, base, places, 5)
    assert found.value == pytest.approx(1 - own.mean() / base.mean(), rel=1e-12)
    moved = (base - own - found.value * base) / base.mean()
    fit = sm.OLS(moved, np.ones(600)).fit(cov_type="cluster", cov_kwds={"groups": places // 15, "use_correction": True})
    assert found.se == pytest.approx(fit.bse[0] * np.sqrt(599 / 600), rel=1e-3)
    assert found.t == pytest.approx(found.value / found.se)


def test_holm_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.array([0.001, 0.04, 0.03, 0.5, 0.03, 0.9])
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert smallest_effect(0.5) == pytest.approx(0.5 * 2.8015852, rel=1e-6)
    assert two_sided_p([2.5758293])[0] == pytest.approx(0.01, rel=1e-6)
    with pytest.raises(DataError, match="from 0 to 1"):
        holm([0.1, np.nan])


def test_the_card_holds_what_its_rows_say():
    sector = np.tile(["A", "A", "B", "B"], 120)
    card, own, base = card_of(sector=sector)
    change = 100 * card.outcomes.rows["change"].to_numpy()
    mine, other = crps(change, 100 * own), crps(change, 100 * base)
    assert card.summary.crps == pytest.approx(mine.mean())
    assert card.summary.skill["climatology"].value == pytest.approx(1 - mine.mean() / other.mean())
    inside = (change >= 100 * own[:, 3]) & (change <= 100 * own[:, -4])
    assert card.summary.coverage["0.8"][0] == pytest.approx(inside.mean())
    told = json.loads(json.dumps(card.to_dict()))
    assert set(told) > {"by_symbol", "by_sector", "by_half", "by_year", "worst_quarters", "forecaster", "baselines"}
    part = told["by_sector"]["B"]
    assert part["n"] == 240 and part["n_sessions"] == 120
    assert part["coverage_80"] == pytest.approx(inside[sector == "B"].mean())
    assert part["climatology_coverage_80"] == pytest.approx(
        card.baseline_scores["climatology"]["inside_0.8"][sector == "B"].mean()
    )
    assert part["coverage_80_se"] > 0 and part["skill_se"] > 0
    assert (told["symbols"], told["origins"], told["rows"], told["universe"]) == (4, 120, 480, "four")


def test_every_number_of_a_part_has_a_baseline_and_an_error():
    card, *_ = card_of(vix=pd.Categorical(np.repeat(["low", "crisis"], 240), ["low", "crisis"], ordered=True))
    parts = panel_breakdown(card, panel_groupings(card.outcomes)["vix"])
    assert list(parts.index) == ["low", "crisis"]
    assert np.isfinite(parts[["skill_climatology_se", "coverage_se", "coverage_climatology"]].to_numpy()).all()
    alone = pd.Series(np.where(card.outcomes.sessions == card.sessions[0], "one day", "others"), card.scores.index)
    assert list(panel_breakdown(card, alone, fewest=1).index) == ["others"]  # a part within one block has no error
    worst = panel_worst_quarters(card, 1)
    assert len(worst) == 1 and worst["skill_climatology"].iloc[0] <= card.summary.skill["climatology"].value


def test_rows_without_an_outcome_are_left_out_and_gaps_are_refused():
    change, own, base = panel()
    outcomes = observe_panel(change.mask(np.arange(len(change)) >= 400), places_of(change.index), 5)
    assert len(outcomes.rows) == 400
    with pytest.raises(DataError, match="leave out rows"):
        score_panel(np.where(np.arange(400)[:, None] == 7, np.nan, own[:400]), outcomes, {"climatology": base[:400]})
    with pytest.raises(DataError, match="too few"):
        few = observe_panel(change.iloc[:80], places_of(change.index[:80]), 5)
        score_panel(own[:80], few, {"climatology": base[:80]})
    with pytest.raises(DataError, match="each pair once"):
        observe_panel(pd.concat([change, change]), np.zeros(2 * len(change)), 5)


def test_the_climatology_of_a_panel_is_that_of_each_ticker():
    change, *_ = panel(400)
    rows = change.index[1300:1320]
    found = panel_climatology(change, rows, 5, calendar=NYSE)
    for at in (0, 7, 19):
        day, symbol = rows[at]
        alone = climatology_quantiles(
            change.xs(symbol, level="symbol"), pd.DatetimeIndex([day]), 5, 1000, calendar=NYSE
        )
        assert np.array_equal(found[at], alone[0])


def test_garch_finds_the_volatility_that_arch_finds():
    from arch import arch_model

    days = NYSE.sessions_in_range("2008-01-02", "2015-12-31")
    rng, size, returns = np.random.default_rng(6), 1e-4, np.empty(len(days))
    variance = size
    for t in range(len(days)):
        returns[t] = np.sqrt(variance) * rng.standard_normal()
        variance = 0.02 * size + 0.08 * returns[t] ** 2 + 0.9 * variance
    own = garch_volatility(pd.DataFrame({"T": returns}, days), 1)["T"]
    fitted = arch_model(100 * returns, mean="Zero", rescale=False).fit(disp="off")
    theirs = fitted.conditional_volatility[1:] / 100  # said at the session before
    ratio = own.to_numpy()[1000:-1] / theirs[1000:]
    assert abs(ratio.mean() - 1) < 0.03 and ratio.std() < 0.05


def test_a_scaled_baseline_knows_only_what_was_known_at_its_refit_session():
    change, *_ = panel(400)
    scale = pd.Series(np.tile(np.linspace(0.01, 0.04, 4), 400), change.index)
    rows, days = change.index[1200:1240], change.index.get_level_values("session").unique()
    grid = pd.DatetimeIndex([days[290]] * 40)
    found = scaled_quantiles(scale, change, rows, grid, 5, calendar=NYSE)
    later = change.mask(change.index.get_level_values("session") > days[285], 9.0)  # not known on day 290
    assert np.array_equal(found, scaled_quantiles(scale, later, rows, grid, 5, calendar=NYSE))
    inside = (change.loc[rows] >= found[:, 3]) & (change.loc[rows] <= found[:, -4])
    assert 0.6 < inside.mean() < 0.97
