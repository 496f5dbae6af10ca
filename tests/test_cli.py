"""The terminal door: what a person types, what a program reads, and one clear line for whatever is wrong."""

import gzip
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import typer

from forecastkit.cli.main import app, main
from forecastkit.cli.options import target_settings
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.data.sources import load_market
from forecastkit.ledger import PredictionDatabase
from forecastkit.reports import report_names

pytestmark = pytest.mark.usefixtures("few_years")


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    "Exit code, standard output, standard error of one command."
    try:
        code = main(list(arguments))
    except SystemExit as leave:
        code = leave.code or 0
    said = capsys.readouterr()
    return code, said.out, said.err


def bars_to(folder: Path, symbol: str, frame: pd.DataFrame) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{symbol}.csv"
    frame.rename_axis("date").reset_index().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    "A folder with VIX and SPX as a user would bring them, from the sample."
    folder, market = tmp_path_factory.mktemp("good"), load_market("sample", symbols={"VIX", "SPX"})
    for symbol in ("VIX", "SPX"):
        frame = market.bars(symbol).loc["2014":"2018"].copy()
        frame["open"], frame["high"], frame["low"] = (frame["open"].fillna(frame["close"]), frame["high"].fillna(frame["close"]),
                                                      frame["low"].fillna(frame["close"]))  # fmt: skip
        bars_to(folder, symbol, frame)
    return folder


def changed(good: Path, tmp_path: Path, change) -> Path:
    "A copy of the good folder whose VIX file has been changed by `change(frame) -> frame`."
    folder = tmp_path / "bars"
    for symbol in ("VIX", "SPX"):
        frame = pd.read_csv(good / f"{symbol}.csv", index_col="date", parse_dates=True)
        bars_to(folder, symbol, change(frame) if symbol == "VIX" else frame)
    return folder


def text_column(frame):
    return frame.assign(close="n/a yet")


def swapped(frame):
    return frame.assign(high=frame["low"] - 1.0, low=frame["high"])


def future(frame):
    return pd.concat([frame, frame.tail(1).set_axis(pd.DatetimeIndex(["2035-01-03"]))])


def zero(frame):
    frame = frame.copy()
    frame.iloc[500] = 0.0
    return frame


def conflicting(frame):
    return pd.concat([frame.iloc[:501], frame.iloc[500:501] * 1.5, frame.iloc[501:]])


@pytest.mark.parametrize("change", [text_column, swapped, future, zero, conflicting])
def test_broken_bars_end_in_one_clear_line(change, good, tmp_path, capsys):
    folder = changed(good, tmp_path, change)
    refuse(capsys, tmp_path, "VIX", "--sources", f"folder:{folder}, sample")


def refuse(capsys, tmp_path: Path, says: str, *options: str, command: str = "daily") -> str:
    "Run a command that must be refused: one line that contains `says`, exit code not 0, nothing stored."
    home = tmp_path / "home"
    out = ["--output", str(tmp_path / "pages")] if command == "daily" else []
    options = options if "--home" in options else (*options, "--home", str(home))
    code, _, err = run(capsys, command, "--quiet", *out, *options)
    assert code != 0
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    assert says in lines[0], err
    assert not (tmp_path / "pages").exists()
    if (home / "forecasts.db").exists():
        assert sqlite3.connect(home / "forecasts.db").execute("select count(*) from predictions").fetchone() == (0,)
    return lines[0]


def test_empty_folder(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    refuse(capsys, tmp_path, "empty", "--sources", f"folder:{tmp_path / 'empty'}")


def test_absent_folder(tmp_path, capsys):
    refuse(capsys, tmp_path, "nowhere", "--sources", f"folder:{tmp_path / 'nowhere'}")


def test_truncated_gzip(good, tmp_path, capsys):
    folder = tmp_path / "cut"
    folder.mkdir()
    packed = gzip.compress((good / "VIX.csv").read_bytes())
    (folder / "VIX.csv.gz").write_bytes(packed[: len(packed) // 2])
    refuse(capsys, tmp_path, "VIX", "--sources", f"folder:{folder}, sample")


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--symbol", "NOSUCH", "NOSUCH"),
        ("--as-of", "1985-01-02", "1985-01-02"),
        ("--as-of", "2018-07-04", "2018-07-03"),
        ("--as-of", "2024-01-03", "after the data"),
        ("--horizon", "0", "horizon"),
        ("--sources", "attic:x", "attic"),
    ],
)
def test_wrong_wishes(option, value, says, tmp_path, capsys):
    refuse(capsys, tmp_path, says, option, value)
    refuse(capsys, tmp_path, says, option, value, command="forecast")


def test_a_database_that_is_none(tmp_path, capsys):
    home = tmp_path / "other"
    home.mkdir()
    (home / "forecasts.db").write_text("dear diary, " * 200)
    refuse(capsys, tmp_path, "forecasts.db", "--home", str(home))


def test_a_home_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    refuse(capsys, tmp_path, "file", "--home", str(tmp_path / "file"))


@pytest.mark.no_cover
def test_a_model_file_with_one_byte_changed(tmp_path, capsys):
    home, arguments = tmp_path / "home", ("--as-of", "2016-09-30", "--json")
    code, first, _ = run(capsys, "forecast", "--home", str(home), *arguments)
    assert code == 0
    version = json.loads(first)["metadata"]["model_version"]
    victim = max((home / "models" / version).iterdir(), key=lambda p: p.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))
    for kept in (home / "raw").rglob("*.npz"):
        kept.unlink()
    code, _, err = run(capsys, "forecast", "--home", str(home), *arguments)
    assert code == 2 and victim.name in err and "Traceback" not in err and len(err.strip().splitlines()) == 1


