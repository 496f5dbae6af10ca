"Alerts: none is lost by a kill or a dead sink, none arrives without need, none carries a secret; on both engines."

import json
import logging
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from engines import opened

from forecastkit.cli.monitor import deliver
from forecastkit.core import DataError, SettingsError, load_settings
from forecastkit.ledger.database import PredictionDatabase
from forecastkit.ops import outbox
from forecastkit.ops.alert_sinks import AppriseSink, FileSink, Message, sink_reference
from forecastkit.ops.alerts import (
    Alert,
    AlertPolicy,
    acknowledge_alert,
    acknowledge_alerts,
    keep_alerts,
    open_alerts,
    stored_alerts,
)
from forecastkit.ops.outbox import deliver_alerts

pytest_plugins = ("engine_fixtures",)
NOW = datetime(2018, 2, 6, 15, tzinfo=UTC)
SECRET = "S3cretTokenXYZ"  # noqa: S105


def alert(subject="symbol:VIX", severity="warning", rule="drift", what="3 of 40 features drifted") -> Alert:
    return Alert(rule, subject, severity, what, "2018-02-05", "one month in 100 without a reason", "Look at the page.")


class Ticking:
    "A clock that is moved by hand."

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def on(self, **time):
        self.now += timedelta(**time)


@pytest.fixture
def clock():
    return Ticking()


@pytest.fixture
def db(url, clock):
    return opened(url, clock=clock)


POLICY = AlertPolicy(sinks=("one",))


def test_an_alert_that_stands_is_told_once_then_reminded_until_somebody_acknowledges_it(db, clock):
    told: list[Message] = []
    for hour in range(60):
        keep_alerts(db, ["drift"], [alert()], POLICY)
        deliver_alerts(db, {"one": told.append})
        clock.on(hours=1)
        if hour == 40:
            acknowledge_alert(db, 1, "Ada")
    assert len(told) == 2 and len(stored_alerts(db)) == 1
    assert stored_alerts(db)[0].acknowledged_by == "Ada"
    assert db.verify() == []


def test_an_alert_that_comes_and_goes_is_told_once_in_the_cool_down(db, clock):
    told: list[Message] = []
    for minute in range(20):
        keep_alerts(db, ["drift"], [alert()] if minute % 2 else [], POLICY)
        deliver_alerts(db, {"one": told.append})
        clock.on(minutes=1)
    assert len(told) == 1 and len(stored_alerts(db)) == 10


def test_what_becomes_worse_is_told_at_once_and_what_was_not_checked_stands(db, clock):
    told: list[Message] = []
    keep_alerts(db, ["drift"], [alert()], POLICY)
    deliver_alerts(db, {"one": told.append})
    keep_alerts(db, ["drift"], [alert(severity="critical")], POLICY)
    keep_alerts(db, ["decay"], [], POLICY)
    deliver_alerts(db, {"one": told.append})
    assert [message.severity for message in told] == ["warning", "critical"]
    assert len(open_alerts(db)) == 2
    keep_alerts(db, ["drift"], [], POLICY)
    assert open_alerts(db) == []


def test_quiet_hours_hold_back_all_but_what_is_critical(db, clock):
    clock.now = datetime(2018, 2, 6, 5, tzinfo=UTC)  # midnight in New York
    policy = AlertPolicy(sinks=("one",), quiet=(22, 7))
    keep_alerts(db, ["drift"], [alert(), alert("symbol:SPX", "critical")], policy)
    told: list[Message] = []
    assert deliver_alerts(db, {"one": told.append}).waiting == 1
    clock.on(hours=7)
    assert deliver_alerts(db, {"one": told.append}).waiting == 0
    assert [message.severity for message in told] == ["critical", "warning"]


@pytest.mark.parametrize("group, messages", [("rule", 2), ("all", 1), ("none", 5)])
def test_the_setting_says_which_alerts_go_out_together(db, group, messages):
    told: list[Message] = []
    late = Alert("missed_job", "job:daily", "critical", "it did not run", "2018-02-05", "it is no estimate", "Run it.")
    keep_alerts(db, ["drift", "missed_job"], [*(alert(f"symbol:S{k}") for k in range(4)), late], POLICY)
    assert deliver_alerts(db, {"one": told.append}, group=group).waiting == 0
    assert len(told) == messages
    if group == "all":
        assert told[0].title == "forecastkit: missed job, drift, 5 alerts" and told[0].severity == "critical"
    with pytest.raises(DataError, match="grouped by rule, all, none, not by 'day'"):
        deliver_alerts(db, {"one": told.append}, group="day")


