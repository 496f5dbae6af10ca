"Contributions stored with a forecast: they sum to it through every door, change nothing of it, and are made again by verify."

import json
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from forecastkit.cli.main import main
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import DataError, DataWarning, load_settings
from forecastkit.data import synthetic_market
from forecastkit.forecasts import Forecast
from forecastkit.ledger.exports import ledger_tables, write_csv, write_parquet
from forecastkit.pipeline import IntegratedSystem, Universe, UniverseSystem, recompute_forecasts, recompute_ledger
from forecastkit.pipeline import explanation as module
from forecastkit.pipeline.explanation import explain_forecasts, explanation_difference, with_explanations

NAMES = ("AAA", "BBB", "CCC", "DDD")
LOW, MIDDLE, HIGH = 3, 11, 19  # .1, .5, .9 among the probabilities


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> Path:
    "A folder of bars: four stocks, the index and the VIX."
    folder = tmp_path_factory.mktemp("bars")
    market = synthetic_market(seed=3, sessions=640, start="2014-01-02", stocks=NAMES).market
    for symbol in (*NAMES, "SPX", "VIX"):
        market.bars(symbol).to_csv(folder / f"{symbol}.csv", index_label="date")
    return folder


def settings_at(home: Path, bars: Path, **more):
    given = {
        "data.home": str(home),
        "data.sources": f"folder:{bars}",
        "model.rounds": 4,
        "model.refit_every": 126,
        "run.n_jobs": 1,
    }
    return load_settings(environ={}, overrides=given | {"run.progress": False} | more)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def system(bars, home) -> IntegratedSystem:
    return IntegratedSystem(settings=settings_at(home, bars))


@pytest.fixture(scope="module")
def stored(system) -> Forecast:
    return system.generate_forecast()


@pytest.fixture(scope="module")
def universe(bars, home) -> UniverseSystem:
    return UniverseSystem(Universe(NAMES, {"AAA": "a"}), settings_at(home, bars))


def assert_sums(told: dict, log_values: np.ndarray) -> None:
    "Both parts add up, and to the forecast."
    said = {"middle": log_values[MIDDLE], "width": np.log(log_values[HIGH] - log_values[LOW])}
    for of, value in said.items():
        part = told[of]
        assert abs(part["value"] - value) <= 1e-6
        assert abs(part["base"] + sum(one["amount"] for one in part["contributions"]) + part["rest"] - value) <= 1e-6
        sizes = [abs(one["amount"]) for one in part["contributions"]]
        assert 1 <= len(sizes) <= 15 and sizes == sorted(sizes, reverse=True)
        assert all(one["family"] != "other" for one in part["contributions"])


def test_the_contributions_sum_to_the_forecast_in_memory_store_export_and_json(system, stored, bars, home, tmp_path, capsys, monkeypatch):  # fmt: skip
    logs = stored.log_values
    assert_sums(stored.metadata["explanation"], logs)
    assert_sums(system.database.get_forecast(stored.prediction_id).metadata["explanation"], logs)
    assert_sums(Forecast.from_json(stored.to_json()).metadata["explanation"], logs)
    assert_sums(stored.to_dict()["explanation"], logs)
    write_csv(ledger_tables(system.database), tmp_path / "ledger.csv")
    write_parquet(ledger_tables(system.database), tmp_path / "ledger.parquet")
    for table in (pd.read_csv(tmp_path / "ledger.csv"), pd.read_parquet(tmp_path / "ledger.parquet")):
        row = table[table["prediction_id"] == stored.prediction_id].iloc[0]
        assert_sums(json.loads(row["explanation"]), logs)
    capsys.readouterr()
    monkeypatch.setenv("FORECASTKIT_MODEL_ROUNDS", "4")
    monkeypatch.setenv("FORECASTKIT_MODEL_REFIT_EVERY", "126")
    with suppress(SystemExit):
        main(["forecast", "--json", "--sources", f"folder:{bars}", "--home", str(home)])
    printed = json.loads(capsys.readouterr().out)
    jsonschema.validate(printed, SCHEMAS["forecast"])
    assert printed["prediction_id"] == stored.prediction_id
    assert_sums(printed["explanation"], logs)


