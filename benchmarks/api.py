"""What the HTTP API bears on loopback: stored forecasts a second of one worker and of several, by wall and by processor seconds of the workers.

    python benchmarks/api.py [--seconds 5] [--connections 16] [--workers 1] [--database URL]

The load is bounded, its address is this machine's own, and the server is this program's child. A machine that does other things
shows in the wall's numbers; the processor's say what the code costs.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def main() -> None:
    "Start a server, put load on it, say what it bore."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--database", default="")
    parser.add_argument("--limit", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
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
            server = subprocess.Popen(
                [sys.executable, "-m", "forecastkit", "serve", "--quiet"], env=env, stderr=nowhere
            )
            try:
                for _ in range(600):
                    time.sleep(0.2)
                    with socket.socket() as probe:
                        if probe.connect_ex(("127.0.0.1", port)) == 0:
                            break
                first, _ = asyncio.run(load(port, keys, 60.0, 1, 100))  # each stored forecast once, from the ledger
                before = processor_seconds(server.pid)
                took, statuses = asyncio.run(load(port, keys, given.seconds, given.connections))
                used = processor_seconds(server.pid) - before
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(60)
        took.sort()
        p50, p99 = (1000 * took[int(len(took) * q)] for q in (0.5, 0.99))
        print(f"{given.workers} workers, {given.connections} connections: {len(took) / given.seconds:.0f} a second, p50 {p50:.1f} ms, p99 {p99:.1f} ms; "
              f"{len(took) / max(used, 0.01):.0f} a processor second; answers {statuses}; the first time {1000 * sum(first) / len(first):.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
