"The audit where code is reviewed, on a small repository: a test that fails, annotations, SARIF, a hook, and hints that are no verdicts."

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pandas as pd
import pytest
import yaml

from forecastkit.cli.main import main
from forecastkit.core import UserCodeError
from forecastkit.evaluation import audit
from forecastkit.evaluation.audit_outputs import written_at
from forecastkit.evaluation.source_hints import hints_in, source_hints
from forecastkit.pipeline.user_code import load_user_code

ROOT = Path(__file__).resolve().parents[1]

CODE = """import pandas as pd


def smoothed(close: pd.Series):
    mean = close.rolling(3, center=True).mean()
    return close - mean


def trailing(close: pd.Series):
    return close - close.rolling(3).mean()
"""

TEST = """import numpy as np
import pandas as pd
from mine import smoothed, trailing

CLOSE = pd.Series(np.arange(60.0) ** 2, pd.bdate_range("2020-01-01", periods=60))


def test_trailing(assert_no_lookahead):
    assert assert_no_lookahead(trailing, CLOSE, cuts=4).ok


def test_smoothed(assert_no_lookahead):
    assert_no_lookahead(smoothed, CLOSE, cuts=4)


def test_another():
    assert True
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "test_mine.py").write_text(TEST)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def verified(*words: str, home: Path) -> int:
    "The exit code of `verify` on a function."
    with pytest.raises(SystemExit) as left:
        main(["verify", "--cuts", "3", "--quiet", "--home", str(home / "home"), *words])
    return int(left.value.code or 0)


def test_a_test_of_a_users_repository_fails_where_a_function_looks_ahead(repository):
    assert {"forecastkit"} <= {one.name for one in entry_points(group="pytest11")}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "lookahead", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        cwd=repository,
    )
    assert "1 failed, 1 passed, 1 deselected" in run.stdout, run.stdout[-1500:] + run.stderr[-500:]
    assert "smoothed sees what comes later" in run.stdout


def test_findings_stand_on_the_line_of_the_pull_request_and_in_sarif(repository, capsys):
    assert verified("--function", "mine.py:smoothed", "--github", "--sarif", "out.sarif", home=repository) == 1
    told = capsys.readouterr().out.splitlines()
    assert told and all(line.startswith("::error file=mine.py,line=5,title=look-ahead::") for line in told)
    [run] = json.loads(Path("out.sarif").read_text())["runs"]
    assert {one["ruleId"] for one in run["results"]} <= {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 5}


FAILING = """import os
import pandas as pd


def refuses(close: pd.Series):
    raise ValueError("no such window")


def leaves(close: pd.Series):
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("name", "line", "says"), [("refuses", 5, "no such window"), ("leaves", 9, "ended its process")]
)
def test_a_function_that_fails_is_told_where_code_is_reviewed_and_as_no_leak(name, line, says, repository, capsys):
    Path("mine.py").write_text(FAILING)
    assert verified("--function", f"mine.py:{name}", "--github", "--sarif", "out.sarif", home=repository) == 3
    [told] = capsys.readouterr().out.splitlines()
    assert told.startswith(f"::error file=mine.py,line={line},title=the function failed::") and says in told
    [run] = json.loads(Path("out.sarif").read_text())["runs"]
    [result] = run["results"]
    assert (result["ruleId"], result["level"]) == ("failed", "error") and says in result["message"]["text"]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": line}
    assert "leak" not in json.dumps(result) and "failed" in {rule["id"] for rule in run["tool"]["driver"]["rules"]}


def test_a_file_that_is_no_python_is_told_at_its_line(repository, capsys):
    Path("mine.py").write_text("def f(close):\n    return close\n\nx = = 1\n")
    words = ["--function", "mine.py:f", "--github", "--sarif", "out.sarif", "--home", str(repository / "home")]
    assert main(["verify", *words]) == 2
    told = capsys.readouterr()
    assert told.out.startswith("::error file=mine.py,line=4,title=the function failed::") and "line 4" in told.err
    [result] = json.loads(Path("out.sarif").read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 4}


