"The commands of the ledger: exit codes, one line for each thing that is wrong, and files that a program reads."

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from engines import DAYS, made, opened, tampered
from typer.testing import CliRunner

from forecastkit.cli.ledger import backup, forecasts_app, restore
from forecastkit.core import DataError, SettingsError, Target, load_settings
from forecastkit.ledger import PredictionDatabase
from forecastkit.ledger.engine import TABLES_SINCE
from forecastkit.ledger.exports import ledger_table
from forecastkit.ledger.schema import CHAINED, VIEWS
from forecastkit.ops.registry import ModelRegistry

pytest_plugins = ("engine_fixtures",)
APP = typer.Typer()
APP.add_typer(forecasts_app, name="forecasts")
APP.command("backup")(backup)
APP.command("restore")(restore)


def typed(*words: str, home: Path):
    "What a command comes to; errors that `main` turns into one line are raised."
    result = CliRunner().invoke(APP, [*words, "--home", str(home)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    "A home with forecasts, outcomes and a model."

    class One:
        def save(self, folder):
            (folder / "one.json").write_text("{}")

    monkeypatch.chdir(tmp_path)
    db = opened(f"sqlite:///{tmp_path}/home/forecasts.db", clock=lambda: made(19).made_at)
    db.store_predictions([(made(i, regime_bounds=(15, 20, 30)), {"vix": 12.5}) for i in range(20)])
    db.store_prediction(made(4, "two"))
    db.record_outcomes("VIX", pd.Series(12.5, DAYS))
    ModelRegistry(tmp_path / "home" / "models", db).save("one", One(), target=Target("VIX"), origin=DAYS[0])
    db.close()
    return tmp_path / "home"


def test_a_sound_ledger_passes(home):
    result = typed("forecasts", "verify", home=home)
    assert result.exit_code == 0
    assert result.output.splitlines()[0].startswith("recomputed none of 21")  # they are made by hand
    assert result.output.splitlines()[1].startswith("21 forecasts, 16 with outcome, 15 outcomes: all as written")
    told = json.loads(typed("forecasts", "verify", "--json", home=home).output)
    assert told["ok"] is True and told["problems"] == [] and len(told["head"]) == 64


def test_what_is_wrong_is_named_line_by_line_and_the_exit_code_is_1(home):
    tampered(
        f"sqlite:///{home}/forecasts.db",
        "UPDATE predictions SET timeliness = 'live' WHERE seq = 3; DELETE FROM outcomes WHERE seq = 5",
    )
    (home / "models" / "one" / "one.json").write_text("[]")
    result = typed("forecasts", "verify", "--recompute", "0", home=home)
    assert result.exit_code == 1
    assert result.output.splitlines()[:4] == [
        "model one: one.json was changed",
        "predictions row 3 (VIX 2017-01-05) was changed after it was written",
        "outcomes row 5 (after VIX 2017-01-06) is missing",
        "predictions row 3 (VIX 2017-01-05) is called live, but was written down at 2017-01-31 21:30 UTC: backfill",
    ]
    told = json.loads(typed("forecasts", "verify", "--json", home=home).output)
    triggers = 2 * len(CHAINED) * [0]
    assert told["ok"] is False and [problem["row"] for problem in told["problems"]] == [3, 5, 3, *triggers]
    assert told["models"] == ["model one: one.json was changed"]


def test_a_model_alone_is_enough_to_fail(home):
    (home / "models" / "one" / "more.json").write_text("[]")
    assert typed("forecasts", "verify", home=home).exit_code == 1


@pytest.mark.parametrize(
    "words", [["forecasts", "verify"], ["forecasts", "export", "--csv", "x.csv"], ["backup", "x.tar.gz"]]
)
def test_a_home_without_a_ledger_is_not_a_sound_one(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="there is no ledger at"):
        typed(*words, home=tmp_path / "mistyped")
    assert list(tmp_path.iterdir()) == []


def test_exports_read_back_to_the_last_bit(home):
    result = typed("forecasts", "export", "--csv", "out/ledger.csv", "--parquet", "ledger.parquet", home=home)
    assert result.exit_code == 0 and result.output.count("21 forecasts in") == 2
    table = ledger_table(opened(f"sqlite:///{home}/forecasts.db"))
    assert len(table) == 21 and table["seq"].tolist() == list(range(1, 22))
    pd.testing.assert_frame_equal(pd.read_parquet("ledger.parquet"), table, check_exact=True)
    told = pd.read_csv("out/ledger.csv", parse_dates=["origin", "target_session", "made_at", "stored_at"])
    for name in table:
        if table[name].dtype.kind == "f":
            np.testing.assert_array_equal(told[name], table[name], err_msg=name)
        elif table[name].dtype.kind == "M":
            assert (told[name] == table[name]).all(), name
        else:
            assert told[name].tolist() == table[name].tolist(), name


def test_an_export_can_be_a_part(home):
    typed("forecasts", "export", "--csv", "part.csv", "--start", "2017-01-09", "--end", "2017-01-10", home=home)
    assert pd.read_csv("part.csv")["origin"].tolist() == ["2017-01-09", "2017-01-10", "2017-01-09"]
    typed("forecasts", "export", "--csv", "none.csv", "--symbol", "SPX", home=home)
    assert pd.read_csv("none.csv").empty


def test_an_export_needs_a_file_that_can_be_written(home):
    with pytest.raises(SettingsError, match="an export needs a file"):
        typed("forecasts", "export", home=home)
    with pytest.raises(DataError, match="home cannot be written"):
        typed("forecasts", "export", "--csv", str(home), home=home)
    (home / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        typed("forecasts", "export", "--parquet", str(home / "file" / "ledger.parquet"), home=home)


def test_listed_for_people_and_programs(home):
    result = typed("forecasts", "list", "--last", "3", home=home)
    assert result.exit_code == 0 and len(result.stdout.splitlines()) == 4
    assert (
        result.stderr
        == "note: the last 3 of 20 forecasts; 1 made again of one origin, from other data or another model; --all shows all\n"
    )
    every = typed("forecasts", "list", "--all", home=home)
    assert len(every.stdout.splitlines()) == 22 and every.stderr == ""
    assert (
        "no forecast of NOPE is stored here: there are those of VIX"
        in typed("forecasts", "list", "--symbol", "nope", home=home).stderr
    )
    told = json.loads(typed("forecasts", "list", "--json", home=home).stdout)
    assert len(told) == 20 and told[0]["origin"] == "2017-01-03" and told[0]["outcome"] == 12.5
    assert told[0]["low_80"] < told[0]["median"] < told[0]["high_80"]


def test_an_export_goes_by_the_name_of_its_file(home, tmp_path):
    for name in ("ledger.csv", "ledger.parquet"):
        result = typed("forecasts", "export", str(tmp_path / name), home=home)
        assert result.exit_code == 0 and (tmp_path / name).stat().st_size, result.output
    with pytest.raises(SettingsError, match=r"call it FILE\.csv or FILE\.parquet"):
        typed("forecasts", "export", str(tmp_path / "ledger.xlsx"), home=home)


def test_kept_and_restored_to_a_server(home, postgres, tmp_path):
    assert typed("backup", "monday.tar.gz", home=home).output.splitlines() == [
        "forecasts: 21, outcomes: 15, models: 1",
        "kept in monday.tar.gz",
    ]
    result = typed("restore", "monday.tar.gz", "--database", postgres, home=tmp_path / "new")
    assert result.exit_code == 0 and "restored to postgresql+psycopg" in result.output
    assert len(opened(postgres).get_predictions(every_version=True)) == 21 and opened(postgres).verify() == []
    opened(postgres).store_prediction(made(30))
    with pytest.raises(DataError, match="holds a record already"):
        typed("restore", "monday.tar.gz", "--database", postgres, home=tmp_path / "new")
    told = json.loads(typed("restore", "monday.tar.gz", "--database", postgres, "--force", "--json", home=home).output)
    assert told["forecasts"] == 21 and Path(told["previous_copy"]).is_file()


# --- what is absent, empty, emptied ------------------------------------------------------------------------------------


def test_models_without_a_ledger_show_that_it_was_lost(home, tmp_path):
    ledger = home / "forecasts.db"
    ledger.write_bytes(b"")  # what a copy on a full disk leaves
    for _ in range(2):
        result = typed("forecasts", "verify", home=home)
        assert (result.exit_code, result.output.count("\n")) == (1, 1)
        assert "1 model versions lie beside it: it was lost; restore a backup of it" in result.output
        ledger.unlink(missing_ok=True)
    assert not ledger.exists()


def test_an_emptied_ledger_is_no_new_one(home, tmp_path):
    opened(f"sqlite:///{tmp_path}/other/forecasts.db").close()
    assert typed("forecasts", "verify", home=tmp_path / "other").exit_code == 0  # new: nothing was stored yet
    (home / "forecasts.db").unlink()
    (tmp_path / "other" / "forecasts.db").rename(home / "forecasts.db")
    result = typed("forecasts", "verify", home=home)
    assert result.exit_code == 1
    assert result.output.splitlines()[:2] == [
        "model one: no manifest of it is in the ledger",
        "the ledger holds nothing, but 1 model versions lie beside it: it was emptied; restore a backup of it",
    ]


def test_triggers_that_were_dropped_or_added_are_named(home):
    with sqlite3.connect(home / "forecasts.db") as own:
        own.executescript(
            "DROP TRIGGER outcomes_no_update; DROP TRIGGER models_no_delete;"
            "CREATE TRIGGER models_no_delete BEFORE DELETE ON models BEGIN SELECT 1; END;"
            "CREATE TRIGGER better AFTER INSERT ON outcomes BEGIN UPDATE outcomes SET change = 0; END"
        )
    result = typed("forecasts", "verify", home=home)
    assert result.exit_code == 1
    for words in (
        "the trigger outcomes_no_update is missing",
        "the trigger models_no_delete was changed or disabled",
        "the trigger better is not the ledger's own",
    ):
        assert result.output.count(words) == 1


def test_text_in_place_of_a_day_is_a_line_and_no_traceback(home):
    tampered(
        f"sqlite:///{home}/forecasts.db",
        "UPDATE predictions SET origin = 'last week' WHERE seq = 3; UPDATE predictions SET stored_at = 'noon' WHERE seq = 5;"
        "UPDATE outcomes SET target_session = 'soon' WHERE seq = 2; UPDATE outcomes SET change = 'much' WHERE seq = 4",
    )
    result = typed("forecasts", "verify", home=home)
    assert result.exit_code == 1
    for words in (
        "predictions row 3 (VIX last week) was changed",
        "predictions row 5",
        "outcomes row 2",
        "outcomes row 4",
    ):
        assert words in result.output
    with pytest.raises(DataError, match=r"cannot be read .*: see `forecastkit forecasts verify`"):
        typed("forecasts", "list", home=home)


# --- the last hash, elsewhere ------------------------------------------------------------------------------------------


def test_a_chain_written_anew_does_not_hold_the_hashes_that_were_noted(home, tmp_path):
    noted = tmp_path / "heads.txt"
    noted.write_text(typed("forecasts", "head", home=home).output)
    told = json.loads(typed("forecasts", "head", "--json", home=home).output)
    assert [table["rows"] for table in told.values() if table["rows"]] == [21, 15, 1]
    assert typed("forecasts", "verify", "--head", str(noted), home=home).exit_code == 0
    db = opened(f"sqlite:///{home}/forecasts.db", clock=lambda: made(40).made_at)
    db.store_prediction(made(40))
    db.close()
    assert typed("forecasts", "verify", "--head", told["predictions"]["hash"], home=home).exit_code == 0
    (home / "forecasts.db").unlink()
    db = opened(f"sqlite:///{home}/forecasts.db", clock=lambda: made(40).made_at)
    db.store_predictions([(made(i, values=np.linspace(-2, 3, len(made(0).probs))), {}) for i in range(41)])
    db.close()
    result = typed("forecasts", "verify", "--head", str(noted), home=home)
    assert result.exit_code == 1 and f"no row has the hash {told['predictions']['hash']}" in result.output
    with pytest.raises(DataError, match="is no hash of 64 hex digits"):
        typed("forecasts", "verify", "--head", "yesterday", home=home)


def test_a_check_of_what_is_new_begins_at_the_last_check_and_sees_a_rewritten_past(home):
    assert typed("forecasts", "verify", home=home).exit_code == 0
    db = opened(f"sqlite:///{home}/forecasts.db", clock=lambda: made(30).made_at)
    db.store_prediction(made(30, regime_bounds=(15, 20, 30)))
    db.record_outcomes("VIX", pd.Series(12.5, DAYS))
    db.close()
    told = json.loads(typed("forecasts", "verify", "--new", "--json", home=home).output)
    assert (told["ok"], told["forecasts"], told["outcomes"]) == (True, 6, 5)  # the new one, and five with a new outcome
    assert json.loads(typed("forecasts", "verify", "--new", "--json", home=home).output)["forecasts"] == 0
    (home / "checked.txt").write_text((home / "checked.txt").read_text().replace("[22,", "[21,"))  # not as written
    assert json.loads(typed("forecasts", "verify", "--new", "--json", home=home).output)["forecasts"] == 22
    tampered(
        f"sqlite:///{home}/forecasts.db",
        "DELETE FROM predictions WHERE seq = 22; UPDATE chain SET length = 21 WHERE id = 1",
    )
    result = typed("forecasts", "verify", "--new", home=home)
    assert (
        result.exit_code == 1 and "predictions row 22 (checked before) is missing or another row now" in result.output
    )


# --- places that cannot be written, names that must be escaped ---------------------------------------------------------


def without_privilege() -> list[str]:
    "What a command must begin with so that permissions hold for root too."
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("this test runs as root, which may write anywhere")
    rights = "-dac_override,-dac_read_search"
    return ["setpriv", "--bounding-set", rights, "--inh-caps", rights]


READER = """
import sys
from dataclasses import replace
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from forecastkit.core import DataError, SettingsError
from forecastkit.ledger import PredictionDatabase, audit_ledger, ledger_tables, write_csv
from forecastkit.ops import back_up
home, out = map(Path, sys.argv[1:])
db = PredictionDatabase(f"sqlite:///{home}/forecasts.db")
print(len(db.get_predictions(limit=5)), audit_ledger(db).ok, write_csv(ledger_tables(db), out / "x.csv"))
print(back_up(db, home / "models", out / "x.tar.gz").forecasts)
try:
    db.store_prediction(replace(db.latest("VIX", 5, "pct_change"), model_version="three"))
except DataError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("old", [False, True])
def test_a_ledger_on_a_read_only_medium_is_listed_verified_exported_and_backed_up(home, tmp_path, old):
    if old:  # written by 0.2: neither the index nor later tables are there, and none can be made
        later = "".join(f"DROP VIEW {view};" for view in VIEWS) + "".join(
            f"DROP TABLE {table};" for table in TABLES_SINCE
        )
        with sqlite3.connect(home / "forecasts.db") as own:
            own.executescript(
                f"{later} DROP INDEX predictions_by_origin; DELETE FROM chain WHERE id > 3;"  # noqa: S608
                "UPDATE forecastkit_version SET version_num = '0002'"
            )
        own.close()
    folders = [path for path in (*home.rglob("*"), home) if path.is_dir()]
    before = sorted((path.name, path.stat().st_mtime_ns) for path in home.rglob("*"))
    (tmp_path / "out").mkdir()
    try:
        for path in (*home.rglob("*"), home):
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [*without_privilege(), sys.executable, "-c", READER, str(home), str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["5 True 21", "21"]
    assert "cannot be used: attempt to write a readonly database" in done.stdout
    assert sorted((path.name, path.stat().st_mtime_ns) for path in home.rglob("*")) == before


@pytest.mark.parametrize("name", ["what?", "50% done", "a%3Fb", "100%", "a b#c", "é?x=1&y=2"])
def test_homes_whose_names_must_be_escaped_are_two_homes(name, tmp_path):
    for k, folder in enumerate(
        (tmp_path / name, tmp_path / name.split("?")[0].split("%")[0].strip("\n") / "plain"), start=1
    ):
        url = load_settings(environ={}, overrides={"data.home": str(folder)}).database_url()
        db = opened(url, clock=lambda: made(9).made_at)
        db.store_predictions([(made(i), {}) for i in range(k)])
        db.close()
        assert (folder / "forecasts.db").is_file()
        assert len(json.loads(typed("forecasts", "list", "--json", home=folder).output)) == k


def test_a_forecast_made_again_is_shown_or_counted(home):
    with closing(PredictionDatabase(f"sqlite:///{home}/forecasts.db")) as database:
        first = database.get_forecast(str(database.get_predictions()["prediction_id"].iloc[0]))
        database.store_prediction(replace(first, data_fingerprint="changed"))
    assert typed("forecasts", "list", home=home).stderr == (
        "note: 2 made again of one origin, from other data or another model; --all shows all\n"
    )
    every = typed("forecasts", "list", "--symbol", "VIX", "--all", home=home)
    assert len(every.stdout.splitlines()) == 23 and every.stderr == ""


def test_a_span_that_is_none_is_refused(home):
    with pytest.raises(DataError, match="2018-05-01 is after 2017-01-01"):
        typed("forecasts", "list", "--start", "2018-05-01", "--end", "2017-01-01", home=home)
    for day in ("2018", "2018-02"):
        with pytest.raises(DataError, match="write it as 2018-02-05"):
            typed("forecasts", "list", "--start", day, home=home)
