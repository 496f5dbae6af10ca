"One version of the forecaster: the same bits however it is made, kept and asked, and nothing loaded that was changed."

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, FeatureDimensionError, ModelIntegrityError, Target, vix_regime
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.volatility import FeatureEngine, volatility_features
from forecastkit.models.base import STOCK_RECIPE, VOLATILITY_RECIPE
from forecastkit.models.baselines import Climatology, HARLocationScale
from forecastkit.models.boosting import BoostedResidual
from forecastkit.models.forecaster import ProbabilisticForecaster, default_members, default_weights
from forecastkit.models.forest import QuantileForest
from forecastkit.models.garch import GARCHHAR
from forecastkit.models.persistence import MODEL_KINDS
from forecastkit.models.pool import linear_pool, shrink_upper_tail
from forecastkit.models.quantile_regression import LinearQuantile

NYSE = get_calendar("XNYS")

MARKET = synthetic_market(seed=5, sessions=900).market
RECIPE = VOLATILITY_RECIPE
READ = {*RECIPE.location, *RECIPE.scale, *RECIPE.scale_logged, *RECIPE.quantiles, "vix", "day_of_week"}
DECLARED = [f for f in volatility_features() if f.name in READ]
X = FeatureEngine(DECLARED).build_features(MARKET)
Y = NYSE.outcomes(MARKET.close("VIX"), 5)
LEARN = Y.iloc[:700].dropna()


@pytest.fixture(scope="module")
def model() -> ProbabilisticForecaster:
    return ProbabilisticForecaster(Target("VIX"), rounds=20).fit(X, LEARN)


@pytest.fixture
def saved(model, tmp_path) -> tuple[Path, dict[str, str]]:
    return tmp_path, model.save(tmp_path)


def test_the_quantiles_are_the_pool_of_the_members(model):
    q = model.predict_quantiles(X)
    kinds = [LinearQuantile(), GARCHHAR(), QuantileForest(), BoostedResidual(rounds=20), HARLocationScale()]
    kinds += [QuantileForest(None), BoostedResidual(None, rounds=20), Climatology()]
    said = [member.fit(X, LEARN).predict_quantiles(X) for member in kinds]
    learned = len(LEARN) / 2520
    frugal = [(1 - learned) / 3 * isinstance(m, (HARLocationScale, GARCHHAR, Climatology)) for m in kinds]
    weights = [few + (learned / 7 if k < 7 else 0) for k, few in enumerate(frugal)]
    np.testing.assert_allclose(model.weights_, weights, atol=1e-15)
    np.testing.assert_array_equal(q, shrink_upper_tail(linear_pool(said, model.weights_), said[-1], 0.5))
    assert (np.diff(q, axis=1) > 0).all()


def test_one_row_a_batch_and_a_truncated_history_give_the_same_bits(model):
    q = model.predict_quantiles(X)
    for i in (0, 30, 555, 899):
        np.testing.assert_array_equal(model.predict_quantiles(X.iloc[: i + 1], last=1), q[[i]])
    cut = clone(model).fit(X.loc[: LEARN.index[-1]], LEARN)
    np.testing.assert_array_equal(cut.predict_quantiles(X), q)


PRINT = """
import hashlib, sys, tempfile
from threadpoolctl import threadpool_info
from forecastkit.core import Target
from forecastkit.models.forecaster import ProbabilisticForecaster
from forecastkit.calendars import get_calendar
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.volatility import FeatureEngine, volatility_features
market = synthetic_market(seed=5, sessions=900).market
X = FeatureEngine([f for f in volatility_features() if f.name in sys.argv[1:]]).build_features(market)
y = get_calendar("XNYS").outcomes(market.close("VIX"), 5).iloc[:700].dropna()
model = ProbabilisticForecaster(Target("VIX"), rounds=20).fit(X, y)
with tempfile.TemporaryDirectory() as folder:
    print(sorted(model.save(folder).values()), hashlib.sha256(model.predict_quantiles(X).tobytes()).hexdigest())
print(max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=0), file=sys.stderr)
"""


