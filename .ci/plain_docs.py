"""Plain documentation pages without Quarto: nbdev processes the notebooks, nbconvert writes them to `_docs`."""

import re
from itertools import groupby
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbdev.serve import proc_nbs

OUT = Path("_docs")


def plain(name: str) -> str:
    "A name without its number: 03_cohorts is cohorts, as in nbdev's own links."
    return re.sub(r"^\d+[a-z]?_", "", name)


def write(page: Path, below: Path, exporter: HTMLExporter) -> Path:
    "One page, at the address that Quarto would give it."
    notebook = nbformat.reads(page.read_text(), as_version=4)
    for place, cell in enumerate(notebook.cells):
        cell.pop("has_sd", None)  # nbdev's own mark, which the notebook format does not know
        cell["id"] = f"cell-{place}"  # and its numbers for ids and times
        cell["metadata"].pop("execution", None)
    body, _ = exporter.from_notebook_node(notebook)
    target = OUT / below.parent / f"{plain(below.stem)}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(body, encoding="utf-8")
    return target.relative_to(OUT)


def links(written: list[Path]) -> str:
    "The list of pages, district by district."
    found = []
    for folder, pages in groupby(written, key=lambda page: page.parent):
        items = "\n".join(
            f'<li><a href="{page.as_posix()}">{page.stem}</a></li>' for page in pages if page.stem != "index"
        )
        found.append(f"<h3>{plain(folder.name)}</h3>\n<ul>{items}</ul>" if folder.name else f"<ul>{items}</ul>")
    return "\n".join(found)


def main() -> None:
    source = Path(proc_nbs())
    pages = sorted(p for p in source.rglob("*.ipynb") if not p.name.startswith((".", "_")))
    exporter = HTMLExporter(mathjax_url="", require_js_url="")
    written = sorted(write(page, page.relative_to(source), exporter) for page in pages)
    index = OUT / "index.html"
    if index.exists():
        index.write_text(index.read_text().replace("</main>", f"{links(written)}</main>", 1))
    print(f"Quarto is not on the PATH: wrote {len(pages)} plain pages to {OUT}/ (install Quarto for the site)")


if __name__ == "__main__":
    main()
