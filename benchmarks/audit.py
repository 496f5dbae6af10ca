"""What the audit of a function finds: sparse, remembered and encoded leaks, innocents that it must not accuse, and the bound that it states.

.venv/bin/python benchmarks/audit.py             all of the suite on the S&P 500 of the embedded data, at default settings
.venv/bin/python benchmarks/audit.py --bound     leaks planted on 1, 2, 5 and 20 % of days: how often found, beside what was stated
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from forecastkit.core import load_settings
from forecastkit.evaluation import audit
from forecastkit.evaluation.answer_findings import search_cuts
from forecastkit.evaluation.audit_cuts import plan_cuts
from forecastkit.evaluation.audit_views import FrameViews
from forecastkit.pipeline import open_market

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def suite(close: pd.Series) -> None:
    "Every function of the suite, one audit each."
    from leaks.sparse import ENCODED, INNOCENT, REMEMBERED, SPARSE

    slowest = 0.0
    for kind, functions, leaks in (("sparse", SPARSE, True), ("remembered", REMEMBERED, True), ("encoded", ENCODED, True), ("innocent", INNOCENT, False)):  # fmt: skip
        right, processor, wrong = 0, time.process_time(), []
        for name, fn in functions.items():
            begun = time.perf_counter()
            report = audit(fn, close, name=name)
            slowest = max(slowest, time.perf_counter() - begun)
            right += report.ok != leaks
            wrong += [name] if report.ok == leaks else []
        spent = (time.process_time() - processor) / len(functions)
        asked = "found" if leaks else "not accused"
        print(
            f"{kind:<11} {asked} {right} of {len(functions)}, {spent:.1f} s of processor each in this process; wrong: {', '.join(wrong) or 'none'}",
            flush=True,
        )
    print(f"slowest {slowest:.1f} s (asked: <= 60 s); asked: >= 95 % of leaks, 0 of >= 40 innocents")


def bound(close: pd.Series, draws: int = 60) -> None:
    "Leaks planted on random days: detection by the plan's cuts, beside what the even ones of them promise."
    views, rows = FrameViews(close), close.index
    for share in (0.01, 0.02, 0.05, 0.2):
        found, promised = [], []
        for draw in range(draws):
            rng = np.random.default_rng([draw, int(1000 * share)])
            days = rows[rng.random(len(rows)) < share]

            def planted(shown: pd.Series, days: pd.DatetimeIndex = days) -> pd.Series:
                moved = np.log(shown).diff()
                return moved.where(~shown.index.isin(days), moved.shift(-1))

            whole = views.table(planted(close), close)
            plan = plan_cuts(rows, views.kinds(whole), seed=draw)
            hit = plan.cuts[plan.cuts.isin(days)][:3]  # a cut that meets no leak finds none: only these need asking
            found.append(bool(search_cuts(planted, views, whole, hit, "planted").differences))
            promised.append(1 - (1 - share) ** len(plan.even))
        print(
            f"leak on {share:.0%} of days: found in {np.mean(found):.0%} of {draws} (stated for the even cuts alone: {np.mean(promised):.0%})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bound", action="store_true", help="plant leaks on a share of days")
    asked = parser.parse_args()
    close = open_market(load_settings(environ={}), ["SPX"]).close("SPX")
    bound(close) if asked.bound else suite(close)


if __name__ == "__main__":
    main()
