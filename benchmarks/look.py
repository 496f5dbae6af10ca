"""Photographs of report pages as a reader sees them, with what axe-core finds, whether the HTML is valid, and what was asked of the network.

    python benchmarks/look.py PAGE.html [PAGE.html ...] [--folder build/pictures] [--axe axe.min.js]

Each page is opened in Chromium at 1,280 and 400 pixels, light and dark, and its picture is NAME-WIDTH-SCHEME.png in the folder, which git ignores. One line of JSON for each:
whether the page is as narrow as the window, serious findings of axe-core (`npm install axe-core`; injected from its file), errors of html5lib, addresses asked for,
errors on the console. `make pictures` looks at every page of `reports/output`; `benchmarks/dashboard.py --folder` does the same for the dashboard.
"""

import argparse
import json
import shutil
from pathlib import Path

from dashboard import findings
from html5lib import HTMLParser
from playwright.sync_api import sync_playwright

WIDTHS, SCHEMES = (1280, 400), ("light", "dark")


def looked(browser, path: Path, width: int, scheme: str, folder: Path, axe: Path | None) -> dict[str, object]:
    "One picture of a page, and what was found in it."
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url) if request.url.startswith("http") else None)
    page.goto(path.resolve().as_uri())
    page.wait_for_timeout(400)
    name = f"{path.parent.name}-" if path.parent.name[:2] == "20" else ""
    picture = folder / f"{name}{path.stem}-{width}-{scheme}.png"
    page.screenshot(path=picture, full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth")
    found = findings(page, axe) if axe else None
    context.close()
    return {"picture": str(picture), "fits": wide <= width, "axe": found, "asked": asked, "console": said}


def main() -> None:
    "Look at every page."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--folder", type=Path, default=Path("build/pictures"))
    parser.add_argument("--axe", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for path in args.pages:
            parser5 = HTMLParser()
            parser5.parse(path.read_text(encoding="utf-8"))
            print(json.dumps({"page": str(path), "html_errors": [str(error) for error in parser5.errors]}), flush=True)
            for width in WIDTHS:
                for scheme in SCHEMES:
                    print(json.dumps(looked(browser, path, width, scheme, args.folder, args.axe)), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
