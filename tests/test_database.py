"The database under duress: migrations, crashes, many writers, tampering; on SQLite, and on PostgreSQL where it is at hand."

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from conftest import ledger_statements
from engines import DAYS, FORK, made, needs_fork, opened, pg_ctl, run_all, swap, tampered

import forecastkit.ledger.engine as module
from forecastkit.calendars import get_calendar
from forecastkit.core import PROBS, DataError, DataWarning, Target
from forecastkit.ledger.audit import audit_ledger
from forecastkit.ledger.chain import append
from forecastkit.ledger.database import PredictionDatabase, select_predictions
from forecastkit.ledger.engine import REVISIONS, VERSION_TABLE, make_engine, open_database, transaction, upgrade
from forecastkit.ledger.exports import ledger_table, ledger_tables, write_csv, write_parquet
from forecastkit.ledger.records import prediction_rows, with_scores
from forecastkit.ledger.schema import CHAIN, METADATA, OUTCOMES, PREDICTIONS, Moment
from forecastkit.ops.manifests import manifests, record_manifest

NYSE = get_calendar("XNYS")

pytest_plugins = ("engine_fixtures",)


# --- the schema ------------------------------------------------------------------------------------------------------


def test_migrations_lead_to_the_tables_of_the_code(url):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with transaction(opened(url).engine) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_revisions_are_the_files_in_migrations():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "forecastkit.ledger:migrations")
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(steps)) == REVISIONS


def test_a_current_database_is_opened_without_alembic_and_left_as_it_is(tmp_path):
    url = f"sqlite:///{tmp_path}/forecasts.db"
    db = opened(url)
    db.store_prediction(made(0))
    db.close()
    before = (tmp_path / "forecasts.db").read_bytes()
    code = f"import sys; from forecastkit.ledger.database import PredictionDatabase as P; print(len(P({url!r}).get_predictions())); sys.exit('alembic' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, "1"), run.stderr
    assert (tmp_path / "forecasts.db").read_bytes() == before


def test_an_empty_file_becomes_a_database(tmp_path):
    (tmp_path / "forecasts.db").touch()
    assert opened(f"sqlite:///{tmp_path}/forecasts.db").get_predictions().empty


def test_a_step_that_fails_leaves_nothing(url, monkeypatch):
    def upgrade_and_fail(connection):
        real(connection)
        raise RuntimeError("power cut")

    real = module.upgrade
    monkeypatch.setattr(module, "upgrade", upgrade_and_fail)
    with pytest.raises(RuntimeError):
        open_database(url)
    engine = module.make_engine(url)
    with transaction(engine) as connection:
        assert sa.inspect(connection).get_table_names() == []
    engine.dispose()


def test_a_database_of_the_first_schema_is_chained_and_loses_nothing(url):
    from alembic import command
    from alembic.config import Config

    engine = module.make_engine(url)
    with transaction(engine, write=True) as connection:
        config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
        config.set_main_option("script_location", "forecastkit.ledger:migrations")
        command.upgrade(config, "0001")
        past = datetime(2017, 2, 1, 21, tzinfo=UTC)
        for i in (3, 1, 2):
            outcome = {
                "s": "VIX",
                "k": "pct_change",
                "o": DAYS[i].date(),
                "h": 5,
                "t": DAYS[i + 5].date(),
                "c": 0.1 + i,
                "l": 12.0,
                "r": past,
            }
            connection.execute(sa.text("INSERT INTO outcomes VALUES (:s, :k, :o, :h, :t, :c, :l, :r, '-')").bindparams(
                sa.bindparam("o", type_=sa.Date), sa.bindparam("t", type_=sa.Date), sa.bindparam("r", type_=Moment)), outcome)  # fmt: skip
        connection.execute(sa.text("INSERT INTO models (version, symbol, kind, horizon, trained_at, manifest, manifest_hash, created_at) "
            "VALUES ('one', 'VIX', 'pct_change', 5, '2017-01-03', '{\"files\":{}}', '-', :r)").bindparams(sa.bindparam("r", type_=Moment)), {"r": past})  # fmt: skip
    engine.dispose()
    db = opened(url)
    assert db.verify() == []
    with transaction(db.engine) as connection:
        rows = module.fetch(connection, sa.select(OUTCOMES).order_by(OUTCOMES.c.seq))
    assert rows["change"].tolist() == [1.1, 2.1, 3.1] and rows["recorded_at"][0] == past
    assert [one.files for one in manifests(db, "one")] == [{}]
    with pytest.raises(DataError, match="append-only"), transaction(db.engine, write=True) as connection:
        connection.execute(sa.text("UPDATE outcomes SET level = 1"))
    db.store_predictions([(made(i), None) for i in range(6)])
    assert db.record_outcomes("VIX", pd.Series(12.0, DAYS)) == 3 and db.verify() == []


