"The features of a panel: against pandas by hand, doubtful tickers among sound ones, and nothing that sees tomorrow."

import re
from math import ceil

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from forecastkit.core import DataError
from forecastkit.data import MarketData
from forecastkit.data.synthetic import synthetic_market
from forecastkit.evaluation import audit_market_function
from forecastkit.features import calculate_all_features, compute_panel, panel_features, panel_windows
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


LEVELS = re.compile(
    r"(parkinson|garman_klass|rogers_satchell|money|untraded|high|low|deviation|volume_surprise)_(\d+)$"
)
MOVES = re.compile(
    r"(vol|yang_zhang|atr|ratio_5|downside_share|max_move|amihud|move_volume|overnight_share|beta|r2)_(\d+)$"
)
WHOLE = {
    "momentum_12_1": 252, "momentum_6_1": 126, "momentum_1": 21, "reversal_5": 5, "efficiency_22": 22, "gap_1": 1, "range_vol_1": 1, "vix_log": 0,
    "vix_change_5": 5, "slope_66": 65, "trend_r2_66": 65, "vol_ewma94": 22, "vol_ewma86": 22, "fall_ewma94": 22,
    "turnover_surprise_5": ceil(0.8 * 252) - 1, **dict.fromkeys(("volume_surprise_1", "volume_surprise_5", "rank_volume_surprise_5"), ceil(0.8 * 66) - 1),
}  # fmt: skip


@pytest.mark.parametrize("name", [feature.name for feature in panel_features()])
def test_a_feature_begins_when_four_fifths_of_its_window_are_there(panel, name):
    "A change needs both its ends, a line all its closes, a fading mean 22 values; what is compared with others begins as it does."
    own = re.sub("^(sector_)?rank_", "", name)
    if own in WHOLE:
        expected = WHOLE[own]
    elif change := re.search(r"return_(\d+)$", own):
        expected = int(change[1])
    elif level := LEVELS.search(own):
        expected = ceil(0.8 * int(level[2])) - 1
    else:
        expected = ceil(0.8 * int(MOVES.search(own)[2]))
    assert panel[name].xs("AAA", level="symbol").notna().to_numpy().argmax() == expected


# --- windows, one at a time


def block_of(seed: int, sessions: int = 40, tickers: int = 6) -> np.ndarray:
    "Values with gaps and ties, a column that stands still, one that is never there."
    rng = np.random.default_rng(seed)
    block = rng.normal(3.0, 1.0, (sessions, tickers)).round(1)
    block[rng.random(block.shape) < 0.2] = np.nan
    block[:, 1], block[:, 2], block[:, 3] = 2.5, np.nan, np.linspace(1, 5, sessions)
    return block


def by_window(block: np.ndarray, n: int, formula) -> np.ndarray:
    "A formula of the last n values of each column; before the block begins there is nothing."
    before = np.vstack([np.full((n - 1, block.shape[1]), np.nan), block])
    windows = np.lib.stride_tricks.sliding_window_view(before, n, axis=0)
    return np.array([[formula(window) for window in row] for row in windows])


def where_four_fifths(formula):
    "A formula of the values that are there, where these are four fifths of the window or more."
    return lambda window: (
        formula(window[np.isfinite(window)]) if np.isfinite(window).sum() >= 0.8 * len(window) else np.nan
    )


def fading_by_hand(window: np.ndarray, decay: float = 0.9, least: int = 3) -> float:
    there, weights = np.isfinite(window), decay ** np.arange(len(window))[::-1]
    return (weights[there] * window[there]).sum() / weights[there].sum() if there.sum() >= least else np.nan


def line_by_hand(window: np.ndarray) -> tuple[float, float]:
    if not np.isfinite(window).all():
        return np.nan, np.nan
    age = np.arange(float(len(window)))
    share = np.corrcoef(age, window)[0, 1] ** 2 if np.ptp(window) > 0 else np.nan
    return np.polyfit(age, window, 1)[0], share


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 10, 13, 22])
def test_a_window_is_what_its_values_say(n):
    block = block_of(n)
    gap = np.isfinite(block)
    for found, formula in {
        "mean": (panel_windows.window_mean(block, n), where_four_fifths(np.mean)),
        "std": (panel_windows.window_std(block, n), where_four_fifths(lambda v: v.std(ddof=1) if len(v) > 1 else 0.0)),
        "max": (panel_windows.window_max(block, n), where_four_fifths(np.max)),
        "min": (panel_windows.window_min(block, n), where_four_fifths(np.min)),
        "count": (panel_windows.window_count(block, n), lambda window: np.isfinite(window).sum()),
        "sum": (panel_windows.window_sum(np.where(gap, block, 0.0), n), np.nansum),
        "fading": (panel_windows.fading_mean(block, 0.9, 3, n), fading_by_hand),
    }.values():
        assert_allclose(found, by_window(block, n, formula), rtol=1e-9, atol=1e-7)
    whole = np.ones((9, 2))
    assert (panel_windows.window_count(whole, n) == np.minimum(np.arange(1, 10), n)[:, None]).all()
    if n > 2:
        slope, share = panel_windows.window_line(block, n)
        by_hand = by_window(block, n, line_by_hand)
        assert_allclose(slope, by_hand[..., 0], atol=1e-9)
        assert_allclose(share, by_hand[..., 1], atol=1e-7)


def test_a_window_of_no_session_is_refused():
    for formula in (panel_windows.window_sum, panel_windows.window_mean):
        with pytest.raises(DataError, match="a window of 0 sessions"):
            formula(np.ones((3, 2)), 0)


@pytest.mark.parametrize("cells", [1, 9, 2**15])
def test_a_rank_is_the_share_of_the_others_below_and_a_group_has_its_mean(cells, monkeypatch):
    "Ties count half; who is alone stands in the middle; however many rows are ranked at once."
    monkeypatch.setattr(panel_windows, "PIECE_CELLS", cells)
    block = block_of(0)
    counts = np.random.default_rng(1).random(block.shape) < 0.7
    used = np.where(counts, block, np.nan)
    below, level, there = ((compared := used[:, None, :]) < used[:, :, None]).sum(2), (compared == used[:, :, None]).sum(2), np.isfinite(used)  # fmt: skip
    others = there.sum(axis=1, keepdims=True) - 1
    share = np.where(others > 0, (below + (level - 1) / 2) / np.maximum(others, 1), 0.5)
    assert (others == 0).any()
    assert_allclose(panel_windows.cross_rank(block, counts), np.where(there, share, np.nan), atol=1e-12)
    groups, means = (
        np.array([0, 0, 1, -1, 2, 2]),
        panel_windows.group_mean(block, counts, np.array([0, 0, 1, -1, 2, 2])),
    )
    for group in (0, 2):
        own = pd.DataFrame(used[:, groups == group]).mean(axis=1).to_numpy()
        assert_allclose(means[:, groups == group], np.column_stack([own, own]), atol=1e-12)
    assert np.isnan(means[:, [2, 3]]).all()  # a group without a value, and a ticker without a group


@pytest.mark.parametrize("width", [1, 4, 6, 7])
def test_a_formula_by_pieces_is_the_formula(width):
    block = block_of(2)
    np.testing.assert_array_equal(panel_windows.by_pieces(lambda x, y: x - y, block, 2 * block, width=width), -block)
    lines = panel_windows.by_pieces(lambda x: np.stack(panel_windows.window_line(x, 5)), block, width=width)
    np.testing.assert_array_equal(lines, np.stack(panel_windows.window_line(block, 5)))


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
