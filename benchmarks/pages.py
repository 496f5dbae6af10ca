"""The universe page at a few sizes of universe: its size, what it took, and photographs of it on a wide and a narrow screen, light and dark.

    python benchmarks/pages.py PAGE.html [PAGE.html ...] [--folder pictures]

Pages come from `forecastkit report universe`, or `forecastkit forecast --universe FILE --html PAGE.html`. The photographs need Chromium (or Chrome) on the path;
without one the sizes are printed and nothing else. A photograph is of the top of the page in a window, and of the whole page where `--whole` is given.
"""

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTHS, HEIGHT, WHOLE = (1280, 400), 900, 6000
LIMIT = 3_000_000  # bytes of a page


def photograph(browser: str, page: Path, picture: Path, width: int, dark: bool, height: int) -> Path:
    "A picture of a page in a window of this width; a narrow one is a frame of that width, since a window has a least width."
    with tempfile.TemporaryDirectory() as folder:
        shown = Path(folder, "frame.html")
        shown.write_text(
            f'<body style="margin:0"><iframe src="{page.resolve().as_uri()}" style="border:0;width:{width}px;height:{height}px"></iframe>'
        )
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--window-size={max(width, 520)},{height}",
            f"--user-data-dir={folder}/profile",
        ]
        options += ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
        command = [browser, *options, f"--screenshot={picture}", shown.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    return picture


def main() -> None:
    "Print a line of JSON for each page, and take its photographs."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--folder", type=Path, default=Path("pictures"))
    parser.add_argument("--whole", action="store_true", help="a window so high that most of the page stands in it")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    for page in args.pages:
        size, text = page.stat().st_size, page.read_text()
        taken = []
        for width in WIDTHS if browser else ():
            for dark in (False, True):
                name = f"{page.stem}-{width}-{'dark' if dark else 'light'}.png"
                height = WHOLE if args.whole else HEIGHT
                taken.append(str(photograph(browser, page, args.folder / name, width, dark, height)))
        print(
            json.dumps(
                {
                    "page": page.name,
                    "bytes": size,
                    "below_limit": size < LIMIT,
                    "rows": len(re.findall(r'<tr [^>]*\bid="t\d+"', text)),
                    "pictures": taken,
                }
            )
        )


if __name__ == "__main__":
    main()
