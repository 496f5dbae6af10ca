"""A server on the loopback address that answers as the vendors of live data do, and fails as they do.

`with Vendors() as server:` starts it, and it is gone at the end of the block, whatever is still waiting. Bars are made up, seeded
by their ticker, as Yahoo's charts and as Cboe's histories; `files` adds any other address (`/fred?id=DGS10` for one that asks so). Faults stand in `faults`, by a part of the path, and are used up in order; one that
ends with `!` stays.
"""

import gzip
import json
import threading
import zlib
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Self
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar

NYSE = get_calendar("XNYS")

FAULTS = (
    "slow",
    "429",
    "500",
    "cut",
    "cut without length",
    "cut gzip",
    "drip",
    "drip headers",
    "bomb",
    "round",
    "html",
    "empty",
    "json error",
    "gzip",
    "404",
)


SLOW = ("slow", "drip", "drip headers")  # those that end with the client's patience


@lru_cache(maxsize=1)
def bomb(megabytes: int = 256) -> bytes:
    "A gzip stream of much more than any answer may hold."
    return gzip.compress(bytes(megabytes * 2**20), 9)


@lru_cache(maxsize=1)
def days() -> tuple[pd.DatetimeIndex, np.ndarray, np.ndarray]:
    "Five years of sessions with their opens (seconds) and closes (microseconds)."
    found = NYSE.sessions_in_range("2014-01-02", "2018-12-31")
    return (
        found,
        NYSE.opens_of(found).astype("int64").to_numpy() // 10**6,
        NYSE.closes_of(found).astype("int64").to_numpy(),
    )


@lru_cache(maxsize=500)
def prices(ticker: str) -> pd.DataFrame:
    "Five years of bars, the same for one ticker on every machine."
    index = days()[0]
    rng = np.random.default_rng(zlib.crc32(ticker.encode()))
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.015, len(index))))
    start = close * np.exp(rng.normal(0, 0.005, len(index)))
    high, low = np.maximum(start, close) * 1.004, np.minimum(start, close) * 0.996
    bars = {"open": start, "high": high, "low": low, "close": close, "volume": rng.integers(10**5, 10**7, len(index))}
    return pd.DataFrame(bars, index).round(4)


def chart_of(ticker: str, bars: pd.DataFrame, seconds: np.ndarray | pd.Index) -> bytes:
    "Bars as Yahoo's chart of a ticker, each at its moment; what is absent is null."
    quote = {name: bars[name].astype(object).where(bars[name].notna(), None).tolist() for name in bars}
    result = {
        "meta": {"currency": "USD", "symbol": ticker, "exchangeTimezoneName": "America/New_York", "gmtoffset": -18000},
        "timestamp": seconds.tolist(),
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": quote["close"]}]},
    }
    return json.dumps({"chart": {"result": [result], "error": None}}).encode()


def chart(ticker: str, since: float, until: pd.Timestamp, split: float) -> bytes:
    "Yahoo's chart of one ticker, as it stood after the session `until`, each old share having become `split`."
    index, seconds, _ = days()
    there = (seconds >= since) & (index <= until)
    bars = prices(ticker)[there] / {"volume": 1 / split, **dict.fromkeys(["open", "high", "low", "close"], split)}
    return chart_of(ticker, bars, seconds[there])


def history(symbol: str, until: pd.Timestamp) -> bytes:
    "Cboe's file of one index, as it stood after the session `until`."
    bars = prices(symbol).loc[:until, ["open", "high", "low", "close"]].rename(columns=str.upper)
    return bars.to_csv(index_label="DATE", date_format="%m/%d/%Y").encode()


