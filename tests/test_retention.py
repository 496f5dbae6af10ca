"Retention: lines retire and serve only by rules set beforehand, folders go only where nothing on record needs them, whole or not at all."

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pandas as pd
import pytest
from engines import DAYS, made, opened
from test_stored_horizons import record_of

from forecastkit import reports
from forecastkit.cli.main import main, run_daily
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import PROBS, DataError, Target, load_settings
from forecastkit.ledger import PredictionDatabase, audit_ledger, store_horizons
from forecastkit.ops import (
    Line,
    LineTarget,
    ModelRegistry,
    apply_line_rules,
    begin_runs,
    begin_trial,
    champion,
    line_decay,
    lines_to_retire,
    pin,
    promote,
    promote_by_rule,
    prune_models,
    register_line,
    retention,
    retire,
    retire_stale_lines,
    rollback,
    stale_lines,
    standing,
    stored_promotions,
)
from forecastkit.ops.retention import PruneReport
from forecastkit.ops.training_runs import end_run

pytest_plugins = ("engine_fixtures",)
TARGET = LineTarget("VIX_d1", "pct_change")
ADA = {"who": "Ada", "why": "a try"}
NOW = datetime(2018, 2, 5, 22, 0, tzinfo=UTC)
EVIDENCE = {"e_value": 90.0, "trials": 4, "since": "2018-02-06"}


class Clock:
    "A clock that stands, and is put forward by hand; it goes on by a microsecond at every look."

    def __init__(self) -> None:
        self.moment = NOW

    def __call__(self) -> datetime:
        self.moment += timedelta(microseconds=1)
        return self.moment


CLOCK = Clock()


@pytest.fixture(autouse=True)
def clock() -> None:
    CLOCK.moment = NOW


class Killed(BaseException):
    "The end of a process; nothing in the program catches it."


class Plain:
    "A model of one file of four bytes."

    def save(self, folder: Path) -> None:
        (folder / "one.json").write_text("[11]")


def settings_of(**models: float):
    return load_settings(overrides={f"models.{name}": value for name, value in models.items()}, environ={})


def registry_of(tmp_path: Path, url: str, *versions: str, symbol: str = "VIX") -> ModelRegistry:
    "Versions of one target, oldest first, that were stored long ago."
    registry = ModelRegistry(
        tmp_path / "home" / "models", opened(url, clock=CLOCK), loader=lambda folder, sums: "loaded"
    )
    for day, version in zip(DAYS, versions, strict=False):
        os.utime(registry.save(version, Plain(), target=Target(symbol), origin=day), (0, 0))
    return registry


def folders(registry: ModelRegistry) -> list[str]:
    return sorted(path.name for path in registry.folder.iterdir())


# ---------------------------------------------------------------- folders of models


def test_what_is_needed_stays_and_everything_else_goes_on_both_engines(url, tmp_path):
    registry = registry_of(tmp_path, url, "told", "a", "spare1", "pinned", "trained", "directed", "spare2", "newest")
    db = registry.database
    db.store_prediction(made(30, "told"))
    store_horizons(db, record_of())  # of the versions a, b and c
    pin(registry, TARGET, "pinned", **ADA)
    rollback(registry, TARGET, **ADA)
    (run,) = begin_runs(db, [Target("VIX")], "house-pool")
    end_run(db, run.run, "completed", version="trained", direction_version="directed")
    os.utime(registry.save("fresh", Plain(), target=Target("SPY"), origin=DAYS[0]))
    os.utime(registry.save("fresher", Plain(), target=Target("SPY"), origin=DAYS[1]))
    (registry.folder / "unknown").mkdir()
    before = folders(registry)
    would = prune_models(registry, dry_run=True)
    assert folders(registry) == before and would.dry_run
    report = prune_models(registry)
    assert (set(report.removed), report.freed, report.kept) == ({"spare1", "spare2"}, 8, would.kept)
    assert folders(registry) == sorted({*before} - {"spare1", "spare2"})
    assert {version: why.split()[-2:] for version, why in report.kept.items()} == {
        "told": ["names", "it"], "a": ["names", "it"], "pinned": ["was", "pinned"], "trained": ["in", "service"],
        "directed": ["in", "service"], "newest": ["its", "target"], "fresher": ["its", "target"], "fresh": ["use", "it"],
    }  # fmt: skip
    assert prune_models(registry).removed == () and audit_ledger(db).ok


