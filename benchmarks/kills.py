"""A thousand sudden ends of everything that writes: what was reported done is there, nothing is half, and a repeat completes.

    .venv/bin/python benchmarks/kills.py [--kills 1000] [--seed 0] [--only KIND ...]

Seven kinds take turns: `daily`, a batch, `evaluate`, a download, a backup, a restore and a migration. A round is cheap, because
this process has imported everything and holds the market, but has computed nothing: it forks a victim, which works in a copy of
a small home until SIGKILL comes at a random moment inside the time that the work takes, and says aloud what is done. Then the
ledger must verify, what was reported must be there, and the same work, done again by another process, must end as if nothing had
happened. A line of JSON every hundred kills says what came of each kind, with every loss; a loss makes the exit code 1. The tests
have fewer than a hundred of these.

Measured: of the thousand that are asked, 300 were run in one go (42 to 43 of each kind, 269 of them while the work
went on), and nothing was lost or half. A round took 1 to 10 s on two cores beside ten other jobs, and 1.5 s on average beside five.
"""

import argparse
import importlib
import json
import os
import shutil
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import kill_download
import numpy as np
from vendors import Vendors

from forecastkit.core import Home, load_settings
from forecastkit.data import synthetic_market
from forecastkit.ledger import PredictionDatabase, audit_ledger, file_url
from forecastkit.ops import back_up, restore
from forecastkit.pipeline import IntegratedSystem

Say = Callable[[str], None]  # one line to the outside: what is done


class Kind(NamedTuple):
    "A kind of work that may be killed."

    prepare: Callable[[Path], None]  # make the folder that each round begins with
    work: Callable[[Path, Say], None]  # what is killed, in a copy of that folder; done again, it completes
    check: Callable[
        [Path, list[str]], str
    ]  # raises unless all that was said holds and nothing is half; returns the state


@cache
def market():
    "A small market, made once."
    return synthetic_market(seed=5, sessions=700).market


def system_at(home: Path) -> IntegratedSystem:
    "A system in a home, with short boosting."
    given = {"data.home": str(home), "run.progress": False, "model.rounds": 10}
    return IntegratedSystem(settings=load_settings(environ={}, overrides=given), market=market())


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
    "Seventy forecasts in two groups."
    system = system_at(home)
    days = system.market.bars("VIX").index
    system.generate_forecast_batch(days[-70], days[-1], on_stored=lambda made: [say(f.prediction_id) for f in made])


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
ADDRESS: list[str] = []  # of the vendor, while it is open


def downloaded(home: Path, say: Say) -> None:
    "Five years of twelve stocks."
    kill_download.fetch(home, ADDRESS[0], SYMBOLS)
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
    ledger(home).close()
    some_days(home)


def restored(home: Path, say: Say) -> None:
    "The backup in place of what is there."
    restore(home / "kept.tar.gz", str(file_url(Home(home).database)), Home(home).models, force=True)
    say("done")


def restored_state(home: Path, said: list[str]) -> str:
    "The old ledger or the new, and models that are whole."
    state = ledger_state(home, [])
    assert not said or state.startswith("70"), state
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


BEGINNING, MODULES = "beginning", "modules "  # lines that are not the work's own


class Victim:
    "A process of its own that does some work and says what is done."

    def __init__(self, work: Callable[[Say], None]):
        reading, writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(reading)
            status = 1
            try:
                warnings.simplefilter("ignore")
                say = lambda line: os.write(writing, f"{line}\n".encode())  # noqa: E731
                say(BEGINNING)
                work(say)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(writing)
        self.pipe = os.fdopen(reading)
        assert self.pipe.readline().strip() == BEGINNING
        self.start = time.monotonic()

    def kill(self) -> None:
        "End it at once; until it is waited for, its number is nobody else's."
        os.kill(self.pid, signal.SIGKILL)

    def end(self) -> tuple[list[str], bool, float]:
        "What it said, whether it was killed, and how many seconds it worked."
        with self.pipe:
            said = self.pipe.read().splitlines()
        seconds = time.monotonic() - self.start
        _, status = os.waitpid(self.pid, 0)
        killed = os.WIFSIGNALED(status)
        assert killed or os.WEXITSTATUS(status) == 0, "the work failed"
        return said, killed, seconds


