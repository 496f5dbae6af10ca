"Lines and promotions: one champion a target whatever happens, one winner of many, and an answer for every date."

import json
import random
from datetime import UTC, datetime, timedelta

import jsonschema
import pandas as pd
import pytest
import sqlalchemy as sa
from engines import DAYS, FORK, made, needs_fork, opened, tampered
from kill_promotions import LINES, TARGET, kill, require_whole

from forecastkit.cli.main import main
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import DataError, ModelNotFoundError, Target
from forecastkit.ledger import audit_ledger
from forecastkit.ops import (
    Line,
    LineTarget,
    ModelRegistry,
    back_up,
    champion,
    pin,
    promote,
    promotion_head,
    register_line,
    restore,
    retire,
    rollback,
    served_on,
    standing,
    stored_promotions,
)

pytest_plugins = ("engine_fixtures",)
ADA = {"who": "Ada", "why": "wider tails"}
DEEP = Line("deep", {"model.rounds": 200})


class Clock:
    "A clock that goes on by a second at every look."

    def __init__(self, moment: datetime = datetime(2018, 2, 6, 22, 0, tzinfo=UTC)):
        self.moment = moment

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


class Plain:
    "A model of one file."

    def save(self, folder):
        (folder / "one.json").write_text("[1]")


def registry_of(url, tmp_path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "home" / "models", opened(url, clock=Clock()), loader=lambda folder, sums: "loaded")