def test_a_version_of_a_retired_line_goes(tmp_path):
    registry = registry_of(tmp_path, "sqlite://", "deep", "newest")
    (run,) = begin_runs(registry.database, [Target("VIX")], "deep-line")
    end_run(registry.database, run.run, "completed", version="deep")
    register_line(registry.database, TARGET, Line("deep-line"), **ADA)
    assert prune_models(registry).removed == ()
    retire(registry.database, TARGET, "deep-line", **ADA)
    assert prune_models(registry).removed == ("deep",)


def test_models_of_directions_stay_while_a_forecast_follows_them(tmp_path, monkeypatch):
    registry = registry_of(tmp_path, "sqlite://", "early", "late", "newest")
    registry.database.store_prediction(made(0, "elsewhere"))
    monkeypatch.setattr("forecastkit.ops.ensemble_loader.KIND_FILES", {"combiner": "one.json"})
    assert prune_models(registry).removed == ("late",)  # of the session after the last forecast
    assert folders(registry) == ["early", "newest"]


@pytest.mark.parametrize("keep", [1, 2, 9])
def test_so_many_of_the_newest_stay_as_asked(tmp_path, keep):
    registry = registry_of(tmp_path, "sqlite://", "one", "two", "three")
    prune_models(registry, keep)
    assert folders(registry) == sorted(["one", "two", "three"][-keep:])
    with pytest.raises(DataError, match="at least the newest"):
        prune_models(registry, 0)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_kill_at_any_folder_leaves_it_whole_or_unread_and_the_next_run_ends_the_work(tmp_path, monkeypatch, step):
    registry = registry_of(tmp_path, "sqlite://", "told", "one", "two", "newest")
    registry.database.store_prediction(made(30, "told"))
    removed = list[Path]()

    def kill(path: Path, ignore_errors: bool) -> None:
        if len(removed) == step:
            raise Killed
        removed.append(path)
        real(path, ignore_errors=ignore_errors)

    real = retention.shutil.rmtree
    with monkeypatch.context() as patched:
        patched.setattr(retention.shutil, "rmtree", kill)
        if step < 2:
            with pytest.raises(Killed):
                prune_models(registry)
        else:
            prune_models(registry)
    left = [name for name in folders(registry) if name.startswith(".removing-")]
    assert len(left) == 2 - step and [name for name in folders(registry) if name[0] != "."] == ["newest", "told"]
    assert not registry.has("one") and registry.load("told") == registry.load("newest") == "loaded"
    registry.save("one", Plain(), target=Target("VIX"), origin=DAYS[1])  # trained again, beside what the kill left
    assert prune_models(registry).removed == ()
    assert folders(registry) == ["newest", "one", "told"] and registry.load("one") == "loaded"


