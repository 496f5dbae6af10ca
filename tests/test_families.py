"Families of features: indicators against their published definitions, estimators against the truth, neither moved by what comes after."

import numpy as np
import pandas as pd
import pytest

from forecastkit.calendars import get_calendar
from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import MarketLaw, hidden_path, index_bars, synthetic_market
from forecastkit.features.base import QUANTITIES, Inputs, compute_features, winsorized
from forecastkit.features.cross_market import shrunk_correlation
from forecastkit.features.price import (
    INDICATORS,
    RANGE_ESTIMATORS,
    indicators,
    talib_defaults,
    talib_indicator,
    yang_zhang,
)

NYSE = get_calendar("XNYS")

BARS = synthetic_market(seed=3, sessions=1200).market.bars("SPX")
H, L, C, V = (BARS[name].to_numpy() for name in ("high", "low", "close", "volume"))


def wilder(values: np.ndarray, n: int) -> float:
    "Wilder's mean: it starts with a plain one and then forgets a share 1/n a step."
    mean = values[:n].mean()
    for value in values[n:]:
        mean += (value - mean) / n
    return mean


def ema(values: np.ndarray, n: int) -> np.ndarray:
    "Exponential mean with the share 2 / (n + 1), started with a plain mean."
    found = [values[:n].mean()]
    for value in values[n:]:
        found.append(found[-1] + (value - found[-1]) * 2 / (n + 1))
    return np.array(found)


def rsi(n: int) -> float:
    move = np.diff(C)
    up, down = wilder(move.clip(0), n), wilder((-move).clip(0), n)
    return 100 * up / (up + down)


def macd() -> float:
    fast, slow = ema(C, 12), ema(C, 26)
    line = fast[-len(slow) :] - slow
    return 100 * (line[-1] - ema(line, 9)[-1]) / C[-1]


def trix() -> float:
    smooth = ema(ema(ema(C, 15), 15), 15)
    return 100 * (smooth[-1] / smooth[-2] - 1)


def true_range() -> np.ndarray:
    return np.maximum(H[1:], C[:-1]) - np.minimum(L[1:], C[:-1])


def adx(n: int = 14) -> float:
    up, down = np.diff(H), -np.diff(L)
    plus, minus = np.where((up > down) & (up > 0), up, 0.0), np.where((down > up) & (down > 0), down, 0.0)
    a, b = plus[: n - 1].sum(), minus[: n - 1].sum()  # Wilder's sums begin with one move less
    directed = []
    for p, m in zip(plus[n - 1 :], minus[n - 1 :]):
        a, b = a - a / n + p, b - b / n + m
        directed.append(100 * abs(a - b) / (a + b))
    return wilder(np.array(directed), n)


def cci(n: int = 20) -> float:
    price = ((H + L + C) / 3)[-n:]
    return (price[-1] - price.mean()) / (0.015 * np.abs(price - price.mean()).mean())


def aroon(n: int = 25) -> float:
    return 100 * (np.argmax(H[-n - 1 :]) - np.argmin(L[-n - 1 :])) / n


def ultimate() -> float:
    pressure, spread = C[1:] - np.minimum(L[1:], C[:-1]), true_range()
    return 100 * sum(weight * pressure[-n:].sum() / spread[-n:].sum() for weight, n in ((4, 7), (2, 14), (1, 28))) / 7


def mfi(n: int = 14) -> float:
    price = (H + L + C) / 3
    flow, move = (price * V)[1:][-n:], np.diff(price)[-n:]
    return 100 * flow[move > 0].sum() / flow[move != 0].sum()


PUBLISHED = {
    "rsi_14": lambda: rsi(14), "rsi_2": lambda: rsi(2), "adx_14": adx, "macd": macd, "trix_15": trix,
    "stoch_14": lambda: 100 * (C[-1] - L[-14:].min()) / (H[-14:].max() - L[-14:].min()),
    "cci_20": cci, "aroon_25": aroon, "natr_14": lambda: 100 * wilder(true_range(), 14) / C[-1],
    "ultosc": ultimate, "mfi_14": mfi,
}  # fmt: skip


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_equals_its_published_definition(name):
    market = MarketData({"SPX": BARS})
    found = compute_features(tuple(indicators("SPX", "spx", (name,))), market, "SPX").iloc[-1, 0]
    assert found == pytest.approx(PUBLISHED[name](), rel=1e-9)


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_does_not_know_what_comes_after(name):
    "At twenty dates, bit for bit, with bars that lack their range here and there."
    one, holed = INDICATORS[name], BARS.copy()
    holed.loc[holed.index[[40, 41, 333, 900]], ["open", "high", "low"]] = np.nan
    whole = talib_indicator([holed[column] for column in one.inputs], one.function, one.output, **one.parameters)
    assert whole.iloc[-200:].notna().all()
    for at in np.random.default_rng(4).choice(np.arange(1, len(holed)), 20, replace=False):
        cut = talib_indicator(
            [holed[column].iloc[:at] for column in one.inputs], one.function, one.output, **one.parameters
        )
        assert cut.to_numpy().tobytes() == whole.iloc[:at].to_numpy().tobytes()


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_forgets_its_beginning_within_the_warm_up(name):
    feature = next(indicators("SPX", "spx", (name,)))
    whole = compute_features([feature], MarketData({"SPX": BARS}), "SPX").iloc[:, 0]
    for start in (1, 50, 137, 300, 512):
        late = compute_features([feature], MarketData({"SPX": BARS.iloc[start:]}), "SPX").iloc[:, 0]
        np.testing.assert_allclose(
            late.iloc[feature.warmup :], whole.iloc[start + feature.warmup :], rtol=1e-6, atol=1e-8
        )


