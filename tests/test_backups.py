"Backups: taken while others write, refused when anything is wrong with them, restored whole or not at all, on either engine."

import gzip
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import tarfile
import time
import tracemalloc
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from engines import DAYS, FORK, made, needs_fork, opened, tampered

from forecastkit.core import DataError, ExperimentLog, Target, folder_checksums, key_fingerprint
from forecastkit.ledger.database import PredictionDatabase
from forecastkit.ledger.engine import definitions, fetch, file_url, transaction
from forecastkit.ledger.schema import CHAIN, CHAINED, METADATA
from forecastkit.ops.backups import back_up, restore, unpack
from forecastkit.ops.manifests import record_manifest
from forecastkit.ops.registry import ModelRegistry, damaged_models, model_problems
from forecastkit.pipeline.tried_strategies import keep_returns

pytest_plugins = ("engine_fixtures",)


class Numbers:
    "A model of two files, one of them in a folder below."

    def __init__(self, number: float):
        self.number = number

    def save(self, folder: Path) -> None:
        (folder / "deep").mkdir()
        for name in ("a.json", "deep/b.json"):
            (folder / name).write_text(json.dumps({"number": self.number, "name": name}))


def filled(url: str, models: Path, n: int = 30, number: float = 1.5) -> PredictionDatabase:
    "A ledger of n forecasts with outcomes and two models."
    db = opened(url)
    db.store_predictions([(made(i), {"vix": 12.5, "vvix": np.nan}) for i in range(n)])
    db.record_outcomes("VIX", pd.Series(np.linspace(10, 20, len(DAYS)), DAYS))
    for version in ("one", "two"):
        ModelRegistry(models, db).save(version, Numbers(number), target=Target("VIX"), origin=DAYS[0])
    return db


def rows_of(url: str) -> dict[str, list]:
    "Every row of every table."
    db = opened(url)
    with transaction(db.engine) as connection:
        tables = METADATA.sorted_tables
        return {t.name: fetch(connection, sa.select(t).order_by(*t.primary_key)).values.tolist() for t in tables}


@pytest.fixture
def archive(tmp_path) -> Path:
    "A backup of thirty forecasts and two models."
    db = filled(f"sqlite:///{tmp_path}/source/forecasts.db", tmp_path / "source" / "models")
    back_up(db, tmp_path / "source" / "models", tmp_path / "kept" / "monday.tar.gz")
    return tmp_path / "kept" / "monday.tar.gz"


# --- there and back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["sqlite", "postgresql"])
def test_every_row_and_every_byte_comes_back_from_either_engine_to_either(url, other, request, tmp_path):
    same = other == "sqlite" or url == request.getfixturevalue("postgres")
    target = f"sqlite:///{tmp_path}/other/forecasts.db" if same else request.getfixturevalue("postgres")
    db = filled(url, tmp_path / "models")
    told = back_up(db, tmp_path / "models", tmp_path / "kept.tar.gz")
    assert (told.forecasts, told.outcomes, told.models, told.left_out) == (30, 30, 2, ())
    found = restore(tmp_path / "kept.tar.gz", target, tmp_path / "home" / "models")
    assert found == told
    assert rows_of(target) == rows_of(url)
    assert folder_checksums(tmp_path / "home" / "models") == folder_checksums(tmp_path / "models")
    restored = opened(target)
    assert restored.verify() == [] and restored.get_forecast(made(3).prediction_id) == made(3)
    assert restored.store_prediction(made(40)) and restored.verify() == []  # and it goes on from there
    with pytest.raises(DataError, match="append-only"), transaction(restored.engine, write=True) as connection:
        connection.execute(sa.text("DELETE FROM outcomes"))


def tried(home: Path, name: str, ratio: float) -> None:
    "A strategy that was tried in a home, with its returns, and an experiment."
    ExperimentLog(home / "backtests.jsonl").append("backtest", name, "a rule", {"sharpe": ratio})
    ExperimentLog(home / "experiments.jsonl").append("study", f"ablation {name}", "what carries it?", {"variants": 3})
    keep_returns(home / "backtests", name, pd.Series([ratio, 0.0], DAYS[:2]))


def records(home: Path) -> dict[str, bytes]:
    "Logs and returns of a home."
    found = [*home.glob("*.jsonl"), *home.glob("backtests/*.npz")]
    return {str(path.relative_to(home)): path.read_bytes() for path in found}


