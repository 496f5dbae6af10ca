"What a number is computed from is sealed: an edit is found on reading, also one that was given a new checksum."

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from forecastkit.calendars import get_calendar
from forecastkit.core import (
    DataError,
    DataWarning,
    Home,
    ModelIntegrityError,
    find_key,
    make_key,
    read_arrays,
    read_state,
    unsealed,
    write_arrays,
    write_state,
)
from forecastkit.core.settings import load_settings
from forecastkit.data.store import Store, read_cached, write_cached
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.cache import FeatureCache, checksum
from forecastkit.pipeline import IntegratedSystem, recompute_forecasts
from forecastkit.regimes.fit_cache import fit_or_load

NYSE = get_calendar("XNYS")
MARKET = synthetic_market(seed=11, sessions=1000).market


def system_at(home: Path) -> IntegratedSystem:
    "A system of the seeded market, with short boosting."
    overrides = {
        "data.home": str(home),
        "run.progress": False,
        "model.rounds": 5,
        "model.refit_every": 126,
        "data.feature_cache": 0,
    }
    return IntegratedSystem(settings=load_settings(environ={}, overrides=overrides), market=MARKET)


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: make_key(tmp_path), range(64)))
    assert len(keys) == 1 and len(keys.pop()) == 32
    assert [path.name for path in tmp_path.iterdir()] == [Home(tmp_path).key.name]
    assert Home(tmp_path).key.stat().st_mode & 0o777 == 0o600
    assert find_key(tmp_path / "cache" / "store" / "daily" / "x") == make_key(tmp_path)
    assert unsealed("", b"key") is None


BLOCKS: list[Path] = []  # the block of raw quantiles that this forecast was made from


@pytest.fixture(scope="module")
def used_home(tmp_path_factory):
    "A home in which a forecast was made."
    home = tmp_path_factory.mktemp("sealed") / "home"
    system = system_at(home)
    system.generate_forecast(NYSE.offset(system.origin(), -1))
    system.database.close()
    BLOCKS[:] = [newest_block(home).relative_to(home)]
    return home


def forge(block: Path, key: bytes) -> None:
    "Move the raw quantiles of a block, and seal it with this key."
    purpose = f"{block.parent.name}/{block.stem}"
    quantiles = read_arrays(block, purpose, key=find_key(block))["quantiles"]
    write_arrays(block, {"quantiles": quantiles + 0.3}, purpose, key=key)