def test_a_kill_between_two_renames_takes_nothing_that_is_needed(tmp_path, monkeypatch):
    registry = registry_of(tmp_path, "sqlite://", "told", "one", "two", "newest")
    registry.database.store_prediction(made(30, "told"))
    real, renamed = Path.rename, list[Path]()

    def kill(path: Path, target: Path) -> Path:
        if renamed:
            raise Killed
        renamed.append(path)
        return real(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", kill)
        with pytest.raises(Killed):
            prune_models(registry)
    assert [name for name in folders(registry) if name[0] != "."] == ["newest", "one", "told"]
    assert prune_models(registry).removed == ("one",) and folders(registry) == ["newest", "told"]


def test_no_forecast_is_stored_between_the_look_and_the_new_name(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/forecasts.db"
    registry = registry_of(tmp_path, url, "one", "newest")
    states, real = list[bool](), retention.kept_versions
    other = PredictionDatabase(url, clock=CLOCK)
    thread = threading.Thread(target=lambda: other.store_prediction(made(30, "one")))

    def look(*arguments):
        found = real(*arguments)
        thread.start()
        thread.join(0.3)
        states.append(thread.is_alive() and registry.folder.joinpath("one").is_dir())
        return found

    monkeypatch.setattr(retention, "kept_versions", look)
    assert prune_models(registry).removed == ("one",)
    thread.join()
    other.close()
    assert states == [True]  # it waited until the folder was gone: its version is then trained again, never half there


def test_a_folder_that_cannot_be_moved_stays_and_is_named(tmp_path, monkeypatch):
    registry = registry_of(tmp_path, "sqlite://", "one", "newest")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", lambda path, target: (_ for _ in ()).throw(PermissionError(13, "in use")))
        report = prune_models(registry)
    assert (report.removed, report.freed, report.kept["one"]) == ((), 0, "it cannot be moved (in use)")
    assert registry.load("one") == "loaded"


# ---------------------------------------------------------------- lines that retire


def forward(**time: float) -> None:
    CLOCK.moment += timedelta(**time)


def test_lines_retire_by_the_rule_that_is_set_and_never_without_one(url, tmp_path):
    registry = registry_of(tmp_path, url)
    db = registry.database
    for name in ("used", "unused", "late"):
        register_line(db, TARGET, Line(name), **ADA)
    promote(registry, TARGET, "used", effective=DAYS[10], **ADA)
    db.store_prediction(made(11, made_at=CLOCK()))
    promote(registry, TARGET, "house-pool", **ADA)
    promote(registry, TARGET, "late", **ADA)
    forward(days=60)
    assert stale_lines(db, settings_of()) == retire_stale_lines(db, settings_of()) == []
    assert [one.line for one in stale_lines(db, settings_of(retire_unused=41))] == ["unused"]
    assert stale_lines(db, settings_of(retire_unused=44)) == []
    assert [one.line for one in stale_lines(db, settings_of(retire_age=41))] == ["used"]
    rows = retire_stale_lines(db, settings_of(retire_age=41, retire_unused=41))
    assert {row.line.name: row.evidence for row in rows} == {
        "used": {"rule": "models.retire_age is 41"}, "unused": {"rule": "models.retire_unused is 41"},
    }  # fmt: skip
    assert standing(db, TARGET).stages == {
        "house-pool": "candidate",
        "used": "retired",
        "unused": "retired",
        "late": "champion",
    }
    assert audit_ledger(db).ok and retire_stale_lines(db, settings_of(retire_age=1, retire_unused=1)) == []


def test_the_champion_and_what_a_rollback_needs_never_retire(tmp_path):
    registry = registry_of(tmp_path, "sqlite://")
    db = registry.database
    for name in ("first", "second", "third"):
        promote(registry, TARGET, Line(name), **ADA)
    forward(days=3000)
    assert [row.line.name for row in retire_stale_lines(db, settings_of(retire_unused=1, retire_age=1))] == ["first"]
    assert champion(db, TARGET).line.name == "third"
    assert rollback(registry, TARGET, **ADA).line.name == "second"


def test_a_line_that_came_to_serve_since_the_look_stays(tmp_path, monkeypatch):
    registry = registry_of(tmp_path, "sqlite://")
    db, real = registry.database, retention.write_promotion
    register_line(db, TARGET, Line("deep"), **ADA)
    forward(days=300)

    def promoted_first(*arguments, **named):
        if champion(db, TARGET).line.name != "deep":
            promote(registry, TARGET, "deep", **ADA)
        return real(*arguments, **named)

    monkeypatch.setattr(retention, "write_promotion", promoted_first)
    assert retire_stale_lines(db, settings_of(retire_unused=10)) == []
    assert standing(db, TARGET).stages["deep"] == "champion"


def served_by_deep(tmp_path, decays: bool) -> ModelRegistry:
    "A line whose ranges were right for 150 outcomes and, where it decays, too narrow for as many; others serve now."
    registry, target, n = registry_of(tmp_path, "sqlite://"), LineTarget("VIX_d1", "pct_change", 1), 300
    CLOCK.moment = DAYS[0].to_pydatetime().replace(tzinfo=UTC)
    promote(registry, target, Line("deep"), effective=DAYS[0], **ADA)
    values, rng = np.linspace(-10, 10, len(PROBS)), np.random.default_rng(3)
    about = {"horizon": 1, "values": values}
    registry.database.store_predictions([(made(i, target_session=DAYS[i + 1], **about), None) for i in range(n)])
    change = np.interp(rng.uniform(size=n), PROBS, values)
    change[n // 2 :] = rng.choice([-9.9, 9.9], n - n // 2) if decays else change[n // 2 :]
    level = pd.Series(20 * np.cumprod(np.append(1.0, 1 + change / 100)), DAYS[: n + 1])
    CLOCK.moment = DAYS[n + 2].to_pydatetime().replace(tzinfo=UTC)
    registry.database.record_outcomes("VIX", level, "data")
    for name in ("second", "third"):
        promote(registry, target, Line(name), **ADA)
    return registry


def test_a_line_whose_outcomes_have_decayed_retires_by_its_own_rule_and_a_sound_one_stays(tmp_path):
    db, target = served_by_deep(tmp_path, decays=True).database, LineTarget("VIX_d1", "pct_change", 1)
    found = line_decay(db, target, "deep")
    assert DAYS[150] < found.since < DAYS[220]  # noticed soon after it began, and not before
    assert lines_to_retire(db, settings_of()) == [] == lines_to_retire(db, settings_of(retire_decayed=200))
    assert [(one.line, one.reason) for one in lines_to_retire(db, settings_of(retire_decayed=60))] == [
        ("deep", "decayed")
    ]
    report = apply_line_rules(db, settings_of(retire_decayed=60))
    (row,) = report.retired
    assert row.evidence == {"rule": "models.retire_decayed is 60"} and f"{found.since:%Y-%m-%d}" in row.why
    assert str(report).startswith("rules of lines: deep retired for VIX_d1 (decayed: ") and "\n" not in str(report)
    assert standing(db, target).stages["deep"] == "retired" and db.verify() == []
    assert str(apply_line_rules(db, settings_of(retire_decayed=60))) == "rules of lines: nothing to change"
    sound = served_by_deep(tmp_path / "sound", decays=False).database
    assert line_decay(sound, target, "deep") is None and lines_to_retire(sound, settings_of(retire_decayed=1)) == []


def test_the_rules_promote_a_shadow_by_the_evidence_and_say_who_waits(tmp_path):
    db = registry_of(tmp_path, "sqlite://").database
    begin_trial(db, settings_of(promote_at=20), TARGET, Line("deep"), **ADA)
    begin_trial(db, settings_of(promote_at=20), TARGET, Line("weak"), **ADA)
    trials = [(TARGET, "deep", EVIDENCE), (TARGET, "weak", EVIDENCE | {"e_value": 3.0})]
    assert apply_line_rules(db, settings_of(), trials).promoted == ()  # off
    report = apply_line_rules(db, settings_of(promote_at=20), trials)
    assert [row.line.name for row in report.promoted] == ["deep"] and "weak" in report.refused[0]
    assert str(report).endswith("; 1 on trial wait") and champion(db, TARGET).line.name == "deep"


@pytest.mark.parametrize("automatic", [True, False])
def test_daily_applies_the_rules_at_its_end_only_where_it_may_and_says_so_in_a_line(
    tmp_path, capsys, monkeypatch, automatic
):
    db = registry_of(tmp_path, "sqlite://").database
    register_line(db, TARGET, Line("deep"), **ADA)
    forward(days=300)
    about = {"seconds_by_stage": {}, "forecast": "a forecast", "stored": 0, "outcomes_recorded": 0, "failure": None}
    day = SimpleNamespace(as_of=DAYS[30], **about)
    settings = load_settings(
        environ={},
        overrides={
            "models.automatic": automatic,
            "models.retire_unused": 60,
            "data.sources": "sample",
            "run.progress": False,
        },
    )
    system = SimpleNamespace(settings=settings, database=db, first_run_notice=lambda _: "", daily=lambda _: day)
    monkeypatch.setattr(reports, "run_report", lambda *_: "page.html")
    said = {}
    run_daily(system, None, tmp_path, {}, said)
    words = "rules of lines: deep retired for VIX_d1 (unused: " if automatic else ""
    assert said.get("rules", "").startswith(words) and capsys.readouterr().out.count("rules of lines") == automatic
    assert standing(db, TARGET).stages["deep"] == ("retired" if automatic else "candidate")


# ---------------------------------------------------------------- promotion by a rule


def test_a_line_is_promoted_by_the_rule_that_was_on_record_before_the_evidence(url, tmp_path):
    db = registry_of(tmp_path, url).database
    begin_trial(db, settings_of(promote_at=20), TARGET, Line("deep"), **ADA)
    forward(days=60)
    row = promote_by_rule(db, TARGET, "deep", EVIDENCE, settings_of(promote_at=20))
    assert (row.action, row.from_stage, champion(db, TARGET).line.name) == ("promote", "shadow", "deep")
    assert stored_promotions(db)[-1].evidence == EVIDENCE | {
        "rule": "an e-value of at least 20.0 for each variant tried"
    }
    assert audit_ledger(db).ok


@pytest.mark.parametrize(
    ("at", "changes", "words"),
    [
        (0, {}, "no line is promoted by itself: set models.promote_at"),
        (0.5, {}, "an e-value of 1 is no evidence"),
        (10, {}, "the rule was set after the evidence began: on 2018-02-05 it was an e-value of at least 20.0"),
        (20, {"since": "2018-02-05"}, "after the evidence began on 2018-02-05"),
        (20, {"since": "2017-02-05"}, "after the evidence began on 2017-02-05"),
        (20, {"e_value": 79.0}, "the rule asks for 20"),
        (20, {"trials": 5}, "the rule asks for 20"),
        (20, {"since": None}, "give a date"),
        (20, {"rule": "anything goes", "e_value": 1.0}, "the rule asks for 20"),
        (20, {"mood": "good"}, "is no evidence"),
    ],
)
def test_the_rule_refuses_in_one_line_and_leaves_no_row(tmp_path, at, changes, words):
    db = registry_of(tmp_path, "sqlite://").database
    begin_trial(db, settings_of(promote_at=20), TARGET, Line("deep"), **ADA)
    forward(days=60)
    with pytest.raises(DataError, match=words) as told:
        promote_by_rule(db, TARGET, "deep", EVIDENCE | changes, settings_of(promote_at=at))
    assert "\n" not in str(told.value) and len(stored_promotions(db)) == 1


@pytest.mark.parametrize("missing", ["e_value", "since"])
def test_evidence_that_lacks_something_is_refused_by_name(tmp_path, missing):
    db = registry_of(tmp_path, "sqlite://").database
    begin_trial(db, settings_of(promote_at=20), TARGET, Line("deep"), **ADA)
    with pytest.raises(DataError, match=f"the evidence has no {missing}"):
        promote_by_rule(
            db, TARGET, "deep", {k: v for k, v in EVIDENCE.items() if k != missing}, settings_of(promote_at=20)
        )


def test_a_line_without_a_trial_on_record_is_not_promoted_by_the_rule(tmp_path):
    db, rule = registry_of(tmp_path, "sqlite://").database, settings_of(promote_at=20)
    register_line(db, TARGET, Line("watched"), stage="shadow", **ADA)
    begin_trial(db, rule, TARGET, Line("given-up"), **ADA)
    retire(db, TARGET, "given-up", **ADA)
    for name in ("watched", "given-up", "unknown", "house-pool"):
        with pytest.raises(DataError, match="no trial of line"):
            promote_by_rule(db, TARGET, name, EVIDENCE, rule)
    register_line(db, TARGET, Line("given-up"), stage="shadow", **ADA)  # again, without a rule
    with pytest.raises(DataError, match="no trial of line"):
        promote_by_rule(db, TARGET, "given-up", EVIDENCE, rule)


# ---------------------------------------------------------------- the terminal


def test_prune_and_retire_stale_at_the_terminal(tmp_path, capsys, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    registry = registry_of(tmp_path, f"sqlite:///{home}/forecasts.db", "one", "newest")
    register_line(registry.database, TARGET, Line("deep"), **ADA)

    def run(*arguments: str):
        with pytest.raises(SystemExit) as left:
            main(["models", *arguments, "--home", str(home), "--json"])
        assert left.value.code == 0
        found = json.loads(capsys.readouterr().out)
        jsonschema.validate(found, SCHEMAS[f"models {arguments[0]}"])
        return found

    assert run("prune", "--dry-run")["removed"] == run("prune")["removed"] == ["one"]
    assert folders(registry) == ["newest"] and run("prune", "--keep", "3")["removed"] == []
    assert run("retire-stale") == []
    monkeypatch.setenv("FORECASTKIT_MODELS_RETIRE_UNUSED", "10")
    assert [row["line"] for row in run("retire-stale", "--dry-run")] == ["deep"]
    assert standing(registry.database, TARGET).stages["deep"] == "candidate"
    assert [row["retired"] for row in run("retire-stale")] == [True]
    assert standing(registry.database, TARGET).stages["deep"] == "retired"


@pytest.mark.parametrize(("dry", "gone", "freed"), [(True, "would go", "would be freed"), (False, "removed ", "freed")])
def test_a_pruning_names_what_stays_with_its_reason_and_what_goes(dry, gone, freed):
    said = str(PruneReport({"one": "it serves"}, ("two", "three"), 1200, dry)).splitlines()
    assert said == [
        "kept     one: it serves",
        f"{gone} two",
        f"{gone} three",
        f"1 kept, 2 removed, 1,200 bytes {freed}",
    ]