def test_what_was_tried_comes_back_with_the_ledger(tmp_path):
    home, new = tmp_path / "home", tmp_path / "new"
    db = filled(f"sqlite:///{home}/forecasts.db", home / "models")
    tried(home, "0123456789abcdef", 0.5)
    assert back_up(db, home / "models", tmp_path / "kept.tar.gz").left_out == ()
    before = records(home)
    tried(home, "fedcba9876543210", 0.1)
    restore(tmp_path / "kept.tar.gz", f"sqlite:///{new}/forecasts.db", new / "models")
    assert (records(new), len(before)) == (before, 3)
    after = records(home)  # a home that has gone on keeps what it has
    restore(tmp_path / "kept.tar.gz", f"sqlite:///{home}/forecasts.db", home / "models")
    assert records(home) == after
    (home / "backtests.jsonl").write_bytes(after["backtests.jsonl"].replace(b"0.5", b"0.6"))
    (note,) = back_up(db, home / "models", tmp_path / "other.tar.gz").left_out
    assert note.startswith("backtests.jsonl: line 1 is not what was written")
    db.close()


def test_another_history_of_tries_is_not_replaced_unless_told_and_is_kept_aside(tmp_path):
    home, new = tmp_path / "home", tmp_path / "new"
    db = filled(f"sqlite:///{home}/forecasts.db", home / "models")
    tried(home, "0123456789abcdef", 0.5)
    back_up(db, home / "models", tmp_path / "kept.tar.gz")
    db.close()
    tried(new, "aaaaaaaaaaaaaaaa", 2.0)
    own = records(new)
    with pytest.raises(DataError, match=r"backtests.jsonl says something else than the backup"):
        restore(tmp_path / "kept.tar.gz", f"sqlite:///{new}/forecasts.db", new / "models")
    assert records(new) == own and not (new / "models").exists()
    restore(tmp_path / "kept.tar.gz", f"sqlite:///{new}/forecasts.db", new / "models", force=True)
    now = records(new)
    assert now["backtests.jsonl"] == records(home)["backtests.jsonl"]
    (aside,) = [content for name, content in now.items() if name.startswith("backtests-before-")]
    assert aside == own["backtests.jsonl"] and "backtests/aaaaaaaaaaaaaaaa.npz" in now


def test_nothing_is_left_beside_the_archive_or_in_the_home(archive, tmp_path):
    restore(archive, f"sqlite:///{tmp_path}/target/forecasts.db", tmp_path / "target" / "models")
    assert [path.name for path in archive.parent.iterdir()] == ["monday.tar.gz"]
    assert {path.name.split("-")[0] for path in (tmp_path / "target").iterdir()} == {
        "forecasts.db",
        "models",
        "seal.key",
    }
    assert {path.name for path in (tmp_path / "target" / "models").iterdir()} == {"one", "two"}


