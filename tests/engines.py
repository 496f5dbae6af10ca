"Forecasts to store, and hands that tamper with what is stored or write all at once; used by the tests of the ledger."

import multiprocessing
import os
import subprocess
from datetime import timedelta

import numpy as np
import pytest

from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS
from forecastkit.forecasts import Forecast
from forecastkit.ledger.database import PredictionDatabase
from forecastkit.ledger.engine import make_engine
from forecastkit.ledger.schema import CHAINED

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("2017-01-03", "2018-12-21")
FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None
needs_fork = pytest.mark.skipif(FORK is None, reason="this system cannot fork")


def made(i: int, version: str = "one", **changes) -> Forecast:
    "A forecast of the i-th session, made half an hour after its close."
    fields = {
        "symbol": "VIX", "origin": DAYS[i], "target_session": NYSE.offset(DAYS[i], 5), "horizon": 5, "kind": "pct_change",
        "probs": PROBS, "values": np.linspace(-20, 30, len(PROBS)), "last_value": 12.5, "cohort": "mid_cycle",
        "cohort_weight": 1.0, "feature_quality": 1.0, "model_version": version, "code_version": "-",
        "data_fingerprint": "-", "made_at": NYSE.closes_of([DAYS[i]])[0].to_pydatetime() + timedelta(minutes=30),
    }  # fmt: skip
    return Forecast(**fields | changes)


OPEN: list[PredictionDatabase] = []


def opened(url: str, **options) -> PredictionDatabase:
    "A database that is closed when the test is over."
    OPEN.append(PredictionDatabase(url, **options))
    return OPEN[-1]


def tampered(url: str, statements: str) -> None:
    "Change tables behind the back of the program, as anybody can who owns the file or the server."
    engine = make_engine(url)
    with engine.begin() as connection:
        for table in (table.name for table in CHAINED):
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            else:
                connection.exec_driver_sql(f"DROP TRIGGER {table}_no_update")
                connection.exec_driver_sql(f"DROP TRIGGER {table}_no_delete")
        for statement in statements.split(";"):
            connection.exec_driver_sql(statement)
    engine.dispose()


def swap(table: str, one: int, other: int) -> str:
    "Statements that let two rows change places."
    back = f"CASE seq WHEN -{one} THEN {other} ELSE {one} END"
    away = f"UPDATE {table} SET seq = -seq WHERE seq IN ({one}, {other})"  # noqa: S608
    return f"{away}; UPDATE {table} SET seq = {back} WHERE seq < 0"  # noqa: S608


def pg_ctl(server, *arguments: str) -> None:
    "Start or stop the PostgreSQL server of these tests."
    command = [server.bin_path / "pg_ctl", "-w", "-t", "120", "-D", server.pgdata, "-l", server.log, *arguments]
    subprocess.run(command, user=server.system_user, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run_all(function, arguments) -> list:
    "Call the function in one process for each tuple of arguments, all at the same moment; returns what each said."
    barrier, answers = FORK.Barrier(len(arguments)), FORK.Queue()

    def call(given):
        barrier.wait()
        try:
            answers.put(function(*given))
        except Exception as error:
            answers.put(repr(error))

    while OPEN:  # a connection must not go through a fork
        OPEN.pop().close()
    processes = [FORK.Process(target=call, args=(given,)) for given in arguments]
    for process in processes:
        process.start()
    said = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    return said