def test_one_thread_and_two_give_the_same_bits(model, tmp_path):
    "In fresh processes, since the number of threads is read when a library is loaded."
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    runs = [
        subprocess.run([sys.executable, "-c", PRINT, *sorted(READ)], capture_output=True, text=True, check=True,
                       env=os.environ | dict.fromkeys(names, threads), cwd=Path(__file__).parents[1])
        for threads in ("1", "2")
    ]  # fmt: skip
    assert runs[0].stdout == runs[1].stdout
    here = sorted(model.save(tmp_path).values()), hashlib.sha256(model.predict_quantiles(X).tobytes()).hexdigest()
    assert runs[0].stdout.strip() == f"{here[0]} {here[1]}"


def test_saved_and_loaded_it_is_the_same(model, saved):
    folder, sums = saved
    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()} == sums
    back = ProbabilisticForecaster.load(folder, sums)
    np.testing.assert_array_equal(back.predict_quantiles(X), model.predict_quantiles(X))
    assert back.contributions(X).equals(model.contributions(X))
    assert (back.profile_, back.features_, back.dropped_) == (model.profile_, model.features_, model.dropped_)
    assert back.get_params() == model.get_params()
    assert back.save(folder / "again") == sums
    assert ProbabilisticForecaster.load(folder).get_params() == model.get_params()


def test_every_changed_byte_is_found(model, saved):
    folder, sums = saved
    rng = np.random.default_rng(0)
    for name in sums:
        whole = (folder / name).read_bytes()
        for place in (0, len(whole) - 1, *rng.integers(0, len(whole), 8)):
            changed = bytearray(whole)
            changed[place] ^= 1 << int(rng.integers(0, 8))
            (folder / name).write_bytes(changed)
            with pytest.raises(ModelIntegrityError, match=f"{name} of the stored model is not as it was saved"):
                ProbabilisticForecaster.load(folder, sums)
        (folder / name).write_bytes(whole[:-1])
        with pytest.raises(ModelIntegrityError, match=name):
            ProbabilisticForecaster.load(folder, sums)
        (folder / name).unlink()
        with pytest.raises(ModelIntegrityError, match=f"{name} of the stored model cannot be read"):
            ProbabilisticForecaster.load(folder, sums)
        (folder / name).write_bytes(whole)
    with pytest.raises(ModelIntegrityError):
        ProbabilisticForecaster.load(folder, {})  # a file that nobody vouches for
    ProbabilisticForecaster.load(folder, sums)


def rewritten(folder: Path, change) -> None:
    text = json.loads((folder / "forecaster.json").read_text())
    change(text)
    (folder / "forecaster.json").write_text(json.dumps(text))