def test_a_newer_schema_is_left_alone(url):
    with transaction(opened(url).engine, write=True) as connection:
        connection.execute(sa.table(VERSION_TABLE, sa.column("version_num")).update().values(version_num="9999"))
    with pytest.raises(DataError, match=r"newer forecastkit \(schema 9999.*update forecastkit"):
        opened(url)


# --- what is no database ---------------------------------------------------------------------------------------------


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "forecasts.db"
    path.write_bytes(b"Date,Close\n" * 1000)
    with pytest.raises(DataError) as error:
        opened(f"sqlite:///{path}")
    assert "forecasts.db" in one_line(error) and "not a database" in one_line(error)
    assert path.read_bytes() == b"Date,Close\n" * 1000


def test_a_database_cut_short(tmp_path):
    path = tmp_path / "forecasts.db"
    db = opened(f"sqlite:///{path}")
    db.store_predictions([(made(i), None) for i in range(50)])
    db.close()
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(DataError, match=r"forecasts\.db") as error:
        opened(f"sqlite:///{path}").verify()
    one_line(error)


def test_the_database_of_another_program(tmp_path):
    with sqlite3.connect(tmp_path / "places.sqlite") as other:
        other.execute("CREATE TABLE bookmarks (url)")
    other.close()
    with pytest.raises(DataError, match="another program's tables"):
        opened(f"sqlite:///{tmp_path}/places.sqlite")


@pytest.mark.parametrize("place", ["/proc/nowhere/forecasts.db", "{tmp}/file/forecasts.db", "{tmp}"])
def test_a_place_that_cannot_be_written(place, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError) as error:
        opened(f"sqlite:///{place.format(tmp=tmp_path)}")
    one_line(error)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match=r"forecasts\.db") as error:
        opened(f"sqlite:///{tmp_path}/forecasts.db")
    one_line(error)


def test_no_password_in_a_message():
    with pytest.raises(DataError) as error:
        opened("postgresql+psycopg://me:secret@127.0.0.1:1/forecasts")
    assert "secret" not in one_line(error)


# --- what is stored --------------------------------------------------------------------------------------------------


def test_everything_comes_back_to_the_last_bit(url):
    metadata = {"features_used": 2, "history": [["2017-01-03", 0.1 + 0.2]]}
    forecast = made(3, metadata=metadata, regime_bounds=(15, 20, 30))
    db = opened(url)
    assert db.store_prediction(forecast, pd.Series({"vix": 1 / 3, "vvix": np.nan, "spx": 1e-300}))
    assert db.get_forecast(forecast.prediction_id) == forecast
    assert db.get_forecast(forecast.prediction_id).to_json() == forecast.to_json()
    assert db.get_features(forecast.prediction_id) == {"vix": 1 / 3, "vvix": None, "spx": 1e-300}
    row = db.get_predictions().iloc[0]
    assert (row["num_features_used"], row["made_at"], row["origin"]) == (2, forecast.made_at, forecast.origin)
    assert db.get_predictions()["origin"].dtype == "datetime64[us]"
    assert db.verify() == []


def test_asking_twice_stores_once(url):
    db = opened(url)
    assert db.store_predictions([(made(0), None), (made(1), None), (made(0), None)]) == 2
    assert db.store_predictions([(made(1), {"later": 1.0}), (made(2), None)]) == 1
    assert not db.store_prediction(made(2))
    assert db.get_features(made(1).prediction_id) == {}
    assert db.verify() == []


def test_all_or_none(url):
    db, wrong = opened(url), made(1, target_session=DAYS[5])
    with pytest.raises(DataError, match="2017-01-10 is not 5 sessions of XNYS after 2017-01-04"):
        db.store_predictions([(made(0), None), (wrong, None)])
    with pytest.raises(DataError, match="before that session's close"):
        db.store_predictions([(made(0), None), (made(1, made_at=made(0).made_at), None)])
    assert db.get_predictions().empty and db.verify() == []


