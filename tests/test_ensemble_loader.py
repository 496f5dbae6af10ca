"Stored models are found by the record, told about without being loaded, and refused when they say other numbers than they did."

from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from forecastkit.calendars import get_calendar
from forecastkit.core import FeatureDimensionError, ModelIntegrityError, ModelNotFoundError, Target, load_settings
from forecastkit.data import synthetic_market
from forecastkit.features import FeatureEngine
from forecastkit.ledger import PredictionDatabase
from forecastkit.models import (
    Climatology,
    DirectionEnsemble,
    HARLocationScale,
    PanelForecaster,
    ProbabilisticForecaster,
    persistence,
)
from forecastkit.ops import (
    Line,
    LineTarget,
    ModelLoader,
    ModelRegistry,
    load_panel,
    pin,
    promote,
    record_lines,
    rollback,
)
from forecastkit.ops.ensemble_loader import load_ensemble
from forecastkit.ops.training_runs import begin_runs, end_run
from forecastkit.pipeline import EnsembleLoader, get_production_ensemble_with_trained_weights

DAYS = pd.bdate_range("2015-01-05", periods=300, name="session")


@pytest.fixture(scope="module")
def trained() -> DirectionEnsemble:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((300, 3)), DAYS, ["a", "b", "c"])
    return DirectionEnsemble({"one": LogisticRegression(), "two": LogisticRegression(C=0.1)}, horizon=1).fit(
        X, (rng.random(300) > 0.5).astype(int)
    )


@pytest.fixture
def loader(tmp_path):
    with closing(PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db")) as database:
        yield ModelLoader(tmp_path / "models", database)


def keep(loader: ModelLoader, model: object, version: str, origin: str, *symbols: str) -> Path:
    target = Target("DIRECTION" if isinstance(model, DirectionEnsemble) else "PANEL" if symbols else "VIX")
    return ModelRegistry(loader.folder, loader.database).save(
        version, model, target=target, origin=origin, symbols=symbols
    )


def test_the_newest_is_that_of_the_record_whatever_its_name(loader, trained):
    keep(loader, trained, "aaa", "2018-05-01", "AAPL", "MSFT")
    keep(loader, trained, "zzz", "2017-05-01", "AAPL", "MSFT")
    keep(loader, trained, "mmm", "2018-05-01", "MSFT")  # of the same session, stored later
    assert loader.available() == {"AAPL_d1": ["aaa", "zzz"], "MSFT_d1": ["mmm", "aaa", "zzz"]}
    assert [loader.info(symbol)["version"] for symbol in ("AAPL", "MSFT")] == ["aaa", "mmm"]
    assert loader.ensemble("MSFT").training_stats["version"] == "mmm"
    assert [row["version"] for row in loader.table("AAPL")] == ["aaa", "zzz"]


def test_a_pinned_version_is_the_one_that_is_loaded_told_and_listed(loader, trained):
    for version, origin in (("aaa", "2017-05-01"), ("bbb", "2018-05-01")):
        keep(loader, trained, version, origin, "AAPL", "MSFT")
    registry = ModelRegistry(loader.folder, loader.database, load_ensemble)
    shared = LineTarget("DIRECTION_d1", Target("DIRECTION").kind, Target("DIRECTION").horizon)
    said = {"who": "me", "why": "odd", "effective": "2018-06-01"}

    def stages() -> dict[str, str]:
        return {row["version"]: row["stage"] for row in loader.table("AAPL")}

    assert stages() == {"bbb": "champion", "aaa": "retired"}
    pin(registry, shared, "aaa", **said)
    assert loader.info("AAPL")["version"] == "aaa" and stages() == {"bbb": "retired", "aaa": "champion"}
    assert loader.ensemble("MSFT").training_stats["version"] == "aaa"
    rollback(registry, shared, **said)
    assert loader.info("AAPL")["version"] == "bbb" and stages() == {"bbb": "champion", "aaa": "retired"}


def test_a_symbol_with_a_pin_of_its_own_is_not_answered_by_a_version_of_many(loader, forecaster, panel):
    keep(loader, forecaster[0], "own", "2017-05-01")
    ModelRegistry(loader.folder, loader.database).save(
        "many", panel[0], target=Target("PANEL", Target("VIX").kind), origin="2018-05-01", symbols=("VIX", "AAPL")
    )
    assert loader.info("VIX", what=None)["version"] == "many"
    target = LineTarget("VIX_d1", Target("VIX").kind, Target("VIX").horizon)
    pin(ModelRegistry(loader.folder, loader.database), target, "own", who="me", why="odd", effective="2018-06-01")
    assert loader.info("VIX", what=None)["version"] == "own" and loader.info("AAPL", what=None)["version"] == "many"
    stages = {(row["symbol"], row["version"]): row["stage"] for row in loader.table()}
    assert stages == {("VIX", "own"): "champion", ("VIX", "many"): "retired", ("AAPL", "many"): "champion"}


def test_a_model_is_told_about_without_being_loaded(loader, trained, monkeypatch):
    keep(loader, trained, "aaa", "2018-05-01", "AAPL")
    monkeypatch.setattr(DirectionEnsemble, "load", lambda *args: pytest.fail("it was loaded"))
    monkeypatch.setattr("forecastkit.core.files.file_checksum", lambda path: pytest.fail("all files were read"))
    info = loader.info("AAPL")
    assert (info["status"], info["what"], info["timestamp"]) == ("ready", "ensemble", "20180501")
    assert info["weights"] == pytest.approx(trained.weights_.to_dict())
    assert info["ensemble_accuracy"] == trained.scores_.loc[("ensemble", "validation"), "accuracy"]


def test_an_untrained_ensemble_says_what_became_of_the_last_training(loader):
    (run,) = begin_runs(loader.database, [Target("AAPL", "log_return")], "house-panel")
    end_run(loader.database, run.run, "failed", error_message="too few outcomes")
    found = loader.ensemble("AAPL")
    assert not found.is_trained and found.training_stats["last_run"].endswith("failed: too few outcomes")


@pytest.mark.parametrize("how", ["a byte", "a size", "gone"])
def test_a_damaged_text_is_told_and_not_believed(loader, trained, how):
    file = keep(loader, trained, "aaa", "2018-05-01", "AAPL") / "direction.json"
    text = file.read_text()
    file.write_text(text.replace("1", "2", 1) if how == "a byte" else text + " ")
    if how == "gone":
        file.unlink()
    info = loader.info("AAPL")
    assert (info["status"], info["weights"], info["ensemble_accuracy"]) == ("damaged", {}, None)
    with pytest.raises(ModelIntegrityError):
        loader.ensemble("AAPL")


def test_a_lost_file_beside_the_text_and_a_changed_byte_are_told(loader, forecaster):
    folder = keep(loader, forecaster[0], "aaa", "2018-05-01")
    one = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "forecaster.json")[0]
    held = one.read_bytes()
    one.write_bytes(bytes([held[0] ^ 1]) + held[1:])  # of the same size: found where all is read
    assert loader.info("VIX", what="forecaster", whole=True)["status"] == "damaged"
    one.unlink()
    assert loader.info("VIX", what="forecaster")["status"] == loader.table("VIX")[0]["status"] == "damaged"


