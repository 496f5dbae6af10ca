"""Servers of the HTTP API in processes of their own that are stopped, killed or doubled while questions are asked; used by tests and a benchmark.

The socket that they listen at stays with the parent: who connects while no server is there waits for the next, as under a supervisor.
"""

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import uvicorn
from engines import FORK

from forecastkit.data import synthetic_market
from forecastkit.ledger import PredictionDatabase
from forecastkit.web import add_key, create_app
from forecastkit.web.server import server_options

CUT = (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError)  # the connection ended before the answer did


def faults_market():
    return synthetic_market(seed=3, sessions=330, start="2014-12-01", stocks=("AAA",)).market


def questions(n: int, market: Any) -> list[dict[str, Any]]:
    "So many different questions: days of the market from the last one back, at horizons 5 and 1."
    days = [f"{day:%Y-%m-%d}" for day in market.bars("AAA").index[:-170:-1]]
    asked = [{"symbol": "AAA", "date": day, "horizon": h} for h in (5, 1, 2, 3, 4) for day in days]
    assert n <= len(asked)
    return asked[:n]


def serve(settings: Any, market: Any, listening: socket.socket) -> None:
    "What a process does: answer until it is told to stop."
    options = {k: v for k, v in server_options(settings).items() if k not in ("workers", "factory", "host", "port")}
    uvicorn.Server(uvicorn.Config(create_app(settings, market), **options)).run([listening])


@dataclass
class Servers:
    "One server after another at one address, over one database."

    settings: Any
    market: Any
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=1000))
    process: Any = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def start(self) -> None:
        self.process = FORK.Process(target=serve, args=(self.settings, self.market, self.listening), daemon=True)
        self.process.start()

    def end(self, how: int = signal.SIGTERM) -> None:
        os.kill(self.process.pid, how)
        self.process.join(120)
        assert not self.process.is_alive()


@contextmanager
def standing(settings: Any, market: Any, n: int = 1):
    "Servers that run, and a key for them."
    database = PredictionDatabase(settings.database_url(), settings.data.calendar)
    key = add_key(database, f"asker {time.monotonic_ns()}", "forecast")[1]
    database.close()  # before the fork: no connection is shared
    servers = [Servers(settings, market) for _ in range(n)]
    for one in servers:
        one.start()
    try:
        yield servers, key
    finally:
        for one in servers:
            if one.process.is_alive():
                one.end()
            one.listening.close()


@dataclass
class Asking:
    "Clients that each take a question, ask until they have its record, and note what came in between."

    address: str
    key: str
    asked: list[dict[str, Any]]
    patience: float = 300.0  # seconds for one question
    answers: dict[int, bytes] = field(default_factory=dict)  # by place of the question
    seen: Counter = field(default_factory=Counter)  # by status, or `cut`
    unexplained: list[str] = field(default_factory=list)  # refusals without the time to come again

    def __post_init__(self) -> None:
        self.left, self.lock = list(range(len(self.asked)))[::-1], threading.Lock()

    def client(self) -> None:
        with httpx.Client(base_url=self.address, headers={"X-API-Key": self.key}, timeout=self.patience) as http:
            while True:
                with self.lock:
                    if not self.left:
                        return
                    place = self.left.pop()
                self.ask(http, place)

    def ask(self, http: httpx.Client, place: int) -> None:
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            try:
                answer = http.post("/forecast", json=self.asked[place], headers={"Connection": "close"})
            except CUT:
                self.note("cut")
                continue
            self.note(str(answer.status_code))
            if answer.status_code == 200:
                self.answers[place] = answer.content
                return
            if answer.status_code != 202 and "retry-after" not in answer.headers:
                self.unexplained.append(answer.text)
            time.sleep(0.2)

    def note(self, what: str) -> None:
        with self.lock:
            self.seen[what] += 1

    @contextmanager
    def under_way(self, clients: int = 8):
        "Ask in threads; at the end all have what they asked for."
        threads = [threading.Thread(target=self.client, daemon=True) for _ in range(clients)]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join(self.patience)
        assert len(self.answers) == len(self.asked), (len(self.answers), self.seen)

    def wait_for(self, n: int) -> None:
        "Until so many are answered."
        until = time.monotonic() + self.patience
        while len(self.answers) < n and time.monotonic() < until:
            time.sleep(0.01)


def faults_of(settings: Any, asked: list[dict[str, Any]], *askings: Asking) -> list[str]:
    "What is wrong with the ledger after all was asked: broken chains, records lost, doubled or told otherwise."
    database = PredictionDatabase(settings.database_url(), settings.data.calendar)
    rows, found = database.get_predictions(every_version=True), list(map(str, database.verify()))
    database.close()
    stored = Counter((row.symbol, f"{row.origin:%Y-%m-%d}", row.horizon) for row in rows.itertuples())
    found += [f"{count} records of {question}" for question, count in stored.items() if count > 1]
    found += [f"no record of {q}" for q in asked if (q["symbol"], q["date"], q["horizon"]) not in stored]
    by_id = dict(zip(rows["prediction_id"], zip(rows["origin"].dt.strftime("%Y-%m-%d"), rows["horizon"])))
    for one in askings:
        for place, content in one.answers.items():
            question, record = asked[place], json.loads(content)
            if by_id.get(record["prediction_id"]) != (question["date"], question["horizon"]):
                found.append(f"what was told of {question} is not what is stored")
        found += [f"refused without a time to come again: {text}" for text in one.unexplained]
        found += [f"answered {status}" for status in one.seen if status not in ("200", "202", "503", "cut")]
    return found


def ended_in_the_middle(settings: Any, n: int, how: int, clients: int = 8) -> tuple[list[str], Counter]:
    "A server that a signal ends when half is answered, and one after it: the faults, and what clients saw."
    market = faults_market()
    asked = questions(n, market)
    with standing(settings, market) as ((server,), key):
        asking = Asking(server.address, key, asked)
        with asking.under_way(clients):
            asking.wait_for(n // 2)
            server.end(how)
            server.start()
    return faults_of(settings, asked, asking), asking.seen


def asked_twice(settings: Any, n: int, clients: int = 4) -> tuple[list[str], Counter]:
    "Two servers over one database that are asked the same at the same time."
    market = faults_market()
    asked = questions(n, market)
    with standing(settings, market, 2) as (servers, key):
        one, two = (Asking(server.address, key, asked) for server in servers)
        with one.under_way(clients), two.under_way(clients):
            pass
    found = faults_of(settings, asked, one, two)
    return found + [
        f"two answers to {asked[k]}" for k in one.answers if one.answers[k] != two.answers[k]
    ], one.seen + two.seen


def database_restarted(
    settings: Any, n: int, stop: partial, start: partial, away: float, clients: int = 8
) -> tuple[list[str], Counter]:
    "A server whose database is taken away when a third is answered, and comes back after some seconds."
    market = faults_market()
    asked = questions(n, market)
    with standing(settings, market) as ((server,), key):
        asking = Asking(server.address, key, asked)
        with asking.under_way(clients):
            asking.wait_for(n // 3)
            stop()
            time.sleep(away)
            start()
    return faults_of(settings, asked, asking), asking.seen
