"""The end of a process or of a server in the middle of a batch: nothing reported stored is lost, and the work completes."""

import subprocess
import sys
import time

import kill_batch
import pytest
from engines import opened, pg_ctl
from kill_batch import kills, system_at

pytest_plugins = ("engine_fixtures",)


def test_two_kills_lose_nothing(tmp_path):  # benchmarks/kills.py kills as often as one likes
    stored, inside = kills(tmp_path, 2, seed=2018)
    days = system_at(tmp_path / "trained").market.bars("VIX").index
    assert stored == [len(days[560:])] * 2
    assert inside, "every kill came too late to test anything"


@pytest.mark.slow(
    "test_database.py::test_a_server_that_stops_and_starts_in_the_middle_of_a_batch_costs_nothing_reported"
)
def test_a_batch_outlives_a_server_that_restarts_twice(server, postgres, tmp_path):
    command = [sys.executable, kill_batch.__file__, str(tmp_path / "home"), postgres]
    batch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = []
    for heard in (1, 51):  # before the first group, and after it
        lines += [batch.stdout.readline().strip() for _ in range(heard)]
        pg_ctl(server, "-m", "immediate", "stop")
        time.sleep(1)
        pg_ctl(server, "restart")
        server.ensure_postgres_running()
    lines += batch.communicate()[0].split()
    reported = {line for line in lines if len(line) == 36}
    db = opened(postgres)
    assert batch.returncode == 0 and lines[-1] == "done"
    assert reported == set(db.get_predictions()["prediction_id"]) and len(reported) == 140
    assert db.verify() == []
