"""The figures of docs/how_good.md: evaluated on the embedded data, written to docs/figures.json, and from there into the tables.

    make figures                                          # the printed command for 1, 5 and 21 sessions ahead
    .venv/bin/python benchmarks/figures.py HOME           # the same, in a home of one's own that keeps the versions
    .venv/bin/python benchmarks/figures.py --table        # only write the tables again out of docs/figures.json
    .venv/bin/python benchmarks/figures.py --look         # the announced look at 2019-2022, out of experiments.jsonl
    .venv/bin/python benchmarks/figures.py --stocks CARD.json --ablation TABLE.json     # what panel_skill.py and panel_ablation.py wrote

No figure of what the forecasts were worth stands anywhere else by hand: the tour reads docs/figures.json, the pages compute theirs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from forecastkit.core import ExperimentLog

ROOT = Path(__file__).resolve().parents[1]
FIGURES, PAGE = ROOT / "docs" / "figures.json", ROOT / "docs" / "how_good.md"
COMMAND = "forecastkit evaluate --sources sample --start 2005-01-03 --end 2018-12-21"
HORIZONS = (5, 1, 21)  # the first needs no option
BASELINES = {"climatology": "climatology", "ar1": "AR(1)", "har": "HAR", "garch": "GARCH"}
MARKS = ("<!-- figures: make figures -->", "<!-- end of figures -->")
STOCK_COMMAND = "forecastkit evaluate --universe sample --sources sample --start 2005-01-03 --end 2018-12-21"
STOCK_BASELINES = {"climatology": "climatology", "ewma": "EWMA", "garch": "GARCH"}
LOOK, LOOK_MARKS = (
    "The announced look at 2019-2022",
    ("<!-- figures of the look: benchmarks/figures.py --look -->", "<!-- end of the figures of the look -->"),
)
STOCK_MARKS = ("<!-- figures of stocks: benchmarks/figures.py --stocks -->", "<!-- end of the figures of stocks -->")


def answer(command: str, home: str, *more: str) -> dict[str, Any]:
    "What a command says as JSON."
    words = [*command.split()[1:], *more, "--home", home, "--json", "--quiet"]
    said = subprocess.run([sys.executable, "-m", "forecastkit", *words], check=True, capture_output=True, text=True)
    return json.loads(said.stdout)


def evaluated(horizon: int, home: str) -> dict[str, Any]:
    "What the command says of one horizon."
    return needed(answer(COMMAND, home, "--horizon", str(horizon)))


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
    right = " | ".join(f"{100 * share:.0f}%" for share in (own["accuracy"], har["accuracy"], own["base_rate"]))
    brier = " | ".join(f"{100 * one['brier_skill']:+.1f}% ({100 * one['brier_skill_se']:.1f})" for one in (own, har))
    ece = f"{own['ece']:.3f} (up to {own['perfect_95']:.3f})"
    return f"| {horizon} | {right} | {brier} | {ece} |"


def row(horizon: str, found: dict[str, Any]) -> str:
    "One horizon in a line of the table."
    skills = [f"{100 * one['value']:+.1f}% ({100 * one['se']:.1f})" for one in found["skill"].values()]
    by_regime = [100 * share for share in found["held_80_by_regime"].values()]
    held = f"{100 * found['held_80']:.0f}% ({min(by_regime):.0f} to {max(by_regime):.0f})"
    return f"| {horizon} | {found['origins']:,} | {' | '.join(skills)} | {held} |"


def table(figures: dict[str, Any]) -> str:
    "The part of the page between the marks."
    names = " | ".join(BASELINES.values())
    head = f"| sessions ahead | origins | {names} | 80% range held (by VIX regime) |\n|{'---|' * (len(BASELINES) + 3)}"
    by_horizon = sorted(figures["horizons"].items(), key=lambda one: int(one[0]))
    rows = [row(horizon, found) for horizon, found in by_horizon]
    signs = "| sessions ahead | sign right | HAR | base rate | Brier skill | HAR | error of the confidence (ECE; a perfect one's) |"
    by_sign = [direction_row(horizon, found) for horizon, found in by_horizon]
    return "\n".join([MARKS[0], head, *rows, "", f"{signs}\n|{'---|' * 7}", *by_sign, MARKS[1]])


def needed_of_stocks(card: dict[str, Any]) -> dict[str, Any]:
    "The part of a universe's scorecard that the table of stocks shows."
    judged = card["forecaster"]
    found = {key: card[key] for key in ("symbols", "horizon", "start", "end", "origins", "rows")} | {
        "skill": {name: {key: judged["skill"][name][key] for key in ("value", "se", "t")} for name in STOCK_BASELINES},
        "held_80": judged["coverage"]["0.8"], "held_80_se": judged["coverage_se"]["0.8"],
        "climatology_held_80": card["baselines"]["climatology"]["coverage"]["0.8"],
    }  # fmt: skip
    for by in ("by_symbol", "by_sector", "by_vix", "by_earnings"):
        if len(parts := card.get(by, {})):
            found[f"held_80_{by}"] = {name: part["coverage_80"] for name, part in parts.items()}
            found[f"climatology_held_80_{by}"] = {name: part["climatology_coverage_80"] for name, part in parts.items()}
    return found


def stock_row(name: str, found: dict[str, Any]) -> str:
    "One universe in a line of the table of stocks."
    skills = [f"{100 * one['value']:+.2f}% ({100 * one['se']:.2f})" for one in found["skill"].values()]

    def ends(by: str) -> str:
        shares = [100 * share for share in found.get(f"held_80_{by}", {}).values()]
        return f"{min(shares):.0f} to {max(shares):.0f}" if shares else ""

    held = f"{100 * found['held_80']:.1f}% ({100 * found['held_80_se']:.1f})"
    span = f"{found['start'][:4]}-{found['end'][:4]}"
    return f"| {name} | {span} | {found['rows']:,} | {' | '.join(skills)} | {held} | {ends('by_symbol')} | {ends('by_vix')} |"


def ablation_row(name: str, found: dict[str, Any]) -> str:
    "One family in a line of the table of families."
    p = "< 1e-12" if found["holm_p"] < 1e-12 else f"{found['holm_p']:.2g}"
    return f"| {name} | {found['columns']} | {found['per_cent']:+.2f}% ({found['se']:.2f}) | {p} | {found['smallest_effect']:.2f}% |"


def stock_table(figures: dict[str, Any]) -> str:
    "The part of the page between the marks of stocks."
    names = " | ".join(STOCK_BASELINES.values())
    head = f"| universe | origins | forecasts | {names} | 80% range held | by stock | by VIX band |\n|{'---|' * 9}"
    rows = [stock_row(name, found) for name, found in figures["universes"].items()]
    families = figures.get("ablation", {}).get("families", {})
    by_gain = sorted(families.items(), key=lambda one: -one[1]["per_cent"])
    columns = (
        "| family of features | columns | CRPS that it removes | Holm-adjusted p | smallest effect found 4 times in 5 |"
    )
    dropped = ["", f"{columns}\n|{'---|' * 5}", *(ablation_row(*one) for one in by_gain)] if families else []
    return "\n".join([STOCK_MARKS[0], head, *rows, *dropped, STOCK_MARKS[1]])


def needed_of_look(entries: list[dict[str, Any]]) -> dict[str, Any]:
    "The part of the look's one result that its table shows."
    [told] = [entry["result"] for entry in entries if entry["name"] == LOOK and entry["kind"] == "try"]
    found = {}
    for part in (told["before"], told["looked at"]):
        found[f"{part['start'][:4]}-{part['end'][:4]}"] = {
            "rows": part["rows"], "skill": part["skill"], "held_80": part["coverage"]["0.8"], "held_80_se": part["coverage_se"]["0.8"],
            "by_stock": [share for share, _ in part["coverage_80_by_stock"].values()], "by_year": list(part["coverage_80_by_year"].values()),
            "sharpe": {name: [book["sharpe"], book["sharpe_se"]] for name, book in part["books"].items()}, "gain": part["sharpe_gain_over_equal_weight"],
        }  # fmt: skip
    crises = {book: told[f"crises, {book}"] for book in ("panel", "equal weight")}
    return {"spans": found, "crises": crises}


def look_table(look: dict[str, Any]) -> str:
    "The part of the page between the marks of the look."
    names = " | ".join(STOCK_BASELINES.values())
    rows = [f"| origins | forecasts | {names} | 80% range held | by stock | by year |\n|{'---|' * 8}"]
    for span, found in look["spans"].items():
        skills = " | ".join(
            f"{100 * found['skill'][name]['value']:+.2f}% ({100 * found['skill'][name]['se']:.2f}; t {found['skill'][name]['t']:.1f})"
            for name in STOCK_BASELINES
        )
        ends = " | ".join(f"{100 * min(found[by]):.0f} to {100 * max(found[by]):.0f}" for by in ("by_stock", "by_year"))
        held = f"{100 * found['held_80']:.1f}% ({100 * found['held_80_se']:.1f})"
        rows.append(f"| {span} | {found['rows']:,} | {skills} | {held} | {ends} |")
    rows += ["", f"| book | Sharpe of the forecasts | of equal weight | difference |\n|{'---|' * 4}"]
    for span, found in look["spans"].items():
        own, other = (
            f"{value:.2f} ({se:.2f})" for value, se in (found["sharpe"]["panel"], found["sharpe"]["equal weight"])
        )
        rows.append(f"| {span} | {own} | {other} | {found['gain']['gain']:+.2f} ({found['gain']['se']:.2f}) |")
    rows += ["", f"| crisis | book | change | deepest fall | worst session | limits 15, 20, 5% |\n|{'---|' * 6}"]
    for book, results in look["crises"].items():
        for one in results:
            numbers = " | ".join(f"{100 * one[key]:+.1f}%" for key in ("change", "drawdown", "worst_session"))
            kept = f"broke {' and '.join(one['broken']).replace('_', ' ')}" if one["broken"] else "kept"
            name = "forecasts" if book == "panel" else book
            rows.append(f"| {one['name']} | {name} | {numbers} | {kept} |")
    return "\n".join([LOOK_MARKS[0], *rows, LOOK_MARKS[1]])


def between(text: str, marks: tuple[str, str], part: str) -> str:
    "The text with this part, which has the marks around it, in the place of the one that stands there."
    before, mark, rest = text.partition(marks[0])
    return before + part + rest.partition(marks[1])[2] if mark else text


def with_table(text: str, figures: dict[str, Any]) -> str:
    "The page with the tables of these figures."
    text = between(text, MARKS, table(figures))
    text = between(text, LOOK_MARKS, look_table(figures["look"])) if "look" in figures else text
    return between(text, STOCK_MARKS, stock_table(figures["stocks"])) if "stocks" in figures else text


def with_stocks(figures: dict[str, Any], cards: list[dict[str, Any]], ablation: Path | None = None) -> dict[str, Any]:
    "The figures with those of some universes' scorecards, and of an ablation, laid over them."
    stocks = figures.get("stocks", {"universes": {}})
    for card in cards:
        name = (
            "the 20 embedded, closes alone"
            if card["universe"] == "sample"
            else f"{card['universe']}, daily bars and results"
        )
        stocks["universes"][name] = needed_of_stocks(card)
    if ablation:
        stocks["ablation"] = json.loads(ablation.read_text())
    return figures | {"stocks": stocks | {"command": STOCK_COMMAND}}


def main(arguments: list[str]) -> None:
    "Evaluate, or read what was evaluated; write the figures and the tables."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("home", nargs="?", help="a home that keeps the versions")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--look", action="store_true")
    parser.add_argument("--stocks", type=Path, action="append", default=[], metavar="CARD")
    parser.add_argument("--ablation", type=Path)
    args = parser.parse_args(arguments)
    figures = json.loads(FIGURES.read_text())
    if args.look:
        figures["look"] = needed_of_look(ExperimentLog(ROOT / "experiments.jsonl").entries())
    elif args.stocks or args.ablation:
        figures = with_stocks(figures, [json.loads(path.read_text()) for path in args.stocks], args.ablation)
    elif not args.table:
        with tempfile.TemporaryDirectory() as scratch:
            home = args.home or scratch
            figures |= {"command": COMMAND, "horizons": {str(h): evaluated(h, home) for h in HORIZONS}}
            figures = with_stocks(figures, [answer(STOCK_COMMAND, home)])
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    PAGE.write_text(with_table(PAGE.read_text(), figures))


if __name__ == "__main__":
    main(sys.argv[1:])
