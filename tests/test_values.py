"What a sum, a flag or a far-off case would hide: parts one by one, limits at their boundary, settings by what they do."

from dataclasses import fields, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, Settings, Target, load_settings
from forecastkit.data.checks import jump_faults
from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.base import winsorized
from forecastkit.features.volatility import FeatureEngine, volatility_features
from forecastkit.metrics.calibration import perfect_ece, simulated_ece
from forecastkit.models.base import MAX_GAPS, VOLATILITY_RECIPE, Linear, fit_terms
from forecastkit.models.baselines import Climatology, HARLocationScale
from forecastkit.models.boosting import BoostedResidual, tree_table
from forecastkit.models.forecaster import ProbabilisticForecaster
from forecastkit.models.forest import QuantileForest
from forecastkit.models.garch import GARCHHAR, MIN_VARIANCE, fit_variance
from forecastkit.models.quantile_regression import LinearQuantile
from forecastkit.models.shapley import booster_parts
from forecastkit.pipeline.preparation import Versions, prepare
from forecastkit.regimes.anomalies import MAX_MISSING, MIN_PRESENT, usable_data
from forecastkit.vendors.base import end_of_day_utc
from forecastkit.vendors.edgar import _contradictions

NYSE = get_calendar("XNYS")
MARKET = synthetic_market(seed=3, sessions=700).market
RECIPE = VOLATILITY_RECIPE
READ = {*RECIPE.location, *RECIPE.scale, *RECIPE.scale_logged, *RECIPE.quantiles, "vix", "day_of_week"}
MIDDLE = 11  # of the 23 probabilities


@cache
def rows() -> tuple[pd.DataFrame, pd.Series]:
    X = FeatureEngine([f for f in volatility_features() if f.name in READ]).build_features(MARKET)
    return X, NYSE.outcomes(MARKET.close("VIX"), 5).iloc[:600].dropna()


@cache
def fitted(kind: type, **options):
    X, learn = rows()
    return kind(**options).fit(X, learn)


# Winsorising


def test_outliers_are_drawn_in_to_the_quantiles_of_the_rows_before():
    values = pd.Series(np.random.default_rng(1).normal(size=2000))
    values[[300, 1500, 1501]] = [50.0, -60.0, 70.0]
    found = winsorized(values, 0.01)
    for at, share in ((300, 0.99), (1500, 0.01), (1501, 0.99)):
        assert found[at] == np.quantile(values.iloc[max(0, at - 1260) : at], share) != values[at]
    assert 0.9 < (found == values)[252:].mean() < 0.995


@pytest.mark.parametrize("at, drawn", [(251, False), (252, True)])
def test_a_year_of_rows_must_be_known_before_a_value_is_drawn_in(at, drawn):
    values = pd.Series(np.random.default_rng(1).normal(size=400))
    values[at] = 50.0
    assert (winsorized(values, 0.01)[at] < 50.0) == drawn


# Settings


def asked(monkeypatch, settings: Settings) -> tuple:
    "All that `prepare` hands to the walk that could shape a version."

    class Stop(Exception):
        pass

    def walk(X, y, make, *, schedule, **_):
        raise Stop(
            X.shape,
            str(make.args[2:]),
            str(make.keywords.get("shape")),
            schedule.every,
            schedule.train_start,
            schedule.calendar.name,
        )

    monkeypatch.setattr("forecastkit.pipeline.preparation.walk_forward", walk)
    with pytest.raises(Stop) as caught:
        prepare(MARKET, Target("SPX", "pct_change", 5), settings, MARKET.close("SPX").index[-1])
    return caught.value.args


OTHER = {"calendar": "XNYS", "pool": "depth=4", "train_start": "1999-01-04", "walk_start": "2001-01-02"}


def test_what_a_version_is_made_from_is_in_its_digest(monkeypatch):
    "Every key of the settings is changed that is a number, a truth or known here, and what the training is then handed is compared."
    plain, digest = asked(monkeypatch, Settings()), Settings().model_digest()
    changed = set()
    for f in fields(Settings().model):
        value = getattr(Settings().model, f.name)
        other = OTHER.get(f.name, value * 2 if isinstance(value, (int, float)) else None)
        settings = load_settings(overrides={f"model.{f.name}": other}, environ={})
        if asked(monkeypatch, settings) != plain:
            changed.add(f.name)
            assert settings.model_digest() != digest, f.name
        else:
            assert settings.model_digest() == digest, f.name
    assert changed == {"seed", "train_start", "refit_every", "rounds", "pool"}


