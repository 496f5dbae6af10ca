"""The notebooks are the source: the package equals them, they are clean, and they carry their outputs."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(path for path in ROOT.glob("nbs/**/*.ipynb") if ".ipynb_checkpoints" not in path.parts)
REPORTS = sorted(ROOT.glob("reports/*.ipynb"))


def _nbdev(command: str, folder: Path) -> None:
    run = subprocess.run(
        [Path(sys.executable).with_name(command)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_every_notebook_is_seen():
    listed = subprocess.run(["git", "ls-files", "nbs"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {str(p.relative_to(ROOT)) for p in NOTEBOOKS} >= {name for name in listed.split() if name.endswith(".ipynb")}
    assert len(NOTEBOOKS) > 70


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout") / "forecastkit"
    for name in ("nbs", "forecastkit"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "_quarto.yml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_exported_package_equals_notebooks(copy):
    _nbdev("nbdev-export", copy)
    written = {p.relative_to(ROOT) for p in ROOT.glob("forecastkit/**/*.py") if "migrations" not in p.parts}
    for path in sorted(written):
        assert (copy / path).read_text() == (ROOT / path).read_text(), f"{path}: run `make notebooks`"
    assert {p.relative_to(copy) for p in copy.glob("forecastkit/**/*.py") if "migrations" not in p.parts} == written


def test_notebooks_are_clean(copy):
    _nbdev("nbdev-clean", copy)
    for path in NOTEBOOKS:
        assert (copy / path.relative_to(ROOT)).read_bytes() == path.read_bytes(), f"{path.name}: run `make notebooks`"


def _source(cell) -> str:
    return "".join(cell["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_notebook_ran_without_error_and_shows_its_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    code = [c for c in cells if c["cell_type"] == "code" and _source(c).strip()]
    outputs = [o for c in code for o in c["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error"]
    printing = [c for c in code if not _source(c).startswith("#|") and re.search(r"^print\(", _source(c), re.M)]
    silent = [_source(c)[:80] for c in printing if not c["outputs"]]
    assert outputs, "no stored output at all: run `make notebooks`"
    assert not silent, f"cells that print have no stored output: {silent}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_imports_stand_alone_in_their_cells(path):
    """Building the documentation runs every cell with an import in a fresh namespace."""
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            body = ast.parse("\n".join(line for line in _source(cell).splitlines() if not line.startswith("%"))).body
            alone = all(isinstance(node, ast.Import | ast.ImportFrom) for node in body)
            exported = _source(cell).startswith("#| export")
            inside = [node for part in body for node in ast.walk(part)]
            imports = any(isinstance(node, ast.Import | ast.ImportFrom) for node in (body if exported else inside))
            assert alone or not imports, _source(cell)[:200]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_an_expected_failure_is_a_block(path):
    """`expect_fail` is a context manager: called on its own it runs nothing, and a check that cannot fail looks like one that holds."""
    for cell in json.loads(path.read_text())["cells"]:
        assert cell["cell_type"] != "code" or not re.search(r"^\s*expect_fail\(", _source(cell), re.M), _source(cell)[
            :200
        ]


@pytest.mark.parametrize("path", NOTEBOOKS + REPORTS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_notebook_names_no_place_of_one_machine(path):
    text = path.read_text()
    for word in ("/home/", "/root/", "/work/", "/tmp/", "site-packages"):  # noqa: S108
        assert word not in text, f"{path.name} mentions {word}"


@pytest.mark.parametrize(
    "path",
    [*NOTEBOOKS, *REPORTS, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "how_good.md"],
    ids=lambda p: f"{p.parent.name}/{p.stem}",
)
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)#\s\\]+\.(?:ipynb|md|png|py))(?:#[^)]*)?\)", path.read_text()):
        assert link.startswith("http") or (path.parent / link).exists(), f"{path.name} links to {link}"


MODULE_NOTEBOOKS = [path for path in NOTEBOOKS if path.parent.name[:2].isdigit()]


@pytest.mark.parametrize("path", MODULE_NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_the_title_says_what_the_module_holds(path):
    """The subtitle becomes the module's docstring: `help` and search find a module by the words of its name."""
    cells = json.loads(path.read_text())["cells"]
    text = next(_source(c) for c in cells if c["cell_type"] == "markdown")
    title, subtitle = re.search(r"^# (.+)", text, re.M), re.search(r"^> (.+)", text, re.M)
    assert title and subtitle, "an H1, and a line that begins with >"
    assert "?" not in title[1] + subtitle[1], "a statement, not a question"
    words = [word.rstrip("s") for word in re.split(r"[_\d]+", path.stem) if word]
    found = f"{title[1]} {subtitle[1]}".lower().replace("-", "")
    assert any(word in found for word in words), f"none of {words} stands in: {found}"


@pytest.mark.parametrize("path", REPORTS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_report_has_parameters_and_no_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    assert any("parameters" in c["metadata"].get("tags", []) for c in cells)
    assert not [c for c in cells if c["cell_type"] == "code" and c["outputs"]]


@pytest.mark.parametrize("path", MODULE_NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_the_paragraph_that_says_what_a_module_is_for_is_exported(path):
    """`help` shows it; a directive that is misspelt is printed on the site and exports nothing."""
    texts = [_source(c) for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "markdown"]
    assert any(text.startswith("#| export\n") for text in texts)
    assert not [
        text for text in texts if re.match(r"\W{0,2}\s?\|\s?export", text) and not text.startswith("#| export\n")
    ]


AT_THE_TOP = {
    ".ci", ".github", "benchmarks", "docs", "forecastkit", "nbs", "reports", "tests",
    ".dockerignore", ".gitignore", ".pre-commit-config.yaml", ".pre-commit-hooks.yaml", "_quarto.yml", "compose.yaml", "constraints.txt",
    "Dockerfile", "experiments.jsonl", "LICENSE", "Makefile", "pyproject.toml", "settings.ini", "CHANGELOG.md", "CITATION.cff",
    "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "DATA_LICENSES.md", "README.md", "SECURITY.md",
}  # fmt: skip


def test_no_file_that_a_run_has_left_is_kept():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.partition("/")[0] for line in listed.splitlines()} <= AT_THE_TOP
