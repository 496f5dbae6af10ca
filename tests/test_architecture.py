"The house stands as it was drawn: districts with faces, no circle, no arrow up, and an import that costs little."

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "forecastkit"
LEARNING = {"scipy", "sklearn", "arch", "xgboost", "hmmlearn"}
DRAWING = {"matplotlib", "seaborn"}
QUICK = (
    "core",
    "metrics",
    "forecasts",
    "calendars",
    "data",
    "vendors",
    "features",
    "ledger",
)  # districts light to import


class Place(NamedTuple):
    "Where a module stands: the number of its district, then its own."

    district: int
    number: int


def notebooks() -> list[Path]:
    return sorted(path for path in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def exported(path: Path) -> str | None:
    "The module that a notebook exports, as district.name."
    cells = json.loads(path.read_text())["cells"]
    found = [re.search(r"^#\|\s*default_exp\s+(\S+)", "".join(cell["source"]), re.M) for cell in cells]
    return next((match[1] for match in found if match), None)


def places() -> dict[str, Place]:
    "The place of each module, from the folder and the name of the notebook that exports it."
    found: dict[str, Place] = {}
    for path in notebooks():
        name = exported(path)
        if name is None:
            continue
        folder, file = re.fullmatch(r"(\d+)_(\w+)", path.parent.name), re.fullmatch(r"(\d+)_(\w+)", path.stem)
        assert folder and file, (
            f"{path.relative_to(ROOT)} exports {name}: it belongs to nbs/NN_district/NN_module.ipynb"
        )
        assert name == f"{folder[2]}.{file[2]}", f"{path.relative_to(ROOT)} exports {name}: they should share the name"
        assert name not in found, f"two notebooks export {name}"
        found[name] = Place(int(folder[1]), int(file[1]))
    assert len(set(found.values())) == len(found), "two modules of one district share a number"
    return found


PLACE = places()
MODULES = sorted(PLACE, key=PLACE.get)
DISTRICTS = list(dict.fromkeys(module.split(".")[0] for module in MODULES))


def source_of(module: str) -> Path:
    return PACKAGE / f"{module.replace('.', '/')}.py"


def tree(module: str) -> ast.Module:
    return ast.parse(source_of(module).read_text())


def imports(node: ast.AST, package: list[str], top: bool = False):
    "Every import below a node as (dotted module, names taken from it, line); `top`: only what runs on import."
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, None, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = package[: len(package) + 1 - child.level] if child.level else []
            name = ".".join([*base, *filter(None, [child.module])])
            yield name, [alias.name for alias in child.names], child.lineno
        elif not (top and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            yield from imports(child, package, top)


def imports_of(module: str, top: bool = False):
    return imports(tree(module), ["forecastkit", *module.split(".")[:-1]], top)


def face(district: str) -> dict[str, str]:
    "The names on a district's face, each with the module of the district that it comes from."
    stub = ast.parse((PACKAGE / district / "__init__.pyi").read_text())
    taken = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in taken for alias in node.names}


FACES = {district: face(district) for district in DISTRICTS}


def test_the_tests_see_every_notebook_and_every_module():
    assert len(notebooks()) > 70, "the notebooks are looked for in the wrong place"
    written = {path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts and path.name != "_modidx.py"}
    assert {source_of(module) for module in MODULES} == {path for path in written if not path.name.startswith("__")}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_stands_on_lower_ones_and_on_faces(module):
    own = module.split(".")[0]
    for name, taken, line in imports_of(module):
        where, parts = f"{source_of(module).relative_to(ROOT)}:{line}", name.split(".")[1:]
        if name.split(".")[0] != "forecastkit":
            continue
        assert taken is not None, f"{where}: import names, not the module {name}"
        if not parts and taken == ["__version__"]:
            continue
        assert parts, f"{where}: nothing below the package's own face may import it"
        if parts[0] == own:
            below = [".".join(parts)] if len(parts) > 1 else [f"{own}.{one}" for one in taken]
            for other in below:
                assert other in PLACE, f"{where}: {other} is no module of this district"
                assert PLACE[other] < PLACE[module], f"{where}: {module} imports {other}, an arrow up"
        else:
            assert len(parts) == 1, f"{where}: an import past the face of {parts[0]}"
            assert DISTRICTS.index(parts[0]) < DISTRICTS.index(own), f"{where}: {own} imports {parts[0]}, an arrow up"
            absent = set(taken) - FACES[parts[0]].keys()
            assert not absent, f"{where}: {', '.join(sorted(absent))} not on the face of {parts[0]}"


def matrix() -> str:
    "Which district takes names from which, as it is drawn in CONTRIBUTING.md."
    taken = {district: set() for district in DISTRICTS}
    for module in MODULES:
        for name, _, _ in imports_of(module):
            parts = name.split(".")
            if parts[0] == "forecastkit" and len(parts) > 1 and parts[1] != module.split(".")[0]:
                taken[module.split(".")[0]].add(parts[1])
    wide = max(map(len, DISTRICTS))
    rows = [
        f"{number:>2} {row:<{wide}} "
        + " ".join(" x" if column in taken[row] else " ." for column in DISTRICTS[:number])
        for number, row in enumerate(DISTRICTS)
    ]
    return "\n".join([" " * (wide + 4) + " ".join(f"{number:>2}" for number in range(len(DISTRICTS))), *rows])


def test_the_picture_of_the_districts_is_true():
    drawn = matrix()
    assert "\n".join(line.rstrip() for line in drawn.splitlines()) in "\n".join(
        line.rstrip() for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines()
    ), drawn


@pytest.mark.parametrize("district", DISTRICTS)
def test_a_face_gives_what_its_stub_says(district):
    modules = {module.split(".")[1] for module in MODULES if module.startswith(f"{district}.")}
    assert not FACES[district].keys() & modules, "a name on the face hides a module of the district"
    for name, module in FACES[district].items():
        assert module in modules, f"{name} comes from {module}, which is no module of {district}"
        defined = {getattr(node, "name", None) for node in tree(f"{district}.{module}").body}
        assigned = [node for node in tree(f"{district}.{module}").body if isinstance(node, (ast.Assign, ast.AnnAssign))]
        targets = {one.id for node in assigned for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}  # fmt: skip
        assert name in defined | targets, f"{district}.{module} does not define {name}"


def test_every_face_hands_out_complete_docstrings():
    for stub in PACKAGE.rglob("__init__.pyi"):
        assert "attach_face(__name__, __file__)" in stub.with_suffix(".py").read_text(), (
            f"{stub.parent.name}: see core.docstrings"
        )


def test_a_name_stands_in_one_module_only():
    seen: dict[str, str] = {}
    twice = []
    for module in MODULES:
        for node in tree(module).body:
            if isinstance(node, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
            ):
                for name in ast.literal_eval(node.value):
                    if name in seen:
                        twice.append(f"{name}: {seen[name]} and {module}")
                    seen[name] = module
    assert not twice, "\n".join(twice)


@pytest.mark.parametrize("module", MODULES)
def test_no_back_doors(module):
    source = tree(module)
    for _, taken, line in imports_of(module):
        where = f"{source_of(module).relative_to(ROOT)}:{line}"
        assert "*" not in (taken or []), f"{where}: a star import"
        assert "TYPE_CHECKING" not in (taken or []), f"{where}: an import that only type checkers see"
    words = {node.id for node in ast.walk(source) if isinstance(node, ast.Name)}
    assert not words & {"TYPE_CHECKING", "__import__"}
    called = {
        node.func.attr
        for node in ast.walk(source)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    if PLACE[module].district < 65 and module.split(".")[0] != "core":
        assert "import_module" not in called, f"{module} imports by string what a reader cannot see"


def test_no_drawer_for_odds_and_ends():
    for name in MODULES:
        assert not re.search(r"util|helper|misc|common", name), f"{name} says nothing about what is in it"


@pytest.mark.parametrize("module", [m for m in MODULES if m.split(".")[0] in QUICK])
def test_low_districts_and_the_ledger_are_quick_to_import(module):
    heavy = LEARNING | DRAWING | {"shap", "optuna", "exchange_calendars", "alembic"}
    for name, _, line in imports_of(module, top=True):
        where = f"{source_of(module).relative_to(ROOT)}:{line}"
        assert name.split(".")[0] not in heavy, f"{where}: import {name} where it is used"


def loaded(statement: str) -> set[str]:
    "The top-level packages that a fresh interpreter has loaded after a statement."
    code = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(run.stdout.split())


def test_importing_the_package_loads_no_library_of_learning():
    assert not loaded("import forecastkit") & (LEARNING | DRAWING | {"shap", "pandas", "exchange_calendars"})


def test_quick_districts_load_no_library_of_learning():
    chosen = [m for m in MODULES if m.split(".")[0] in QUICK]
    found = loaded("\n".join(f"import forecastkit.{module}" for module in chosen))
    assert not found & (LEARNING | DRAWING | {"shap"})


def test_the_root_loads_no_library_of_learning():
    found = loaded("from forecastkit.pipeline import IntegratedSystem")
    assert not found & {"shap", "xgboost", "sklearn", "scipy", "matplotlib"}


@pytest.mark.parametrize("module", MODULES)
def test_no_example_stands_in_exported_code(module):
    "A lower-case name that holds what a function of the same module returned is an example: it would run at every import."
    body = tree(module).body
    own = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    for node in body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in own:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            assert all(name == name.upper() or name.startswith("_") for name in names), f"{module}: {names}"
