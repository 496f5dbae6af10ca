"""2,000 tickers and ten years of bars, in one process and through two Dask workers: whether the last bit is the same.

    .venv/bin/python benchmarks/universe_dask.py [--tickers 2000] [--out universe_dask.json]

The bars are seeded and synthetic (`made_market` of panel.py), 2,520 sessions of each ticker. One process computes the features of the last 130
sessions and walks them forward: a version every 21 sessions, fitted with 100 rounds on all rows known there, then the quantiles of every ticker and
session it serves. Two Dask workers then do the same: `walk_forward(dask=...)` lets them train and forecast as `run.dask` of the settings does, and
each of the last six sessions is asked of a worker alone, which sees the market as of that session and computes the features of that date. Printed are the
SHA-256 of both sides, seconds on the wall, and the peak of resident memory; the exit code is 1 where a digest differs. Needs forecastkit[dask].
"""

import argparse
import hashlib
import json
import os
import pickle
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from panel import NYSE, made_market

from forecastkit.evaluation import RefitSchedule, walk_forward
from forecastkit.evaluation.walkforward import RawForecasts
from forecastkit.features import compute_panel
from forecastkit.models import PanelForecaster
from forecastkit.pipeline.panel_preparation import panel_closes_ahead

SESSIONS, WALKED, DATES, HORIZON = 2520, 130, 6, 5  # of each ticker; that are walked; asked of workers alone; ahead


def digest_of(table: np.ndarray) -> str:
    "The SHA-256 of the bytes of an array."
    return hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()


def peak_mib() -> int:
    "The most memory that this process has held."
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def walked(X: pd.DataFrame, y: pd.Series, dask: str = "") -> RawForecasts:
    "The quantiles of every row that a version serves; the versions are trained here, or by the workers of a scheduler."
    needs = ("vol_66",)
    schedule = RefitSchedule(NYSE, HORIZON, every=21, min_train_rows=40, train_start="2000-01-01", needs=needs)
    return walk_forward(X, y, partial(PanelForecaster, HORIZON, 100, 42), schedule, dask=dask)


def features_of_date(path: str, session: pd.Timestamp) -> np.ndarray:
    "The features of all tickers at one session from the market as of it; runs in a worker."
    with Path(path).open("rb") as file:
        market, sectors = pickle.load(file)  # noqa: S301  (written by `main`)
    return compute_panel(
        market.as_of(session), [s for s in market.symbols if s in sectors], sectors=sectors, last=1
    ).to_numpy()


def timed(work: Any, *given: Any) -> tuple[Any, float]:
    "What a piece of work gives, and its seconds on the wall."
    began = time.perf_counter()
    return work(*given), round(time.perf_counter() - began, 1)


def through_dask(X: pd.DataFrame, y: pd.Series, path: str, days: pd.DatetimeIndex) -> dict[str, Any]:
    "The digests of what two workers give: features by session, quantiles of the walk."
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        raw, seconds = timed(walked, X, y, cluster.scheduler_address)
        with Client(cluster, set_as_default=False) as client:
            parts = client.gather(client.map(partial(features_of_date, path), list(days), pure=False))
            peaks = client.run(peak_mib)
    return {"features": digest_of(np.concatenate(parts)), "quantiles": digest_of(raw.quantiles), "walk_seconds": seconds, "worker_peak_mib": max(peaks.values())}  # fmt: skip


def main() -> int:
    "Compute both ways, print; 1 where they differ."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tickers", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    market, sectors = made_market(args.tickers, SESSIONS)
    X, featured = timed(partial(compute_panel, market, sectors=sectors, last=WALKED))
    y, days = panel_closes_ahead(market, X.index, HORIZON), X.index.get_level_values("session").unique()[-DATES:]
    raw, seconds = timed(walked, X, y)
    same = {"features": digest_of(X.loc[days[0] :].to_numpy()), "quantiles": digest_of(raw.quantiles)}
    report: dict[str, Any] = {
        "tickers": args.tickers,
        "rows": len(X),
        "forecasts": len(raw.origins),
        "versions": raw.grid.nunique(),
    }
    report["one_process"] = same | {"features_seconds": featured, "walk_seconds": seconds, "peak_mib": peak_mib()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "market.pkl"
        path.write_bytes(pickle.dumps((market, sectors)))
        report["two_dask_workers"] = through_dask(X, y, str(path), days)
    report["equal"] = all(report["two_dask_workers"][name] == digest for name, digest in same.items())
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if report["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
