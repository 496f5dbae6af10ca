"The features of a volatility index: nothing sees tomorrow, to the last bit; names, bounds and warm-ups are as declared."

import warnings

import numpy as np
import pandas as pd
import pytest
from markets import frame_of, whole_market, without

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, DataWarning, SettingsError
from forecastkit.data.market import MarketData
from forecastkit.data.sources import load_market
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.base import catalogue, compute_features, publication_of
from forecastkit.features.quality import quality_flags
from forecastkit.features.volatility import FeatureEngine, volatility_features

NYSE = get_calendar("XNYS")

CONTRACT = [
    "vix", "vix_log", "vix_dev_5", "vix_dev_22", "vix_change_1", "vix_change_5", "vix_change_22", "vix_vol_ewma94",
    "vix_vol_ewma80", "vix_vol_66", "vix_range_5", "spx", "spx_return_1", "spx_return_5", "spx_return_22",
    "spx_drawdown", "spx_vol_5", "spx_vol_22", "spx_vol_66", "vrp",
]  # fmt: skip
ENGINE = FeatureEngine()


@pytest.fixture(scope="module")
def synthetic() -> MarketData:
    return synthetic_market(seed=7, sessions=1500).market


@pytest.fixture(scope="module")
def whole() -> MarketData:
    return whole_market()


@pytest.fixture(scope="module")
def real(shared_data) -> MarketData:
    needs = {need for feature in ENGINE.declarations for need in feature.needs}
    return load_market(f"folder:{shared_data}, sample", symbols=needs, needed=["VIX", "SPX"])


def build(market: MarketData) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # before 2000 meetings are unknown, and that is said each time
        return ENGINE.build_features(market)


def bits(row: pd.Series) -> list:
    "A row as what can be compared bit for bit: the bytes of its numbers, and its texts."
    return [value if isinstance(value, str) else np.float64(value).tobytes() for value in row]


@pytest.mark.parametrize("which", ["whole", "real"])
def test_a_row_equals_the_row_known_at_its_close(which, request):
    market = request.getfixturevalue(which)
    full = build(market)
    days = np.random.default_rng(20).choice(len(full), 20, replace=False)
    for day in full.index[np.sort(days)]:
        then = build(market.as_of(day))
        assert list(then.columns) == list(full.columns)
        assert then.index[-1] == day
        differing = [name for name, a, b in zip(full.columns, bits(then.iloc[-1]), bits(full.loc[day])) if a != b]
        assert differing == [], day


def test_all_earlier_rows_are_the_same_too(whole):
    full, cut = build(whole), whole.close("VIX").index[777]
    pd.testing.assert_frame_equal(build(whole.as_of(cut)), full.loc[:cut], check_exact=True)


def test_a_wild_future_changes_nothing(whole):
    at = whole.close("VIX").index[1400]
    wild = whole
    for symbol in whole.symbols:
        known = whole.known_at(symbol)
        late = known[known > NYSE.closes_of([at])[0]].index
        frame = frame_of(whole, symbol).copy()
        frame.loc[late] *= 7.3
        wild = wild.with_series(symbol, frame)
    pd.testing.assert_frame_equal(build(wild).loc[:at], build(whole).loc[:at], check_exact=True)


def test_the_names_that_recipes_rely_on_are_there(synthetic):
    rows = build(synthetic)
    assert set(CONTRACT) <= set(ENGINE.names)
    assert list(rows.columns) == [*ENGINE.names, "calendar_cohort", "cohort_weight", "feature_quality"]
    assert rows[CONTRACT].iloc[-500:].notna().all(axis=None)
    assert all(dtype == np.float64 for name, dtype in rows.dtypes.items() if name != "calendar_cohort")


def test_contract_features_by_hand(synthetic):
    rows, vix, spx = build(synthetic), synthetic.bars("VIX"), synthetic.close("SPX")
    log, change = np.log(vix["close"].to_numpy()), np.diff(np.log(spx.to_numpy()))
    fear = np.diff(log)
    last = rows.iloc[-1]
    weights = 0.94 ** np.arange(len(fear))[::-1]
    expected = {
        "vix": vix["close"].iloc[-1],
        "vix_dev_22": log[-1] - log[-22:].mean(),
        "vix_change_5": log[-1] - log[-6],
        "vix_vol_66": fear[-66:].std(ddof=1),
        "vix_vol_ewma94": np.sqrt((weights * fear**2).sum() / weights.sum()),
        "vix_range_5": np.log(vix["high"] / vix["low"]).iloc[-5:].mean(),
        "spx_return_22": change[-22:].sum(),
        "spx_drawdown": np.log(spx.iloc[-1] / spx.iloc[-252:].max()),
        "spx_vol_22": 100 * np.sqrt(252) * change[-22:].std(ddof=1),
        "vrp": log[-1] - np.log(100 * np.sqrt(252) * change[-22:].std(ddof=1)),
        "vix_spx_corr_66": np.corrcoef(fear[-66:], change[-66:])[0, 1],
        "vix_spx_beta_66": np.polyfit(change[-66:], fear[-66:], 1)[0],
    }
    for name, value in expected.items():
        assert last[name] == pytest.approx(value, rel=1e-8, abs=1e-12), name