def test_what_was_said_in_time_counts(url):
    said, now = {}, made(0).made_at
    db = opened(url, clock=lambda: now)
    for wait, version in (("0min", "live"), ("1h", "correction"), ("3D", "late"), ("30D", "backfill")):
        said[version], now = made(0, version), made(0).made_at + pd.Timedelta(wait)
        db.store_prediction(said[version])
    assert db.latest("VIX", 5, "pct_change") == said["correction"]
    assert db.get_predictions(every_version=True)["timeliness"].tolist() == ["live", "live", "late", "backfill"]
    assert db.get_predictions(timeliness="late")["model_version"].tolist() == ["late"]


def test_choosing(url):
    db = opened(url)
    db.store_predictions([(made(i), None) for i in range(10)])
    db.store_predictions([(made(i, symbol="SPX", kind="log_return"), None) for i in range(3)])
    assert len(db.get_predictions("^VIX", start=DAYS[2], end=str(DAYS[4].date()))) == 3
    assert db.get_predictions("VIX", limit=4)["origin"].tolist() == list(DAYS[6:10])
    assert len(db.get_predictions(kind="log_return")) == 3
    assert db.get_predictions(horizon=1).empty and "pit" in db.get_predictions(horizon=1)
    assert db.latest("VIX", 5, "pct_change", before=DAYS[7]).origin == DAYS[6]
    assert db.latest("VIX", 5, "pct_change", before=DAYS[0]) is None


def test_outcomes_are_joined_once_and_only_when_their_session_is_over(url):
    close = pd.Series(np.linspace(10, 20, len(DAYS)), DAYS)
    evening = NYSE.closes_of([DAYS[8]])[0].to_pydatetime()
    db = opened(url, clock=lambda: evening)
    db.store_predictions([(made(i, version), None) for i in range(6) for version in ("one", "two")])
    before = db.get_predictions(every_version=True)["forecast"].tolist()
    assert db.record_outcomes("VIX", close) == 4  # targets 5, 6, 7, 8; one outcome for both versions
    assert db.record_outcomes("VIX", close * 2) == 0  # a revision changes no score
    rows = db.get_predictions()
    assert rows["outcome"].notna().tolist() == [True] * 4 + [False] * 2
    np.testing.assert_allclose(rows["outcome"][:4], [100 * (close.iloc[i + 5] / close.iloc[i] - 1) for i in range(4)])
    np.testing.assert_allclose(rows["pit"][:4], [made(i).cdf(rows["outcome"][i]) for i in range(4)])
    np.testing.assert_allclose(rows["crps"][:4], [made(i).crps(rows["outcome"][i]) for i in range(4)])
    assert db.get_predictions(every_version=True)["forecast"].tolist() == before
    assert db.coverage("VIX", 0.8, last=3)["n"] == 3


def test_no_outcome_is_recorded_before_the_close_of_its_session(url):
    close = pd.Series(np.linspace(10, 20, len(DAYS)), DAYS)  # of sessions to come, too
    for apart, recorded in ((-1, 3), (0, 1), (0, 0)):  # microseconds
        moment = NYSE.closes_of([DAYS[8]])[0].to_pydatetime() + timedelta(microseconds=apart)
        db = opened(url, clock=lambda moment=moment: moment)
        db.store_predictions([(made(i), None) for i in range(6)])
        assert db.record_outcomes("VIX", close) == recorded
    assert db.get_predictions()["target_session"][lambda rows: db.get_predictions()["outcome"].notna()].max() == DAYS[8]


def test_more_at_once_than_a_statement_has_parameters(url):
    db = opened(url)
    many = [(made(i % 400, f"version {i // 400}"), {"vix": float(i)}) for i in range(1200)]
    assert db.store_predictions(many) == len(many) and db.verify() == []


