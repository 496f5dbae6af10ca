"The direction ensemble: an effect that is planted is found, none is claimed where there is none, and its parts add up."

import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

from forecastkit.core import DataError, ModelIntegrityError
from forecastkit.models import ArimaDirection, DirectionEnsemble, DriftOverScale, direction_members
from forecastkit.models.direction import stacked_weights
from forecastkit.models.purged_folds import purged_folds, require_share, require_whole, rise_outcomes, thinned

QUICK = {"logistic": LogisticRegression(C=0.01), "bayes": GaussianNB(), "base rate": DummyClassifier(strategy="prior")}


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import direction

    yield direction
    sys.path.pop(0)


@pytest.fixture(scope="module")
def market(benchmark):
    X, changes = benchmark.planted_market(0, 0.02, stocks=20, sessions=900)
    return X, changes, (changes > 0).astype(int)


# --- what it must show; the full count over forty markets is benchmarks/direction.py


def test_a_planted_effect_is_found_and_none_is_claimed_without_one(benchmark):
    found = {
        r2: [
            benchmark.market_score(
                *benchmark.planted_market(seed, r2, sessions=1500), (500, 1000), DirectionEnsemble(QUICK)
            )
            for seed in range(4)
        ]
        for r2 in (0.02, 0.0)
    }
    assert sum(one["skill"] > 0 and one["t"] >= 3 for one in found[0.02]) >= 3
    assert sum(one["t"] > 2 for one in found[0.0]) <= 1
    assert np.mean([one["loss"] for one in found[0.0]]) < benchmark.COST
    assert max(one["labels"] for one in found[0.0]) <= 0.05


def test_the_default_members_find_it_too_and_their_scores_are_kept(market):
    X, changes, y = market
    early = np.arange(len(X)) < 700 * 20
    late = np.arange(len(X)) >= 705 * 20
    model = DirectionEnsemble().fit(X[early], y[early], changes[early])
    table = model.evaluate(X[late], y[late])
    assert set(table.index.get_level_values("on")) == {"train", "validation", "test"}
    assert set(table) == {"accuracy", "precision", "recall", "f1", "log_loss", "rows", "n_features"}
    test = table.xs("test", level="on")["log_loss"]
    assert set(test.index) == {"logistic", "boosting", "forest", "drift", "base rate", "ensemble"}
    assert test["ensemble"] < test["base rate"] and model.share_ > 0.3
    assert (model.importances_["logistic"].idxmax(), model.importances_["forest"].idxmax()) == ("x0", "x0")
    assert model.weights_.sum() == pytest.approx(1) and model.weights_.min() >= 0.5 / 5 - 1e-12


# --- the result


def test_contributions_and_probabilities_add_up_and_a_row_depends_on_itself_alone(market):
    X, changes, y = market
    model = DirectionEnsemble(QUICK, scale="vol").fit(X.assign(vol=0.03), y, changes)
    said = model.directions(X.assign(vol=0.03))
    np.testing.assert_allclose(said.contributions.sum(axis=1), said.chance - said.base_rate, atol=1e-9)
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1.0, atol=1e-12)
    assert said.probabilities["neutral"].iloc[0] == pytest.approx(np.mean(np.abs(changes) <= 0.01), abs=0.01)
    wilder = model.directions(X.assign(vol=0.06))
    assert (wilder.probabilities["neutral"] < said.probabilities["neutral"]).all(), "twice as wild is less often still"
    np.testing.assert_array_equal(said.label != "neutral", (said.chance - said.base_rate).abs() >= model.margin)
    np.testing.assert_array_equal(said.confidence, np.maximum(said.chance, 1 - said.chance))
    assert said.agreement.between(0, 1 + 1e-12).all() and said.chance.index.equals(X.index)
    some = X.assign(vol=0.03).iloc[[5, 100, 7]]
    np.testing.assert_allclose(model.directions(some).chance, said.chance.iloc[[5, 100, 7]], rtol=1e-12)
    row = said.row(3)
    assert set(row) == {
        "label",
        "confidence",
        "agreement",
        "chance",
        "base_rate",
        "probabilities",
        "contributions",
        "weights",
    }


def test_without_changes_the_band_is_empty(market):
    X, _, y = market
    assert (DirectionEnsemble(QUICK).fit(X, y).directions(X).probabilities["neutral"] == 0).all()


def test_columns_of_the_whole_market_are_not_read_unless_asked_for(market):
    X, _, y = market
    one = DirectionEnsemble(QUICK).fit(X, y)
    assert one.read_ == [f"x{j}" for j in range(8)] and one.n_features_in_ == 10
    np.testing.assert_array_equal(one.predict_proba(X), one.predict_proba(X.assign(x8=9.0)))
    assert DirectionEnsemble(QUICK, common=True).fit(X, y).read_ == list(X)
    single = X.xs("S00", level="symbol")
    assert DirectionEnsemble(QUICK).fit(single, y[::20]).read_ == list(X)


