"""A thousand sudden ends of everything that writes: what was reported done is there, nothing is half, and a repeat completes.

    .venv/bin/python benchmarks/kills.py [--kills 1000] [--seed 0] [--only KIND ...]

Seven kinds in turn: `daily`, a batch, `evaluate`, a download, a backup, a restore and a migration. Each kill takes a home that was
prepared once and copied; the victim is forked, so that it starts with everything imported, works until SIGKILL comes at a
random moment, and says aloud what is done. Then the ledger must verify, what was reported must be there, and the same
work, done again by another process, must end as if nothing had happened. The tests have fewer than a hundred of these.
"""

import argparse
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import kill_download
import numpy as np
from kill_batch import system_at
from vendors import Vendors

from forecastkit.core import Home
from forecastkit.ledger import PredictionDatabase, audit_ledger, file_url
from forecastkit.ops import back_up, restore

Say = Callable[[str], None]  # one line to the outside: what is done


class Kind(NamedTuple):
    "A kind of work that may be killed."

    prepare: Callable[[Path], None]  # make the folder that each round begins with
    work: Callable[[Path, Say], None]  # what is killed, in a copy of that folder; done again, it completes
    check: Callable[
        [Path, list[str]], str
    ]  # raises unless all that was said holds and nothing is half; returns the state


def ledger(home: Path) -> PredictionDatabase:
    "The ledger of a home."
    return PredictionDatabase(file_url(Home(home).database))


def ledger_state(home: Path, said: list[str]) -> str:
    "How many forecasts and outcomes a sound ledger holds, among them all that were reported."
    with closing(sqlite3.connect(Home(home).database)) as own:
        assert own.execute("pragma integrity_check").fetchone() == ("ok",)
    with closing(ledger(home)) as database:
        found = audit_ledger(database)
        assert found.ok, found.problems[:3]
        ids = set(database.get_predictions(every_version=True)["prediction_id"])
        assert {line for line in said if len(line) == 36} <= ids, "a forecast that was reported stored is lost"
        return f"{found.counts['forecasts']} forecasts, {found.counts['outcomes']} outcomes"


def trained(home: Path) -> None:
    "A home with its models."
    system = system_at(home)
    assert system.database is not None
    system.train()
    system.database.close()


def batch(home: Path, say: Say) -> None:
    "A hundred and forty forecasts in groups."
    system = system_at(home)
    days = system.market.bars("VIX").index
    system.generate_forecast_batch(days[560], days[-1], on_stored=lambda made: [say(f.prediction_id) for f in made])


def some_days(home: Path) -> None:
    "A home in which the daily job ran some time ago."
    trained(home)
    system = system_at(home)
    system.daily(system.market.bars("VIX").index[-30])
    system.database.close()


def day(home: Path, say: Say) -> None:
    "The daily job after a month of silence: forecasts, outcomes, and all that its page shows."
    system = system_at(home)
    made = system.daily().forecast
    if made is not None:
        say(made.prediction_id)


def evaluated(home: Path, say: Say) -> None:
    "A walk-forward scorecard: models, raw quantiles and features are kept on the way."
    system = system_at(home)
    days = system.market.bars("VIX").index
    card = system.evaluate(days[480], days[-8])
    say(f"skill {card.to_dict()['forecaster']['skill']['climatology']}")


def evaluation_state(home: Path, said: list[str]) -> str:
    "What the evaluation said, which must be the same from whatever is left."
    assert len(set(said)) <= 1, said
    return "".join(said[-1:])


SYMBOLS = [f"S{k:03d}" for k in range(12)]
SERVER = Vendors(0.02)


def downloaded(home: Path, say: Say) -> None:
    "Five years of twelve stocks."
    kill_download.fetch(home, SERVER.address, SYMBOLS)
    say("done")


def store_state(home: Path, said: list[str]) -> str:
    "The series of a store, each whole; all of them if that was said."
    found = kill_download.contents(home)
    lengths = {len(rows) for rows in found.values()}
    assert lengths <= {1258}, lengths
    assert not said or len(found) == len(SYMBOLS)
    return f"{len(found)} series"


def filled(home: Path) -> None:
    "A home with models and a batch of forecasts."
    trained(home)
    batch(home, lambda line: None)


