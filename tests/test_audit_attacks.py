"What a stranger tried against the audit of a function: values that a float drops, files, data brought along, and files that end or fill the process."

import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.cli.main import main
from forecastkit.core import DataError, FileRefusal, SettingsError, UserCodeError, folders_state, require_unchanged
from forecastkit.data import synthetic_market
from forecastkit.evaluation import audit
from forecastkit.evaluation.audit_outputs import github_annotations, sarif
from forecastkit.evaluation.audit_views import FrameViews
from forecastkit.evaluation.fresh_answers import FirstAnswer
from forecastkit.evaluation.function_audit import AuditLimits, audit_report
from forecastkit.evaluation.traces import different_numbers
from forecastkit.features import user_code
from forecastkit.pipeline.user_code import load_user_code


@pytest.fixture(scope="module")
def close() -> pd.Series:
    return synthetic_market(sessions=600, seed=5).market.close("SPX")


def reported(fn, data, cuts: int = 12):
    "The report of a function without memory, whose first answer needs no process of its own."
    views = FrameViews(data)
    first = FirstAnswer(views.table(fn(views.whole()), views.whole()))
    return audit_report(fn, views, first, AuditLimits(cuts=cuts), "asked", None)


def in_the_imaginary_part(close):
    return pd.Series(close.to_numpy() + 1j * close.shift(-1).fillna(0).to_numpy(), close.index)


def in_the_last_bit_of_a_large_number(close):
    return pd.Series(2**60 + (close.shift(-1) > close).to_numpy().astype("int64"), close.index)


def in_lists(close):
    return pd.Series([[one] for one in close.shift(-1).fillna(0)], close.index)


def in_arrays(close):
    return pd.Series([np.array([one, two]) for one, two in zip(close, close.shift(-1).fillna(0))], close.index)


@pytest.mark.parametrize(
    "fn", [in_the_imaginary_part, in_the_last_bit_of_a_large_number, in_lists, in_arrays], ids=lambda fn: fn.__name__
)
def test_a_leak_in_what_a_float_cannot_hold_is_found(fn, close):
    report = reported(fn, close)
    assert not report.ok and json.loads(json.dumps(report.to_dict()))["findings"]


def test_the_same_kinds_of_value_accuse_nobody(close):
    for fn in (
        lambda close: pd.Series(close.to_numpy() * 1j, close.index),
        lambda close: pd.Series([np.array([one]) for one in close], close.index),
        lambda close: pd.Series(2**60 + (close.diff() > 0).to_numpy().astype("int64"), close.index),
    ):
        assert reported(fn, close).ok


@pytest.mark.parametrize(
    "short", [lambda close: close.iloc[:0], lambda close: close * np.nan], ids=["no rows", "no values"]
)
def test_an_answer_without_a_value_to_short_data_is_a_warm_up(short, close):
    report = reported(lambda shown: shown.pct_change() if len(shown) >= 300 else short(shown), close, 20)
    assert report.ok and any("without a value" in note for note in report.notes)
    peeking = reported(lambda shown: shown.shift(-1) if len(shown) >= len(close) else short(shown), close, 20)
    assert not peeking.ok


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda close: close.tz_localize("UTC"), "time zone"),
        (lambda close: pd.concat([close, close.shift(-1)], axis=1), "two columns"),
    ],
)
def test_an_answer_that_cannot_be_compared_is_refused_in_words(answer, words, close):
    with pytest.raises(UserCodeError, match=words):
        audit(answer, close, cuts=2)


@pytest.mark.parametrize(
    "data", [np.arange(5.0), pd.Series(dtype=float), pd.Series([1.0], [pd.Timestamp("2020-01-01")])]
)
def test_data_that_cannot_be_audited_are_refused_in_words(data):
    with pytest.raises(DataError):
        audit(lambda frame: frame, data, cuts=2)


def test_what_is_no_function_is_bad_input(close):
    with pytest.raises(DataError, match="this is int"):
        audit(3, close)


