"The experiment log: nothing is lost between writers, and no change goes unnoticed."

import json
import multiprocessing
import shutil
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecastkit.core import DataError, canonical_json, file_lock
from forecastkit.core.experiments import ExperimentLog, chained_line, log_problems, shipped_log, trials_text


def write_some(path: Path, writer: int, entries: int) -> None:
    log = ExperimentLog(path)
    for i in range(entries):
        log.append("study", f"writer {writer}", f"entry {i}", {"i": i, "text": "x" * 3000})


def test_concurrent_writers_lose_nothing(tmp_path):
    path = tmp_path / "deep" / "experiments.jsonl"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_some, args=(path, w, 15)) for w in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    log = ExperimentLog(path)
    assert log.verify() == []
    assert log.count() == 45
    for w in range(3):
        mine = [entry["result"]["i"] for entry in log.entries() if entry["name"] == f"writer {w}"]
        assert mine == list(range(15))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> bytes:
    log = ExperimentLog(tmp_path_factory.mktemp("log") / "experiments.jsonl")
    for i in range(4):
        log.append("study", f"variant {i}", "because", {"skill": 0.01 * i, "note": "größer"}, when=f"2020-01-0{i + 1}")
    return log.path.read_bytes()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_byte_goes_unnoticed(written, tmp_path, data):
    at = data.draw(st.integers(0, len(written) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != written[at]))
    log = ExperimentLog(tmp_path / "experiments.jsonl")
    log.path.write_bytes(written[:at] + bytes([byte]) + written[at + 1 :])
    if [_content(line) for line in log.path.read_bytes().split(b"\n")] == [
        _content(line) for line in written.split(b"\n")
    ]:
        return  # another spelling of the same content: nothing was changed
    assert log.verify()
    assert log.count() is None
    assert trials_text(log) == "trials unknown"


def _content(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return line


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[1:],
        lambda x: [x[0], *x[2:]],
        lambda x: [x[1], x[0], *x[2:]],
        lambda x: [*x, x[-1]],
        lambda x: [*x, ""],
    ],
)
def test_lines_removed_swapped_repeated_or_inserted(written, change):
    lines = written.decode().split("\n")[:-1]
    assert log_problems(written.decode()) == []
    assert log_problems("".join(f"{line}\n" for line in change(lines)))


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_log_that_was_cut_off_is_unknown_and_takes_no_entry(written, tmp_path, cut):
    log = ExperimentLog(tmp_path / "experiments.jsonl")
    log.path.write_bytes(written[:-cut])
    assert log.count() is None
    with pytest.raises(DataError, match="restore"):
        log.entries()
    with pytest.raises(DataError, match="restore the file"):
        log.append("study", "x", "y", {})
    assert log.path.read_bytes() == written[:-cut]


def test_a_name_may_hold_characters_that_look_like_line_ends(tmp_path):
    log = ExperimentLog(tmp_path / "experiments.jsonl")
    for name in ("a\u2028b", "a\x85b", "a\nb", "a\x0cb"):
        log.append("study", name, "copied from somewhere", {})
    assert log.verify() == []
    assert [entry["name"] for entry in log.entries()] == ["a\u2028b", "a\x85b", "a\nb", "a\x0cb"]


@pytest.mark.parametrize("variants", [0, -1, 1.5, "3", True, None])
def test_a_count_that_is_none_is_refused_and_nothing_written(tmp_path, variants):
    log = ExperimentLog(tmp_path / "experiments.jsonl")
    log.append("study", "a", "b", {})
    before = log.path.read_bytes()
    with pytest.raises(DataError, match="no count"):
        log.append("study", "x", "y", {"variants": variants})
    assert log.path.read_bytes() == before


def test_the_shipped_log_is_whole_and_counts_the_search():
    assert shipped_log().verify() == []
    assert shipped_log().count() >= 130
    assert shipped_log().entries()[0]["result"]["variants"] == 130


def test_the_package_ships_the_log_of_the_checkout():
    checkout = Path(__file__).resolve().parents[1] / "experiments.jsonl"
    if not checkout.is_file():
        pytest.skip("not in a checkout")
    assert shipped_log().path.read_bytes() == checkout.read_bytes()


def test_one_broken_log_makes_the_sum_unknown(tmp_path, written):
    own = ExperimentLog(tmp_path / "own.jsonl")
    own.path.write_bytes(written)
    assert trials_text(shipped_log(), own) == f"{shipped_log().count() + 4} variants tried"
    single = ExperimentLog(tmp_path / "single.jsonl")
    single.append("study", "a", "b", {})
    assert trials_text(single) == "1 variant tried"
    shutil.copy(own.path, tmp_path / "copy.jsonl")
    own.path.unlink()
    assert trials_text(shipped_log(), own) == "trials unknown"


def test_a_reader_waits_for_a_line_that_is_being_written(tmp_path):
    log = ExperimentLog(tmp_path / "log.jsonl")
    first = log.append("search", "one", "why", {"skill": 0.1})
    line = canonical_json(chained_line({**first, "name": "two"}, first["hash"])).encode() + b"\n"
    begun = threading.Event()

    def write():
        with file_lock(log.path), log.path.open("ab") as file:
            file.write(line[:40])
            file.flush()
            begun.set()
            time.sleep(0.3)
            file.write(line[40:])

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(10)
    found = log.verify()
    writer.join()
    assert found == []


def test_a_log_in_a_folder_that_cannot_be_written_is_read(tmp_path, monkeypatch):
    log = ExperimentLog(tmp_path / "log.jsonl")
    log.append("search", "one", "why", {"skill": 0.1})
    log.path.write_bytes(log.path.read_bytes()[:-1])

    def refused(path):
        raise PermissionError(13, "no lock here")

    monkeypatch.setattr("forecastkit.core.experiments.file_lock", refused)
    assert log.verify() == ["line 1 has no end: the file was cut off"]