# --- append-only -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["predictions", "outcomes", "models"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET horizon = 1", "DELETE FROM {}"])
def test_rows_are_only_added(url, table, statement):
    db = opened(url)
    db.store_prediction(made(0))
    db.record_outcomes("VIX", pd.Series(12.0, DAYS))
    record_manifest(db, "one", Target("VIX"), DAYS[0], {})
    with pytest.raises(DataError, match="append-only"), transaction(db.engine, write=True) as connection:
        connection.execute(sa.text(statement.format(table)))


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ("UPDATE predictions SET features = '{\"vix\":9.0}' WHERE seq = 3", ["predictions row 3 (VIX 2017-01-05) was changed after it was written"]),
        ("UPDATE predictions SET made_at = '2017-01-01 00:00:00.000000' WHERE seq = 6", ["predictions row 6 (VIX 2017-01-10) was changed after it was written"]),
        ("UPDATE predictions SET forecast = replace(forecast, '12.5', '13.5') WHERE seq = 1", ["predictions row 1 (VIX 2017-01-03) was changed after it was written"]),
        ("DELETE FROM predictions WHERE seq = 4", ["predictions row 4 (after VIX 2017-01-05) is missing"]),
        ("DELETE FROM predictions WHERE seq IN (1, 2)", ["predictions row 1 (after the beginning) and all up to row 2 are missing"]),
        ("DELETE FROM predictions WHERE seq = 6", ["predictions row 6 (after VIX 2017-01-09) is missing"]),
        ("DELETE FROM predictions", ["predictions row 1 (after the beginning) and all up to row 6 are missing"]),
        (swap("predictions", 2, 5), ["predictions row 2 (VIX 2017-01-09) was written as row 5", "predictions row 5 (VIX 2017-01-04) was written as row 2"]),
        (swap("predictions", 3, 4), ["predictions row 3 (VIX 2017-01-06) was written as row 4", "predictions row 4 (VIX 2017-01-05) was written as row 3"]),
        ("UPDATE chain SET length = 5 WHERE id = 1", ["predictions row 6 (VIX 2017-01-10) is not the one that was noted as the last, which was row 5"]),
        ("UPDATE outcomes SET change = 0.0 WHERE seq = 2", ["outcomes row 2 (VIX 2017-01-04) was changed after it was written"]),
        ("DELETE FROM outcomes WHERE seq = 2", ["outcomes row 2 (after VIX 2017-01-03) is missing"]),
        (swap("outcomes", 1, 3), ["outcomes row 1 (VIX 2017-01-05) was written as row 3", "outcomes row 3 (VIX 2017-01-03) was written as row 1"]),
        ("UPDATE models SET manifest = replace(manifest, 'abc', 'abd')", ["models row 1 (model one) was changed after it was written"]),
        ("DELETE FROM models", ["models row 1 (after the beginning) is missing"]),
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_found_and_named(url, statements, found):
    db = opened(url)
    db.store_predictions([(made(i), {"vix": 12.0}) for i in range(6)])
    db.record_outcomes("VIX", pd.Series(np.linspace(10, 20, len(DAYS)), DAYS))
    record_manifest(db, "one", Target("VIX"), DAYS[0], {"a.json": "abc"})
    assert db.verify() == []
    db.close()
    tampered(url, statements)
    assert [str(problem) for problem in db.verify()] == found


def test_json_so_deep_or_strange_is_a_finding_and_a_sentence(url):
    db = opened(url)
    db.store_predictions([(made(i), {}) for i in range(3)])
    db.record_outcomes("VIX", pd.Series(np.linspace(10, 20, len(DAYS)), DAYS))
    strange = json.dumps(json.loads(made(1).to_json()) | {"metadata": [1]})
    texts = {1: "[" * 100_000, 2: strange}
    update = "UPDATE predictions SET forecast = 'other' WHERE seq = number"
    tampered(url, "; ".join(update.replace("other", text).replace("number", str(row)) for row, text in texts.items()))
    found = [str(problem) for problem in audit_ledger(db).problems]
    for row in (1, 2):
        assert any(f"predictions row {row} " in one and "cannot be read: " in one for one in found)
    with pytest.raises(DataError, match="a stored forecast cannot be read"):
        with_scores(pd.DataFrame({"forecast": [texts[1]], "outcome": [1.5]}))
    with pytest.raises(DataError, match="this is no stored forecast"):
        type(made(0)).from_json(texts[1])


# --- many processes, sudden ends -------------------------------------------------------------------------------------


def open_and_count(url: str) -> int:
    db = opened(url)
    found = len(db.get_predictions())
    db.close()
    return found


def write_twenty(url: str, writer: int) -> int:
    db = opened(url)
    stored = [db.store_predictions([(made(i, f"writer {writer}"), None), (made(i, "shared"), None)]) for i in range(20)]
    db.close()
    return sum(stored)


@needs_fork
def test_two_processes_open_at_once(url):
    assert run_all(open_and_count, [(url,)] * 2) == [0, 0]


@needs_fork
def test_eight_processes_open_at_once_again_and_again(tmp_path):
    for k in range(4):
        assert run_all(open_and_count, [(f"sqlite:///{tmp_path}/{k}/forecasts.db",)] * 8) == [0] * 8


def record_and_vouch(url: str, writer: int) -> int:
    db = opened(url)
    recorded = db.record_outcomes("VIX", pd.Series(np.linspace(10, 20, len(DAYS)), DAYS))
    vouched = sum(record_manifest(db, f"v{k}", Target("VIX"), DAYS[0], {}) for k in range(5))
    db.close()
    return 1000 * recorded + vouched