def test_another_calendar_makes_another_version():
    assert load_settings(overrides={"data.calendar": "XLON"}, environ={}).model_digest() != Settings().model_digest()


# Contributions, part by part


def line_by_hand(line: Linear, row: pd.Series, m: int = 0) -> dict[str, float]:
    "Slope times distance from the training mean in standard deviations."
    terms, parts = line.terms, {}
    for j, name in enumerate(terms.names):
        value = np.log(row[name]) if name in terms.logged else row[name]
        value = terms.median[j] if np.isnan(value) else value
        parts[name] = (value - terms.centre[j]) / terms.spread[j] * line.slopes[j, m]
    return parts


def same(found: pd.Series, wanted: dict[str, float]) -> None:
    assert set(found.index) == {"base", *wanted}
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def scaled(parts: dict[str, float], weight: float) -> dict[str, float]:
    return {name: weight * value for name, value in parts.items()}


def summed(*parts: dict[str, float]) -> dict[str, float]:
    found = dict[str, float]()
    for one in parts:
        for name, value in one.items():
            found[name] = found.get(name, 0.0) + value
    return found


def trees_by_hand(model: BoostedResidual, X: pd.DataFrame) -> dict[str, float]:
    "The median level's TreeSHAP, which is shap's own (see `test_explain`), times the day's scale; the location beside it."
    grown = booster_parts(model.trees_, tree_table(X.tail(1), model.columns_), model.columns_).parts[0, :, 3]
    _, scale = model.base_.location_scale(X.tail(1))
    return summed(line_by_hand(model.base_.location_, X.iloc[-1]), dict(zip(model.columns_, grown * scale[0])))


def path_by_hand(model: GARCHHAR, X: pd.DataFrame) -> dict[str, float]:
    "What each term adds along the path without shocks, less the same at the usual level."

    def parts(levels: list[float]) -> np.ndarray:
        found = np.zeros(4)
        for _ in range(model.horizon):
            now = levels[-1]
            added = model.mean_ * [1, now, now - np.mean(levels[-5:]), now - np.mean(levels[-22:])]
            found, levels = found + added, [*levels, now + added.sum()]
        return found

    x = X["vix_log"].dropna().to_numpy()
    apart = parts(list(x[-22:])) - parts([model.usual_level_] * 22)
    return dict(zip(model.recipe.location, apart[1:]))


@pytest.mark.parametrize("end", [120, 650])
def test_each_contribution_is_its_own(end):
    X = rows()[0].iloc[:end]
    lines, har = fitted(LinearQuantile), fitted(HARLocationScale)
    forest, boosted, garch = (
        fitted(QuantileForest, trees=10),
        fitted(BoostedResidual, rounds=10),
        fitted(GARCHHAR, paths=200),
    )
    last = X.iloc[-1]
    by_hand = [
        (lines, line_by_hand(lines.lines_, last, MIDDLE)), (har, line_by_hand(har.location_, last)),
        (forest, line_by_hand(forest.base_.location_, last)), (boosted, trees_by_hand(boosted, X)), (garch, path_by_hand(garch, X)),
    ]  # fmt: skip
    for model, wanted in by_hand:
        same(model.contributions(X), wanted)
    for m in range(len(PROBS)):
        found = lines.lines_.contributions(X, m)
        assert found.to_dict() == pytest.approx(line_by_hand(lines.lines_, last, m), rel=1e-9, abs=1e-12)


def test_each_contribution_of_the_pool_is_the_weighted_sum_of_its_members():
    X, learn = rows()
    members = [LinearQuantile(), HARLocationScale(), BoostedResidual(rounds=5), Climatology()]
    pool = ProbabilisticForecaster(members=members).fit(X, learn)
    pool.weights_ = [0.5, 0.3, 0.15, 0.05]
    lines, har, boosted, _ = pool.members_
    last = X.iloc[-1]
    wanted = summed(
        scaled(line_by_hand(lines.lines_, last, MIDDLE), 0.5), scaled(line_by_hand(har.location_, last), 0.3),
        scaled(trees_by_hand(boosted, X), 0.15),
    )  # fmt: skip
    same(pool.contributions(X), wanted)


