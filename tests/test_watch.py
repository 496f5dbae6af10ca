"The watch of a day: drift and performance stored after the forecast, the monitoring page, and no secret in any of them."

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from engines import DAYS, made, opened

from forecastkit.cli.main import main
from forecastkit.core import DataError, Target, load_settings
from forecastkit.ledger import DRIFT, SNAPSHOTS, PredictionDatabase, fetch, with_retry
from forecastkit.ops import (
    Alert,
    judge_targets,
    keep_alerts,
    latest_performance,
    measured_performance,
    monitor,
    outcome_measures,
    read_monitor,
    recent_forecasts,
    rolling_performance,
    store_performance,
    stored_alerts,
)
from forecastkit.ops.job_runs import recorded_job
from forecastkit.pipeline import DriftWindows, check_day, watch_day
from forecastkit.pipeline.drift_check import null_path, sectors_of_home
from forecastkit.reports import gather_monitoring, watch_section
from forecastkit.reports.html import STYLE
from forecastkit.reports.monitoring_page import alerts_section, drift_section, jobs_section, performance_section

pytest_plugins = ("engine_fixtures",)
WINDOWS = DriftWindows(draws=200)
SECRETS = ("T0PSECRETTOKEN", "B0PSECRETHOOK", "K3YOFTHEFRED")


def prepared_of(home, moved: bool = False) -> SimpleNamespace:
    "What `check_day` reads of a `Prepared`: five features of 700 sessions and a version trained at the 600th."
    days = pd.bdate_range("2015-01-02", periods=700, name="session")
    numbers = pd.DataFrame(np.random.default_rng(4).standard_normal((700, 5)), days, [f"f{i}" for i in range(5)])
    if moved:
        numbers.iloc[-50:, 1] = 4 * numbers.iloc[-50:, 1] + 2
        numbers.iloc[-63:, 3] = 0.0
    declared = [SimpleNamespace(name=name, family="spread", unit="share") for name in numbers]
    grid = pd.DatetimeIndex([days[600]])
    return SimpleNamespace(
        target=Target("VIX", "pct_change", 5), grid=grid, at=lambda origin: 0, names={days[600]: "one"}, numbers=numbers,
        profile=SimpleNamespace(declarations=declared), settings=SimpleNamespace(home=load_settings(overrides={"data.home": str(home)}).home),
    )  # fmt: skip


def drift_rows(database) -> list[tuple]:
    query = sa.select(DRIFT.c.series, DRIFT.c.feature, DRIFT.c.drifted, DRIFT.c.family_wise_p).order_by(
        DRIFT.c.series, DRIFT.c.feature
    )
    return with_retry(database.engine, lambda connection: [tuple(row) for row in connection.execute(query)])


def test_a_day_is_checked_twice_and_stored_once_on_both_engines(url, tmp_path):
    database, prepared = opened(url), prepared_of(tmp_path, moved=True)
    last = prepared.numbers.index[-1]
    found = check_day(prepared, last, database, WINDOWS)
    first = drift_rows(database)
    assert "f1" in found.drifted and ("feeds", "f3", True, None) in first
    assert found.skipped and found.skipped[0].startswith("forecasts: ")  # none is stored yet
    assert check_day(prepared, last, database, WINDOWS) == found and drift_rows(database) == first
    report = read_monitor(database)
    assert report.checked == len(first) and {"f1", "f3"} <= set(report.drifted["feature"])
    assert "f1" in drift_section(gather_monitoring(database))


def test_a_fault_that_was_mended_is_gone_when_the_day_is_checked_again(tmp_path):
    database = PredictionDatabase("sqlite://")
    last = prepared_of(tmp_path).numbers.index[-1]
    assert "f3" in check_day(prepared_of(tmp_path, moved=True), last, database, WINDOWS).drifted
    assert check_day(prepared_of(tmp_path), last, database, WINDOWS).drifted == ()
    assert not [row for row in drift_rows(database) if row[0] == "feeds"]


def test_the_null_of_a_version_is_simulated_once_and_again_where_its_file_is_damaged(tmp_path, monkeypatch):
    from forecastkit.pipeline import drift_check

    calls = []
    fit = drift_check.fit_drift_null
    monkeypatch.setattr(drift_check, "fit_drift_null", lambda *given: calls.append(1) or fit(*given))
    database, prepared = PredictionDatabase("sqlite://"), prepared_of(tmp_path)
    days = prepared.numbers.index
    for day in days[-3:]:
        check_day(prepared, day, database, WINDOWS)
    assert len(calls) == 1
    path = null_path(prepared, prepared.grid[0], "features")
    path.write_bytes(path.read_bytes()[:-40])
    check_day(prepared, days[-1], database, WINDOWS)
    assert len(calls) == 2 and [one.name for one in path.parent.iterdir()] == ["one.npz"]


