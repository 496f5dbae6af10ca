"""How long the whole path takes in one command, from an empty home to books and their page: features, forecasts with quarterly refits, sizes, fills, report.

    .venv/bin/python benchmarks/backtest.py [--market ../shared/market] [--data ../shared/data] [--jobs 2] [--out backtest.json]

The command is `forecastkit backtest --html --csv` on the stocks of the folder with their earnings dates, daily origins from 2014-01-02 to 2018-12-31, in a
process of its own and a home that is empty. What counts are processor seconds of it and of all processes that it starts: wall-clock seconds depend on what
else the machine does. 99 tickers, 1,258 sessions, two processes: 283 processor seconds (847 on the clock of two cores that seven other jobs shared, of which
the walk was 745, the books 32, reading 13, features 11, decisions 11), largest process 1,101 MB. Before the page showed the run that was made, it ran a
second one, for 2:31 minutes more. The peak is that of the largest process. The page is checked for the verdict, and the trades add up to the change of the equity.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

START, END = "2014-01-02", "2018-12-31"


def write_universe(market: Path, data: Path, folder: Path) -> Path:
    "A CSV of the stocks of a folder with the sectors that are known."
    names = [
        path.name.removesuffix(".csv.gz").replace("_", ".") for path in sorted((market / "stocks").glob("*.csv.gz"))
    ]
    known = pd.read_csv(data / "meta" / "sp500_constituents.csv").iloc[:, [0, 2]]
    known.columns = ["symbol", "sector"]
    path = folder / "universe.csv"
    pd.DataFrame({"symbol": names}).merge(known.drop_duplicates("symbol"), how="left").to_csv(path, index=False)
    return path


def command(args: argparse.Namespace, folder: Path) -> list[str]:
    "The words of the command."
    universe = write_universe(args.market, args.data, folder)
    words = ["--universe", universe, "--earnings", args.market / "earnings_dates.csv", "--start", START, "--end", END, "--home", folder / "home",
             "--sources", f"folder:{args.market}, folder:{args.data}, sample", "--jobs", args.jobs, "--json", "--html", folder / "books.html",
             "--csv", folder / "trades.csv"]  # fmt: skip
    return [str(Path(sys.executable).with_name("forecastkit")), "backtest", *map(str, words)]


def measure(args: argparse.Namespace) -> dict[str, object]:
    "Run the command once; seconds, memory, and what it wrote."
    with tempfile.TemporaryDirectory() as name:
        folder, begin = Path(name), time.perf_counter()
        done = subprocess.run(command(args, folder), capture_output=True, text=True, check=False)
        wall, used = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        found, page, trades = (
            json.loads(done.stdout),
            (folder / "books.html").read_text(),
            pd.read_csv(folder / "trades.csv"),
        )
        assert re.search("nothing saw tomorrow", page) and found["verdict"][0]["ok"]
        assert abs(trades["profit"].sum() - (found["equity_final"] - 1e6)) < 1e-3
        return {
            "tickers": found["tickers"], "sessions": found["sessions"], "wall seconds": round(wall, 1),
            "processor seconds": round(used.ru_utime + used.ru_stime, 1), "peak MB": round(used.ru_maxrss / 1024),
            "stages": {stage: round(took, 1) for stage, took in found["seconds"].items()}, "page bytes": len(page),
        }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--market", type=Path, default=Path("../shared/market"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    figures = measure(given)
    print(json.dumps(figures, indent=2))
    if given.out:
        given.out.write_text(json.dumps(figures, indent=2))