@needs_fork
def test_eight_processes_record_outcomes_and_manifests_once(url):
    db = opened(url)
    db.store_predictions([(made(i), None) for i in range(30)])
    said = run_all(record_and_vouch, [(url, writer) for writer in range(8)])
    assert sum(said) == 1000 * 30 + 5
    db = opened(url)
    assert db.get_predictions()["outcome"].notna().sum() == 30 and db.verify() == []


@needs_fork
def test_eight_processes_write_at_once(url):
    said = run_all(write_twenty, [(url, writer) for writer in range(8)])
    db = opened(url)
    rows = db.get_predictions(every_version=True)
    assert sum(said) == len(rows) == 8 * 20 + 20
    assert rows["model_version"].value_counts().to_dict() == {**{f"writer {k}": 20 for k in range(8)}, "shared": 20}
    assert db.verify() == []


def test_who_is_turned_away_while_switching_to_the_log_asks_again():
    class Busy:
        left = 3

        def execute(self, statement):
            self.left -= 1
            if self.left:
                raise sqlite3.OperationalError("database is locked" if self.left < 3 else "disk I/O error")
            return sqlite3.connect(":memory:").execute(statement)

    busy = Busy()
    with pytest.raises(sqlite3.OperationalError, match="disk"):
        busy.left = 4
        module.enable_wal(busy)
    module.enable_wal(busy)
    assert busy.left == 0


def write_and_report(url: str, pipe) -> None:
    "Store forecasts in groups of three and report each group once it is stored, or the error that ends it."
    db = opened(url)
    try:
        for k in range(0, 480, 3):
            group = [made(i) for i in range(k, k + 3)]
            db.store_predictions([(f, {"vix": float(k)}) for f in group])
            pipe.send([f.prediction_id for f in group])
    except DataError as error:
        pipe.send(str(error))


@needs_fork
def test_a_writer_killed_at_any_moment_loses_nothing_it_reported(tmp_path):
    url, reported, rng = f"sqlite:///{tmp_path}/forecasts.db", [], random.Random(7)
    for _ in range(5):
        receiver, sender = FORK.Pipe(duplex=False)
        process = FORK.Process(target=write_and_report, args=(url, sender))
        process.start()
        sender.close()
        heard = rng.randrange(1, 30)
        reported += [receiver.recv() for _ in range(heard)]
        time.sleep(rng.random() / 100)  # somewhere inside the next transaction
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        while True:  # what it still said before it died
            try:
                reported.append(receiver.recv())
            except EOFError:
                break
        db = opened(url)
        stored = db.get_predictions(every_version=True)
        assert {i for group in reported for i in group} <= set(stored["prediction_id"])
        assert len(stored) % 3 == 0  # no group in part
        assert all(db.get_forecast(i).prediction_id == i for i in stored["prediction_id"])
        assert db.verify() == []
        db.close()
    run = opened(url)
    run.store_predictions([(made(i), None) for i in range(480)])
    assert len(run.get_predictions()) == 480 and run.verify() == []


def test_a_connection_that_is_cut_is_made_anew(server, postgres):
    db = opened(postgres)
    db.store_prediction(made(0))
    name = sa.make_url(postgres).query["application_name"]
    server.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'")  # noqa: S608
    assert db.store_prediction(made(1))
    assert len(db.get_predictions()) == 2 and db.verify() == []


@needs_fork
@pytest.mark.parametrize("patience", [300, 0], ids=["waits for it", "does not wait"])
def test_a_server_that_stops_and_starts_in_the_middle_of_a_batch_costs_nothing_reported(
    server, postgres, patience, monkeypatch
):
    monkeypatch.setattr(module, "WAIT_SECONDS", patience)
    opened(postgres).close()
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=write_and_report, args=(postgres, sender))
    process.start()
    sender.close()
    reported = [receiver.recv() for _ in range(20)]
    pg_ctl(server, "-m", "immediate", "stop")
    time.sleep(0.5)
    pg_ctl(server, "restart")  # with the options it was started with
    server.ensure_postgres_running()  # takes note of the new process
    while True:
        try:
            reported.append(receiver.recv())
        except EOFError:
            break
    process.join()
    words = [group for group in reported if isinstance(group, str)]
    groups = [group for group in reported if not isinstance(group, str)]
    db = opened(postgres)
    stored = db.get_predictions(every_version=True)
    assert {i for group in groups for i in group} <= set(stored["prediction_id"])
    assert len(stored) % 3 == 0 and db.verify() == []
    if patience:
        assert len(groups) == 160 and len(stored) == 480 and words == []
    else:
        assert len(groups) < 160
        assert len(words) == 1 and "cannot be used" in words[0] and "\n" not in words[0]
    db.store_predictions([(made(i), None) for i in range(480)])  # the same command goes on
    assert len(db.get_predictions()) == 480 and db.verify() == []


