"""The price of coherence over several horizons, on the VIX: CRPS of coherent quantiles less that of the raw ones, by horizon.

    python -m benchmarks.horizons FOLDER START END

FOLDER holds daily files of VIX and SPX; forecasts of origins from START to END are scored. A version serves four spans of the
refit grid, about a year: for a comparison of two versions of the same forecast it need not be fresher."""

import sys

import numpy as np
import pandas as pd

from forecastkit.core import Target, load_settings
from forecastkit.evaluation import coherence_price
from forecastkit.pipeline import open_market, prepare, settings_for

HORIZONS = (1, 5, 10, 21)


def main(folder: str, start: str, end: str) -> None:
    "Prepare each horizon, join the origins that all of them have, and print the table."
    base, made = load_settings(overrides={"data.sources": f"folder:{folder}, sample"}), []
    market = open_market(settings_for(base, "VIX"), {"VIX", "SPX"})
    for horizon in HORIZONS:
        target = Target("VIX", "pct_change", horizon)
        made.append(
            prepare(
                market, target, settings_for(base, "VIX", horizon), pd.Timestamp(end), first=pd.Timestamp(start), hold=4
            )
        )
        print(f"horizon {horizon}: {len(made[-1].origins)} origins", flush=True)
    shared = made[0].origins
    for one in made[1:]:
        shared = shared.intersection(one.origins)
    rows = [one.origins.get_indexer(shared) for one in made]
    quantiles = np.stack([one.quantiles[at] for one, at in zip(made, rows)], axis=1)
    outcomes = np.stack([one.outcomes.reindex(shared).to_numpy() for one in made], axis=1)
    print(coherence_price(quantiles, outcomes, HORIZONS, "pct_change").round(5).to_string())


if __name__ == "__main__":
    main(*sys.argv[1:])