def test_promote_rollback_and_retire_are_rows_of_a_chain_on_both_engines(url, tmp_path):
    registry = registry_of(url, tmp_path)
    db = registry.database
    assert champion(db, TARGET).line.name == "house-pool" and not champion(db, TARGET).on_record
    register_line(db, TARGET, DEEP, stage="shadow", **ADA)
    promote(registry, TARGET, "deep", evidence={"scorecard": "VIX 2018", "e_value": 31, "trials": 4}, **ADA)
    promote(registry, TARGET, LINES[0], **ADA)
    assert rollback(registry, TARGET, **ADA).line == DEEP
    assert rollback(registry, TARGET, **ADA).line.name == "house-pool"
    retire(db, TARGET, "line-0", **ADA)
    assert standing(db, TARGET).stages == {"house-pool": "champion", "deep": "shadow", "line-0": "retired"}
    assert [(row.action, row.from_stage, row.to_stage) for row in stored_promotions(db, TARGET)] == [
        ("add", "", "shadow"), ("promote", "shadow", "champion"), ("promote", "", "champion"),
        ("rollback", "candidate", "champion"), ("rollback", "candidate", "champion"), ("retire", "candidate", "retired"),
    ]  # fmt: skip
    assert stored_promotions(db)[1].evidence == {"scorecard": "VIX 2018", "e_value": 31, "trials": 4}
    assert audit_ledger(db).ok and audit_ledger(db).ends["promotions"][0] == 6
    for statement in ("UPDATE promotions SET who = 'nobody'", "DELETE FROM promotions"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), db.engine.begin() as connection:
            connection.exec_driver_sql(statement)
    tampered(url, "UPDATE promotions SET line = 'line-1' WHERE seq = 2")
    assert "promotions row 2 (promote of line-1 for VIX_d1) was changed" in str(audit_ledger(db))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda r: promote(r, TARGET, "deeper", **ADA), "no line 'deeper'"),
        (lambda r: promote(r, TARGET, "house-pool", **ADA), "serves VIX_d1 .* already"),
        (lambda r: promote(r, TARGET, Line("deep", {"model.rounds": 7}), **ADA), "other settings on record"),
        (lambda r: promote(r, TARGET, "old", **ADA), "is retired"),
        (lambda r: promote(r, TARGET, "deep", evidence={"p_value": 0.01}, **ADA), "add trials"),
        (lambda r: promote(r, TARGET, "deep", who="Ada", why="two\nlines"), "one line"),
        (lambda r: promote(r, TARGET, "deep", effective="2018-02-03", **ADA), "2018-02-03"),
        (lambda r: rollback(r, TARGET, **ADA), "nothing to roll back"),
        (lambda r: retire(r.database, TARGET, "house-pool", **ADA), "promote another line first"),
        (lambda r: retire(r.database, TARGET, "old", **ADA), "nothing left to do"),
        (lambda r: register_line(r.database, TARGET, DEEP, **ADA), "is candidate"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line_and_leaves_no_row(act, words, tmp_path):
    registry = registry_of("sqlite://", tmp_path)
    register_line(registry.database, TARGET, DEEP, **ADA)
    register_line(registry.database, TARGET, Line("old"), **ADA)
    retire(registry.database, TARGET, "old", **ADA)
    with pytest.raises(DataError, match=words) as told:
        act(registry)
    assert "\n" not in str(told.value)
    assert len(stored_promotions(registry.database)) == 3


def test_a_pin_to_what_cannot_be_loaded_or_saw_the_future_is_refused(url, tmp_path):
    registry = registry_of(url, tmp_path)
    db = registry.database
    for version, symbol, day in (("one", "VIX", DAYS[0]), ("later", "VIX", DAYS[400]), ("other", "SPY", DAYS[0])):
        registry.save(version, Plain(), target=Target(symbol), origin=day)
    with pytest.raises(ModelNotFoundError, match="no stored model"):
        pin(registry, TARGET, "two", **ADA)
    with pytest.raises(DataError, match="forecasts SPY, not VIX_d1"):
        pin(registry, TARGET, "other", **ADA)
    with pytest.raises(DataError, match="it cannot serve from 2018-02-07"):
        pin(registry, TARGET, "later", effective="2018-02-07", **ADA)
    with pytest.raises(DataError, match="it cannot serve from"):
        pin(registry, TARGET, "later", **ADA)  # the same without a session named
    pin(registry, TARGET, "one", **ADA)
    assert str(champion(db, TARGET)) == "house-pool pinned to version one"
    promote(registry, TARGET, DEEP, **ADA)
    (registry.folder / "one" / "one.json").write_text("[2]")
    with pytest.raises(RuntimeError, match=r"one\.json was changed"):
        rollback(registry, TARGET, **ADA)
    assert champion(db, TARGET).line == DEEP and db.verify() == []


def test_a_change_never_reaches_back_to_a_forecast_on_record(url, tmp_path):
    registry = registry_of(url, tmp_path)
    registry.database.store_prediction(made(30))
    with pytest.raises(DataError, match=rf"the forecast of {DAYS[30]:%Y-%m-%d} is on record"):
        promote(registry, TARGET, DEEP, effective=DAYS[30], **ADA)
    assert promote(registry, TARGET, DEEP, **ADA).effective == DAYS[31].date()
    spy = LineTarget("SPY_d1")
    promote(registry, spy, LINES[0], effective=DAYS[9], **ADA)
    with pytest.raises(DataError, match=rf"the last change counts from {DAYS[9]:%Y-%m-%d} on"):
        promote(registry, spy, LINES[1], effective=DAYS[8], **ADA)
    assert served_on(registry, DAYS[30], TARGET)["line"].tolist() == ["house-pool"]


def test_without_a_forecast_a_change_counts_from_the_last_training_and_not_from_today(tmp_path):
    later = Clock(datetime(2026, 11, 27, 12, 0, tzinfo=UTC))
    registry = ModelRegistry(tmp_path / "models", opened("sqlite://", clock=later))
    assert promote(registry, LineTarget("SPY_d1"), DEEP, **ADA).effective.year == 2026  # nothing is known
    registry.save("one", Plain(), target=Target("VIX"), origin=DAYS[9])
    assert promote(registry, TARGET, DEEP, **ADA).effective == DAYS[9].date()
    assert promote(registry, LineTarget("QQQ_d1"), DEEP, **ADA).effective == DAYS[9].date()  # as far as the home goes


def promote_at_once(url: str, k: int, gate, answers) -> None:
    registry = ModelRegistry("no-models-here", opened(url))
    seen = promotion_head(registry.database)
    gate.wait()
    try:
        promote(
            registry, TARGET, LINES[k % 6] if k < 6 else Line(f"line-{k}"), who=f"process {k}", why="mine", seen=seen
        )
        answers.put("")
    except DataError as error:
        answers.put(str(error))


@needs_fork
def test_of_eight_processes_that_promote_at_once_one_wins_and_the_others_are_told(url):
    opened(url).close()
    gate, answers = FORK.Barrier(8), FORK.Queue()
    processes = [FORK.Process(target=promote_at_once, args=(url, k, gate, answers)) for k in range(8)]
    for process in processes:
        process.start()
    told = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(words == "" for words in told) == 1
    assert sum("somebody else was faster: 1: promote line-" in words for words in told) == 7
    db = opened(url)
    assert len(stored_promotions(db)) == 1 and db.verify() == []


@needs_fork
def test_after_each_kill_there_is_one_champion_and_a_whole_ledger_on_both_engines(url):
    db, rows, codes, chance = opened(url), 0, [], random.Random(17)  # 300 on either engine: benchmarks/promotions.py
    for seed in range(10):
        codes.append(kill(url, seed, chance.randint(1, 40)))
        now = require_whole(db)
        assert now - rows in (0, 1)
        rows = now
    assert codes.count(9) > 1 and rows > 0


def test_what_served_agrees_with_a_replay_by_other_means(url, tmp_path):
    clock = Clock(DAYS[0].to_pydatetime().replace(tzinfo=UTC))
    registry = ModelRegistry(tmp_path / "models", opened(url, clock=clock))
    db, chance, log = registry.database, random.Random(7), []  # the replay: a list of names and what was made of them
    serving, below = "house-pool", []
    for k in range(0, 480, 16):
        if chance.random() < 0.6:
            log.append((DAYS[k], serving))
            stamp = DAYS[k].to_pydatetime().replace(tzinfo=UTC) + timedelta(hours=22)
            clock.moment = stamp
            db.store_prediction(made(k, version=f"of-{serving}", made_at=stamp))
        if chance.random() < 0.4:
            clock.moment = DAYS[k].to_pydatetime().replace(tzinfo=UTC) + timedelta(hours=23)
            line = chance.choice([one for one in LINES if one.name != serving])
            if below and chance.random() < 0.4:
                rollback(registry, TARGET, effective=DAYS[k + 1], **ADA)
                serving = below.pop()
            else:
                promote(registry, TARGET, line, effective=DAYS[k + 1], **ADA)
                below.append(serving)
                serving = line.name
            log.append((DAYS[k + 1], serving))
    days = pd.DatetimeIndex(chance.choices(list(pd.date_range(DAYS[0], DAYS[-1])), k=1000))
    found, forecasts = standing(db, TARGET), db.get_predictions().set_index("origin")["model_version"]
    for day in days:
        expected = [name for since, name in log if since <= day][-1:] or ["house-pool"]
        assert found.champion_at(day).line.name == expected[0]
    clock.moment = DAYS[-1].to_pydatetime().replace(tzinfo=UTC) + timedelta(hours=23)  # all of them have come
    told = served_on(registry, days, TARGET).set_index("session")
    sessions = pd.DatetimeIndex([db.calendar.on_or_before(day) for day in days]).unique()
    assert list(told.index) == list(sessions)
    for session in sessions:
        lines = [name for since, name in log if since <= session][-1:] or ["house-pool"]
        assert (told["line"][session], told["version"][session]) == (lines[0], forecasts.get(session, ""))
    alone = served_on(registry, days[0], TARGET)
    assert (
        alone[["line", "version", "pinned"]].to_numpy().tolist()
        == told[["line", "version", "pinned"]][:1].to_numpy().tolist()
    )
    with db.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT version, line FROM served_forecasts").fetchall()
    assert len(rows) == len(forecasts) and all(version == f"of-{line}" for version, line in rows)


def test_a_backup_holds_the_promotions_and_a_restore_brings_them_back(url, tmp_path):
    registry = registry_of(url, tmp_path)
    promote(registry, TARGET, DEEP, **ADA)
    back_up(registry.database, registry.folder, tmp_path / "copy.tar.gz")
    promote(registry, TARGET, LINES[0], **ADA)
    restore(tmp_path / "copy.tar.gz", url, registry.folder, force=True)
    again = opened(url)
    assert champion(again, TARGET).line == DEEP and again.verify() == []
    with again.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM served_forecasts").scalar() == 0


def test_an_older_ledger_gets_the_table_and_a_check_from_before_it_goes_on(url):
    from forecastkit.ledger.engine import make_engine, transaction, upgrade

    engine = make_engine(url)
    with transaction(engine, write=True) as connection:
        upgrade(connection, "0004")
    engine.dispose()
    db = opened(url)
    ends = {name: end for name, end in audit_ledger(db).ends.items() if name != "promotions"}
    register_line(db, TARGET, DEEP, **ADA)
    assert audit_ledger(db, since=ends).ok


def test_lines_are_promoted_rolled_back_and_retired_from_the_terminal(tmp_path, capsys):
    opened(f"sqlite:///{tmp_path}/forecasts.db").close()

    def run(*arguments: str) -> int:
        try:
            return main(["models", *arguments, "--home", str(tmp_path)])
        except SystemExit as leave:
            return int(leave.code or 0)

    said = ("--who", "Ada", "--why", "wider tails", "--kind", "pct_change")
    evidence = '{"scorecard": "2018", "p_value": 0.01, "trials": 12}'
    assert (
        run(
            "promote",
            "VIX_d1",
            "deep",
            "--set",
            "rounds=200",
            "--evidence",
            evidence,
            "--from",
            "2018-02-06",
            *said,
            "--json",
        )
        == 0
    )
    schemas = {name: schema for name, schema in SCHEMAS.items() if name.startswith("models ")}
    row = json.loads(capsys.readouterr().out)
    jsonschema.validate(row, schemas["models promote"])
    assert (row["line"], row["recipe"], row["evidence"]["trials"]) == ("deep", {"model.rounds": 200}, 12)
    assert run("promote", "VIX_d1", "other", *said) == 2
    assert "no line 'other'" in capsys.readouterr().err
    assert run("promote", "VIX", "deep", "--version", "0123456789abcdef", *said) == 2
    assert "no stored model has the version" in capsys.readouterr().err
    for command, arguments in (("lines", ("VIX",)), ("serve-on", ("2018-02-07",)), ("list", ())):
        assert run(command, *arguments, "--json") == 0
        jsonschema.validate(json.loads(capsys.readouterr().out), schemas[f"models {command}"])
    assert run("rollback", "VIX", *said) == run("retire", "VIX", "deep", *said) == 0
    assert run("rollback", "VIX", *said) == 2
    assert "nothing to roll back" in capsys.readouterr().err