def test_a_champion_without_a_version_leaves_the_one_before_in_force(loader, forecaster):
    keep(loader, forecaster[0], "aaa", "2018-05-01")
    registry, target = ModelRegistry(loader.folder, loader.database), LineTarget("VIX_d1", Target("VIX").kind, 5)
    promote(registry, target, Line("deep", {"model.rounds": 9}), who="me", why="a try", effective="2018-06-01")
    info = loader.info("VIX", what=None)
    assert (info["version"], info["awaited"]) == ("aaa", ["deep from 2018-06-01 on"])
    assert [row["stage"] for row in loader.table("VIX")] == ["champion"]
    record_lines(loader.database, ["bbb"], "deep")
    keep(loader, forecaster[0], "bbb", "2018-06-01")
    info = loader.info("VIX", what=None)
    assert info["version"] == "bbb" and "awaited" not in info
    assert [row["stage"] for row in loader.table("VIX")] == ["champion", "retired"]


def test_what_weighs_nothing_is_told_last(loader, trained, tmp_path):
    class Combiner:
        def save(self, folder):
            (folder / "combiner.json").write_text("{}")

    keep(loader, Combiner(), "ccc", "2018-05-01", "VIX")
    assert loader.info("VIX", what=None)["what"] == "combiner"
    keep(loader, trained, "aaa", "2018-04-02", "VIX")
    assert loader.info("VIX", what=None)["what"] == "ensemble"


def test_a_frame_with_other_columns_is_refused_by_their_names(loader, trained):
    keep(loader, trained, "aaa", "2018-05-01", "AAPL")
    found, frame = loader.ensemble("AAPL"), pd.DataFrame(np.zeros((3, 3)), columns=["c", "a", "b"])
    assert found.predict(frame) == found.predict(frame[["a", "b", "c"]])  # the order is nobody's business
    with pytest.raises(FeatureDimensionError, match="without b; with unknown beta, d"):
        found.predict(frame.rename(columns={"b": "beta"}).assign(d=0.0))
    with pytest.raises(FeatureDimensionError, match="without a row"):
        found.predict(frame.iloc[:0])


