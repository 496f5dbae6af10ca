"Serving follows the promotions on record: nothing on record changes no bit, a champion of another line and a pinned version answer from their session on."

import json
import shutil

import numpy as np
import pytest

from forecastkit.core import ModelIntegrityError, ModelNotFoundError, Target, load_settings
from forecastkit.data import MarketData, synthetic_market
from forecastkit.ops import Line, ModelLoader, line_target, pin, promote, rollback, served_on
from forecastkit.pipeline import IntegratedSystem, TrainingJob, UniverseSystem
from forecastkit.pipeline.recomputation import recompute_forecasts

ADA = {"who": "Ada", "why": "a try"}
DEEP = Line("deep", {"model.rounds": 9})
NAMES = ("AAA", "BBB", "CCC")


def settings_at(home, **more):
    given = {
        "data.home": str(home),
        "model.rounds": 4,
        "run.n_jobs": 1,
        "run.progress": False,
        "forecast.symbol": "AAA",
        "forecast.kind": "log_return",
        "model.walk_start": "2016-01-04",
    }
    return load_settings(environ={}, overrides=given | {name.replace("__", "."): value for name, value in more.items()})


@pytest.fixture(scope="module")
def market() -> MarketData:
    return synthetic_market(seed=3, sessions=560, start="2014-01-02", stocks=NAMES).market


@pytest.fixture(scope="module")
def before(market, tmp_path_factory):
    "A home with forecasts of the last sessions, and nothing on record."
    system = IntegratedSystem(settings=settings_at(tmp_path_factory.mktemp("home")), market=market)
    days = market.close("AAA").index
    system.generate_forecast_batch(days[-12], days[-7])
    return system


def bits(forecast) -> dict:
    return {name: value for name, value in json.loads(forecast.to_json()).items() if name != "made_at"}


def test_a_champion_serves_from_its_session_on_and_a_rollback_ends_it(before, market, tmp_path):
    days, target = market.close("AAA").index, line_target(Target("AAA", "log_return"))
    old = before.generate_forecast(days[-7])
    row = promote(before.registry, target, DEEP, **ADA)
    assert row.effective == days[-6].date()
    system = IntegratedSystem(settings=before.settings, market=market)
    assert system.generate_forecast(days[-7]).to_json() == old.to_json()  # id, bits, model and moment
    batch = system.generate_forecast_batch(days[-9], days[-5])
    other = IntegratedSystem(settings=settings_at(tmp_path, model__rounds=9), market=market)
    assert [bits(one) for one in batch[3:]] == [bits(one) for one in other.generate_forecast_batch(days[-6], days[-5])]
    assert bits(batch[2]) == bits(old) and batch.stored == 2
    assert rollback(system.registry, target, **ADA).effective == days[-4].date()
    alone = IntegratedSystem(settings=settings_at(tmp_path / "alone"), market=market)
    assert bits(system.generate_forecast(days[-4])) == bits(alone.generate_forecast(days[-4]))
    lines = [served_on(system.registry, day, target)["line"].tolist() for day in days[-8:-3]]
    assert lines == [["house-pool"], ["house-pool"], ["deep"], ["deep"], ["house-pool"]]
    loader = ModelLoader(system.registry.folder, system.database)  # what the line that was rolled back trained is newer
    serving = served_on(system.registry, days[-4], target)["version"][0]
    assert next(loader.records("AAA", what="forecaster")).version == batch[-1].model_version != serving
    assert loader.info("AAA", what="forecaster")["version"] == serving
    rows = loader.table("AAA", "forecaster")
    assert [(row["version"], row["lines"]) for row in rows if row["stage"] == "champion"] == [(serving, ["house-pool"])]
    assert "house-pool" in loader.info("AAA", what=None)["lines"] and system.database.verify() == []
    checked = recompute_forecasts(IntegratedSystem(settings=before.settings, market=market), seed=1)
    assert checked.sampled == checked.stored == 9 and checked.differing == ()