FORGERIES = {
    "an unknown kind": (lambda t: t["members"][0].update(kind="Popen"), "no kind of model"),
    "a kind from another module": (
        lambda t: t["members"][0].update(kind="ProbabilisticForecaster"),
        "no kind of model",
    ),
    "another format": (lambda t: t.update(format=99), "format 99"),
    "a file outside": (
        lambda t: t["members"][3]["files"].update({"trees.ubj": "../../etc/passwd"}),
        "cannot be read",
    ),
    "no members": (lambda t: t.pop("members"), "cannot be understood"),
    "numbers that are none": (
        lambda t: t["members"][0]["state"]["lines"].update(constant="many"),
        "cannot be understood",
    ),
    "a recipe that is none": (lambda t: t["members"][0]["state"].update(recipe={"x": 1}), "cannot be understood"),
    "an unknown target": (lambda t: t["target"].update(horizon=0), "cannot be understood"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_text_is_refused(saved, name):
    folder, _ = saved
    change, says = FORGERIES[name]
    rewritten(folder, change)
    with pytest.raises(ModelIntegrityError, match=says):
        ProbabilisticForecaster.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}"])
def test_a_text_that_is_none_is_refused(saved, content):
    folder, _ = saved
    (folder / "forecaster.json").write_bytes(content)
    with pytest.raises(ModelIntegrityError):
        ProbabilisticForecaster.load(folder)


@pytest.mark.parametrize("content", [b"no trees", b""])
@pytest.mark.parametrize("name", ["member2-forest.npz", "member3-trees.ubj"])
def test_trees_that_are_none_are_refused(saved, name, content):
    folder, _ = saved
    (folder / name).write_bytes(content)
    with pytest.raises(ModelIntegrityError, match="cannot be understood"):
        ProbabilisticForecaster.load(folder)


def test_other_features_are_refused(model):
    with pytest.raises(FeatureDimensionError, match="without vrp"):
        model.predict_quantiles(X.drop(columns="vrp"))
    with pytest.raises(FeatureDimensionError, match="with unknown moon"):
        model.contributions(X.assign(moon=1.0))
    with pytest.raises(FeatureDimensionError, match="another order"):
        model.predict_quantiles(X[X.columns[::-1]])


def test_contributions_account_for_the_median(model):
    for i in (100, 899):
        parts = model.contributions(X.iloc[: i + 1])
        assert parts.index[0] == "base" and parts.index.is_unique and set(parts.index) <= {"base", *X.columns}
        assert parts.sum() == pytest.approx(model.predict_quantiles(X.iloc[: i + 1], last=1)[0, 11], abs=1e-12)
    mute = ProbabilisticForecaster(members=[Climatology()]).fit(X, LEARN)
    assert mute.contributions(X).to_dict() == {"base": mute.predict_quantiles(X, last=1)[0, 11]}


@pytest.mark.parametrize("horizon", [1, 21, pytest.param(10, marks=pytest.mark.slow("test_every_horizon"))])
def test_every_horizon(horizon, tmp_path):
    "The simulation walks as many sessions as the target asks for, and ranges grow with them."
    y = NYSE.outcomes(MARKET.close("VIX"), horizon).iloc[:700].dropna()
    fitted = ProbabilisticForecaster(Target("VIX", horizon=horizon), rounds=10).fit(X, y)
    assert [m.horizon for m in fitted.members_ if hasattr(m, "horizon")] == [horizon]
    q = fitted.predict_quantiles(X)
    inside = (y.to_numpy() > q[: len(y), 3]) & (y.to_numpy() < q[: len(y), 19])
    assert inside.mean() == pytest.approx(0.8, abs=0.08)
    back = ProbabilisticForecaster.load(tmp_path, fitted.save(tmp_path))
    np.testing.assert_array_equal(back.predict_quantiles(X), q)
    np.testing.assert_array_equal(back.predict_quantiles(X.iloc[:850], last=1), q[[849]])


def test_closes_only():
    "Without high and low the range is dropped, on record and in the profile, and the rest works."
    bare = X.assign(vix_range_5=np.nan)
    fitted = ProbabilisticForecaster(rounds=5).fit(bare, LEARN)
    assert fitted.dropped_ == ("vix_range_5",)
    assert fitted.profile_["absent"] == ["vix_range_5"]
    assert np.isfinite(fitted.predict_quantiles(bare)).all()


def test_a_target_brings_its_recipe(tmp_path):
    from forecastkit.features.stock import stock_features

    own = FeatureEngine(stock_features("SPX"), symbol="SPX").build_features(MARKET)
    y = NYSE.outcomes(MARKET.close("SPX"), 1).iloc[:700].dropna()
    fitted = ProbabilisticForecaster(Target("SPX", "log_return", 1), rounds=10).fit(own, y)
    recipes = [m.recipe for m in fitted.members_[:-1]]
    assert recipes == [STOCK_RECIPE] * 5 + [None, None] and fitted.recipe is None and fitted.tail_share_ == 0
    assert fitted.dropped_ == ()
    q = fitted.predict_quantiles(own)
    width = q[:, 19] - q[:, 3]
    assert np.corrcoef(width[300:], own["own_vol_22"].to_numpy()[300:])[0, 1] > 0.5
    back = ProbabilisticForecaster.load(tmp_path, fitted.save(tmp_path))
    np.testing.assert_array_equal(back.predict_quantiles(own), q)


def test_a_pool_with_rows_enough_weighs_all_kinds_alike_and_climatology_not_at_all():
    members = default_members(VOLATILITY_RECIPE, 5, 10, 42)
    assert default_weights(members, 2520) == default_weights(members, 9000) == [1 / 7] * 7 + [0.0]
    short = default_weights(members, 500)
    assert sum(short) == pytest.approx(1) and short[7] > short[0] and short[4] > 4 * short[3]


def test_a_model_of_four_members_from_before_still_says_the_same(tmp_path):
    "Format 1 knew neither weights nor a share of climatology, nor a half-life in its recipes."
    four = [LinearQuantile(), GARCHHAR(), QuantileForest(), BoostedResidual(rounds=5)]
    pool = ProbabilisticForecaster(members=four).fit(X, LEARN)
    pool.save(tmp_path)

    def age(text):
        text.update(format=1, default=True)
        del text["weights"], text["tail_share"]
        for member in text["members"]:
            del member["state"]["recipe"]["tail_half_life"]

    rewritten(tmp_path, age)
    old = ProbabilisticForecaster.load(tmp_path)
    np.testing.assert_array_equal(old.predict_quantiles(X), pool.predict_quantiles(X))
    assert old.contributions(X).equals(pool.contributions(X)) and old.members is None


@pytest.mark.parametrize("member", [QuantileForest(None), BoostedResidual(None, rounds=10)])
def test_trees_on_the_log_change_itself(member):
    fitted = clone(member).fit(X, LEARN)
    q = fitted.predict_quantiles(X)
    assert fitted.dropped_ == () and fitted.get_params()["recipe"] is None
    back = type(member).from_state(*fitted.to_state())
    np.testing.assert_array_equal(back.predict_quantiles(X), q)
    assert fitted.contributions(X).sum() == pytest.approx(q[-1, 11], abs=1e-12)
    if isinstance(member, QuantileForest):  # an outcome of the past, not a multiple of one
        assert np.isin(q[:, 11], LEARN.to_numpy()).mean() > 0.9


class Bare:
    "A model that knows nothing of scikit-learn."

    def fit(self, X, y):
        self.q = np.quantile(y, PROBS)
        return self

    def predict_quantiles(self, X, last=None):
        return np.tile(self.q, (len(X) if last is None else last, 1))


def test_a_model_of_ones_own():
    mine = Bare()
    pool = ProbabilisticForecaster(members=[mine, HARLocationScale()]).fit(X, LEARN)
    assert not hasattr(mine, "q")  # what was handed in stays unfitted
    assert pool.predict_quantiles(X, last=4).shape == (4, 23)
    assert len(clone(pool).fit(X, LEARN).members_) == 2


class Mine(Climatology):
    "A kind of one's own that can be stored."


def test_a_kind_of_ones_own_is_loaded_only_if_the_caller_says_so(tmp_path):
    pool = ProbabilisticForecaster(members=[Mine(300)]).fit(X, LEARN)
    sums = pool.save(tmp_path)
    with pytest.raises(ModelIntegrityError, match="'Mine' is no kind"):
        ProbabilisticForecaster.load(tmp_path, sums)
    back = ProbabilisticForecaster.load(tmp_path, sums, kinds=(*MODEL_KINDS, Mine))
    np.testing.assert_array_equal(back.predict_quantiles(X), pool.predict_quantiles(X))
    assert type(back.members[0]) is Mine


@pytest.mark.filterwarnings("ignore::forecastkit.core.errors.DataWarning")  # meetings are known from 2000 on
@pytest.mark.parametrize(
    "every",
    [1512, pytest.param(504, marks=pytest.mark.slow("test_the_real_vix"))],  # three models in fourteen years, and seven
)
def test_the_real_vix(shared_data, every):
    "On a dozen features, refitted at times: skill against climatology, and calibrated ranges in every regime."
    from forecastkit.data.sources import load_market
    from forecastkit.evaluation import RefitSchedule, walk_forward
    from forecastkit.metrics import coverage, crps, interval, skill
    from forecastkit.models.baselines import climatology_quantiles
    from forecastkit.models.calibration import calibrate

    market = load_market(f"folder:{shared_data}/cboe, sample", symbols={"VIX", "SPX"})
    X, y = FeatureEngine(DECLARED).build_features(market), NYSE.outcomes(market.close("VIX"), 5)
    raw = walk_forward(
        X,
        y,
        lambda: ProbabilisticForecaster(Target("VIX")),
        RefitSchedule(NYSE, 5, every=every),
        first="2005-01-03",
    )
    at, truth = NYSE.positions(raw.origins), y[raw.origins].to_numpy()
    regime = vix_regime(X.loc[raw.origins, "vix"].to_numpy())
    made = calibrate(raw.quantiles, truth, regime, np.searchsorted(at, at + 5), start=0).quantiles
    ok, change = np.isfinite(truth), Target("VIX").from_log
    base = crps(change(truth[ok]), change(climatology_quantiles(y, raw.origins, 5, calendar=NYSE)[ok]))
    gain = skill(crps(change(truth[ok]), change(made[ok])), base)
    assert gain.value > 0.045 and gain.t > 4
    inside = coverage(truth, *interval(made, 0.8)).astype(bool)
    assert inside[ok].mean() == pytest.approx(0.8, abs=0.02)
    for k in range(4):
        assert inside[ok & (regime == k)].mean() == pytest.approx(0.8, abs=0.05)
