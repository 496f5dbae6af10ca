"""Models and forecasts of one's own in the ring: scored as the house is, refused where they know tomorrow, counted as trials."""

import json
from datetime import UTC, datetime

import jsonschema
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.calendars import get_calendar
from forecastkit.cli.main import main as command
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import DataError, LookAheadError, UserCodeError, load_settings, shipped_log
from forecastkit.core.experiments import ExperimentLog
from forecastkit.data.synthetic import synthetic_market
from forecastkit.evaluation import ForecastFile, read_forecast_file
from forecastkit.evaluation.forecast_files import file_table
from forecastkit.ledger import PredictionDatabase, audit_ledger, import_forecasts, imported_forecasts
from forecastkit.models import ProbabilisticForecaster
from forecastkit.ops import create_shadow_deployment, line_target, stored_deployments
from forecastkit.ops.shadow import paired_origins
from forecastkit.pipeline import IntegratedSystem, own_line, profile_of

pytest_plugins = ("engine_fixtures",)

MARKET = synthetic_market(seed=11, sessions=640, start="2013-01-02").market
SMALL = {
    "model.train_start": "2010-01-04", "model.walk_start": "2010-01-04", "model.min_train_rows": "400", "model.rounds": "3",
    "run.progress": False,
}  # fmt: skip
FILE = """import numpy as np
from sklearn.linear_model import LinearRegression
from forecastkit.models import ProbabilisticForecaster

pool = ProbabilisticForecaster(rounds=3)
linear = LinearRegression()


class Normal:
    def fit(self, X, y):
        self.middle, self.width = y.mean(), y.std()
        return self

    def predict_quantiles(self, X):
        return np.tile(self.middle + self.width * np.linspace(-2, 2, 23), (len(X), 1))


class Peeks(Normal):
    def predict_quantiles(self, X):
        return super().predict_quantiles(X) + X["vix_log"].diff(-5).fillna(0.0).to_numpy()[:, None]


class Crosses(Normal):
    def predict_quantiles(self, X):
        return super().predict_quantiles(X)[:, ::-1]
"""
START = "2015-01-05"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "A folder of bars, a file of models, and a home in which the house was evaluated."
    folder, patch = tmp_path_factory.mktemp("ring"), pytest.MonkeyPatch()
    (folder / "bars").mkdir()
    for symbol in ("VIX", "SPX"):
        MARKET.bars(symbol).rename_axis("Date").reset_index().to_csv(folder / "bars" / f"{symbol}.csv", index=False)
    (folder / "mine.py").write_text(FILE)
    for key, value in {**SMALL, "data.home": folder / "home", "data.sources": f"folder:{folder / 'bars'}"}.items():
        patch.setenv(f"FORECASTKIT_{key.replace('.', '_').upper()}", str(value))
    patch.chdir(folder)
    yield folder
    patch.undo()


def main(arguments):
    "The exit code of a command."
    try:
        return command(arguments)
    except SystemExit as leave:
        return leave.code or 0


@pytest.fixture(scope="module")
def house(home):
    "The built-in scorecard."
    return IntegratedSystem().evaluate(START)


def log():
    return ExperimentLog(load_settings().home.experiments)


def test_the_pool_of_the_house_as_ones_own_model_gets_the_same_score_to_the_last_bit(house):
    card = IntegratedSystem(model="mine.py:pool").evaluate(START)
    assert card.scores.equals(house.scores) and card.baseline_scores["house"].equals(house.scores)
    assert card.summary.crps == house.summary.crps == card.baselines["house"].crps
    assert card.summary.direction == card.baselines["house"].direction == house.summary.direction
    assert card.summary.skill["house"].value == 0.0
    assert {name: card.summary.skill[name] for name in house.summary.skill} == house.summary.skill


