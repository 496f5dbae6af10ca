"""What a notebook shows when it is run, beside what is stored in it: a page that shows yesterday's numbers is found.

Words must be the same, and whole numbers. Other numbers may be off by one in their last place, by two thousandths, or by a ten-thousandth of the
largest of their line: libraries add floats in another order on another processor (seen between two: 3e-4). Of a picture only its being there is
asked. Digests, commits, seconds and moments since 2026 (when a page was made; data are older) are no content, nor is what goes to stderr, where
progress is shown."""

import json
import re
from decimal import Decimal
from itertools import zip_longest
from math import isclose
from pathlib import Path
from typing import Any

from fastcore.nbio import nb2str
from nbdev.clean import clean_nb

# Cells that show today's date, a random key or a size that depends on the machine, by notebook and cell.
VARIES = {
    "87_live_sizing": ("2b3a2f1e",),  # pauses begin today
    "08_pauses": ("1cbc3b97",),
    "09_models": ("ea0367c9",),  # in force from the next session on
    "25_monitoring": ("7c3e7c52",),  # the last session before today
    "01_sessions": ("4095e4fd",),  # the last year of the calendar
    "10_universe_page": ("9a5552bc",),  # the age of the data in days
    "02_cache": ("79270dfd",),  # the version of Python
    "08_service": ("f14757f1",),  # the length of an answer with a moment in it
    "20_main": ("f3d3bfa1",),  # settings and where they come from: the environment of whoever runs it
}
LATE = r"20(?:2[6-9]|[3-9]\d)"
NO_CONTENT = re.compile(
    r"data:image/\w+;base64,[\w+/=]+"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?<![\w.])(?=[0-9a-f]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}\b|\+g[0-9a-f]{7,}|cell-id=[0-9a-f]+"
    rf"|{LATE}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d| UTC)?)?|datetime\.datetime\({LATE},[^)]*\)"
    r"|seconds(?: of processor)? [\d.]+"
)
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")
RULES = re.compile(r"[-─━═]{3,}|\s+")  # the width of a table is that of its longest number


def shown_lines(outputs: list[dict[str, Any]]) -> list[str]:
    "What the outputs of a cell say, line by line, without what is no content."
    said = ""
    for one in (one for one in outputs if one.get("name") != "stderr"):
        data = one.get("data", {})
        held = next((data[kind] for kind in ("text/html", "text/markdown", "text/plain") if kind in data), "")
        said += "".join(one.get("text", "")) + ("<picture>" if "image/png" in data else "".join(held)) + "\n"
    lines = (RULES.sub(" ", NO_CONTENT.sub("<varies>", line)).strip() for line in said.splitlines())
    return [line for line in lines if line]


def near(stored: str, now: str, largest: float = 0.0) -> bool:
    "Whether two numbers are one, but for the last place of what is shown and what vanishes beside the largest."
    if stored == now:
        return True
    if stored.isdigit() or now.isdigit():
        return False
    place = max(Decimal(one).as_tuple().exponent for one in (stored, now))
    return isclose(float(stored), float(now), rel_tol=2e-3, abs_tol=max(1.01 * 10.0**place, 1e-4 * largest))


def difference(stored: list[dict[str, Any]], now: list[dict[str, Any]]) -> str:
    "The first line where two outputs of a cell say something else, or nothing."
    for old, new in zip_longest(shown_lines(stored), shown_lines(now), fillvalue=""):
        numbers, new_numbers = NUMBER.findall(old), NUMBER.findall(new)
        largest = max((float(one) for one in numbers if not one.isdigit()), default=0.0)
        same = NUMBER.sub("#", old) == NUMBER.sub("#", new)
        if not same or not all(near(one, other, largest) for one, other in zip(numbers, new_numbers, strict=True)):
            at = next((i for i, (one, other) in enumerate(zip_longest(old, new)) if one != other), 0)
            place = slice(max(0, at - 40), at + 60)
            return f"...{old[place]!r} is stored, {new[place]!r} is shown"
    return ""


def same_outputs(book: Any, path: str | Path) -> None:
    "Compare a notebook that was run with its file; raises AssertionError with the cells that show something else."
    path = Path(path)
    now, stored = json.loads(nb2str(book)), json.loads(path.read_text())
    clean_nb(now)
    left_out = VARIES.get(path.stem, ())
    found = [
        f"{path.name}, cell {old['id']}: {said}"
        for old, new in zip(stored["cells"], now["cells"], strict=True)
        if old["cell_type"] == "code"
        and old["id"] not in left_out
        and (said := difference(old["outputs"], new["outputs"]))
    ]
    if found:
        raise AssertionError("\n".join(["stored outputs are stale: make notebooks", *found]))
