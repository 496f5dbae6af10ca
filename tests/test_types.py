"""The types reach the user: mypy --strict and pyright read the faces, in an editable checkout and in a wheel."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CORRECT = """\
import pandas as pd

import forecastkit as fk

settings = fk.load_settings()
target = fk.Target("VIX", "pct_change", 5)
market: fk.MarketData = fk.load_market("sample")
view = market.as_of("2018-02-05")
f: fk.Forecast = fk.forecast("VIX", horizon=5, as_of="2018-02-05", settings=settings)
low, high = f.interval(0.8)
above: float = f.prob_above(30)
closes: pd.Series = view.close("VIX")
several: dict[str, fk.Forecast] = fk.forecast(["VIX", "SPX"], settings=settings)
own: fk.Forecast = fk.forecast(closes, symbol="MINE", settings=settings)
engine = fk.FeatureEngine(symbol=target.symbol)
frame: pd.DataFrame = engine.build_features(view)
error: type[Exception] = fk.core.DataError
days: pd.DatetimeIndex = fk.calendars.get_calendar("XNYS").sessions
print(low, high, above, closes, several, own, frame, error, days)
"""
WRONG = """\
import forecastkit as fk

fk.forcast("VIX")
fk.forecast("VIX", symbl="VIX")
fk.forecast("VIX", horizon="5")
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    "What mypy knows of pandas and numpy once it has read them."
    return tmp_path_factory.mktemp("mypy")


def mypy(folder: Path, cache: Path, site: Path | None) -> list[tuple[str, int, str]]:
    "What mypy --strict says of the scripts: file, line and message."
    env = os.environ | ({"MYPYPATH": str(site)} if site else {})
    command = [
        *(sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"),
        *("--disable-error-code=import-untyped", "--cache-dir", str(cache), "correct.py", "wrong.py"),
    ]
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    lines = [line.split(":", 3) for line in run.stdout.splitlines() if ": error:" in line]
    return [(name, int(line), message) for name, line, _, message in lines]


def pyright(folder: Path, cache: Path, site: Path | None) -> list[tuple[str, int, str]]:
    "What pyright says of the scripts: file, line and message."
    config = {"typeCheckingMode": "standard", "pythonVersion": "3.11", "extraPaths": [str(site)] if site else []}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    command = [Path(sys.executable).with_name("basedpyright"), "--outputjson", "--pythonpath", sys.executable, "correct.py", "wrong.py"]  # fmt: skip
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = json.loads(run.stdout)["generalDiagnostics"]
    errors = [one for one in found if one["severity"] == "error"]
    return [(Path(one["file"]).name, one["range"]["start"]["line"] + 1, one["message"]) for one in errors]


@pytest.mark.parametrize(
    ("checker", "where"),
    [
        (mypy, "editable"),
        (pyright, "wheel"),
        pytest.param(mypy, "wheel", marks=pytest.mark.slow("test_the_types_of_the_faces_reach_a_user")),
        pytest.param(pyright, "editable", marks=pytest.mark.slow("test_the_types_of_the_faces_reach_a_user")),
    ],
)
def test_the_types_of_the_faces_reach_a_user(checker, where, cache, tmp_path, request):
    site = request.getfixturevalue("installed_wheel") if where == "wheel" else None
    (tmp_path / "correct.py").write_text(CORRECT)
    (tmp_path / "wrong.py").write_text(WRONG)
    found = checker(tmp_path, cache, site)
    assert {(name, line) for name, line, _ in found} == {("wrong.py", 3), ("wrong.py", 4), ("wrong.py", 5)}, found
    words = {line: message for _, line, message in found}
    assert "forcast" in words[3]
    for line, name in ((4, "symbl"), (5, "horizon")):  # one symbol or several: two signatures
        assert name in words[line] or "overload" in words[line], words


CALLER = """\
from typing import Any

import forecastkit as fk

with fk.web.Client("fk_1", address="http://127.0.0.1:8080", timeout=5.0) as api:
    record: dict[str, Any] = api.forecast("VIX", date="2018-02-05", horizon=5)
    whole: fk.Forecast = api.stored(record["prediction_id"])
    rows: list[dict[str, Any]] = api.forecasts(symbol="VIX", limit=5)
"""
MISTAKEN = """\
import forecastkit as fk

api = fk.web.Client("fk_1")
api.forecast(symbl="VIX")
api.forecast("VIX", horizon="5")
api.forecasts(limt=5)
"""


def test_the_client_of_the_api_is_typed_within_and_without(cache, tmp_path):
    "Its source passes mypy --strict, and so does who calls it."
    own = Path(__file__).resolve().parents[1] / "forecastkit/web/client.py"
    (tmp_path / "correct.py").write_text(CALLER)
    (tmp_path / "wrong.py").write_text(MISTAKEN)
    found = mypy(tmp_path, cache, None)
    assert {(name, line) for name, line, _ in found} == {("wrong.py", 4), ("wrong.py", 5), ("wrong.py", 6)}, found
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--disable-error-code=import-untyped", "--cache-dir", str(cache), str(own)]  # fmt: skip
    run = subprocess.run(command, cwd=own.parents[2], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
