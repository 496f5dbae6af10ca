"The features of a panel: against pandas by hand, doubtful tickers among sound ones, and nothing that sees tomorrow."

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from forecastkit.core import DataError
from forecastkit.data import MarketData
from forecastkit.data.synthetic import synthetic_market
from forecastkit.evaluation import audit_market_function
from forecastkit.features import calculate_all_features, compute_panel, panel_features
from forecastkit.features.panel_bars import bar_features
from forecastkit.features.panel_inputs import CARRIED

SECTORS = {"AAA": "energy", "BBB": "energy", "CCC": "health", "DDD": "health"}


@pytest.fixture(scope="module")
def market() -> MarketData:
    "Four tickers: one whole, one listed late, one halted for a month, one taken over."
    whole = synthetic_market(seed=11, sessions=640, stocks=tuple(SECTORS)).market
    bars = {name: whole.bars(name) for name in (*SECTORS, "SPX", "VIX")}
    bars["BBB"] = bars["BBB"].iloc[300:]
    bars["CCC"] = bars["CCC"].drop(index=bars["CCC"].index[600:619])
    bars["DDD"] = bars["DDD"].iloc[:500]
    return MarketData(bars)


@pytest.fixture(scope="module")
def panel(market) -> pd.DataFrame:
    return compute_panel(market, sectors=SECTORS)


def test_there_are_forty_to_sixty_with_the_kinds_that_were_asked_for(panel):
    assert 40 <= len(panel_features()) <= 60
    wanted = ("momentum_12_1 momentum_6_1 momentum_1 reversal_5 vol_22 parkinson_22 garman_klass_22 rogers_satchell_22 "
              "yang_zhang_22 downside_share_66 atr_14 volume_surprise_5 turnover_surprise_5 amihud_22 gap_1 overnight_share_66 "
              "high_252 beta_252 residual_vol_252 market_r2_252 trend_r2_66 rank_momentum_12_1 sector_rank_return_5")  # fmt: skip
    assert set(wanted.split()) <= set(panel.columns)


def by_hand(bars: pd.DataFrame, spx: pd.Series) -> dict[str, pd.Series]:
    "Some features of a ticker without gaps, as pandas gives them."
    log, o, h, low = (np.log(bars[name]) for name in ("close", "open", "high", "low"))
    change, gap, day = log.diff(), o - log.shift(), log - o
    market = np.log(spx).diff().reindex(log.index)
    gk = (h - low) ** 2 / 2 - (2 * np.log(2) - 1) * day**2
    rs = (h - log) * (h - o) + (low - log) * (low - o)
    k = 0.34 / (1.34 + 23 / 21)
    true_range = pd.concat([h, log.shift()], axis=1).max(axis=1) - pd.concat([low, log.shift()], axis=1).min(axis=1)
    traded = bars["close"] * bars["volume"]
    square, fall, whole = change**2, change.clip(upper=0) ** 2, gap**2 + gk.clip(lower=0)
    places = np.arange(66.0)
    line = log.rolling(66).apply(lambda window: np.polyfit(places, window, 1)[0], raw=True)
    fit = log.rolling(66).apply(lambda window: np.corrcoef(places, window)[0, 1] ** 2, raw=True)
    return {
        **{f"return_{n}": log.diff(n) for n in (1, 5, 22, 252)},
        **{f"vol_{n}": square.rolling(n).mean() ** 0.5 for n in (5, 22, 252)},
        **{f"range_vol_{n}": whole.rolling(n).mean() ** 0.5 for n in (5, 22, 66)},
        "momentum_12_1": log.shift(21) - log.shift(252), "momentum_1": log.diff(21),
        "vol_ewma86": (square.ewm(alpha=0.14).mean()) ** 0.5, "fall_ewma94": (fall.ewm(alpha=0.06).mean()) ** 0.5,
        "vol_ratio_5_66": np.log(square.rolling(5).mean() / square.rolling(66).mean()) / 2,
        "downside_share_66": fall.rolling(66).mean() / square.rolling(66).mean(),
        "max_move_22": change.abs().rolling(22).max(),
        "volume_surprise_5": np.log(bars["volume"].rolling(5).mean() / bars["volume"].rolling(66).mean()),
        "turnover_surprise_5": np.log(traded.rolling(5).mean() / traded.rolling(252).mean()),
        "money_22": np.log(traded.rolling(22).mean()), "untraded_66": (bars["volume"] == 0).rolling(66).mean(),
        "gap_1": gap, "gap_vol_66": (gap**2).rolling(66).mean() ** 0.5, "low_252": log - log.rolling(252).min(),
        "slope_66": line, "trend_r2_66": fit, "efficiency_22": log.diff(22).abs() / change.abs().rolling(22).sum(),
        "return_66": log.diff(66), "momentum_6_1": log.shift(21) - log.shift(126),
        "vol_66": ((change**2).rolling(66).mean()) ** 0.5,
        "vol_ewma94": ((change**2).ewm(alpha=0.06).mean()) ** 0.5,
        "parkinson_22": (((h - low) ** 2).rolling(22).mean() / (4 * np.log(2))) ** 0.5,
        "garman_klass_22": gk.rolling(22).mean() ** 0.5, "rogers_satchell_22": rs.rolling(22).mean() ** 0.5,
        "yang_zhang_22": (gap.rolling(22).var() + k * day.rolling(22).var() + (1 - k) * rs.rolling(22).mean()) ** 0.5,
        "atr_14": true_range.rolling(14).mean(), "range_vol_1": (gap**2 + gk.clip(lower=0)) ** 0.5,
        "volume_surprise_1": np.log(bars["volume"] / bars["volume"].rolling(66).mean()),
        "amihud_22": np.log((change.abs() / traded).rolling(22).mean()),
        "overnight_share_66": (gap**2).rolling(66).mean() / ((gap**2).rolling(66).mean() + (day**2).rolling(66).mean()),
        "high_252": log - log.rolling(252).max(), "deviation_200": log - log.rolling(200).mean(),
        "beta_252": change.rolling(252).cov(market) / market.rolling(252).var(),
        "market_r2_252": change.rolling(252).corr(market) ** 2,
        "move_volume_66": change.abs().rolling(66).corr(np.log(bars["volume"])),
    }  # fmt: skip


