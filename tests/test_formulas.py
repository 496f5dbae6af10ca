"""Every declared formula by value: each feature of the VIX is computed once more, from bare arrays, by its published definition.

The table here is complete: a feature that is declared and stands nowhere in it fails the test. Indicators have theirs in
`test_families`, features of the calendar in `test_cohorts`.
"""

import re
from functools import cache
from math import ceil

import numpy as np
import pandas as pd
import pytest
from markets import whole_market

from forecastkit.features.base import compute_features, publication_of
from forecastkit.features.cross_market import ASSETS
from forecastkit.features.price import INDICATORS
from forecastkit.features.regime import FeatureSet, regime_features, regime_table
from forecastkit.features.volatility import volatility_features

SESSIONS = 1700
YEAR = 100 * 252**0.5
SINCE = slice(-40, None)  # the rows that are compared


@cache
def market():
    return whole_market(SESSIONS)


@cache
def bars(symbol: str) -> dict[str, np.ndarray]:
    "Columns of bars at the sessions of the VIX."
    frame = market().bars(symbol).reindex(market().close("VIX").index)
    return {name: frame[name].to_numpy() for name in frame}


@cache
def log(symbol: str) -> np.ndarray:
    "Logs of closes, or of what was last published at each session."
    if symbol in ("DCOILWTICO", "DTWEXBGS", "ICSA"):
        return np.log(published(symbol))
    return np.log(bars(symbol)["close"])


@cache
def published(series: str) -> np.ndarray:
    return market().at_sessions(series, market().close("VIX").index).to_numpy()


def each(n: int, formula, *arrays: np.ndarray) -> np.ndarray:
    "A formula of the last n entries of the arrays, at each place; NaN before."
    found = np.full(len(arrays[0]), np.nan)
    for at in range(max(n, len(found) - 400), len(found) + 1):
        found[at - 1] = formula(*(array[at - n : at] for array in arrays))
    return found


def move(symbol: str, n: int = 1) -> np.ndarray:
    x = log(symbol)
    return np.append(np.full(n, np.nan), x[n:] - x[:-n])


