"Files of models that somebody else has made: each is refused with one line, and nothing of it is run or kept."

import io
import json
import os
import pickle
import sqlite3
import struct
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from forecastkit.core import DataError, ModelIntegrityError, Target, pack_arrays, read_state, unpack_arrays, write_state
from forecastkit.ledger import PredictionDatabase
from forecastkit.models import DirectionEnsemble
from forecastkit.models.boosting import list_numbers
from forecastkit.models.classifier_files import check_trees, pack_archive, pack_classifier, trees_in, unpack_classifier
from forecastkit.models.direction import ARRAYS_FILE, DIRECTION_FILE
from forecastkit.ops import ModelRegistry, back_up, model_problems, restore

ABOUT = {"target": Target("DIRECTION"), "origin": "2018-02-01", "symbols": ("AAPL",)}


class Runs:
    "What runs when a pickle is read."

    def __reduce__(self):
        return os.mkdir, ("pickle-was-run",)


def a_bomb(name: str, size: int = 2**28) -> bytes:
    "An archive whose one part unpacks to a thousand times its size."
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as part:
        for _ in range(size // 2**24):
            part.write(bytes(2**24))
    return content.getvalue()


def spoilt_trees(content: bytes, name: bytes = b"left_children", number: int = 50_000_000) -> bytes:
    "The trees with a child, or a column, that leads far out of memory."
    at = content.index(name + b"[$l#L") + len(name) + 13
    return content[:at] + number.to_bytes(4, "big", signed=True) + content[at + 4 :]


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> dict[str, bytes]:
    "The files of an ensemble of two kinds of members."
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((300, 3)), columns=["a", "b", "c"])
    members = {"line": LogisticRegression(), "trees": XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1)}
    folder = tmp_path_factory.mktemp("ensemble")
    DirectionEnsemble(members, horizon=1).fit(X, (rng.random(300) > 0.5).astype(int)).save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Own(BaseEstimator):
    "A class that no list names."


class Files:
    "A model that writes these files, whatever they are."

    def __init__(self, files: dict[str, bytes]):
        self.files = files

    def save(self, folder: Path) -> None:
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    home = tmp_path / "home"
    home.mkdir()
    database = PredictionDatabase(f"sqlite:///{home}/forecasts.db")
    yield ModelRegistry(home / "models", database, DirectionEnsemble.load)
    database.close()
    assert list((tmp_path / "here").iterdir()) == []  # nothing was run


def refused(registry: ModelRegistry, version: str = "one") -> str:
    with pytest.raises(ModelIntegrityError) as error:
        registry.load(version)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300
    return str(error.value)


def test_an_ensemble_comes_back(registry, parts):
    registry.save("one", Files(parts), **ABOUT)
    assert list(registry.load("one").members_) == ["line", "trees"]


# ---------------------------------------------------------------- a folder that was changed after it was stored


def pickle_beside(folder: Path) -> None:
    (folder / "member0.pkl").write_bytes(pickle.dumps(Runs()))


def pickle_instead(folder: Path) -> None:
    (folder / DIRECTION_FILE).write_bytes(pickle.dumps(Runs()))


def a_link_out(folder: Path) -> None:
    (folder / DIRECTION_FILE).rename(folder.parent.parent / "elsewhere.json")
    (folder / DIRECTION_FILE).symlink_to(folder.parent.parent / "elsewhere.json")


def a_link_of_the_folder(folder: Path) -> None:
    folder.rename(folder.parent.parent / "elsewhere")
    folder.symlink_to(folder.parent.parent / "elsewhere")