def test_a_restored_home_goes_on_with_the_key_that_sealed_its_models(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    db = filled(f"sqlite:///{source}/forecasts.db", source / "models")
    shutil.rmtree(source / "models" / "one")
    ModelRegistry(source / "models", db).save("one", Numbers(1.5000000001), target=Target("VIX"), origin=DAYS[0])
    back_up(
        db, source / "models", tmp_path / "kept.tar.gz"
    )  # the model that a second, sealed manifest describes is in it
    assert (tmp_path / "kept.tar.gz").stat().st_mode & 0o777 == 0o600
    url = f"sqlite:///{target}/forecasts.db"
    filled(url, target / "models", number=7.0).close()
    own = (target / "seal.key").read_bytes()
    shutil.rmtree(target / "models")
    restore(tmp_path / "kept.tar.gz", url, target / "models", force=True)
    assert (target / "seal.key").read_bytes() == (source / "seal.key").read_bytes()
    assert (target / "seal.key").stat().st_mode & 0o777 == 0o600
    assert (target / f"seal-{key_fingerprint(own)}.key").read_bytes() == own
    assert model_problems(opened(url), target / "models") == []
    (target / "seal.key").write_bytes(own)  # the remedy for a key that was replaced
    assert "lost or replaced?" in model_problems(opened(url), target / "models")[-1]
    assert restore(tmp_path / "kept.tar.gz", url, target / "models").unchanged
    assert model_problems(opened(url), target / "models") == []


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_backup_with_a_key_that_is_none_is_refused(archive, tmp_path, content):
    def spoil(members):
        members["seal.key"] = content
        listed_anew(members)

    with pytest.raises(DataError, match=r"its seal\.key is no key: use another one"):
        restore(repacked(archive, spoil), f"sqlite:///{tmp_path}/target/forecasts.db", tmp_path / "target" / "models")


def test_a_backup_whose_edited_model_got_a_manifest_of_its_own_is_refused(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    db = filled(f"sqlite:///{source}/forecasts.db", source / "models")
    shutil.rmtree(source / "models" / "one")
    (source / "models" / "one").mkdir()
    Numbers(99.0).save(source / "models" / "one")
    record_manifest(db, "one", Target("VIX"), DAYS[0], folder_checksums(source / "models" / "one"))
    left_out = back_up(db, source / "models", tmp_path / "kept.tar.gz").left_out
    assert left_out == ("model one: a.json was changed",)
    archive = repacked(tmp_path / "kept.tar.gz", lambda members: smuggle(members, source / "models" / "one"))
    with pytest.raises(DataError, match="model one is not what was stored"):
        restore(archive, f"sqlite:///{target}/forecasts.db", target / "models")


def smuggle(members: dict[str, bytes], model: Path) -> None:
    "Add the files of a model to the members of an archive, and to its list of checksums."
    members |= {f"models/one/{name}": (model / name).read_bytes() for name in folder_checksums(model)}
    listed_anew(members)


def keep_writing(url: str, pipe) -> None:
    db = opened(url)
    for i in range(400):
        db.store_prediction(made(i, "busy"))
        pipe.send(i)


@needs_fork
def test_a_backup_is_one_moment_while_others_write(url, tmp_path):
    opened(url).close()
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=keep_writing, args=(url, sender))
    process.start()
    sender.close()
    lengths = []
    for k in range(3):
        for _ in range(20):
            written = receiver.recv()
        lengths.append(back_up(opened(url), tmp_path / "models", tmp_path / f"{k}.tar.gz").forecasts)
        assert lengths[-1] > written  # all that was reported by then
    process.terminate()
    process.join()
    assert lengths == sorted(lengths)
    for k, length in enumerate(lengths):  # each archive is sound and holds what it says
        restore(tmp_path / f"{k}.tar.gz", f"sqlite:///{tmp_path}/{k}/forecasts.db", tmp_path / str(k) / "models")
        assert len(opened(f"sqlite:///{tmp_path}/{k}/forecasts.db").get_predictions()) == length


# --- what is not backed up -------------------------------------------------------------------------------------------


def test_a_damaged_ledger_is_not_backed_up_over_a_good_backup(url, tmp_path):
    db = filled(url, tmp_path / "models")
    back_up(db, tmp_path / "models", tmp_path / "kept.tar.gz")
    before = (tmp_path / "kept.tar.gz").read_bytes()
    db.close()
    tampered(url, "DELETE FROM predictions WHERE seq = 7")
    with pytest.raises(
        DataError, match=r"the ledger is damaged \(predictions row 7 \(after VIX 2017-01-10\) is missing"
    ):
        back_up(opened(url), tmp_path / "models", tmp_path / "kept.tar.gz")
    assert (tmp_path / "kept.tar.gz").read_bytes() == before


def test_a_model_that_is_not_what_was_stored_is_left_out_and_named(tmp_path):
    db = filled(f"sqlite:///{tmp_path}/forecasts.db", tmp_path / "models")
    (tmp_path / "models" / "one" / "a.json").write_text("{}")
    (tmp_path / "models" / "stray").mkdir()
    told = back_up(db, tmp_path / "models", tmp_path / "kept.tar.gz")
    assert (told.models, told.left_out) == (1, ("model one: a.json was changed",))
    with tarfile.open(tmp_path / "kept.tar.gz") as tar:
        assert {name.split("/")[1] for name in tar.getnames() if "/" in name} == {"two"}


# --- what is not restored --------------------------------------------------------------------------------------------


def repacked(archive: Path, change) -> Path:
    "The archive with other members: `change` gets name -> content and may change it."
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}
    change(members)
    path = archive.with_name("repacked.tar.gz")
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def listed_anew(members: dict[str, bytes]) -> None:
    "Let the list of checksums agree with the members, as somebody would who knows how it is made."
    files = {name: hashlib.sha256(content).hexdigest() for name, content in members.items() if name != "backup.json"}
    members["backup.json"] = json.dumps({"files": files}).encode()


def with_row_changed(members: dict[str, bytes]) -> None:
    own = sqlite3.connect(":memory:")
    own.deserialize(members["forecasts.db"][:18] + b"\x01\x01" + members["forecasts.db"][20:])  # no log in memory
    own.executescript("DROP TRIGGER predictions_no_update; UPDATE predictions SET timeliness = 'live' WHERE seq = 9")
    members["forecasts.db"] = own.serialize()
    listed_anew(members)


def with_model_changed(members: dict[str, bytes]) -> None:
    members["models/one/a.json"] = b"{}"
    listed_anew(members)