def test_against_pandas(market, panel):
    bars = market.bars("AAA")
    alone = {feature.name for feature in bar_features()} - {"reversal_5"}  # which reads the others
    assert alone <= set(by_hand(bars, market.close("SPX"))), "every feature of a ticker's own bars has its formula here"
    for name, expected in by_hand(bars, market.close("SPX")).items():
        own = panel[name].xs("AAA", level="symbol").reindex(bars.index)
        assert_allclose(own[300:], expected[300:], rtol=1e-5, atol=1e-9, err_msg=name)


def test_ranks_against_pandas(panel):
    block = panel["return_5"].unstack()  # noqa: PD010
    expected = block.rank(axis=1).sub(1).div(block.count(axis=1).sub(1), axis=0)
    several = block.count(axis=1) > 1
    assert_allclose(panel["rank_return_5"].unstack()[several], expected[several], atol=1e-12)  # noqa: PD010
    energy = panel["sector_rank_return_5"].unstack()[["AAA", "BBB"]].iloc[400:]  # noqa: PD010
    assert (energy.sum(axis=1) == 1).all()


def test_rows_stand_where_a_ticker_trades(market, panel):
    assert panel.index.names == ["session", "symbol"] and panel.index.is_monotonic_increasing and panel.index.is_unique
    for name in SECTORS:
        assert panel.xs(name, level="symbol").index.equals(market.bars(name).index)
    assert not np.isinf(panel.to_numpy()).any()


def test_bounds_hold_and_every_declaration_is_of_use(panel):
    for feature in panel_features():
        values = panel[feature.name].dropna()
        assert len(values) and values.between(feature.low, feature.high).all(), feature.name


def test_nothing_sees_tomorrow_to_the_last_bit(market):
    warmup = {f"{f.name} AAA": f.warmup for f in panel_features()}
    report = audit_market_function(
        lambda view: compute_panel(view, sectors=SECTORS), market, cuts=5, tolerance=0, warmup=warmup
    )
    assert report.findings.empty, report