def a_changed_byte(folder: Path) -> None:
    content = bytearray((folder / ARRAYS_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / ARRAYS_FILE).write_bytes(content)


def a_sparse_file(folder: Path) -> None:
    with (folder / ARRAYS_FILE).open("r+b") as file:
        file.truncate(2**31)


def a_zip_bomb(folder: Path) -> None:
    (folder / ARRAYS_FILE).write_bytes(a_bomb("rows.npy"))


def a_pipe(folder: Path) -> None:
    (folder / ARRAYS_FILE).unlink()
    os.mkfifo(folder / ARRAYS_FILE)  # whoever opens it waits for ever


CHANGES = [pickle_beside, pickle_instead, a_link_out, a_changed_byte, a_sparse_file, a_zip_bomb, a_pipe]


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
def test_a_folder_that_was_changed_is_not_loaded_and_not_backed_up(registry, parts, change, tmp_path):
    folder = registry.save("one", Files(parts), **ABOUT)
    change(folder)
    assert "model one: " in refused(registry)
    assert model_problems(registry.database, registry.folder)
    packed = back_up(registry.database, registry.folder, tmp_path / "backup.tar.gz")
    assert packed.models == 0 and len(packed.left_out) == 1


def test_a_folder_that_is_a_link_is_refused(registry, parts):
    a_link_of_the_folder(registry.save("one", Files(parts), **ABOUT))
    with pytest.raises(ModelIntegrityError, match="its folder is a link; delete"):
        registry.load("one")


def test_a_sparse_file_is_refused_by_its_size_before_it_is_read(registry, parts, monkeypatch):
    folder = registry.save("one", Files(parts), **ABOUT)
    a_sparse_file(folder)
    monkeypatch.setattr("forecastkit.core.files.file_checksum", lambda path: pytest.fail(f"{path} was read"))
    assert f"{ARRAYS_FILE} was changed" in refused(registry)


def test_a_file_too_large_for_a_model_is_not_read_where_its_size_was_never_recorded(tmp_path):
    with (tmp_path / ARRAYS_FILE).open("wb") as file:
        file.truncate(2**31)
    (tmp_path / DIRECTION_FILE).write_text('{"format": 2}')
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        DirectionEnsemble.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        'UPDATE models SET manifest = replace(manifest, \'"direction.json":"\', \'"direction.json":"0\')',
        "UPDATE models SET manifest = replace(manifest, '\"key\"', '\"kee\"')",
        "UPDATE models SET trained_at = '2018-02-02'",
    ],
)
def test_a_manifest_that_was_changed_where_it_stands_counts_no_more(registry, parts, change):
    registry.save("one", Files(parts), **ABOUT)
    path = registry.database.engine.url.database
    registry.database.close()
    with closing(sqlite3.connect(path)) as own:
        for (name,) in own.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            own.execute(f"DROP TRIGGER {name}")
        own.execute(change)
        own.commit()
    assert "its manifest was changed" in refused(registry)
    assert "the manifest in row 1 of the models is not the one that was written" in "\n".join(
        model_problems(registry.database, registry.folder)
    )


# ---------------------------------------------------------------- files that were bad when they were stored, so that every checksum fits


def test_a_pickle_is_not_even_stored(registry):
    with pytest.raises(DataError, match=r"member0\.pkl is no file of a model"):
        registry.save("one", Files({"member0.pkl": pickle.dumps(Runs())}), **ABOUT)
    assert not registry.has("one") and list(registry.folder.iterdir()) == []


def schema(parts: dict[str, bytes], **changes: object) -> dict[str, bytes]:
    return {DIRECTION_FILE: json.dumps(json.loads(parts[DIRECTION_FILE]) | changes).encode()}


