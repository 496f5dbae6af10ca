"""What the drift check finds, how often it cries falsely, and what evidently and nannyml say of the same data: the figures of nbs/validation_drift.ipynb.

    python benchmarks/drift_validation.py year [--runs 40]        daily checks for a year on data that never drift
    python benchmarks/drift_validation.py planted [--runs 20]     power by kind of drift, and size, on features with a memory
    python benchmarks/drift_validation.py points                  the VIX 1990-2018 at dates that were named beforehand
    python benchmarks/drift_validation.py export FOLDER           the same windows for rivals/drift_rivals.py FOLDER --into FILE
    python benchmarks/drift_validation.py replay FILE.npz [--line house]      see `drift.py replay`

Each part writes its figures under its name into nbs/validation_drift.json. Nothing here chooses a threshold but `year`, on simulated data alone.
"""

import argparse
import json
import os
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from drift import FEATURES, HORIZON, REFERENCE, ROWS, linear, market_features, noise, rate, replay

from forecastkit.metrics import check_drift, fit_drift_null

FIGURES = Path(__file__).parents[1] / "nbs" / "validation_drift.json"
POINTS = ("1997-01-02", "2003-01-02", "2007-07-02", "2012-01-03", "2018-02-01")
YEAR, STEP, AFTER, LEVEL = 252, 5, 126, 0.02
PLANTED = {
    "none": 0,
    "mean + .5 sd": 10,
    "scale x 1.5": 10,
    "correlation to .8": 2,
    "missing": 3,
    "unit x 100": 3,
    "stale": 3,
}


def write(name: str, found: object) -> None:
    "Put the figures of one part beside those of the others."
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps(kept | {name: found}, indent=1) + "\n")
    print(json.dumps({name: found})[:600], flush=True)


def episodes(p: np.ndarray, level: float, pause: int = 20) -> int:
    "How many times a check begins to speak that was silent for so many days."
    days = np.flatnonzero(p <= level)
    return int((np.diff(days, prepend=-pause - 1) > pause).sum())


def years(law: str, runs: int):
    "Frames of a hundred features: a reference, the window before the first day, and a year."
    length, seed = REFERENCE + ROWS + YEAR, 300
    while runs > 0:
        if law == "noise":
            draws = np.random.default_rng(5000 + seed).standard_normal((length, FEATURES))
            whole = pd.DataFrame(draws, columns=[f"f{i}" for i in range(FEATURES)])
        else:
            whole = market_features(seed)
        for start in range(0, len(whole) - length + 1, length):
            if runs > 0:
                yield whole.iloc[start : start + length, :100]
                runs -= 1
        seed += 1


def daily(frame: pd.DataFrame, draws: int, seed: int) -> list[float]:
    "The chance of every day's check; the null is fitted anew each quarter, as with each version."
    found = []
    for quarter in range(0, YEAR, ROWS):
        null = fit_drift_null(frame.iloc[quarter : quarter + REFERENCE], ROWS, draws, seed + quarter)
        for day in range(quarter, quarter + ROWS):
            end = REFERENCE + ROWS + day + 1
            found.append(check_drift(null, frame.iloc[end - ROWS - 24 : end]).family_wise_p)
    return found


def year(runs: int, draws: int = 100) -> None:
    found = {}
    for law in ("noise", "synthetic market"):
        p = np.array([daily(frame, draws, 10 * i) for i, frame in enumerate(years(law, runs))])
        for level in (0.01, 0.02, 0.05):
            begun = np.array([episodes(row, level) for row in p])
            found[f"{law}, level {level}"] = {
                "alerts a year": round(float(begun.mean()), 2), "se": round(float(begun.std(ddof=1) / len(begun) ** 0.5), 2),
                "days": round(float((p <= level).mean()), 4), "years": len(p),
            }  # fmt: skip
    write("year", found)


