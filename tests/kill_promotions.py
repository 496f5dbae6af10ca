"Actions on the ledger of promotions that are killed at a numbered step, in a process of their own; used by tests and benchmarks."

import multiprocessing
import os
import random
from datetime import UTC, datetime

import sqlalchemy as sa

from forecastkit.core import DataError
from forecastkit.ledger import PredictionDatabase
from forecastkit.ops import Line, LineTarget, ModelRegistry, promote, register_line, retire, rollback, standing

FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None
TARGET = LineTarget("VIX_d1", "pct_change")
LINES = tuple(Line(f"line-{k}", {"model.rounds": 50 + k}) for k in range(6))
ACTIONS = ("promote", "rollback", "retire", "add")


def act(registry: ModelRegistry, seed: int) -> None:
    "One random action; what is refused is no fault."
    chance = random.Random(seed)
    action, line = chance.choice(ACTIONS), chance.choice(LINES)
    said = {"who": f"seed {seed}", "why": "a try"}
    try:
        if action == "promote":
            promote(registry, TARGET, line, **said)
        elif action == "rollback":
            rollback(registry, TARGET, **said)
        elif action == "retire":
            retire(registry.database, TARGET, line.name, **said)
        else:
            register_line(registry.database, TARGET, line, **said)
    except DataError as error:
        assert "\n" not in str(error)


def killed_at(url: str, seed: int, step: int) -> None:
    "Do one action, and end the process without a word at the given statement, or once it was committed."
    database = PredictionDatabase(url, clock=lambda: datetime(2018, 2, 6, 22, 0, 0, seed % 1_000_000, tzinfo=UTC))
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps >= step:
            os._exit(9)

    for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(database.engine, moment, count)
    act(ModelRegistry("no-models-here", database), seed)
    os._exit(0)


def kill(url: str, seed: int, step: int) -> int:
    "Run `killed_at` in a fork and return its exit code."
    process = FORK.Process(target=killed_at, args=(url, seed, step))
    process.start()
    process.join()
    return process.exitcode


def require_whole(database: PredictionDatabase) -> int:
    "The number of rows; raises `AssertionError` where the ledger is not whole, or there is not exactly one champion that can serve."
    assert database.verify() == []
    found = standing(database, TARGET)
    assert list(found.stages.values()).count("champion") == 1
    assert found.stages[found.champion.line.name] == "champion"
    assert found.champion.line in (found.lines[found.champion.line.name], *LINES)
    return len(found.rows)
