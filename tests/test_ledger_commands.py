"The commands of the ledger: exit codes, one line for each thing that is wrong, and files that a program reads."

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from engines import DAYS, made, opened, tampered
from typer.testing import CliRunner

from forecastkit.cli.ledger import backup, forecasts_app, restore
from forecastkit.core import DataError, SettingsError, Target
from forecastkit.ledger.exports import ledger_table
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
    assert result.output.splitlines()[0].startswith("21 forecasts, 16 with outcome, 15 outcomes: all as written")
    told = json.loads(typed("forecasts", "verify", "--json", home=home).output)
    assert told["ok"] is True and told["problems"] == [] and len(told["head"]) == 64


def test_what_is_wrong_is_named_line_by_line_and_the_exit_code_is_1(home):
    tampered(
        f"sqlite:///{home}/forecasts.db",
        "UPDATE predictions SET timeliness = 'live' WHERE seq = 3; DELETE FROM outcomes WHERE seq = 5",
    )
    (home / "models" / "one" / "one.json").write_text("[]")
    result = typed("forecasts", "verify", home=home)
    assert result.exit_code == 1
    assert result.output.splitlines()[:4] == [
        "model one: one.json was changed",
        "predictions row 3 (VIX 2017-01-05) was changed after it was written",
        "outcomes row 5 (after VIX 2017-01-06) is missing",
        "predictions row 3 (VIX 2017-01-05) is called live, but was written down at 2017-01-31 21:30 UTC: backfill",
    ]
    told = json.loads(typed("forecasts", "verify", "--json", home=home).output)
    assert told["ok"] is False and [problem["row"] for problem in told["problems"]] == [3, 5, 3] + 6 * [0]  # the triggers
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
    assert result.exit_code == 0 and len(result.output.splitlines()) == 4
    told = json.loads(typed("forecasts", "list", "--json", home=home).output)
    assert len(told) == 20 and told[0]["origin"] == "2017-01-03" and told[0]["outcome"] == 12.5
    assert told[0]["low_80"] < told[0]["median"] < told[0]["high_80"]


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
