"The monitor at the terminal: the dead-man's question, what the record says of jobs, and the views; on both engines where it matters."

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from engines import DAYS, made, opened

from forecastkit.calendars import get_calendar
from forecastkit.cli.main import main
from forecastkit.cli.monitor import watch_of_day
from forecastkit.cli.options import writable_file
from forecastkit.core import PROBS, DataError, SettingsError, load_settings
from forecastkit.forecasts import Forecast
from forecastkit.ledger import PredictionDatabase, fetch
from forecastkit.ledger.engine import transaction
from forecastkit.ledger.schema import VIEWS
from forecastkit.ops.alerts import acknowledge_alert
from forecastkit.ops.job_runs import missed_job, recorded_job, stored_jobs, vendor_alerts
from forecastkit.ops.monitoring import decayed_lines, drift_this_week, monitor, store_drift, thin_measurements

pytest_plugins = ("engine_fixtures",)
FRIDAY = datetime(2018, 2, 2, 21, 30, tzinfo=UTC)
FOUND = pd.DataFrame(
    {"psi": [0.3, 0.1], "psi_p": [0.01, float("nan")], "ks": [0.2, 0.1], "ks_p": [0.01, 0.5], "p": [0.02, 1.0], "drifted": [True, False]},
    index=["slope", "rsi"],
)  # fmt: skip


def run(home, *arguments: str) -> int:
    try:
        return main([*arguments, "--home", str(home)])
    except SystemExit as leave:
        return int(leave.code or 0)


@pytest.fixture
def home(tmp_path, monkeypatch):
    PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db").close()
    monkeypatch.setenv("FORECASTKIT_MONITOR_SINKS", "file:alerts.jsonl")
    return tmp_path


def test_a_daily_job_that_did_not_run_is_exit_1_and_an_alert_until_it_runs(home, capsys):
    assert run(home, "monitor", "--expect", "daily") == 1
    (line,) = (home / "alerts.jsonl").read_text().splitlines()
    assert "daily did not run" in line and "critical" in line
    with recorded_job(PredictionDatabase(f"sqlite:///{home}/forecasts.db"), "daily"):
        pass
    assert run(home, "monitor", "--expect", "daily") == 0
    capsys.readouterr()
    assert run(home, "alerts", "list") == 0
    assert "no alert stands" in capsys.readouterr().out
    assert run(home, "monitor", "--expect", "breakfast") == 2


def test_where_there_is_no_record_the_sinks_are_told_directly(home, capsys):
    (home / "forecasts.db").unlink()
    assert run(home, "monitor", "--expect", "daily") == 2
    assert "daily cannot be checked" in (home / "alerts.jsonl").read_text()


def test_alerts_are_listed_and_acknowledged_from_the_terminal(home, capsys):
    assert run(home, "monitor", "--expect", "daily", "--fail") == 1
    assert run(home, "alerts", "acknowledge", "1", "--who", "Ada") == 0
    assert run(home, "alerts", "acknowledge", "1", "--who", "Ben") == 2
    capsys.readouterr()
    assert run(home, "alerts", "list", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["state"], told["acknowledged_by"], told["subject"]) == ("acknowledged", "Ada", "job:daily")


def ledger_of(width: float) -> PredictionDatabase:
    "Forecasts of a random walk that are right; the ranges of the last eighty are so many times as wide."
    nyse, rng = get_calendar("XNYS"), np.random.default_rng(4)
    days, usual = nyse.sessions_in_range("2017-02-01", "2018-05-31"), 4.5 * np.log(PROBS / (1 - PROBS)) / 1.7
    db = PredictionDatabase("sqlite://", clock=lambda: datetime(2018, 6, 1, 1, tzinfo=UTC))
    fixed = {"symbol": "VIX", "horizon": 1, "kind": "pct_change", "probs": PROBS, "last_value": 12.0, "cohort": "mid_cycle", "cohort_weight": 1.0, "feature_quality": 1.0,
             "model_version": "one", "code_version": "-", "data_fingerprint": "-"}  # fmt: skip
    moments = nyse.closes_of(list(days))
    made = [
        Forecast(**fixed, origin=day, target_session=days[i + 1], values=usual * (width if i > len(days) - 82 else 1.0), made_at=moments[i].to_pydatetime())
        for i, day in enumerate(days[:-1])
    ]  # fmt: skip
    db.store_predictions([(one, None) for one in made])
    db.record_outcomes("VIX", pd.Series(12 * np.exp(np.cumsum(rng.normal(0, 0.045, len(days)))), days))
    return db