def test_a_regressor_and_a_bare_class_stand_beside_the_house_and_each_counts_as_one_trial(house, capsys):
    before = log().count() or 0
    for name in ("linear", "Normal"):
        assert main(["evaluate", "--model", f"mine.py:{name}", "--start", START, "--json", "--quiet"]) == 0
        card = json.loads(capsys.readouterr().out)
        assert list(card["baselines"]) == ["house", "climatology", "ar1", "har", "garch"]
        assert card["baselines"]["house"]["crps"] == house.summary.crps
        assert card["forecaster"]["skill"]["house"]["se"] > 0
    assert log().count() == before + 2 and log().unanswered() == []
    assert card["variants_tried"] == shipped_log().count() + before + 2
    assert main(["evaluate", "--model", "mine.py:Normal", "--start", START, "--quiet"]) == 0  # the same trial again
    assert "house pool" in capsys.readouterr().out and log().count() == before + 2


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("Peeks", "member Peeks is refused: Peeks: 20", 1),
        ("Crosses", "numbers that are no quantiles", 2),
        ("nothing", "defines no function nothing", 2),
    ],
)
def test_a_model_that_peeks_or_is_none_is_refused_in_one_line_and_counts_nothing(home, capsys, name, words, code):
    before = log().count()
    left = main(["evaluate", "--model", f"mine.py:{name}", "--start", START, "--quiet"])
    told = capsys.readouterr()
    assert (left, told.out) == (code, "") and words in told.err and len(told.err.strip().splitlines()) == 1
    assert log().count() == before


def test_a_model_that_reads_the_outcomes_elsewhere_is_refused(home):
    answers = MARKET.calendar.outcomes(MARKET.close("VIX"), 5).fillna(0.0).to_dict()

    class Reads:
        def __init__(self):
            self.answers = answers

        def fit(self, X, y):
            self.width = y.std()
            return self

        def predict_quantiles(self, X):
            middle = [[self.answers[day]] for day in X.index]
            return middle + self.width * fk.core.PROBS[None, :]

    with pytest.raises(LookAheadError, match="outcomes that it was not told"):
        IntegratedSystem(market=MARKET, model=Reads()).evaluate(START)


def test_a_model_that_waits_for_the_walk_or_remembers_what_the_probe_told_it_is_refused_and_its_trial_is_answered(home):
    answers, fits, told = MARKET.calendar.outcomes(MARKET.close("VIX"), 5).fillna(0.0).to_dict(), [], {}

    class Waits:
        def fit(self, X, y):
            fits.append(len(y))
            self.width = y.std()
            return self

        def predict_quantiles(self, X):
            known = answers if len(fits) > 5 else {}  # the probe fits five times
            return [[known.get(day, 0.0)] for day in X.index] + self.width * fk.core.PROBS[None, :]

    class Remembers(Waits):
        def fit(self, X, y):
            told.update(zip(X.index, y))
            self.width = y.std()
            return self

        def predict_quantiles(self, X):
            return [[told.get(day, 0.0)] for day in X.index] + self.width * fk.core.PROBS[None, :]

    before = log().count()
    with pytest.raises(LookAheadError, match="outcomes that it was not told"):
        IntegratedSystem(market=MARKET, model=Waits()).evaluate(START)
    assert log().count() == before + 1 and log().unanswered() == []
    assert "not told" in log().entries()[-1]["result"]["refused"]
    with pytest.raises(LookAheadError, match="it remembers them between fits"):
        IntegratedSystem(market=MARKET, model=Remembers()).evaluate(START)
    assert log().count() == before + 1


def test_an_installed_package_offers_models_by_name(home, monkeypatch, capsys):
    site = home / "site"
    (site / "ringmodels-1.0.dist-info").mkdir(parents=True)
    (site / "ringmodels-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: ringmodels\nVersion: 1.0\n"
    )
    (site / "ringmodels-1.0.dist-info" / "entry_points.txt").write_text(
        "[forecastkit.models]\nplain = ringmodels:Normal\n"
    )
    (site / "ringmodels.py").write_text(FILE)
    monkeypatch.syspath_prepend(str(site))
    named = IntegratedSystem(model="plain")
    assert named.profile.user_code[0].name == "plain"
    assert named.profile.user_code[0].digest == IntegratedSystem(model="mine.py:Normal").profile.user_code[0].digest
    assert main(["evaluate", "--model", "plane", "--start", START, "--quiet"]) == 2
    assert "no model is called plane" in (told := capsys.readouterr().err) and "installed packages offer plain" in told


