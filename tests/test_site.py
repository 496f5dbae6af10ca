"""The site as nbdev stages it, looked through without Quarto: every name has an entry, every link leads somewhere, every picture has words."""

import ast
import importlib
import inspect
import os
import re
import shlex
import subprocess
import sys
from functools import cache, lru_cache
from pathlib import Path

import nbdev.processors
import pytest
import yaml
from fastcore.nbio import read_nb
from typer.main import get_command

from forecastkit.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".ci"))
import site_pages  # noqa: E402

NBS = ROOT / "nbs"
NOTEBOOKS = sorted(path.relative_to(NBS) for path in NBS.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
MODULES = [path for path in NOTEBOOKS if re.match(r"\d\d_", path.parent.name)]
MADE = sorted(path.relative_to(NBS) for path in NBS.rglob("*.qmd.py"))
WRITTEN = sorted(path.relative_to(NBS) for path in NBS.rglob("*.qmd"))
ADDRESS = "https://example.org/ours"
FLOOR = 1.0  # the share of names on faces with an example on their page; it may only rise


def address(path: Path) -> str:
    "Where the site has a page."
    return path.with_name(f"{site_pages.plain(path.name.partition('.')[0])}.html").as_posix()


PAGES = {address(path): path for path in (*NOTEBOOKS, *MADE, *WRITTEN)}


@pytest.fixture(scope="module", autouse=True)
def once():
    "nbdev parses pyproject.toml for every cell; here once. The repository is one that has an address."
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("IN_TEST", "1")
        patch.setattr(nbdev.processors, "get_config", lru_cache(nbdev.processors.get_config))
        patch.setattr(site_pages, "repository_and_branch", lambda: (ADDRESS, "main"))
        yield


@cache
def staged(path: Path):
    book = read_nb(NBS / path)
    nbdev.processors.FilterDefaults()(book)
    return book


def markdown(path: Path) -> str:
    "The prose of a page, without what stands in fences."
    if path.suffix == ".ipynb":
        text = "\n\n".join(cell.source for cell in staged(path).cells if cell.cell_type == "markdown")
    else:
        text = made(path) if path in MADE else (NBS / path).read_text()
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


@cache
def made(path: Path) -> str:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / '.ci'}{os.pathsep}{ROOT}"}
    run = subprocess.run(
        [sys.executable, NBS / path], cwd=ROOT, capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def anchors(path: Path) -> set[str]:
    if path in MODULES:
        return set(site_pages.anchors(site_pages.module_of(path.parent.name, path.stem)).values())
    return {re.sub(r"[^\w.-]+", "-", line.strip().lower()) for line in re.findall(r"^#+ (.+)$", markdown(path), re.M)}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_every_public_name_and_method_has_an_entry(path):
    module = site_pages.module_of(path.parent.name, path.stem)
    text = "\n\n".join(cell.source for cell in staged(path).cells if cell.cell_type == "markdown")
    entries = re.findall(r"^#{3,4} ([\w.]+) \{#([\w.-]+)\}(.*?)(?=^#{2,4} |\Z)", text, flags=re.M | re.S)
    assert {name: anchor for name, anchor, _ in entries} == site_pages.anchors(module)
    assert len(entries) == len({anchor for _, anchor, _ in entries})
    for name, _, entry in entries:
        signature, _, doc = entry.partition("```python\n")[2].partition("\n```")
        assert f"def {name.rpartition('.')[2]}(" in signature, f"{name} has no signature"
        assert len(doc.split("*")) > 2, f"{name} has no sentence"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_entries_stand_in_the_order_of_the_source(path):
    module = site_pages.module_of(path.parent.name, path.stem)
    tree = ast.parse(inspect.getsource(module))
    order = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    text = "\n".join(cell.source for cell in staged(path).cells if cell.cell_type == "markdown")
    told = re.findall(r"^### (\w+) \{#", text, re.M)
    assert told == [name for name in dict.fromkeys(order) if name in told]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_source_links_lead_to_the_definition(path):
    text = "\n".join(cell.source for cell in staged(path).cells)
    link = rf"\[source\]\({ADDRESS}/blob/main/([^#]+)#L(\d+)\)\n\n```python\n(?:@property\n)?(?:async )?def (\w+)"
    found = re.findall(link, text)
    assert len(found) == len(re.findall(r"^#{3,4} [\w.]+ \{#", text, re.M))
    for place, line, name in found:
        lines = (ROOT / place).read_text().splitlines()[int(line) - 1 :]
        assert re.search(rf"(def|class) {name}\b", "\n".join(lines[:8])), f"{place}:{line} is not {name}"


def test_without_an_address_there_is_no_source_link(monkeypatch):
    monkeypatch.setattr(site_pages, "repository_and_branch", lambda: ("", "main"))
    module = site_pages.module_of("05_metrics", "01_scores")
    assert "[source]" not in site_pages.entries(module, ["crps"])


@pytest.mark.parametrize("path", [*NOTEBOOKS, *MADE, *WRITTEN], ids=str)
def test_no_internal_link_is_dead(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", markdown(path)):
        page, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", page):
            continue
        if page.startswith("/"):
            assert page[1:] in PAGES, f"{path}: {link}"
            target = PAGES[page[1:]]
        else:
            target = path.parent / page if page else path
            known = (NBS / target).resolve()
            assert known.exists() or (NBS / f"{target}.py").exists(), f"{path}: {link}"
            if known.suffix not in (".ipynb", ".qmd"):
                continue
            target = known.relative_to(NBS) if known.exists() else Path(os.path.relpath(f"{known}.py", NBS))
        assert not anchor or anchor in anchors(target), f"{path}: {link}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=str)
def test_a_staged_page_has_no_leftovers_and_words_for_its_pictures(path):
    book = staged(path)
    assert book.cells[0].source.startswith("---\n"), "front matter comes first"
    for cell in book.cells:
        assert "execution" not in cell.metadata and not cell.source.startswith("show_doc(")
        assert cell.cell_type != "markdown" or not cell.source.startswith("#|")
        if any("image/png" in (one.get("data") or {}) for one in cell.get("outputs", [])):
            assert re.search(r'^#\| fig-alt: "[^"]{10,}"$', cell.source, re.M)


def test_the_index_has_every_name_of_every_face():
    text = made(Path("reference/api.qmd.py"))
    for folder in sorted({path.parent.name for path in MODULES}):
        face = importlib.import_module(f"forecastkit.{site_pages.plain(folder)}")
        section = re.split(r"^## ", text, flags=re.M)
        rows = next(part for part in section if part.startswith(site_pages.plain(folder) + "\n"))
        missing = {
            name for name in face.__all__ if f"| [`{name}`](" not in rows and not inspect.ismodule(getattr(face, name))
        }
        assert not missing, missing


def test_the_generated_pages_name_every_setting_and_every_address():
    from forecastkit.core import load_settings

    told = made(Path("reference/configuration.qmd.py"))
    assert not [name for name, _, _ in load_settings().table() if f"| `{name}` |" not in told]
    assert "## POST /forecast" in made(Path("reference/rest.qmd.py"))
    assert "80% range held" in made(Path("reference/how_good.qmd.py"))
    assert "## 0.3.0" in made(Path("reference/changelog.qmd.py"))


def test_the_sidebars_hold_every_page():
    told = yaml.safe_load((ROOT / "_quarto.yml").read_text())["website"]

    def pages(contents):
        for one in contents if isinstance(contents, list) else [contents]:
            yield from pages(one["contents"]) if isinstance(one, dict) else [one]

    listed = {
        path.relative_to(NBS).as_posix()
        for bar in told["sidebar"]
        for name in pages(bar["contents"])
        for path in NBS.glob(name.replace(".qmd", ".qmd*"))
    }
    assert listed == {path.as_posix() for path in PAGES.values()}
    assert all((NBS / one["href"]).exists() or (NBS / f"{one['href']}.py").exists() for one in told["navbar"]["left"])


def prose_of(path: Path) -> str:
    "A page as it is written: of a notebook its markdown."
    if path.suffix != ".ipynb":
        return path.read_text()
    return "\n".join(cell.source for cell in read_nb(path).cells if cell.cell_type == "markdown")


PLACES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs/how_good.md", *(NBS / path for path in (*WRITTEN, *NOTEBOOKS)),
]  # fmt: skip
CODE = re.compile(r"^```.*?^```|^ {4}.*$|`[^`\n]+`", re.S | re.M)
COMMANDS = sorted(
    {
        line.strip(" `")
        for path in PLACES
        for code in CODE.findall(prose_of(path))
        for line in re.findall(r"^[ `]*forecastkit [a-z][^`\n]+", code, re.M)
    }
)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_on_a_page_is_one_that_parses(line):
    """Its words are parsed as the terminal parses them, and nothing is run. Brackets mean: may be left out."""
    words = shlex.split(re.sub(r"\[(--[^\]]*)\]", r"\1", line), comments=True)[1:]
    here = get_command(app)
    while words and hasattr(here, "commands") and not words[0].startswith("-"):
        assert words[0] in here.commands, f"{here.name} has no command {words[0]}"
        here = here.commands[words.pop(0)]
    if words or not hasattr(here, "commands"):  # `tune` is a group, and a command with options of its own
        here.make_context(here.name, words)


def test_the_pages_name_every_command():
    told = (NBS / "guide/commands.qmd").read_text()
    assert not [
        name
        for name, one in get_command(app).commands.items()
        if not one.hidden and f"`forecastkit {name}" not in told and f"`{name}`" not in told
    ]
    assert len(COMMANDS) > 70


def examples_of(path: Path) -> tuple[set[str], set[str]]:
    """The public names of a face that a notebook defines, and those with an example: a cell that the page shows names them.

    The record that a function returns is shown where the function is called."""
    face = importlib.import_module(f"forecastkit.{site_pages.plain(path.parent.name)}")
    cells = [cell.source for cell in read_nb(NBS / path).cells if cell.cell_type == "code"]
    shown = "\n".join(text for text in cells if not re.match(r"#\|\s*(export|hide|default_exp)", text))
    tree = ast.parse("\n".join(text for text in cells if re.match(r"#\|\s*export", text)))
    named = set(re.findall(r"\w+", shown))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns and node.name in named:
            named |= set(re.findall(r"\w+", ast.unparse(node.returns)))
    defined = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    return defined & set(face.__all__), defined & set(face.__all__) & named


def test_names_of_the_faces_have_an_example():
    public, shown = (set().union(*names) for names in zip(*map(examples_of, MODULES)))
    assert len(shown) / len(public) >= FLOOR, f"an example is wanted of {', '.join(sorted(public - shown))}"
