"Several targets from one frame: each scored out of fold beside its own baseline, and a hedging score of what is supported."

import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest

from forecastkit.core import DataError, ModelIntegrityError
from forecastkit.models import MultiTarget, PredictionIntervals, outcome_targets
from forecastkit.models.prediction_intervals import conformal_margin

DAYS = pd.bdate_range("2008-01-02", periods=1200)


def frame(seed, n=1200, r2=0.3):
    "Columns and targets: `told` follows x0, `untold` nothing; `rises` is a class that follows x0."
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.standard_normal((n, 3)), DAYS[:n], ["x0", "x1", "x2"])
    noise = rng.standard_normal((n, 2))
    told = np.sqrt(r2) * X["x0"] + np.sqrt(1 - r2) * noise[:, 0]
    return X, pd.DataFrame({"told": told, "untold": noise[:, 1], "rises": (told > 0).astype(int)}, X.index)


@pytest.mark.no_cover
def test_targets_that_can_be_told_have_skill_and_a_voice_and_others_have_none():
    voiced = []
    for seed in range(6):
        model = MultiTarget(horizon=1, calming=("rises",)).fit(*frame(seed))
        assert {"loss", "baseline", "skill", "se", "t", "kind", "rows"} <= set(model.scores_)
        assert model.scores_.loc[["told", "rises"], "t"].min() > 3
        assert model.voices().sum() == pytest.approx(1)
        voiced.append("untold" in model.voices())
    assert sum(voiced) <= 1


def test_a_leak_through_overlapping_outcomes_is_closed():
    "A column that numbers the sessions remembers neighbours whose outcomes overlap; out of fold it gains nothing."
    rng = np.random.default_rng(1)
    daily = rng.standard_normal(1205)
    Y = pd.DataFrame({"ahead": [daily[t + 1 : t + 6].sum() for t in range(1200)]}, DAYS)
    X = pd.DataFrame({"number": np.arange(1200.0)}, DAYS)
    assert MultiTarget(horizon=5).fit(X, Y).scores_.loc["ahead", "t"] < 2


@pytest.mark.no_cover
def test_kinds_predictions_and_gaps():
    X, Y = frame(2)
    gaps = Y.mask(np.arange(len(Y))[:, None] % np.array([[5, 7, 9]]) == 0)
    model = MultiTarget(horizon=1, quantiles=("told",)).fit(X, gaps)
    assert model.scores_["kind"].to_dict() == {"told": "quantiles", "untold": "number", "rises": "class"}
    assert model.scores_["rows"].to_dict() == gaps.notna().sum().to_dict()
    said = model.predict(X)
    assert list(said) == ["told q10", "told q50", "told q90", "untold", "rises"] and said["rises"].between(0, 1).all()
    assert (said["told q10"] <= said["told q50"]).all() and (said["told q50"] <= said["told q90"]).all()
    pd.testing.assert_frame_equal(model.predict(X.iloc[[7, 3]]), said.iloc[[7, 3]])
    pd.testing.assert_frame_equal(MultiTarget(horizon=1, quantiles=("told",)).fit(X, gaps).predict(X), said)
    pd.testing.assert_frame_equal(model.predict(X[["x2", "x0", "x1"]]), said)


def test_the_score_rises_with_the_threat_and_is_missing_without_a_voice():
    X, Y = frame(3)
    model = MultiTarget(horizon=1, calming=()).fit(X, Y[["told"]])
    score = model.hedging_score(X)
    assert score.between(0, 1).all() and score.corr(X["x0"], method="spearman") > 0.8
    calm = MultiTarget(horizon=1, calming=("told",)).fit(X, Y[["told"]]).hedging_score(X)
    np.testing.assert_allclose(calm, 1 - score)
    assert (model.hedge(X) == (score >= 0.8)).all()
    mute = MultiTarget(horizon=1).fit(
        X, pd.DataFrame({"untold": np.random.default_rng(77).standard_normal(1200)}, DAYS)
    )
    if not len(mute.voices()):
        assert mute.hedging_score(X).isna().all() and not mute.hedge(X).any()


def test_the_stocks_of_a_panel_are_trained_together():
    X, Y = frame(4, 400)
    index = pd.MultiIndex.from_product([DAYS[:200], ["A", "B"]], names=["session", "symbol"])
    model = MultiTarget(horizon=5).fit(X.set_axis(index), Y.set_axis(index))
    assert model.predict(X.set_axis(index)).index.equals(index)