def with_drift(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    "The newest rows changed in the first columns; feeds break in the last ten rows, a unit in the last."
    now, columns, spread = frame.copy(), list(frame)[: PLANTED[kind]], frame.iloc[:REFERENCE].std()
    if kind == "mean + .5 sd":
        now.iloc[REFERENCE:, : len(columns)] += 0.5 * spread[columns].to_numpy()
    elif kind == "scale x 1.5":
        middle = frame.iloc[:REFERENCE].mean()[columns].to_numpy()
        now.iloc[REFERENCE:, : len(columns)] = middle + 1.5 * (now.iloc[REFERENCE:, : len(columns)] - middle)
    elif kind == "correlation to .8":
        one, other = (now.iloc[REFERENCE:, i].to_numpy() for i in (0, 1))
        now.iloc[REFERENCE:, 1] = 0.8 * one * float(spread.iloc[1] / spread.iloc[0]) + 0.6 * other
    elif kind == "missing":
        now.iloc[-10:, : len(columns)] = np.nan
    elif kind == "unit x 100":
        now.iloc[-1, : len(columns)] *= 100
    elif kind == "stale":
        now.iloc[-10:, : len(columns)] = now.iloc[-11, : len(columns)].to_numpy()
    return now


def laws(seed: int) -> dict[str, pd.DataFrame]:
    return {"noise": noise(seed), "features with a memory": linear(seed)}


def planted(runs: int, draws: int = 100) -> None:
    "Power by kind, size under `none`, and how many columns are named rightly and wrongly."
    said: dict[str, dict[str, list]] = {}
    for seed in range(runs):
        for law, frame in laws(seed).items():
            null = fit_drift_null(frame.iloc[:REFERENCE], ROWS, draws, seed)
            for kind, count in PLANTED.items():
                report = check_drift(null, with_drift(frame, kind).iloc[REFERENCE - 24 :], LEVEL)
                named = {*report.drifted, *(fault.feature for fault in report.faults)}
                true = {f"f{i}" for i in range(count)}
                row = said.setdefault(f"{law}: {kind}", {"found": [], "right": [], "wrong": []})
                row["found"].append(not report.ok)
                row["right"].append(len(named & true))
                row["wrong"].append(len(named - true))
    write("planted", {k: {"found": rate(v["found"]), "planted": PLANTED[k.split(": ")[1]], "right": float(np.mean(v["right"])), "wrong": float(np.mean(v["wrong"]))} for k, v in said.items()})  # fmt: skip


def vix_features() -> pd.DataFrame:
    "Numeric features of the VIX up to 2018."
    from forecastkit.core import Target
    from forecastkit.data.sources import load_market
    from forecastkit.pipeline.profile import profile_of

    market = load_market("sample").as_of(pd.Timestamp("2018-12-31"))
    return profile_of(Target("VIX", "log_return", HORIZON)).engine().build_features(market).select_dtypes("number")


def around(features: pd.DataFrame, date: pd.Timestamp) -> tuple[pd.DataFrame, int] | None:
    "Reference and what follows, and how many rows the reference has; None where there are fewer than 756."
    at = int(features.index.searchsorted(date))
    first = max(at - ROWS - REFERENCE, 260)
    if at - ROWS - first < 756:
        return None
    part = features.iloc[first : at + AFTER]
    return part.dropna(axis=1, thresh=int(0.9 * len(part))), at - ROWS - first


def found_after(features: pd.DataFrame, date: pd.Timestamp, draws: int = 100) -> dict | None:
    "Sessions after a date until a check speaks, and what it names first."
    if (cut := around(features, date)) is None:
        return None
    part, n = cut
    null = fit_drift_null(part.iloc[:n], ROWS, draws, 0)
    for end in range(n + ROWS + STEP, len(part) + 1, STEP):
        report = check_drift(null, part.iloc[end - ROWS - 24 : end], LEVEL)
        if report.family_wise_p <= LEVEL:
            return {"sessions": end - n - ROWS, "named": report.drifted[:5], "drifted": len(report.drifted), "above": report.above,
                    "expected": round(report.expected, 1), "columns": len(report.table), "p": round(report.family_wise_p, 4)}  # fmt: skip
    return {"sessions": None, "columns": int(null.tested.sum())}


def ordinary(features: pd.DataFrame) -> list[pd.Timestamp]:
    "First sessions of quarters that lie more than 126 sessions from each named date."
    days = features.index[(features.index >= "1996") & (features.index < "2018-07")]
    starts = days.to_series().groupby(days.to_period("Q")).first()
    named = [features.index.searchsorted(pd.Timestamp(point)) for point in POINTS]
    return [day for day in starts if all(abs(features.index.searchsorted(day) - at) > AFTER for at in named)]


def points() -> None:
    features = vix_features()
    at_points = {point: found_after(features, pd.Timestamp(point)) for point in POINTS}
    others = [found for day in ordinary(features) if (found := found_after(features, day)) is not None]
    share = rate([found["sessions"] is not None for found in others])
    write("points", {"level": LEVEL, "named": at_points, "ordinary quarters that are said to drift": share})


def export(folder: Path, runs: int) -> None:
    "Windows of planted drift on features with a memory, of noise, and of the VIX, for rivals."
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(runs):
        noise(seed).to_parquet(folder / f"noise,none,{seed}.parquet")
        for kind in PLANTED:
            with_drift(linear(seed), kind).to_parquet(folder / f"memory,{kind},{seed}.parquet")
    features = vix_features()
    for point in POINTS:
        part, n = around(features, pd.Timestamp(point))
        part.iloc[: n + 2 * ROWS].drop(index=part.index[n : n + ROWS]).to_parquet(folder / f"vix,{point},{n}.parquet")


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("year", "planted", "points", "export", "replay"))
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--line", default="house")
    asked = parser.parse_args()
    if asked.part == "replay":
        write(f"replay, {asked.line}", replay("sample", 2005, asked.line, asked.folder))
    elif asked.part == "export":
        export(asked.folder, asked.runs)
    elif asked.part == "points":
        points()
    else:
        {"year": year, "planted": planted}[asked.part](asked.runs)


if __name__ == "__main__":
    main()
