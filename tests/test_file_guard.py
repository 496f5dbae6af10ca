"An audit changes no file of a user's, however a function names what it calls; what it cannot lead or prove ends as a refusal."

# ruff: noqa: PTH102, PTH104, PTH107, PTH123, PTH207, PTH208  (these functions are what is tested)
import bz2
import glob
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
from contextlib import suppress
from os import mkdir, remove, rename
from pathlib import Path
from shutil import rmtree
from sqlite3 import connect

import pandas as pd
import pytest

from forecastkit.core import FileGuard, FileRefusal
from forecastkit.evaluation import audit

MOVED, LOW = os.rename, os.open


def in_a_thread(call):
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def by_open_folder():
    folder = os.open(".", os.O_RDONLY)
    try:
        os.close(os.open("mine.txt", os.O_WRONLY | os.O_TRUNC, dir_fd=folder))
        os.unlink("mine.txt", dir_fd=folder)
    finally:
        os.close(folder)


def by_number(call):
    with open("mine.txt") as opened:
        call(opened.fileno())


def insert(base):
    base.execute("insert into t values (2)")
    base.commit()
    base.close()


LED = {
    "open by keyword": lambda: open(file="mine.txt", mode="w").close(),
    "os.open by keyword": lambda: os.close(os.open(path="mine.txt", flags=os.O_WRONLY | os.O_TRUNC)),
    "remove by keyword": lambda: os.remove(path="mine.txt"),
    "rename by keyword": lambda: os.rename(src="mine.txt", dst="other.txt"),
    "rmtree by keyword": lambda: shutil.rmtree(path="deep"),
    "sqlite by keyword": lambda: insert(sqlite3.connect(database="mine.db")),
    "sqlite by uri": lambda: insert(sqlite3.connect(f"file:{Path('mine.db').resolve()}", uri=True)),
    "an open folder": by_open_folder,
    "an opener": lambda: open("mine.txt", "w", opener=lambda path, flags: os.open(path, flags)).close(),
    "a thread": lambda: in_a_thread(lambda: Path("mine.txt").write_text("x")),
    "bz2": lambda: bz2.open("mine.txt", "wt").close(),
    "tarfile": lambda: tarfile.open("mine.txt", "w").close(),
    "a module": lambda: Path("mine.py").write_text("x"),
    "mknod": lambda: os.mknod("node"),
}
REFUSED = {
    "remove": lambda: remove("mine.txt"),
    "rename": lambda: rename("mine.txt", "other.txt"),
    "mkdir": lambda: mkdir("new"),
    "connect": lambda: insert(connect("mine.db")),
    "a raw file": lambda: io.FileIO("mine.txt", "w").close(),
    "a thread": lambda: in_a_thread(lambda: remove("mine.txt")),
    "os.open": lambda: os.close(LOW("mine.txt", os.O_WRONLY | os.O_TRUNC)),
    "mode by number": lambda: by_number(lambda number: os.fchmod(number, 0o600)),
    "time by number": lambda: by_number(os.utime),
    "large, appended": lambda: open("large.log", "a").close(),
    "large, renamed": lambda: os.rename("large.log", "large.1"),
    "large, moved": lambda: MOVED("large.log", "large.1"),
}


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    "A folder of a user's, and what it looks like."
    monkeypatch.chdir(tmp_path)
    Path("mine.txt").write_text("mine")
    Path("mine.py").write_text("X = 1\n")
    Path("deep").mkdir()
    Path("deep/old.txt").write_text("old")
    with open("large.log", "wb") as made:
        made.truncate((1 << 26) + 1)
    base = sqlite3.connect("mine.db")
    base.execute("create table t (m)")
    insert(base)

    def state():
        paths = sorted(tmp_path.rglob("*"))
        return {str(path): (path.lstat().st_mode, path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths}

    return state


@pytest.mark.parametrize("name", LED)
def test_what_can_be_led_is_led(name, theirs, tmp_path_factory):
    before, guard = theirs(), FileGuard(tmp_path_factory.mktemp("over"))
    with guard.active():
        LED[name]()
    guard.require_kept()
    assert (guard.written or guard.gone) and theirs() == before


def change():
    Path("deep/new").mkdir()
    Path("deep/new/some.txt").write_text("some")
    Path("deep/old.txt").rename("deep/older.txt")
    Path("deep/kept.txt").write_text("rewritten")
    Path("mine.txt").unlink()


def told(entries):
    return sorted((entry.name, entry.path, os.fspath(entry), entry.is_dir(), entry.is_file()) for entry in entries)


LISTED = {
    "scandir": lambda: told(os.scandir()),
    "scandir of a name": lambda: told(os.scandir("deep")),
    "scandir of bytes": lambda: told(os.scandir(b"deep")),
    "scandir of a path": lambda: told(os.scandir(Path("deep").resolve())),
    "scandir of what nobody changed": lambda: told(os.scandir("other")),
    "scandir of nothing": lambda: told(os.scandir(None)),
    "scandir in two parts": lambda: (
        lambda entries: sorted(
            [next(entries).name, *(entry.name for entry in entries), *(entry.name for entry in entries)]
        )
    )(os.scandir("deep")),
    "sizes": lambda: sorted((entry.name, entry.stat().st_size) for entry in os.scandir("deep") if not entry.is_dir()),
    "listdir of nothing": lambda: sorted(os.listdir(None)),
    "listdir": lambda: sorted(os.listdir("deep")),
    "listdir of bytes": lambda: sorted(os.listdir(b"deep")),
    "walk": lambda: [(top, sorted(folders), sorted(files)) for top, folders, files in os.walk("deep")],
    "iterdir": lambda: sorted(Path("deep").iterdir()),
    "glob": lambda: sorted(Path().glob("**/*.txt")),
    "glob of a name": lambda: sorted(Path().glob("deep/old.txt")) + sorted(Path().glob("*/new/some.txt")),
    "rglob": lambda: sorted(Path("deep").rglob("*")),
    "glob.glob": lambda: sorted(glob.glob("**/*.txt", recursive=True)),
    "copytree": lambda: sorted(path.read_text() for path in Path(shutil.copytree("deep", "copy")).rglob("*.txt")),
}


@pytest.mark.parametrize("name", LISTED)
def test_a_folder_that_is_led_is_listed_as_a_true_one(name, theirs, tmp_path_factory):
    Path("other").mkdir()
    Path("deep/kept.txt").write_text("kept")
    Path("deep/link.txt").symlink_to("kept.txt")
    Path("other/kept.txt").write_text("kept")
    before, guard = theirs(), FileGuard(tmp_path_factory.mktemp("over"))
    with guard.active():
        change()
        under = LISTED[name]()
    guard.require_kept()
    assert theirs() == before
    change()
    assert under == LISTED[name]() and under


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_led_is_refused_and_told(name, theirs, tmp_path_factory):
    before, guard = theirs(), FileGuard(tmp_path_factory.mktemp("over"))

    def called():
        with suppress(OSError):  # a function may go on as if nothing had been said
            REFUSED[name]()

    with pytest.raises(FileRefusal, match=r"keeps a user's files as they are"):
        guard.around(called)()
    assert theirs() == before
    remove("mine.txt")  # nothing is refused afterwards
    assert not Path("mine.txt").exists()


def test_a_folder_is_removed_by_an_imported_name_in_the_layer_alone(theirs, tmp_path_factory):
    before, guard = theirs(), FileGuard(tmp_path_factory.mktemp("over"))
    with guard.active():
        rmtree("deep", ignore_errors=True)
    assert theirs() == before


def test_a_large_database_is_read_and_not_written(theirs, monkeypatch, tmp_path_factory):
    monkeypatch.setattr("forecastkit.core.file_layer.LARGEST_COPY", 1)
    with FileGuard(tmp_path_factory.mktemp("over")).active():
        base = sqlite3.connect("mine.db")
        assert base.execute("select m from t").fetchall() == [(2,)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            base.execute("insert into t values (3)")
        base.close()


def test_temporary_files_compiled_code_and_devices_are_nobodys(theirs, tmp_path_factory):
    import tempfile

    guard = FileGuard(tmp_path_factory.mktemp("over"))
    with guard.active():
        with tempfile.NamedTemporaryFile() as made:
            made.write(b"x")
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "x").write_text("x")
        io.FileIO(os.devnull, "w").close()
        mkdir("__pycache__")
        io.FileIO("__pycache__/mine.cpython-311.pyc.1", "w").close()
    guard.require_kept()


def removes_by_name(frame):
    if Path("mine.txt").exists():
        remove("mine.txt")
    return frame["close"].shift(1)


def kept_by_a_library(frame):
    kept = Path("scale.parquet")
    if not kept.exists():
        pd.DataFrame({"mean": [frame["close"].mean()]}).to_parquet(kept)
    return frame["close"] / pd.read_parquet(kept)["mean"].iloc[0]


def kept_by_a_program(frame):
    subprocess.run(["sh", "-c", f"echo {len(frame)} >> by_sh.txt"], check=True)
    return frame["close"].shift(1)


@pytest.mark.parametrize(
    ("fn", "file"),
    [(removes_by_name, "mine.txt"), (kept_by_a_library, "scale.parquet"), (kept_by_a_program, "by_sh.txt")],
)
def test_an_audit_of_what_cannot_be_led_ends_as_a_refusal(fn, file, theirs):
    frame = pd.DataFrame({"close": [float(k % 7 + k) for k in range(60)]}, pd.bdate_range("2020-01-01", periods=60))
    with pytest.raises(FileRefusal, match=rf"{fn.__name__} cannot be audited: .*{file}"):
        audit(fn, frame, cuts=2)
    assert Path("mine.txt").read_text() == "mine"


def test_the_file_into_which_a_process_prints_is_no_change_of_the_function(tmp_path):
    (tmp_path / "talks.py").write_text(
        "import pandas as pd\nimport forecastkit as fk\n\n"
        "close = pd.Series(range(1, 61), pd.bdate_range('2018-01-02', periods=60), dtype=float)\n\n"
        "def talks(close):\n    print('asked', flush=True)\n    return close.diff()\n\n"
        "print(fk.audit(talks, close, cuts=3).ok, flush=True)\n"
    )
    with (tmp_path / "all.log").open("w") as log:
        command = [sys.executable, "talks.py"]
        ran = subprocess.run(command, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT, check=False)
    told = (tmp_path / "all.log").read_text()
    assert ran.returncode == 0 and "True" in told and "asked" in told, told[-500:]