def forked(work: Callable[[Say], None], delay: float | None = None) -> tuple[list[str], bool, float]:
    "Do some work in a process of its own, killed after a delay: what it said, whether it was killed, and how long it took."
    victim = Victim(work)
    if delay is not None:
        time.sleep(delay)
        victim.kill()
    return victim.end()


def import_what(work: Callable[[Say], None]) -> None:
    "Do some work in a process of its own, then import here all that it has imported: the victims need not."

    def tell(say: Say) -> None:
        work(lambda line: None)
        say(MODULES + " ".join(sys.modules))

    for line in forked(tell)[0]:
        for name in line.removeprefix(MODULES).split():
            with suppress(Exception), warnings.catch_warnings(action="ignore"):
                importlib.import_module(name)


def serve(say: Say) -> None:
    "A vendor, open until it is killed."
    with Vendors(0.02) as server:
        say(server.address)
        signal.pause()


class Rounds:
    "The kills of one kind of work, and what came of them."

    def __init__(self, name: str, folder: Path, rng: np.random.Generator):
        self.name, self.kind, self.folder, self.rng = name, KINDS[name], folder, rng
        self.first = folder / "first"
        self.kills, self.inside, self.states, self.seconds, self.lost = 0, 0, set[str](), 0.0, list[str]()
        folder.mkdir()

    def work(self, home: Path, say: Say) -> None:
        "What is killed."
        self.kind.work(home, say)

    def prepare(self) -> None:
        "Make the home that each round begins with, and learn how long the work takes and what comes of it."
        import_what(lambda say: self.kind.prepare(self.first))
        import_what(lambda say: self.work(Path(shutil.copytree(self.first, self.folder / "learnt")), say))
        took, ends = [], set()
        for turn in range(3):
            home = Path(shutil.copytree(self.first, self.folder / f"undisturbed{turn}"))
            said, _, seconds = forked(lambda say, home=home: self.work(home, say))
            took.append(seconds)
            ends.add(self.kind.check(home, said))
        [self.right], self.whole = ends, statistics.median(took)

    def kill(self) -> None:
        "One more kill, the look at what is left, and the same work again."
        start, home = time.monotonic(), Path(shutil.copytree(self.first, self.folder / f"kill{self.kills}"))
        said, killed, _ = forked(lambda say: self.work(home, say), self.rng.uniform(0, self.whole))
        self.inside += killed
        try:
            self.states.add(self.kind.check(home, said))
            again, _, _ = forked(lambda say: self.work(home, say))
            assert (end := self.kind.check(home, [*said, *again])) == self.right, f"{end}, but undisturbed {self.right}"
        except Exception as error:
            self.lost.append(f"kill {self.kills}: {type(error).__name__}: {error}")
        shutil.rmtree(home)
        self.kills, self.seconds = self.kills + 1, self.seconds + time.monotonic() - start

    def summary(self) -> dict[str, object]:
        "What came of it, for a program."
        return {
            "kind": self.name, "kills": self.kills, "inside": self.inside, "states": len(self.states), "lost": self.lost,
            "work_seconds": round(self.whole, 3), "seconds_a_round": round(self.seconds / max(self.kills, 1), 2),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS))
    asked = parser.parse_args()
    vendor = Victim(serve)
    ADDRESS.append(vendor.pipe.readline().strip())
    market()
    try:
        with tempfile.TemporaryDirectory() as folder:
            rounds = [
                Rounds(name, Path(folder, name), np.random.default_rng([asked.seed, k]))
                for k, name in enumerate(asked.only)
            ]
            for one in rounds:
                one.prepare()
            for number in range(asked.kills):
                rounds[number % len(rounds)].kill()
                if number % 100 == 99 or number == asked.kills - 1:
                    print(json.dumps([one.summary() for one in rounds]), flush=True)
            raise SystemExit(any(one.lost for one in rounds))
    finally:
        vendor.kill()
        vendor.end()


if __name__ == "__main__":
    main()
