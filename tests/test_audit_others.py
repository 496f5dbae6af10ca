"Files that another process changes during an audit are told from those that the function changes."

import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from forecastkit.core import FileRefusal
from forecastkit.core.file_guard import changed_again, idle_seconds
from forecastkit.evaluation import audit

FRAME = pd.DataFrame({"close": [float(k % 7 + k) for k in range(60)]}, pd.bdate_range("2020-01-01", periods=60))
APPENDS = (
    "import time\nwhile True:\n    with open('other.log', 'a') as log:\n        log.write('x')\n    time.sleep(0.02)\n"
)


@pytest.fixture
def written(tmp_path, monkeypatch):
    "A working folder with a log into which another process writes all the time."
    monkeypatch.chdir(tmp_path)
    writer = subprocess.Popen([sys.executable, "-c", APPENDS])
    while not Path("other.log").exists():
        time.sleep(0.01)
    yield tmp_path
    writer.kill()
    writer.wait()


def change(frame):
    return frame["close"].diff()


def asks_whether_it_is_there(frame):
    return frame["close"].diff() * Path("other.log").exists()


def logs_into_it(frame):
    with Path("other.log").open("a") as log:
        log.write("asked")
    return frame["close"].diff()


def kept_by_a_library(frame):
    kept = Path("scale.parquet")
    if not kept.exists():
        pd.DataFrame({"mean": [frame["close"].mean()]}).to_parquet(kept)
    return frame["close"] / pd.read_parquet(kept)["mean"].iloc[0]


def reads_it(frame):
    return frame["close"] * 0 + len(Path("other.log").read_text())


def writes_in_a_thread(frame):
    def writes():
        for k in range(100):
            pd.DataFrame({"rows": [k] * k}).to_parquet("in_a_thread.parquet")
            time.sleep(0.02)

    threading.Thread(target=writes, name="writes").start()
    return frame["close"].diff()


def writes_in_a_program(frame):
    subprocess.Popen(["sh", "-c", "for k in $(seq 100); do echo x >> by_sh.txt; sleep 0.02; done"])
    return frame["close"].diff()


@pytest.mark.parametrize(("fn", "jobs"), [(change, 1), (change, 2), (asks_whether_it_is_there, 1), (logs_into_it, 1)])
def test_a_log_of_another_process_is_a_note(fn, jobs, written):
    report = audit(fn, FRAME, cuts=8, n_jobs=jobs)
    assert report.ok and any("another process changes" in note and "other.log" in note for note in report.notes)


@pytest.mark.parametrize(("fn", "file"), [(kept_by_a_library, "scale.parquet"), (writes_in_a_thread, "in_a_thread.parquet"), (writes_in_a_program, "by_sh.txt")])  # fmt: skip
def test_what_the_function_changes_is_refused_beside_it(fn, file, written):
    with pytest.raises(FileRefusal, match=rf"{fn.__name__} cannot be audited: .*{file}"):
        audit(fn, FRAME, cuts=2)
    for thread in threading.enumerate():  # what it has left would count in the next audit of this process
        if thread.name == "writes":
            thread.join()


def test_a_file_that_is_read_while_another_process_changes_it_ends_the_audit(written):
    with pytest.raises(FileRefusal, match=r"it reads .*other\.log, which another process changes meanwhile"):
        audit(reads_it, FRAME, cuts=2)


def test_a_folder_that_rests_has_no_such_note(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not any("another process" in note for note in audit(change, FRAME, cuts=2).notes)


def test_a_rest_ends_as_soon_as_each_file_has_changed_and_lasts_no_longer_than_asked(written):
    assert changed_again([Path("other.log")], float("inf")) == {Path("other.log")}
    assert changed_again([Path("other.log"), Path("none")], 3) == {Path("other.log")}


@pytest.mark.parametrize(("asked_for", "programs", "rest"), [(0, [], 1), (3, [], 3), (900, [], 5), (900, ["sh"], 0)])
def test_a_rest_is_as_long_as_the_function_was_asked_from_one_second_to_five(asked_for, programs, rest, monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    assert idle_seconds(1000.0 - asked_for, programs) == rest
