"""How fast the dashboard shows its first page over a long ledger, and every other page, with photographs and what axe-core finds.

    python benchmarks/dashboard.py [FORECASTS] [--folder pictures] [--axe axe.min.js] [--ledger FILE]

Makes a ledger of so many forecasts (100,000 by default; half a minute of the processor) unless one is given, starts `forecastkit dashboard` over it, opens it once, and then measures
in a new window of Chromium: the clock from the request until the numbers of the first page stand (asked: below 2 s), beside the load of the machine and the seconds of
the processor that the server used. Then the other pages by their links: the first look, which reads, and a second one, from what was kept. Each line of JSON is one figure.
Pictures are of 1,280 and 400 pixels, light and dark. axe-core (`npm install axe-core`) is injected from its file; nothing is fetched.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZES = ((1280, 900), (400, 900))
READY = "[data-testid=stApp][data-test-script-state=notRunning]"


def processor_seconds(pid: int) -> float:
    "What a process has used, from /proc."
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def started(home: Path) -> tuple[subprocess.Popen, str]:
    "The server over a home, and its address."
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = "import sys; from forecastkit.cli.main import main; sys.exit(main())"
    server = subprocess.Popen(
        [sys.executable, "-c", code, "dashboard", "--port", str(port), "--home", str(home), "--quiet"]
    )
    for _ in range(1500):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).close()
            return server, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the server does not answer")


def say(**figure: object) -> None:
    "One figure, with the load of the machine."
    print(json.dumps(figure | {"load": round(os.getloadavg()[0], 1)}), flush=True)


def first_paint(browser, address: str) -> float:
    "Seconds of the clock from the request until the numbers stand, in a new window."
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    begin = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(".fk-tiles, [data-testid=stAlert]").first.wait_for(timeout=300_000)
    seconds = time.perf_counter() - begin
    page.context.close()
    return seconds


def look(page, title: str) -> float:
    "Seconds until a page stands whole after its link was followed."
    begin = time.perf_counter()
    page.get_by_role("link", name=title, exact=True).click()
    page.get_by_role("heading", level=1, name=title, exact=True).wait_for()
    page.locator(READY).wait_for()
    return time.perf_counter() - begin


def photograph(page, folder: Path, name: str, width: int) -> str:
    "A picture of a page in its whole height."
    page.wait_for_timeout(1500)
    high = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(900, high + 20), 6000)})
    page.wait_for_timeout(1500)
    page.screenshot(path=folder / name)
    page.set_viewport_size({"width": width, "height": 900})
    return name


def findings(page, axe: Path) -> list[dict[str, object]]:
    "What axe-core finds serious or critical: rule, how often, and where first."
    page.add_script_tag(content=axe.read_text())
    found = page.evaluate(
        "axe.run().then(all => all.violations.map(one => [one.id, one.impact, one.nodes.length, one.nodes[0].target.join(' ')]))"
    )
    return [dict(zip(("rule", "impact", "count", "where"), one)) for one in found if one[1] in ("serious", "critical")]


def visit(
    browser, address: str, titles: list[str], width: int, scheme: str, folder: Path | None, axe: Path | None
) -> None:
    "Every page in a window of a width and a colour scheme."
    page = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme).new_page()
    page.set_default_timeout(300_000)
    page.goto(address)
    page.locator(READY).wait_for()
    for title in titles:
        page.set_viewport_size({"width": 1280, "height": 900})  # a narrow window hides the links behind a button
        seconds = [round(look(page, title), 2), round((look(page, titles[0]), look(page, title))[1], 2)]
        page.set_viewport_size({"width": width, "height": 900})
        name = f"{title.lower().replace(' ', '-')}-{width}-{scheme}.png"
        taken = photograph(page, folder, name, width) if folder else None
        wide = page.evaluate("document.documentElement.scrollWidth")
        say(
            page=title,
            width=width,
            scheme=scheme,
            first=seconds[0],
            again=seconds[1],
            picture=taken,
            fits=wide <= width,
            axe=findings(page, axe) if axe else None,
        )
    page.context.close()


def main() -> None:
    "Measure, and take pictures where a folder is given."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("forecasts", type=int, nargs="?", default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--axe", type=Path)
    parser.add_argument("--home", type=Path, help="a home whose ledger is shown; by default one is made")
    parser.add_argument("--schemes", default="light,dark")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, sync_playwright() as play:
        home = args.home or Path(made)
        if args.home is None:
            from ledger import load_copies

            say(made=args.forecasts, seconds=round(load_copies(f"sqlite:///{home}/forecasts.db", args.forecasts), 1))
        from forecastkit.web.dashboard import PAGES

        server, address = started(home)
        try:
            browser = play.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
            )
            say(
                what="first paint, cold",
                seconds=round(first_paint(browser, address), 2),
                server=round(processor_seconds(server.pid), 2),
            )
            for _ in range(3):
                used = processor_seconds(server.pid)
                seconds = first_paint(browser, address)
                say(
                    what="first paint, warm",
                    seconds=round(seconds, 2),
                    asked=2.0,
                    server=round(processor_seconds(server.pid) - used, 2),
                )
            if args.folder:
                args.folder.mkdir(parents=True, exist_ok=True)
            titles = [title for title, _ in PAGES.values()]
            for scheme in args.schemes.split(","):
                for width, _height in SIZES:
                    visit(browser, address, titles, width, scheme, args.folder, args.axe)
            browser.close()
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    main()
