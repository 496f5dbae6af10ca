"""Shadow deployments: the same arm in every process, both arms or none, nothing of the challenger among what was said, and an end for harm."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist

import jsonschema
import numpy as np
import pandas as pd
import pytest

from forecastkit.cli.main import main
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import PROBS, DataError, load_settings
from forecastkit.data import synthetic_market
from forecastkit.forecasts import Forecast
from forecastkit.ledger import PredictionDatabase
from forecastkit.ops import (
    Line,
    LineTarget,
    ModelRegistry,
    OtherArm,
    arm_of,
    checked_symbols,
    create_shadow_deployment,
    evaluate_shadow_deployments,
    lines_served,
    promote,
    record_lines,
    register_line,
    served_on,
    standing,
    store_arms,
    store_drift,
    stored_deployments,
    stored_jobs,
)
from forecastkit.ops import shadow as shadow_module
from forecastkit.pipeline import AdvancedDailyPredictor

VIX = LineTarget("VIX_d1", "pct_change", 5)
NORMAL = np.array([NormalDist().inv_cdf(p) for p in PROBS])
NAMES = ("AAA", "BBB", "CCC", "DDD")


def forecast_of(calendar, origin, width: float, version: str) -> Forecast:
    return Forecast(
        symbol="VIX", origin=origin, target_session=calendar.offset(origin, 5), horizon=5, kind="pct_change", probs=PROBS,
        values=width * NORMAL, last_value=20.0, model_version=version, code_version="0", data_fingerprint="d",
        cohort="mid_cycle", cohort_weight=1.0, feature_quality=1.0, made_at=datetime(2018, 12, 28, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture
def database(tmp_path: Path):
    made = PredictionDatabase(f"sqlite:///{tmp_path}/f.db", clock=lambda: datetime(2018, 12, 28, 23, tzinfo=UTC))
    yield made
    made.close()


def counts(database) -> list[int]:
    "How many forecasts and how many pairs are stored."
    with database.engine.connect() as connection:
        forecasts = connection.exec_driver_sql("SELECT count(*) FROM predictions").scalar()
        return [
            forecasts,
            connection.exec_driver_sql("SELECT count(*) FROM shadow_events WHERE event = 'pair'").scalar(),
        ]


def run(*words: str) -> int:
    try:
        return main([*words]) or 0
    except SystemExit as ended:
        return int(ended.code or 0)


def begin(database, traffic: float = 0.0, sessions: int = 400, name: str = "deep") -> object:
    number = create_shadow_deployment(
        database, VIX, Line(name, {"model.rounds": 200}), traffic, sessions, bound=3.0, first="2016-01-04"
    )
    return next(one for one in stored_deployments(database) if one.deployment_id == number)


def pairs_of(database, one, days, widths=(5.0, 5.0)):
    served, others = [], []
    for day in days:
        ours, theirs = (forecast_of(database.calendar, day, w, v) for w, v in zip(widths, ("champion", "challenger")))
        arm = one.arm("VIX", day)
        first, second = (ours, theirs) if arm == "champion" else (theirs, ours)
        served.append((first, None))
        others.append(OtherArm(one, second, arm, first.prediction_id))
    return served, others


def test_the_split_is_the_same_in_another_process_and_within_binomial_error() -> None:
    days = [str(day.date()) for day in pd.bdate_range("2000-01-03", periods=4000)]
    here = [arm_of(3, "VIX", day, 20.0) for day in days]
    code = "import json,sys;from forecastkit.ops import arm_of;print(json.dumps([arm_of(3,'VIX',d,20.0) for d in json.load(sys.stdin)]))"
    for seed in ("77",):  # of the hashes of another process
        said = subprocess.run(
            [sys.executable, "-c", code], input=json.dumps(days), capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert json.loads(said.stdout) == here
    share = np.mean([arm == "challenger" for arm in here])
    assert abs(share - 0.2) < 3 * np.sqrt(0.2 * 0.8 / len(days))
    assert here != [arm_of(4, "VIX", day, 20.0) for day in days]  # another test splits otherwise


def test_the_other_arm_is_kept_and_is_none_of_what_was_said(database) -> None:
    one = begin(database, traffic=40.0)
    days = database.calendar.sessions_in_range("2016-01-04", "2016-03-31")
    served, others = pairs_of(database, one, days)
    assert store_arms(database, served, others) == len(days)
    said = database.get_predictions("VIX", every_version=True)
    assert len(said) == len(days)
    expected = ["challenger" if one.arm("VIX", day) == "challenger" else "champion" for day in days]
    assert said["model_version"].tolist() == expected and {"champion", "challenger"} == set(expected)
    with database.engine.connect() as connection:
        rows = pd.read_sql("SELECT arm, said FROM shadow_events WHERE event = 'pair' ORDER BY seq", connection)
    kept = [Forecast.from_json(text).model_version for text in rows["said"]]
    assert all(a != b for a, b in zip(kept, expected)) and rows["arm"].tolist() == expected
    assert database.verify() == []


def test_every_door_names_the_line_that_made_a_forecast_of_the_other_arm(database, tmp_path) -> None:
    one = begin(database, traffic=40.0)
    days = database.calendar.sessions_in_range("2016-01-04", "2016-02-12")
    store_arms(database, *pairs_of(database, one, days[:-1]))
    record_lines(database, ["challenger"], "deep")
    database.store_predictions(
        [(forecast_of(database.calendar, days[-1], 5.0, "challenger"), None)]
    )  # the other arm failed
    expected = ["deep" if one.arm("VIX", day) == "challenger" else "house-pool" for day in days[:-1]] + ["deep"]
    told = served_on(ModelRegistry(tmp_path / "models", database), days)
    assert told["line"].tolist() == expected and {"deep", "house-pool"} == set(expected)
    assert set(told.loc[told["line"] == "deep", "promotion"]) == {0}
    assert lines_served(database, told["prediction_id"]).tolist() == expected


def test_what_was_neither_trained_nor_promoted_has_not_served_and_days_to_come_are_refused(database, tmp_path) -> None:
    register_line(
        database,
        LineTarget("ZZZ_d1", "pct_change", 5),
        Line("deep", {"model.rounds": 3}),
        stage="candidate",
        who="Ada",
        why="a try",
    )
    registry = ModelRegistry(tmp_path / "models", database)
    assert len(served_on(registry, "2018-12-28")) == 0
    with pytest.raises(
        DataError, match="2019-06-03 has not come yet: the last session that can be asked for is 2018-12-28"
    ):
        served_on(registry, "2019-06-03")


def test_a_kill_at_any_step_leaves_both_arms_or_none(database, monkeypatch) -> None:
    one = begin(database)
    days = database.calendar.sessions_in_range("2016-01-04", "2016-01-29")
    whole = shadow_module.write_pairs

    class Killed(BaseException):
        pass

    for k, day in enumerate(days):
        served, others = pairs_of(database, one, [day])

        def before(*a, **b):
            raise Killed

        def after(connection, rows, now):
            whole(connection, rows, now)
            raise Killed

        monkeypatch.setattr(shadow_module, "write_pairs", before if k % 2 else after)
        with pytest.raises(Killed):
            store_arms(database, served, others)
        assert counts(database) == [k, k]
        monkeypatch.setattr(shadow_module, "write_pairs", whole)
        assert store_arms(database, served, others) == 1
    assert database.verify() == []


def settle(database, one, days, widths, outcome_width: float) -> None:
    served, others = pairs_of(database, one, days, widths)
    store_arms(database, served, others)
    sessions = database.calendar.sessions_in_range(days[0], database.calendar.offset(days[-1], 5))
    moves = np.random.default_rng(5).standard_normal(len(sessions)) * outcome_width / 100 / np.sqrt(5)
    closes = pd.Series(20 * np.exp(np.cumsum(moves)), sessions)
    database.record_outcomes("VIX", closes)


def test_a_better_challenger_is_found_and_its_evidence_promotes_it(database, tmp_path) -> None:
    one = begin(database)
    settle(database, one, database.calendar.sessions_in_range("2016-01-04", "2017-02-28"), (3.0, 8.0), 8.0)
    (reading,) = evaluate_shadow_deployments(database)
    assert reading.test.verdict == "better" and not reading.deployment.active
    assert evaluate_shadow_deployments(database) == []
    assert stored_deployments(database)[0].verdict["evidence"]["trials"] == 1
    registry = ModelRegistry(tmp_path / "models", database)
    promote(registry, VIX, "deep", who="Ada", why="shadow deployment 1", evidence=reading.evidence)
    assert standing(database, VIX).champion.line.name == "deep"


def test_a_harmful_challenger_is_stopped_and_an_equal_one_runs_to_its_end(database) -> None:
    one = begin(database, sessions=300)
    days = database.calendar.sessions_in_range("2016-01-04", "2017-06-30")
    settle(database, one, days[:200], (8.0, 30.0), 8.0)
    (reading,) = evaluate_shadow_deployments(database)
    assert "harm" in reading.deployment.stopped_because
    second = create_shadow_deployment(database, VIX, Line("other", {"model.seed": 3}), 0.0, 20, bound=3.0)
    other = next(d for d in stored_deployments(database) if d.deployment_id == second)
    settle(database, other, days[200:240], (8.0, 8.01), 8.0)
    (reading,) = evaluate_shadow_deployments(database)
    assert (reading.test.verdict, reading.test.pairs, reading.trials) == ("undecided", 20, 2)
    assert "sessions are over" in reading.deployment.stopped_because


def test_seven_sessions_decide_nothing_and_the_terms_say_so(database) -> None:
    one = begin(database, sessions=7)
    assert "will decide nothing" in one.terms.announcement(5)
    assert "seven sessions decide nothing" in replace(one.terms, sessions=5000).announcement(5)
    settle(database, one, database.calendar.sessions_in_range("2016-01-04", "2016-01-12"), (0.5, 8.0), 8.0)
    (reading,) = evaluate_shadow_deployments(database)
    assert reading.test.verdict == "undecided"


def test_what_makes_no_sense_is_refused(database) -> None:
    one = begin(database, traffic=10.0)
    for wrong, words in (
        (lambda: begin(database), "runs already"),
        (lambda: begin(database, name="third"), "runs already"),  # beside an A/B test nothing else
        (
            lambda: create_shadow_deployment(database, VIX, Line("x", {"model.seed": 1}), 120.0, 9, bound=1.0),
            "within 0 and 100",
        ),
        (
            lambda: create_shadow_deployment(database, VIX, Line("x", {"model.seed": 1}), 0.0, 0, bound=1.0),
            "whole number",
        ),
        (lambda: create_shadow_deployment(database, VIX, "house-pool", bound=1.0), "is champion"),
    ):
        with pytest.raises(DataError, match=words):
            wrong()
    assert one.active
    assert not {"third", "x"} & set(standing(database, VIX).stages), "a refusal leaves no line behind"


def test_a_changed_pair_is_found(database) -> None:
    one = begin(database)
    store_arms(database, *pairs_of(database, one, database.calendar.sessions_in_range("2016-01-04", "2016-01-08")))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER shadow_events_no_update")
        connection.exec_driver_sql("UPDATE shadow_events SET said = replace(said, '20', '21') WHERE seq = 3")
    assert any(problem.table == "shadow_events" for problem in database.verify())


@pytest.fixture(scope="module")
def predicted(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    given = {
        "data.home": str(home),
        "model.rounds": 5,
        "model.refit_every": 126,
        "run.n_jobs": 1,
        "run.progress": False,
    }
    market = synthetic_market(seed=3, sessions=640, start="2014-01-02", stocks=NAMES).market
    predictor = AdvancedDailyPredictor([*NAMES, "GONE"], load_settings(environ={}, overrides=given), market)
    predictor.create_shadow_deployment(
        Line("few", {"model.rounds": 3}), 50.0, 250, bound=1.0, first=market.last_session()
    )
    yield predictor
    predictor.database.close()


def test_a_batch_goes_on_past_a_symbol_that_fails_and_a_kill_between_batches_loses_nothing(predicted) -> None:
    class Killed(BaseException):
        pass

    def kill(_) -> None:
        raise Killed

    with pytest.raises(Killed):
        predicted.predict_daily(True, False, 2, on_stored=kill)
    assert counts(predicted.database) == [2, 2]
    evening = predicted.predict_daily(True, False, 2)
    assert (evening.stored, len(evening), list(evening.skipped), len(evening.batches)) == (2, 4, ["GONE"], 3)
    assert evening.success_rate == 0.8 and predicted.database.verify() == []
    failed, done = stored_jobs(predicted.database, "predict_daily")
    assert (failed.outcome, done.outcome) == ("failed", "done")
    assert {"throughput", "success_rate", "seconds", "batches"} <= done.detail.keys() and done.detail["pairs"] == 4


def test_the_drift_of_an_evening_is_checked_once_where_it_is_not_on_record(predicted, monkeypatch) -> None:
    evening = predicted.predict_daily(enable_drift_detection=False)
    session = next(iter(evening.values())).origin
    with predicted.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM real_time_drift_detections")
    looks = []

    def look(system, day):
        looks.append(day)
        found = pd.DataFrame(
            {
                "window_rows": [63],
                "psi": [0.1],
                "psi_p": [0.5],
                "ks": [0.1],
                "ks_p": [0.5],
                "effect": [0.1],
                "family_wise_p": [0.5],
                "drifted": [False],
            },
            index=["range"],
        )
        store_drift(system.database, found, "AAA", day, "v", "features", {"range": "volatility"}, 63)
        return ["drift is not checked of 1 symbols"]

    monkeypatch.setattr("forecastkit.pipeline.daily_predictor.watch_universe", look)
    assert predicted.predict_daily(enable_drift_detection=False).drift_notes == [] and not looks
    assert predicted.predict_daily().drift_notes == ["drift is not checked of 1 symbols"]
    assert checked_symbols(predicted.database, session) == {"AAA"}
    assert predicted.predict_daily().drift_notes == [] and looks == [session]


def test_the_arms_of_symbols_are_served_as_the_hash_says(predicted) -> None:
    evening = predicted.predict_daily(enable_drift_detection=False)
    one = stored_deployments(predicted.database)[0]
    panel = predicted.challengers(next(iter(evening.values())).origin)[0][0].panel
    for symbol, forecast in evening.items():
        theirs = forecast.model_version in panel.names.values()
        assert theirs == (one.arm(symbol, forecast.origin) == "challenger")


def test_a_challenger_that_cannot_be_prepared_stops_no_evening(predicted, monkeypatch) -> None:
    def unprepared(*given) -> None:
        raise DataError("too few rows to fit the line")

    monkeypatch.setattr(predicted, "_panel_of", unprepared)
    evening = predicted.predict_daily(enable_drift_detection=False)
    assert len(evening) == 4 and evening.batches[0].pairs == 0
    [note] = evening.shadow_notes
    assert "few, has no pairs on" in note and "too few rows to fit the line" in note
    assert stored_jobs(predicted.database, "predict_daily")[-1].detail["not_asked"] == [note]


def test_the_terminal_tells_the_same_and_writes_the_page(tmp_path, capsys) -> None:
    home = str(tmp_path / "home")
    settings = load_settings(environ={}, overrides={"data.home": home})
    PredictionDatabase(settings.database_url()).close()
    base = ["--home", home, "--json"]
    unknown = ["deep", "--set", "model.rounds=200", "--why", "a try", "--home", home]
    for words in (
        ["shadow", "begin", "ZZZ_d1", *unknown],
        ["models", "promote", "ZZZ_d1", *unknown, "--stage", "candidate"],
    ):
        assert run(*words) == 2
        assert "ZZZ is in none of the sources (sample)" in capsys.readouterr().err
    assert run("models", "serve-on", "2099-01-05", "--home", home) == 2
    assert "has not come yet: the last session that can be asked for" in capsys.readouterr().err
    made = ["shadow", "begin", "VIX_d1", "deep", "--set", "model.rounds=200", "--why", "a try", "--bound", "3", *base]
    assert run(*made) == 0
    (row,) = said = json.loads(capsys.readouterr().out)
    jsonschema.validate(said, SCHEMAS["shadow begin"])
    assert row["active"] and "a decision takes about" in row["takes"]
    page = tmp_path / "shadow.html"
    assert run("shadow", "evaluate", "--page", str(page), *base) == 0
    said = json.loads(capsys.readouterr().out)
    jsonschema.validate(said, SCHEMAS["shadow evaluate"])
    assert (
        said[0]["verdict"] == "undecided"
        and "a decision takes about" in page.read_text()
        and "decide nothing" in page.read_text()
    )
    assert run("shadow", "stop", "1", "--why", "over", *base) == 0
    capsys.readouterr()
    assert run("shadow", "stop", "1", "--why", "over", *base) == 2