def test_one_model_alone_and_not_beside_members(home):
    with pytest.raises(UserCodeError, match="forecasts alone"):
        IntegratedSystem(market=MARKET, members="mine.py:Normal", model=ProbabilisticForecaster())
    with pytest.raises(UserCodeError, match="forecasts alone"):
        IntegratedSystem(market=MARKET, model=["mine.py:Normal", "mine.py:linear"])


BAD_ROWS = {  # by line of the file: what is written over a sound row, and the reason that is told
    3: ({"q50": 20}, "crossing"), 4: ({"q50": ""}, "missing"), 5: ({"origin": 0}, "duplicated"), 6: ({"made_at": "2091-01-02T22:00:00Z"}, "future"),
    7: ({"symbol": "ZZZZ"}, "unknown_symbol"), 8: ({"q90": "inf"}, "not_finite"), 9: ({"horizon": "300"}, "horizon"), 10: ({"made_at": "2014-10-01"}, "made_at"),
    11: ({"made_at": "1999-01-04T22:00:00Z"}, "too_early"), 12: ({"origin": "2014-12-25"}, "origin"), 13: ({"q10": -100}, "impossible"),
    14: ({"kind": "points"}, "kind"), 15: ({"q90": "ten"}, "not_finite"), 16: ({"q10": "-1_4"}, "not_finite"),
}  # fmt: skip
SOUND = 180 - len(BAD_ROWS)


@pytest.fixture(scope="module")
def theirs(home):
    "A file of quantiles made in the evening of each origin, with one row for every slip."
    days = MARKET.close("VIX").index[440:620]
    moments = [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in MARKET.calendar.closes_of(days) + pd.Timedelta(hours=1)]
    table = pd.DataFrame(
        {"symbol": "VIX", "origin": days.strftime("%Y-%m-%d"), "horizon": "5", "made_at": moments, "kind": "pct_change"}
    )
    table = table.assign(q10="-14", q50="0.5", q90="16").astype(object)
    for line, (slip, _) in BAD_ROWS.items():
        for name, value in slip.items():
            table.loc[line - 2, name] = table.loc[0, "origin"] if value == 0 else value
    table = table.astype(str)
    table.to_csv(home / "theirs.csv", index=False)
    table.to_parquet(home / "theirs.parquet")
    table.assign(symbol="ZZZZ").to_csv(home / "bad.csv", index=False)
    return home / "theirs.csv"


def told_reasons(lines):
    return {int(line.split(":")[0].removeprefix("line ")): line.rpartition("(")[2].rstrip(")") for line in lines}


