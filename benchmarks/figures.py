"""The figures of the README: evaluated on the embedded data, written to docs/figures.json, and from there into the README's table.

    make figures                                          # the printed command for 1, 5 and 21 sessions ahead
    .venv/bin/python benchmarks/figures.py HOME           # the same, in a home of one's own that keeps the versions
    .venv/bin/python benchmarks/figures.py --table        # only write the table again out of docs/figures.json

No figure of what the forecasts were worth stands anywhere else by hand: the tour reads docs/figures.json, the pages compute theirs.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIGURES, README = ROOT / "docs" / "figures.json", ROOT / "README.md"
COMMAND = "forecastkit evaluate --sources sample --start 2005-01-03 --end 2018-12-21"
HORIZONS = (5, 1, 21)  # the first needs no option
BASELINES = {"climatology": "climatology", "ar1": "AR(1)", "har": "HAR", "garch": "GARCH"}
MARKS = ("<!-- figures: make figures -->", "<!-- end of figures -->")


def evaluated(horizon: int, home: str) -> dict[str, Any]:
    "What the command says of one horizon."
    words = [*COMMAND.split()[1:], "--horizon", str(horizon), "--home", home, "--json", "--quiet"]
    said = subprocess.run([sys.executable, "-m", "forecastkit", *words], check=True, capture_output=True, text=True)
    return needed(json.loads(said.stdout))


def needed(card: dict[str, Any]) -> dict[str, Any]:
    "The part of a scorecard that the table shows."
    judged = card["forecaster"]
    return {
        "start": card["start"], "end": card["end"], "origins": card["origins"],
        "skill": {name: {key: judged["skill"][name][key] for key in ("value", "se", "t")} for name in BASELINES},
        "held_80": judged["coverage"]["0.8"],
        "held_80_by_regime": {name: found["0.8"] for name, found in judged["coverage_by_regime"].items()},
        "held_80_over_250": judged["rolling_250"],
        "direction": {"forecaster": judged["direction"], "har": card["baselines"]["har"]["direction"]},
    }  # fmt: skip


def direction_row(horizon: str, found: dict[str, Any]) -> str:
    "What the sign of one horizon was worth, in a line of the second table."
    own, har = found["direction"]["forecaster"], found["direction"]["har"]
    right = " | ".join(f"{100 * share:.0f} %" for share in (own["accuracy"], har["accuracy"], own["base_rate"]))
    brier = " | ".join(f"{100 * one['brier_skill']:+.1f} % ({100 * one['brier_skill_se']:.1f})" for one in (own, har))
    ece = f"{own['ece']:.3f} (up to {own['perfect_95']:.3f})"
    return f"| {horizon} | {right} | {brier} | {ece} |"


def row(horizon: str, found: dict[str, Any]) -> str:
    "One horizon in a line of the table."
    skills = [f"{100 * one['value']:+.1f} % ({100 * one['se']:.1f})" for one in found["skill"].values()]
    by_regime = [100 * share for share in found["held_80_by_regime"].values()]
    held = f"{100 * found['held_80']:.0f} % ({min(by_regime):.0f} to {max(by_regime):.0f})"
    return f"| {horizon} | {found['origins']:,} | {' | '.join(skills)} | {held} |"


def table(figures: dict[str, Any]) -> str:
    "The part of the README between the marks."
    names = " | ".join(BASELINES.values())
    head = f"| sessions ahead | origins | {names} | 80 % range held (by VIX regime) |\n|{'---|' * (len(BASELINES) + 3)}"
    by_horizon = sorted(figures["horizons"].items(), key=lambda one: int(one[0]))
    rows = [row(horizon, found) for horizon, found in by_horizon]
    signs = "| sessions ahead | sign right | HAR | base rate | Brier skill | HAR | error of the confidence (ECE; a perfect one's) |"
    by_sign = [direction_row(horizon, found) for horizon, found in by_horizon]
    return "\n".join([MARKS[0], head, *rows, "", f"{signs}\n|{'---|' * 7}", *by_sign, MARKS[1]])


def with_table(text: str, figures: dict[str, Any]) -> str:
    "The README with the table of these figures."
    before, _, rest = text.partition(MARKS[0])
    return before + table(figures) + rest.partition(MARKS[1])[2]


def main(arguments: list[str]) -> None:
    if "--table" not in arguments:
        with tempfile.TemporaryDirectory() as scratch:
            home = arguments[0] if arguments else scratch
            horizons = {str(horizon): evaluated(horizon, home) for horizon in HORIZONS}
        FIGURES.write_text(json.dumps({"command": COMMAND, "horizons": horizons}, indent=1) + "\n")
    README.write_text(with_table(README.read_text(), json.loads(FIGURES.read_text())))


if __name__ == "__main__":
    main(sys.argv[1:])