def test_alerts_of_a_kind_go_out_as_one_message_that_says_what_since_when_how_sure_and_what_to_do(db):
    told: list[Message] = []
    keep_alerts(db, ["drift"], [alert(f"symbol:S{k}") for k in range(40)], POLICY)
    deliver_alerts(db, {"one": told.append})
    (message,) = told
    assert message.title == "forecastkit: drift, 40 alerts"
    for words in ("S39", "2018-02-05", "one month in 100", "Look at the page.", "alerts acknowledge 1 2 3"):
        assert words in message.body


class Killed(BaseException):
    "The process ends here."


def killed_at(monkeypatch, place: str):
    "Let the next run end just before or after a step."
    name, _, when = place.partition(" ")
    real = getattr(outbox, name)

    def step(*args, **rest):
        if when == "before":
            raise Killed
        real(*args, **rest)
        raise Killed

    monkeypatch.setattr(outbox, name, step)


@pytest.mark.parametrize("place", ["take after", "mark before", "mark after", "send before", "send after"])
def test_a_kill_between_the_event_and_its_delivery_loses_nothing(place, db, clock, tmp_path, monkeypatch):
    "Four kills at each of five places, each between other steps; those in flight may arrive twice, and no other."
    file = FileSink(tmp_path / "alerts.jsonl")
    for k in range(4):
        keep_alerts(db, ["drift"], [alert(f"symbol:S{i}") for i in range(k + 1)], POLICY)
        with monkeypatch.context() as patch, suppress(Killed):
            if place.startswith("send"):
                # the process ends while the thread of the sink is sending: nothing is marked
                patch.setattr(outbox, "mark", lambda *a, **k: (_ for _ in ()).throw(Killed()))
                deliver_alerts(db, {"one": file if place == "send after" else lambda message: None})
            else:
                killed_at(patch, place)
                deliver_alerts(db, {"one": file})
        clock.on(minutes=6)  # the lease is over
    deliver_alerts(db, {"one": file})
    lines = file.path.read_text()
    counts = [lines.count(f"symbol:S{i}:") for i in range(4)]
    assert min(counts) >= 1 and max(counts) <= 5
    assert deliver_alerts(db, {"one": file}).waiting == 0
    assert db.verify() == []


def test_an_event_that_is_not_yet_written_is_written_with_its_delivery_or_not_at_all(db, monkeypatch):
    from forecastkit.ops import alerts

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(alerts, "queue", lambda *a, **k: (_ for _ in ()).throw(Killed()))
        keep_alerts(db, ["drift"], [alert()], POLICY)
    assert stored_alerts(db) == []
    assert len(keep_alerts(db, ["drift"], [alert()], POLICY)) == 1  # the monitor finds it again and says it