def sd(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float((((values - values.mean()) ** 2).sum() / (len(values) - 1)) ** 0.5)


def volatility(symbol: str, n: int) -> np.ndarray:
    return each(n, sd, move(symbol))


def weighted(values: np.ndarray, decay: float) -> np.ndarray:
    "The mean with weights that fall by `decay` a session, from the first value on."
    found = []
    for at in range(len(values) - 60, len(values)):
        weights = decay ** np.arange(at)
        found.append((weights * values[at:0:-1]).sum() / weights.sum())
    return np.append(np.full(len(values) - 60, np.nan), found)


def skewness(values: np.ndarray) -> float:
    "Of a sample, with the correction for its size (Fisher and Pearson)."
    n, apart = len(values), values - values.mean()
    return float((n * (n - 1)) ** 0.5 / (n - 2) * (apart**3).mean() / (apart**2).mean() ** 1.5)


def rank(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float(((values < values[-1]).sum() + ((values == values[-1]).sum() + 1) / 2) / len(values))


def drawn_in(values: np.ndarray, share: float = 0.005) -> np.ndarray:
    found = values.copy()
    for at in range(len(values) - 400, len(values)):
        past = values[at - 1260 : at]
        found[at] = np.clip(values[at], *np.quantile(past[~np.isnan(past)], [share, 1 - share]))
    return found


def slope(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / (other * other).sum())


def corr(one: np.ndarray, other: np.ndarray) -> float:
    both = ~np.isnan(one + other)
    return float(np.corrcoef(one[both], other[both])[0, 1])


def parts(symbol: str) -> dict[str, np.ndarray]:
    "Night, day and the variances of a day from its range."
    b = bars(symbol)
    o, h, low, c = (np.log(b[name]) for name in ("open", "high", "low", "close"))
    swing = np.where(h > low, h - low, np.nan)
    return {
        "gap": np.append(np.nan, o[1:] - c[:-1]), "day": c - o, "range": swing,
        "parkinson": swing**2 / (4 * np.log(2)), "garman_klass": swing**2 / 2 - (2 * np.log(2) - 1) * (c - o) ** 2,
        "rogers_satchell": (h - c) * (h - o) + (low - c) * (low - o), "place": (b["close"] - b["low"]) / (b["high"] - b["low"]),
    }  # fmt: skip


def yang_zhang(symbol: str, n: int) -> np.ndarray:
    "Yang and Zhang (2000): k = 0.34 / (1.34 + (n + 1) / (n - 1)) of the variance by day, the rest by Rogers and Satchell."
    k, p = 0.34 / (1.34 + (n + 1) / (n - 1)), parts(symbol)
    return each(n, lambda g, d, r: sd(g) ** 2 + k * sd(d) ** 2 + (1 - k) * np.nanmean(r), p["gap"], p["day"], p["rogers_satchell"])  # fmt: skip


def common(symbol: str, p: str, word: str, scale: float) -> dict[str, np.ndarray]:
    "What is asked of the VIX and of the shares."
    x, r = log(symbol), move(symbol)
    found = {p: bars(symbol)["close"], f"{p}_log": x}
    for n in (5, 10, 22, 66, 126, 252):
        found[f"{p}_dev_{n}"] = each(n, lambda w: w[-1] - w.mean(), x)
        found[f"{p}_z_{n}"] = each(n, lambda w: (w[-1] - w.mean()) / sd(w), x)
    for n in (1, 5, 10, 22, 66, 126, 252):
        found[f"{p}_{word}_{n}"] = move(symbol, n)
    for n in (66, 252, 756, 1260):
        found[f"{p}_rank_{n}"] = each(n, rank, bars(symbol)["close"])
        found[f"{p}_above_low_{n}"] = each(n, lambda w: w[-1] - w.min(), x)
        found[f"{p}_below_high_{n}"] = each(n, lambda w: w[-1] - w.max(), x)
    for n in (5, 10, 22, 66, 252):
        found[f"{p}_vol_{n}"] = scale * volatility(symbol, n)
    for decay in (0.94, 0.80):
        found[f"{p}_vol_ewma{100 * decay:.0f}"] = scale * weighted(r**2, decay) ** 0.5
    for m, n in ((5, 66), (22, 252)):
        found[f"{p}_vol_ratio_{m}_{n}"] = np.log(volatility(symbol, m) / volatility(symbol, n))
    for n in (22, 66):
        found[f"{p}_rise_vol_{n}"] = scale * each(n, lambda w: (2 * (w[w > 0] ** 2).sum() / len(w)) ** 0.5, r)
        found[f"{p}_fall_vol_{n}"] = scale * each(n, lambda w: (2 * (w[w < 0] ** 2).sum() / len(w)) ** 0.5, r)
    found[f"{p}_rise_share_66"] = each(66, lambda w: (w[w > 0] ** 2).sum() / (w**2).sum(), r)
    found[f"{p}_skewness_66"] = each(66, skewness, r)
    found[f"{p}_jump_share_66"] = each(66, lambda w: (w**2).max() / (w**2).sum(), r)
    for n in (1, 5):  # the volatility is that of the 66 sessions before the move
        before = np.append(np.full(n, np.nan), volatility_all(symbol, 66)[:-n])
        found[f"{p}_shock_{n}"] = drawn_in(move(symbol, n) / (before * n**0.5))
    for n in (1, 5, 22, 66):
        found[f"{p}_range_{n}"] = each(n, np.nanmean, parts(symbol)["range"])
        found[f"{p}_place_{n}"] = each(n, np.nanmean, parts(symbol)["place"])
    found[f"{p}_gap_1"] = parts(symbol)["gap"]
    return found


@cache
def volatility_all(symbol: str, n: int) -> np.ndarray:
    r = move(symbol)
    windows = np.lib.stride_tricks.sliding_window_view(r, n)
    return np.append(np.full(n - 1, np.nan), windows.std(axis=1, ddof=1))


def of_the_shares() -> dict[str, np.ndarray]:
    x, p = log("SPX"), parts("SPX")
    found = {
        "spx_drawdown": each(252, lambda w: w[-1] - w.max(), x),
        "spx_momentum_252_22": move("SPX", 252) - move("SPX", 22),
    }
    for n in (5, 22, 66):
        for what in ("parkinson", "garman_klass", "rogers_satchell"):
            found[f"spx_{what}_{n}"] = YEAR * each(n, np.nanmean, p[what]) ** 0.5
    for n in (22, 66):
        found[f"spx_yang_zhang_{n}"] = YEAR * yang_zhang("SPX", n) ** 0.5
    night, day = each(66, lambda w: sd(w) ** 2, p["gap"]), each(66, np.nanmean, p["rogers_satchell"])
    return found | {"spx_night_share_66": night / (night + day)}


def premium(n: int) -> np.ndarray:
    return log("VIX") - np.log(YEAR * volatility_all("SPX", n))


def of_both() -> dict[str, np.ndarray]:
    found = {"vrp" if n == 22 else f"vrp_{n}": premium(n) for n in (5, 22, 66)}
    found["vrp_rank_252"] = each(252, rank, premium(22))
    found["vrp_range_22"] = log("VIX") - np.log(YEAR * each(22, np.nanmean, parts("SPX")["garman_klass"]) ** 0.5)
    found["vrp_points_22"] = drawn_in(bars("VIX")["close"] ** 2 - (YEAR * volatility_all("SPX", 22)) ** 2)
    found["vrp_dev_66"] = each(66, lambda w: w[-1] - w.mean(), premium(22))
    for n in (22, 66):
        found[f"vix_spx_corr_{n}"] = each(n, corr, move("VIX"), move("SPX"))
        found[f"vix_spx_beta_{n}"] = each(n, slope, move("VIX"), move("SPX"))
    for n in (1, 5):
        found[f"vix_beyond_spx_{n}"] = move("VIX", n) - found["vix_spx_beta_66"] * move("SPX", n)
    return found


def of_the_term_structure() -> dict[str, np.ndarray]:
    vix, found = log("VIX"), {}
    for span in ("9D", "3M", "6M"):
        name, over = f"vix{span.lower()}", log(f"VIX{span}") - vix
        found |= {f"{name}_log": log(f"VIX{span}"), f"{name}_vix": over}
        found[f"{name}_vix_dev_22"] = each(22, lambda w: w[-1] - w.mean(), over)
        found[f"{name}_vix_change_5"] = over - np.append(np.full(5, np.nan), over[:-5])
        found[f"{name}_vix_rank_252"] = each(252, rank, over)
    found["vix_curvature"] = log("VIX9D") + log("VIX3M") - 2 * vix
    found["vix_far_slope"] = log("VIX6M") - log("VIX3M")
    found["vix_inverted_22"] = each(22, lambda a, b: (a > b).mean(), vix, log("VIX3M"))
    found |= {f"vx{k}_log": log(f"VX{k}") for k in (1, 2)}
    found |= {"vix_basis": log("VX1") - vix, "vix_contango": log("VX2") - log("VX1")}
    for other in ("VVIX", "SKEW"):
        p = other.lower()
        found |= {
            f"{p}_log": log(other),
            f"{p}_change_5": move(other, 5),
            f"{p}_rank_252": each(252, rank, bars(other)["close"]),
        }
        found[f"{p}_dev_22"] = each(22, lambda w: w[-1] - w.mean(), log(other))
    return found | {
        "vvix_vix": log("VVIX") - vix,
        "vvix_premium_22": log("VVIX") - np.log(YEAR * volatility("VIX", 22)),
    }


def shrunken(short: np.ndarray, long: np.ndarray) -> np.ndarray:
    return np.tanh((22 * np.arctanh(short) + 66 * np.arctanh(long)) / 88)


def of_other_markets() -> dict[str, np.ndarray]:
    found = {}
    for asset in ASSETS:
        symbol, name = asset.bars[0], asset.name
        if symbol == "BTC":  # trades at weekends: over its own days it is tested in `test_features`
            continue
        found |= {f"{name}_return_{n}": move(symbol, n) for n in (1, 5)}
        found[f"{name}_vol_22"] = volatility(symbol, 22)
        by = {n: each(n, corr, move(symbol), move("SPX")) for n in (22, 66, 252)}
        found |= {f"{name}_corr_66": by[66], f"{name}_shrunken_corr_22": shrunken(by[22], by[252])}
    return found


def of_rates() -> dict[str, np.ndarray]:
    def change(values: np.ndarray, n: int) -> np.ndarray:
        return np.append(np.full(n, np.nan), values[n:] - values[:-n])

    found = {}
    for name, series, windows in (("dgs10", "DGS10", (5, 22)), ("dgs2", "DGS2", (22,)), ("dgs3mo", "DGS3MO", (66,)), ("baa", "BAA", ()),
                                  ("aaa", "AAA", ()), ("high_yield", "BAMLH0A0HYM2", (22,)), ("nfci", "NFCI", (22,))):  # fmt: skip
        found |= {name: published(series), **{f"{name}_change_{n}": change(published(series), n) for n in windows}}
    for name, long, short, windows in (("curve", "DGS10", "DGS2", (22,)), ("curve_3m", "DGS10", "DGS3MO", ()), ("baa_aaa", "BAA", "AAA", ()),
                                       ("baa_dgs10", "BAA", "DGS10", ())):  # fmt: skip
        spread = published(long) - published(short)
        found |= {name: spread, **{f"{name}_change_{n}": change(spread, n) for n in windows}}
    found["dgs10_vol_22"] = each(22, sd, change(published("DGS10"), 1))
    found["claims_log"] = log("ICSA")
    return found | {f"claims_dev_{n}": each(n, lambda w: w[-1] - w.mean(), log("ICSA")) for n in (66, 252)}


@cache
def by_definition() -> dict[str, np.ndarray]:
    found = common("VIX", "vix", "change", 1.0) | common("SPX", "spx", "return", YEAR)
    return found | of_the_shares() | of_both() | of_the_term_structure() | of_other_markets() | of_rates()


ELSEWHERE = (*INDICATORS, "vix_roll")  # `vix_roll` by the calendar: below
FEATURES = [
    feature for feature in volatility_features()
    if feature.family != "calendar" and not feature.name.endswith(ELSEWHERE) and not feature.name.startswith("bitcoin")
]  # fmt: skip


@cache
def computed() -> pd.DataFrame:
    return compute_features(FEATURES, market(), "VIX")


@pytest.mark.parametrize("name", [feature.name for feature in FEATURES])
def test_a_feature_is_its_definition(name):
    with np.errstate(all="ignore"):
        expected, found = by_definition()[name][SINCE], computed()[name].to_numpy()[SINCE]
    assert np.isfinite(found).mean() > 0.9
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.name)
def test_another_market_is_alive_by_its_return_of_one_session(asset):
    own = [
        feature
        for feature in volatility_features()
        if feature.name.startswith(f"{asset.name}_") and feature.family == "other markets"
    ]
    assert [feature.name for feature in own if feature.pulse] == [f"{asset.name}_return_1"]


def test_the_roll_is_the_basis_a_session_until_expiry():
    roll = next(feature for feature in volatility_features() if feature.name == "vix_roll")
    days = next(feature for feature in volatility_features() if feature.name == "sessions_to_vix_expiry")
    table = compute_features([roll, days], market(), "VIX").iloc[SINCE]
    left = np.where(table["sessions_to_vix_expiry"] == 0, 21, table["sessions_to_vix_expiry"])
    np.testing.assert_allclose(table["vix_roll"], (log("VX1") - log("VIX"))[SINCE] / (1 + left), rtol=1e-9)
    assert (table["sessions_to_vix_expiry"] == 0).any()


def test_the_features_of_regimes_are_their_definitions():
    vix, price = (market().close(symbol) for symbol in ("VIX", "SPX"))
    table = regime_features(market()).iloc[SINCE]
    c, v, spread = price.to_numpy(), vix.to_numpy(), published("BAMLH0A0HYM2")
    expected = {
        "vix_level": v, "vix_percentile": each(252, rank, v), "vix_change_5": 100 * (np.exp(move("VIX", 5)) - 1),
        "realized_volatility": YEAR * volatility("SPX", 21), "momentum_63": 100 * (np.exp(move("SPX", 63)) - 1),
        "drawdown": 100 * (c / each(252, np.max, c) - 1), "curve_slope": published("DGS10") - published("DGS2"),
        "hy_spread": spread, "hy_spread_change_21": spread - np.append(np.full(21, np.nan), spread[:-21]),
    }  # fmt: skip
    assert list(table) == FeatureSet.feature_names() and set(expected) == set(table)
    for name, values in expected.items():
        np.testing.assert_allclose(table[name], values[SINCE], rtol=1e-9, atol=1e-12, err_msg=name)
    assert regime_table(vix, price, lookback=100).index[0] == vix.index[99]  # the hundredth session is the first


FOUR_FIFTHS = re.compile(
    r"(?P<levels>(range|place|parkinson|garman_klass|rogers_satchell|inverted|vix(9d|3m|6m)_vix_(dev|rank))_)?"
    r"(?P<moves>(yang_zhang|night_share|corr|(nasdaq|small|gold|oil|dollar|bonds|credit)_vol)_)?(?P<n>\d+)$"
)  # values or moves: so much of the window must be there
WAITS = {  # rows before the first value, and before one that no longer depends on where the data begin
    "spx_drawdown": (21, 251),  # a month of closes says something of the height
    **{f"{p}_shock_{n}": (65 + n + 1, 66 + n + 1260) for p, n in (("vix", 1), ("vix", 5), ("spx", 1))},  # winsorised by five years
    "vrp_points_22": (22, 22 + 1260),
    **{f"{p}_vol_ewma{decay}": (22, rows) for p in ("vix", "spx") for decay, rows in ((94, 261), (80, 73))},
    **{f"vix_beyond_spx_{n}": (66, 66 + n) for n in (1, 5)},  # what the beta explains of n sessions
    "vrp_rank_252": (22 + ceil(0.8 * 252) - 1, 22 + 252), "vrp_dev_66": (22 + ceil(0.8 * 66) - 1, 22 + 66),
}  # fmt: skip


@pytest.mark.parametrize(
    "feature",
    [feature for feature in FEATURES if all(publication_of(need)[0] == "bars" for need in feature.needs)],
    ids=lambda feature: feature.name,
)
def test_a_feature_begins_when_enough_of_its_window_is_there_and_its_warm_up_is_the_whole_window(feature):
    found, part = computed()[feature.name], FOUR_FIFTHS.search(feature.name.replace("shrunken_corr_22", "corr_252"))
    first, warmup = int(found.notna().to_numpy().argmax()), feature.warmup
    if feature.name in WAITS:
        assert (first, warmup) == WAITS[feature.name]
    elif part and (part["levels"] or part["moves"]):
        before, n = int(bool(part["moves"])), int(part["n"])
        assert (first, warmup) == (before + ceil(0.8 * n) - 1, before + n - 1)
    else:
        assert first == warmup
