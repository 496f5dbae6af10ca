"""What each family of features is worth to the panel forecaster: the family dropped, every version fitted again.

    python benchmarks/panel_ablation.py ../shared/market --sectors ../shared/data/meta/sp500_constituents.csv [--out panel_ablation.json]

Stocks, span, width and scoring are those of panel_skill.py, but versions are refitted every 252 sessions instead of 63. What a family
is worth is the share of the CRPS without it that having it removes; errors are clustered by blocks of three horizons, the p values
adjusted by Holm for the number of families, and beside each stands the smallest effect that would have been found four times in five.

Measured, 2026-11 (217,200 rows): share of the CRPS that a family removes, per cent (s.e.; Holm-adjusted p; smallest effect found 4 times in 5):
    earnings   +0.357 (0.040; 0; 0.113)
    rank       +0.017 (0.008; 0.29; 0.022)
    extreme    +0.015 (0.007; 0.35; 0.021)
    return     +0.011 (0.009; 1; 0.024)
    volume     +0.008 (0.008; 1; 0.021)
    gap        +0.006 (0.009; 1; 0.024)
    market     +0.003 (0.007; 1; 0.020)
    momentum   +0.002 (0.006; 1; 0.017)
    volatility -0.001 (0.007; 1; 0.021)
    trend      -0.001 (0.006; 1; 0.018)
    range      -0.006 (0.007; 1; 0.021)
    index      -0.028 (0.024; 1; 0.066)
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from panel_skill import HORIZON, NYSE, VIX_HISTORY, WARM, read_folder

from forecastkit.core import vix_regime
from forecastkit.features import compute_panel, earnings_panel_features, panel_features
from forecastkit.metrics import clustered_skill, crps, holm, smallest_effect, two_sided_p
from forecastkit.models import PanelForecaster, calibrate_panel

EVERY = 252


def families() -> dict[str, list[str]]:
    "The columns of each family."
    found: dict[str, list[str]] = {}
    for feature in (*panel_features(), *earnings_panel_features(pd.DataFrame(), HORIZON)):
        found.setdefault(feature.family, []).append(feature.name)
    return found


def walked(X: pd.DataFrame, y: pd.Series, grid: np.ndarray, rows: np.ndarray, bands: np.ndarray) -> np.ndarray:
    "Calibrated quantiles of these rows, by versions fitted at each grid session on the outcomes known there."
    place = NYSE.positions(pd.DatetimeIndex(X.index.get_level_values("session")))
    version = np.maximum(grid.searchsorted(place[rows], side="right") - 1, 0)
    raw = []
    for number, start in enumerate(grid):
        known = (place + HORIZON <= start) & y.notna().to_numpy()
        model = PanelForecaster(HORIZON).fit(X[known], y[known])
        raw.append(model.predict_quantiles(X.iloc[rows[version == number]]))
    symbols = X.index[rows].get_level_values("symbol").factorize()[0]
    return calibrate_panel(np.concatenate(raw), y.to_numpy()[rows], place[rows], symbols, bands, HORIZON).quantiles


def main() -> None:
    "Walk with all families, then without each; compare."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vix", type=Path, default=VIX_HISTORY)
    parser.add_argument("--sectors", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    first, last = pd.Timestamp("2010-01-04"), pd.Timestamp("2018-12-31")
    market, universe = read_folder(args.folder, args.vix, args.sectors, last)
    features = (*panel_features(), *earnings_panel_features(universe.earnings, HORIZON))
    X = compute_panel(market, universe.symbols, features, sectors=universe.sectors)
    X = X[X["vol_66"].notna()]
    outcomes = {symbol: NYSE.outcomes(market.close(symbol), HORIZON) for symbol in universe.symbols}
    y = pd.concat(outcomes, names=["symbol", "session"]).swaplevel().reindex(X.index)
    place = NYSE.positions(pd.DatetimeIndex(X.index.get_level_values("session")))
    served = NYSE.sessions_in_range(NYSE.offset(NYSE.on_or_before(first), -WARM), last)
    grid, rows = (
        NYSE.positions(NYSE.refit_sessions(served, EVERY)),
        np.flatnonzero(place >= NYSE.positions(served[:1])[0]),
    )
    truth, bands = y.to_numpy()[rows], vix_regime(np.exp(X["vix_log"].to_numpy()[rows]))
    scored = np.isfinite(truth) & (place[rows] >= NYSE.positions([first])[0])
    whole = crps(truth[scored], walked(X, y, grid, rows, bands)[scored])
    losses = {}
    for name, columns in families().items():
        losses[name] = crps(
            truth[scored], walked(X.drop(columns=columns, errors="ignore"), y, grid, rows, bands)[scored]
        )
        print(name, f"{100 * (1 - whole.mean() / losses[name].mean()):+.3f} %", flush=True)
    found = {name: clustered_skill(whole, loss, place[rows][scored], HORIZON) for name, loss in losses.items()}
    adjusted = dict(zip(found, holm(two_sided_p([one.t for one in found.values()]))))
    table = {
        name: {
            "per_cent": round(100 * one.value, 3), "se": round(100 * one.se, 3), "t": round(one.t, 1), "holm_p": float(f"{adjusted[name]:.2g}"),
            "smallest_effect": round(100 * smallest_effect(one.se), 3), "columns": len(families()[name]),
        }
        for name, one in found.items()
    }  # fmt: skip
    print(pd.DataFrame.from_dict(table, orient="index").to_string())
    if args.out:
        args.out.write_text(json.dumps({"rows": int(scored.sum()), "every": EVERY, "families": table}))


if __name__ == "__main__":
    main()
