"""Kill `generate_forecast_batch` at random moments and look at what is left; used by the tests and the benchmarks."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from forecastkit.database import PredictionDatabase
from forecastkit.settings import load_settings
from forecastkit.synthetic import synthetic_market
from forecastkit.system import IntegratedSystem


def system_at(home: Path) -> IntegratedSystem:
    settings = load_settings(environ={}, overrides={"data.home": str(home), "run.progress": False, "model.rounds": 10})
    return IntegratedSystem(settings=settings, market=synthetic_market(seed=5, sessions=700).market)


def work(home: Path) -> None:
    "The victim: makes a batch and says aloud which forecasts are stored."
    system = system_at(home)
    days = system.market.bars("VIX").index
    print("ready", flush=True)
    system.generate_forecast_batch(
        days[560], days[-1], stored=lambda made: print(*(f.prediction_id for f in made), sep="\n", flush=True)
    )
    print("done", flush=True)


def kill_once(home: Path, delay: float) -> tuple[set[str], bool]:
    "Start the victim, kill it `delay` seconds after it is ready; what it reported stored, and whether it had finished."
    victim = subprocess.Popen([sys.executable, __file__, str(home)], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    lines = [victim.stdout.readline().strip()]
    time.sleep(delay)
    victim.send_signal(signal.SIGKILL)
    lines += victim.communicate()[0].split()
    complete = {line for line in lines if len(line) == 36}
    return complete, "done" in lines


def check_left(home: Path, reported: set[str]) -> None:
    "The database opens, its chain holds, every stored forecast is whole, and none that was reported is lost."
    url = load_settings(environ={}, overrides={"data.home": str(home)}).database_url()
    assert sqlite3.connect(home / "forecasts.db").execute("pragma integrity_check").fetchone() == ("ok",)
    database = PredictionDatabase(url)
    stored = set(database.get_predictions()["prediction_id"])
    assert reported <= stored, "a forecast that was reported stored is lost"
    assert all(database.get_forecast(name).prediction_id == name for name in stored)
    assert not database.verify()


def kills(home: Path, times: int, seed: int = 0, longest: float = 2.0) -> int:
    "Kill a batch `times` times, checking after each; then let it finish. Returns how many forecasts are stored."
    rng, reported = random.Random(seed), set()
    system_at(home).train()  # the models are not what is killed here
    for _ in range(times):
        reported |= kill_once(home, rng.uniform(0.0, longest))[0]
        check_left(home, reported)
    work(home)
    check_left(home, reported)
    return len(system_at(home).forecast_history)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
