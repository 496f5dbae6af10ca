"The meta-learner: reasons that add up, a fallback that is exact, an agreement that never works the wrong way, JSON that is checked."

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, DataError, ModelIntegrityError, Target
from forecastkit.forecasts import Forecast
from forecastkit.models import MetaLearner
from forecastkit.models.metalearner import MOST, SIGNALS, AgreementMap, agreement_of, fit_agreement
from forecastkit.regimes import MARKET_STATES

DAYS = get_calendar("XNYS").sessions_in_range("2010-01-04", "2011-12-30")
CHANCES = st.floats(0.0, 1.0) | st.none()
SAID = st.dictionaries(st.sampled_from([*SIGNALS, "mine", "hers"]), CHANCES, max_size=7)
TABLE = {"bear_crisis": {"ensemble": 3.0, "breadth": 0.5, "mine": 2.0}}
MADE = MetaLearner(state_weights=TABLE, sector_weights={"Energy": {"breadth": 4.0}}, agreement=AgreementMap(0.3, 2.5))


@settings(deadline=None, max_examples=150)
@given(said=SAID, base=st.floats(0.01, 0.99), state=st.sampled_from([None, "bear_crisis", "bull_low"]))
def test_contributions_add_up_and_weights_are_shares(said, base, state):
    got = MADE.combine(said, state, "Energy", base)
    assert sum(one["contribution"] for one in got["reasoning"]) == pytest.approx(got["probability"] - base, abs=1e-9)
    assert 0 < got["probability"] < 1 and 0 <= got["agreement"] <= 1 + 1e-12
    assert got["confidence"] == max(got["probability"], 1 - got["probability"]) >= 0.5
    spoken = {name for name, p in said.items() if p is not None}
    assert set(got["weights"]) == spoken
    assert set(got["missing"]) == (set(SIGNALS) | set(said)) - spoken
    assert {one["signal"] for one in got["reasoning"]} == set(SIGNALS) | set(said)
    sizes = [abs(one["contribution"]) for one in got["reasoning"]]
    assert sizes == sorted(sizes, reverse=True)
    if spoken:
        assert sum(got["weights"].values()) == pytest.approx(1.0)
    else:
        assert got["probability"] == base and got["direction"] == "neutral"
    json.dumps(got)


@settings(deadline=None, max_examples=100)
@given(p=st.lists(st.floats(0.05, 0.95), min_size=5, max_size=5), gone=st.integers(0, 4))
def test_removing_a_signal_changes_the_answer_exactly_as_the_fallback_says(p, gone):
    said = dict(zip(SIGNALS, p))
    whole = MADE.combine(said, "bear_crisis", "Energy", 0.54)
    left = {name: chance for name, chance in said.items() if name != SIGNALS[gone]}
    kept = {name: weight for name, weight in whole["weights"].items() if name in left}
    share = sum(kept.values())
    w = np.array([weight / share for weight in kept.values()])
    beyond = np.array(list(left.values())) - 0.54
    expected = 0.54 + MADE.agreement.share(agreement_of(w, beyond)) * (w @ beyond)
    for fewer in (left, {**said, SIGNALS[gone]: None}, {**said, SIGNALS[gone]: float("nan")}):
        got = MADE.combine(fewer, "bear_crisis", "Energy", 0.54)
        assert got["probability"] == pytest.approx(np.clip(expected, 0.001, 0.999), abs=1e-12)
        assert got["missing"] == [SIGNALS[gone]]
        assert list(got["weights"].values()) == pytest.approx(w.tolist())
        assert SIGNALS[gone] in got["reasoning"][-1]["text"] and "missing" in got["reasoning"][-1]["text"]


def test_weights_are_the_tables_product():
    got = MADE.weights("bear_crisis", "Energy")
    assert got["ensemble"] == pytest.approx(3 / 8) and got["breadth"] == pytest.approx(2 / 8)
    assert MADE.weights("bull_low", "Utilities") == dict.fromkeys(SIGNALS, pytest.approx(0.2))
    assert all(sum(MetaLearner().weights(state).values()) == pytest.approx(1.0) for state in MARKET_STATES)
    with pytest.raises(DataError, match="no market state"):
        MADE.weights("bear_crises")
    with pytest.raises(DataError, match="0 or more"):
        MetaLearner(state_weights={"bull_low": dict.fromkeys(SIGNALS, 0.0)}).weights("bull_low")


def test_signals_are_anything_with_a_probability():
    forecast = Forecast(
        symbol="VIX", origin="2018-02-05", target_session="2018-02-12", horizon=5, kind="pct_change", probs=PROBS,
        values=Target("VIX").from_log(np.linspace(-0.4, 0.6, len(PROBS)) ** 3), last_value=37.32, cohort="mid_cycle",
        cohort_weight=1.0, feature_quality=0.9, regime_bounds=(15.0, 20.0, 30.0), model_version="m", code_version="c",
        data_fingerprint="d", made_at=datetime(2018, 2, 5, 22, tzinfo=UTC),
        metadata={"base_rate": 0.44, "direction_share": 0.5},
    )  # fmt: skip
    got = MetaLearner(signals=("forecast", "number")).combine(
        {"forecast": forecast, "number": np.float32(0.5)}, base_rate=0.5
    )
    assert got["reasoning"][0]["probability"] == forecast.chance_of_rise != forecast.prob_rise
    assert got["weights"] == {"forecast": 0.5, "number": 0.5}
    for wrong in ("up", 54, -0.1, [0.5], object()):
        with pytest.raises(DataError, match=r"within 0\.\.1"):
            MetaLearner().combine({"ensemble": wrong})