@pytest.mark.parametrize(("width", "severities"), [(1.0, set()), (0.5, {"critical"})])
def test_only_the_rule_with_a_stated_false_alarm_rate_raises_an_alert_of_decay(width, severities):
    db = ledger_of(width)
    report = monitor(db)
    told = [one.alert for one in report.alerts if one.alert.rule == "decay"]
    assert {alert.severity for alert in told} - {"info"} == severities
    assert all("false alarm in ten years 18%" in alert.how_sure for alert in told if alert.severity == "critical")
    assert set(report.performance.loc[report.performance["decayed"], "metric"]) == ({"change"} if severities else set())
    assert len(decayed_lines(db)) == len(severities)
    assert "1 judged" in report.lines()[1] and "false alarms a year expected" in report.lines()[1]


def test_a_version_is_compared_with_the_outcomes_before_it_or_the_first_half_of_its_own(monkeypatch):
    from forecastkit.ops import model_monitor

    db, seen = ledger_of(1.0), []
    monkeypatch.setattr(model_monitor, "judge_decay", lambda rows, before, **told: seen.append((rows, before)))
    model_monitor.ModelMonitor(db).check_model_degradation("one")
    ((rows, before),) = seen
    assert len(before) == len(rows) // 2 > 0 and before.index[-1] < rows.index[-1]


@pytest.mark.parametrize(
    ("ends", "now", "missed"),
    [
        (None, FRIDAY + timedelta(hours=13), True),
        (FRIDAY, FRIDAY + timedelta(hours=13), False),
        (FRIDAY, FRIDAY + timedelta(days=2), False),  # a Sunday expects nothing
        (FRIDAY, FRIDAY + timedelta(days=3, hours=3), False),  # Monday's close is an hour ago
        (FRIDAY, FRIDAY + timedelta(days=3, hours=14), True),
    ],
)
def test_a_job_is_missed_when_no_run_ended_after_the_close_it_was_due_for(ends, now, missed):
    db = PredictionDatabase("sqlite://", clock=lambda: ends or FRIDAY)
    if ends:
        with recorded_job(db, "daily"):
            pass
    assert (missed_job(stored_jobs(db), "daily", db.calendar, now) is not None) == missed


def test_a_run_that_failed_or_was_killed_counts_as_none(url):
    db = opened(url, clock=lambda: FRIDAY)
    with pytest.raises(DataError), recorded_job(db, "daily"):
        raise DataError("https://ada:hunter2@example.org is down")
    from forecastkit.ops.job_runs import write_job

    write_job(db, "start", "daily", "", {})
    assert [one.outcome for one in stored_jobs(db)] == ["failed", "unfinished"]
    assert "hunter2" not in str(stored_jobs(db))
    assert missed_job(stored_jobs(db), "daily", db.calendar, FRIDAY + timedelta(hours=13)) is not None
    assert db.verify() == []


