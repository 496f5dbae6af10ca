"The direction that a forecast carries: what it may not change, may not know, and says when a signal is missing."

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from proofs import mostly_slow

from forecastkit.core import load_settings
from forecastkit.data import synthetic_market
from forecastkit.ledger import PredictionDatabase
from forecastkit.ops import ModelRegistry, load_panel
from forecastkit.pipeline import (
    DirectionSystem,
    PreparedPanel,
    Universe,
    build_panel_forecast,
    directions_of,
    prepare_panel,
    with_directions,
)
from forecastkit.pipeline.direction_inputs import (
    DirectionCombiner,
    DirectionInputs,
    direction_registry,
    panel_direction_inputs,
)
from forecastkit.pipeline.directions import direction_difference

NOW = datetime(2017, 3, 6, 21, tzinfo=UTC)
QUICK = load_settings(
    overrides={
        "model.rounds": 5,
        "model.refit_every": 126,
        "run.n_jobs": 1,
        "run.progress": False,
        "direction.calibrate": True,
    }
)
MARKET = synthetic_market(seed=3, sessions=1300, start="2012-01-03", stocks=("AAA", "BBB", "CCC")).market


@pytest.fixture(scope="module")
def panel() -> PreparedPanel:
    return prepare_panel(MARKET, Universe(("AAA", "BBB", "CCC")), QUICK, MARKET.last_session())


@pytest.fixture(scope="module")
def system(panel: PreparedPanel) -> DirectionSystem:
    return DirectionSystem(panel_direction_inputs(panel))


def differs(early: pd.DataFrame, whole: pd.DataFrame) -> bool:
    "Whether what was told by a session is told otherwise when more is known."
    return not early.equals(whole.loc[early.index])


def test_a_direction_changes_neither_quantiles_nor_id(panel: PreparedPanel) -> None:
    plain = build_panel_forecast(panel, panel.last, "BBB", NOW)
    (told,) = with_directions(panel, [plain])
    assert told.values == plain.values and told.prediction_id == plain.prediction_id
    direction = told.metadata["direction"]
    assert set(direction) == {
        "label",
        "confidence",
        "base_rate",
        "chance",
        "agreement",
        "probabilities",
        "reasons",
        "weights",
        "version",
        "state",
    }
    silent = [reason for reason in direction["reasons"] if "is missing: its weight" in reason]
    assert len(direction["reasons"]) == 3 + len(silent) and any("pre_breakout" in reason for reason in silent)
    assert abs(sum(direction["probabilities"].values()) - 1) < 1e-12


def test_an_edited_direction_is_found(panel: PreparedPanel, system: DirectionSystem) -> None:
    told = system.direction(build_panel_forecast(panel, panel.last, "AAA", NOW))
    assert (
        direction_difference(told, directions_of(panel).direction(build_panel_forecast(panel, panel.last, "AAA", NOW)))
        == ""
    )
    for edit in (
        {"label": "bullish"},
        {"chance": told["chance"] + 1e-4},
        {"reasons": ["all is well"]},
        {"confidence": 0.9},
    ):
        assert direction_difference(told | edit, told)


@pytest.fixture
def every_calibrator(monkeypatch: pytest.MonkeyPatch) -> None:
    "Calibrators and their states are taken however few outcomes support them, so that there is something to audit."
    monkeypatch.setattr("forecastkit.models.confidence_calibrator.SUPPORT", -np.inf)
    monkeypatch.setattr("forecastkit.models.confidence_calibrator.LEAST_APART", 10)


@pytest.fixture(scope="module")
def early(panel: PreparedPanel) -> PreparedPanel:
    "The same panel, prepared when the last 120 sessions were not known."
    return prepare_panel(MARKET, panel.universe, QUICK, panel.sessions[-120])


def later(self: DirectionSystem, rows: np.ndarray) -> np.ndarray:
    "Outcomes of a year later, as far as the data reach: more than could be known."
    known = np.flatnonzero(np.isfinite(self.inputs.outcomes))
    return (self.inputs.outcomes[np.minimum(rows + 3 * 252, known[-1])] > 0).astype(float)


