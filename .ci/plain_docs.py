"""Plain documentation pages without Quarto: nbdev processes the notebooks, nbconvert writes them to `_docs`."""

from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbdev.serve import proc_nbs


def main() -> None:
    source = Path(proc_nbs())
    pages = sorted(p for p in source.rglob("*.ipynb") if not p.name.startswith((".", "_")))
    out = Path("_docs")
    out.mkdir(exist_ok=True)
    exporter = HTMLExporter(mathjax_url="", require_js_url="")
    for page in pages:
        notebook = nbformat.reads(page.read_text(), as_version=4)
        for place, cell in enumerate(notebook.cells):
            cell.pop("has_sd", None)  # nbdev's own mark, which the notebook format does not know
            cell["id"] = f"cell-{place}"  # and its numbers for ids and times
            cell["metadata"].pop("execution", None)
        body, _ = exporter.from_notebook_node(notebook)
        (out / f"{page.stem}.html").write_text(body, encoding="utf-8")
    links = "\n".join(f'<li><a href="{p.stem}.html">{p.stem}</a></li>' for p in pages if p.stem != "index")
    index = out / "index.html"
    if index.exists():
        index.write_text(index.read_text().replace("</main>", f"<ul>{links}</ul></main>", 1))
    print(f"Quarto is not on the PATH: wrote {len(pages)} plain pages to {out}/ (install Quarto for the site)")


if __name__ == "__main__":
    main()
