"The registry of models: every byte counts, a kill leaves nothing or all, and no name leads out of the folder."

import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import time
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from forecastkit.core import DataError, ModelIntegrityError, ModelNotFoundError, Target, find_key, folder_checksums
from forecastkit.ledger import MODELS, append, transaction
from forecastkit.ledger.database import PredictionDatabase
from forecastkit.ops import ModelLoader, prune_models
from forecastkit.ops.manifests import Manifest, manifests, record_manifest, sealed
from forecastkit.ops.registry import SAVING_PREFIX, ModelRegistry, model_problems

ABOUT = {"target": Target("VIX"), "origin": "2018-02-01"}
FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None
needs_fork = pytest.mark.skipif(FORK is None, reason="this system cannot fork")


class Parts:
    "A model of several files, one of them in a folder below, that takes its time to write them."

    def __init__(self, number: float = 1.5, pause: float = 0.0):
        self.number, self.pause = number, pause

    def save(self, folder: Path) -> None:
        (folder / "deep").mkdir()
        for name in ("a.json", "b.json", "deep/c.json"):
            (folder / name).write_text(json.dumps({"number": self.number, "name": name}))
            time.sleep(self.pause)

    @classmethod
    def load(cls, folder: Path, sums: dict[str, str]) -> "Parts":
        assert sums == folder_checksums(folder)
        numbers = {json.loads((folder / name).read_text())["number"] for name in ("a.json", "b.json", "deep/c.json")}
        (number,) = numbers  # all files of one model
        return cls(number)


def opened(folder: Path) -> ModelRegistry:
    return ModelRegistry(folder / "models", PredictionDatabase(f"sqlite:///{folder}/forecasts.db"), loader=Parts.load)


@pytest.fixture
def registry(tmp_path):
    registry = opened(tmp_path)
    yield registry
    registry.database.close()


def test_a_model_comes_back(registry):
    path = registry.save("abc", Parts(), **ABOUT)
    assert registry.load("abc").number == 1.5
    assert [one.files for one in manifests(registry.database, "abc")] == [folder_checksums(path)]
    assert [p.name for p in registry.folder.iterdir()] == ["abc"]
    assert registry.versions()["present"].tolist() == [True]


@pytest.mark.parametrize("name", ["a.json", "b.json", "deep/c.json"])
def test_one_byte_changed_is_refused_by_the_name_of_its_file(registry, name):
    path = registry.save("abc", Parts(), **ABOUT) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelIntegrityError, match=f"model abc: {name} was changed"):
        registry.load("abc")
    assert registry.save("abc", Parts(), **ABOUT).is_dir()  # does not heal it in silence
    with pytest.raises(ModelIntegrityError):
        registry.load("abc")


def test_files_that_are_missing_or_smuggled_in_are_named(registry):
    path = registry.save("abc", Parts(), **ABOUT)
    (path / "extra.ubj").write_bytes(b"")
    with pytest.raises(ModelIntegrityError, match=r"extra\.ubj does not belong to it"):
        registry.load("abc")
    (path / "extra.ubj").unlink()
    (path / "b.json").rename(path.parent / "b.json")
    with pytest.raises(ModelIntegrityError, match=r"b\.json is missing"):
        registry.load("abc")
    for place in ("b.json", "nowhere", "deep"):  # the very file, nothing, a folder: a link is not what was stored
        (path / "b.json").symlink_to(path.parent / place)
        with pytest.raises(ModelIntegrityError, match=r"b\.json was changed"):
            registry.load("abc")
        (path / "b.json").unlink()


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_in_place_of_a_folder_is_one_damaged_version_and_stops_no_other(registry, tmp_path, dangling):
    for version in ("abc", "def"):
        registry.save(version, Parts(), **ABOUT)
    elsewhere = tmp_path / "elsewhere"
    (registry.folder / "abc").rename(elsewhere)
    (registry.folder / "abc").symlink_to(elsewhere / "gone" if dangling else elsewhere)
    with pytest.raises(ModelIntegrityError, match="its folder is a link; delete"):
        registry.load("abc")
    rows = ModelLoader(registry.folder, registry.database).table()
    assert {row["version"]: row["status"] for row in rows} == {"abc": "damaged", "def": "ready"}
    assert any("its folder is a link" in line for line in model_problems(registry.database, registry.folder))
    assert "is a link: delete" in prune_models(registry).kept["abc"]
    (registry.folder / "abc").unlink()
    registry.save("abc", Parts(), **ABOUT)
    assert registry.load("abc").number == Parts().number


def test_a_manifest_in_the_folder_vouches_for_nothing(registry, tmp_path):
    path = registry.save("abc", Parts(), **ABOUT)
    (path / "a.json").write_text('{"number": 99}')
    (path / "manifest.json").write_text(json.dumps({"files": folder_checksums(path)}))
    with pytest.raises(ModelIntegrityError):
        registry.load("abc")