def test_quantiles_and_ids_are_the_same_bits_without_contributions(system, stored, universe, bars, tmp_path):
    plain = IntegratedSystem(settings=settings_at(tmp_path, bars, **{"forecast.explain": 0})).generate_forecast()
    assert "explanation" not in plain.metadata and "explanation" not in plain.to_dict()
    assert (plain.values, plain.prediction_id) == (stored.values, stored.prediction_id)
    read = ("explanation", "risk")  # the risk score reads what moved the forecast
    assert {k: v for k, v in stored.metadata.items() if k not in read} == plain.metadata
    silent = replace(universe.settings, forecast=replace(universe.settings.forecast, explain=0))
    bare = UniverseSystem(universe.universe, silent).forecast(store=False)
    for name, one in universe.forecast(store=False).items():
        assert (one.values, one.prediction_id) == (bare[name].values, bare[name].prediction_id)
        assert "explanation" in one.metadata and "explanation" not in bare[name].metadata


def test_the_contributions_of_a_panel_sum_to_its_forecasts(universe):
    made = universe.forecast()
    assert made.stored == len(NAMES)
    for name, one in made.items():
        assert_sums(one.metadata["explanation"], one.log_values)
        assert_sums(universe.database.get_forecast(one.prediction_id).metadata["explanation"], one.log_values)
        (alone,) = universe.forecast(symbols=[name], store=False).values()
        assert alone.metadata["explanation"] == one.metadata["explanation"], name


def test_rows_of_a_panel_are_explained_in_any_order_and_a_row_that_is_none_says_why(universe):
    prepared = universe.prepared(universe.origin())
    rows = prepared.origins[[-1, -5, -20, -40]]
    found = explain_forecasts(prepared, rows)
    assert list(found.width.base.index) == list(rows.sort_values())
    for row in rows:
        i = prepared.at(*row)
        assert found.middle.value[row] == pytest.approx(prepared.quantiles[i, MIDDLE], abs=1e-9)
    assert list(explain_forecasts(prepared).middle.base.index.get_level_values("symbol")) == list(NAMES)
    with pytest.raises(DataError, match="not in the universe"):
        explain_forecasts(prepared, pd.MultiIndex.from_tuples([(prepared.last, "ZZZ")], names=["session", "symbol"]))


def test_a_batch_explains_its_last_sessions_only(bars, tmp_path):
    system = IntegratedSystem(settings=settings_at(tmp_path, bars, **{"forecast.explain": 3}))
    end = system.origin()
    batch = system.generate_forecast_batch(system.market.calendar.offset(end, -9), end)
    assert ["explanation" in one.metadata for one in batch] == [False] * 7 + [True] * 3
    assert_sums(batch[-3].metadata["explanation"], batch[-3].log_values)


def test_verify_makes_contributions_again_and_finds_edited_ones(bars, tmp_path):
    system = IntegratedSystem(settings=settings_at(tmp_path, bars))
    honest = system.generate_forecast()
    assert str(recompute_forecasts(system)) == "recomputed 1 of 1: equal"
    before = system.generate_forecast(system.market.calendar.offset(system.origin(), -1), store_prediction=False)
    told = json.loads(json.dumps(before.metadata["explanation"]))
    told["width"]["contributions"][0]["amount"] += 0.01
    told["width"]["rest"] -= 0.01
    system.database.store_prediction(replace(before, metadata=before.metadata | {"explanation": told}))
    found = recompute_forecasts(system)
    assert (found.sampled, len(found.differing)) == (2, 1)
    name = told["width"]["contributions"][0]["feature"]
    assert f"{before.origin:%Y-%m-%d}" in found.differing[0] and f"width: {name}" in found.differing[0]
    assert honest.prediction_id != before.prediction_id


def test_verify_finds_edited_contributions_of_a_panel(bars, tmp_path):
    universe = UniverseSystem(Universe(NAMES, {"AAA": "a"}), settings_at(tmp_path, bars))
    made = universe.forecast(symbols=["BBB", "CCC"])
    forged = universe.forecast(symbols=["AAA"], store=False)["AAA"]
    told = json.loads(json.dumps(forged.metadata["explanation"]))
    told["middle"]["value"] += 0.01
    universe.database.store_prediction(replace(forged, metadata=forged.metadata | {"explanation": told}))
    found = recompute_ledger(universe.settings, universe.database, seed=1)
    assert (found.sampled, len(found.differing)) == (1 + len(made), 1) and "middle: value" in found.differing[0]