def test_there_are_232_and_a_market_may_have_them_all(whole):
    assert len(ENGINE.names) == len(set(ENGINE.names)) == 232
    assert ENGINE.missing(whole) == []
    rows = build(whole)[list(ENGINE.names)]
    assert rows.iloc[-100:].notna().mean().min() > 0.97
    assert rows.iloc[-500:].nunique().min() > 1


def test_every_declaration_is_complete():
    table = catalogue(ENGINE.declarations)
    assert table["why"].str.len().between(15, 120).all()
    assert table["why"].str.endswith(".").all()
    assert (table[["source", "lag"]] != "").all(axis=None)
    assert np.isfinite(table[["warmup", "low", "high"]].to_numpy(float)).all()
    assert table.loc["baa_dgs10", "lag"] == "5 business days after its month"
    assert {f.name for f in ENGINE.declarations if f.winsor} == {
        "vix_shock_1",
        "vix_shock_5",
        "spx_shock_1",
        "vrp_points_22",
    }


@pytest.mark.parametrize("which", ["synthetic", "whole", "real"])
def test_no_genuine_day_is_out_of_bounds_or_stale(which, request):
    rows = build(request.getfixturevalue(which))
    found = quality_flags(rows, ENGINE.declarations)
    for flags in (found.outside, found.stale):
        assert {name: int(n) for name, n in zip(ENGINE.names, flags.sum(axis=0)) if n} == {}


def test_after_its_warm_up_a_feature_does_not_know_where_the_data_begin():
    market, start = whole_market(2200), 450
    early = compute_features(ENGINE.declarations, market, "VIX")
    day, late = early.index[start], market
    for symbol in market.symbols:
        earlier = {"at the close": 0, "at midnight UTC": 5}.get(
            publication_of(symbol)[1], 70
        )  # days, known at the start
        late = late.with_series(symbol, frame_of(market, symbol).loc[day - pd.Timedelta(days=earlier) :])
    short = compute_features(ENGINE.declarations, late, "VIX")
    for feature in ENGINE.declarations:
        a, b = short[feature.name].iloc[feature.warmup :], early[feature.name].loc[day:].iloc[feature.warmup :]
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8, err_msg=feature.name)
        assert a.notna().mean() > 0.97, feature.name


def test_real_history_is_nearly_complete(real):
    rows = build(real).loc["1993":]
    gaps = rows[CONTRACT].isna().mean()
    assert gaps.max() < 0.02, gaps.idxmax()
    assert (rows["feature_quality"] >= 0.95).mean() > 0.99
    assert rows["cohort_weight"].between(0.5, 2).all()


def test_a_series_that_ends_earlier_is_missed(synthetic):
    ended = synthetic.with_series("SPX", synthetic.bars("SPX").iloc[:-3])
    rows = build(ended)
    assert rows["spx"].iloc[-3:].isna().all()
    assert rows["feature_quality"].iloc[-4] == 1.0
    assert rows["feature_quality"].iloc[-1] < 0.7


def test_without_the_shares_there_is_still_a_row(synthetic):
    alone = MarketData({"VIX": synthetic.bars("VIX")})
    rows = build(alone)
    missing = set(ENGINE.missing(alone))
    assert missing == {f.name for f in ENGINE.declarations if set(f.needs) - {"VIX"}}
    assert rows[list(missing)].isna().all(axis=None)
    assert rows["feature_quality"].iloc[-1] == 1.0  # never seen: no fault of the day, and named by missing()


def test_each_series_has_features_of_its_own(whole):
    "What a series brings is what goes when it goes; a second source steps in where one is declared."
    for symbol in set(whole.symbols) & {need for f in ENGINE.declarations for need in f.needs} - {"VIX"}:
        alone = {f.name for f in ENGINE.declarations if symbol in f.needs and set(f.either) <= {symbol}}
        needed = {f.name for f in ENGINE.declarations if symbol in f.needs and symbol not in f.either}
        assert set(ENGINE.missing(without(whole, symbol))) == alone | needed, symbol


def test_a_window_cuts_rows_and_no_bits(synthetic):
    whole = build(synthetic)
    cut = ENGINE.build_features(synthetic, window="18m")
    pd.testing.assert_frame_equal(cut, whole.loc[cut.index], check_exact=True)
    assert 370 < len(cut) < 382
    for window in ("", "15", "15 years", "y15"):
        with pytest.raises(SettingsError, match="such as 15y or 18m"):
            ENGINE.build_features(synthetic, window=window)


def test_other_symbols_have_names_of_their_own(synthetic):
    features = volatility_features("VXN", "NDX")
    assert features[0].name == "vxn"
    needs = {need for f in features for need in f.needs}
    assert {"VXN", "NDX", "VXN3M"} <= needs
    assert not {"VIX", "SPX", "VIX3M"} & needs
    engine = FeatureEngine(features, symbol="VXN")
    market = MarketData({"VXN": synthetic.bars("VIX"), "NDX": synthetic.bars("SPX")})
    same = MarketData({"VIX": synthetic.bars("VIX"), "SPX": synthetic.bars("SPX")})
    renamed = engine.build_features(market).rename(
        columns=lambda name: name.replace("vxn", "vix").replace("ndx", "spx")
    )
    pd.testing.assert_frame_equal(renamed, build(same), check_exact=True)


def test_a_market_without_the_symbol_is_an_error(synthetic):
    with pytest.raises(DataError, match="IWM"):
        FeatureEngine(symbol="IWM").build_features(synthetic)
