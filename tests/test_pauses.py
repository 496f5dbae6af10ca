"The one table of pauses: append-only, chained, lifted once, found by whoever acts, on both engines."

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from engines import opened, tampered

from forecastkit.cli.main import main
from forecastkit.core import DataError, Pause
from forecastkit.ledger import (
    PredictionDatabase,
    active_pauses,
    add_pause,
    audit_ledger,
    keep_pause,
    lift_pause,
    stored_pauses,
)

pytest_plugins = ("engine_fixtures",)
NOW = datetime(2018, 2, 6, 21, 30, 0, 123456, tzinfo=UTC)


def test_a_pause_comes_back_as_it_was_written_and_the_chain_holds(url):
    db = opened(url, clock=lambda: NOW)
    given = add_pause(db, "symbol:^VIX", "monitor", "the band holds 61 % of outcomes")
    assert given == Pause("symbol:VIX", "monitor", NOW, "the band holds 61 % of outcomes", number=1)
    assert stored_pauses(db) == active_pauses(db) == [given]
    lifted = lift_pause(db, 1, "Ben", "calibrated again")
    assert (lifted.lifted, lifted.lifted_by, lifted.active) == (NOW, "Ben: calibrated again", False)
    assert active_pauses(db) == []
    assert audit_ledger(db).ok
    assert dict(audit_ledger(db).ends)["pauses"][0] == 2


def test_a_pause_is_lifted_once_even_by_many_at_the_same_moment(url):
    db = opened(url, clock=lambda: NOW)
    add_pause(db, "all", "Ada", "prices are late")

    def lift(name: str) -> str:
        try:
            return lift_pause(db, 1, name, "they are back").lifted_by
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lift, ["A", "B", "C", "D"]))
    assert sum("was lifted already" in words for words in said) == 3
    assert db.verify() == []


def test_no_pause_is_changed_or_deleted_and_who_tampers_is_found(url):
    db = opened(url, clock=lambda: NOW)
    add_pause(db, "portfolio:paper", "drawdown breaker", "11 % below the peak")
    for statement in ("UPDATE pauses SET who = 'nobody'", "DELETE FROM pauses"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), db.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    tampered(url, "UPDATE pauses SET why = 'no reason' WHERE seq = 1")
    assert "pauses row 1 (pause of portfolio:paper) was changed" in str(audit_ledger(db))


def test_a_guard_keeps_its_own_pause_and_touches_no_other(url):
    now = NOW
    db = opened(url, clock=lambda: now)
    add_pause(db, "portfolio:paper", "Ada", "holidays")
    for reason in (None, "10 % below the peak", "12 % below the peak", None, None):
        keep_pause(db, "portfolio:paper", "drawdown breaker", reason, "the equity is back")
        now += timedelta(days=1)
    of_ada, of_guard = stored_pauses(db)
    assert of_ada.active
    assert (of_guard.since, of_guard.lifted) == (NOW + timedelta(days=1), NOW + timedelta(days=3))
    assert of_guard.why == "10 % below the peak"


@pytest.mark.parametrize(
    ("subject", "who", "why", "words"),
    [("VIX", "Ada", "late", "no subject"), ("symbol:", "Ada", "late", "no subject"), ("all:x", "Ada", "late", "no subject"),
     ("all", "", "late", "who and why"), ("all", "Ada", " ", "who and why")],
)  # fmt: skip
def test_what_is_no_pause_is_refused_in_one_line(subject, who, why, words):
    db = PredictionDatabase("sqlite://")
    with pytest.raises(DataError, match=words) as told:
        add_pause(db, subject, who, why)
    assert "\n" not in str(told.value)
    assert stored_pauses(db) == []


def test_an_older_ledger_gets_the_table_and_loses_nothing(url):
    from forecastkit.ledger.engine import make_engine, transaction, upgrade

    engine = make_engine(url)
    with transaction(engine, write=True) as connection:
        upgrade(connection, "0003")
    engine.dispose()
    db = opened(url)
    assert stored_pauses(db) == []
    add_pause(db, "all", "Ada", "it works")
    assert audit_ledger(db).ok


def test_a_check_from_before_the_table_is_continued(url):
    db = opened(url)
    ends = {name: end for name, end in audit_ledger(db).ends.items() if name != "pauses"}
    add_pause(db, "all", "Ada", "prices are late")
    assert audit_ledger(db, since=ends).ok


def test_pauses_from_the_terminal(tmp_path, capsys):
    PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db").close()

    def run(*arguments: str) -> int:
        try:
            return main(["pauses", *arguments, "--home", str(tmp_path)])
        except SystemExit as leave:
            return int(leave.code or 0)

    assert run("list") == 0
    assert "nothing is paused" in capsys.readouterr().out
    assert run("add", "portfolio:paper", "--why", "holidays", "--who", "Ada") == 0
    assert run("lift", "1", "--why", "back", "--who", "Ada") == 0
    capsys.readouterr()
    assert run("lift", "1", "--why", "again") == 2
    assert "lifted already" in capsys.readouterr().err
    assert run("add", "nothing", "--why", "again") == 2
    capsys.readouterr()
    assert run("list", "--all", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["number"], row["subject"], row["active"], row["lifted_by"]) == (
        1,
        "portfolio:paper",
        False,
        "Ada: back",
    )
