"The HTTP API under attack, over raw sockets against the server itself: everything is refused with a reason, and the server lives on."

import json
import shlex
import shutil
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from api_server import serving, settings_at
from engines import DAYS, made

from forecastkit.data import synthetic_market
from forecastkit.ledger import API_KEYS, PredictionDatabase
from forecastkit.web import add_key, connections, revoke_key

ROOT = Path(__file__).resolve().parents[1]
DAY = f"{DAYS[0]:%Y-%m-%d}"
PLACES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "nbs/guide").glob("*.qmd"),
]
CURLS = [line.strip() for path in PLACES for line in path.read_text().splitlines() if line.strip().startswith("curl ")]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    "Port, and a key of each kind: in force, expired, revoked."
    folder = tmp_path_factory.mktemp("attacked")
    db = PredictionDatabase(f"sqlite:///{folder}/forecasts.db")
    db.store_predictions([(made(i), None) for i in range(300)])
    keys = {name: add_key(db, name, "forecast", "9d") for name in ("good", "expired", "revoked")}
    revoke_key(db, "revoked")
    with db.engine.begin() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        own = API_KEYS.c.id == keys["expired"][0].id
        connection.execute(sa.update(API_KEYS).where(own).values(expires_at=past))
    db.close()
    market = synthetic_market(seed=3, sessions=330, start="2014-12-01", stocks=("AAA",)).market
    with serving(settings_at(folder, web__per_minute=100_000, web__seconds=2, web__jobs=1), market) as port:
        yield port, {name: secret for name, (_, secret) in keys.items()}


def sent(port: int, *parts: bytes, pause: float = 0.0, wait: float = 5.0) -> bytes:
    "All that comes back for some bytes; a pause between the parts is a slow sender."
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        told = b""
        try:
            for part in parts:
                connection.sendall(part)
                if pause:
                    connection.settimeout(pause)
                    try:
                        told += connection.recv(65536)
                        break
                    except TimeoutError:
                        pass
            connection.settimeout(wait)
            while piece := connection.recv(65536):
                told += piece
        except (ConnectionError, TimeoutError):
            pass
        return told


def one_answer(connection: socket.socket) -> bytes:
    "A whole answer, in however many pieces it comes, of a connection that stays open."
    with connection.makefile("rb", buffering=0) as told:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (line := told.readline()):
            head += line
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        body = b""
        while len(body) < length and (piece := told.read(length - len(body))):
            body += piece
    return head + body


def request(
    key: str, method: str = "GET", path: str = "/forecasts", body: bytes = b"", *headers: bytes, length=True
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1".encode(),
        b"Host: x",
        b"Connection: close",
        b"X-API-Key: " + key.encode(),
        *headers,
    ]
    if length and body:
        lines += [b"Content-Type: application/json", f"Content-Length: {len(body)}".encode()]
    return b"\r\n".join([*lines, b"", body])


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    assert b"Traceback" not in answer and b"site-packages" not in answer and b".py" not in answer, answer[-500:]
    return int(answer[9:12])


def lives(server) -> None:
    assert status_of(sent(server[0], request(server[1]["good"], "GET", "/forecasts?limit=1"))) == 200


def test_what_is_no_one_request_is_refused(server):
    "Shapes of request smuggling: none of them may be read in two ways."
    port, keys = server
    body = json.dumps({"symbol": "VIX", "date": DAY}).encode()
    two, chunks = b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked"
    shapes = [
        [two, b"Content-Length: 5"], [two, chunks], [chunks, two], [two, b"Transfer-Encoding: xchunked"], [b"Content-Length: -1"], [b"Content-Length: +5"],
        [b"Content-Length: 0x10"], [b"Content-Length: 5, 5"], [two, b"Transfer-Encoding : chunked"], [b"Content-Length: 99999999999999999999"],
        [two, b" Folded: header"], [two, b"Bare\nNewline: x"], [two, b"Nul: a\x00b"], [two, b"No colon"],
    ]  # fmt: skip
    for shape in shapes:
        raw = request(keys["good"], "POST", "/forecast", body, *shape, b"Content-Type: application/json", length=False)
        answer = sent(port, raw + request(keys["good"]), wait=3.0)
        assert status_of(answer) in (400, 413, 501), (shape, answer[:300])
        assert answer.count(b"HTTP/1.1 ") == 1, (shape, answer)
    lives(server)


def test_large_heads_and_bodies_are_refused(server):
    port, keys = server
    big = b'{"symbol": "VIX"' + b" " * 100_000 + b"}"
    assert status_of(sent(port, request(keys["good"], "POST", "/forecast", big))) == 413
    chunked = request(
        keys["good"], "POST", "/forecast", b"", b"Transfer-Encoding: chunked", b"Content-Type: application/json"
    )
    assert status_of(sent(port, chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(big), big))) == 413
    assert status_of(sent(port, b"GET /forecasts HTTP/1.1\r\nX: " + 40 * (1000 * b"a"))) == 431
    assert status_of(sent(port, b"GET /" + 40_000 * b"a")) == 431
    assert sent(port, b"\r\n" * 20_000)[9:12] in (b"431", b"400")
    lives(server)


