"""Checkers of look-ahead on the suite and the corpus of leaks: leaks found, innocents accused, seconds a function.

.venv/bin/python benchmarks/rivals/audits.py DIR --export    the source of every function, for the rivals that read sources
RIVALS_PYTHON benchmarks/rivals/audits_rivals.py DIR         what these say
.venv/bin/python benchmarks/rivals/audits.py DIR             forecastkit and the perturbation at the midpoint, and the table

The last keeps what was said of each function in DIR/own.json and asks no function twice: `--functions 10` asks ten more and stops.
"""

import argparse
import inspect
import json
import os
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.core import FreshProcesses, load_settings, write_atomic
from forecastkit.data import MarketData
from forecastkit.evaluation import audit
from forecastkit.evaluation.perturbations import Counterfactuals
from forecastkit.evaluation.traces import as_table
from forecastkit.pipeline import open_market

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

HEAD = "import numpy as np\nimport pandas as pd\n\n\n"
USE = """
prices = pd.read_csv("prices.csv", index_col="date", parse_dates=True)
signal = {name}(prices["close"])
strategy_returns = signal.shift(1) * prices["close"].pct_change()
"""  # a checker of backtests judges a column by its use
MODES = ("noise", "sign_flip", "nullify")


def cases() -> list[tuple[str, str, bool, Callable[..., Any], str]]:
    "Set, name, whether it leaks, the function, and when its rows are decided."
    from leaks import LEAKS, LOOKALIKES
    from leaks.sparse import ENCODED, INNOCENT, REMEMBERED, SPARSE

    own = [("suite", name, leaks, fn, "close")
           for part, leaks in ((SPARSE, True), (REMEMBERED, True), (ENCODED, True), (INNOCENT, False))
           for name, fn in part.items()]  # fmt: skip
    corpus = [("corpus", str(case), case in LEAKS, case.fn, case.decide) for case in LEAKS + LOOKALIKES]
    return own + corpus


def source_of(fn: Callable[..., Any]) -> str:
    "A file with the function, without its decorator, and the functions of its module that it calls."
    names = (getattr(fn, "__code__", None) and fn.__code__.co_names) or ()
    module = vars(sys.modules[getattr(fn, "__module__", type(fn).__module__)])
    beside = [module[name] for name in names if inspect.isfunction(module.get(name)) and module[name] is not fn]
    texts = [textwrap.dedent(inspect.getsource(one)) for one in (*beside, fn if names else type(fn))]
    lines = [line for text in texts for line in (*text.splitlines(), "", "") if not line.startswith("@")]
    return HEAD + "\n".join(lines) + USE.format(name=getattr(fn, "__name__", f"{type(fn).__name__}()"))


def changed_before(baseline: pd.DataFrame, perturbed: pd.DataFrame, past: pd.Index) -> bool:
    "Whether a value of a past row moved by more than 1e-8, as temporal-leaks compares: as numbers, absent ones left out."
    one, other = (
        table.reindex(past).apply(pd.to_numeric, errors="coerce").astype(float) for table in (baseline, perturbed)
    )
    return bool(((one - other.reindex(columns=one.columns)).abs() > 1e-8).to_numpy().any())


def midpoint_of_closes(fn: Callable[..., Any], close: pd.Series) -> bool:
    "The procedure that temporal-leaks documents, in each of its three modes: any of them counts."
    middle = close.index[0] + (close.index[-1] - close.index[0]) / 2
    later, past = (close.index > middle), close.index[close.index <= middle]
    baseline = as_table(fn(close.copy()))
    noise = np.random.default_rng(42).normal(0, 2 * close[later].std(), later.sum())
    others = {"noise": close[later] + noise, "sign_flip": -close[later], "nullify": close[later] * np.nan}
    return any(changed_before(baseline, as_table(fn(pd.concat([close[~later], others[mode]]))), past) for mode in MODES)


def midpoint_of_market(fn: Callable[..., Any], market: MarketData) -> bool:
    "The same on a market, whose prices are perturbed as forecastkit does it: its own noise would make them negative, which a market refuses."
    days = market.close("SPX").index
    middle = days[len(days) // 2]
    other = Counterfactuals(market, 42).perturbed(market.calendar.closes_of([middle])[0])
    return changed_before(as_table(fn(market)), as_table(fn(other)), days[days <= middle])


def processor() -> float:
    "Seconds of processor of this process and its ended children."
    return sum(os.times()[:4])


def own_verdicts(market: MarketData, close: pd.Series, kept: Path, functions: int | None) -> list[dict[str, Any]]:
    "What forecastkit and the perturbation at the midpoint say of every function, or of so many more; each is kept at once."
    rows = json.loads(kept.read_text()) if kept.exists() else []
    done = {(row["set"], row["name"], row["leak"]) for row in rows}
    fresh = FreshProcesses(("forecastkit.evaluation.fresh_answers",))
    left = [case for case in cases() if case[:3] not in done]
    for part, name, leaks, fn, decide in left[:functions]:
        data = market if part == "corpus" else close
        begun = processor()
        report = audit(fn, data, decide=decide, name=name)
        rows.append({"set": part, "name": name, "leak": leaks, "rival": "forecastkit", "accused": not report.ok, "seconds": processor() - begun})  # fmt: skip
        begun, asked = processor(), midpoint_of_market if part == "corpus" else midpoint_of_closes
        try:
            accused = fresh.ask(partial(asked, fn, data))
        except Exception as error:  # a function that fails on its perturbed data is not judged
            print(f"midpoint perturbation, {name}: {type(error).__name__}", file=sys.stderr)
            accused = False
        rows.append({"set": part, "name": name, "leak": leaks, "rival": "midpoint perturbation", "accused": accused, "seconds": processor() - begun})  # fmt: skip
        write_atomic(kept, json.dumps(rows, default=bool, indent=1).encode())
        print(rows[-2], flush=True, file=sys.stderr)
    fresh.close()
    return rows


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    "Leaks found and innocents accused by checker and set, and seconds a function."
    verdicts = pd.DataFrame(rows)
    groups = verdicts.groupby(["rival", "set"], sort=False)
    told = {
        key: {
            "leaks found": f"{group.query('leak')['accused'].sum()} of {group['leak'].sum()}",
            "innocents accused": f"{group.query('not leak')['accused'].sum()} of {(~group['leak']).sum()}",
            "seconds": round(group["seconds"].mean(), 3),
        }
        for key, group in groups
    }
    return pd.DataFrame(told).T.rename_axis(["checker", "set"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--export", action="store_true", help="write sources.json for the rivals")
    parser.add_argument("--functions", type=int, help="ask so many more, and stop")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.export:
        told = [{"set": part, "name": name, "leak": leaks, "source": source_of(fn)} for part, name, leaks, fn, _ in cases()]  # fmt: skip
        (asked.folder / "sources.json").write_text(json.dumps(told, indent=1))
        return
    from leaks.setting import corpus_market

    close = open_market(load_settings(environ={}), ["SPX"]).close("SPX")
    rows = own_verdicts(corpus_market(), close, asked.folder / "own.json", asked.functions)
    rivals = asked.folder / "rivals.json"
    print(table(rows + (json.loads(rivals.read_text()) if rivals.exists() else [])).to_string())


if __name__ == "__main__":
    main()