# GARCH


class Answer:
    "What `arch` returns."

    convergence_flag = 0

    def __init__(self, *params: float):
        self.params = params


@pytest.mark.parametrize(
    "params, stable",
    [((0.1, 0.05, 0.20, 0.80), True), ((0.1, 0.10, 0.10, 0.86), False), ((0.1, 0.1, 0.2, 0.8), False), ((0.0, 0.1, 0.1, 0.8), False)],
)  # fmt: skip
def test_a_variance_is_stable_where_half_of_the_falls_weight_leaves_it_below_one(monkeypatch, params, stable):
    from arch.univariate import ZeroMean

    monkeypatch.setattr(ZeroMean, "fit", lambda self, **_: Answer(*params))
    surprise = 0.03 * np.random.default_rng(0).normal(size=900)
    found, unit = fit_variance(surprise), float(np.mean(surprise**2))
    assert found.fitted == stable
    if stable:  # the fit was in units of the standard deviation
        assert (found.constant, found.start) == pytest.approx((0.1 * unit, unit), rel=1e-12)
        assert (found.shock, found.fall, found.memory) == params[1:]


def test_shocks_are_surprises_beside_the_volatility_of_their_own_day():
    X, learn = rows()
    model = fitted(GARCHHAR, paths=200)
    x = X["vix_log"].loc[: learn.index[-1]].to_numpy()
    padded, rule, h, shocks = np.r_[np.full(21, x[0]), x], model.variance_, model.variance_.start, []
    for at in range(len(x) - 1):
        now, past = x[at], padded[at : at + 22]
        e = x[at + 1] - now - model.mean_ @ [1, now, now - past[-5:].mean(), now - past.mean()]
        shocks.append(e / np.sqrt(h + MIN_VARIANCE))
        h = rule.constant + (rule.shock + rule.fall * (e < 0)) * e * e + rule.memory * h
    shocks = np.array(shocks)[X.index.searchsorted(learn.index[0]) :]
    np.testing.assert_allclose(model.shocks_, (shocks - shocks.mean()) / shocks.std(), atol=6e-5)


# Limits at their boundary


@pytest.mark.parametrize("absent, used", [(20, True), (21, False)])
def test_a_term_may_be_absent_from_a_fifth_of_the_rows(absent, used):
    X = pd.DataFrame({"a": np.arange(100.0), "b": np.arange(100.0)})
    X.loc[: absent - 1, "b"] = np.nan
    assert MAX_GAPS == 0.2
    assert fit_terms(X, ["a", "b"]).names == (("a", "b") if used else ("a",))


@pytest.mark.parametrize("absent, used", [(20, True), (21, False)])
def test_a_feature_may_be_absent_from_a_fifth_of_the_days(absent, used):
    X = np.random.default_rng(0).normal(size=(100, 4))
    X[:absent, 3] = np.nan
    assert MAX_MISSING == 0.2
    assert usable_data(X)[0].tolist() == [True, True, True, used]


@pytest.mark.parametrize("there, judged", [(2, True), (1, False)])
def test_a_day_with_half_of_its_features_is_judged(there, judged):
    X = np.random.default_rng(0).normal(size=(100, 4))
    X[50, there:] = np.nan
    assert MIN_PRESENT == 0.5
    assert usable_data(X)[1][50] == judged


def test_what_is_dated_by_its_day_is_known_when_that_day_has_ended_in_new_york():
    found = end_of_day_utc(pd.Series(["2018-02-02", "2018-07-06"])).tz_convert("America/New_York")
    assert found.strftime("%m-%d %H:%M").tolist() == [
        "02-02 18:00",
        "07-06 19:00",
    ]  # not 17:00: EDGAR takes until 17:30


@pytest.mark.parametrize("time, contradicts", [("17:30", True), ("17:31", False), ("22:05", False), ("22:06", True)])
def test_a_filing_until_half_past_five_is_of_its_day(time, contradicts):
    "Dated by the next day it cannot have come before 17:31 of New York, nor while EDGAR is closed."
    clock = pd.DatetimeIndex([f"2018-02-01 {time}"])
    assert _contradictions(clock, pd.DatetimeIndex(["2018-02-02"])) == contradicts


