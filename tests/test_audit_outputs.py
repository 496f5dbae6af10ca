"The audit where code is reviewed, on a small repository: a test that fails, annotations, SARIF, a hook, and hints that are no verdicts."

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from forecastkit.cli.main import main
from forecastkit.evaluation.audit_outputs import written_at
from forecastkit.evaluation.source_hints import hints_in, source_hints
from forecastkit.pipeline.user_code import load_user_code

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
