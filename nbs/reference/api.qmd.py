"""
---
title: Every public name, by district
description: What each district hands out, where it is explained, and its first sentence
---
"""

import ast
import importlib
import inspect
from pathlib import Path

from site_pages import anchors, plain

import forecastkit

FOLDERS = sorted(path for path in Path("nbs").iterdir() if path.name[:2].isdigit())


def modules_of(district: str) -> dict[str, str]:
    "Module of each name on a face, read from its stub."
    stub = Path(forecastkit.__file__).parent / district / "__init__.pyi"
    found = [node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.asname or alias.name: str(node.module) for node in found for alias in node.names}


for folder in FOLDERS:
    district = plain(folder.name)
    pages = {plain(path.stem): path.stem for path in folder.glob("*.ipynb")}
    print(f"## {district}\n\n| name | what it is |\n|---|---|")
    for name, stem in sorted(modules_of(district).items(), key=lambda one: one[0].lower()):
        module = importlib.import_module(f"forecastkit.{district}.{stem}")
        thing = getattr(module, name)
        anchor = anchors(module).get(name, "")
        said = (
            inspect.getdoc(inspect.unwrap(thing))
            if anchor
            else f"a value of [`{module.__name__}`](/{folder.name}/{stem}.html)"
        )
        first = " ".join((said or "").split("\n\n")[0].split()).replace("|", "\\|")
        print(f"| [`{name}`](/{folder.name}/{stem}.html{f'#{anchor}' if anchor else ''}) | {first} |")
    print()