def test_a_difference_at_the_end_of_the_list_is_none_and_an_unreadable_one_is_named():
    def part(*amounts: float, rest: float = 0.0) -> dict:
        rows = [{"feature": f"f{k}", "amount": x} for k, x in enumerate(amounts) if x]
        return {"base": 0.0, "value": sum(amounts) + rest, "contributions": rows, "rest": rest}

    one, other = part(0.5, 0.1, rest=0.1), part(0.5, 0.0, 0.1, rest=0.1)
    assert explanation_difference({"middle": one, "width": one}, {"middle": other, "width": other}) == ""
    assert "f0" in explanation_difference({"middle": one, "width": one}, {"middle": part(0.4, 0.2, rest=0.1), "width": one})  # fmt: skip
    assert "cannot be read" in explanation_difference({"middle": "none"}, {"middle": one, "width": one})
    assert explanation_difference(None, {"middle": one}) == ""


def test_a_forecast_stands_where_its_explanation_fails_or_its_version_is_kept_nowhere(system, stored, monkeypatch):
    prepared = system.prepared(system.origin())
    homeless = replace(prepared, versions=replace(prepared.versions, registry=None))
    plain = replace(stored, metadata={k: v for k, v in stored.metadata.items() if k != "explanation"})
    assert with_explanations(homeless, [plain]) == [plain]

    def broken(*_):
        raise ValueError("a member that cannot be varied")

    monkeypatch.setattr(module, "explained_by_version", broken)
    with pytest.warns(DataWarning, match="cannot be varied"):
        made = system.generate_forecast(store_prediction=False)
    assert made.values == stored.values and "explanation" not in made.metadata


def test_the_cards_say_the_three_largest_reasons_and_no_more(stored):
    told = stored.metadata["explanation"]["width"]["contributions"]
    plain = replace(stored, metadata={k: v for k, v in stored.metadata.items() if k != "explanation"})
    card = " ".join(str(stored).split())
    for shown in (card, " ".join(stored.words()), stored._repr_html_()):
        assert all(one["feature"] in shown for one in told[:3]) and "on a typical day" in shown
    assert "why this width" in card and "typical" not in str(plain) + plain._repr_html_() + " ".join(plain.words())
    hostile = replace(stored, metadata=stored.metadata | {"explanation": {"width": {
        "base": 0.0, "value": 0.1, "rest": 0.0, "contributions": [{"feature": "<i>\x1b[31m", "family": "", "given": None, "amount": 0.1}],
    }}})  # fmt: skip
    assert "<i>" not in hostile._repr_html_() and "\x1b" not in str(hostile)


def test_a_run_makes_no_warning(bars, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        IntegratedSystem(settings=settings_at(tmp_path, bars)).generate_forecast(store_prediction=False)


def test_a_universe_is_explained_by_command_as_its_forecasts_are_stored(universe, bars, home, tmp_path, capsys, monkeypatch):  # fmt: skip
    monkeypatch.setenv("FORECASTKIT_MODEL_ROUNDS", "4")
    monkeypatch.setenv("FORECASTKIT_MODEL_REFIT_EVERY", "126")
    (tmp_path / "mine.csv").write_text("symbol,sector\n" + "".join(f"{n},{'a' * (n == 'AAA')}\n" for n in NAMES))
    command = ["explain", "--universe", str(tmp_path / "mine.csv"), "--sources", f"folder:{bars}", "--home", str(home)]

    def run(*more: str) -> str:
        capsys.readouterr()
        with suppress(SystemExit):
            main([*command, *more])
        return capsys.readouterr().out

    every, one = json.loads(run("--json")), json.loads(run("--symbol", "BBB", "--json"))
    jsonschema.validate(every, SCHEMAS["explain --universe"])
    jsonschema.validate(one, SCHEMAS["explain"])
    assert [row["symbol"] for row in every] == list(NAMES) and one == every[1]
    stored = universe.forecast(store=False)["BBB"]
    assert one["width"]["contributions"] == stored.metadata["explanation"]["width"]["contributions"]
    assert one["model_version"] == stored.model_version and one["kind"] == "log_return"
    table = run()
    assert all(name in table for name in NAMES) and "wider by" in table
    assert "BBB, 5 sessions" in run("--symbol", "BBB") and run("--symbol", "ZZZ") == ""
    span = universe.explain(symbols=["AAA", "CCC"], start=universe.origin() - pd.DateOffset(days=60), every=10)
    assert set(span.width.base.index.get_level_values("symbol")) == {"AAA", "CCC"}
    assert span.width.base.index[-1][0] == universe.origin()