def test_outcomes_of_bars_by_hand():
    close = pd.Series([100.0, 110.0, 99.0, 105.0, 90.0, 95.0], DAYS[:6])
    bars = pd.DataFrame({"close": close, "high": close + 2, "low": close - 1})
    found = outcome_targets(bars, 2).iloc[0]
    assert found["direction"] == 0 and found["return"] == pytest.approx(np.log(0.99))
    assert found["volatility"] == pytest.approx(np.hypot(np.log(1.1), np.log(0.9)))
    assert found["range"] == pytest.approx(np.log(112 / 98)) and found["drawdown"] == pytest.approx(-np.log(0.9))
    assert outcome_targets(bars, 2).iloc[-2:].isna().all(axis=None)
    cut = outcome_targets(bars.iloc[:5], 2).dropna()
    pd.testing.assert_frame_equal(cut, outcome_targets(bars, 2).loc[cut.index])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda X, Y: (X, Y["told"]), "one column for each target"),
        (lambda X, Y: (X, Y.iloc[:-1]), "rows of X"),
        (lambda X, Y: (X, Y.assign(told=1.0)), "two or more"),
        (lambda X, Y: (X, Y.reindex(Y.index[:6]).reindex(Y.index)), "too few|two or more"),
    ],
)
def test_what_cannot_be_trained_is_refused(spoil, told):
    with pytest.raises(DataError, match=told):
        MultiTarget(horizon=5).fit(*spoil(*frame(5)))


# --- prediction intervals


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_intervals_hold_the_share_they_state(level):
    inside = []
    for seed in range(10):
        X, Y = frame(seed)
        y = Y["told"] * np.exp(0.4 * X["x1"])
        low, high = PredictionIntervals(level, horizon=1).fit(X[:800], y[:800]).predict_intervals(X[800:])
        assert (low <= high).all()
        inside.append(((low <= y[800:]) & (y[800:] <= high)).mean())
    assert abs(np.mean(inside) - level) < 0.04


def test_no_calibration_row_shares_an_outcome_with_a_training_row():
    "With outcomes between the two parts turned to nonsense the model is the same."
    X, Y = frame(6)
    one = PredictionIntervals(horizon=21).fit(X, Y["told"])
    spoilt = Y["told"].mask((np.arange(1200) > 900 - 21) & (np.arange(1200) < 900), 1e6)
    two = PredictionIntervals(horizon=21).fit(X, spoilt)
    np.testing.assert_array_equal(one.predict_intervals(X), two.predict_intervals(X))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    X, Y = frame(4, 700)
    model = MultiTarget(horizon=1, quantiles=("told",), calming=("rises",)).fit(X, Y)
    folder = tmp_path_factory.mktemp("targets")
    return X, model, folder, model.save(folder)


def test_a_model_that_is_read_back_says_the_same_to_the_last_bit(saved, tmp_path):
    X, model, folder, sums = saved
    again = MultiTarget.load(folder, sums)
    assert again.predict(X).equals(model.predict(X)) and again.hedging_score(X).equals(model.hedging_score(X))
    assert again.scores_.equals(model.scores_) and again.scores_.dtypes.equals(model.scores_.dtypes)
    assert again.get_params() == model.get_params() and again.save(tmp_path) == sums
    assert not any(name.endswith((".pkl", ".pickle", ".joblib")) for name in sums)


def rewritten(**changes):
    def change(content):
        return json.dumps(json.loads(content) | changes).encode()

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("target0.ubj", lambda content: content[: len(content) // 2]), ("target0.ubj", lambda content: pickle.dumps([1])), ("target0.ubj", lambda content: b""),
        ("multi_target.npz", lambda content: content[:50]), ("multi_target.npz", lambda content: pickle.dumps({"rows": 1})),
        ("multi_target.json", lambda content: b"[]"), ("multi_target.json", lambda content: b"\xff"), ("multi_target.json", rewritten(format=99)),
        ("multi_target.json", rewritten(kind="other")), ("multi_target.json", rewritten(columns=["x0"])), ("multi_target.json", rewritten(params={"seed": 1, "os": 2})),
        ("multi_target.json", rewritten(targets=[["told", "pickle"], ["untold", "number"], ["rises", "class"]])),
        ("multi_target.json", rewritten(targets=[["told", "number"], ["untold", "number"], ["rises", "class"]])), ("multi_target.json", rewritten(targets=[])),
        ("multi_target.json", rewritten(targets=[["told", "quantiles"], ["untold", "number"], ["rises", "class"], ["more", "number"]])),
    ],
)  # fmt: skip
def test_files_that_were_changed_are_refused_with_and_without_sums(saved, tmp_path, name, change):
    _, _, folder, sums = saved
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / name).write_bytes(change((folder / name).read_bytes()))
    for known in (sums, None):
        with pytest.raises(ModelIntegrityError):
            MultiTarget.load(tmp_path / "copy", known)