def test_settings_name_key_value_and_what_is_allowed(tmp_path, capsys, monkeypatch):
    (tmp_path / "settings.ini").write_text("[forecast]\nhorizon = soon\n")
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "settings", "check")
    assert code == 2 and "horizon" in err and "soon" in err and "1 to 252" in err
    (tmp_path / "settings.ini").write_text("[forecast]\nhorizn = 5\n")
    code, _, err = run(capsys, "settings", "show")
    assert code == 2 and "horizn" in err and "horizon" in err


def test_tables_and_json(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "settings", "show", "--json")
    assert code == 0 and {row["key"] for row in json.loads(out)} >= {"data.sources", "forecast.horizon"}
    code, out, _ = run(capsys, "data", "list", "--json", "--sources", "sample")
    assert code == 0 and {"VIX", "SPX"} <= {row["symbol"] for row in json.loads(out)}
    code, out, _ = run(capsys, "forecasts", "list", "--json")
    assert code == 0 and json.loads(out) == []


def commands(group, path=()):
    "All commands below a group, by the words that are typed, with what their help says."
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from commands(one, (*path, name))
        else:
            yield (*path, name), one.help or ""


def test_every_command_shows_help_with_examples():
    found = dict(commands(typer.main.get_command(app)))
    assert {
        ("daily",),
        ("evaluate",),
        ("download",),
        ("backup",),
        ("forecasts", "verify"),
        ("data", "snapshot"),
    } <= set(found)
    for words, text in found.items():
        assert "Example" in text and f"forecastkit {' '.join(words)}" in text, words


def test_daily_writes_a_page_that_stands_alone(tmp_path, capsys):
    arguments = (
        "daily",
        "--quiet",
        "--as-of",
        "2015-12-31",
        "--home",
        str(tmp_path / "home"),
        "--output",
        str(tmp_path / "pages"),
    )
    code, out, err = run(capsys, *arguments)
    assert code == 0, err
    page = (tmp_path / "pages" / "2015-12-31" / "daily.html").read_text()
    assert "page:" in out and "VIX" in out
    written = re.sub(r"base64,[A-Za-z0-9+/=\s]+", "", page)  # letters of a picture may spell anything
    assert "<script" not in written and not re.search(
        r"""(?:src|href|url\(|@import)\s*=?\s*["']?\s*(?:https?:)?//""", written
    )
    assert "<svg" in page and "drawing" in page and "As of the close of Thursday, 31 Dec 2015" in page
    assert "This page shows that session, as it was asked for; the data go on to 31 Dec 2018" in page
    assert (tmp_path / "pages" / "2015-12-31" / "daily.ipynb").exists()
    code, out, _ = run(capsys, *arguments)
    assert code == 0 and "0 forecasts and 0 outcomes newly stored" in out


def test_module_runs_as_a_script():
    done = subprocess.run(
        [sys.executable, "-m", "forecastkit", "--version"], capture_output=True, text=True, check=True
    )
    assert np.char.count(done.stdout, ".") >= 2


@pytest.mark.no_cover
def test_verify_finds_nothing_in_the_house_and_says_how_much_it_looked_at(capsys, tmp_path):
    page = tmp_path / "verify.html"
    code, out, err = run(
        capsys, "verify", "--sources", "sample", "--cuts", "3", "--fitted", "0", "--json", "--html", str(page)
    )
    assert code == 0, out + err
    reports = {report["subject"]: report for report in json.loads(out)}
    features = reports["look-ahead audit of features, cohorts, weights and quality"]
    assert features["ok"] and features["facts"]["values_compared"] > 100_000
    assert "nothing found" in page.read_text()