def test_what_others_set_in_the_process_makes_no_difference():
    import talib

    before = talib_indicator([BARS["close"]], "RSI", timeperiod=14)
    talib.set_unstable_period("RSI", 100)
    talib.set_compatibility(1)  # newer versions ignore it
    mode = talib.get_compatibility()
    try:
        assert talib_indicator([BARS["close"]], "RSI", timeperiod=14).equals(before)
        with pytest.raises(ZeroDivisionError), talib_defaults():
            1 / 0  # noqa: B018
        assert (talib.get_unstable_period("RSI"), talib.get_compatibility()) == (100, mode)
    finally:
        talib.set_unstable_period("RSI", 0)
        talib.set_compatibility(0)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_too_few_rows_are_no_error(rows):
    features = tuple(indicators("SPX", "spx", tuple(INDICATORS)))
    inputs = [BARS["close"].iloc[:rows]]
    assert talib_indicator(inputs, "RSI", timeperiod=14).isna().all()
    if rows:
        assert compute_features(features, MarketData({"SPX": BARS.iloc[:rows]}), "SPX").isna().all(axis=None)


def test_estimators_are_within_three_per_cent_of_the_truth():
    "At a hundred thousand sessions: of the day for those that see the day, of day and night with its jumps for the last."
    law, hidden = MarketLaw(), hidden_path(100_000, seed=5)
    bars = index_bars(hidden, seed=5)
    by_day = (1 - law.overnight) * (hidden.sd**2).mean()
    for what in RANGE_ESTIMATORS:
        assert QUANTITIES[what](bars).mean() / by_day == pytest.approx(1, abs=0.03), what
    parts = [QUANTITIES[what](bars) for what in ("gap", "day", "rogers_satchell")]
    whole = (hidden.sd**2 + hidden.jump**2).mean()
    for n in (5, 22, 66):
        assert yang_zhang(*parts, n).mean() / whole == pytest.approx(1, abs=0.03), n
    assert QUANTITIES["square"](bars).mean() / whole == pytest.approx(1, abs=0.03)


def test_rogers_satchell_is_right_on_a_trend():
    "Where the price only rises there is no variance, whatever the range says."
    trend = pd.DataFrame({"open": [100.0], "high": [110.0], "low": [100.0], "close": [110.0]})
    assert QUANTITIES["rogers_satchell"](trend)[0] == 0
    assert QUANTITIES["parkinson"](trend)[0] > 0.003


@pytest.mark.parametrize("what", [*RANGE_ESTIMATORS, "range", "place", "gap", "day"])
def test_a_session_without_a_range_says_nothing_of_it(what):
    "High and low that are equal were not recorded: the session has no value, and the one beside it a finite one."
    bars = pd.DataFrame({"open": [99.0, 100.0, 100.0], "high": [101.0, 100.0, 101.0], "low": [98.0, 100.0, 99.5],
                         "close": [100.0, 100.0, 100.5]})  # fmt: skip
    found = QUANTITIES[what](bars)
    assert np.isnan(found[1]) and np.isfinite(found[2])


def test_winsorising_uses_the_rows_before_and_only_them():
    rng = np.random.default_rng(6)
    values = pd.Series(rng.standard_t(2, 2000))
    whole = winsorized(values, 0.01)
    for at in (253, 700, 1999):
        past = values.iloc[max(0, at - 1260) : at]
        assert whole[at] == np.clip(values[at], *np.quantile(past, [0.01, 0.99]))
        assert winsorized(values[: at + 1], 0.01).to_numpy().tobytes() == whole[: at + 1].to_numpy().tobytes()
    assert whole[:252].equals(values[:252])


def test_shrunken_correlations_lie_between():
    short, long = pd.Series([0.9, -0.5, 1.0, np.nan]), pd.Series([0.1, 0.5, -1.0, 0.3])
    found = shrunk_correlation(short, long, 22)
    assert ((found > np.minimum(short, long)) & (found < np.maximum(short, long)))[:3].all()
    assert np.isnan(found[3])
    by_hand = np.tanh((22 * np.arctanh(0.9) + 66 * np.arctanh(0.1)) / 88)
    assert found[0] == pytest.approx(by_hand, rel=1e-12)


def test_inputs_keep_what_was_computed_once():
    x, calls = Inputs(MarketData({"SPX": BARS}), "SPX"), []
    for _ in range(2):
        x.cached(("mine", 1), lambda: calls.append(1) or x.close("SPX"))
    assert len(calls) == 1