class Vendors(ThreadingHTTPServer):
    "The server; `address` is where it listens."

    daemon_threads = True

    def __init__(self, latency: float = 0.0):
        super().__init__(("127.0.0.1", 0), Answers)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.latency, self.until = latency, pd.Timestamp("2018-12-31")
        self.files: dict[str, tuple[str, bytes]] = {}  # path -> content type, body
        self.faults: dict[str, list[str]] = {}
        self.splits: dict[str, float] = {}
        self.answers: tuple[int, bytes] | None = None  # what is answered to everything
        self.packed = False  # bodies are said to be gzip as they are
        self.requests: list[str] = []
        self.over = threading.Event()

    def fault(self, path: str) -> str:
        "The next fault of an address; empty if it answers well."
        waiting = next((faults for part, faults in self.faults.items() if part in path and faults), [])
        if not waiting:
            return ""
        return waiting[0][:-1] if waiting[0].endswith("!") else waiting.pop(0)

    def body(self, path: str, query: dict[str, list[str]]) -> tuple[str, bytes] | None:
        "Content type and body of an address; None if there is none."
        if found := self.files.get(path, self.files.get(f"{path}?id={query.get('id', [''])[0]}")):
            return found
        head, _, ticker = path.rpartition("/")
        if ticker.endswith("_History.csv"):
            return "text/csv", history(ticker.removesuffix("_History.csv"), self.until)
        if head != "/v8/finance/chart" or ticker.startswith("NONE"):
            return None
        since = float(query.get("period1", ["0"])[0])
        return "application/json", chart(ticker, since, self.until, self.splits.get(ticker, 1.0))

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class Answers(BaseHTTPRequestHandler):
    "One answer, or one way of failing."

    server: Vendors
    protocol_version = "HTTP/1.1"
    short: ClassVar[dict[str, tuple[int, dict[str, str], bytes]]] = {
        "429": (429, {"Retry-After": "0"}, b""),
        "500": (500, {}, b"Internal Server Error"),
        "404": (404, {"Content-Type": "text/html"}, b"<html>no such page</html>"),
        "html": (200, {"Content-Type": "text/html"}, b"<!doctype html><title>Will be right back</title>"),
        "empty": (200, {"Content-Type": "text/csv"}, b""),
        "json error": (200, {"Content-Type": "application/json"}, b'{"Information": "Our rate limit is 25 a day."}'),
    }

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.server.requests.append(self.path)
        fault = self.server.fault(url.path)
        self.server.over.wait(600 if fault == "slow" else self.server.latency)
        found = self.server.body(unquote(url.path), parse_qs(url.query))
        if self.server.answers:
            self.answer(self.server.answers[0], {"Content-Type": "text/csv"}, self.server.answers[1])
        elif fault in self.short:
            self.answer(*self.short[fault])
        elif fault == "drip headers":
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self.server.over.wait(0.02):
                self.wfile.write(b"X-Wait: a while\r\n")
        elif fault == "bomb":
            self.answer(200, {"Content-Type": "text/csv", "Content-Encoding": "gzip"}, bomb())
        elif fault == "round":
            self.answer(302, {"Location": self.path, "Content-Encoding": "gzip"}, bomb())
        elif found is None:
            missing = {
                "chart": {
                    "result": None,
                    "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"},
                }
            }
            self.answer(404, {"Content-Type": "application/json"}, json.dumps(missing).encode())
        else:
            label, body = found
            packing = {"Content-Encoding": "gzip"} if self.server.packed else {}
            self.deliver(fault, {"Content-Type": label} | packing, body)

    def deliver(self, fault: str, headers: dict[str, str], body: bytes) -> None:
        "A good answer, or one that is spoilt on its way."
        packed = gzip.compress(body, mtime=0)
        half = body[: len(body) // 2].rstrip(b"\n")
        if fault == "gzip":
            self.answer(200, headers | {"Content-Encoding": "gzip"}, packed)
        elif fault == "cut gzip":
            self.answer(200, headers | {"Content-Encoding": "gzip"}, packed[: len(packed) // 2])
        elif fault in ("cut", "cut without length"):
            length = {"Content-Length": str(len(body))} if fault == "cut" else {}
            self.answer(200, headers | {"Connection": "close"} | length, half, measured=False)
        elif fault == "drip":
            self.answer(200, headers | {"Content-Length": str(len(body))}, b"", measured=False)
            while not self.server.over.wait(0.02):
                self.wfile.write(body[:1])
        else:
            self.answer(200, headers, body)

    def answer(self, status: int, headers: dict[str, str], body: bytes, measured: bool = True) -> None:
        self.send_response(status)
        for name, value in (headers | ({"Content-Length": str(len(body))} if measured else {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = not measured

    def handle(self) -> None:
        "Answer until the line is closed; a client that hangs up is no error here."
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        "Say nothing."
