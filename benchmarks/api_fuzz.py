"""schemathesis over the OpenAPI of the HTTP API: all its checks, from its own machine, with what was asked beside what was measured.

    python3 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install schemathesis==4.32.5
    python benchmarks/api_fuzz.py --schemathesis /tmp/fuzz/bin/schemathesis [--examples 250] [--seed 1] [--report run.json]

schemathesis stands in an environment of its own: it is a plugin of pytest, which every run of the tests would load. The server is in
this process, on loopback, over a market made from a seed and with models of one round; its limit on questions is out of the way.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from api_server import serving, settings_at
from engines import made

from forecastkit.data import synthetic_market
from forecastkit.ledger import PredictionDatabase
from forecastkit.web import add_key

ASKED: int = 2000  # cases
CONFIG: str = """[auth.openapi.HTTPBearer]
bearer = "{key}"
[auth.openapi.APIKeyHeader]
api_key = "{key}"
# OpenAPI cannot say that one field comes before another: a first day after the last one is refused all the same.
[[operations]]
include-path = "/forecasts"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 422]
"""


def run_fuzzer(given: argparse.Namespace, port: int, key: str, report: Path) -> str:
    "One run over all addresses; what it told."
    config = report.with_suffix(".toml")
    config.write_text(CONFIG.format(key=key))
    address = f"http://127.0.0.1:{port}/openapi.json"
    options = [
        "--checks",
        "all",
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        str(given.examples),
    ]
    options += ["--seed", str(given.seed), "--continue-on-failure", "--suppress-health-check", "all", "--no-color"]
    options += ["--report", "json", "--report-json-path", str(report)]
    command = [str(given.schemathesis), "--config-file", str(config), "run", address, *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=report.parent)
    config.unlink()
    return run.stdout + run.stderr


def show_findings(found: dict[str, Any]) -> bool:
    "What was asked beside what was measured; whether all holds."
    counts, failures, operations = found["test_cases"], found["failures"], found["operations"]
    server = sum(one["count"] for one in failures if one["type"] == "ServerError")
    rows = [
        (
            "addresses",
            "all",
            f"{operations['tested']} of {operations['total']}",
            operations["tested"] == operations["total"],
        ),
        ("cases, all checks", f">= {ASKED}", counts["generated"], counts["generated"] >= ASKED),
        ("answers of 5xx", 0, server, server == 0),
        ("violations", 0, sum(one["count"] for one in failures) - server, not failures),
        ("cases that could not be asked", 0, counts["errored"], counts["errored"] == 0),
    ]
    for name, asked, measured, holds in rows:
        print(f"{name:30s} asked {asked!s:8s} measured {measured!s:10s} {'holds' if holds else 'FALLS SHORT'}")
    for one in failures + found["errors"]:
        print(f"  {one['count']} x {one['title']}")
    return all(row[3] for row in rows)


def main() -> None:
    "Start a server, let schemathesis at it, say how many cases there were and what they found."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schemathesis", type=Path, required=True, help="the command, in an environment of its own")
    parser.add_argument("--examples", type=int, default=250, help="cases of each address in the random phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="keep the report of schemathesis here")
    parser.add_argument("--verbose", action="store_true", help="what schemathesis told, even where all holds")
    given = parser.parse_args()
    market = synthetic_market(seed=3, sessions=330, start="2016-12-01", stocks=("AAA",)).market
    with tempfile.TemporaryDirectory() as home:
        database = PredictionDatabase(f"sqlite:///{home}/forecasts.db")
        database.store_predictions([(made(i), None) for i in range(20)])
        key = add_key(database, "fuzzer", "forecast")[1]
        database.close()
        report = (given.report or Path(home) / "run.json").absolute()
        settings = settings_at(home, web__per_minute=1_000_000, web__seconds=5, web__queue=1000)
        began = time.perf_counter()
        with serving(settings, market) as port:
            told = run_fuzzer(given, port, key, report)
        found = json.loads(report.read_text())
    if given.verbose or found["failures"] or found["errors"]:
        print(told)
    holds = show_findings(found)
    print(
        f"schemathesis {found['schemathesis_version']}, seed {found['seed']}, {time.perf_counter() - began:.0f} seconds by the clock"
    )
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