def test_who_reads_sees_one_moment_while_others_write(url):
    db, other = opened(url), opened(url)
    db.store_predictions([(made(i), None) for i in range(3)])
    with transaction(db.engine) as connection:
        before = connection.scalar(sa.select(sa.func.count()).select_from(PREDICTIONS))
        writer = threading.Thread(target=other.store_predictions, args=([(made(i), None) for i in range(3, 9)],))
        writer.start()
        writer.join(timeout=20)
        assert not writer.is_alive(), "a reader holds up a writer"
        after = connection.scalar(sa.select(sa.func.count()).select_from(PREDICTIONS))
        length = connection.scalar(sa.select(CHAIN.c.length).where(CHAIN.c.id == 1))
    assert (before, after, length) == (3, 3, 3)
    assert len(db.get_predictions()) == 9


def test_the_clock_of_the_database_is_the_present():
    assert abs(opened("sqlite://").clock() - datetime.now(UTC)) < timedelta(hours=1)


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_makes_nothing_live(url):
    "Hindsight with a clock set back: stored behind a later row, it counts as stored then."
    moment = made(20).made_at
    db = opened(url, clock=lambda: moment)
    db.store_prediction(made(20), {})
    moment = made(3).made_at  # the clock shows the evening of the third session again
    with pytest.warns(DataWarning, match="the clock stands 2[0-9] days.* before the last stored forecast"):
        assert db.store_predictions([(made(3), {}), (made(19), {})]) == 2
    rows = db.get_predictions("VIX")
    assert rows["timeliness"].tolist() == ["backfill", "late", "live"]  # of sessions 3, 19, 20
    with transaction(db.engine) as connection:
        moments = connection.scalars(sa.select(PREDICTIONS.c.stored_at).order_by(PREDICTIONS.c.seq)).all()
    moment = made(30).made_at
    assert moments == sorted(moments) and audit_ledger(db).ok
    assert db.store_prediction(made(30), {}) and db.get_predictions("VIX")["timeliness"].iloc[-1] == "live"


def test_two_writers_whose_clocks_differ_by_seconds_notice_nothing(url):
    moment = made(3).made_at
    db = opened(url, clock=lambda: moment)
    for k in (4, 3, 2):
        moment = made(3).made_at + timedelta(seconds=k)
        db.store_prediction(made(3, str(k)), {})
    assert set(db.get_predictions(every_version=True)["timeliness"]) == {"live"} and audit_ledger(db).ok


@pytest.mark.parametrize(("known", "kind"), [(3, "live"), (4, "late"), (7, "late"), (8, "backfill"), (99, "backfill")])
def test_data_that_hold_the_outcome_make_a_forecast_late_whatever_the_clock_says(url, known, kind):
    forecast = made(3, metadata={"data_end": f"{DAYS[known]:%Y-%m-%d}"})
    db = opened(url, clock=lambda: forecast.made_at)
    db.store_prediction(forecast, {})
    assert db.get_predictions("VIX")["timeliness"].tolist() == [kind] and audit_ledger(db).ok


def test_a_ledger_whose_moments_run_back_is_found_out(url):
    "Rows of a program that believed its clock: the moments of a chain that was written by hand."
    rows = []
    for k in (20, 3):
        rows += prediction_rows([(made(k), None)], made(k).made_at, NYSE)
    assert [row["timeliness"] for row in rows] == ["live", "live"]
    db = opened(url)
    with transaction(db.engine, write=True) as connection:
        append(connection, PREDICTIONS, rows)
    text = str(audit_ledger(db))
    assert (
        "predictions row 2 (VIX 2017-01-06) was stored at 2017-01-06 21:30 UTC by its clock, behind a row of 2017-02-01"
        in text
    )
    assert "row 2 (VIX 2017-01-06) is called live, but was written down at 2017-02-01 21:30 UTC: backfill" in text