def test_vendors_are_an_alert_by_their_rate_and_not_by_one_failure():
    db = PredictionDatabase("sqlite://", clock=lambda: FRIDAY)
    for failed in (0, 1, 9):
        with recorded_job(db, "daily") as said:
            said["vendors"] = {
                "yahoo": {"asked": 10, "failed": failed, "late": 0},
                "cboe": {"asked": 10, "failed": failed // 9, "late": 0},
            }
    (alert,) = vendor_alerts(stored_jobs(db), FRIDAY)
    assert alert.subject == "vendor:yahoo" and "10 of 30" in alert.what


def test_drift_is_kept_shown_by_the_week_and_thinned(url):
    now = FRIDAY
    db = opened(url, clock=lambda: now)
    for day in DAYS[:30]:
        store_drift(db, FOUND, "VIX", day)
        store_drift(db, FOUND, "VIX", day)  # again: it replaces
    (row,) = drift_this_week(db).to_dict("records")
    assert (row["feature"], row["sessions"]) == ("slope", 5)
    assert [one.alert.rule for one in monitor(db).alerts] == ["drift"]
    assert thin_measurements(db, 10) == 0
    now += timedelta(days=11)
    assert thin_measurements(db, 10) == 60


def test_every_view_answers_on_both_engines_and_the_documents_names_are_there(url):
    db = opened(url, clock=lambda: FRIDAY)
    db.store_predictions([(made(i), None) for i in range(3)])
    db.record_outcomes("VIX", pd.Series(range(10, 10 + len(DAYS)), DAYS, dtype=float))
    with transaction(db.engine) as connection:
        tables = {view: fetch(connection, sa.text(f"SELECT * FROM {view}")) for view in VIEWS}  # noqa: S608
    first = tables["model_predictions_enhanced"].sort_values("prediction_date").iloc[0]
    assert first["lower_bound"] < first["prediction"] < first["upper_bound"]
    assert len(tables["model_predictions_v2"]) == 3 and "absolute_error" in tables["model_predictions_v2"]


def test_a_dead_sink_delays_no_forecast(home, monkeypatch):
    "What forecasts only writes a row: no sink is opened before the monitor runs."
    from forecastkit.ops import alert_sinks

    monkeypatch.setattr(alert_sinks, "sink_of", lambda *a, **k: pytest.fail("a sink was opened"))
    db = PredictionDatabase(f"sqlite:///{home}/forecasts.db")
    start = time.monotonic()
    with recorded_job(db, "daily"):
        monitor(db, ["daily"])
    assert time.monotonic() - start < 30


def test_a_test_message_goes_to_every_sink_whatever_the_one_before_does(home, monkeypatch, capsys):
    monkeypatch.setenv("FORECASTKIT_MONITOR_SINKS", "env:NOT_SET, file:/proc/none/a, file:alerts.jsonl")
    assert run(home, "alerts", "deliver", "--test") == 1
    said = capsys.readouterr().out
    assert said.count("not delivered") == 2 and "file:alerts.jsonl: delivered" in said
    assert "to try this sink" in (home / "alerts.jsonl").read_text()


def test_the_daily_job_keeps_the_alerts_that_the_monitor_says_after_it(tmp_path):
    "Both read the same record, so neither says that no alert stands while the other warns."
    database = PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db")
    store_drift(database, FOUND, "VIX", "2018-02-05")

    class Stored:
        settings = load_settings(overrides={"data.home": str(tmp_path)})

        def serving(self, origin):
            raise DataError("nothing to check")

    system = Stored()
    system.database = database
    told = watch_of_day(system, DAYS[0])
    assert (
        not told["ok"] and told["lines"][2:] == monitor(database).lines()[2:] and "1 alert stands" in told["lines"][2]
    )


def test_a_watch_as_json_is_one_line_of_json_a_look(home, monkeypatch, capsys):
    def stop(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", stop)
    run(home, "monitor", "--watch", "--json", "--expect", "daily")
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["ok"] is False


def test_a_job_that_failed_is_an_alert_until_it_ran_again(home, capsys):
    db = PredictionDatabase(f"sqlite:///{home}/forecasts.db")
    with pytest.raises(DataError), recorded_job(db, "daily"):
        raise DataError("no data")
    with recorded_job(db, "daily"):  # at work again: nothing is said yet
        assert not monitor(db).alarmed
    with pytest.raises(DataError), recorded_job(db, "daily"):
        raise DataError("no data")
    assert run(home, "monitor", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    (one,) = told["alerts"]
    assert told["ok"] is False and one["rule"] == "failed_job" and "no data" in one["what"]
    with recorded_job(db, "daily"):
        pass
    assert not monitor(db).alarmed


def test_what_drifted_is_named_in_one_order_and_what_was_seen_says_so():
    db = opened("sqlite://")
    store_drift(db, FOUND.assign(p=float("nan"), drifted=True).iloc[::-1], "VIX", "2018-02-05")
    report = monitor(db)
    assert all("rsi, slope" in line for line in (report.lines()[0], report.lines()[3]))
    acknowledge_alert(db, 1, "Ada")
    assert monitor(db).lines()[3].endswith("(seen by Ada)")


def test_a_page_that_cannot_be_written_is_refused_before_any_work(home):
    "Folders of the kernel say that they can be written."
    for place in ("/proc/page.html", str(home)):
        with pytest.raises(SettingsError, match="cannot be written"):
            writable_file(Path(place))
    assert not (home / "alerts.jsonl").exists()
