"The README's figures are those that the printed command gave, and stand in one place."

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


def test_the_table_of_the_readme_is_that_of_the_stored_figures(figures):
    stored, readme = json.loads(figures.FIGURES.read_text()), figures.README.read_text()
    assert figures.with_table(readme, stored) == readme, "make figures, or benchmarks/figures.py --table"
    assert stored["command"] == figures.COMMAND and stored["command"] in readme


def test_no_skill_stands_in_the_readme_by_hand(figures):
    readme = figures.README.read_text()
    before, _, rest = readme.partition(figures.MARKS[0])
    by_hand = before + rest.partition(figures.MARKS[1])[2]
    assert not re.search(r"\d(\.\d)? % (skill|against)|skill (is|of) [+-]?\d", by_hand)


def test_every_horizon_stands_beside_the_four_baselines(figures):
    for found in json.loads(figures.FIGURES.read_text())["horizons"].values():
        assert set(found["skill"]) == {"climatology", "ar1", "har", "garch"}
        assert all(one["se"] > 0 for one in found["skill"].values())