@pytest.mark.no_cover
def test_symbols_of_a_universe_that_never_drifted_are_quiet_together():
    "Each alone would cry on one day in twenty; of twenty symbols one would on most days."
    from forecastkit.pipeline.drift_check import check_columns
    from forecastkit.pipeline.universe_drift import joined_rows

    rng, days = np.random.default_rng(8), pd.bdate_range("2015-01-02", periods=500, name="session")
    frames = {f"S{i}": pd.DataFrame(rng.standard_normal((500, 3)), days, list("abc")) for i in range(20)}
    frames["S7"].iloc[-50:, 0] += 2
    reports = {name: check_columns(frame, days[420], None, WINDOWS) for name, frame in frames.items()}
    found = joined_rows(reports)
    assert {name: list(one.index[one["drifted"]]) for name, one in found.items() if one["drifted"].any()} == {
        "S7": ["a"]
    }
    assert (
        min(one["p"].min() for one in found.values()) < 0.01
    )  # a null of 200 draws alone could not say that of twenty


def test_no_window_of_now_overlaps_the_reference_of_its_version(tmp_path):
    prepared = prepared_of(tmp_path)
    from forecastkit.pipeline.drift_check import drift_reference

    trained = prepared.grid[0]
    oldest_of_now = prepared.numbers.loc[:trained].tail(63).index[0]  # on the day of training
    assert drift_reference(prepared.numbers, trained).index[-1] < oldest_of_now


def test_a_watch_that_fails_is_a_line_and_fails_no_job(tmp_path):
    class Broken:
        settings = load_settings(overrides={"data.home": str(tmp_path)})
        home = settings.home

        def serving(self, origin):
            raise RuntimeError("no space left on the disk")

    (line,) = watch_day(Broken(), DAYS[0])
    assert "no space left on the disk" in line and "was not kept" in line


def test_performance_is_stored_by_symbol_sector_and_state_and_read_back_on_both_engines(url):
    database = opened(url)
    database.store_predictions([(made(i), None) for i in range(100)])
    database.record_outcomes("VIX", pd.Series(15 * np.exp(np.random.default_rng(1).normal(0, 0.05, len(DAYS))), DAYS))
    states = {day: "calm" if number % 3 else "wild" for number, day in enumerate(DAYS)}
    rows = recent_forecasts(database)
    measured = measured_performance(rows, judge_targets(rows), {"VIX": "indices"}, states)
    assert set(measured["scope"]) == {"symbol", "sector", "state"}
    assert {"calm", "wild"} <= set(measured["symbol"])
    store_performance(database, measured)
    store_performance(database, measured)
    kept = latest_performance(database)
    assert len(kept) == len(measured) == len(with_retry(database.engine, lambda c: fetch(c, sa.select(SNAPSHOTS))))
    pd.testing.assert_frame_equal(kept, measured, check_dtype=False)
    assert {"hit_rate", "coverage", "calibration_error", "crps_skill", "pinball_skill"} <= set(measured["metric"])
    assert not measured.loc[measured["scope"] != "symbol", "decayed"].any()
    assert "By market state" in performance_section(gather_monitoring(database))


def test_recent_forecasts_of_one_symbol_are_read_without_those_of_others():
    database = PredictionDatabase("sqlite://")
    database.store_predictions(
        [(one, None) for i in range(40) for one in (made(i), replace(made(i), symbol="SPX", regime_bounds=()))]
    )
    asked = []
    sa.event.listen(
        database.engine, "before_cursor_execute", lambda c, cursor, words, given, *rest: asked.append(str(given))
    )
    assert set(recent_forecasts(database, symbol="VIX")["symbol"]) == {"VIX"} and len(recent_forecasts(database)) == 80
    assert sum("VIX" in given for given in asked) == 1


def test_skill_has_no_baseline_before_sixty_outcomes_were_known():
    database = PredictionDatabase("sqlite://")
    database.store_predictions([(made(i), None) for i in range(60)])
    database.record_outcomes("VIX", pd.Series(15.0, DAYS))
    assert "crps_skill" not in set(rolling_performance(database.get_predictions())["metric"])