def test_data_health_names_what_a_fault_costs(capsys, good):
    code, out, _ = run(capsys, "data", "health", "--sources", f"folder:{good}")
    assert code in (0, 1) and "costs" in out and "VIX" in out


@pytest.mark.no_cover
def test_a_universe_gives_a_line_each_and_names_what_failed(tmp_path, capsys):
    close = load_market("sample", symbols={"AAPL"}).close("AAPL").loc["2015":"2018"]
    bars_to(tmp_path / "bars", "AAPL", close.to_frame("close"))
    bars_to(tmp_path / "bars", "KO", close.to_frame("close").tail(100))
    (tmp_path / "mine.csv").write_text("symbol,name\nAAPL,Apple\nKO,too short\n")
    options = ("--sources", f"folder:{tmp_path / 'bars'}", "--home", str(tmp_path / "home"), "--no-store", "--json")
    code, out, err = run(capsys, "forecast", "--universe", str(tmp_path / "mine.csv"), *options)
    apple, coke = json.loads(out)
    assert code == 1, err
    assert (apple["symbol"], apple["error"]) == ("AAPL", "") and apple["q10"] < apple["q50"] < apple["q90"]
    assert "too little history" in coke["error"] and coke["q50"] is None
    both = ("--symbol", "VIX", "--universe", str(tmp_path / "mine.csv"))
    refuse(capsys, tmp_path, "give one of them", *both, command="forecast")


def test_a_function_of_ones_own_is_audited_in_one_line(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(
        "def past(market):\n    return market.close('SPX').rolling(5).mean().to_frame('mean')\n\n\n"
        "def tomorrow(market):\n    return market.close('SPX').shift(-1).to_frame('next')\n"
    )
    ask = ("verify", "--cuts", "3", "--home", str(tmp_path / "home"), "--function")
    assert run(capsys, *ask, f"{tmp_path}/mine.py:past")[0] == 0
    code, out, err = run(capsys, *ask, f"{tmp_path}/mine.py:tomorrow")
    assert code == 1 and "next" in out and err == ""
    code, out, err = run(capsys, *ask, f"{tmp_path}/mine.py:nobody")
    assert code == 2 and len(err.splitlines()) == 1 and "nobody" in err


@pytest.mark.no_cover
def test_quiet_shows_no_bars(tmp_path, capsys):
    code, out, err = run(
        capsys,
        "report",
        "daily",
        "--quiet",
        "--home",
        str(tmp_path / "home"),
        "--output",
        str(tmp_path),
        "--as-of",
        "2015-12-31",
    )
    assert (code, err) == (0, "") and out.startswith("page: ")


def leaves(group, path=()):
    "All commands below a group, by the words that are typed."
    for name, one in group.commands.items():
        yield from leaves(one, (*path, name)) if hasattr(one, "commands") else [((*path, name), one)]


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("daily", "--help")])
def test_help_and_version_load_nothing_heavy(words):
    "What makes them answer at once; their seconds are measured in benchmarks, where no clock decides."
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "forecastkit", *words], capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "forecastkit" in loaded
    assert not loaded & {"pandas", "scipy", "sklearn", "xgboost", "matplotlib", "sqlalchemy", "pyarrow"}


@pytest.mark.parametrize("words", [(), ("data",), ("forecasts",), ("settings",)])
def test_no_summary_is_cut_at_eighty_columns(words):
    env = os.environ | {"COLUMNS": "80"}
    run = subprocess.run(
        [sys.executable, "-m", "forecastkit", *words, "--help"], env=env, capture_output=True, text=True
    )
    listed = run.stdout.partition("Commands:")[2]
    assert run.returncode == 0 and "..." not in listed and max(map(len, run.stdout.splitlines())) <= 80
    summaries = " ".join(listed.split())
    group = typer.main.get_command(app)
    for word in words:
        group = group.commands[word]
    for one in group.commands.values():
        assert " ".join((one.help or "").split("\n\n")[0].split()) in summaries


def test_every_command_can_be_quiet():
    for words, command in leaves(typer.main.get_command(app)):
        assert any("--quiet" in parameter.opts for parameter in command.params), words


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory):
    "A home with a forecast, and a snapshot."
    home = str(tmp_path_factory.mktemp("lived") / "home")
    assert main_code("forecast", "--as-of", "2016-09-30", "--home", home, "--quiet") == 0
    return home