def test_a_line_promoted_after_a_training_is_what_train_forecast_and_info_agree_on(market, tmp_path):
    settings, target = settings_at(tmp_path), line_target(Target("AAA", "log_return"))
    days = market.close("AAA").index
    first = TrainingJob(None, settings, market=market).run(days[-30])
    system = IntegratedSystem(settings=settings, market=market)
    assert promote(system.registry, target, DEEP, **ADA).effective <= days[-30].date()
    again = TrainingJob(None, settings, market=market).run(days[-30])
    assert again.version != first.version and not again.kept and [run.line for run in again.runs] == ["deep"]
    assert TrainingJob(None, settings, market=market).run(days[-30]).kept[0].run == again.runs[0].run
    assert system.generate_forecast(days[-30]).model_version == again.version
    loader = ModelLoader(system.registry.folder, system.database)
    assert loader.info("AAA", what="forecaster")["version"] == again.version
    assert loader.info("AAA", what=None)["lines"] == ["deep"]
    pin(system.registry, target, again.version, effective=days[-20], **ADA)
    assert TrainingJob(None, settings, market=market).run(days[-15]).version == again.version


def test_a_pinned_version_answers_against_the_grid_and_is_never_trained_in_its_place(market, tmp_path):
    settings = settings_at(tmp_path, model__refit_every=42)
    system, days = IntegratedSystem(settings=settings, market=market), market.close("AAA").index
    target = line_target(system.target)
    first = system.generate_forecast(days[-44])
    again = system.generate_forecast(days[-2])
    assert first.model_version != again.model_version
    row = pin(system.registry, target, first.model_version, **ADA)
    pinned = IntegratedSystem(settings=settings, market=market).generate_forecast(days[-1])
    free = IntegratedSystem(
        settings=settings_at(tmp_path / "free", model__refit_every=42), market=market
    ).generate_forecast(days[-1])
    assert row.effective == days[-1].date() and pinned.model_version == first.model_version
    assert pinned.metadata["trained_at"] == first.metadata["trained_at"] and free.model_version == again.model_version
    assert not np.array_equal(pinned.values, free.values) and pinned.prediction_id != free.prediction_id
    told = served_on(system.registry, days[-1], target)
    assert told[["version", "pinned"]].to_numpy().tolist() == [[first.model_version, first.model_version]]
    folder = system.registry.folder / first.model_version
    file = next(path for path in sorted(folder.rglob("*")) if path.is_file())
    held = file.read_bytes()
    file.write_bytes(held + b" ")
    with pytest.raises(ModelIntegrityError, match="was changed"):
        IntegratedSystem(settings=settings, market=market).generate_forecast(days[-1])
    file.write_bytes(held)
    shutil.move(folder, tmp_path / "aside")
    with pytest.raises(ModelNotFoundError):
        IntegratedSystem(settings=settings, market=market).generate_forecast(days[-1])
    assert not folder.exists()
    rollback(system.registry, target, effective=None, **ADA)


def test_a_universe_serves_a_symbol_with_a_line_of_its_own_by_that_line(market, tmp_path):
    settings = settings_at(tmp_path)
    plain = UniverseSystem(NAMES, settings, market).forecast(store=False)
    system, day = UniverseSystem(NAMES, settings, market), market.close("AAA").index[-1]
    promote(system.registry, line_target(Target("BBB", "log_return")), DEEP, effective=day, **ADA)
    made = system.forecast()
    assert made.skipped == {} and made.stored == 3
    assert [bits(made[name]) for name in ("AAA", "CCC")] == [bits(plain[name]) for name in ("AAA", "CCC")]
    own = IntegratedSystem(
        settings=settings_at(tmp_path / "own", forecast__symbol="BBB", model__rounds=9), market=market
    )
    assert bits(made["BBB"]) == bits(own.generate_forecast(day))
    table = served_on(system.registry, day).set_index("symbol")
    assert table["line"].to_dict() == {"AAA": "house-panel", "BBB": "deep", "CCC": "house-panel"}
