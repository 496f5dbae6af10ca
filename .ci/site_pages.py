"""What the site adds to nbdev's pages: entries from the package itself, methods too, links that lead somewhere, words for pictures.

`[tool.nbdev]` in pyproject.toml names `Page`; `make docs` puts this folder on the path. The entries are made from the exported package: no
cell of a notebook is run again, and an entry that cannot be made is an error."""

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache, cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from types import ModuleType

from nbdev.config import get_config
from nbdev.process import Processor
from nbdev.showdoc import BasicMarkdownRenderer

ROOT = Path(__file__).resolve().parents[1]
SHOWN = re.compile(r"^show_doc\((\w+)", re.M)
LINK = re.compile(r"\[(`[^`]+`)\]\(/(\d\d_\w+)/(\w+)\.html#([^)]+)\)")


@lru_cache(maxsize=1)
def repository_and_branch() -> tuple[str, str]:
    "Read once: nbdev parses pyproject.toml at every question."
    return get_config().git_url, get_config().branch


def plain(name: str) -> str:
    "A name without its number, as in nbdev's own addresses."
    return re.sub(r"^\d+[a-z]?_", "", name)


def module_of(district: str, stem: str) -> ModuleType:
    "The module that a notebook, or the page made of it, exports."
    return importlib.import_module(f"forecastkit.{plain(district)}.{plain(stem)}")


def methods(kind: type) -> Iterator[tuple[str, object]]:
    "Public methods and properties that the class itself defines and explains, in the order of its source."
    for name, value in vars(kind).items():
        function = getattr(value, "fget", None) or getattr(value, "func", None) or getattr(value, "__func__", value)
        own = inspect.isfunction(function) and function.__qualname__ == f"{kind.__qualname__}.{name}"
        if own and function.__doc__ and not name.startswith("_"):
            yield name, property(function) if isinstance(value, property | cached_property) else function


@cache
def anchors(module: ModuleType) -> dict[str, str]:
    "The anchor of what has an entry on the page of a module: the name in small letters, as nbdev's links have it, once on a page."
    found: dict[str, str] = {}
    things = [
        (name, inspect.unwrap(getattr(module, name))) for name in module.__all__ if callable(getattr(module, name))
    ]
    for name, thing in sorted(things, key=lambda one: not inspect.isclass(one[1])):
        if (inspect.isfunction(thing) or inspect.isclass(thing)) and thing.__module__ == module.__name__:
            names = [name, *(f"{name}.{method}" for method, _ in methods(thing))] if inspect.isclass(thing) else [name]
            taken = set(found.values())
            found |= {one: one.lower() if one.lower() not in taken else f"{one.lower()}-function" for one in names}
    return found


def source_of(module: ModuleType, thing: object) -> str:
    "A link to where it is defined; none while pyproject.toml names no repository, for nothing would stand behind it."
    repository, branch = repository_and_branch()
    path = Path(str(inspect.getsourcefile(module))).relative_to(ROOT).as_posix()
    return f"[source]({repository}/blob/{branch}/{path}#L{inspect.getsourcelines(thing)[1]})\n\n" if repository else ""


def entry(module: ModuleType, name: str, thing: object, level: int) -> str:
    "Heading, signature and docstring of one function, class or method."
    text = BasicMarkdownRenderer(thing, name=name, title_level=level)._repr_markdown_()
    body = text[text.index("```python") :]
    if isinstance(thing, property):
        body = body.replace("def ", "@property\ndef ", 1)
    return f"{'#' * level} {name} {{#{anchors(module)[name]}}}\n\n{source_of(module, thing.fget if isinstance(thing, property) else thing)}{body}"


def entries(module: ModuleType, names: list[str]) -> str:
    "The entries of these names and of their methods, in the order of the source."
    things = [(name, inspect.unwrap(getattr(module, name))) for name in names]
    made = []
    for name, thing in sorted(things, key=lambda one: inspect.getsourcelines(one[1])[1]):
        made.append(entry(module, name, thing, 3))
        if inspect.isclass(thing):
            made += [entry(module, f"{name}.{method}", function, 4) for method, function in methods(thing)]
    return "\n\n".join(made)


def mended(link: re.Match[str]) -> str:
    "A link to a name: to its entry, or to the page where it has none of its own."
    label, district, stem, anchor = link.groups()
    known = anchors(module_of(district, stem))
    there = known.get(label.strip("`()"), anchor.lower() if anchor.lower() in known.values() else "")
    return f"[{label}](/{district}/{stem}.html{f'#{there}' if there else ''})"


def face_of(district: str, name: str) -> bool:
    return name in importlib.import_module(f"forecastkit.{plain(district)}").__all__


def where(district: str, module: ModuleType) -> str:
    "The line that says which module a page is about, and what of it is imported from where."
    face = [name for name in getattr(module, "__all__", []) if face_of(district, name)]
    known = anchors(module)
    linked = [f"[`{name}`](#{known[name]})" if name in known else f"`{name}`" for name in face]
    taken = f"; `from forecastkit.{plain(district)} import` {', '.join(linked)}" if face else ""
    return f"Module `{module.__name__}`{taken}."


def words_for(cells: list, at: int) -> str:
    "What a picture shows, from the text before it: the heading, and the first sentence."
    before = next((cell.source for cell in reversed(cells[:at]) if cell.cell_type == "markdown"), "")
    heading = re.search(r"^#+ (.+?)(?: \{#.*)?$", before, re.M)
    prose = re.sub(r"^#.*$|\]\([^)]*\)|[`\[\]$*\"]", "", before, flags=re.M)
    sentence = re.split(r"(?<=[.:?]) ", " ".join(prose.split()))[0]
    return ": ".join(part for part in (heading[1].replace('"', "") if heading else "", sentence) if part) or "A plot"


class Page(Processor):
    "One staged notebook."

    def begin(self) -> None:
        path = Path(self.nb.path_)
        district = path.parent.name
        module = module_of(district, path.stem) if re.match(r"\d\d_", district) else None
        pages, told = [], set()  # what is declared twice, for its types, is told once
        for shown, run in groupby(
            self.nb.cells, key=lambda cell: bool(cell.cell_type == "code" and SHOWN.search(cell.source))
        ):
            cells = list(run)
            if shown and module:
                first = cells[0]
                names = [
                    name for name in dict.fromkeys(SHOWN.search(cell.source)[1] for cell in cells) if name not in told
                ]
                told |= set(names)
                first.source = entries(module, names)
                first.cell_type, first.metadata = "markdown", {}
                for key in ("outputs", "execution_count", "has_sd"):
                    first.pop(key, None)
                cells = [first]
            pages += cells
        if module:
            second = next(at for at, cell in enumerate(pages) if cell.cell_type == "markdown")
            pages[second].source = f"{pages[second].source}\n\n{where(district, module)}"
        self.nb.cells[:] = pages

    def cell(self, cell) -> None:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(mended, re.sub(r"\A(#\|.*\n)+", "", cell.source))
        elif (
            any("image/png" in (one.get("data") or {}) for one in cell.get("outputs", []))
            and "fig-alt" not in cell.source
        ):
            cell.source = f'#| fig-alt: "{words_for(self.nb.cells, self.nb.cells.index(cell))}"\n{cell.source}'
