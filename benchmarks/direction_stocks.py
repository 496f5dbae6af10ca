"""What the directions of 99 real stocks are worth, 2010-2018: Brier beside the base rate, calibration by market state, share of labels.

    .venv/bin/python benchmarks/direction_stocks.py ../shared/market

Each direction is the one that a forecast would have carried: ensembles and combiners fitted once a year on the outcomes known then, weights that
follow the outcomes as they come in, five sessions ahead. Every fifth session is scored, so that outcomes do not overlap; a session counts as one,
and errors allow for dependence over three horizons. The stocks are those left in 2026. No bar after 2018 is read.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"

import numpy as np
import pandas as pd
from panel_skill import FINAL, VIX_HISTORY, read_folder

from forecastkit.core import load_settings
from forecastkit.metrics import brier, ece, simulated_ece, skill
from forecastkit.pipeline import directions_of, prepare_panel

HORIZON, LAG, LEAST, FAMILY = 5, 3, 60, 0.05  # lag and sessions count those scored, which lie a horizon apart


def told_rows(folder: Path, first: pd.Timestamp) -> pd.DataFrame:
    "One row a session and stock: chance, base rate, label, state, and whether it rose."
    market, universe = read_folder(folder, VIX_HISTORY, None, FINAL)
    settings = load_settings(overrides={
        "model.refit_every": 252, "model.walk_start": "2008-01-02", "forecast.horizon": HORIZON, "run.n_jobs": 1, "run.progress": False,
    })  # fmt: skip
    prepared = prepare_panel(market, universe, settings, FINAL)
    print(f"panel prepared: {time.process_time():.0f} s of the processor", flush=True)
    system = directions_of(prepared)
    assert system is not None
    rose = pd.Series(prepared.outcomes, prepared.features.index).dropna() > 0
    states = pd.Series(system.inputs.beside["market_state"].to_numpy(), prepared.features.index)
    days = prepared.sessions[prepared.sessions >= first][::HORIZON]
    found = []
    for day in days:
        for symbol in prepared.rows(day):
            if (day, symbol) in rose.index and (said := system.combined(day, symbol)) is not None:
                found.append(
                    (
                        day,
                        symbol,
                        said["probability"],
                        said["base_rate"],
                        said["direction"],
                        states[day, symbol],
                        float(rose[day, symbol]),
                    )
                )
    print(f"directions told: {time.process_time():.0f} s of the processor", flush=True)
    return pd.DataFrame(found, columns=["session", "symbol", "chance", "base", "label", "state", "rose"])


def calibration(rows: pd.DataFrame) -> dict[str, float]:
    "ECE, the same less what a perfect forecaster shows, and the chance that a perfect one shows as much."
    value, place = ece(rows["chance"], rows["rose"]), rows["session"].factorize()[0]
    values = simulated_ece(rows["chance"].to_numpy()[:, None], block=LAG, groups=place)
    return {"ece": value, "ece_debiased": value - float(np.mean(values)), "p": float((1 + np.sum(values >= value)) / (1 + len(values))),
            "sessions": int(rows["session"].nunique()), "rows": len(rows)}  # fmt: skip


def result_of(rows: pd.DataFrame) -> dict[str, object]:
    "All that was asked, in JSON's own types."
    by = (
        pd.DataFrame({"own": brier(rows["chance"], rows["rose"]), "base": brier(rows["base"], rows["rose"])})
        .groupby(rows["session"].to_numpy())
        .mean()
    )
    gain = skill(by["own"].to_numpy(), by["base"].to_numpy(), LAG, 1)
    states = {
        str(name): calibration(part) for name, part in rows.groupby("state") if part["session"].nunique() >= LEAST
    }
    bound = FAMILY / max(len(states), 1)
    right = (rows["chance"] > 0.5) == (rows["rose"] > 0.5)
    return {
        "rows": len(rows), "sessions": int(rows["session"].nunique()), "brier": float(by["own"].mean()), "brier_base": float(by["base"].mean()),
        "brier_skill": gain.value, "se": gain.se, "no_worse_within_one_se": bool(gain.value >= -gain.se), "hit_rate": float(right.mean()),
        "hit_rate_base": float(((rows["base"] > 0.5) == (rows["rose"] > 0.5)).mean()), "not_neutral": float((rows["label"] != "neutral").mean()),
        "all": calibration(rows), "states": states, "inside_band": bool(all(one["p"] > bound for one in states.values())), "variants": 1,
    }  # fmt: skip


def main() -> int:
    "Print the result; 1 where a sentence fails."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=pd.Timestamp, default=pd.Timestamp("2010-01-04"))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found = result_of(told_rows(args.folder, args.first))
    print(json.dumps(found, indent=1), f"processor seconds: {time.process_time():.0f}", sep="\n")
    if args.out:
        args.out.write_text(json.dumps(found))
    return 0 if found["no_worse_within_one_se"] and found["inside_band"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
