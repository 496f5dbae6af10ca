"""How much memory a universe takes: ten years of daily bars of 500, 1,000 and 2,000 tickers, the features and the forecasts of the last session.

    .venv/bin/python benchmarks/universe_memory.py [--tickers 500 1000 2000] [--out universe_memory.json]

The bars are seeded and synthetic, 2,520 sessions of each ticker (`made_market` of panel.py). Each part runs in a process of its own, one after
the other, and what counts is the peak of its resident memory: features by `compute_panel(last=1)` from a market in memory, forecasts by a
`PanelForecaster` read from its folder, fitted with 100 rounds on all sessions of 50 of the tickers (125,958 rows). A peak has three parts: the
libraries, the market (112 bytes a bar: five columns, the session, the moment it was known, its content for fingerprints), and the work. The
work is the panel block, 62 quantities of 275 sessions (the longest warm-up and the session asked for), and little else: formulas that hold
much in passing work on 256 tickers, or on a few sessions, at a time. Of the 6.8 KiB that a ticker adds beyond its 128.9 in the block, 4.3 are the result
of one formula and its copy without infinities (275 sessions of 8 bytes each), 0.5 say where it trades and counts, and 1.9 are its row of 60 features
(in three forms), its name and its place in the index. MiB, with numpy on one thread:

    tickers                     500    1,000    2,000    more a ticker from the fewest to the most
    features: libraries         105      105      105    0.0 KiB
      market in memory          156      296      575    285.9 KiB
      the work                   75      140      274    135.7 KiB
        of it the panel block    63      126      252    128.9 KiB
      peak                      337      541      954    421.5 KiB
    forecasts: model and rows   221      222      222    0.8 KiB
      the work                   12       14       22    6.7 KiB
      peak                      233      235      244    7.4 KiB
"""

import argparse
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

SESSIONS, FITTED, HORIZON = (
    2520,
    50,
    5,
)  # sessions of each ticker; tickers that the forecaster is fitted on; sessions ahead
MIB = 2**20


def peak() -> float:
    "The most memory that this process has held, in MiB."
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fit_model(folder: Path, tickers: int) -> dict[str, float]:
    "Fit a forecaster on all sessions of a few tickers and keep it."
    from panel import made_market

    from forecastkit.features.panel import compute_panel
    from forecastkit.models import PanelForecaster
    from forecastkit.pipeline.panel_preparation import panel_closes_ahead

    market, sectors = made_market(tickers, SESSIONS)
    X = compute_panel(market, sectors=sectors)
    PanelForecaster(HORIZON).fit(X, panel_closes_ahead(market, X.index, HORIZON)).save(folder / "model")
    return {"rows": len(X)}


def keep_market(folder: Path, tickers: int) -> dict[str, float]:
    "Make the market and keep it: the next process holds the market alone and nothing of its making."
    from panel import made_market

    (folder / "market.pkl").write_bytes(pickle.dumps(made_market(tickers, SESSIONS)))
    return {}


def measure_features(folder: Path, tickers: int) -> dict[str, float]:
    "The features of the last session from a market in memory, and the size of the blocks that they are computed in."
    from forecastkit.features.panel import compute_panel, panel_features, panel_values
    from forecastkit.features.panel_inputs import PanelInputs

    libraries = peak()
    with (folder / "market.pkl").open("rb") as file:
        market, sectors = pickle.load(file)  # noqa: S301  (written by `keep_market`)
    held = peak()
    X = compute_panel(market, sectors=sectors, last=1)
    most = peak()
    X.to_pickle(folder / "features.pkl")
    features = panel_features()
    inputs = PanelInputs(market, sectors=sectors, last=1 + max(feature.warmup for feature in features))
    panel_values(inputs, features, 1)
    block = sum(values.nbytes for values in inputs._blocks.values()) / MIB
    return {"libraries": libraries, "market": held - libraries, "work": most - held, "block": block, "peak": most,
            "rows": len(X), "quantities": len(inputs._blocks), "sessions": len(inputs.sessions)}  # fmt: skip


def measure_forecasts(folder: Path, tickers: int) -> dict[str, float]:
    "The quantiles of the last session from its features and the kept forecaster."
    import pandas as pd

    from forecastkit.models import PanelForecaster

    X = pd.read_pickle(folder / "features.pkl")  # noqa: S301  (written by `measure_features`)
    model = PanelForecaster.load(folder / "model")
    loaded = peak()
    quantiles = model.predict_quantiles(X)
    return {"loaded": loaded, "work": peak() - loaded, "peak": peak(), "rows": len(quantiles)}


PARTS = {"fit": fit_model, "market": keep_market, "features": measure_features, "forecasts": measure_forecasts}


def alone(part: str, folder: Path, tickers: int) -> dict[str, float]:
    "What a part measures in a process of its own."
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder), "--tickers", str(tickers)]
    environ = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environ, check=True)
    return json.loads(run.stdout)


def print_growth(part: str, measured: dict[int, dict[str, float]]) -> None:
    "A line for each figure: MiB for each number of tickers, and KiB that a ticker adds from the fewest to the most."
    few, many = min(measured), max(measured)
    for name in measured[few]:
        line = "".join(f"{figures[name]:9.0f}" for figures in measured.values())
        if name in ("rows", "quantities", "sessions"):
            print(f"{part:10}{name:10}{line}")
        else:
            more = 1024 * (measured[many][name] - measured[few][name]) / max(many - few, 1)
            print(f"{part:10}{name:10}{line} MiB, {more:.1f} KiB a ticker")


def main() -> None:
    "Fit, measure each universe, print what a ticker adds."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tickers", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(PARTS[args.part](args.folder, args.tickers[0])))
        return
    report: dict[str, dict[int, dict[str, float]]] = {"features": {}, "forecasts": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"fitted on {alone('fit', folder, FITTED)['rows']} rows of {FITTED} tickers", flush=True)
        for tickers in args.tickers:
            alone("market", folder, tickers)
            for part, measured in report.items():
                measured[tickers] = alone(part, folder, tickers)
    for part, measured in report.items():
        print_growth(part, measured)
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