def test_moments_in_the_future_and_long_silences_are_findings(url):
    moment = made(3).made_at
    db = opened(url, clock=lambda: moment)
    db.store_prediction(made(3), {})
    moment = made(300).made_at
    db.store_prediction(made(300), {})
    found = audit_ledger(db)
    assert found.ok and "row 2 (VIX 2018-03-14) was stored 431 days after the one before" in found.notes
    moment = made(200).made_at
    assert "row 2 (VIX 2018-03-14) was stored at 2018-03-14 20:30 UTC by its clock, which lies in the future" in str(
        audit_ledger(db)
    )


# --- triggers, checks of what is new, long ledgers -------------------------------------------------------------------


ADDED_BY_HAND = {
    "a generated column": ("ALTER TABLE outcomes ADD COLUMN more AS (10 * level)", "a table outcomes"),
    "a default": ("ALTER TABLE outcomes ADD COLUMN more DEFAULT 3", "a table outcomes"),
    "a view": ("CREATE VIEW features AS SELECT 1", "a view features"),
    "a view with a long name": (f"CREATE VIEW {'b' * 300} AS SELECT 1", f"a view {'b' * 80}"),
    "a view in place of a table": (
        "ALTER TABLE outcomes RENAME TO other; CREATE VIEW outcomes AS SELECT * FROM other", "a table other",
    ),
    "a table": ("CREATE TABLE more (id INTEGER)", "a table more"),
    "an index of an expression": ("CREATE INDEX more ON chain (hex(head))", "an index more"),
}  # fmt: skip


@pytest.mark.parametrize("what", ADDED_BY_HAND)
def test_a_ledger_with_something_of_somebody_else_is_not_opened(what, tmp_path):
    statements, words = ADDED_BY_HAND[what]
    opened(f"sqlite:///{tmp_path}/forecasts.db").close()
    with closing(sqlite3.connect(tmp_path / "forecasts.db")) as own:
        own.executescript(statements)
    with pytest.raises(DataError, match=f"holds {words} that is not the ledger's own: remove it, or restore a backup"):
        PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db")


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_sound_ledger_of_any_version_is_known_by_its_sum(revision, tmp_path, monkeypatch):
    "No migration is run to find out what it should hold: that takes a third of a second."
    engine = make_engine(f"sqlite:///{tmp_path}/forecasts.db")
    with transaction(engine, write=True) as connection:
        upgrade(connection, revision)
        connection.exec_driver_sql("ANALYZE")  # SQLite's own statistics are nobody else's
    engine.dispose()
    monkeypatch.setattr(module, "known_definitions", lambda: pytest.fail("it was compared word by word"))
    for _ in range(2):
        PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db").close()


def test_triggers_that_are_dropped_disabled_or_added_are_named(url, request):
    db = opened(url)
    assert audit_ledger(db).ok
    with db.engine.begin() as connection:
        if "sqlite" in url:
            connection.exec_driver_sql("DROP TRIGGER models_no_update")
            connection.exec_driver_sql("CREATE TRIGGER more AFTER INSERT ON models BEGIN SELECT 1; END")
        else:
            connection.exec_driver_sql("DROP TRIGGER models_append_only ON models")
            connection.exec_driver_sql("ALTER TABLE outcomes DISABLE TRIGGER outcomes_append_only")
            connection.exec_driver_sql(
                "CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
            )
            connection.exec_driver_sql(
                "CREATE TRIGGER more BEFORE INSERT ON models FOR EACH ROW EXECUTE FUNCTION more()"
            )
    words = [problem.words for problem in audit_ledger(db).problems]
    expected = [
        "the trigger models_no_update is missing: rows can be changed",
        "the trigger more is not the ledger's own",
    ]
    if "sqlite" not in url:
        expected[0] = "the trigger models_append_only is missing: rows can be changed"
        expected.insert(1, "the trigger outcomes_append_only was changed or disabled")
    assert words == expected


def test_a_check_of_what_is_new_looks_at_that_and_at_new_outcomes(url):
    moment = made(9).made_at
    db = opened(url, clock=lambda: moment)
    db.store_predictions([(made(i), {}) for i in range(10)])
    db.record_outcomes("VIX", pd.Series(12.5, DAYS))
    checked = audit_ledger(db).ends
    assert dict(audit_ledger(db, since=checked).counts) == {"forecasts": 0, "with_outcome": 0, "outcomes": 0}
    moment = made(12).made_at
    db.store_predictions([(made(i), {}) for i in range(10, 13)])
    db.record_outcomes("VIX", pd.Series(12.5, DAYS))
    found = audit_ledger(db, since=checked)
    assert found.ok and dict(found.counts) == {"forecasts": 6, "with_outcome": 3, "outcomes": 3}
    tampered(
        url, "UPDATE predictions SET timeliness = 'live' WHERE seq = 11; UPDATE outcomes SET level = 1 WHERE seq = 7"
    )
    text = str(audit_ledger(db, since=checked))
    assert "predictions row 11 (VIX 2017-01-18) was changed" in text and "outcomes row 7" in text
    tampered_before = audit_ledger(db, since=checked | {"predictions": (10, "0" * 64)})
    assert "predictions row 10 (checked before) is missing or another row now" in str(tampered_before)


