"Two hundred kills at random moments of promote, rollback, retire and add: one champion that can serve, and a whole ledger, after each."

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from forecastkit.ledger import PredictionDatabase

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from kill_promotions import kill, require_whole


def run(kills: int, seed: int) -> str:
    "One sentence on what was found; raises `AssertionError` at the first ledger that is not whole."
    chance, killed, rows, began = random.Random(seed), 0, 0, time.perf_counter()  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/forecasts.db"
        database = PredictionDatabase(url)
        for k in range(kills):
            killed += kill(url, seed + k, chance.randint(1, 40)) == 9
            now = require_whole(database)
            assert now - rows in (0, 1)
            rows = now
        database.close()
    took = time.perf_counter() - began
    return f"{kills} actions, {killed} killed, {rows} rows written: one champion and a whole ledger after each ({took:.0f} s)"


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=300)
    options.add_argument("--seed", type=int, default=17)
    given = options.parse_args()
    print(run(given.kills, given.seed))
