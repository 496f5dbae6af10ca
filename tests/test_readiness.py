"What the page of readiness calls as a witness is there: tests, benchmarks, notebooks and files by their names, and an answer to each line of the checklist."

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CELLS = json.loads((ROOT / "nbs" / "readiness.ipynb").read_text())["cells"]
TEXT = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
ROWS = [
    [part.strip() for part in line.strip("| ").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| line of", "| point"))
]
LINES = [row for row in ROWS if len(row) == 4]


def test_every_line_of_the_checklist_has_an_answer_a_figure_and_a_witness():
    assert len(LINES) == 24
    assert {row[1] for row in LINES} <= {"yes", "otherwise", "in part", "no"}
    assert not [row[0] for row in LINES if not row[2] or "`" not in row[3]]
    assert all(len(row) in (3, 4) for row in ROWS)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:tests|benchmarks|nbs|reports|\.github)/[^` ]*)`", TEXT))))
def test_a_witness_is_there(name):
    path, _, test = name.partition("::")
    assert (ROOT / path).exists(), f"{path} is gone"
    assert not test or f"def {test}(" in (ROOT / path).read_text(), f"{name} is gone"


def test_the_share_of_lines_is_shown_beside_what_is_asked_and_what_falls_short_is_named():
    measured = json.loads((ROOT / "nbs" / "readiness.json").read_text())
    short = [part for part, one in measured.items() if 100 * one["run"] < one["asked"] * one["lines"]]
    printed = "".join("".join(out.get("text", "")) for cell in CELLS for out in cell.get("outputs", ()))
    assert measured and f"below what is asked: {short}" in printed
    assert all(0 < one["run"] <= one["lines"] and one["tests"] for one in measured.values())