@pytest.mark.parametrize("timeliness", [None, "live", "backfill"])
def test_the_row_that_counts_is_the_one_that_a_window_over_all_rows_would_choose(url, timeliness):
    rng, moment = np.random.default_rng(7), None
    db = opened(url, clock=lambda: moment)
    for version in range(6):
        for i in sorted(rng.choice(12, 5, replace=False)):
            moment = max(moment or made(0).made_at, made(int(i)).made_at + timedelta(days=int(rng.integers(0, 12))))
            db.store_prediction(made(int(i), str(version), symbol="VIX" if i % 3 else "SPX"), {})
    every = db.get_predictions(timeliness=timeliness, every_version=True)
    rank = every["timeliness"].map({"live": 0, "late": 1, "backfill": 2})
    with transaction(db.engine) as connection:
        numbers = dict(connection.execute(sa.select(PREDICTIONS.c.prediction_id, PREDICTIONS.c.seq)).tuples().all())
    best = every.assign(rank=rank, seq=every["prediction_id"].map(numbers)).sort_values(
        ["rank", "seq"], ascending=[True, False]
    )
    wanted = set(best.drop_duplicates(["symbol", "kind", "origin", "horizon"])["prediction_id"])
    found = db.get_predictions(timeliness=timeliness)
    assert set(found["prediction_id"]) == wanted and found["origin"].is_monotonic_increasing
    assert (
        db.get_predictions(timeliness=timeliness, limit=3)["prediction_id"].tolist()
        == found["prediction_id"].tolist()[-3:]
    )


def test_exports_in_pieces_equal_the_whole(url, tmp_path):
    db = opened(url, clock=lambda: made(30).made_at)
    more = tuple(sorted({*PROBS, 0.333}))
    db.store_predictions([(made(i, regime_bounds=(15, 20, 30)), {}) for i in range(9)])
    db.store_prediction(made(20, symbol="SPX", kind="log_return", probs=more, values=np.linspace(-2, 3, len(more))), {})
    db.record_outcomes("VIX", pd.Series(12.5, DAYS))
    whole = ledger_table(db)
    assert whole["q333"].notna().tolist() == 9 * [False] + [True]
    for rows in (1, 4, 100):
        pd.testing.assert_frame_equal(pd.concat(ledger_tables(db, rows=rows), ignore_index=True), whole)
        assert write_parquet(ledger_tables(db, rows=rows), tmp_path / "x.parquet") == 10
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), whole)
        assert write_csv(ledger_tables(db, rows=rows), tmp_path / f"{rows}.csv") == 10
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "100.csv").read_bytes()


@needs_fork
def test_fifty_first_openings_of_a_new_ledger_all_succeed(tmp_path):
    url = f"sqlite:///{tmp_path}/new/forecasts.db"
    assert run_all(open_and_count, [(url,)] * 50) == [0] * 50
    assert audit_ledger(opened(url)).ok


def test_the_newest_forecasts_are_found_through_an_index(tmp_path):
    db = opened(f"sqlite:///{tmp_path}/forecasts.db")
    text = str(select_predictions(limit=20).compile(db.engine, compile_kwargs={"literal_binds": True}))
    with db.engine.connect() as connection:
        plan = " | ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
    assert "SCAN predictions USING INDEX predictions_by_origin" in plan and "TEMP B-TREE FOR ORDER BY" not in plan, plan


def test_the_ledgers_of_other_tests_are_those_that_the_migrations_make(tmp_path):
    with closing(sqlite3.connect(tmp_path / "quick.db")) as quick:
        for statement in ledger_statements():
            quick.execute(statement)
        engine = open_database(f"sqlite:///{tmp_path}/made.db")
        with closing(sqlite3.connect(tmp_path / "made.db")) as made_by_steps:
            assert module.definitions(quick) == module.definitions(made_by_steps)
            assert list(quick.iterdump()) == list(made_by_steps.iterdump())
        engine.dispose()
