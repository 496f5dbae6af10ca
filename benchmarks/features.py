"""How fast the 232 features are, beside other libraries on the same bars in the same run, and how much memory they need.

    .venv/bin/python benchmarks/features.py [PYTHON]

PYTHON is the interpreter of an environment of its own that holds the references, which need an older pandas:

    uv venv /tmp/reference && uv pip install --python /tmp/reference/bin/python pandas-ta-classic ta "pandas<3"

Without it they are left out, and the script says so. These machines are shared and noisy: seconds are of the processor, not of the clock, and the ratios say more than they do.
A feature-row is one feature at one session.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from markets import whole_market

from forecastkit.calendars import get_calendar
from forecastkit.features.base import Inputs, compute_features
from forecastkit.features.volatility import FeatureEngine, volatility_features

NYSE = get_calendar("XNYS")

SESSIONS, LIMIT, AIM = 7300, 0.5, 0.2
REFERENCE = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
bars = pd.read_csv(sys.argv[1], index_col=0, parse_dates=True)
best, found = 2, {}
def measure(name, work):
    try:
        work(bars.iloc[:1000].copy())
        took = []
        for _ in range(best):
            start = time.process_time()
            columns = work(bars.copy())
            took.append(time.process_time() - start)
        found[name] = [min(took), columns]
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"
def every(frame):
    import pandas_ta_classic
    frame.ta.cores = 0
    frame.ta.strategy("all", verbose=False)
    return frame.shape[1] - 5
def standard(frame):
    import pandas_ta_classic
    for kind in ("rsi", "macd", "trix", "stoch", "cci", "aroon", "natr", "uo", "mfi", "adx", "zscore", "stdev", "skew", "log_return", "sma", "ema"):
        getattr(frame.ta, kind)(append=True)
    return frame.shape[1] - 5
def all_of_ta(frame):
    import ta
    return ta.add_all_ta_features(frame, "open", "high", "low", "close", "volume").shape[1] - 5
measure("pandas-ta-classic, all it has", every)
measure("pandas-ta-classic, sixteen usual ones", standard)
measure("ta, all it has", all_of_ta)
print(json.dumps(found))
"""


def seconds(work: Callable[[], object], times: int = 7) -> float:
    "The fastest of a few runs, after one that warms up."
    work()
    best = np.inf
    for _ in range(times):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def row(what: str, took: float, columns: int, ours: float) -> None:
    speed = columns * SESSIONS / took / 1e6
    print(
        f"{what:42s} {columns:4d} columns {took:9.4f} s {speed:9.2f} million feature-rows/s   ours are x {ours / speed:.2f}"
    )


def talib_ceiling(bars: pd.DataFrame) -> tuple[float, int]:
    "All of TA-Lib's momentum, overlap, volatility and statistic functions on bare arrays."
    import talib
    from talib import abstract

    inputs = {name: bars[name].to_numpy(dtype=float) for name in bars}
    groups = ("Momentum Indicators", "Overlap Studies", "Volatility Indicators", "Statistic Functions")
    functions = [
        abstract.Function(name) for group in groups for name in talib.get_function_groups()[group] if name != "MAVP"
    ]
    columns = sum(len(function.output_names) for function in functions)
    return seconds(lambda: [function(inputs) for function in functions]), columns


def references(bars: pd.DataFrame, python: str, ours: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bars.csv")
        bars.to_csv(path)
        ran = subprocess.run([python, "-c", REFERENCE, str(path)], capture_output=True, text=True, check=False)
    if ran.returncode:
        print(f"references left out: {python} failed: {ran.stderr.strip().splitlines()[-1:]}")
        return
    for name, found in json.loads(ran.stdout.splitlines()[-1]).items():
        if isinstance(found, str):
            print(f"{name:42s} left out: {found}")
        else:
            row(name, *found, ours)


def main() -> None:
    warnings.simplefilter("ignore")  # the first decade lies before the table of meetings
    market, declared = whole_market(SESSIONS, start="1990-01-02"), volatility_features()
    bars = market.bars("SPX")
    took = seconds(lambda: compute_features(declared, market, "VIX"))
    ours = len(declared) * SESSIONS / took / 1e6
    verdict = "within the aim" if took <= AIM else "within the limit" if took <= LIMIT else "OVER THE LIMIT"
    print(f"{SESSIONS} sessions, every series present; limit {LIMIT} s, aim {AIM} s: {verdict}")
    row("forecastkit", took, len(declared), ours)
    whole = seconds(lambda: FeatureEngine().build_features(market), 3)
    row("with cohort, weight and quality", whole, len(declared) + 3, ours)
    rolling = seconds(lambda: bars["close"].rolling(22).std())
    row("one pandas rolling standard deviation", rolling, 1, ours)
    row("TA-Lib on bare arrays: the ceiling", *talib_ceiling(bars), ours)
    if len(sys.argv) > 1:
        references(bars, sys.argv[1], ours)
    else:
        print("pandas-ta-classic and ta left out: give the interpreter of an environment that has them, see above")
    tracemalloc.start()
    frame = compute_features(declared, market, "VIX")
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    table = frame.to_numpy().nbytes / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"peak memory of one computation {peak:.0f} MB, of which the table itself {table:.0f} MB; of the process {most:.0f} MB"
    )
    print("the slowest families, ms:", slowest(declared, market))


def slowest(declared, market, most: int = 6) -> dict[str, float]:
    "Where the time goes: by family, each with inputs of its own."
    took = {}
    for family in dict.fromkeys(feature.family for feature in declared):
        own = [feature for feature in declared if feature.family == family]
        took[family] = seconds(lambda own=own: compute_features(own, market, "VIX"), 2) - seconds(
            lambda: Inputs(market, "VIX"), 2
        )
    return {family: round(1e3 * took[family], 1) for family in sorted(took, key=took.get, reverse=True)[:most]}


if __name__ == "__main__":
    main()