def test_another_targets_trees_are_refused_by_what_they_say_of_the_sample(saved, tmp_path):
    _, _, folder, _ = saved
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "target1.ubj").write_bytes((folder / "target2.ubj").read_bytes())
    with pytest.raises(ModelIntegrityError):
        MultiTarget.load(tmp_path / "copy")


@pytest.mark.parametrize(
    ("spoil", "parts", "told"),
    [
        (lambda X, Y: (X, Y[[]]), {}, "one column for each target"),
        (lambda X, Y: (X.to_numpy(), Y), {}, "are frames"),
        (lambda X, Y: (X, Y.astype(str)), {}, "holds no numbers"),
        (lambda X, Y: (X, Y.rename(columns={"untold": "told q10"})), {"quantiles": ("told",)}, "quantile of another"),
        (lambda X, Y: (X, Y), {"quantiles": "told"}, "names of targets"),
        (lambda X, Y: (X, Y), {"horizon": 0}, "horizon"),
    ],
)
def test_targets_that_cannot_be_told_apart_or_learnt_are_refused(spoil, parts, told):
    with pytest.raises(DataError, match=told):
        MultiTarget(**parts).fit(*spoil(*frame(0, 200)))


@pytest.mark.parametrize("parts", [{"level": "a"}, {"level": 90}, {"horizon": 0}, {"horizon": "5"}, {"rounds": 0}])
def test_intervals_of_what_makes_no_sense_are_refused(parts):
    X, Y = frame(0, 200)
    with pytest.raises(DataError, match=next(iter(parts))):
        PredictionIntervals(**parts).fit(X, Y["told"])


@pytest.mark.parametrize(
    ("rows", "level", "margin"),
    [(9, 0.9, 9.0), (8, 0.9, 8.0), (19, 0.9, 18.0), (10, 0.9, 10.0), (19, 0.5, 10.0), (1, 0.5, 1.0)],
)
def test_the_margin_is_the_miss_of_rank_level_times_one_more_than_the_rows(rows, level, margin):
    "Misses 1, 2 .. n in any order: so many of n + 1 exchangeable ones lie within it, the largest where that asks for more."
    misses = np.random.default_rng(0).permutation(np.arange(1.0, rows + 1))
    assert conformal_margin(misses, level) == margin


def test_intervals_train_a_horizon_before_the_sessions_of_their_margin():
    "Of 200 sessions 150 and later give the margin; with a horizon of 5 the trees see 145, and nothing sees 146 to 149."
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1))
    y = X[:, 0] + 0.3 * rng.normal(size=200)

    def told(at: slice) -> tuple[float, bytes]:
        spoilt = y.copy()
        spoilt[at] = np.where(spoilt[at] > 0, -9.0, 9.0)
        model = PredictionIntervals(0.8, horizon=5, rounds=20).fit(X, spoilt)
        return model.margin_, model.predict(X).tobytes()

    margin, trees = told(slice(0, 0))
    assert told(slice(146, 150)) == (margin, trees)
    assert told(slice(145, 146))[1] != trees
    other, same = told(slice(150, 151))
    assert other != margin and same == trees


def test_no_interval_leaves_its_median_outside():
    "Where the margin is below 0 both ends stop at the median."
    X = np.arange(400.0)[:, None]
    model = PredictionIntervals(0.5, horizon=1, rounds=20).fit(
        X, np.where(X[:, 0] < 300, 10 * np.sin(37 * X[:, 0]), 0.0)
    )
    assert model.margin_ < 0
    low, high = model.predict_intervals(X)
    assert (low <= model.predict(X)).all() and (model.predict(X) <= high).all()


def test_the_ends_before_the_margin_are_the_quantiles_that_leave_half_of_the_rest_on_each_side():
    y, X = np.random.default_rng(0).exponential(size=2000), np.zeros((2000, 1))
    model = PredictionIntervals(0.8, horizon=1).fit(X, y)
    low, high = model.predict_intervals(X[:1])
    known = [low[0] + model.margin_, model.predict(X[:1])[0], high[0] - model.margin_]
    np.testing.assert_allclose(known, np.quantile(y[:1500], [0.1, 0.5, 0.9]), atol=0.02)