BAD = {
    "a pickle by the name of a text": lambda p: {DIRECTION_FILE: pickle.dumps(Runs())},
    "a pickle by the name of arrays": lambda p: {ARRAYS_FILE: pickle.dumps(Runs())},
    "a pickle by the name of a classifier": lambda p: {"member0.skops": pickle.dumps(Runs())},
    "a pickle by the name of trees": lambda p: {"member1.ubj": pickle.dumps(Runs())},
    "objects among arrays": lambda p: {ARRAYS_FILE: objects_among_arrays()},
    "a bomb of arrays": lambda p: {ARRAYS_FILE: a_bomb("rows.npy")},
    "a bomb of a classifier": lambda p: {"member0.skops": a_bomb("schema.json")},
    "arrays that claim a terabyte": lambda p: {ARRAYS_FILE: claimed(10**12)},
    "a text nested without end": lambda p: {DIRECTION_FILE: b"[" * 10**6},
    "a number without end": lambda p: schema(p, base_rate=10**400),
    "another format": lambda p: schema(p, format=99),
    "another schema": lambda p: {DIRECTION_FILE: b'{"format": 2, "kind": "forecaster"}'},
    "a parameter that nobody knows": lambda p: schema(p, params={"os": "system"}),
    "an archive without its list": lambda p: {"member0.skops": p["member0.skops"].replace(b"schema.json", b"schema.jso2")},
    "a class that nobody allowed": lambda p: {"member0.skops": skops.io.dumps(Own())},
    "a member from outside": lambda p: schema(p, members=[{"name": "x", "kind": "json/../../../forecasts.db"}]),
    "a child outside its tree": lambda p: {"member1.ubj": spoilt_trees(p["member1.ubj"])},
    "a tree that leads back": lambda p: {"member1.ubj": spoilt_trees(p["member1.ubj"], number=0)},
    "a column that is not there": lambda p: {"member1.ubj": spoilt_trees(p["member1.ubj"], b"split_indices")},
    "a child outside its forest": lambda p: {"member0.skops": spoilt_forest()},
    "a forest that leads back": lambda p: {"member0.skops": spoilt_forest(child=0)},
    "a column that no forest has": lambda p: {"member0.skops": spoilt_forest(feature=10**6)},
    "a wider tree in a forest": lambda p: {"member0.skops": spoilt_forest(feature=10**6, width=10**7)},
    "a child outside its boosted trees": lambda p: {"member0.skops": spoilt_boosting(left=50_000_000)},
    "a column that no boosted tree has": lambda p: {"member0.skops": spoilt_boosting(feature_idx=10**6)},
    "trees cut off": lambda p: {"member1.ubj": p["member1.ubj"][:900]},
    "other numbers for the sample": lambda p: schema(p, base_rate=0.4999),
}  # fmt: skip


def grown(model: BaseEstimator) -> Any:
    rng = np.random.default_rng(1)
    return model.fit(pd.DataFrame(rng.standard_normal((300, 3)), columns=["a", "b", "c"]), rng.random(300) > 0.5)


def spoilt_forest(child: int = 50_000_000, feature: int | None = None, width: int | None = None) -> bytes:
    "A forest whose first tree leads out of itself, or asks for a column that is not there."
    forest = grown(RandomForestClassifier(3, max_depth=3, random_state=0))
    first = forest.estimators_[0]
    if feature is None:
        first.tree_.children_left[0] = child
    else:
        first.tree_.feature[0] = feature
    first.n_features_in_ = width or first.n_features_in_
    return skops.io.dumps(forest)


def spoilt_boosting(**changes: int) -> bytes:
    boosting = grown(HistGradientBoostingClassifier(max_iter=3))
    for name, value in changes.items():
        boosting._predictors[0][0].nodes[name][0] = value
    return skops.io.dumps(boosting)


FOREST_CHANGES = {
    "a child outside its forest": lambda a: {"left_child": np.where(np.arange(len(a["left_child"])), a["left_child"], 50_000_000)},
    "a forest that leads back": lambda a: {"right_child": np.where(a["right_child"] == -1, -1, 0)},
    "a column that no forest has": lambda a: {"feature": np.where(a["feature"] == -2, -2, 10**6)},
    "trees of other sizes": lambda a: {"sizes": a["sizes"][::-1] + np.array([1, 0, -1])},
    "a tree of no nodes": lambda a: {"sizes": np.array([0, *a["sizes"][1:]])},
    "a tree that is missing": lambda a: {"seeds": a["seeds"][1:]},
    "values of other classes": lambda a: {"values": a["values"][:, :, :1]},
    "a shell that is no forest": lambda a: {"archive": np.frombuffer(pack_archive(grown(DummyClassifier())), np.uint8)},
    "a shell that nobody allowed": lambda a: {"archive": np.frombuffer(skops.io.dumps(Own()), np.uint8)},
}  # fmt: skip


@pytest.mark.parametrize("what", FOREST_CHANGES)
def test_a_forest_of_other_numbers_is_refused(what):
    forest = grown(RandomForestClassifier(3, max_depth=3, random_state=0))
    entry, content = pack_classifier(forest)
    arrays = unpack_arrays(content)
    assert entry == {"kind": "npz"}
    with pytest.raises(ModelIntegrityError):
        unpack_classifier(entry, pack_arrays(arrays | FOREST_CHANGES[what](arrays)))
    unpack_classifier(entry, content)


