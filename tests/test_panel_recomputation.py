"`forecasts verify` makes forecasts of a panel again, in the universe they were made in, and finds what was edited."

import shutil
from pathlib import Path

import pandas as pd
import pytest

from forecastkit.core import DataError, ModelIntegrityError, load_settings
from forecastkit.data import synthetic_market
from forecastkit.pipeline import Universe, UniverseSystem, read_universe_file, recomputation, recompute_ledger
from forecastkit.pipeline.panel_universe import keep_universe, kept_universe
from forecastkit.pipeline.preparation import read_block, write_block

NAMES = ("AAA", "BBB", "CCC", "DDD")


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> Path:
    "A folder of bars, with the reports of one company."
    folder, market = tmp_path_factory.mktemp("bars"), synthetic_market(seed=3, sessions=640, stocks=NAMES).market
    for symbol in (*NAMES, "SPX", "VIX"):
        market.bars(symbol).to_csv(folder / f"{symbol}.csv", index_label="date")
    days = market.close("SPX").index
    rows = [f"AAA,{day:%Y-%m-%d}" for day in pd.date_range(days[20], days[-20], freq="91D")]
    (folder / "earnings_dates.csv").write_text("\n".join(["symbol,date", *rows]) + "\n")
    return folder


def system_at(home: Path, bars: Path) -> UniverseSystem:
    given = {
        "data.home": str(home),
        "data.sources": f"folder:{bars}",
        "model.rounds": 4,
        "run.n_jobs": 1,
        "run.progress": False,
    }
    return UniverseSystem(Universe(NAMES, {"AAA": "a"}), load_settings(environ={}, overrides=given))


@pytest.fixture(scope="module")
def trained(bars, tmp_path_factory) -> Path:
    "A home with trained versions and no forecast."
    system = system_at(tmp_path_factory.mktemp("trained"), bars)
    system.forecast(store=False)
    system.database.close()
    return system.settings.home.folder


@pytest.fixture
def system(trained, bars, tmp_path) -> UniverseSystem:
    return system_at(shutil.copytree(trained, tmp_path / "home"), bars)


def test_true_forecasts_are_made_again(system):
    made = system.forecast()
    assert made.stored == len(NAMES)
    found = recompute_ledger(system.settings, system.database, seed=1)
    assert (found.sampled, found.differing, found.without) == (4, (), 0), found


def test_an_edited_raw_block_is_found(system):
    honest = system.forecast(store=False)
    for path in sorted(system.settings.home.raw_quantiles.rglob("*.npz"))[-3:]:
        write_block(path, read_block(path) + 0.05)  # sealed with the copied key
    forged = UniverseSystem(system.universe, system.settings, database=system.database).forecast()
    assert forged["AAA"].values != honest["AAA"].values
    found = recompute_ledger(system.settings, system.database, seed=1)
    assert found.sampled == 4 and len(found.differing) == 4 and "AAA" in " ".join(found.differing)


def test_an_edited_model_is_found(system):
    system.forecast()
    for file in system.settings.home.models.rglob("panel.json"):
        file.write_text(file.read_text().replace('"drift":', '"drift": 1e-9, "drift_":', 1))
    with pytest.raises(ModelIntegrityError):
        recompute_ledger(system.settings, system.database, seed=1)


def test_a_universe_that_is_lost_or_edited_is_no_universe(system, tmp_path):
    folder = tmp_path / "kept"
    path = keep_universe(system.universe, folder)
    assert kept_universe(system.universe.key, folder) == system.universe
    path.write_text(path.read_text().replace("AAA", "EEE"))
    with pytest.raises(DataError, match="not what was written"):
        kept_universe(system.universe.key, folder)
    path.unlink()
    with pytest.raises(DataError, match="from a backup"):
        kept_universe(system.universe.key, folder)
    system.forecast()
    for one in system.settings.home.universes.iterdir():
        one.unlink()
    found = recompute_ledger(system.settings, system.database, seed=1)
    assert (found.sampled, found.without) == (0, 4)


def test_a_universe_is_kept_with_its_members(tmp_path):
    (tmp_path / "mine.csv").write_text("symbol,from,to\nAAA,,2016-01-04\nBBB,2015-06-01,\n")
    universe = read_universe_file(tmp_path / "mine.csv")
    again = kept_universe(keep_universe(universe, tmp_path).stem, tmp_path)
    assert again.members.to_dict("list") == universe.members.to_dict("list") and again.symbols == universe.symbols


def test_no_ticker_of_a_panel_is_walked_alone(system, monkeypatch):
    system.forecast()
    monkeypatch.setattr(recomputation, "prepare", lambda *_, **__: pytest.fail("a model of one ticker was asked for"))
    assert recompute_ledger(system.settings, system.database, seed=1).sampled == 4