def test_few_sessions_claim_nothing(market):
    X, _, y = market
    model = DirectionEnsemble(QUICK).fit(X[: 100 * 20], y[: 100 * 20])
    assert model.share_ == 0 and set(model.directions(X).label) == {"neutral"}
    assert (model.predict_proba(X)[:, 1] == model.base_rate_).all()


def test_two_fits_are_the_same(market):
    X, _, y = market
    one, two = (DirectionEnsemble().fit(X[:8000], y[:8000]).predict_proba(X[8000:]) for _ in range(2))
    np.testing.assert_array_equal(one, two)


# --- files


def test_an_ensemble_that_is_loaded_says_the_same_to_the_bit(market, tmp_path):
    X, changes, y = market
    model = DirectionEnsemble().fit(X[:8000], y[:8000], changes[:8000])
    sums = model.save(tmp_path)
    again = DirectionEnsemble.load(tmp_path, sums)
    for name in ("chance", "probabilities", "contributions", "weights", "agreement", "label"):
        np.testing.assert_array_equal(getattr(again.directions(X), name), getattr(model.directions(X), name))
    for name in ("scores_", "importances_", "sample_"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(model, name))
    np.testing.assert_array_equal(again.evaluate(X[8000:], y[8000:]), model.evaluate(X[8000:], y[8000:]))
    assert again.get_params() == model.get_params() and again.save(tmp_path / "again").keys() == sums.keys()
    assert not {name.rpartition(".")[2] for name in sums} - {"json", "npz", "ubj", "skops"}, "never a pickle"


def test_a_second_training_gives_the_same_files(market, tmp_path):
    X, changes, y = market
    one, two = (
        DirectionEnsemble().fit(X[:4000], y[:4000], changes[:4000]).save(tmp_path / place) for place in ("a", "b")
    )
    assert one == two


@pytest.mark.parametrize("spoilt", ["direction.json", "direction.npz", "member0.skops", "member1.ubj", "member2.npz"])
def test_a_file_that_was_changed_is_refused(market, tmp_path, spoilt):
    X, _, y = market
    sums = DirectionEnsemble().fit(X[:4000], y[:4000]).save(tmp_path)
    content = (tmp_path / spoilt).read_bytes()
    (tmp_path / spoilt).write_bytes(content[:-7] + b"other")
    for known in (sums, None):
        with pytest.raises(ModelIntegrityError):
            DirectionEnsemble.load(tmp_path, known)
    (tmp_path / spoilt).unlink()
    with pytest.raises(ModelIntegrityError):
        DirectionEnsemble.load(tmp_path, sums)


def test_other_numbers_for_the_sample_are_refused_though_every_file_can_be_read(market, tmp_path):
    X, _, y = market
    DirectionEnsemble(QUICK).fit(X, y).save(tmp_path)
    text = (tmp_path / "direction.json").read_text()
    model = DirectionEnsemble.load(tmp_path)
    (tmp_path / "direction.json").write_text(text.replace(f'"share":{model.share_!r}', f'"share":{model.share_ / 2!r}'))
    with pytest.raises(ModelIntegrityError, match="other chances for its sample"):
        DirectionEnsemble.load(tmp_path)


class Coin(ClassifierMixin, BaseEstimator):
    "A member of a user's own, outside of any library."

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)


def test_a_member_of_ones_own_is_kept_where_its_class_is_handed_over(market, tmp_path):
    X, _, y = market
    model = DirectionEnsemble(
        {"coin": Coin(), "net": MLPClassifier((4,), max_iter=20, tol=1.0, random_state=0), "bayes": GaussianNB()}
    )
    model.set_params(members=model.members | {"base rate": DummyClassifier()}).fit(X, y)
    with pytest.raises(DataError, match="as kinds="):
        model.save(tmp_path)
    sums = model.save(tmp_path, kinds=[Coin])
    with pytest.raises(ModelIntegrityError):
        DirectionEnsemble.load(tmp_path, sums)
    again = DirectionEnsemble.load(tmp_path, sums, kinds=[Coin])
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert list(again.members) == list(model.members) and clone(again).fit(X, y).share_ == pytest.approx(model.share_)


