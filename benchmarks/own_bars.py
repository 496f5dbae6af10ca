"""What a coarser walk for the width costs the forecasts of own bars: coverage, width and CRPS on 20 stocks.

    python benchmarks/own_bars.py ../shared/market/stocks [--stocks 20] [--out own_bars.json]

Each stock's last 3,500 bars. At every fifth origin from the 2,501st row on, the forecast by the version in force, its width
calibrated on the 1,000 origins before: from a walk refitted every 63 sessions (`hold` 1), and from walks whose versions are held for
4 and for 8 spans. Only the walk behind the width differs; the version that forecasts is the same.
"""

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.core import Target, load_settings
from forecastkit.data import MarketData
from forecastkit.evaluation import walk_forward
from forecastkit.metrics import coverage, crps, interval
from forecastkit.models import ProbabilisticForecaster, calibrate
from forecastkit.pipeline.preparation import known_positions, refit_schedule
from forecastkit.pipeline.profile import profile_of

HOLDS, ROWS, LEARN, WALK = (1, 4, 8), 3500, 2500, 1000
LEVELS = (0.5, 0.8, 0.9)


def bars_of(path: Path) -> pd.DataFrame:
    "The last bars of a stock."
    bars = pd.read_csv(path, index_col=0, parse_dates=True).rename(columns=str.lower)
    bars.index = pd.DatetimeIndex(bars.index).as_unit("us")
    return bars[["open", "high", "low", "close", "volume"]].astype(float).tail(ROWS)


def scores_of(symbol: str, bars: pd.DataFrame, settings) -> dict[str, pd.DataFrame]:
    "By hold: what each forecast scored."
    nyse = get_calendar("XNYS")
    bars = bars[bars.index.isin(nyse.sessions)]
    target = Target(symbol, "log_return", 5)
    market = MarketData({symbol: bars}, calendar="XNYS")
    profile = profile_of(target, settings.forecast.regime_bounds)
    X, close = profile.engine(None).build_features(market), market.close(symbol)
    y = nyse.outcomes(close, target.horizon)
    make = partial(ProbabilisticForecaster, target, profile.recipe, settings.model.rounds, settings.model.seed)
    schedule = replace(refit_schedule(target, settings, nyse), drift_limit=None)
    raws = {hold: walk_forward(X, y, make, replace(schedule, hold=hold), first=X.index[LEARN - WALK]) for hold in HOLDS}
    fine, made = raws[1], {hold: [] for hold in HOLDS}
    for i in range(WALK, len(fine.origins) - 5, 5):
        part = slice(i - WALK + 1, i + 1)
        known, truth = known_positions(fine.origins[part], 5, nyse), y.reindex(fine.origins[part]).to_numpy()
        for hold, raw in raws.items():
            quantiles = np.vstack([raw.quantiles[part][:-1], fine.quantiles[i]])
            q = calibrate(quantiles, truth, np.zeros(WALK, int), known).quantiles[-1:]
            x = truth[-1:]
            row = {"crps": 100 * crps(x, q)[0]}
            row |= {f"inside_{level:g}": float(coverage(x, *interval(q, level))[0]) for level in LEVELS}
            made[hold].append(row | {"width": 100 * float(np.diff(np.ravel(interval(q, 0.8)))[0])})
    return {hold: pd.DataFrame(rows) for hold, rows in made.items()}


def summary(by_stock: dict[str, dict[str, pd.DataFrame]]) -> dict[str, dict[str, float]]:
    "Means over all stocks by hold, and the paired difference of the CRPS in per cent, with its error over stocks."
    found = {}
    for hold in HOLDS:
        means = pd.DataFrame({symbol: scores[hold].mean() for symbol, scores in by_stock.items()}).T
        loss = pd.Series(
            {s: 100 * (scores[hold]["crps"].mean() / scores[1]["crps"].mean() - 1) for s, scores in by_stock.items()}
        )
        error = float(loss.std() / np.sqrt(len(loss))) if len(loss) > 1 else float("nan")
        off = float((means["inside_0.8"] - 0.8).abs().mean())
        found[str(hold)] = means.mean().round(4).to_dict() | {
            "off_80_by_stock": round(off, 4),
            "crps_loss": round(float(loss.mean()), 3),
            "se": round(error, 3),
        }
    return found | {"forecasts": sum(len(s[1]) for s in by_stock.values()), "stocks": sorted(by_stock)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stocks", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("own_bars.json"))
    asked = parser.parse_args()
    settings, by_stock = load_settings(), {}
    long = [path for path in sorted(asked.folder.glob("*.csv.gz")) if len(bars_of(path)) == ROWS]
    for path in long[:: max(len(long) // asked.stocks, 1)][: asked.stocks]:
        symbol = path.name.removesuffix(".csv.gz")
        by_stock[symbol] = scores_of(symbol, bars_of(path), settings)
        asked.out.write_text(json.dumps(summary(by_stock), indent=1) + "\n")
        print(symbol, {h: round(s["inside_0.8"].mean(), 3) for h, s in by_stock[symbol].items()}, flush=True)


if __name__ == "__main__":
    main()
