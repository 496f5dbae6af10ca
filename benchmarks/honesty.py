"""The long versions of two tests: 200 dates on which nothing may see tomorrow, and 50 kills that may lose nothing.

.venv/bin/python benchmarks/honesty.py [--dates 200] [--kills 50]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from kill_batch import kills
from test_system import check_as_of, first_possible

from forecastkit.sources import load_market


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dates", type=int, default=200)
    parser.add_argument("--kills", type=int, default=50)
    asked = parser.parse_args()
    market = load_market("sample", symbols={"VIX", "SPX"})
    days = market.bars("VIX").loc[first_possible(market) : market.last_session(["VIX", "SPX"])].index
    dates = days[np.sort(np.random.default_rng(200).choice(len(days), min(asked.dates, len(days)), replace=False))]
    start = time.perf_counter()
    check_as_of(market, dates, dates[:: max(1, len(dates) // 5)][:5])
    print(
        f"{len(dates)} dates, five of them with models trained there: all equal bit for bit ({time.perf_counter() - start:.0f} s)"
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        stored, inside = kills(Path(home), asked.kills, seed=1)
    print(
        f"{asked.kills} kills: the database opened each time, nothing lost, nothing half; {inside} came inside a batch, {min(stored)} to {max(stored)} forecasts at the end ({time.perf_counter() - start:.0f} s)"
    )


if __name__ == "__main__":
    main()