@pytest.mark.usefixtures("every_calibrator")
@pytest.mark.parametrize("leak", mostly_slow(["none", "_learn_calibrator", "_learn_meta"]))
def test_what_the_audit_compares_shows_a_leak_in_meta_learner_and_calibrator(
    panel: PreparedPanel, early: PreparedPanel, leak: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if leak != "none":
        learn = getattr(DirectionSystem, leak)

        def leaking(self: DirectionSystem, *given: object) -> object:
            with pytest.MonkeyPatch.context() as inside:
                inside.setattr(DirectionSystem, "_rises", later)
                return learn(self, *given)

        monkeypatch.setattr(DirectionSystem, leak, leaking)
    tables = [DirectionSystem(panel_direction_inputs(known)).history() for known in (early, panel)]
    assert differs(*tables) == (leak != "none")


@pytest.mark.usefixtures("every_calibrator")
def test_a_calibrator_is_stored_with_its_combiner_and_its_move_is_a_reason(panel: PreparedPanel, tmp_path) -> None:
    system = DirectionSystem(panel_direction_inputs(panel))
    grid = system.grid(panel.last)
    assert grid is not None
    combiner = system.combiner(grid)
    assert combiner.calibrator is not None
    again = DirectionCombiner.load(tmp_path, combiner.save(tmp_path))
    told = {"probability": 0.6, "base_rate": 0.55, "reasoning": [], "agreement": 1.0, "weights": {}, "missing": []}
    for state in ("bull_low", "bear_crisis", None):
        assert again.calibrated(told, state) == combiner.calibrated(told, state)
    said = system.combined(panel.last, "AAA")
    assert said is not None
    moved = sum(one["contribution"] for one in said["reasoning"])
    assert moved == pytest.approx(said["probability"] - said["base_rate"], abs=1e-9)


def test_without_support_a_calibrator_changes_nothing(panel: PreparedPanel, system: DirectionSystem) -> None:
    grid = system.grid(panel.last)
    assert grid is not None and system.combiner(grid).calibrator is None
    told = {"probability": 0.6}
    assert system.combiner(grid).calibrated(told, "bull_low") is told


@pytest.mark.parametrize("leak", mostly_slow(["none", "combiner", "ensemble", "tables"]))
def test_a_planted_leak_is_found_and_none_where_there_is_none(
    panel: PreparedPanel, early: PreparedPanel, leak: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, part = (
        DirectionInputs.known,
        {"ensemble": "_train_ensemble", "tables": "tables", "combiner": "_train_combiner"}.get(leak),
    )
    if part is not None:
        sound = getattr(DirectionSystem, part)

        def leaking(self: DirectionSystem, grid: pd.Timestamp) -> object:
            with pytest.MonkeyPatch.context() as inside:
                inside.setattr(DirectionInputs, "known", lambda own, _: np.flatnonzero(np.isfinite(own.outcomes)))
                return sound(self, grid)

        monkeypatch.setattr(DirectionSystem, part, leaking)
    tables = [DirectionSystem(panel_direction_inputs(known)).history() for known in (early, panel)]
    assert DirectionInputs.known is honest and len(tables[0])
    assert differs(*tables) == (leak != "none")


def test_the_weight_of_a_missing_signal_goes_to_the_others_in_proportion(
    panel: PreparedPanel, system: DirectionSystem
) -> None:
    whole = system.combined(panel.last, "AAA")
    silent = DirectionSystem(panel_direction_inputs(panel))
    silent._held = dict(system._held)
    signals, weights = system.span_weights(system.grid(panel.last))
    silent._spans = {system.grid(panel.last): (signals.assign(distribution=np.nan), weights)}
    told = silent.combined(panel.last, "AAA")
    assert whole is not None and told is not None and "distribution" in told["missing"]
    left = {name: weight for name, weight in whole["weights"].items() if name != "distribution"}
    assert told["weights"] == pytest.approx({name: weight / sum(left.values()) for name, weight in left.items()})
    assert any("distribution is missing" in one["text"] for one in told["reasoning"])


def test_stored_versions_give_the_same_direction(panel: PreparedPanel, tmp_path) -> None:
    database = PredictionDatabase(f"sqlite:///{tmp_path / 'forecasts.db'}")
    registry = ModelRegistry(tmp_path / "models", database, load_panel)
    inputs = panel_direction_inputs(panel)
    trained = DirectionSystem(inputs, direction_registry(registry)).combined(panel.last, "CCC")
    stored = DirectionSystem(replace(inputs), direction_registry(registry))
    stored._train_ensemble = stored._train_combiner = None  # nothing is left to train
    assert stored.combined(panel.last, "CCC") == trained