# --- rows and folds


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_members_train_on_sessions_that_do_not_overlap_and_folds_keep_their_distance(horizon):
    place = np.repeat(np.arange(400), 30)
    rows = thinned(place, horizon, 2000)
    assert len(rows) <= 2000 and place[rows][-1] == 399
    assert (np.diff(np.unique(place[rows])) >= horizon).all()
    assert (np.bincount(place[rows])[np.unique(place[rows])] == 30).all(), "the stocks of a session stay together"
    tested = []
    for train, test in purged_folds(place, horizon):
        gap = np.abs(np.subtract.outer(np.unique(place[train]), np.unique(place[test]))).min()
        assert gap >= horizon
        tested.extend(test)
    assert sorted(tested) == list(range(len(place)))


def test_an_outcome_beyond_the_horizon_of_a_fold_is_no_teacher():
    "A member that remembers its rows gains nothing out of fold from neighbours whose outcomes overlap."
    rng = np.random.default_rng(0)
    walk = rng.standard_normal(2005)
    changes = np.array([walk[t + 1 : t + 6].sum() for t in range(2000)])
    X = pd.DataFrame({"time": np.arange(2000.0)})
    model = DirectionEnsemble({"memory": DecisionTreeClassifier(random_state=0)}, horizon=5).fit(X, changes > 0)
    validation = model.scores_.loc[("memory", "validation")]
    assert validation["accuracy"] < 0.6 and model.scores_.loc[("memory", "train")]["accuracy"] == 1.0


def test_weights_favour_who_knows_and_never_sink_below_the_floor():
    rng = np.random.default_rng(1)
    truth = np.clip(0.5 + 0.2 * rng.standard_normal(5000), 0.02, 0.98)
    up = rng.random(5000) < truth
    table = np.column_stack([truth, 1 - truth, np.full(5000, 0.5)])
    for shrink in (0.1, 0.5, 1.0):
        w = stacked_weights(table, up, shrink)
        assert w.sum() == pytest.approx(1) and w.min() >= shrink / 3 - 1e-12
        assert w[0] == pytest.approx(1 - shrink * 2 / 3, abs=0.1)


def test_drift_over_scale_reads_volatilities_where_there_are_any():
    rng = np.random.default_rng(2)
    vol = rng.uniform(0.005, 0.05, 20_000)
    X = pd.DataFrame({"vol_ewma94": vol, "other": 1.0})
    up = rng.random(20_000) < 1 / (1 + np.exp(-0.004 / vol))
    p = DriftOverScale().fit(X, up).predict_proba(X)[:, 1]
    assert np.abs(p - 1 / (1 + np.exp(-0.004 / vol)))[vol > 0.01].max() < 0.02
    blind = DriftOverScale().fit(X[["other"]], up).predict_proba(X[["other"]])[:, 1]
    assert np.ptp(blind) == 0 and blind[0] == pytest.approx(up.mean())


def test_a_row_of_no_volatility_has_an_unknown_scale_and_the_usual_chance():
    "A ticker that stood still: no scale is read from a variance of 0, as none is where it is absent."
    vol, up = np.linspace(0.01, 0.03, 201), np.arange(201) % 3 > 0
    model = DriftOverScale().fit(pd.DataFrame({"vol_ewma94": vol}), up)
    with np.errstate(all="raise"):
        p = model.predict_proba(pd.DataFrame({"vol_ewma94": [0.0, np.nan, 0.02]}))[:, 1]
    assert p[0] == p[1] == pytest.approx(p[2], abs=1e-12)  # .02 is the usual one


def test_arima_is_a_member_for_those_who_ask_and_is_kept_like_the_others(tmp_path):
    rng = np.random.default_rng(3)
    weeks = np.zeros((301, 4))
    for t in range(1, 301):
        weeks[t] = 0.4 * weeks[t - 1] + 0.02 * rng.standard_normal(4)
    index = pd.MultiIndex.from_product([range(300), list("ABCD")], names=["session", "symbol"])
    X, y = pd.DataFrame({"return_5": weeks[:-1].ravel()}, index), (weeks[1:].ravel() > 0).astype(int)
    assert "arima" not in direction_members(list(X))
    model = DirectionEnsemble(direction_members(list(X), arima=True), horizon=1).fit(X, y)
    assert set(model.members_["arima"].terms_) == set("ABCD")
    test = model.scores_.xs("validation", level="on")["log_loss"]
    assert test["arima"] < test["base rate"]
    again = DirectionEnsemble.load(tmp_path, model.save(tmp_path))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    alone = ArimaDirection().fit(X, y)
    np.testing.assert_allclose(alone.predict_proba(X.iloc[[9, 5]]), alone.predict_proba(X)[[9, 5]])
    assert (ArimaDirection().fit(X[:40], y[:40]).predict_proba(X)[:, 1] == y[:40].mean()).all(), "ten weeks a stock"


