"The twelve market states: causal, steady at a bound, and fair about what follows."

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proofs import mostly_slow

from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import synthetic_market
from forecastkit.evaluation import audit_market_function
from forecastkit.regimes import (
    MARKET_STATES,
    MarketStates,
    RegimeDetector,
    market_state_history,
    market_state_inputs,
    market_state_table,
    regime_12_classification,
    state_durations,
)
from forecastkit.regimes.market_states import hysteresis


@pytest.fixture(scope="module")
def market() -> MarketData:
    bars = synthetic_market(seed=11, sessions=1400).market
    return MarketData({name: bars.bars(name) for name in ("SPX", "VIX")})


@pytest.fixture(scope="module")
def X(market) -> pd.DataFrame:
    return market_state_inputs(market.close("SPX"))


def states_of(market: MarketData) -> pd.DataFrame:
    "The states by versions of every 252nd session, and what they are likely to become, from one version."
    X = market_state_inputs(market.close("SPX"), market.close("VIX"))
    refits = market.calendar.refit_sessions(X.index, 252)
    served = market_state_history(X, refits, MarketStates((15.0, 20.0, 30.0)))
    codes = served.map({name: float(code) for code, name in enumerate(MARKET_STATES)})
    return X.assign(state=codes.astype(float))


def test_the_audit_finds_no_leak(market):
    whole = states_of(market)
    assert whole["state"].nunique() > 3
    report = audit_market_function(states_of, market, cuts=20)
    assert report.ok, report


def test_bounds_learnt_from_all_rows_are_found(market):
    def peeking(market: MarketData) -> pd.DataFrame:
        X = market_state_inputs(market.close("SPX"))
        return MarketStates(None).fit(X).state_probabilities(X, 0)

    assert not audit_market_function(peeking, market, cuts=20).ok


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=60), st.floats(0, 0.4), st.integers(1, 50))
def test_hysteresis_is_causal_and_leaves_a_level_only_beyond_the_margin(values, margin, cut):
    path = np.array(values)
    levels = hysteresis(path, (-1.0, 1.0), margin)
    assert (hysteresis(path[:cut], (-1.0, 1.0), margin) == levels[:cut]).all()
    for before, now, value in zip(levels[:-1], levels[1:], path[1:], strict=True):
        low, high = np.array([-np.inf, -1, 1])[now], np.array([-1, 1, np.inf])[now]
        assert low - margin <= value <= high + margin
        if now != before:
            bounds = [-1.0, 1.0]
            assert value >= bounds[now - 1] + margin if now > before else value < bounds[now] - margin


def test_a_longer_horizon_forgets_where_it_began(X):
    states = MarketStates(None).fit(X)
    matrix = states.get_transition_matrix()
    assert np.allclose(matrix.sum(axis=1), 1) and (matrix >= 0).all()
    far = states.state_probabilities(X, 21).iloc[-1].to_numpy()
    start = np.eye(12)[MARKET_STATES.index(states.predict_regime(X))]
    assert np.allclose(far, start @ np.linalg.matrix_power(matrix, 21))


def test_errors_of_transitions_match_repeated_histories():
    """Chains drawn from a known matrix: the error that is stated is the spread of the estimates."""
    rng, truth = np.random.default_rng(0), 0.9
    drawn, stated = [], []
    for _ in range(200):
        level = np.zeros(600)
        for t in range(1, len(level)):
            level[t] = level[t - 1] if rng.random() < truth else 1 - level[t - 1]
        X = pd.DataFrame({"trend": np.zeros(600), "volatility": np.where(level > 0, 22.0, 10.0)})
        table = MarketStates(margins=(0.0, 0.0)).fit(X).transition_table().set_index(["from", "to"])
        row = table.loc[("sideways_low", "sideways_low")]
        drawn.append(row["probability"]), stated.append(row["se"])
    assert np.mean(stated) == pytest.approx(np.std(drawn), rel=0.2)


@pytest.mark.parametrize("histories", mostly_slow([100, 300], short=1))
def test_errors_of_means_match_repeated_histories(histories):
    rng, means, stated = np.random.default_rng(1), [], []
    states = pd.Series(np.where(np.arange(1500) // 25 % 2 == 0, "bull_low", "bear_crisis"), dtype="str")
    for _ in range(histories):
        close = pd.Series(np.exp(np.cumsum(rng.normal(0, 0.01, 1500))))
        row = market_state_table(states, close, lag=5).loc["bull_low"]
        means.append(row["mean"]), stated.append(row["mean_se"])
    assert np.mean(stated) == pytest.approx(np.std(means), rel=0.15)


def test_the_name_of_the_last_session(X, market):
    close = market.close("SPX")
    name = regime_12_classification(close)
    assert name in MARKET_STATES and name == MarketStates().fit(X).predict_regime(X)
    assert regime_12_classification(market.bars("SPX")) == name
    quoted = regime_12_classification(close, market.close("VIX"))
    assert quoted.split("_")[0] == name.split("_")[0]


def test_it_has_the_interface_of_the_hidden_markov_model(X):
    shared = ["fit", "get_params", "set_params", "is_fitted", "regimes", "features", "filtered_probabilities"]
    shared += ["predict_regime_probabilities", "predict_regime", "get_transition_matrix", "get_stationary_distribution"]
    shared += [
        "get_diagnostics",
        "get_state_characteristics",
        "get_prediction_metadata",
        "n_features",
        "model_version",
        "to_state",
        "from_state",
        "save",
        "load",
    ]
    assert all(hasattr(MarketStates, name) and hasattr(RegimeDetector, name) for name in shared)
    states = MarketStates().fit(X)
    assert sum(states.get_stationary_distribution().values()) == pytest.approx(1)
    assert states.predict_regime_probabilities(X)[states.predict_regime(X)] == 1


def test_durations_count_sessions_and_mark_the_last_spell(X):
    states = MarketStates().fit(X).predict(X)
    spells = state_durations(states)
    assert spells["sessions"].sum() == states.notna().sum()
    assert spells["ended"].sum() == len(spells) - 1 and not spells["ended"].iloc[-1]
    assert (spells["state"] != spells["state"].shift()).all()