def test_slow_heads_and_bodies_are_cut_off(server, monkeypatch):
    port, keys = server
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    assert status_of(sent(port, b"GET /forecasts HTTP/1.1\r\n", *[b"A: b\r\n"] * 20, pause=0.1)) == 408
    assert status_of(sent(port)) == 408  # not a byte
    whole = request(keys["good"], "GET", "/forecasts?limit=1").replace(b"Connection: close\r\n", b"")
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(whole)
        assert status_of(one_answer(connection)) == 200
        connection.sendall(b"GET /forecasts HT")  # a slow second head on the same connection
        assert status_of(connection.recv(65536)) == 408
    body = request(keys["good"], "POST", "/forecast", b"", b"Content-Length: 60", b"Content-Type: application/json")
    assert status_of(sent(port, body + b'{"symbol": ')) == 408
    lives(server)


@pytest.mark.parametrize("key", ["expired", "revoked", "wrong", "long", "injected", "unicode"])
def test_keys_that_do_not_serve_are_refused(server, key):
    port, keys = server
    given = {
        "wrong": keys["good"][:-1] + "!",
        "long": "fk_" + 9000 * "a",
        "injected": "x\r\nX-API-Key: y",
        "unicode": "ключ\u202e",
    } | keys
    assert status_of(sent(port, request(given[key]))) in (400, 401)
    assert status_of(sent(port, request("", "GET", f"/forecasts?api_key={keys['good']}"))) == 400


FIELDS = ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "C:\\x", "file:///x", "http://x", "a\x00b", "a\r\nX: y", "\u202eVIX", "٠", "' OR 1=1 --", "{{7*7}}", "💥" * 9]  # fmt: skip


def test_nothing_in_a_string_is_a_path_or_a_command(server):
    "Each string of a body, a query and an address."
    port, keys = server
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": keys["good"]}) as client:
        for text in FIELDS:
            asked = [
                client.post("/forecast", json={"symbol": "VIX", "date": DAY} | {name: text})
                for name in ("symbol", "date", "kind", "horizon", "x")
            ]
            asked += [
                client.get("/forecasts", params={name: text})
                for name in ("symbol", "start", "end", "kind", "format", "horizon", "limit", "several")
            ]
            asked += [client.get("/models", params={"symbol": text})]
            assert {answer.status_code for answer in asked} == {422}, [a.text for a in asked if a.status_code != 422]
            assert not any("passwd" in answer.text or "Traceback" in answer.text for answer in asked)
    for path in (
        "/../../etc/passwd",
        "/forecasts/../../etc/passwd",
        "/jobs/%2e%2e%2f%2e%2e",
        "/served-on/..%2f..%2fx",
        "/served-on/2018-02-05%00",
        "//x",
        "/%ff%fe",
    ):
        assert status_of(sent(port, request(keys["good"], "GET", path))) in (404, 422), path


def test_numbers_depth_and_bytes_that_json_does_not_have(server):
    port, keys = server
    for value in (
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"9" * 4000,
        b"[" * 7000 + b"]" * 7000,
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'"\\ud800"',
        b"\xff",
    ):
        for name in (b"horizon", b"horizons", b"symbol"):
            body = b'{"symbol": "VIX", "%s": %s}' % (name, value)
            assert status_of(sent(port, request(keys["good"], "POST", "/forecast", body))) in (413, 422), body[:80]
    lives(server)


def test_what_a_caller_sends_comes_back_in_no_header(server):
    port, keys = server
    for path in (
        "/forecasts?symbol=VIX%0d%0aSet-Cookie:%20a=b&limit=1",
        "/forecasts?limit=1&start=2017-01-01%0d%0aX:y",
        "/x%0d%0aSet-Cookie:%20a=b",
    ):
        answer = sent(
            port, request(keys["good"], "GET", path, b"", b"X-Request-ID: mine", b"Origin: http://evil.example")
        )
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert (
            status_of(answer) in (404, 422)
            and b"set-cookie" not in head
            and b"mine" not in head
            and b"evil" not in head
        )


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("line", CURLS)
def test_the_curl_lines_of_the_documents_run(server, line):
    port, keys = server
    told = line.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("$KEY", keys["good"])
    command = [*shlex.split(told), "--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    answer, _, status = run.stdout.rpartition("\n")
    assert (run.returncode, status) == (0, "200"), run.stdout + run.stderr
    assert "VIX" in answer or '"ready":true' in answer


def test_the_documents_have_curl_lines():
    assert len(CURLS) >= 3
