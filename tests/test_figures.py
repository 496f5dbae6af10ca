"The figures of docs/how_good.md are those that the printed command gave, and stand in one place."

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def figures():
    "The script that writes them."
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import figures

    yield figures
    sys.path.remove(str(ROOT / "benchmarks"))


def test_the_tables_of_the_page_are_those_of_the_stored_figures(figures):
    stored, page = json.loads(figures.FIGURES.read_text()), figures.PAGE.read_text()
    assert figures.with_table(page, stored) == page, "make figures, or benchmarks/figures.py --table"
    assert stored["command"] == figures.COMMAND and stored["command"] in page


def test_no_skill_stands_on_the_page_by_hand(figures):
    before, _, rest = figures.PAGE.read_text().partition(figures.MARKS[0])
    by_hand = before + rest.partition(figures.MARKS[1])[2] + (ROOT / "README.md").read_text()
    assert not re.search(r"\d(\.\d)? ?% (skill|against)|skill (is|of) [+-]?\d", by_hand)


def test_every_horizon_stands_beside_the_four_baselines(figures):
    for found in json.loads(figures.FIGURES.read_text())["horizons"].values():
        assert set(found["skill"]) == {"climatology", "ar1", "har", "garch"}
        assert all(one["se"] > 0 for one in found["skill"].values())


def test_every_universe_of_stocks_stands_beside_its_baselines_with_errors(figures):
    stored = json.loads(figures.FIGURES.read_text())["stocks"]
    assert stored["command"] == figures.STOCK_COMMAND and stored["command"] in figures.PAGE.read_text()
    for found in stored["universes"].values():
        assert set(found["skill"]) == {"climatology", "ewma", "garch"}
        assert all(one["se"] > 0 for one in found["skill"].values())
        assert len(found["held_80_by_symbol"]) == found["symbols"]


def test_a_scorecard_of_stocks_becomes_a_line(figures):
    card = json.loads(figures.FIGURES.read_text())["stocks"]["universes"]["the 20 embedded, closes alone"]
    line = figures.stock_row("twenty", card | {"held_80": 0.8, "held_80_se": 0.0123})
    assert line.startswith("| twenty | 2005-2018 | 70,360 |") and "80.0% (1.2)" in line
    family = {"columns": 3, "per_cent": 0.251, "se": 0.06, "holm_p": 0.0004, "smallest_effect": 0.168}
    assert figures.ablation_row("trend", family) == "| trend | 3 | +0.25% (0.06) | 0.0004 | 0.17% |"


def test_the_table_of_the_look_is_that_of_the_log(figures):
    from forecastkit.core import ExperimentLog

    stored = json.loads(figures.FIGURES.read_text())["look"]
    entries = ExperimentLog(ROOT / "experiments.jsonl").entries()
    assert stored == figures.needed_of_look(entries)
    kinds = [entry["kind"] for entry in entries if entry["name"] == figures.LOOK]
    assert kinds == ["plan", "try"], "announced once, looked at once"
    shown = figures.look_table(stored)
    assert f"{stored['spans']['2019-2022']['sharpe']['panel'][0]:.2f} (" in shown.split("| 2019-2022 |")[2]