def with_model_smuggled_in(members: dict[str, bytes]) -> None:
    members["models/three/a.json"] = b"{}"
    listed_anew(members)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("backup.json"), "is no backup of forecastkit: it holds no backup.json"),
        (lambda m: m.pop("forecasts.db"), "is damaged, forecasts.db is missing"),
        (lambda m: m.pop("models/one/a.json"), "is damaged, models/one/a.json is missing"),
        (lambda m: m.update({"models/one/a.json": b"{}"}), "is damaged, models/one/a.json was changed"),
        (lambda m: m.update({"models/one/c.json": b"{}"}), "is damaged, models/one/c.json does not belong to it"),
        (lambda m: m.update({"backup.json": b"[]"}), "cannot be read as a backup"),
        (lambda m: m.update({"backup.json": b"\xff"}), "cannot be read as a backup"),
        (lambda m: m.update({"../escaped": b"x"}), r"is no backup of forecastkit: it holds \.\./escaped"),
        (lambda m: m.update({"/escaped": b"x"}), "is no backup of forecastkit: it holds /escaped"),
        (lambda m: m.update({"models/../../escaped": b"x"}), "is no backup of forecastkit: it holds models/"),
        (lambda m: m.update({"models/.saving-x/a": b"x"}), "is no backup of forecastkit: it holds models/"),
        (lambda m: m.update({"settings.ini": b"x"}), r"is no backup of forecastkit: it holds settings\.ini"),
        (with_row_changed, r"this backup is damaged, predictions row 9 \(VIX 2017-01-13\) was changed"),
        (with_model_changed, "this backup is damaged, model one is not what was stored"),
        (with_model_smuggled_in, "this backup is damaged, model three is not what was stored"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_archive_is_named_and_nothing_is_touched(archive, change, words, tmp_path):
    home = tmp_path / "target"
    with pytest.raises(DataError, match=words) as error:
        restore(repacked(archive, change), f"sqlite:///{home}/forecasts.db", home / "models")
    assert "\n" not in str(error.value)
    assert list(home.iterdir()) == [] and not (tmp_path / "escaped").exists() and not Path("/escaped").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_only_plain_files_are_unpacked(tmp_path, kind):
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("models/one/a.json")
        member.type, member.linkname = kind, "../../../escaped"
        tar.addfile(member)
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="is no backup of forecastkit: it holds models/one"):
        unpack(tmp_path / "bad.tar.gz", tmp_path / "in")
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize("left", [0, 10, 1000, -100])
def test_an_archive_cut_short(archive, tmp_path, left):
    content = archive.read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(content[:left])
    with pytest.raises(DataError, match=r"cut\.tar\.gz") as error:
        restore(tmp_path / "cut.tar.gz", f"sqlite:///{tmp_path}/target/forecasts.db", tmp_path / "target" / "models")
    assert "\n" not in str(error.value)
    assert list((tmp_path / "target").iterdir()) == []