def newest_block(home: Path) -> Path:
    return max(Home(home).raw_quantiles.rglob("*.npz"), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("how", ["resealed without the key", "renamed", "cut"])
def test_an_edited_block_of_raw_quantiles_is_computed_again(used_home, tmp_path, how):
    shutil.copytree(used_home, tmp_path / "home")
    block = tmp_path / "home" / BLOCKS[0]
    clean = system_at(used_home).generate_forecast(store_prediction=False)
    if how == "renamed":
        others = [path for path in block.parent.parent.rglob("*.npz") if path != block]
        shutil.copy(others[0], block)
    elif how == "cut":
        block.write_bytes(block.read_bytes()[:-40])
    else:
        forge(block, b"")
    system = system_at(tmp_path / "home")
    with pytest.warns(DataWarning, match="is not as it was written and is computed again"):
        again = system.generate_forecast(NYSE.offset(system.origin(), -1), store_prediction=False)
    assert again.values == system_at(used_home).generate_forecast(again.origin, store_prediction=False).values
    assert system_at(tmp_path / "home").generate_forecast(store_prediction=False).values == clean.values
    system.database.close()


def test_a_forecast_from_a_block_forged_with_the_key_is_found_by_making_it_again(used_home, tmp_path):
    shutil.copytree(used_home, tmp_path / "home")
    system = system_at(tmp_path / "home")
    assert str(recompute_forecasts(system)) == "recomputed 1 of 1: equal"
    system.generate_forecast(NYSE.offset(system.origin(), -2))  # leaves blocks of its own
    earlier = system_at(tmp_path / "home")
    for block in Home(tmp_path / "home").raw_quantiles.rglob("*.npz"):
        forge(block, find_key(block))
    forged = earlier.generate_forecast(NYSE.offset(earlier.origin(), -1), store_prediction=False)
    stored = earlier.database.get_forecast(forged.prediction_id)
    assert forged.quantile(0.5) > stored.quantile(0.5) + 10
    target = earlier.generate_forecast(NYSE.offset(earlier.origin(), -3))  # stored, whole and well chained
    assert earlier.database.verify() == []
    found = recompute_forecasts(earlier)
    assert found.sampled == 3 and len(found.differing) == 1
    assert found.differing[0].startswith(
        f"VIX {target.origin:%Y-%m-%d} (version {target.model_version}) has the median"
    )
    assert str(found) == "recomputed 3 of 3: 1 differ"
    for one in (system, earlier):
        one.database.close()


def test_an_edited_column_of_the_feature_cache_is_computed_again(tmp_path):
    from forecastkit.features import FeatureEngine

    make_key(tmp_path)
    path = Home(tmp_path).feature_cache
    view = MARKET.as_of(MARKET.close("VIX").index[700])
    clean = FeatureEngine(cache=FeatureCache(path)).build_features(view)
    with sqlite3.connect(path) as db:
        key, place, value = db.execute("SELECT key, place, value FROM kept JOIN bytes USING (place) LIMIT 1").fetchone()
        edited = (np.frombuffer(value, "<f8") + 1).tobytes()
        db.execute("UPDATE bytes SET value = ? WHERE place = ?", [edited, place])
        db.execute("UPDATE kept SET checksum = ? WHERE key = ?", [checksum(key, edited), key])
    db.close()
    with pytest.warns(DataWarning, match="1 stored columns of features are not as they were written"):
        again = FeatureEngine(cache=FeatureCache(path)).build_features(view)
    pd.testing.assert_frame_equal(again, clean)


class Mean(BaseEstimator):
    "The smallest model that can be stored."

    def fit(self, X):
        self.mean_ = X.to_numpy().mean(axis=0)
        return self

    def save(self, folder):
        return write_state(folder, "mean", {}, {"mean": self.mean_})

    @classmethod
    def load(cls, folder):
        found = cls()
        found.mean_ = read_state(folder, "mean")[1]["mean"]
        return found


def test_an_edited_fitted_state_is_fitted_again(tmp_path):
    make_key(tmp_path)
    X = pd.DataFrame({"a": [1.0, 2.0, 6.0]}, NYSE.sessions_in_range("2018-01-02", "2018-01-04"))
    states = Home(tmp_path).fitted_states
    assert fit_or_load(Mean(), X, states).mean_ == 3.0
    folder = next(states.iterdir())
    Mean().fit(X * 3).save(folder)  # whole, with sums of its own
    with pytest.warns(DataWarning, match="a stored Mean is damaged and is fitted again"):
        assert fit_or_load(Mean(), X, states).mean_ == 3.0
    assert fit_or_load(Mean(), X, states).mean_ == 3.0  # sealed again, without a warning


def test_no_forecast_is_made_under_a_key_that_was_replaced(used_home, tmp_path):
    "Else whoever replaces the key can seal raw quantiles of his own with it."
    shutil.copytree(used_home, tmp_path / "home")
    replaced = b"k" * 32
    forge(tmp_path / "home" / BLOCKS[0], replaced)
    (tmp_path / "home" / "seal.key").write_bytes(replaced)
    system = system_at(tmp_path / "home")
    with pytest.raises(ModelIntegrityError, match=r"is not the one that sealed the models .* \(lost or replaced\?\)"):
        system.generate_forecast(NYSE.offset(system.origin(), -1), store_prediction=False)
    shutil.rmtree(tmp_path / "home" / "models")  # the remedy where no backup of the key is there
    with pytest.warns(DataWarning, match="is (computed|fitted) again"):
        (Home(tmp_path / "home").raw_quantiles / "block").mkdir()
        shutil.copytree(used_home / "raw", tmp_path / "home" / "raw", dirs_exist_ok=True)
        again = system.generate_forecast(NYSE.offset(system.origin(), -1), store_prediction=False)
    assert again.values == system_at(used_home).generate_forecast(again.origin, store_prediction=False).values
    system.database.close()


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_key_that_was_emptied_or_cut_is_refused(tmp_path, content):
    key = make_key(tmp_path)
    (tmp_path / "seal.key").write_bytes(content)
    for act in (lambda: make_key(tmp_path), lambda: find_key(tmp_path / "raw" / "block.npz")):
        with pytest.raises(DataError, match="is no key: put back that of a backup"):
            act()
    (tmp_path / "seal.key").unlink()
    assert make_key(tmp_path) != key


def test_a_fitted_state_without_a_seal_is_fitted_again(tmp_path):
    "As 0.2 left them: files with sums of their own, and nothing that the key of the home has made."
    make_key(tmp_path)
    X = pd.DataFrame({"a": [1.0, 2.0, 6.0]}, NYSE.sessions_in_range("2018-01-02", "2018-01-04"))
    states = Home(tmp_path).fitted_states
    fit_or_load(Mean(), X, states)
    folder = next(states.iterdir())
    Mean().fit(X * 3).save(folder)
    (folder / "seal.txt").unlink()
    assert Mean.load(folder).mean_ == 9.0
    assert fit_or_load(Mean(), X, states).mean_ == 3.0
    assert (folder / "seal.txt").is_file() and Mean.load(folder).mean_ == 3.0


def test_an_edited_quick_copy_of_a_series_is_read_from_its_file_again(tmp_path):
    make_key(tmp_path)
    bars = synthetic_market(seed=5, sessions=120, stocks=["MINE"]).market.bars("MINE")
    store = Store(tmp_path)
    store.put("MINE", bars, "test", NYSE.closes_of(bars.index)[-1], NYSE)
    clean = store.read("MINE", NYSE)
    (copy,) = [path for path in (Home(tmp_path).store_cache()).iterdir() if path.is_file()]
    quick = read_cached(str(copy))
    write_cached(
        tmp_path.parent / f"{tmp_path.name}-elsewhere", quick._replace(values=quick.values * 2)
    )  # sealed without the key
    shutil.move(tmp_path.parent / f"{tmp_path.name}-elsewhere", copy)
    assert read_cached(str(copy)) is None
    pd.testing.assert_frame_equal(Store(tmp_path).read("MINE", NYSE).frame, clean.frame)


FLAT_VALUES = st.one_of(
    st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.dates(), st.datetimes(), st.lists(st.floats())
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.one_of(st.text(), st.integers()), FLAT_VALUES))
def test_a_flat_row_has_the_same_text_either_way(row):
    import json

    from forecastkit.core.files import canonical_json, plain

    usual = json.dumps(plain(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    assert canonical_json(row) == usual


def test_forecasts_of_every_target_are_made_again(used_home, tmp_path):
    from dataclasses import replace

    from forecastkit.data import FolderSource
    from forecastkit.ledger import stored_targets
    from forecastkit.pipeline import recompute_ledger

    shutil.copytree(used_home, tmp_path / "home")
    system = system_at(tmp_path / "home")
    absent = replace(system.generate_forecast(store_prediction=False), symbol="ABSENT")
    system.database.store_predictions([(absent, {})])
    assert {target.symbol: n for target, n in stored_targets(system.database).items()} == {"VIX": 1, "ABSENT": 1}
    bars = tmp_path / "bars"
    bars.mkdir()
    for symbol in ("SKEW", "SPX", "VIX", "VIX3M", "VIX6M", "VIX9D", "VVIX"):
        MARKET.bars(symbol).rename_axis("date").to_csv(bars / f"{symbol}.csv")
    assert "VIX" in FolderSource(bars).symbols
    sources = replace(system.settings.data, sources=(f"folder:{bars}",))
    found = recompute_ledger(replace(system.settings, data=sources), system.database, seed=3)
    assert found.stored == 2 and found.without >= 1 and found.untried == 0 and not found.differing
    assert "the data, the model or the code is not there" in str(found)
    assert recompute_ledger(system.settings, system.database, sample=0).untried == 2
    system.database.close()