def test_where_there_is_no_ensemble_the_command_that_trains_one_is_told(tmp_path, trained):
    settings = load_settings(environ={}, overrides={"data.home": str(tmp_path / "home")})
    found = get_production_ensemble_with_trained_weights("aapl", "d1", settings)
    assert not found.is_trained and found.models == {} and found.ensemble_manager.ensemble.weights == {}
    with pytest.raises(ModelNotFoundError, match="AAPL_d1 is stored: train it with `forecastkit train --symbol AAPL`"):
        found.predict(pd.DataFrame({"close": [1.0]}))
    assert not (tmp_path / "home").exists()  # a question makes nothing
    with closing(PredictionDatabase(settings.database_url())) as database:
        keep(ModelLoader(settings.home.models, database), trained, "aaa", "2018-05-01", "AAPL")
    assert EnsembleLoader.list_available_models(settings) == {"AAPL_d1": ["aaa"]}
    assert EnsembleLoader.load_latest_model("AAPL", "h1", settings) is None


# ---------------------------------------------------------------- the sample of predictions


@pytest.fixture(scope="module")
def forecaster() -> tuple[ProbabilisticForecaster, pd.DataFrame]:
    market = synthetic_market(seed=7, sessions=700).market
    X = FeatureEngine(symbol="VIX").build_features(market)
    y = get_calendar("XNYS").outcomes(market.close("VIX"), horizon=5).dropna()
    return ProbabilisticForecaster(members=[HARLocationScale(), Climatology()]).fit(X, y), X


@pytest.fixture(scope="module")
def panel() -> tuple[PanelForecaster, pd.DataFrame]:
    rng = np.random.default_rng(1)
    rows = pd.MultiIndex.from_product([DAYS, ["AAA", "BBB"]], names=["session", "symbol"])
    X = pd.DataFrame(np.exp(rng.standard_normal((600, 3))), rows, ["vol_252", "vol_ewma94", "range_vol_5"])
    return PanelForecaster(rounds=3).fit(X, pd.Series(0.01 * rng.standard_normal(600), rows)), X


def test_a_forecaster_comes_back_with_its_sample_and_the_same_bits(loader, forecaster):
    model, X = forecaster
    folder = keep(loader, model, "aaa", "2018-05-01")
    again = ModelRegistry(loader.folder, loader.database).load("aaa")
    assert (folder / persistence.SAMPLE_FILE).is_file()
    assert np.array_equal(again.predict_quantiles(X), model.predict_quantiles(X))
    assert again.save(folder.parent / "copy") == model.save(folder.parent / "other")
    assert loader.info("VIX", what="forecaster")["weights"] == {"HARLocationScale": 0.5, "Climatology": 0.5}


def test_a_panel_comes_back_with_its_sample_and_the_same_bits(loader, panel):
    model, X = panel
    keep(loader, model, "aaa", "2018-05-01", "AAA", "BBB")
    again = ModelRegistry(loader.folder, loader.database, load_panel).load("aaa")
    assert np.array_equal(again.predict_quantiles(X), model.predict_quantiles(X))
    assert loader.available(what="panel") == {"AAA_d1": ["aaa"], "BBB_d1": ["aaa"]}


@pytest.mark.parametrize("kind", ["forecaster", "panel"])
def test_a_model_that_says_other_numbers_than_it_did_is_refused(kind, request, tmp_path, monkeypatch):
    model, _ = request.getfixturevalue(kind)
    sums = model.save(tmp_path)
    told = type(model).predict_quantiles
    monkeypatch.setattr(type(model), "predict_quantiles", lambda self, X, last=None: told(self, X, last) + 1e-6)
    with pytest.raises(ModelIntegrityError, match="other numbers for its sample"):
        type(model).load(tmp_path, sums)


@pytest.mark.parametrize("kind", ["forecaster", "panel"])
def test_a_model_from_before_has_no_sample_and_is_loaded(kind, request, tmp_path):
    model, X = request.getfixturevalue(kind)
    sums = model.save(tmp_path)
    (tmp_path / persistence.SAMPLE_FILE).unlink()
    del sums[persistence.SAMPLE_FILE]
    for given in (sums, None):
        again = type(model).load(tmp_path, given)
        assert np.array_equal(again.predict_quantiles(X), model.predict_quantiles(X))
        assert persistence.SAMPLE_FILE not in again.save(tmp_path / "again")


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1.0]}, pd.DatetimeIndex(["2018-01-02"], tz="UTC")),
        pd.DataFrame({"a": [1.0]}, pd.Index([object()], dtype=object)),
        pd.DataFrame({0: [1.0]}),
        pd.DataFrame(),
    ],
)
def test_a_table_that_arrays_cannot_hold_gives_no_sample(table):
    assert persistence.pack_sample(table, lambda X: np.zeros(1)) == {}
