"""From a wheel to the first answer over HTTP, as a newcomer does it by the guide: the seconds of each step beside five minutes.

    python benchmarks/first_use.py [--wheel dist/forecastkit-X.whl]

Everything happens in an empty folder with a home and an environment of its own; without `--wheel` one is built first, which is not counted.
pip finds packages as it is configured here, so its time is that of this machine's network or mirror; what else this machine does shows in the
seconds by the clock and not in those of the processors. The port is the one
that the guide names where it is free.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 300.0  # seconds
CURL = re.compile(r"^(curl -X POST .*)$", re.MULTILINE)


def built_wheel(folder: Path) -> Path:
    "A wheel of this tree as it is committed or not, built beside it."
    sources = folder / "sources"
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, sources, ignore=ignored, symlinks=True)
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(sources)])
    return next(folder.glob("*.whl"))


def run(words: list[str], **options: object) -> str:
    "What a command prints; ends the program with what it said where it fails."
    done = subprocess.run(words, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def processor_seconds() -> float:
    "What the programs that have ended took of the processors."
    took = os.times()
    return took.children_user + took.children_system


def listening(port: int) -> bool:
    "Whether somebody listens at a port of this machine."
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def first_answer(key: str, port: int) -> str:
    "The answer to the first curl line of the guide."
    (line,) = CURL.findall((ROOT / "nbs/guide/serve.qmd").read_text())
    line = line.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{port}")
    return run(["sh", "-c", f"{line} --fail-with-body --silent --show-error"], env=os.environ | {"KEY": key})


def main() -> None:
    "Take the steps, and print how long each took."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="first-use-") as name:
        empty = Path(name, "empty")
        empty.mkdir()
        wheel = (given.wheel or built_wheel(Path(name))).resolve()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("FORECASTKIT_", "PYTHON", "VIRTUAL_ENV"))}
        env |= {"HOME": name, "PATH": f"{empty}/.venv/bin:{env['PATH']}"}
        began = time.monotonic()

        def step(said: str, words: list[str]) -> str:
            since, used = time.monotonic(), processor_seconds()
            told = run(words, cwd=empty, env=env)
            print(
                f"{time.monotonic() - since:7.1f} s  {said} ({processor_seconds() - used:.1f} s of the processors)",
                flush=True,
            )
            return told

        step("python -m venv .venv", [sys.executable, "-m", "venv", ".venv"])
        step('pip install "forecastkit[api]"', [f"{empty}/.venv/bin/pip", "install", "--quiet", f"{wheel}[api]"])
        program = f"{empty}/.venv/bin/forecastkit"
        step("forecastkit daily", [program, "daily"])
        told = step("forecastkit keys add", [program, "keys", "add", "dashboard", "--scope", "forecast"])
        key = re.search(r"fk_\w{8}_[\w-]+", told)
        if key is None:
            sys.exit(f"no key was shown: {told}")
        port = 8080
        if listening(port):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
        since = time.monotonic()
        own = [] if port == 8080 else ["--port", str(port)]
        server = subprocess.Popen([program, "serve", *own], cwd=empty, env=env, stderr=subprocess.DEVNULL)
        try:
            while not listening(port):
                if server.poll() is not None:
                    sys.exit(f"forecastkit serve ended with {server.returncode}")
                time.sleep(0.1)
            print(f"{time.monotonic() - since:7.1f} s  forecastkit serve", flush=True)
            since = time.monotonic()
            answer = first_answer(key[0], port)
            print(f"{time.monotonic() - since:7.1f} s  first answer by curl: {answer[:160]}", flush=True)
        finally:
            server.terminate()
            server.wait(60)
        total = time.monotonic() - began
        print(f"{total:7.1f} s  from an empty folder to the first answer (asked: below {LIMIT:g} s)")
        if "prediction_id" not in answer:
            sys.exit(f"the first answer is no forecast: {answer[:500]}")


if __name__ == "__main__":
    main()
