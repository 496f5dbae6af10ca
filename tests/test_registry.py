"The registry of models: every byte counts, a kill leaves nothing or all, and no name leads out of the folder."

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from forecastkit.core import DataError, ModelIntegrityError, ModelNotFoundError, Target, folder_checksums
from forecastkit.ledger.database import PredictionDatabase
from forecastkit.ops.registry import SAVING_PREFIX, ModelRegistry, manifests

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
    assert manifests(registry.database, "abc") == [{"files": folder_checksums(path)}]
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
