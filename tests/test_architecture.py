"The house stands as it was drawn: storeys, explicit imports, and an import that costs little."

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "forecastkit"
LEARNING = {"scipy", "sklearn", "arch", "xgboost", "hmmlearn"}
DRAWING = {"matplotlib", "seaborn"}


def storeys() -> dict[str, int]:
    "The number of each module, from the notebook that exports it."
    found = {}
    for path in (ROOT / "nbs").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        exports = [re.search(r"^#\|\s*default_exp\s+(\S+)", "".join(cell["source"]), re.M) for cell in cells]
        name = next((match[1] for match in exports if match), None)
        number = re.match(r"(\d+)_", path.name)
        if name:
            assert number, f"{path.name} exports {name} and has no number"
            assert name not in found, f"two notebooks export {name}"
            assert path.stem == f"{number[1]}_{name}", f"{path.name} exports {name}: they should share the name"
            found[name] = int(number[1])
    return found


NUMBER = storeys()
MODULES = sorted(NUMBER, key=NUMBER.get)


def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text())


def imports(node: ast.AST, top: bool = False):
    "Every import below a node as (name of the module, names taken from it, line); `top`: only what runs on import."
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, None, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = "forecastkit" if child.level else ""
            name = ".".join(part for part in (base, child.module) if part)
            yield name, [alias.name for alias in child.names], child.lineno
        elif not (top and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            yield from imports(child, top)


def test_every_module_has_a_notebook_and_every_notebook_a_module():
    outside = {"__init__", "__main__", "_modidx"}
    assert {path.stem for path in PACKAGE.glob("*.py")} - outside == set(NUMBER)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_stands_on_lower_ones_alone(module):
    for name, taken, line in imports(tree(module)):
        where = f"forecastkit/{module}.py:{line}"
        if name.split(".")[0] != "forecastkit":
            continue
        assert taken is not None, f"{where}: import names, not the module {name}"
        below = [name.split(".")[1]] if "." in name else [one for one in taken if one in NUMBER]
        for other in below:
            assert other in NUMBER, f"{where}: {other} is no module of a notebook"
            assert NUMBER[other] < NUMBER[module], f"{where}: {module} imports {other}, an arrow up"


@pytest.mark.parametrize("module", MODULES)
def test_no_back_doors(module):
    source = tree(module)
    for _, taken, line in imports(source):
        where = f"forecastkit/{module}.py:{line}"
        assert "*" not in (taken or []), f"{where}: a star import"
        assert "TYPE_CHECKING" not in (taken or []), f"{where}: an import that only type checkers see"
    words = {node.id for node in ast.walk(source) if isinstance(node, ast.Name)}
    assert not words & {"TYPE_CHECKING", "__import__"}
    called = {
        node.func.attr
        for node in ast.walk(source)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    if module != "core" and NUMBER[module] < 70:
        assert "import_module" not in called, f"{module} imports by string what a reader cannot see"


def test_no_drawer_for_odds_and_ends():
    for name in NUMBER:
        assert not re.search(r"util|helper|misc|common", name), f"{name} says nothing about what is in it"


@pytest.mark.parametrize("module", [m for m in MODULES if NUMBER[m] < 30 or 60 <= NUMBER[m] < 70])
def test_low_storeys_and_memory_are_quick_to_import(module):
    heavy = LEARNING | DRAWING | {"shap", "optuna", "exchange_calendars", "alembic"}
    for name, _, line in imports(tree(module), top=True):
        assert name.split(".")[0] not in heavy, f"forecastkit/{module}.py:{line}: import {name} where it is used"


def loaded(statement: str) -> set[str]:
    "The top-level packages that a fresh interpreter has loaded after a statement."
    code = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(run.stdout.split())


def test_importing_the_package_loads_no_library_of_learning():
    assert not loaded("import forecastkit") & (LEARNING | DRAWING | {"shap", "pandas", "exchange_calendars"})


@pytest.mark.parametrize("decade", ["low", "memory"])
def test_low_storeys_load_no_library_of_learning(decade):
    chosen = [m for m in MODULES if (NUMBER[m] < 30 if decade == "low" else 60 <= NUMBER[m] < 70)]
    if not chosen:
        pytest.skip("no module of these storeys yet")
    found = loaded("\n".join(f"import forecastkit.{module}" for module in chosen))
    assert not found & (LEARNING | DRAWING | {"shap"})


def test_the_root_loads_no_library_of_learning():
    if "system" not in NUMBER:
        pytest.skip("no composition root yet")
    found = loaded("from forecastkit.system import IntegratedSystem")
    assert not found & {"shap", "xgboost", "sklearn"}
