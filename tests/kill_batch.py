"""Kill `generate_forecast_batch` at random moments and look at what is left; used by the tests and the benchmarks."""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import forecastkit.ledger.engine as database_engine
from forecastkit.core.settings import load_settings
from forecastkit.data.synthetic import synthetic_market
from forecastkit.ledger.database import PredictionDatabase
from forecastkit.pipeline.system import IntegratedSystem


def system_at(home: Path, url: str = "") -> IntegratedSystem:
    given = {"data.home": str(home), "database.url": url, "run.progress": False, "model.rounds": 10}
    settings = load_settings(environ={}, overrides=given)
    return IntegratedSystem(settings=settings, market=synthetic_market(seed=5, sessions=700).market)


def work(home: Path, url: str = "") -> None:
    "The victim: makes a batch and says aloud which forecasts are stored."
    database_engine.WAIT_SECONDS = (
        300  # seconds: a busy machine may take longer to start a server than a person would wait
    )
    system = system_at(home, url)
    assert system.database is not None  # open: from here on it waits for a server that restarts
    days = system.market.bars("VIX").index
    print("ready", flush=True)
    system.generate_forecast_batch(
        days[560], days[-1], on_stored=lambda made: print(*(f.prediction_id for f in made), sep="\n", flush=True)
    )
    print("done", flush=True)


def kill_once(home: Path, after: int, delay: float) -> tuple[set[str], bool]:
    "Start the victim, kill it `delay` seconds after its `after`-th line; what it reported stored, and whether it had finished."
    victim = subprocess.Popen([sys.executable, __file__, str(home)], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    lines = [victim.stdout.readline().strip() for _ in range(after + 1)]
    time.sleep(delay)
    victim.send_signal(signal.SIGKILL)
    lines += victim.communicate()[0].split()
    return {line for line in lines if len(line) == 36}, "done" in lines


def check_left(home: Path, reported: set[str]) -> None:
    "The database opens, its chain holds, every stored forecast is whole, and none that was reported is lost."
    url = load_settings(environ={}, overrides={"data.home": str(home)}).database_url()
    assert sqlite3.connect(home / "forecasts.db").execute("pragma integrity_check").fetchone() == ("ok",)
    database = PredictionDatabase(url)
    stored = set(database.get_predictions()["prediction_id"])
    assert reported <= stored, "a forecast that was reported stored is lost"
    assert all(database.get_forecast(name).prediction_id == name for name in stored)
    assert not database.verify()


def kills(folder: Path, times: int, seed: int = 0) -> tuple[list[int], int]:
    """
    Kill a batch `times` times, each in a home of its own and inside the batch, look at what is left, and let it finish.

    Returns how many forecasts each home holds in the end, and how many kills came before the batch was through.
    """
    rng, stored, inside = random.Random(seed), [], 0
    trained = folder / "trained"
    system_at(trained).train()  # the models are not what is killed here
    for k in range(times):
        home = Path(shutil.copytree(trained, folder / f"kill{k}"))
        reported, finished = kill_once(home, rng.choice([0, 1, 51]), rng.uniform(0.0, 0.12))
        inside += not finished
        check_left(home, reported)
        system = system_at(home)
        days = system.market.bars("VIX").index
        system.generate_forecast_batch(days[560], days[-1])
        check_left(home, reported)
        stored.append(len(system.forecast_history))
        system.database.close()
    return stored, inside


if __name__ == "__main__":
    work(Path(sys.argv[1]), *sys.argv[2:])