def test_the_label_is_neutral_within_the_margin():
    meta = MetaLearner(signals=("a",), margin=0.03)
    labels = {p: meta.combine({"a": p}, base_rate=0.54)["direction"] for p in (0.50, 0.52, 0.54, 0.56, 0.58)}
    assert list(labels.values()) == ["bearish", "neutral", "neutral", "neutral", "bullish"]


# --- what outcomes teach


def history(seed, knows=1.0, n_symbols=10):
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([DAYS, [f"S{i}" for i in range(n_symbols)]], names=["session", "symbol"])
    z = 0.08 * rng.standard_normal(len(index))
    rose = (rng.random(len(index)) < 0.5 + knows * z).astype(float)
    signals = pd.DataFrame({"good": 0.5 + z, "noise": 0.5 + 0.08 * rng.standard_normal(len(index))}, index)
    return signals, rose


def test_outcomes_move_weight_to_who_knows_and_keep_what_he_claims():
    signals, rose = history(0)
    fitted = MetaLearner().fit(signals, rose, horizon=5)
    assert fitted.weights()["good"] > 0.7 and fitted.agreement.united > 0.6
    assert fitted.base_rate == rose.mean() and fitted.signals == ("good", "noise")
    shares = [MetaLearner().fit(*history(seed, knows=0.0), horizon=5).agreement.united for seed in range(10)]
    assert np.mean(shares) < 0.1, "nothing is kept where nobody knows anything"


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), sign=st.sampled_from([-1.0, 0.0, 1.0]))
def test_agreement_never_lowers_what_is_kept(seed, sign):
    rng = np.random.default_rng(seed)
    beyond = 0.1 * rng.standard_normal((400, 3))
    claim, agreement = beyond.mean(axis=1), agreement_of(np.full((400, 3), 1 / 3), beyond)
    truth = claim * np.where(sign > 0, agreement, 1 - agreement if sign < 0 else 0.0)
    made = fit_agreement(claim, agreement, (rng.random(400) < 0.5 + truth) - 0.5, np.arange(400), 1)
    assert 0 <= made.divided <= made.united <= MOST


def test_unknown_outcomes_and_later_ones_teach_nothing():
    signals, rose = history(1)
    half = len(rose) // 2
    unknown = rose.copy()
    unknown[half:] = np.nan
    early, cut = MetaLearner().fit(signals, unknown), MetaLearner().fit(signals[:half], rose[:half])
    assert early.agreement.united == pytest.approx(cut.agreement.united, rel=1e-9)
    assert early.base_rate == rose[:half].mean()


def test_a_signal_that_is_absent_in_some_rows_is_left_out_of_them():
    signals, rose = history(2)
    gaps = signals.assign(noise=signals["noise"].mask(np.arange(len(signals)) % 3 == 0))
    assert MetaLearner().fit(gaps, rose).weights()["good"] > 0.7
    states = np.where(np.arange(len(signals)) % 2 == 0, "bull_low", None)
    tables = {"bull_low": {"noise": 0.0}}
    assert MetaLearner(state_weights=tables).fit(signals, rose, states).weights("bull_low") == {
        "good": 1.0,
        "noise": 0.0,
    }


@pytest.mark.parametrize(
    "spoil",
    [
        lambda X, y: (X, y[1:]),
        lambda X, y: (X, np.full(len(y), np.nan)),
        lambda X, y: (X.iloc[::-1], y),
        lambda X, y: (100 * X, y),
        lambda X, y: (X, np.full(len(y), 2.0)),
        lambda X, y: (X, ["up"] * len(y)),
        lambda X, y: (X, y, ["bull_low"]),
        lambda X, y: (X, y, None, ["Energy"]),
        lambda X, y: (X, y, None, None, 2.5),
        lambda X, y: (X.to_dict("list"), y),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(spoil):
    with pytest.raises(DataError):
        MetaLearner().fit(*spoil(*history(3)))


def test_stored_as_json_and_checked(tmp_path):
    fitted = MetaLearner(sector_weights={"Energy": {"good": 2.0}}).fit(*history(4))
    sums = fitted.save(tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]
    again = MetaLearner.load(tmp_path, sums)
    assert again == fitted
    assert again.combine({"good": 0.6}, "bull_low", "Energy") == fitted.combine({"good": 0.6}, "bull_low", "Energy")
    path = tmp_path / "metalearner.json"
    whole = path.read_text()
    for spoilt in (whole[:-5], "[]", "{}", whole.replace('"agreement"', '"other"')):
        path.write_text(spoilt)
        with pytest.raises(ModelIntegrityError):
            MetaLearner.load(tmp_path)
        with pytest.raises(ModelIntegrityError):
            MetaLearner.load(tmp_path, sums)
    path.unlink()
    with pytest.raises(ModelIntegrityError):
        MetaLearner.load(tmp_path)


@pytest.mark.parametrize(
    "parts",
    [
        {"signals": "ensemble"},
        {"signals": ("a", "a")},
        {"margin": -1},
        {"margin": "x"},
        {"base_rate": 1.2},
        {"state_weights": 5},
        {"state_weights": {"bull_low": {"breadth": -1}}},
        {"sector_weights": {"Energy": {"breadth": "much"}}},
        {"learnt": {"breadth": np.nan}},
    ],
)
def test_a_meta_learner_of_what_makes_no_sense_is_refused_when_it_is_made(parts):
    with pytest.raises(DataError):
        MetaLearner(**parts)


@pytest.mark.parametrize(
    ("said", "base"),
    [
        (None, None),
        ([0.6], None),
        ({"ensemble": True}, None),
        ({5: 0.6}, None),
        ({"a": 0.6}, 1.2),
        ({"a": 0.6}, "high"),
    ],
)
def test_signals_and_base_rates_that_are_none_are_refused(said, base):
    with pytest.raises(DataError):
        MetaLearner().combine(said, base_rate=base)
