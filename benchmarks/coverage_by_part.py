"""The share of lines that the tests of a part run, beside what the requirement documents ask of it, written for the page of readiness.

    python benchmarks/coverage_by_part.py [features calibrator ...] [--out nbs/readiness.json]

Each part is measured with the tests of its own files alone, also of those that `make test` runs untraced. About five minutes of the processor.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PARTS: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {  # share asked, modules, files of tests
    "features": (
        90,
        ("features/*",),
        ("features", "panel_features", "research_features", "stock_features", "volatility_features", "feature_cache",
         "quality", "formulas", "earnings_blocks", "plots"),
    ),
    "meta-learner": (85, ("models/metalearner.py", "models/online_weights.py"), ("metalearner", "online_weights")),
    "calibrator": (
        80,
        ("models/confidence_calibrator.py", "models/calibration_curves.py"),
        ("confidence_calibrator",),
    ),
    "sizer": (85, ("trading/sizing.py", "trading/limits.py"), ("sizing",)),
    "backtest": (75, ("trading/*",), ("backtest", "trading", "backtest_integration", "sizing", "scenarios", "sweep")),
}  # fmt: skip


def coverage_of(modules: tuple[str, ...], files: tuple[str, ...], folder: Path) -> dict[str, Any]:
    "Run the tests of these files; lines of these modules, and how many of them ran."
    tests = [f"tests/test_{name}.py" for name in files]
    env = os.environ | {"COVERAGE_FILE": str(folder / "data"), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    include = "--include=" + ",".join(f"forecastkit/{name}" for name in modules)
    command = [sys.executable, "-m", "coverage", "run", include, "-m", "pytest", "-m", "not slow", "-x", *tests]
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    passed = re.search(r"(\d+) passed", run.stdout)
    if run.returncode or not passed:
        raise SystemExit(run.stdout[-2000:] + run.stderr[-2000:])
    told = [sys.executable, "-m", "coverage", "json", include, "-o", str(folder / "told.json")]
    subprocess.run(told, cwd=ROOT, env=env, capture_output=True, check=True)
    total = json.loads((folder / "told.json").read_text())["totals"]
    return {"lines": total["num_statements"], "run": total["covered_lines"], "tests": int(passed[1])}


def main() -> None:
    "Measure every part, print a line each, and write them."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="by default all")
    parser.add_argument("--out", type=Path, default=ROOT / "nbs" / "readiness.json")
    args = parser.parse_args()
    for part in args.parts or PARTS:
        asked, modules, files = PARTS[part]
        with tempfile.TemporaryDirectory() as folder:
            one = {"asked": asked, "modules": list(modules)} | coverage_of(modules, files, Path(folder))
        print(json.dumps({part: one}), flush=True)
        held = json.loads(args.out.read_text()) if args.out.exists() else {}
        found = {name: (held | {part: one})[name] for name in PARTS if name in held or name == part}
        args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
