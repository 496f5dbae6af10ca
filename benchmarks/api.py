"""What the HTTP API bears on loopback: stored forecasts a second of one worker and of several, by wall and by processor seconds of the workers.

    python benchmarks/api.py [--seconds 5] [--connections 16] [--workers 1] [--database URL]
    python benchmarks/api.py --clients 100 --seconds 60

The second asks as programs do that know nothing of each other, with a connection of its own each, and prints how many answers were errors
of the server and whether its memory stays where it was.
The load is bounded, its address is this machine's own, and the server is this program's child. A machine that does other things
shows in the wall's numbers; the processor's say what the code costs.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from engines import DAYS, made

from forecastkit.ledger import PredictionDatabase
from forecastkit.web import add_key


def free_port() -> int:
    "A port that nobody listens at."
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return own.getsockname()[1]


def processor_seconds(pid: int) -> float:
    "Processor seconds of a process and its children that live, on Linux."
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            own, parts = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if own == pid or int(parts[1]) == pid:
            total += (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
    return total


async def one_connection(
    port: int, questions: list[bytes], until: float, took: list[float], statuses: dict[int, int], most: float
) -> None:
    "Ask over one connection until it is time to stop."
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    k = 0
    while time.perf_counter() < until and k < most:
        began = time.perf_counter()
        writer.write(questions[k % len(questions)])
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - began)
        status = int(head[9:12])
        statuses[status] = statuses.get(status, 0) + 1
        k += 1
    writer.close()


async def load(
    port: int, keys: list[str], seconds: float, connections: int, most: float = float("inf")
) -> tuple[list[float], dict[int, int]]:
    "What the questions took, and how they were answered."
    took, statuses = list[float](), dict[int, int]()
    until = time.perf_counter() + seconds

    def question(key: str, day: str) -> bytes:
        body = json.dumps({"symbol": "VIX", "date": day}).encode()
        head = f"POST /forecast HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    asked = [
        [question(keys[(c + i) % len(keys)], f"{DAYS[i]:%Y-%m-%d}") for i in range(100)] for c in range(connections)
    ]
    await asyncio.gather(*(one_connection(port, asked[c], until, took, statuses, most) for c in range(connections)))
    return took, statuses


def memory_of(pid: int) -> float:
    "Megabytes that a process and its children hold, on Linux."
    pages = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            own, parts = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
            if own == pid or int(parts[1]) == pid:
                pages += int(parts[21])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


CONTEXT = ssl.create_default_context()  # made once: each takes longer than a hundred answers


async def one_client(port: int, key: str, first: int, until: float, seen: Counter[str]) -> None:
    "Ask for stored forecasts with a client of httpx until it is time to stop."
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": key}, timeout=60) as client:
        k = first
        while time.perf_counter() < until:
            try:
                answer = await client.post("/forecast", json={"symbol": "VIX", "date": f"{DAYS[k % 100]:%Y-%m-%d}"})
                seen[str(answer.status_code)] += 1
            except httpx.HTTPError as error:
                seen[type(error).__name__] += 1
            k += 1


async def many_clients(port: int, pid: int, keys: list[str], clients: int, seconds: float) -> None:
    "Ask with many clients at once; print what was answered and what the server held early and late."
    seen, until = Counter[str](), time.perf_counter() + seconds

    async def watched() -> tuple[float, float]:
        await asyncio.sleep(min(10.0, seconds / 3))
        early = memory_of(pid)
        await asyncio.sleep(max(until - time.perf_counter() - 0.2, 0.0))
        return early, memory_of(pid)

    asking = (one_client(port, keys[i % len(keys)], i, until, seen) for i in range(clients))
    (early, late), *_ = await asyncio.gather(watched(), *asking)
    errors = sum(n for status, n in seen.items() if status[0] == "5")
    cut = sum(n for status, n in seen.items() if not status.isdigit())
    print(
        f"{clients} clients, {seconds:g} seconds: {seen.total()} requests, {seen.total() / seconds:.0f} a second, answers {dict(seen)}"
    )
    print(f"answers of 5xx: {errors} (asked: 0); connections cut: {cut} (asked: 0)")
    print(f"memory of the server: {early:.0f} MB after {min(10.0, seconds / 3):.0f} s, {late:.0f} MB at the end, "
          f"{100 * (late / early - 1):+.1f} % (asked: below +5 %)")  # fmt: skip


@contextmanager
def served(home: str, given: argparse.Namespace) -> Iterator[tuple[int, int, list[str]]]:
    "Port, process and keys of a server with a hundred stored forecasts."
    url, port = given.database or f"sqlite:///{home}/forecasts.db", free_port()
    database = PredictionDatabase(url)
    database.store_predictions([(made(i), None) for i in range(100)])
    keys = [add_key(database, f"load {i} {time.time():.0f}", "forecast")[1] for i in range(4)]
    database.close()
    env = os.environ | {
        "FORECASTKIT_DATA_HOME": home, "FORECASTKIT_DATABASE_URL": url, "FORECASTKIT_WEB_PER_MINUTE": str(given.limit), "FORECASTKIT_WEB_PORT": str(port),
        "FORECASTKIT_WEB_WORKERS": str(given.workers), "FORECASTKIT_WEB_SYMBOLS": "VIX", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    with Path(os.devnull).open("w") as nowhere:
        server = subprocess.Popen([sys.executable, "-m", "forecastkit", "serve", "--quiet"], env=env, stderr=nowhere)
        try:
            for _ in range(600):
                time.sleep(0.2)
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
            yield port, server.pid, keys
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def main() -> None:
    "Start a server, put load on it, say what it bore."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--clients", type=int, default=0, help="so many clients of httpx, instead of bare connections")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--database", default="")
    parser.add_argument("--limit", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, served(home, given) as (port, pid, keys):
        first, _ = asyncio.run(load(port, keys, 60.0, 1, 100))  # each stored forecast once, from the ledger
        if given.clients:
            return asyncio.run(many_clients(port, pid, keys, given.clients, given.seconds))
        before = processor_seconds(pid)
        took, statuses = asyncio.run(load(port, keys, given.seconds, given.connections))
        used = processor_seconds(pid) - before
    took.sort()
    p50, p99 = (1000 * took[int(len(took) * q)] for q in (0.5, 0.99))
    print(f"{given.workers} workers, {given.connections} connections: {len(took) / given.seconds:.0f} a second, p50 {p50:.1f} ms, p99 {p99:.1f} ms; "
          f"{len(took) / max(used, 0.01):.0f} a processor second; answers {statuses}; the first time {1000 * sum(first) / len(first):.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