def scale_in_a_file(close):
    if not Path("scale.txt").exists():
        Path("scale.txt").write_text(str(float(close.mean())))
    return close / float(Path("scale.txt").read_text())


def cache_by_content_in_a_file(close):
    kept = Path(f"{len(close)}-{float(close.iloc[-1])}.txt")
    if not kept.exists():
        kept.write_text(" ".join(map(str, close.pct_change())))
    return [float(one) for one in kept.read_text().split()]


def folder_as_it_is(folder: Path) -> dict[str, tuple[bytes, int]]:
    "What a folder holds, with the moment of each change."
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_what_a_function_keeps_in_a_file_is_found_each_time(close, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        report = audit(scale_in_a_file, close, cuts=4)
        assert not report.ok and any("it writes scale.txt" in note for note in report.notes)
        assert not list(tmp_path.iterdir())
    assert audit(cache_by_content_in_a_file, close, cuts=4).ok and not list(tmp_path.iterdir())


def test_a_scale_kept_since_a_call_before_the_audit_is_found_and_left(close, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scale_in_a_file(close)
    before = folder_as_it_is(tmp_path)
    for _ in range(2):
        assert any(
            "scale.txt, which it makes itself" in one.words for one in audit(scale_in_a_file, close, cuts=4).found
        )
        assert folder_as_it_is(tmp_path) == before


def test_a_setting_in_a_file_and_a_cache_accuse_nobody(close, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def set_by_a_file(shown):
        if not Path("rows.txt").exists():
            Path("rows.txt").write_text("20")
        return shown.pct_change(int(Path("rows.txt").read_text()))

    Path("rows.txt").write_text("5")
    assert audit(set_by_a_file, close, cuts=4).ok and Path("rows.txt").read_text() == "5"


WRITERS = """
import os, pickle, shutil, sqlite3, tempfile
from pathlib import Path
import numpy as np
import pandas as pd

FOLDER = Path({folder!r})

def everything(close: pd.Series):
    (FOLDER / "log.txt").open("a").write("called\\n")
    (FOLDER / "result.csv").write_text("perturbed")
    close.to_csv(FOLDER / "closes.csv")
    np.save(FOLDER / "closes.npy", close.to_numpy())
    os.replace(FOLDER / "closes.npy", FOLDER / "kept.npy")
    (FOLDER / "old.txt").unlink(missing_ok=True)
    os.close(os.open(FOLDER / "low.txt", os.O_WRONLY | os.O_TRUNC))
    shutil.rmtree(FOLDER / "deep", ignore_errors=True)
    (FOLDER / "deep" / "new").mkdir(parents=True, exist_ok=True)
    (FOLDER / "deep" / "new" / "model.pickle").write_bytes(pickle.dumps(1))
    os.utime(FOLDER / "result.csv")
    os.truncate(FOLDER / "low.txt", 0)
    with sqlite3.connect(FOLDER / "base.db") as base:
        base.execute("create table if not exists calls (n)")
        base.execute("insert into calls values (1)")
    base.close()
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as made:
        close.to_csv(made.name)
        assert len(pd.read_csv(made.name)) == len(close)
    names = sorted(path.name for path in FOLDER.iterdir())
    assert names == ["base.db", "closes.csv", "deep", "kept.npy", "log.txt", "low.txt", "result.csv"], names
    assert [*(FOLDER / "deep").rglob("*.txt")] == []
    return close.pct_change()
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_file_of_the_users_is_written_moved_or_removed(jobs, close, tmp_path):
    folder = tmp_path / "theirs"
    (folder / "deep").mkdir(parents=True)
    for name in ("log.txt", "result.csv", "old.txt", "low.txt", "kept.npy", "deep/old.txt"):
        (folder / name).write_text(f"mine: {name}")
    with sqlite3.connect(folder / "base.db") as base:
        base.execute("create table mine (n)")
    base.close()
    before = folder_as_it_is(folder)
    (tmp_path / "mine.py").write_text(WRITERS.format(folder=str(folder)))
    source = partial(load_user_code, f"{tmp_path}/mine.py:everything")
    report = audit(source(), close, cuts=4, n_jobs=jobs, source=source)
    assert report.ok, report
    assert folder_as_it_is(folder) == before
    assert any("it writes" in note for note in report.notes) and not any(
        "where it puts them" in note for note in report.notes
    )


def test_what_an_audit_that_is_broken_off_leaves_is_its_own(close, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("mine")

    def stopped(shown):
        if len(shown) < len(close):
            Path("mine.txt").write_text("theirs")
            raise KeyboardInterrupt
        return shown.pct_change()

    with pytest.raises((KeyboardInterrupt, UserCodeError)):
        audit(stopped, close, cuts=4)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"mine.txt": "mine"}
    Path("after.txt").write_text("true")  # nothing is led elsewhere any more
    assert (tmp_path / "after.txt").exists()


def test_what_a_library_in_c_cannot_find_is_said_and_left_where_it_is_put_on_request(close, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").table({"a": [1.0]})

    def by_arrow(shown):
        Path("cache").mkdir(exist_ok=True)
        parquet.write_table(table, "cache/one.parquet")
        return shown.pct_change()

    with pytest.raises(UserCodeError, match="--in-place"):
        audit(by_arrow, close, cuts=4)
    assert not list(tmp_path.iterdir())
    assert audit(by_arrow, close, cuts=4, apart=False).ok
    assert Path("cache/one.parquet").exists()  # left: no audit removes a file


def test_data_brought_along_that_know_what_came_are_found(close, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    close.shift(-1).to_csv("future.csv")
    close.shift(1).to_csv("past.csv")

    def read(name):
        kept = pd.read_csv(name, index_col=0, parse_dates=True).iloc[:, 0]
        return lambda shown: kept.reindex(shown.index)

    report = reported(read("future.csv"), close)
    assert {one.probe for one in report.found} == {"brought"}
    assert {one["ruleId"] for one in sarif([(report, "mine.py", 1)])["runs"][0]["results"]} == {"brought"}
    assert reported(read("past.csv"), close).ok
    named = audit(lambda shown: pd.read_csv("past.csv", index_col=0, parse_dates=True).iloc[:, 0].reindex(shown.index), close, cuts=2)  # fmt: skip
    assert any("past.csv" in note and "it reads" in note for note in named.notes)


CODE = """
import os, sys, threading, time
import pandas as pd

def ends_later(close: pd.Series):
    if close.index[-1] < pd.Timestamp("2018-01-01"):
        os._exit(0)
    return close.shift(-1)

def leaves_a_thread(close: pd.Series):
    threading.Thread(target=time.sleep, args=(600,)).start()
    return close.pct_change()

def writes_below(close: pd.Series):
    os.write(1, b"not JSON")
    return close.pct_change()
"""


@pytest.mark.parametrize(("name", "code"), [("ends_later", 3), ("leaves_a_thread", 0), ("writes_below", 0)])
def test_a_file_that_ends_or_fills_the_process_gets_no_false_answer(name, code, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "mine.py").write_text(CODE)
    home = str(tmp_path / "home")
    words = [
        "verify",
        "--function",
        f"{tmp_path}/mine.py:{name}",
        "--cuts",
        "3",
        "--home",
        home,
        "--quiet",
        "--json",
        "--jobs",
        "1",
    ]
    with pytest.raises(SystemExit) as left:
        main(words)
    told = capfd.readouterr()
    assert left.value.code == code
    assert not [*tmp_path.glob("forecastkit-audit-*")]  # who ends the process removes nothing: its parent does
    if code:
        assert "ended its process" in told.err
    else:
        assert json.loads(told.out)[0]["ok"]


def test_a_thread_that_a_worker_is_left_with_holds_nobody(tmp_path, capfd, monkeypatch):
    (tmp_path / "mine.py").write_text(CODE)
    words = ["--function", f"{tmp_path}/mine.py:leaves_a_thread", "--cuts", "4", "--jobs", "2", "--home", str(tmp_path)]
    ran = subprocess.run(
        [sys.executable, "-m", "forecastkit", "verify", *words, "--quiet"], capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0 and "nothing found" in ran.stdout and not ran.stderr, ran.stderr[-900:]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfdef f(close):\n    return close\n",
        b'# coding: latin-1\ndef f(close):\n    "\xe9"\n    return close\n',
    ],
    ids=["mark", "declared"],
)
def test_a_file_is_read_as_python_reads_it(content, tmp_path):
    (tmp_path / "mine.py").write_bytes(content)
    assert load_user_code(f"{tmp_path}/mine.py:f")(3) == 3


def test_a_file_that_is_no_text_and_a_notebook_that_is_none_say_so(tmp_path):
    (tmp_path / "mine.py").write_bytes(b"def f(close): return close  # \xe9\n")
    for content, words in (
        (None, "save it as UTF-8"),
        (b"def f(close):\n  return close +\n", "line 2"),
        (b"a\0", "no Python"),
    ):
        if content is not None:
            (tmp_path / "mine.py").write_bytes(content)
        with pytest.raises(DataError, match=words) as refused:
            load_user_code(f"{tmp_path}/mine.py:f")
        assert not isinstance(refused.value, UserCodeError)  # bad input, no code that fails
    for content in (b"no json", b'{"cells": 3}', b"\xff\xfe"):
        (tmp_path / "mine.ipynb").write_bytes(content)
        with pytest.raises(DataError, match="give FILE") as refused:
            load_user_code(f"{tmp_path}/mine.ipynb:f")
        assert not isinstance(refused.value, UserCodeError)


def test_a_failure_is_told_briefly_and_at_the_users_line(tmp_path):
    (tmp_path / "mine.py").write_text('raise ValueError("x" * 10**6)\n')
    with pytest.raises(UserCodeError, match="1000000 characters") as failed:
        load_user_code(f"{tmp_path}/mine.py:f")
    assert len(str(failed.value)) < 700
    (tmp_path / "mine.py").write_text("import json\njson.loads('no')\n")
    with pytest.raises(UserCodeError, match=r"\(mine.py, line 2\)"):
        load_user_code(f"{tmp_path}/mine.py:f")


def test_a_path_with_a_space_is_a_uri_in_sarif(close):
    report = reported(lambda close: close.shift(-1), close)
    [run] = sarif([(report, "my features/é.py", 1)])["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "my%20features/%C3%A9.py"}


def test_two_processes_leave_nothing_behind_and_say_nothing_of_it(tmp_path):
    (tmp_path / "mine.py").write_text("def f(close):\n    return close.pct_change()\n")
    words = [
        "verify",
        "--function",
        f"{tmp_path}/mine.py:f",
        "--cuts",
        "4",
        "--home",
        f"{tmp_path}/home",
        "--jobs",
        "2",
    ]
    asked = subprocess.run([sys.executable, "-m", "forecastkit", *words, "--quiet"], capture_output=True, text=True)
    assert (asked.returncode, asked.stderr) == (0, "")


def test_a_function_of_published_series_alone_is_audited():
    "Yields have no bars: the probe for data brought along asks their closes of nobody."
    from leaks.lookalikes import published_when_published
    from leaks.setting import corpus_market

    assert audit(published_when_published, corpus_market(), cuts=4).ok


class Speechless(BaseException):
    def __str__(self):
        raise SystemExit(0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, SystemExit, Speechless])
def test_whatever_a_function_raises_is_its_failure(error, close):
    def failing(shown):
        raise error

    with pytest.raises(UserCodeError, match=error.__name__):
        audit(failing, close, cuts=2)


def test_whoever_presses_ctrl_c_is_obeyed():
    # a shell in the background starts its commands with the signal ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), user_code("f"):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_short_data_do_not_carry_later_levels_and_categories(close):
    frame = close.to_frame("close").assign(kind=np.where(np.arange(len(close)) < 9 * len(close) // 10, "a", "b"))
    frame["kind"] = frame["kind"].astype("category")
    panel = pd.concat({"A": frame, "B": frame}, names=["symbol", "date"]).swaplevel().sort_index()
    for fn, shown in (
        (lambda f: f["close"] * len(f["kind"].cat.categories), frame),
        (lambda f: f["close"] * len(f.index.levels[0]), panel),
    ):
        assert not audit(fn, shown, cuts=6).ok
    declared = frame.assign(kind=frame["kind"].cat.add_categories("c"))
    assert audit(lambda f: pd.get_dummies(f["kind"]).astype(float), declared, cuts=6).ok


def test_what_a_frame_carries_beside_its_rows_stays(close):
    frame = close.to_frame("close")
    frame.attrs["scale"] = 2.0
    report = audit(lambda f: f["close"].shift(1) * f.attrs["scale"], frame, cuts=4)
    assert report.ok and not any("no answer" in note for note in report.notes)


def test_a_cut_counts_for_the_bound_where_both_questions_were_answered(close):
    def refuses(shown):
        if len(shown) < len(close):
            raise ValueError("short")
        return shown.shift(1)

    assert audit(refuses, close, cuts=30).facts["smallest share of rows"] == 1.0


def test_a_leak_on_a_large_level_is_found_and_rounding_is_none(close):
    coming = close.pct_change()
    for level in (1e8, 1e10):
        assert not audit(lambda f, level=level: level + f.pct_change().shift(-1), close, cuts=20).ok
    assert audit(lambda f: (f * 1e9).cumsum(), close, cuts=20).ok
    x = np.cumsum(np.abs(coming.fillna(0).to_numpy()) * 1e12)[:, None]
    assert not different_numbers(x, x * (1 + 3e-15)).any()


def test_an_audit_without_a_cut_is_refused(close):
    for cuts in (0, -1):
        with pytest.raises(SettingsError, match="give 1 or more"):
            audit(lambda f: f.shift(-1), close, cuts=cuts)


def test_reviewers_are_told_no_control_characters_and_no_line_before_the_first(close):
    report = audit(lambda f: pd.DataFrame({"a\x1b[31m\u2028": f.shift(-1)}), close, cuts=2)
    told = github_annotations(report, "mine.py", 0)
    assert "line=1," in told[0] and all(line.isprintable() for line in told)
    assert sarif([(report, "mine.py", 0)])["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 1
    }


def test_files_that_another_process_changed_are_named_and_the_remedy_is_to_ask_again(tmp_path):
    before = folders_state([tmp_path])
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        (tmp_path / name).write_text("x")
    with pytest.raises(
        FileRefusal, match=r"a\.csv, .*b\.csv, .*c\.csv and 1 more changed .*another process: if the last, ask again"
    ):
        require_unchanged(before, [tmp_path])


def dollars_and_tomorrow(bars, step=-1):
    "Dollars traded; on every third day, the sign of tomorrow's change."
    dollars = bars["close"] * bars["volume"]
    sign = np.sign(bars["close"].diff().shift(step)).replace(0.0, 1.0).fillna(1.0)
    return dollars.where(np.arange(len(bars)) % 3 > 0, sign)


def a_level_and_tomorrow(bars, step=-1):
    return 1e11 + bars["close"].pct_change().shift(step).fillna(0.0)


@pytest.mark.parametrize("fn", [dollars_and_tomorrow, a_level_and_tomorrow])
def test_a_leak_beside_a_much_larger_scale_is_found(fn):
    bars = synthetic_market(sessions=300, seed=5).market.bars("SPX")
    assert not reported(fn, bars, 30).ok
    assert reported(partial(fn, step=1), bars, 30).ok
