"""The prose of the project, read by proselint: README, guides, the text of every notebook and every docstring.

proselint reads plain text. So code, tables and quotations are blanked first, and a finding names the file, the line
(of a notebook: the cell) and the words."""

import ast
import json
import re
import sys
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from proselint.checks import __register__
from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

ROOT = Path(__file__).resolve().parents[1]

OFF = {  # check: why it is not asked
    "archaism": "it takes every 'for every' for 'for ever'",
    "cliches": "'in the long run' and 'one in a million' are meant in numbers here",
    "dates_times": "versions and spans of sessions are no dates",
    "lexical_illusions": "a paragraph may begin with the last word of its heading",
    "misc.phrasal_adjectives": "'family-wise' is the term",
    "misc.preferred_forms": "it takes names for French words",
    "needless_variants": "'antithetic' is the term",
    "spelling": "it takes two words ('learnt' and 'learned') for two spellings of one",
    "typography": "sources are typed in ASCII; Quarto sets quotes and dashes",
    "weasel_words": "'very' is at times the plain word",
}
OWN = {  # pattern: what to write instead
    r"\d %(?![\w%])": "'80%', without a space",
    r"(?:^|[.] )(?:What|Which|Who) [^.?!,;:\n]{3,40}: ": "a sentence that begins with its subject",
    r"\b[Ff]or ever\b": "'forever'",
    r"\bas (?:one|he|she) (?:does )?who\b": "who does what",
}


def blank(text: str) -> str:
    "The text without code, tables and addresses, of the same lines."
    keep_lines = lambda found: "\n" * found[0].count("\n")  # noqa: E731
    text = re.sub(r"^(?:```|---$).*?^(?:```|---)[ \t]*$", keep_lines, text, flags=re.S | re.M)
    text = re.sub(r"`[^`]*`", lambda found: "code" + "\n" * found[0].count("\n"), text)
    text = re.sub(r"\$[^$\n]+\$|\]\([^)]*\)|<[^>\n]*>|^(?: {4,}|\||#\||>>>).*$", "", text, flags=re.M)
    return text


def of_notebook(path: Path) -> Iterator[tuple[str, str]]:
    for number, cell in enumerate(json.loads(path.read_text())["cells"]):
        if cell["cell_type"] == "markdown":
            yield f"{path.relative_to(ROOT)} cell {number}", blank("".join(cell["source"]))


def of_module(path: Path) -> Iterator[tuple[str, str]]:
    "Docstrings of functions, classes and methods; that of the module stands in its notebook."
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (doc := ast.get_docstring(node)):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", blank(doc)


def texts() -> Iterator[tuple[str, str]]:
    "Each piece of prose with its place."
    for path in (*ROOT.glob("*.md"), *ROOT.glob("benchmarks/**/*.md"), *ROOT.glob("nbs/guide/*.qmd")):
        for number, line in enumerate(re.split(r"\n(?=\n)", blank(path.read_text()))):
            yield f"{path.relative_to(ROOT)} paragraph {number + 1}", line
    for path in sorted((*ROOT.glob("nbs/**/*.ipynb"), *ROOT.glob("reports/*.ipynb"))):
        if ".ipynb_checkpoints" not in path.parts:
            yield from of_notebook(path)
    for path in sorted(ROOT.glob("forecastkit/**/*.py")):
        yield from of_module(path)


def findings() -> list[str]:
    "Every finding as one line: place, message, words."
    CheckRegistry().register_many(__register__)
    checks = dict.fromkeys(OFF, False) | {name: True for name in DEFAULT["checks"] if name not in (*OFF, "restricted")}
    places, pieces = zip(*texts())
    ends = list(accumulate(len(piece) + 2 for piece in pieces))
    whole = "\n\n".join(pieces)
    linted = LintFile("prose", whole).lint({"max_errors": 10_000, "checks": checks})
    told = [(one.check_result.span[0] - 1, one.check_result.message) for one in linted]  # it puts a line end in front
    told += [(found.start(), message) for own, message in OWN.items() for found in re.finditer(own, whole, re.M)]
    words = lambda at: " ".join(whole[max(at - 40, 0) : at + 60].split())  # noqa: E731
    return [f"{places[bisect_right(ends, at)]}: {message} | ... {words(at)} ..." for at, message in sorted(told)]


if __name__ == "__main__":
    found = findings()
    print("\n".join(found))
    sys.exit(bool(found))