def test_arima_is_an_autoregression_of_order_one_with_normal_errors():
    rng = np.random.default_rng(5)
    index = pd.MultiIndex.from_product([range(200), list("AB")], names=["session", "symbol"])
    X = pd.DataFrame({"return_5": 0.03 * rng.standard_normal(400)}, index)
    model = ArimaDirection().fit(X, (rng.random(400) > 0.5).astype(int))
    mean, slope, error = model.terms_["B"]
    row = X.iloc[[7]]
    expected = NormalDist().cdf((mean + slope * (row["return_5"].iloc[0] - mean)) / error)
    assert model.predict_proba(row)[0, 1] == pytest.approx(expected, abs=1e-12)
    assert 0.02 < error < 0.04, "the error has the unit of the changes"


# --- refusals and conventions


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda X, y: (X.iloc[::-1], y), "in order of their sessions"),
        (lambda X, y: (X, np.ones(len(y))), "one class"),
        (lambda X, y: (X, np.arange(len(y)) % 3), "binary"),
        (lambda X, y: (X, pd.Series(y)), "different rows"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(market, spoil, told):
    X, _, y = market
    with pytest.raises(DataError, match=told):
        DirectionEnsemble(QUICK).fit(*spoil(X, y))
    with pytest.raises(DataError, match="as many changes"):
        DirectionEnsemble(QUICK).fit(X, y, y[1:])


EXPECTED: dict[str, str] = {}


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (3, True),
        (np.int64(3), True),
        (4, True),
        (2, False),
        (3.0, False),
        ("3", False),
        (True, False),
        (np.bool_(True), False),
        (None, False),
    ],
)
def test_a_whole_number_is_one_from_its_least_on(value, good):
    if good:
        assert require_whole(value, 3, "folds") == value
    else:
        with pytest.raises(DataError, match=r"folds = .* is no whole number of 3 or more"):
            require_whole(value, 3, "folds")


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (0, True),
        (1.0, True),
        (0.5, True),
        (-1e-9, False),
        (1 + 1e-9, False),
        ("0.5", False),
        (True, False),
        (float("nan"), False),
    ],
)
def test_a_share_lies_within_zero_and_one(value, good):
    if good:
        assert require_share(value, "margin") == float(value)
    else:
        with pytest.raises(DataError, match=r"margin = .* is no number within 0\.\.1"):
            require_share(value, "margin")


@pytest.mark.parametrize(
    ("rose", "good"),
    [([0, 1, np.nan], True), ([True, False], True), ([0, 2], False), ([0.5], False), (["up"], False), ([-1], False)],
)
def test_a_rise_is_one_or_zero_or_unknown(rose, good):
    if good:
        np.testing.assert_array_equal(rise_outcomes(rose), np.asarray(rose, dtype=float))
    else:
        with pytest.raises(DataError, match="1 for a rise, 0 for none"):
            rise_outcomes(rose)


def test_it_is_an_estimator():
    model = DirectionEnsemble(
        {
            "logistic": make_pipeline(SimpleImputer(keep_empty_features=True), LogisticRegression()),
            "tree": DecisionTreeClassifier(max_depth=2),
        },
        horizon=1,
    )
    found = check_estimator(model, expected_failed_checks=EXPECTED, on_skip=None, on_fail=None)
    failed = {one["check_name"]: one["exception"] for one in found if one["status"] == "failed"}
    assert len(found) > 40 and not failed and len(EXPECTED) <= 5, failed


@pytest.mark.parametrize(
    "parts",
    [
        {"horizon": 0},
        {"horizon": 2.5},
        {"max_rows": 0},
        {"n_jobs": 0},
        {"margin": -1},
        {"band": "x"},
        {"shrink": 2},
        {"members": {}},
        {"members": [DummyClassifier()]},
        {"members": {"line": "b"}},
        {"members": {"line": LinearRegression()}},
    ],
)
def test_parameters_and_members_that_make_no_sense_are_refused(parts):
    X = pd.DataFrame(np.random.default_rng(0).standard_normal((60, 2)), columns=["a", "b"])
    with pytest.raises(DataError, match=next(iter(parts)).rstrip("s")):
        DirectionEnsemble(**{"members": {"base rate": DummyClassifier()}} | parts).fit(X, np.arange(60) % 2)


def test_changes_of_other_rows_are_refused():
    X, y = pd.DataFrame({"a": np.arange(40.0)}), np.tile([0, 1], 20)
    with pytest.raises(DataError, match=r"40 rows want as many changes, not .39,."):
        DirectionEnsemble(QUICK).fit(X, y, np.zeros(39))