def test_two_who_deliver_at_once_send_nothing_twice(db):
    keep_alerts(db, ["drift"], [alert()], POLICY)
    told: list[Message] = []

    def slow(message):
        time.sleep(0.3)
        told.append(message)

    both = [threading.Thread(target=deliver_alerts, args=(db, {"one": slow})) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(told) == 1


def test_dead_sinks_hold_up_no_other_and_lose_nothing(db, clock):
    told: list[Message] = []
    wait = threading.Event()

    def refuses(message):
        raise ConnectionRefusedError(f"https://ada:{SECRET}@example.org refused")

    sinks = {"refuses": refuses, "hangs": lambda message: wait.wait(60), "works": told.append}
    keep_alerts(db, ["drift"], [alert()], AlertPolicy(sinks=tuple(sinks)))
    start = time.monotonic()
    report = deliver_alerts(db, sinks, seconds=0.5)
    assert time.monotonic() - start < 20  # not the minute that the sink hangs
    wait.set()
    assert len(told) == 1 and report.waiting == 2 and SECRET not in str(report)
    for _ in range(400):  # a week of a dead sink
        clock.on(minutes=30)
        deliver_alerts(db, {"refuses": refuses})
    clock.on(hours=7)
    assert deliver_alerts(db, {"refuses": told.append, "hangs": told.append}).waiting == 0
    assert len(told) == 3


# --- sinks -----------------------------------------------------------------------------------------------------------


class Answers500(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(500)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def servers():
    "The port of a server that answers 500, of one that accepts and says nothing, and one where nobody listens."
    bad = HTTPServer(("127.0.0.1", 0), Answers500)
    threading.Thread(target=bad.serve_forever, args=(0.05,), daemon=True).start()
    silent = socket.create_server(("127.0.0.1", 0))
    free = socket.create_server(("127.0.0.1", 0))
    closed = free.getsockname()[1]
    free.close()
    yield {"500": bad.server_port, "silent": silent.getsockname()[1], "refuses": closed}
    bad.shutdown()
    silent.close()


REASONS = {"500": "error=500", "silent": "did not answer within 2 s", "refuses": "did not take it: A Connection error"}


@pytest.mark.parametrize("kind", REASONS)
def test_no_secret_is_in_any_error_log_table_or_message(kind, servers, tmp_path, caplog, capfd):
    pytest.importorskip("apprise")
    caplog.set_level(logging.DEBUG)
    address = f"json://ada:{SECRET}@127.0.0.1:{servers[kind]}/{SECRET}2/?token={SECRET}3"
    sink = AppriseSink("env:HOOK", seconds=2.0 if kind == "silent" else 30.0, attempts=1, environ={"HOOK": address})
    db = PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db")
    keep_alerts(db, ["drift"], [alert(what=f"https://ada:{SECRET}@host is down")], AlertPolicy(sinks=("env:HOOK",)))
    report = deliver_alerts(db, {"env:HOOK": sink}, seconds=60)
    assert report.waiting == 1 and REASONS[kind] in report.failed["env:HOOK"], report
    db.close()
    shown = capfd.readouterr()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for text in (str(report), repr(report), caplog.text, shown.out, shown.err, repr(sink), str(sink)):
        assert SECRET not in text
    assert SECRET.encode() not in stored


def test_an_address_in_place_of_a_name_is_refused_and_not_shown():
    for text in (f"slack://{SECRET}/b/c", f"env:slack://{SECRET}/b", SECRET, f"mailtos://ada:{SECRET}@example.org"):
        with pytest.raises(SettingsError) as told:
            sink_reference(text)
        assert SECRET not in str(told.value)


def test_a_sink_that_works_is_given_the_message(servers, tmp_path, monkeypatch):
    pytest.importorskip("apprise")
    (tmp_path / "signal.py").write_text("raise SystemExit('a user file taken for the standard library')")
    monkeypatch.chdir(tmp_path)
    got: list[bytes] = []

    class Takes(Answers500):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Takes)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        sink = AppriseSink("env:HOOK", seconds=60, environ={"HOOK": f"json://127.0.0.1:{server.server_port}/"})
        sink(Message("critical", "the daily job is late", "run it"))
    finally:
        server.shutdown()
    assert json.loads(got[0])["title"] == "the daily job is late"


def test_a_late_sink_is_named_with_all_of_its_seconds_and_a_refusing_one_by_its_own_reason(
    servers, tmp_path, monkeypatch
):
    "The time of a sink is its own: neither the start of its process nor another sink that hangs is counted against it."
    pytest.importorskip("apprise")
    for name, port in servers.items():
        monkeypatch.setenv(name.upper(), f"json://127.0.0.1:{port}/")
    monkeypatch.setenv("MISSPELT", "slackk://one/two/three")
    names = ("env:SILENT", "env:REFUSES", "env:MISSPELT", "file:alerts.jsonl")
    settings = load_settings(overrides={"monitor.sinks": names, "monitor.seconds": 3.0, "data.home": str(tmp_path)})
    db = PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db")
    keep_alerts(db, ["drift"], [alert()], AlertPolicy())  # while no sink was set
    report = deliver(db, settings)
    assert report.delivered == 1 and report.waiting == 3, report
    assert "did not answer within 3 s" in report.failed["env:SILENT"]
    assert all("did not take it" in report.failed[name] for name in ("env:REFUSES", "env:MISSPELT"))
    again = deliver(db, settings)
    assert not again.failed and again.delivered == 0
    assert all(f"{name} waits until 20" in str(again) for name in names[:3]) and "did not take it" in str(again)


def test_alerts_are_acknowledged_all_or_none_and_once(db):
    keep_alerts(db, ["drift"], [alert("symbol:A"), alert("symbol:B")])
    with pytest.raises(DataError, match="no alert 9"):
        acknowledge_alerts(db, [1, 9], "Ada")
    assert [one.acknowledged for one in stored_alerts(db)] == [None, None]
    assert [one.number for one in acknowledge_alerts(db, [1, 1, 2], "Ada")] == [1, 2]
    assert all("(seen by Ada)" in str(one) for one in stored_alerts(db))


def test_an_alert_of_a_rule_that_was_not_checked_is_refused_and_nothing_kept(db):
    with pytest.raises(DataError, match="an alert of the rule drift, which was not checked"):
        keep_alerts(db, ["data"], [alert()], POLICY)
    assert not stored_alerts(db)


def test_a_name_of_two_hundred_characters_is_kept_and_a_longer_one_is_cut_after_a_word(db):
    keep_alerts(db, ["drift"], [alert("symbol:A"), alert("symbol:B")])
    longest = "Ada " * 49 + "Adam"
    assert acknowledge_alert(db, 1, longest).acknowledged_by == longest
    assert acknowledge_alert(db, 2, longest + "s").acknowledged_by == "Ada " * 48 + "[...]"
