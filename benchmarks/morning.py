"""The daily page on a short and on a long ledger: seconds of the page after the forecast, and of the whole job, in one run.

    python benchmarks/morning.py [ROWS] [--home HOME] [--as-of 2018-12-31]

Two homes are copies of one: as it is (the reference), and with ROWS more forecasts and their outcomes in its ledger (1,000,000 by default, 260 seconds of the processor and
4.3 GB: `ledger.load_copies`). In each `forecastkit daily` is run for a session whose models are trained. The home is made from the embedded data where none is given (its first
run trains 76 versions: ten minutes). Seconds are of the processor; those of the clock stand beside with the load of the machine. One line of JSON a figure; asked: the page
within 10 seconds after the forecast, within 20 on a million rows.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ledger import load_copies

CODE = "import sys; from forecastkit.cli.main import main; sys.exit(main())"
STAGE = re.compile(r"^ +([a-z ]+?) +([0-9.]+)$", re.MULTILINE)


def timed(words: tuple[str, ...], home: Path, as_of: str, pages: Path) -> tuple[dict[str, float], str]:
    "One command of forecastkit: its seconds of the processor and of the clock, and what it said."
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    options = ("--sources", "sample", "--as-of", as_of, "--home", str(home), "--output", str(pages))
    said = subprocess.run([sys.executable, "-c", CODE, *words, *options], check=True, capture_output=True, text=True)
    after, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begun
    spent = sum(getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime"))
    return {"seconds": round(spent, 1), "clock": round(clock, 1)}, said.stdout + said.stderr


def job(home: Path, as_of: str, pages: Path) -> dict[str, float]:
    "One `forecastkit daily`: seconds of the processor, of the clock, and of the stages after the forecast."
    figure, said = timed(("daily",), home, as_of, pages)
    stages = {name: float(seconds) for name, seconds in STAGE.findall(said)}
    return figure | {"page_clock": stages["page"], "watch_clock": stages["watch"]}


def page_alone(home: Path, as_of: str, pages: Path) -> dict[str, float]:
    "`forecastkit report daily`: the page of a stored forecast by itself, which gathers the day first."
    return timed(("report", "daily"), home, as_of, pages)[0]


def main() -> None:
    "Measure both homes."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--home", type=Path, help="a home with trained models; it is copied")
    parser.add_argument("--long", type=Path, help="a home whose ledger is long already; it is used as it stands")
    parser.add_argument("--as-of", default="2018-12-31")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pages, short, long = Path(folder, "pages"), Path(folder, "short"), args.long or Path(folder, "long")
        if args.home is not None:
            shutil.copytree(args.home, short)
        job(short, args.as_of, pages)  # trains what is missing, and stores the forecast
        if args.long is None:
            shutil.copytree(short, long)
            made = load_copies(f"sqlite:///{long}/forecasts.db", args.rows)
            print(json.dumps({"made": args.rows, "seconds": round(made, 1)}), flush=True)
        reference = None
        for rows, home, asked in ((0, short, 10), (args.rows, long, 20)):
            figure = {"rows": rows} | job(home, args.as_of, pages)
            alone = page_alone(home, args.as_of, pages)
            reference = reference or figure["seconds"]
            found = {
                "ratio": round(figure["seconds"] / reference, 2),
                "page_by_itself": alone,
                "asked_page": asked,
                "load": round(os.getloadavg()[0], 1),
            }
            print(json.dumps(figure | found), flush=True)


if __name__ == "__main__":
    main()