def test_a_folder_without_a_manifest_is_no_model(registry):
    path = registry.folder / "abc"
    path.mkdir(parents=True)
    Parts(13.0).save(path)
    assert not registry.has("abc")
    with pytest.raises(ModelNotFoundError, match="no stored model has the version abc"):
        registry.load("abc")
    registry.save("abc", Parts(), **ABOUT)
    assert registry.load("abc").number == 1.5


def test_a_lost_folder_is_trained_again_with_other_last_digits(registry):
    for number in (1.5, 1.5000000001):
        for path in sorted(registry.save("abc", Parts(number), **ABOUT).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (registry.folder / "abc").rmdir()
        assert not registry.has("abc") and registry.versions()["present"].tolist() == [False]
    registry.save("abc", Parts(1.5), **ABOUT)
    assert registry.load("abc").number == 1.5
    assert len(manifests(registry.database, "abc")) == 2


@pytest.mark.parametrize(
    "version", ["../abc", "..", ".", "", "a/b", "a\\b", "/etc", "a\0b", "a" * 65, "ab\n", ".x", "ä"]
)
def test_no_version_leads_out_of_the_folder(registry, version):
    for act in (registry.has, registry.load, lambda name: registry.save(name, Parts(), **ABOUT)):
        with pytest.raises(DataError, match="is no name of a model version"):
            act(version)
    assert not registry.folder.exists()


def test_a_folder_that_cannot_be_written(registry):
    registry.folder.parent.mkdir(exist_ok=True)
    registry.folder.touch()
    with pytest.raises(DataError, match="models cannot be stored in") as error:
        registry.save("abc", Parts(), **ABOUT)
    assert "\n" not in str(error.value)


def test_a_model_that_fails_to_save_leaves_nothing(registry):
    class Broken(Parts):
        def save(self, folder):
            (folder / "a.json").write_text("half")
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        registry.save("abc", Broken(), **ABOUT)
    assert not registry.has("abc") and list(registry.folder.iterdir()) == []
    assert manifests(registry.database, "abc") == []


def save_one(folder: Path, version: str, number: float, pause: float) -> None:
    opened(folder).save(version, Parts(number, pause), **ABOUT)


@needs_fork
def test_killed_while_saving_there_is_nothing_or_all(tmp_path):
    rng, stored = random.Random(3), 0
    for k in range(12):
        process = FORK.Process(target=save_one, args=(tmp_path, f"v{k}", 1.5, 0.01))
        process.start()
        time.sleep(0.04 + rng.random() * 0.12)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        registry = opened(tmp_path)
        if registry.has(f"v{k}"):
            stored += 1
            assert registry.load(f"v{k}").number == 1.5
        registry.save(f"v{k}", Parts(2.5), **ABOUT)
        assert registry.load(f"v{k}").number in (1.5, 2.5)
        registry.database.close()
    names = {path.name for path in (tmp_path / "models").iterdir() if not path.name.startswith(SAVING_PREFIX)}
    assert names == {f"v{k}" for k in range(12)}


@needs_fork
def test_two_processes_that_save_one_version_agree_on_one(tmp_path):
    opened(tmp_path).database.close()
    processes = [FORK.Process(target=save_one, args=(tmp_path, "abc", number, 0.01)) for number in (1.5, 2.5, 3.5, 4.5)]
    opened(tmp_path).folder.joinpath("abc").mkdir(parents=True)  # a folder that nobody vouches for stands in the way
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    registry = opened(tmp_path)
    assert registry.load("abc").number in (1.5, 2.5, 3.5, 4.5)
    assert [path.name for path in registry.folder.iterdir()] == ["abc"]
    registry.database.close()


def test_what_a_killed_job_left_is_swept_away_after_a_day(registry):
    registry.save("abc", Parts(), **ABOUT)
    for name, age in (("old", 90_000), ("young", 60)):
        (registry.folder / f"{SAVING_PREFIX}{name}").mkdir()
        os.utime(registry.folder / f"{SAVING_PREFIX}{name}", (time.time() - age,) * 2)
    registry.save("def", Parts(), **ABOUT)
    assert {path.name for path in registry.folder.iterdir()} == {"abc", "def", f"{SAVING_PREFIX}young"}


def edited(registry: ModelRegistry) -> Path:
    "The folder of a stored model of which one number was changed."
    path = registry.save("abc", Parts(), **ABOUT)
    for name in ("a.json", "b.json", "deep/c.json"):
        (path / name).write_text(json.dumps({"number": 99.0, "name": name}))
    return path


@pytest.mark.parametrize(
    "how", ["unsealed", "under another key", "with a sum that is no seal", "sealed for another version"]
)
def test_a_later_manifest_without_the_seal_of_the_home_legalises_nothing(registry, how):
    path = edited(registry)
    files, key = folder_checksums(path), find_key(registry.folder)
    if how == "unsealed":
        record_manifest(registry.database, "abc", ABOUT["target"], ABOUT["origin"], files)
    elif how == "under another key":
        record_manifest(registry.database, "abc", ABOUT["target"], ABOUT["origin"], files, b"k" * 32)
    else:
        other = sealed(Manifest(0, "def", ABOUT["origin"], files), key)
        false = other if how == "sealed for another version" else other._replace(seal="é" * 64)
        append_manifest(registry, "abc", false.stored())
    assert registry.database.verify() == []  # the chain holds: only the seal tells
    with pytest.raises(ModelIntegrityError, match=rf"model abc: a\.json was changed.*delete {path}"):
        registry.load("abc")
    lines = model_problems(registry.database, registry.folder)
    assert "model abc: a.json was changed" in lines
    words = "were sealed with 2 keys" if how == "under another key" else "was added later without a valid seal"
    assert words in lines[-1]
    shutil.rmtree(path)  # the remedy
    registry.save("abc", Parts(), **ABOUT)
    assert registry.load("abc").number == 1.5


def append_manifest(registry: ModelRegistry, version: str, stored: object) -> None:
    "A row in the table of models, well chained, as anybody who may write to the ledger can add it."
    row = {
        "version": version, "symbol": "VIX", "kind": "pct_change", "horizon": 5, "trained_at": date(2018, 2, 1),
        "manifest": json.dumps(stored), "manifest_hash": "0" * 64, "created_at": registry.database.clock(),
    }  # fmt: skip
    with transaction(registry.database.engine, write=True) as connection:
        append(connection, MODELS, [row])


@pytest.mark.parametrize("stored", [None, [], {"files": 3}, {"files": {"a.json": 7}}, {"key": {}, "files": {}}])
def test_a_manifest_that_is_none_is_reported_and_breaks_nothing(registry, stored):
    registry.save("abc", Parts(), **ABOUT)
    append_manifest(registry, "abc", stored)
    assert registry.load("abc").number == 1.5
    [line] = model_problems(registry.database, registry.folder)
    assert (
        line
        == "model abc: the manifest in row 2 of the models was added later without a valid seal of this home: it does not count"
    )


def test_a_home_of_an_earlier_version_goes_on_with_its_first_manifests(registry):
    "As 0.2 left it: a folder, a manifest without a seal, no key."
    path = registry.folder / "abc"
    path.mkdir(parents=True)
    Parts().save(path)
    record_manifest(registry.database, "abc", ABOUT["target"], ABOUT["origin"], folder_checksums(path))
    assert registry.load("abc").number == 1.5
    registry.check_key(ABOUT["target"])
    assert model_problems(registry.database, registry.folder) == []
    registry.save("def", Parts(), **ABOUT)  # makes a key
    assert registry.load("abc").number == registry.load("def").number == 1.5
    assert model_problems(registry.database, registry.folder) == []


@pytest.mark.parametrize("content", [b"k" * 32, None])
def test_a_key_that_is_not_the_one_that_sealed_the_models_is_named(registry, content):
    registry.save("abc", Parts(), **ABOUT)
    path = registry.folder.parent / "seal.key"
    key = path.read_bytes()
    path.unlink()
    if content:
        path.write_bytes(content)
    words = r"seal\.key is not the one that sealed the models .* \(lost or replaced\?\): put back the key of a backup"
    for act in (lambda: registry.load("abc"), lambda: registry.check_key(ABOUT["target"])):
        with pytest.raises(ModelIntegrityError, match=words):
            act()
    [line] = model_problems(registry.database, registry.folder)
    assert re.search(words, line)
    registry.check_key(Target("VIX", horizon=21))  # of which there is no model
    path.write_bytes(key)
    assert registry.load("abc").number == 1.5 and model_problems(registry.database, registry.folder) == []


def test_a_replaced_key_leaves_a_trace_even_if_every_model_is_sealed_with_it_again(registry):
    path = edited(registry)
    (registry.folder.parent / "seal.key").write_bytes(b"k" * 32)
    record_manifest(registry.database, "abc", ABOUT["target"], ABOUT["origin"], folder_checksums(path), b"k" * 32)
    [line] = model_problems(registry.database, registry.folder)
    assert line == "the models were sealed with 2 keys, from row 2 on with another: seal.key was lost or replaced"


def test_two_homes_that_share_a_ledger_seal_each_for_itself(tmp_path):
    with closing(PredictionDatabase(f"sqlite:///{tmp_path}/shared/forecasts.db")) as database:
        homes = [ModelRegistry(tmp_path / name / "models", database, loader=Parts.load) for name in ("a", "b")]
        for number, home in zip((1.5, 1.5000000001), homes):
            home.save("abc", Parts(number), **ABOUT)
        for number, home in zip((1.5, 1.5000000001), homes):
            assert home.load("abc").number == number
            assert model_problems(database, home.folder) == []