def backed_up(home: Path, say: Say) -> None:
    "A backup over the one of the day before."
    with closing(ledger(home)) as database:
        back_up(database, Home(home).models, home / "kept.tar.gz")
    say("done")


def with_backup(home: Path) -> None:
    "A home with a backup."
    filled(home)
    backed_up(home, lambda line: None)


def archive_state(home: Path, said: list[str]) -> str:
    "The backup can be restored, whenever the power failed."
    with tempfile.TemporaryDirectory() as folder:
        found = restore(home / "kept.tar.gz", str(file_url(Home(folder).database)), Home(folder).models)
        assert not found.left_out and ledger_state(Path(folder), []) == ledger_state(home, [])
    return str(found)


def to_restore(home: Path) -> None:
    "A home with less than its backup holds."
    with_backup(home)
    for name in ("forecasts.db", "forecasts.db-wal", "forecasts.db-shm"):
        (home / name).unlink(missing_ok=True)
    some_days(home)


def restored(home: Path, say: Say) -> None:
    "The backup in place of what is there."
    restore(home / "kept.tar.gz", str(file_url(Home(home).database)), Home(home).models, force=True)
    say("done")


def restored_state(home: Path, said: list[str]) -> str:
    "The old ledger or the new, and models that are whole."
    state = ledger_state(home, [])
    assert not said or state.startswith("140"), state
    return state


def old_schema(home: Path) -> None:
    "A ledger by the schema before the last."
    filled(home)
    with closing(sqlite3.connect(Home(home).database)) as own:
        own.executescript("DROP INDEX predictions_by_origin; UPDATE forecastkit_version SET version_num = '0002'")


def migrated(home: Path, say: Say) -> None:
    "Opening it, which brings it up to date."
    ledger(home).close()
    say("done")


KINDS = {
    "daily": Kind(some_days, day, ledger_state),
    "batch": Kind(trained, batch, ledger_state),
    "evaluate": Kind(trained, evaluated, evaluation_state),
    "download": Kind(lambda home: home.mkdir(), downloaded, store_state),
    "backup": Kind(with_backup, backed_up, archive_state),
    "restore": Kind(to_restore, restored, restored_state),
    "migration": Kind(old_schema, migrated, ledger_state),
}


def forked(work: Callable[[Say], None], delay: float | None = None) -> tuple[list[str], bool, float]:
    "Do some work in a process of its own, killed after a delay: what it said, whether it was killed, and how long it took."
    reading, writing = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if not child:
        os.close(reading)
        status = 1
        try:
            work(lambda line: os.write(writing, f"{line}\n".encode()))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    if delay is not None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)  # until it is waited for, its number is nobody else's
    with os.fdopen(reading) as pipe:
        said = pipe.read().splitlines()
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    assert killed or os.WEXITSTATUS(status) == 0, "the work failed"
    return said, killed, time.monotonic() - start


def killed(name: str, times: int, folder: Path, rng: np.random.Generator) -> dict[str, object]:
    "Kill one kind of work so many times; what came of it."
    kind, first, start = KINDS[name], folder / "first", time.monotonic()
    forked(lambda say: kind.prepare(first))
    undisturbed = Path(shutil.copytree(first, folder / "undisturbed"))
    said, _, whole = forked(lambda say: kind.work(undisturbed, say))
    right = kind.check(undisturbed, said)
    inside, states = 0, set()
    for turn in range(times):
        home = Path(shutil.copytree(first, folder / f"kill{turn}"))
        said, was_killed, _ = forked(lambda say, home=home: kind.work(home, say), rng.uniform(0, 1.1 * whole))
        inside += was_killed
        states.add(kind.check(home, said))
        again, _, _ = forked(lambda say, home=home: kind.work(home, say))
        assert kind.check(home, [*said, *again]) == right
        shutil.rmtree(home)
    return {
        "kind": name,
        "kills": times,
        "inside": inside,
        "states": len(states),
        "seconds": round(time.monotonic() - start),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS))
    asked = parser.parse_args()
    with SERVER, tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(asked.only):
            share = asked.kills // len(asked.only) + (number < asked.kills % len(asked.only))
            place = Path(folder, name)
            place.mkdir()
            print(killed(name, share, place, np.random.default_rng([asked.seed, len(name), number])), flush=True)
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