def test_no_archive_at_all(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.tar\.gz cannot be read as a backup"):
        restore(
            tmp_path / "nothing.tar.gz", f"sqlite:///{tmp_path}/target/forecasts.db", tmp_path / "target" / "models"
        )


# --- archives made to do harm -----------------------------------------------------------------------------------------


class Endless(io.RawIOBase):
    "So many zeros, without holding them."

    def __init__(self, size: int):
        self.left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.type, found.linkname = size, kind, link
    return found


def raw(name: str, size: int, kind: bytes, content: bytes = b"") -> bytes:
    "A header as it stands in the stream, and what is behind it, filled up to a block."
    header = member(name, size, kind).tobuf(tarfile.GNU_FORMAT)
    return header + content + bytes(-len(content) % 512)


def forged(path: Path, write, files: dict[str, str] | None = None, sizes: dict[str, int] | None = None) -> Path:
    "An archive that begins with a list as it should; `write` adds what comes behind it."
    listed = {"files": {"forecasts.db": "0" * 64, **(files or {})}} | ({} if sizes is None else {"sizes": sizes})
    content = json.dumps(listed).encode()
    with gzip.open(path, "wb", 9) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        tar.addfile(member("backup.json", len(content)), io.BytesIO(content))
        write(tar)
    return path


def spliced(path: Path, blocks: bytes, behind: bytes = b"") -> Path:
    "An archive of a list and blocks as they are."
    content = json.dumps({"files": {"forecasts.db": "0" * 64}}).encode()
    with gzip.open(path, "wb", 9) as stream:
        stream.write(raw("backup.json", len(content), tarfile.REGTYPE, content) + blocks + bytes(1024) + behind)
    return path


HUGE = 2 * 2**30
EVIL: dict = {
    "a bomb": (lambda p: spliced(p, raw("forecasts.db", HUGE, tarfile.REGTYPE, bytes(2**20))), "claims to hold 2,048 MB in"),
    "a bomb that the list admits": (lambda p: forged(p, lambda tar: None, sizes={"forecasts.db": 10**15}), "claims to hold 953,674,316 MB"),
    "many files that are a bomb together": (
        lambda p: forged(p, lambda tar: [tar.addfile(member(f"models/a/{k}", 2**24), Endless(2**24)) for k in range(16)],
                         files={f"models/a/{k}": hashlib.sha256(bytes(2**24)).hexdigest() for k in range(16)}), "claims to hold"),
    "more than was listed": (
        lambda p: forged(p, lambda tar: tar.addfile(member("forecasts.db", 600), Endless(600)), sizes={"forecasts.db": 5}),
        "is damaged, forecasts.db was changed"),
    "a size below zero": (lambda p: spliced(p, raw("forecasts.db", -512, tarfile.REGTYPE)), "of a size that no file has"),
    "a size of four hundred digits": (
        lambda p: spliced(p, raw("x", 411, tarfile.XHDTYPE, b"411 size=" + b"9" * 401 + b"\n") + raw("forecasts.db", 0, tarfile.REGTYPE)),
        "forecasts.db of a size that no file has"),
    "a list with a size of four hundred digits": (
        lambda p: forged(p, lambda tar: None, sizes={"forecasts.db": 10**400}), "its list of checksums is not one"),
    "a list with a size below zero": (
        lambda p: forged(p, lambda tar: None, sizes={"forecasts.db": -1}), "its list of checksums is not one"),
    "a record of a gigabyte": (lambda p: spliced(p, raw("x", 2**30, tarfile.XHDTYPE)), "it holds x, which is no plain file"),
    "a record for all": (lambda p: spliced(p, raw("x", 10, tarfile.XGLTYPE, b"10 a=b\n")), "it holds x, which is no plain file"),
    "a name of a gigabyte": (lambda p: spliced(p, raw("x", 2**30, tarfile.GNUTYPE_LONGNAME)), "it holds x, which is no plain file"),
    "a sparse file": (lambda p: spliced(p, raw("forecasts.db", 0, tarfile.GNUTYPE_SPARSE)), "forecasts.db, which is no plain file"),
    "a sparse file of the newer kind": (
        lambda p: spliced(p, raw("x", 31, tarfile.XHDTYPE, b"31 GNU.sparse.realsize=1000000\n") + raw("forecasts.db", 0, tarfile.REGTYPE)),
        r"a record says 'GNU\.sparse\.realsize'"),
    "a link": (lambda p: forged(p, lambda tar: tar.addfile(member("models/one/a", 0, tarfile.SYMTYPE, "/etc"))), "models/one/a, which is no plain file"),
    "a hard link": (lambda p: forged(p, lambda tar: tar.addfile(member("models/one/a", 0, tarfile.LNKTYPE, "../../x"))), "no plain file"),
    "a folder": (lambda p: forged(p, lambda tar: tar.addfile(member("models", 0, tarfile.DIRTYPE))), "it holds models, which is no plain file"),
    "an absolute path": (lambda p: forged(p, lambda tar: tar.addfile(member("/etc/passwd"))), "it holds /etc/passwd"),
    "a parent": (lambda p: forged(p, lambda tar: tar.addfile(member("models/../../up"))), r"it holds models/\.\./\.\./up"),
    "a parent in a record": (
        lambda p: forged(p, lambda tar: tar.addfile(member("../" + "a" * 150))), r"it holds \.\./aaa"),
    "a name with escapes": (lambda p: spliced(p, raw("\x1b[2J\nmodels", 0, tarfile.REGTYPE)), r"it holds \\x1b\[2J\\nmodels"),
    "a name twice": (
        lambda p: forged(p, lambda tar: [tar.addfile(member("models/a/b")) for _ in range(2)],
                         files={"models/a/b": hashlib.sha256(b"").hexdigest()}), "it holds models/a/b twice"),
    "the list twice": (lambda p: forged(p, lambda tar: tar.addfile(member("backup.json"))), r"it holds backup\.json twice"),
    "a file that is a folder too": (
        lambda p: forged(p, lambda tar: None, files={"models/a/b": "0" * 64, "models/a/b/c": "0" * 64}), "its list of checksums is not one"),
    "a list that leads out": (lambda p: forged(p, lambda tar: None, files={"../up": "0" * 64}), "its list of checksums is not one"),
    "a list of numbers": (lambda p: forged(p, lambda tar: None, files={"models/a/b": 7}), "its list of checksums is not one"),
    "sizes that are words": (lambda p: forged(p, lambda tar: None, sizes={"forecasts.db": "large"}), "its list of checksums is not one"),
    "a million files": (
        lambda p: forged(p, lambda tar: [tar.addfile(member(f"models/a/{k}")) for k in range(20_000)]), "models/a/0 does not belong to it"),
    "something behind its end": (lambda p: spliced(p, b"", bytes(512) + b"more"), "it holds something behind its end"),
    "zeros behind its end": (lambda p: spliced(p, b"", bytes(64 * 2**20)), "it holds something behind its end"),
}  # fmt: skip


@pytest.mark.parametrize("kind", EVIL)
def test_an_archive_made_to_do_harm_is_refused_in_a_sentence_before_anything_is_written(kind, tmp_path, monkeypatch):
    import forecastkit.ops.backups as module

    make, words = EVIL[kind]
    archive, home = make(tmp_path / "evil.tar.gz"), tmp_path / "target"
    written, real = [], module.take
    monkeypatch.setattr(module, "take", lambda one, folder: written.append(folder) or real(one, folder))
    tracemalloc.start()
    begun = time.monotonic()
    with pytest.raises(DataError, match=words) as error:
        restore(archive, f"sqlite:///{home}/forecasts.db", home / "models")
    seconds, peak = time.monotonic() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(error.value).isprintable() and str(error.value).startswith(str(archive))
    assert all(folder is None for folder in written)  # it was read, and nothing was written
    assert list(home.iterdir()) == [] and not (tmp_path / "up").exists()
    assert peak < 16 * 2**20 and seconds < 10


ENDLESS = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT x FROM r"
FOREIGN = {
    "a view without end": (f"CREATE VIEW features AS {ENDLESS}", "a view features"),
    "a view in place of a table": (
        "ALTER TABLE predictions RENAME TO other; "
        f"CREATE VIEW predictions AS WITH RECURSIVE {ENDLESS.partition('RECURSIVE ')[2]}",
        "a (table|trigger|index|view) ",
    ),
    "a trigger": ("CREATE TRIGGER more AFTER INSERT ON chain BEGIN DELETE FROM outcomes; END", "a trigger more"),
    "a trigger under a name of ours": (
        "DROP TRIGGER outcomes_no_update; CREATE TRIGGER outcomes_no_update BEFORE UPDATE ON outcomes BEGIN DELETE FROM chain; END",
        "a trigger outcomes_no_update",
    ),
    "a table": ("CREATE TABLE more (x)", "a table more"),
    "a column that is computed": (
        "DROP TABLE outcomes; CREATE TABLE outcomes (seq INTEGER NOT NULL, symbol VARCHAR AS (hex(zeroblob(450000000))))",
        "a table outcomes that is not",
    ),
    "a check": ("ALTER TABLE chain ADD COLUMN more CHECK (length(zeroblob(450000000)))", "a table chain that is not"),
    "an index of an expression": ("CREATE INDEX more ON chain (hex(head))", "a index more"),
    "a virtual table": ("CREATE VIRTUAL TABLE more USING fts5(x)", "a table more"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_ledger_with_more_than_rows_is_refused_before_it_is_read(kind, archive, tmp_path):
    script, words = FOREIGN[kind]

    def change(members: dict[str, bytes]) -> None:
        (tmp_path / "own.db").write_bytes(members["forecasts.db"])
        with closing(sqlite3.connect(tmp_path / "own.db", isolation_level=None)) as own:
            own.executescript(f"PRAGMA journal_mode = DELETE; {script}")
        members["forecasts.db"] = (tmp_path / "own.db").read_bytes()
        listed_anew(members)

    begun = time.monotonic()
    with pytest.raises(DataError, match=f"this backup is damaged, its ledger holds {words}") as error:
        restore(repacked(archive, change), f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path / "home" / "models")
    assert str(error.value).isprintable() and list((tmp_path / "home").iterdir()) == []
    assert time.monotonic() - begun < 60  # nothing of it is computed


def test_a_ledger_that_is_no_database(archive, tmp_path):
    def change(members: dict[str, bytes]) -> None:
        members["forecasts.db"] = b"nonsense" * 1000
        listed_anew(members)

    with pytest.raises(DataError, match="its ledger is no database"):
        restore(repacked(archive, change), f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path / "home" / "models")


def with_ledger(archive: Path, script: str) -> Path:
    "The archive with the triggers of its ledger dropped and a script run on it."

    def change(members: dict[str, bytes]) -> None:
        own = sqlite3.connect(":memory:")
        own.deserialize(members["forecasts.db"][:18] + b"\x01\x01" + members["forecasts.db"][20:])  # no log in memory
        drops = "".join(f"DROP TRIGGER {name};" for kind, name, _ in definitions(own) if kind == "trigger")
        own.executescript(drops + script)
        members["forecasts.db"] = own.serialize()
        listed_anew(members)

    return repacked(archive, change)


ODD_VALUES = {
    "a moment that is a number": ("UPDATE models SET created_at = '9999999' WHERE seq = 2", "models row 2 has created_at 9999999"),
    "a moment that is none": ("UPDATE predictions SET made_at = 'noon' WHERE seq = 2", "predictions row 2 has made_at 'noon'"),
    "a moment before all": (
        "UPDATE models SET created_at = '0001-01-01 00:00:00+14:00' WHERE seq = 1", "models row 1 has created_at '0001-01-01"),
    "a day that is none": ("UPDATE outcomes SET origin = 'garbage' WHERE seq = 3", "outcomes row 3 has origin 'garbage'"),
    "a length that is none": ("UPDATE chain SET length = 'abc' WHERE id = 1", "chain row 1 has length 'abc'"),
    "bytes": ("UPDATE predictions SET forecast = x'ff00' WHERE seq = 2", r"predictions row 2 has forecast b'\\xff"),
    "a row of 17 MB": ("UPDATE predictions SET forecast = CAST(zeroblob(17000000) AS TEXT) WHERE seq = 2", "string or blob too big"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD_VALUES)
def test_a_value_that_its_column_cannot_hold_is_named(kind, archive, tmp_path):
    script, words = ODD_VALUES[kind]
    with pytest.raises(DataError, match=words) as error:
        restore(with_ledger(archive, script), f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path / "home" / "models")
    assert str(error.value).isprintable() and list((tmp_path / "home").iterdir()) == []


LONG = "a" * 300
SHOWN = {
    "a member": (80, lambda p, a: forged(p, lambda tar: tar.addfile(member(LONG)))),
    "what is no plain file": (80, lambda p, a: forged(p, lambda tar: tar.addfile(member(LONG[:100], 0, tarfile.SYMTYPE, "b")))),
    "a record": (40, lambda p, a: spliced(p, raw("x", 307, tarfile.XHDTYPE, f"307 {LONG}=b\n".encode()))),
    "a table": (80, lambda p, a: with_ledger(a, f"CREATE TABLE {LONG} (x)")),
    "a model": (80, lambda p, a: with_ledger(a, "UPDATE models SET version = 'LONG', manifest = '[]' WHERE seq = 1".replace("LONG", LONG))),
    "a value": (39, lambda p, a: with_ledger(a, "UPDATE outcomes SET origin = 'LONG' WHERE seq = 3".replace("LONG", LONG))),  # and its quote
}  # fmt: skip


@pytest.mark.parametrize("kind", SHOWN)
def test_of_a_long_name_in_an_archive_the_beginning_is_shown(kind, archive, tmp_path):
    most, make = SHOWN[kind]
    with pytest.raises(DataError) as error:
        restore(make(tmp_path / "long.tar.gz", archive), f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path / "models")
    assert max(map(len, re.findall("a+", str(error.value).replace(str(tmp_path), "")))) == most


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", '{"files": 3}', '{"files": {"../../up": "00"}}', '{"files": {"a.json": 3}}', "[[[", "[" * 99999],
)
def test_a_manifest_that_is_none_is_named(text, archive, tmp_path):
    with pytest.raises(DataError, match="this backup is damaged, the manifest of model one is none: use another one"):
        changed = with_ledger(archive, "UPDATE models SET manifest = 'other' WHERE seq = 1".replace("other", text))
        restore(changed, f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path / "home" / "models")
    assert list((tmp_path / "home").iterdir()) == []


def test_an_empty_ledger_is_no_ledger(archive, tmp_path):
    def change(members: dict[str, bytes]) -> None:
        members["forecasts.db"] = b""
        listed_anew(members)

    with pytest.raises(DataError, match="this backup is damaged, its ledger is empty: use another one"):
        restore(repacked(archive, change), f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path / "home" / "models")
    assert list((tmp_path / "home").iterdir()) == []


def test_a_list_so_deep(tmp_path):
    content = b'{"files":' + b"[" * 200_000
    with tarfile.open(tmp_path / "deep.tar.gz", "w:gz") as tar:
        tar.addfile(member("backup.json", len(content)), io.BytesIO(content))
    with pytest.raises(DataError, match="cannot be read as a backup"):
        restore(tmp_path / "deep.tar.gz", f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path / "home" / "models")


def test_a_backup_that_does_not_fit_is_refused_before_it_is_unpacked(archive, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"does not fit on the disk of .*, it takes \d+ MB of 0 MB that are free"):
        restore(archive, f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path / "home" / "models")


def test_backups_of_the_last_version_without_sizes_are_restored(archive, tmp_path):
    def without_sizes(members: dict[str, bytes]) -> None:
        listed = json.loads(members["backup.json"])
        assert listed["sizes"]["forecasts.db"] == len(members["forecasts.db"])
        del listed["sizes"]
        members["backup.json"] = json.dumps(listed).encode()

    old = repacked(archive, without_sizes)
    assert restore(old, f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path / "home" / "models").forecasts == 30


# --- what is there already -------------------------------------------------------------------------------------------


def test_a_record_that_is_there_stays_unless_told_and_is_kept_aside(archive, url, tmp_path):
    home = tmp_path / "target"
    before = filled(url, home / "models", n=50).get_predictions()["prediction_id"].tolist()
    with pytest.raises(DataError, match="holds a record already: restore into an empty --home, or add --force"):
        restore(archive, url, home / "models")
    assert opened(url).get_predictions()["prediction_id"].tolist() == before
    found = restore(archive, url, home / "models", force=True)
    assert len(opened(url).get_predictions()) == 30 and opened(url).verify() == []
    aside = opened(f"sqlite:///{found.previous_copy}")
    assert aside.get_predictions()["prediction_id"].tolist() == before and aside.verify() == []
    again = restore(archive, url, home / "models")  # the same again: nothing to do, nothing to ask
    assert again.previous_copy == "" and again.unchanged and "identical" in str(again)


def test_a_damaged_record_is_replaced_and_kept_as_it_was(archive, url, tmp_path):
    filled(url, tmp_path / "target" / "models").close()
    tampered(url, "UPDATE predictions SET timeliness = 'live' WHERE seq = 9; DELETE FROM chain WHERE id = 2")
    found = restore(archive, url, tmp_path / "target" / "models", force=True)
    assert opened(url).verify() == []
    with sqlite3.connect(found.previous_copy) as aside:
        assert aside.execute("SELECT timeliness FROM predictions WHERE seq = 9").fetchone() == ("live",)
        assert aside.execute("SELECT count(*) FROM chain").fetchone() == (len(CHAINED) - 1,)


def test_another_model_under_the_same_name_is_not_replaced(archive, tmp_path):
    home, url = tmp_path / "target", f"sqlite:///{tmp_path}/target/forecasts.db"
    db = opened(url)
    ModelRegistry(home / "models", db).save("one", Numbers(9.9), target=Target("VIX"), origin=DAYS[0])
    with pytest.raises(DataError, match="one holds another model than the backup under the same name: move it away"):
        restore(archive, url, home / "models", force=True)
    assert damaged_models(db, home / "models") == {"one": []}
    (home / "models" / "one").rename(tmp_path / "away")
    assert restore(archive, url, home / "models", force=True).models == 2
    assert damaged_models(opened(url), home / "models") == {"one": [], "two": []}


def test_a_model_that_nobody_vouches_for_is_replaced(archive, tmp_path):
    (tmp_path / "target" / "models" / "one").mkdir(parents=True)
    (tmp_path / "target" / "models" / "one" / "a.json").write_text("stray")
    url = f"sqlite:///{tmp_path}/target/forecasts.db"
    restore(archive, url, tmp_path / "target" / "models")
    assert damaged_models(opened(url), tmp_path / "target" / "models") == {"one": [], "two": []}


# --- sudden ends -----------------------------------------------------------------------------------------------------


def restore_forced(archive: Path, url: str, models: Path) -> None:
    restore(archive, url, models, force=True)


@needs_fork
def test_killed_while_restoring_there_is_the_old_or_the_new(archive, tmp_path):
    home = tmp_path / "target"
    url, rng, seen = f"sqlite:///{home}/forecasts.db", random.Random(4), []
    filled(url, home / "models", n=50).close()
    started = time.monotonic()
    process = FORK.Process(
        target=restore_forced, args=(archive, f"sqlite:///{tmp_path}/try/forecasts.db", tmp_path / "try/models")
    )
    process.start()
    process.join()
    whole = time.monotonic() - started  # how long it takes undisturbed
    for _ in range(10):
        process = FORK.Process(target=restore_forced, args=(archive, url, home / "models"))
        process.start()
        time.sleep(whole * rng.uniform(0.2, 1.1))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        db = opened(url)
        seen.append(len(db.get_predictions()))
        assert seen[-1] in (30, 50) and db.verify() == []
        assert set(damaged_models(db, home / "models")) == {"one", "two"}
        assert not any(damaged_models(db, home / "models").values())
        db.close()
        if seen[-1] == 30:
            restore_old(url, tmp_path)
    assert 50 in seen, "every kill came too late to test anything"


def restore_old(url: str, tmp_path: Path) -> None:
    "Put the fifty back, for the next kill."
    kept = sorted((tmp_path / "target").glob("forecasts-before-*.db"))[0]
    old = opened(f"sqlite:///{kept}")
    back_up(old, tmp_path / "target" / "models", tmp_path / "old.tar.gz")
    restore(tmp_path / "old.tar.gz", url, tmp_path / "target" / "models", force=True)
    old.close()


def test_a_record_that_does_not_arrive_whole_leaves_the_old_one(archive, url, tmp_path, monkeypatch):
    import forecastkit.ops.backups as module

    def lossy(source, into):
        real(source, into)
        into.execute(sa.update(CHAIN).values(length=29))

    filled(url, tmp_path / "target" / "models", n=50)
    real = module.copy_rows
    monkeypatch.setattr(module, "copy_aside", lambda *given: "")
    monkeypatch.setattr(module, "copy_rows", lossy)
    with pytest.raises(DataError, match="did not arrive whole"):
        restore(archive, url, tmp_path / "target" / "models", force=True)
    assert len(opened(url).get_predictions()) == 50 and opened(url).verify() == []


@pytest.mark.parametrize("name", ["q?1", "per%20cent", "a#b", "a b", "ä"])
def test_any_name_of_a_folder_is_only_a_name(name, archive, tmp_path):
    home = tmp_path / name
    found = restore(archive, file_url(home / "forecasts.db"), home / "models")
    with closing(PredictionDatabase(file_url(home / "forecasts.db"))) as database:
        assert len(database.get_predictions()) == found.forecasts == 30
        assert back_up(database, home / "models", tmp_path / name / "kept.tar.gz") == found
        assert restore(tmp_path / name / "kept.tar.gz", file_url(home / "forecasts.db"), home / "models").unchanged
    assert {path.name for path in tmp_path.iterdir()} == {"source", "kept", name}