def test_the_row_of_a_date_equals_the_panel_to_the_last_bit(market, panel):
    for at in (120, 310, 499, 603, 639):
        session = market.calendar.sessions_in_range("2010-01-04", "2018-12-31")[at]
        for name in panel.loc[session].index:
            row = calculate_all_features(name, market, session, sectors=SECTORS)
            assert list(row) == list(panel.columns)
            assert np.array([*row.values()]).tobytes() == panel.loc[(session, name)].to_numpy().tobytes()


def test_who_does_not_trade_has_no_row(market):
    with pytest.raises(DataError, match="CCC did not trade"):
        calculate_all_features("CCC", market, market.bars("AAA").index[605])
    with pytest.raises(DataError, match="BBB has no bars by"):
        calculate_all_features("BBB", market, market.bars("AAA").index[100])


def test_only_members_are_ranked_as_it_was_known(market):
    days = market.bars("AAA").index
    close = market.calendar.closes_of
    members = pd.DataFrame({"symbol": ["AAA", "BBB", "CCC", "DDD", "AAA"], "date": days[[0, 320, 0, 0, 450]],
                            "change": [1, 1, 1, 1, -1], "known_at": close(days[[0, 330, 0, 0, 440]])})  # fmt: skip
    dated = MarketData({name: market.bars(name) for name in market.symbols}, members=members)
    ranks = compute_panel(dated)["rank_return_5"].unstack()  # noqa: PD010
    assert ranks["BBB"].first_valid_index() == days[330]
    assert ranks["AAA"].last_valid_index() == days[449]
    assert (
        not compute_panel(dated, last=1).attrs["survivors_only"]
        and compute_panel(market, last=1).attrs["survivors_only"]
    )


def doubtful(market: MarketData) -> dict[str, pd.DataFrame]:
    "Tickers that something is wrong with."
    bars = market.bars("AAA")
    split = bars.copy()
    split.iloc[400:, :4] /= 10
    still = bars.copy()
    still[["open", "high", "low", "close"]] = 50.0
    cents = bars.copy()
    cents[["open", "high", "low", "close"]] *= 0.01 / bars["close"].iloc[-1]
    return {
        "YOUNG": bars.iloc[-30:], "SPLIT": split, "IDLE": bars.assign(volume=0.0), "BRK.B": bars, "CENT": cents,
        "STILL": still, "CLOSES": bars[["close"]],
    }  # fmt: skip


def test_doubtful_tickers_leave_the_others_alone(market, panel):
    sound = ("AAA", "BBB", "CCC", "DDD")
    mixed = compute_panel(
        MarketData({**{n: market.bars(n) for n in market.symbols}, **doubtful(market)}), sectors=SECTORS
    )
    alone = [f.name for f in panel_features() if f.family != "rank" and f.name != "reversal_5"]
    for name in sound:
        assert mixed.xs(name, level="symbol")[alone].equals(panel.xs(name, level="symbol")[alone])
    last = mixed.loc[market.bars("AAA").index[-1]]
    assert np.isnan(last.loc["YOUNG", "vol_66"]) and np.isfinite(last.loc["YOUNG", "vol_22"])
    assert np.isfinite(last.loc["CENT", alone].drop("sector_return_22", errors="ignore")).all()
    assert last.loc["STILL", "vol_22"] == 0 and np.isnan(last.loc["STILL", "trend_r2_66"])
    assert np.isnan(last.loc["IDLE", "amihud_22"]) and np.isnan(last.loc["CLOSES", "range_vol_5"])
    assert_allclose(last.loc["BRK.B", alone], last.loc["AAA", alone])
    assert (
        mixed.loc[(market.bars("AAA").index[400], "SPLIT"), "return_1"] < -2
    )  # outside the bounds: the quality of a row sees it


def test_a_close_is_carried_over_a_halt_of_a_month_and_no_longer(market):
    bars = market.bars("AAA")
    for length, known in ((CARRIED, True), (CARRIED + 1, False)):
        halted = bars.drop(index=bars.index[400 : 400 + length])
        frame = compute_panel(MarketData({"AAA": halted, "BBB": market.bars("BBB")}))
        assert np.isfinite(frame.loc[(bars.index[400 + length], "AAA"), "return_1"]) == known