@pytest.mark.parametrize("option", ["--sarif", "--html"])
def test_a_folder_that_is_not_there_is_refused_before_anything_is_asked(option, repository, capsys):
    words = ["verify", "--function", "mine.py:trailing", "--home", str(repository / "home")]
    assert main([*words, option, "absent/out"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "there is no folder absent" in line and not Path("absent").exists() and not (repository / "home").exists()
    Path("file").write_text("")
    assert main([*words, option, "file/out"]) == 2 and len(capsys.readouterr().err.splitlines()) == 1


SPEAKING = """import pandas as pd


def named(close: pd.Series):
    return pd.DataFrame({f"c{close.iloc[-1]:.4f}_{k}": close for k in range(20)})
"""


def test_names_that_carry_what_comes_later_are_one_finding_with_three_of_them(repository, capsys):
    Path("mine.py").write_text(SPEAKING)
    assert verified("--function", "mine.py:named", "--github", "--sarif", "out.sarif", home=repository) == 1
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2 and all("80 columns that one of two answers lacks (c" in line for line in told)
    assert all(line.count("_") == 3 and "at 3 of 3 cuts" in line for line in told)
    assert len(json.loads(Path("out.sarif").read_text())["runs"][0]["results"]) == 2
    assert verified("--function", "mine.py:named", home=repository) == 1
    assert len([line for line in capsys.readouterr().out.splitlines() if "columns that one" in line]) == 2


def test_three_such_names_stay_findings_of_their_own(repository):
    def lacks(close):
        return pd.DataFrame({f"x{k}": close for k in range(3 if len(close) > 40 else 1)})

    report = audit(lacks, pd.Series(range(60), pd.bdate_range("2020-01-01", periods=60), dtype=float), cuts=20)
    assert {one.feature for one in report.found} == {"x1", "x2"}


def test_a_failing_test_shows_the_users_line_and_the_message_alone(repository):
    (repository / "test_mine.py").write_text(
        TEST.replace(
            "def test_another():",
            "def test_refused(assert_no_lookahead):\n    assert_no_lookahead(len, CLOSE)\n\n\ndef test_another():",
        )
    )
    command = [sys.executable, "-m", "pytest", "-q", "-m", "lookahead", "-p", "no:cacheprovider"]
    told = subprocess.run(command, capture_output=True, text=True, cwd=repository).stdout
    assert "2 failed" in told, told[-1500:]
    assert "audit_outputs.py" not in told and "fresh_answers" not in told and "direct cause" not in told, told[-3000:]
    assert ">       assert_no_lookahead(smoothed, CLOSE, cuts=4)" in told and "len failed" in told


def test_the_hook_runs_the_command_on_the_function_that_is_named(repository, capsys):
    [hook] = yaml.safe_load((Path(__file__).parents[1] / ".pre-commit-hooks.yaml").read_text())
    command, *words = hook["entry"].split()
    assert command == "forecastkit" and words[0] == "verify"
    assert verified(*words[1:], "mine.py:trailing", home=repository) == 0
    assert "nothing found" in capsys.readouterr().out


def test_the_hints_of_a_notebook_name_cell_and_line(repository):
    cells = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
             for source in ("%matplotlib inline\nimport pandas as pd", "%%time\n" + CODE.partition("\n\n\n")[2])]  # fmt: skip
    Path("mine.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    fn = load_user_code("mine.ipynb:smoothed")
    [hint] = source_hints(fn)[:1]
    assert (hint.cell, hint.line) == (2, 3) and str(hint).startswith("code cell 2, line 3: ")
    assert written_at(fn) == ("mine.ipynb", 1)


def test_a_function_without_a_hint_is_annotated_where_it_begins_and_without_a_source_at_line_one():
    def trailing(x):
        return x.rolling(5).mean()

    def centred(x):
        mean = x.rolling(5, center=True).mean()
        return mean

    begins = centred.__code__.co_firstlineno
    assert written_at(trailing, Path(__file__).parent) == (Path(__file__).name, trailing.__code__.co_firstlineno)
    assert written_at(centred, Path(__file__).parent) == (Path(__file__).name, begins + 1)
    assert written_at(len)[1] == 1


def test_outputs_of_a_function_are_refused_without_one(tmp_path, capsys):
    assert main(["verify", "--github", "--home", str(tmp_path)]) == 2
    assert "--function" in capsys.readouterr().err
    assert main(["verify", "--function", "mine.py:f", "--github", "--json", "--home", str(tmp_path)]) == 2
    assert "give one of them" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["x.shift(-2)", "x.rolling(5, center=True).sum()", "x.bfill()", "x.interpolate()", "pd.merge_asof(a, b, direction='nearest')",
     "scaler.fit_transform(x)", "(x - 1).std()", "np.roll(x, -1)", "x.fillna(method='bfill')", "x.rank()"],
)  # fmt: skip
def test_a_line_that_may_look_ahead_is_named(line):
    [hint] = hints_in(f"\n{line}\n")
    assert hint.line == 2


@pytest.mark.parametrize(
    "line",
    [
        "x.shift(1)",
        "x.rolling(5).mean()",
        "x.expanding().std()",
        "x.ffill()",
        "x.rolling(9).rank()",
        "max(1, 2)",
        "x.diff()",
    ],
)
def test_a_line_of_the_past_is_not(line):
    assert hints_in(line) == []


NAMED = """import pandas as pd
import neighbour


def own(close: pd.Series):
    return close.diff() * neighbour.ONE
"""


@pytest.mark.parametrize(
    ("place", "name", "jobs"),
    [
        ("", "signal", "2"),
        ("features/", "own", "1"),
        pytest.param(
            "", "copy", "1", marks=pytest.mark.slow("test_a_file_is_audited_wherever_it_lies_and_whatever_its_name")
        ),
        pytest.param(
            "", "calendar", "2", marks=pytest.mark.slow("test_a_file_is_audited_wherever_it_lies_and_whatever_its_name")
        ),
        pytest.param(
            "features/",
            "own",
            "2",
            marks=pytest.mark.slow("test_a_file_is_audited_wherever_it_lies_and_whatever_its_name"),
        ),
    ],
)
def test_a_file_is_audited_wherever_it_lies_and_whatever_its_name(place, name, jobs, repository):
    Path("features").mkdir()
    Path(f"{place}{name}.py").write_text(NAMED)
    Path(f"{place}neighbour.py").write_text("ONE = 1\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "forecastkit", "verify", "--function", f"{place}{name}.py:own", "--cuts", "4", "--jobs", jobs, "--home", "home"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "fresh process" not in done.stdout


@pytest.mark.parametrize("option", ["--sarif", "--html"])
def test_no_result_is_written_over_code(option, repository, capsys):
    Path("mine.py").write_text(FAILING)
    assert main(["verify", "--function", "mine.py:refuses", option, "mine.py", "--home", "home"]) == 2
    assert "is that of code" in capsys.readouterr().err and Path("mine.py").read_text() == FAILING


def ends_on_short_data(close):
    if len(close) < 300:
        os._exit(0)
    return close.diff()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_function_that_ends_its_process_does_not_end_the_caller(jobs):
    close = pd.Series(range(1, 401), pd.bdate_range("2020-01-01", periods=400), dtype=float)
    with pytest.raises(UserCodeError, match="ended its process"):
        audit(ends_on_short_data, close, cuts=20, n_jobs=jobs)
