"""What is shipped: a wheel that works from another folder, an import that stays light, and no address in any file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    "The wheel of this checkout, installed into a folder of its own."
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("forecastkit-*.whl")
    target = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)], check=True)
    return target


def test_the_wheel_carries_all_it_needs(installed):
    package = installed / "forecastkit"
    for name in (
        "fomc_dates.csv",
        "experiments.jsonl",
        "py.typed",
        "notebooks/daily.ipynb",
        "notebooks/evaluation.ipynb",
        "migrations/env.py",
        "migrations/script.py.mako",
    ):
        assert (package / name).is_file(), name
    assert list((package / "migrations" / "versions").glob("*.py"))


def test_the_wheel_works_from_another_folder(installed, tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("FORECASTKIT_")} | {"PYTHONPATH": str(installed)}
    where = subprocess.run([sys.executable, "-c", "import forecastkit; print(forecastkit.__file__)"], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)  # fmt: skip
    assert where.stdout.startswith(str(installed))
    command = [sys.executable, "-m", "forecastkit", "daily", "--quiet", "--as-of", "2016-07-01"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reports" / "output" / "2016-07-01" / "daily.html").is_file()


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import forecastkit", {"shap", "xgboost", "sklearn", "scipy", "pandas", "matplotlib", "arch"}),
        (
            "from forecastkit.pipeline.system import IntegratedSystem",
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