# Simulated bands


def test_in_a_block_an_event_happens_throughout_or_not_at_all():
    for block in (1, 10):
        found = simulated_ece(np.full((20, 1), 0.5), bins=1, draws=400, block=block)[:, 0]
        happened = np.round(20 * np.abs(found) / block, 9)  # the distance from the half, in blocks
        assert np.array_equal(happened, np.round(happened))
        assert set(happened) == ({0.0, 1.0} if block == 10 else set(happened)) and found.max() <= 0.5
    two = simulated_ece(np.full((20, 1), 0.5), bins=1, draws=4000, block=10)[:, 0]
    assert (two == 0.5).mean() == pytest.approx(0.5, abs=0.03)  # both blocks, or neither
    one = simulated_ece(np.full((20, 1), 0.5), bins=1, draws=4000, block=20)[:, 0]
    assert (one == 0.5).all()  # a single block
    short = simulated_ece(np.full((21, 1), 0.5), bins=1, draws=4000, block=20)[:, 0]
    np.testing.assert_allclose(np.unique(np.round(short, 6)), np.unique(np.round([0.5, 20 / 21 - 0.5], 6)))
    assert perfect_ece(np.full(20, 0.5), bins=1, draws=4000, block=10)["mean"] == pytest.approx(two.mean(), rel=1e-12)


def test_rows_of_one_session_share_its_chance():
    sessions = np.repeat(np.arange(4), 5)
    found = simulated_ece(np.full((20, 1), 0.5), bins=1, draws=4000, groups=sessions)[:, 0]
    values, counts = np.unique(np.round(found, 9), return_counts=True)
    assert values.tolist() == [0.0, 0.25, 0.5]
    np.testing.assert_allclose(counts / 4000, [6 / 16, 8 / 16, 2 / 16], atol=0.03)


# Raw quantiles that are kept


def test_raw_quantiles_kept_under_one_home_are_those_of_their_data(tmp_path):
    "A bar that is revised after the refit leaves the version as it was, but not what it forecast from that bar."
    close = MARKET.close("VIX")
    grid, origins = close.index[600], close.index[600:650]
    revised = MARKET.bars("VIX")
    revised.loc[close.index[640]] *= 1.01
    other = MARKET.with_series("VIX", revised)
    first, second = (
        Versions(Target("VIX", "pct_change", 5), Settings(), one.fingerprints(close.index), folder=tmp_path)
        for one in (MARKET, other)
    )
    kept = np.arange(50.0 * 23).reshape(50, 23)
    first.save_quantiles(grid, origins, kept)
    assert first.name(grid) == second.name(grid)
    np.testing.assert_array_equal(first.load_quantiles(grid, origins), kept)
    assert second.load_quantiles(grid, origins) is None
    assert second.path(grid, origins[:40]) == first.path(grid, origins[:40])  # before the revision nothing is another
    assert first.load_quantiles(grid, origins[:49]) is None and first.load_quantiles(close.index[599], origins) is None


def test_a_market_that_is_revised_is_another_from_that_session_on():
    bars = MARKET.bars("VIX")
    bars.iloc[640] *= 1.01
    other = MarketData({"VIX": bars}).fingerprints(bars.index, ["VIX"])
    same_until = (other == MARKET.fingerprints(bars.index, ["VIX"])).to_numpy()
    assert same_until[:640].all() and not same_until[640:].any()


def test_a_replaced_section_keeps_its_digest():
    settings = Settings()
    assert replace(settings, run=replace(settings.run, n_jobs=1)).model_digest() == settings.model_digest()


# Splits


@pytest.mark.parametrize("ratio", [1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100])
def test_a_split_is_named_by_its_ratio(ratio):
    bars = MARKET.bars("SPX").iloc[:200].copy()
    bars.loc[bars.index[120] :, ["open", "high", "low", "close"]] /= ratio
    (found,) = jump_faults("MINE", bars)
    assert found.kind == "unadjusted split" and f"{ratio:g} for 1 on {bars.index[120]:%Y-%m-%d}" in found.words
