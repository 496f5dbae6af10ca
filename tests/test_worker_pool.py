"Processes of the package start as their session did, whatever lies in the working folder, and none outlives its work."

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from joblib import delayed

from forecastkit.core import process_pool
from forecastkit.pipeline.universe import map_symbols

SQUARES = """
from joblib import delayed
from forecastkit.core import process_pool
with process_pool(2) as pool:
    print(pool(delayed(pow)(number, 2) for number in range(3)))
"""
PACKAGE = Path(__file__).resolve().parents[1] / "forecastkit"


@pytest.fixture
def names_of_the_library(tmp_path, monkeypatch):
    "A working folder with files that bear names of the standard library's modules."
    for name in ("signal", "calendar", "random", "statistics", "types"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a user file taken for the standard library')\n")
    monkeypatch.chdir(tmp_path)


def test_symbols_are_worked_on_beside_files_with_names_of_the_library(names_of_the_library):
    done = {one.symbol: one.value for one in map_symbols(["AAA", "BBB"], str.lower, n_jobs=2)}
    assert done == {"AAA": "aaa", "BBB": "bbb"}


def test_the_trackers_of_shared_memory_start_beside_them_too(names_of_the_library):
    told = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", SQUARES],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path.cwd(),
    )
    assert (told.stdout.strip(), told.stderr) == ("[0, 1, 4]", "")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.parametrize("fails", [False, True])
def test_after_its_block_no_process_is_left(fails):
    pids: list[int] = []
    with suppress(ZeroDivisionError), process_pool(2) as pool:
        pids += pool(delayed(os.getpid)() for _ in range(4))
        if fails:
            raise ZeroDivisionError
    assert pids and not [pid for pid in pids if pid == os.getpid() or alive(pid)]


def pids_of_a_pool_within() -> list[int]:
    with process_pool(2) as pool:
        return [os.getpid(), *pool(delayed(os.getpid)() for _ in range(2))]


def test_a_pool_in_a_worker_starts_no_further_processes():
    with process_pool(2) as pool:
        assert [len(set(pids)) for pids in pool(delayed(pids_of_a_pool_within)() for _ in range(2))] == [1, 1]


@pytest.mark.parametrize("own", [None, "1"])
def test_what_a_worker_starts_has_the_search_path_of_the_session(own, monkeypatch):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    if own is not None:
        monkeypatch.setenv("PYTHONSAFEPATH", own)
    with process_pool(2) as pool:
        assert pool(delayed(os.environ.get)("PYTHONSAFEPATH") for _ in range(2)) == [own, own]
    assert os.environ.get("PYTHONSAFEPATH") == own


def test_every_pool_of_processes_starts_without_the_working_folder():
    starts = re.compile(r"\b(?:Parallel|ProcessPoolExecutor|get_reusable_executor)\((?!reuse=True\))[^\n]*")
    found = [
        (str(path.relative_to(PACKAGE)), line)
        for path in sorted(PACKAGE.rglob("*.py"))
        for line in starts.findall(path.read_text())
        if "threading" not in line
    ]
    assert [*dict.fromkeys(path for path, _ in found)] == [
        "core/worker_pool.py",
        "evaluation/function_audit.py",
        "evaluation/walkforward.py",
        "ops/parallel_tuning.py",
    ]
    text = {path: (PACKAGE / path).read_text() for path, _ in found}
    assert "SAFE_PATH" in text["evaluation/function_audit.py"] and "SAFE_PATH" in text["ops/parallel_tuning.py"]
    assert 'backend="dask"' in text["evaluation/walkforward.py"]  # its one other pool is that of a scheduler
