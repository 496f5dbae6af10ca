"""What is shipped: a wheel that works from another folder, an import that stays light, and no address in any file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_carries_all_it_needs(installed_wheel):
    package = installed_wheel / "forecastkit"
    for name in (
        "fomc_dates.csv",
        "experiments.jsonl",
        "data/sample/VIX.parquet",
        "data/sample/DGS10.parquet",
        "data/sample/DATA_LICENSES.md",
        "py.typed",
        "__init__.pyi",
        "data/__init__.pyi",
        "notebooks/daily.ipynb",
        "notebooks/evaluation.ipynb",
        "notebooks/explain.ipynb",
        "ledger/migrations/env.py",
        "ledger/migrations/script.py.mako",
        "templates/pieces.html.j2",
        "templates/card.html.j2",
    ):
        assert (package / name).is_file(), name
    assert list((package / "ledger" / "migrations" / "versions").glob("*.py"))


def test_the_wheel_works_from_another_folder(installed_wheel, five_years, tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("FORECASTKIT_")} | {
        "PYTHONPATH": str(installed_wheel),
        "FORECASTKIT_DATA_SOURCES": f"folder:{five_years}",
        "FORECASTKIT_MODEL_ROUNDS": "5",
        "FORECASTKIT_MODEL_REFIT_EVERY": "126",
        "FORECASTKIT_RUN_N_JOBS": "1",
    }
    where = subprocess.run([sys.executable, "-c", "import forecastkit; print(forecastkit.__file__)"], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)  # fmt: skip
    assert where.stdout.startswith(str(installed_wheel))
    command = [sys.executable, "-m", "forecastkit", "daily", "--quiet", "--as-of", "2016-07-01"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reports" / "output" / "2016-07-01" / "daily.html").is_file()


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import forecastkit", {"shap", "xgboost", "sklearn", "scipy", "pandas", "matplotlib", "arch"}),
        (
            "from forecastkit.pipeline import IntegratedSystem",
            {"shap", "xgboost", "sklearn", "scipy", "arch", "matplotlib", "hmmlearn"},
        ),
    ],
)
def test_importing_loads_nothing_heavy(statement, heavy):
    code = f"{statement}; import sys; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_no_file_names_a_package_registry_or_a_secret():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    registry = re.compile(r"(pypi\.org|pythonhosted\.org|npmjs\.(org|com)|--(extra-)?index-url|find-links)")
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if (
            path.is_file()
            and path.suffix in {".py", ".toml", ".txt", ".md", ".yml", ".ini", ".ipynb", ".cfg", ""}
            and path != Path(__file__)
        ):
            assert not registry.search(path.read_text(errors="ignore")), name


def test_pins_are_names_and_versions_alone():
    for line in (ROOT / "constraints.txt").read_text().split():
        assert re.fullmatch(r"[a-z0-9._-]+==[A-Za-z0-9.+!]+", line), line