def test_a_forest_as_it_was_stored_before_still_comes_back():
    forest = grown(RandomForestClassifier(3, max_depth=3, random_state=0))
    table = pd.DataFrame(np.random.default_rng(2).standard_normal((50, 3)), columns=["a", "b", "c"])
    for entry, content in (({"kind": "skops"}, pack_archive(forest)), pack_classifier(forest)):
        assert np.array_equal(unpack_classifier(entry, content).predict_proba(table), forest.predict_proba(table))


def test_sound_trees_of_every_kind_come_back():
    trees = RandomForestClassifier(2, max_depth=2)
    for model in (
        trees,
        HistGradientBoostingClassifier(max_iter=2),
        GradientBoostingClassifier(n_estimators=2),
        BaggingClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=2, max_features=2),
        make_pipeline(PolynomialFeatures(3), trees),
        CalibratedClassifierCV(ExtraTreesClassifier(2), cv=2),
    ):
        check_trees(fitted := grown(model))
        assert len(list(trees_in(fitted))) >= 2, model


def objects_among_arrays() -> bytes:
    content = io.BytesIO()
    np.savez(content, rows=np.array([Runs()], dtype=object))
    return content.getvalue()


def claimed(rows: int) -> bytes:
    "Arrays whose header says that there are more numbers than there are."
    content, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (rows,)})
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("rows.npy", header.getvalue() + bytes(80))
    return content.getvalue()


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_was_bad_from_the_beginning_is_refused_when_it_is_read(registry, parts, what):
    registry.save("one", Files(parts | BAD[what](parts)), **ABOUT)
    told = refused(registry)
    if any(word in what for word in ("forest", "boosted")):
        assert "tree leads out of itself" in told


@pytest.mark.parametrize("what", ["a pickle by the name of a text", "a bomb of arrays", "a child outside its tree"])
def test_a_backup_brings_nothing_that_a_load_would_not_refuse(registry, parts, what, tmp_path):
    registry.save("one", Files(parts | BAD[what](parts)), **ABOUT)
    back_up(registry.database, registry.folder, tmp_path / "backup.tar.gz")
    new = tmp_path / "new"
    restore(tmp_path / "backup.tar.gz", f"sqlite:///{new}/forecasts.db", new / "models")
    with closing(PredictionDatabase(f"sqlite:///{new}/forecasts.db")) as database:
        refused(ModelRegistry(new / "models", database, DirectionEnsemble.load))


def test_other_readers_of_arrays_refuse_the_same(tmp_path):
    for content in (a_bomb("rows.npy"), claimed(10**12), pickle.dumps(Runs()), objects_among_arrays()):
        with pytest.raises(DataError, match="no npz file of arrays"):
            unpack_arrays(content)
    write_state(tmp_path, "hmm", {"states": 3}, {"means": np.zeros(3)})
    (file,) = tmp_path.glob("hmm-*.npz")
    file.write_bytes(a_bomb("means.npy"))
    with pytest.raises(ModelIntegrityError, match="no readable model"):
        read_state(tmp_path, "hmm")


def test_arrays_that_shrink_well_are_no_bomb():
    zeros = {"zeros": np.zeros(2**20)}
    assert unpack_arrays(pack_arrays(zeros, compress=True))["zeros"].shape == (2**20,)


@pytest.mark.parametrize(
    ("kind", "form", "numbers"),
    [
        ("i", "b", [3, -4, 5]),
        ("U", "B", [200, 7, 255]),
        ("I", ">h", [-300, 2]),
        ("l", ">i", [70_000, -1]),
        ("L", ">q", [2**40, 0]),
    ],
)
def test_a_list_of_whole_numbers_is_read_whatever_their_width(kind, form, numbers):
    "As https://ubjson.org writes them: a letter for the width before each, a list's length in eight bytes."
    items = b"".join(kind.encode() + struct.pack(form, number) for number in numbers)
    text = b"{L\x01before" + b"tree_info[#L" + struct.pack(">q", len(numbers)) + items + b"i\x09"
    assert list_numbers(text, b"tree_info") == numbers
    with pytest.raises(ValueError, match="values to unpack"):
        list_numbers(text + text, b"tree_info")