def main_code(*words: str) -> int:
    try:
        return main(list(words))
    except SystemExit as leave:
        return int(leave.code or 0)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("forecast", ("--as-of", "2016-09-30")),
        ("train", ("--as-of", "2016-09-30")),
        ("explain", ("--as-of", "2016-09-30")),
        ("forecasts list", ()),
        ("forecasts verify", ()),
        ("forecasts head", ()),
        ("data list", ("--sources", "sample")),
        ("data health", ("--sources", "sample")),
        ("data fomc", ()),
        ("data snapshot --list", ()),
        ("verify", ("--cuts", "2", "--fitted", "0")),
        ("settings show", ()),
        ("settings check", ()),
    ],
)
def test_what_a_program_reads_keeps_its_schema(command, words, lived_in, capsys):
    home = () if command.startswith("settings") else ("--home", lived_in)
    main_code(*command.split(), *words, *home, "--json")
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMAS[command])
    text = json.dumps(found)
    assert not re.search(r'"[^"]* [^"]*":', text), "a key with a blank"
    assert not re.search(r"\d{4}-\d{2}-\d{2} 00:00:00", text), "a day that is no ISO date"


def test_forecast_json_is_the_dictionary_of_the_forecast(lived_in, capsys):
    assert main_code("forecast", "--as-of", "20160930", "--home", lived_in, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    with closing(PredictionDatabase(f"sqlite:///{lived_in}/forecasts.db")) as database:
        stored = database.get_forecast(found["prediction_id"])
    assert found == json.loads(json.dumps(stored.to_dict()))
    assert found["metadata"]["observation_date"] == "2016-09-30"


def test_settings_check_says_what_is_wrong_in_json_too(tmp_path, capsys):
    (tmp_path / "mine.ini").write_text("[forecast]\nhorizon = soon\n")
    assert main_code("settings", "check", str(tmp_path / "mine.ini"), "--json") == 2
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False and "1 to 252" in found["problem"]


def test_a_refused_series_makes_the_list_of_data_fail(tmp_path, capsys):
    (tmp_path / "bars").mkdir()
    (tmp_path / "bars" / "AAPL.csv").write_text("date,close\n2018-01-02,-5\n2018-01-03,6\n")
    assert main_code("data", "list", "--sources", f"folder:{tmp_path / 'bars'}, sample") == 1
    assert "refused" in capsys.readouterr().out
    assert main_code("data", "list", "--sources", "sample") == 0


def test_listing_a_home_that_is_not_there_says_so_and_creates_nothing(tmp_path, capsys):
    assert main_code("forecasts", "list", "--home", str(tmp_path / "nowhere")) == 0
    out, err = capsys.readouterr()
    assert "no forecasts" in out and "there is no ledger at" in err
    assert not (tmp_path / "nowhere").exists()
    assert main_code("forecasts", "list", "--quiet", "--home", str(tmp_path / "nowhere")) == 0
    assert capsys.readouterr().err == ""


def test_an_unknown_parameter_stops_a_report(tmp_path, capsys):
    arguments = ("--home", str(tmp_path / "home"), "--output", str(tmp_path / "pages"), "--quiet")
    assert main_code("report", "daily", "-p", "as_off=2018-06-29", *arguments) == 2
    assert "report daily has no parameter as_off: it has as_of, sources" in capsys.readouterr().err
    assert main_code("report", "daily", "-p", "as_of", *arguments) == 2
    assert "write NAME=VALUE" in capsys.readouterr().err
    assert not (tmp_path / "pages").exists()


def test_papermill_alone_stops_at_an_unknown_parameter_too(tmp_path):
    import papermill

    with pytest.raises(
        papermill.PapermillExecutionError, match="this report has no parameter as_off: it has as_of"
    ) as stopped:
        papermill.execute_notebook(
            str(report_names()["daily"]), str(tmp_path / "out.ipynb"), {"as_off": "2018-06-29"}, progress_bar=False,
            kernel_name="python3",
        )  # fmt: skip
    assert "Traceback" not in str(stopped.value) and "check_parameters()" not in "".join(stopped.value.traceback)


def test_every_command_means_the_same_kind_for_a_symbol():
    for symbol, kind, means in ((None, None, "pct_change"), ("^VIX", None, "pct_change"), ("aapl", None, "log_return"), ("AAPL", "pct_change", "pct_change")):  # fmt: skip
        assert target_settings(symbol, None, kind).forecast.kind == means


def test_a_symbol_may_stand_alone_and_only_once(capsys, tmp_path):
    common = ("--home", str(tmp_path), "--sources", "sample", "--as-of", "2018-06-29", "--no-store", "--quiet")
    code, out, err = run(capsys, "forecast", "NOWHERE", *common)
    assert (code, out) == (2, "") and "NOWHERE" in err
    for others in (("--symbol", "VIX"), ("--universe", "sample")):
        code, out, err = run(capsys, "forecast", "AAPL", *others, *common)
        assert (code, out, len(err.strip().splitlines())) == (2, "", 1) and "both say what to forecast" in err
