"The HTTP API while servers end, are doubled or lose their database: nothing is half stored, doubled, or refused without a time to come again."

import signal
import socket
import threading
import time
from functools import partial

import pytest
import uvicorn
from api_faults import asked_twice, database_restarted, ended_in_the_middle
from api_server import settings_at
from engines import needs_fork, pg_ctl

from forecastkit.web import connections

pytest_plugins = ("engine_fixtures",)
pytestmark = needs_fork


def faulty(home, **more):
    return settings_at(home, web__symbols="AAA", web__per_minute=1_000_000, web__seconds=60, **more)


def test_a_server_that_is_told_to_stop_finishes_what_it_is_asked(tmp_path):
    "benchmarks/api_faults.py asks 500 questions, of this and of what follows."
    found, seen = ended_in_the_middle(faulty(tmp_path), 8, signal.SIGTERM, clients=4)
    assert found == [] and seen["cut"] == 0


async def greeting(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"hi"})


def greeting_server():
    "A server in a thread: itself, the thread, the address."
    server = uvicorn.Server(
        uvicorn.Config(greeting, http=connections.LimitedConnection, lifespan="off", log_level="error")
    )
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    return server, thread, listening.getsockname()


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_request_on_its_way_when_the_server_is_told_to_stop_is_answered(monkeypatch, asked_before):
    "On a connection that was accepted and is idle."
    monkeypatch.setattr(connections, "STOP_SECONDS", 20.0)  # no matter how slow this machine is
    server, thread, address = greeting_server()
    with socket.create_connection(address, timeout=30) as client:
        if asked_before:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(4096).endswith(b"hi")
        while not server.server_state.connections:
            assert thread.is_alive()
            time.sleep(0.01)
        (connection,) = server.server_state.connections
        server.should_exit = True
        while not connection.stopping:
            time.sleep(0.01)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(4096).endswith(b"hi")
        assert client.recv(4096) == b""  # the connection ends with the answer
    thread.join(30)
    assert not thread.is_alive()


def test_a_connection_on_which_nothing_is_asked_holds_no_server_that_stops(monkeypatch):
    monkeypatch.setattr(connections, "STOP_SECONDS", 0.05)
    server, thread, address = greeting_server()
    with socket.create_connection(address, timeout=30) as client:
        while not server.server_state.connections:
            time.sleep(0.01)
        server.should_exit = True
        assert client.recv(4096) == b""
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.slow("test_a_server_that_is_told_to_stop_finishes_what_it_is_asked")
def test_a_server_that_is_killed_leaves_nothing_half_stored(tmp_path, monkeypatch):
    monkeypatch.setattr("forecastkit.web.jobs.ALIVE_SECONDS", 2)  # for which the claims of one killed stand
    found, _ = ended_in_the_middle(faulty(tmp_path), 12, signal.SIGKILL, clients=4)
    assert found == []


@pytest.mark.slow("test_api.py::test_what_takes_long_is_a_job_to_ask_for_and_the_same_question_is_the_same_job")
def test_two_servers_that_are_asked_the_same_store_it_once_and_answer_alike(tmp_path):
    found, seen = asked_twice(faulty(tmp_path), 8, clients=2)
    assert found == [] and seen["200"] == 16


@pytest.mark.slow("test_api.py::test_while_the_database_is_away_every_question_is_503_and_then_it_goes_on")
def test_while_postgresql_restarts_errors_are_503_with_a_time_to_come_again(server, postgres, tmp_path):
    def start():
        pg_ctl(server, "restart")  # with the options it was started with
        server.ensure_postgres_running()  # takes note of the new process

    stop = partial(pg_ctl, server, "-m", "immediate", "stop")
    began = time.monotonic()
    found, seen = database_restarted(faulty(tmp_path, database__url=postgres), 9, stop, start, away=1.5, clients=3)
    assert found == [] and seen["200"] == 9, time.monotonic() - began