def test_a_file_of_quantiles_is_scored_and_every_slip_is_one_line(house, theirs, capsys):
    assert main(["evaluate", "--forecasts", "theirs.csv", "--quiet"]) == 0
    told = capsys.readouterr()
    assert told_reasons(told.err.splitlines()) == {line: reason for line, (_, reason) in BAD_ROWS.items()}
    assert "house pool" in told.out and "live" in told.out
    assert main(["evaluate", "--forecasts", "theirs.parquet", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["line"]: row["reason"] for row in found["refused"]} == {
        line: reason for line, (_, reason) in BAD_ROWS.items()
    }
    [card] = found["cards"]
    assert card["forecasts"] == SOUND == card["origins"] + card["without_outcome"] + card["without_house"]
    assert card["by_timeliness"]["live"]["n"] == card["origins"] and card["by_timeliness"]["backfill"]["n"] == 0
    assert card["baselines"]["house"]["crps"] > 0
    jsonschema.validate(found, SCHEMAS["evaluate --forecasts"])


def test_a_file_in_another_unit_is_scored_with_a_doubt(house, theirs, tmp_path, capsys):
    table = pd.read_csv(theirs, dtype=str)
    right = pd.to_numeric(table["q10"], errors="coerce") == -14
    table.loc[right].assign(q10="-0.14", q50="0.005", q90="0.16").to_csv(tmp_path / "fractions.csv", index=False)
    assert main(["evaluate", "--forecasts", str(tmp_path / "fractions.csv"), "--quiet"]) == 0
    assert "in the 80% range: pct_change is in per cent" in capsys.readouterr().err
    assert main(["evaluate", "--forecasts", str(theirs), "--quiet"]) == 0
    assert "pct_change is in per cent" not in capsys.readouterr().err


def test_a_row_with_too_many_fields_shifts_nothing_and_is_refused_alone(tmp_path):
    head, row = "\ufeffsymbol,origin,horizon,made_at,q10,q50,q90\n", "VIX,2018-02-06,5,2018-02-06T22:00:00Z,-20,-3,20"
    file = tmp_path / "desk.csv"

    def read(text: str) -> ForecastFile:
        file.write_text(text, encoding="utf-8")
        return read_forecast_file(
            file, get_calendar("XNYS"), datetime(2018, 3, 1, tzinfo=UTC), lambda symbol: "pct_change"
        )

    for more in (",", ",,"):  # as spreadsheets leave them
        [taken] = read(head + row + more + "\n").rows.itertuples()
        assert (taken.symbol, taken.horizon, *taken.values) == ("VIX", 5, -20, -3, 20)
    found = read(head + row + "\n" + row.replace("-06", "-07") + ",5\n\n" + row.replace("VIX", '"V\nX"') + "\n" + row)
    assert [(line, reason) for line, reason, _ in found.refused] == [
        (3, "beyond"),
        (5, "unknown_symbol"),
        (7, "duplicated"),
    ]
    for text, words in {
        head.replace("q90", "q50") + row: "column q50 twice",
        head + row + '\n"VIX': "save it as CSV",
        head: "no row below its header",
        "": "lacks the column symbol",
    }.items():
        with pytest.raises(DataError, match=words):
            read(text)


def test_an_import_is_a_line_of_its_own_chained_idempotent_and_never_believed_better_than_it_can_be(
    house, theirs, capsys
):
    lines = lambda: main(["forecasts", "lines", "--json"]) or json.loads(capsys.readouterr().out)  # noqa: E731
    assert main(["forecasts", "import", "bad.csv", "--quiet"]) == 2
    assert "nothing can be taken" in (said := capsys.readouterr().err) and len(said.splitlines()) == 1
    assert lines() == []
    assert main(["forecasts", "import", "theirs.csv", "--json"]) == 1
    first = json.loads(capsys.readouterr().out)
    assert first["stored"] == {"live": 0, "late": 0, "backfill": SOUND} and len(first["refused"]) == len(BAD_ROWS)
    jsonschema.validate(first, SCHEMAS["forecasts import"])
    assert main(["forecasts", "import", "theirs.parquet", "--line", "theirs", "--json"]) == 1
    again = json.loads(capsys.readouterr().out)
    assert sum(again["stored"].values()) == 0 and again["known"] == SOUND
    found = lines()
    jsonschema.validate(found, SCHEMAS["forecasts lines"])
    assert [row["forecasts"] for row in found] == [SOUND] and found[0]["backfill"] == SOUND
    database = PredictionDatabase(load_settings().database_url())
    assert len(database.get_predictions(every_version=True)) == 0  # it competes with nothing that is served
    assert database.verify() == [] and audit_ledger(database).ok and audit_ledger(database).counts["imported"] == SOUND
    assert main(["evaluate", "--forecasts", "theirs", "--json", "--quiet"]) == 0
    [card] = json.loads(capsys.readouterr().out)["cards"]
    assert card["by_timeliness"]["backfill"]["n"] == card["origins"]
    changed = pd.read_csv(theirs, dtype=str, keep_default_na=False)
    changed.loc[20, "q50"] = "1.5"
    changed.to_csv(theirs.with_name("changed.csv"), index=False)
    assert main(["forecasts", "import", "changed.csv", "--line", "theirs"]) == 1
    assert "1 contradict what is stored" in capsys.readouterr().out
    assert main(["forecasts", "import", "theirs.csv", "--line", "house-pool"]) == 2


def test_a_changed_row_of_an_imported_line_is_found(house, theirs, tmp_path):
    days = MARKET.close("VIX").index[440:443]
    closes = MARKET.calendar.closes_of(days)
    rows = pd.DataFrame(
        {"symbol": "VIX", "kind": "pct_change", "horizon": 5, "origin": days, "made_at": closes.to_pydatetime()}
    )
    rows["probs"], rows["values"] = [(0.1, 0.9)] * 3, [[-9.0, 9.0]] * 3
    database = PredictionDatabase(f"sqlite:///{tmp_path}/ledger.db", clock=lambda: closes[-1].to_pydatetime())
    assert dict(import_forecasts(database, "desk", rows, "desk.csv", "ann").stored) == {
        "live": 1,
        "late": 2,
        "backfill": 0,
    }
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER imported_forecasts_no_update")
        connection.exec_driver_sql("UPDATE imported_forecasts SET timeliness = 'live' WHERE seq = 1")
    words = [problem.words for problem in audit_ledger(database).problems if problem.table == "imported_forecasts"]
    assert any("is called live" in one for one in words) and len(words) == 2


def test_both_engines_take_the_same_rows(theirs, url):
    days = MARKET.close("VIX").index[440:443]
    closes = MARKET.calendar.closes_of(days)
    rows = pd.DataFrame(
        {"symbol": "VIX", "kind": "pct_change", "horizon": 5, "origin": days, "made_at": closes.to_pydatetime()}
    )
    rows["probs"], rows["values"] = [(0.1, 0.9)] * 3, [[-9.0, 9.0]] * 3
    database = PredictionDatabase(url, clock=lambda: closes[-1].to_pydatetime())
    for known in (0, 3):
        assert import_forecasts(database, "desk", rows, "desk.csv", "ann").known == known
    assert imported_forecasts(database, "desk")["values"].tolist() == rows["values"].tolist()
    assert audit_ledger(database).ok
    database.close()


def test_a_model_of_ones_own_is_a_challenger_by_the_digest_of_its_code_and_never_by_a_name_in_the_ledger(
    home, tmp_path
):
    database = PredictionDatabase(f"sqlite:///{tmp_path}/ledger.db")
    target, profile = fk.Target("VIX"), profile_of(fk.Target("VIX"))
    house = IntegratedSystem(
        settings=load_settings(overrides={"data.home": tmp_path}), market=MARKET, database=database
    )
    first = house.prepared(MARKET.close("VIX").index[470]).origins[:4]
    line = own_line("mine", "mine.py:Normal", profile)
    create_shadow_deployment(database, line_target(target), line, bound=2.0, first=first[1])
    assert "mine.py" not in repr(stored_deployments(database)) and list(line.recipe) == ["model.own"]

    def day(as_of, **models):
        settings = load_settings(overrides={"data.home": tmp_path})
        IntegratedSystem(settings=settings, market=MARKET, database=database, challengers=models).daily(as_of)
        [one] = stored_deployments(database)
        return len(paired_origins(database, one))

    with pytest.warns(fk.core.DataWarning, match="hand it over, --challenger mine=FILE.py:NAME"):
        assert day(first[2]) == 0
    with pytest.warns(fk.core.DataWarning, match="begun with other code"):
        assert day(first[2], mine="mine.py:linear") == 0
    assert day(first[3], mine="mine.py:Normal") == 3  # what was left open is filled
    with database.engine.connect() as connection:
        said = connection.exec_driver_sql("SELECT said FROM shadow_events WHERE event = 'pair'").scalars().all()
    assert all("Normal alone, of the user's own" in one for one in said)
    database.close()


def test_the_terminal_begins_a_challenger_with_a_model_of_ones_own(house, home, capsys):
    house_origin = IntegratedSystem().generate_forecast().origin
    begin = ["shadow", "begin", "VIX_d1", "normal", "--model", "mine.py:Normal", "--why", "a try", "--json"]
    # fewer than 60 settled forecasts give no bound of the clip
    assert main(begin) == 2 and "60 give the bound" in capsys.readouterr().err
    assert main([*begin, "--bound", "2"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    own = own_line("normal", "mine.py:Normal", profile_of(fk.Target("VIX")))
    assert row["recipe"] == dict(own.recipe) and house_origin is not None
    assert main(["daily", "--challenger", "normal", "--quiet"]) == 2
    assert "LINE=FILE.py:NAME" in capsys.readouterr().err


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_file_of_semicolons_or_tabs_is_told_how_to_be_saved(tmp_path, mark):
    (tmp_path / "desk.csv").write_text(mark.join(("symbol", "origin", "horizon", "made_at", "q50")) + "\n")
    with pytest.raises(DataError, match="save it with commas"):
        file_table(tmp_path / "desk.csv")