def test_the_loss_in_the_tails_is_the_mean_of_both_quantiles():
    forecast = json.dumps({"probs": [0.05, 0.5, 0.95], "values": [-1.0, 0.0, 2.0]})
    rows = pd.DataFrame({
        "symbol": "VIX", "kind": "pct_change", "horizon": 1, "origin": DAYS[:2], "target_session": DAYS[1:3],
        "outcome": [3.0, 0.0], "pit": [0.97, 0.5], "crps": [1.0, 0.1], "forecast": forecast,
    })  # fmt: skip
    above_both, between = (0.05 * 4 + 0.95 * 1) / 2, (0.05 * 1 + 0.05 * 2) / 2
    assert outcome_measures(rows)["tails"].tolist() == pytest.approx([above_both, between])


def test_the_daily_page_has_three_lines_and_one_more_for_each_alert(tmp_path):
    database = PredictionDatabase("sqlite://")
    monitor(database)
    assert watch_section(database).count("<p") == 3
    keep_alerts(
        database,
        ["vendor"],
        [Alert("vendor", "vendor:yahoo", "warning", "9 of 20 failed", "today", "a count", "Wait.")],
    )
    assert watch_section(database).count("<p") == 4


def test_what_others_wrote_is_escaped(tmp_path):
    database, evil = PredictionDatabase("sqlite://"), "<script>alert(1)</script>"
    keep_alerts(database, ["vendor"], [Alert("vendor", evil, "critical", evil, evil, evil, evil)])
    check_day(prepared_of(tmp_path), prepared_of(tmp_path).numbers.index[-1], database, WINDOWS)
    with database.engine.begin() as connection:
        connection.execute(
            sa.update(DRIFT).values(
                feature=sa.literal(evil) + sa.cast(DRIFT.c.seq, sa.String), family=evil, drifted=True
            )
        )
    page = gather_monitoring(database)
    shown = alerts_section(page) + drift_section(page) + jobs_section(page) + watch_section(database)
    assert "<script" not in shown and "&lt;script" in shown


def test_sectors_come_from_the_universes_of_the_home(tmp_path):
    (tmp_path / "a.json").write_text('{"sectors": {"AAA": "Tech"}, "symbols": ["AAA"]}')
    assert sectors_of_home(tmp_path) == {"AAA": "Tech"} and sectors_of_home(tmp_path / "none") == {}


def test_the_page_stands_alone_and_holds_no_secret(tmp_path, monkeypatch, capsys):
    "Planted: the address of a webhook with its token, a key of a vendor, and both in the words of an alert."
    token, hook, key = SECRETS
    address = f"json://user:{token}@127.0.0.1:9/{hook}"
    monkeypatch.setenv("ALERTS_HOOK", address)
    monkeypatch.setenv("FORECASTKIT_LIVE_FRED_KEY", key.lower() + "0" * 20)
    monkeypatch.setenv("FORECASTKIT_MONITOR_SINKS", "env:ALERTS_HOOK, file:alerts.jsonl")
    monkeypatch.setenv("FORECASTKIT_MONITOR_SECONDS", "3")
    database = PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db")
    database.store_predictions([(made(i), None) for i in range(90)])
    database.record_outcomes("VIX", pd.Series(15 * np.exp(np.random.default_rng(1).normal(0, 0.05, len(DAYS))), DAYS))
    check_day(prepared_of(tmp_path, moved=True), prepared_of(tmp_path).numbers.index[-1], database, WINDOWS)
    database.close()
    page = tmp_path / "monitoring.html"
    with pytest.raises(SystemExit) as left:
        main(["monitor", "--home", str(tmp_path), "--html", str(page), "--quiet"])
    assert left.value.code in (0, None)
    said = capsys.readouterr()
    html = page.read_text()
    assert len(html) < 1_000_000 and "Content-Security-Policy" in html
    assert (
        not re.search(r'(src|href)="(?!data:|#)', html)
        and 'alt=""' not in html
        and len(re.findall(r'<img alt="\w|<svg aria-label="\w', html)) >= 3
    )
    assert [one.alert.rule for one in stored_alerts(PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db"))] == [
        "drift"
    ]
    files = [one for one in tmp_path.rglob("*") if one.is_file()]
    everything = said.out + said.err + "".join(one.read_bytes().decode("latin-1") for one in files)
    found = [secret for secret in SECRETS if secret in everything or secret.lower() in everything]
    assert not found, f"{found} in one of {[one.name for one in files]}"


def test_the_reason_of_a_failed_job_is_whole_and_its_column_wraps():
    database, why = (
        PredictionDatabase("sqlite://"),
        "the folder of bars has no series of " + ", ".join(f"S{k}" for k in range(40)),
    )
    with pytest.raises(DataError), recorded_job(database, "daily"):
        raise DataError(why)
    shown = jobs_section(gather_monitoring(database))
    assert (
        "S39" in shown and 'class="wrapped"' in shown and ".wrapped table.fk td:last-child{white-space:normal" in STYLE
    )
