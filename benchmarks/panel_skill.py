"""What the panel forecaster is worth: a walk-forward over stocks with OHLCV bars, and what the earnings calendar adds.

    python benchmarks/panel_skill.py ../shared/market --first 2010-01-04 --last 2018-12-31 [--every 63] [--out panel_skill.json]

The folder holds stocks/*.csv.gz, index/GSPC.csv.gz and earnings_dates.csv; the VIX comes from --vix. Horizon five sessions. A version is
fitted at each grid session on all outcomes known there and serves until the next. Skill is in CRPS against the own climatology of 1,000
outcomes, and against an EWMA that knows of no calendar; standard errors are clustered by sessions in blocks of three horizons. Dates of results
are predicted from those of the year before (364 days on): what was announced is not in these data. The stocks are those left in 2026.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar, read_earnings
from forecastkit.core import PROBS
from forecastkit.data import MarketData
from forecastkit.features import compute_panel, earnings_panel_features, panel_features
from forecastkit.metrics import crps
from forecastkit.models import PanelForecaster, calibrate_panel, climatology_quantiles, linear_pool
from forecastkit.models.panel import POOL_WEIGHTS
from forecastkit.models.panel_scale import fit_shapes

NYSE, HORIZON, WARM = get_calendar("XNYS"), 5, 400  # sessions of forecasts before the first origin, for the width
BLOCK, VIX_BANDS = 3 * HORIZON, (15.0, 20.0, 30.0)
LOWER, UPPER = (int(np.abs(PROBS - p).argmin()) for p in (0.1, 0.9))


def bars_of(path: Path, last: pd.Timestamp) -> pd.DataFrame:
    "Bars on sessions, by lower-case name, up to a day."
    bars = pd.read_csv(path, index_col=0, parse_dates=True).rename(columns=str.lower)
    bars.index = pd.DatetimeIndex(bars.index).as_unit("us")
    return bars[bars.index.isin(NYSE.sessions) & (bars.index <= last)].astype(float)


def read_sectors(path: Path | None) -> dict[str, str]:
    "The sector of each symbol in a CSV of symbols and GICS sectors; none without a file."
    table = pd.read_csv(path) if path else None
    return {} if table is None else dict(zip(table["Symbol"].str.replace("-", "."), table["GICS Sector"]))


def read_panel(folder: Path, vix: Path, last: pd.Timestamp, sectors: dict[str, str]) -> tuple[pd.DataFrame, pd.Series]:
    "The features of all stocks, those of earnings beside them, and the outcomes."
    series = {
        path.name.removesuffix(".csv.gz").replace("_", "."): bars_of(path, last)
        for path in sorted((folder / "stocks").glob("*.csv.gz"))
    }
    series |= {"SPX": bars_of(folder / "index" / "GSPC.csv.gz", last), "VIX": bars_of(vix, last)}
    market = MarketData(series)
    tickers = tuple(name for name in series if name in market and name not in ("SPX", "VIX"))  # those listed by then
    reports = read_earnings(folder / "earnings_dates.csv")
    X = compute_panel(market, tickers, (*panel_features(), *earnings_panel_features(reports, HORIZON)), sectors=sectors)
    y = pd.concat(
        {t: NYSE.outcomes(market.close(t), HORIZON) for t in tickers}, names=["symbol", "session"]
    ).swaplevel()
    return X, y.reindex(X.index)


def plain_ewma(model: PanelForecaster, X: pd.DataFrame, y: pd.Series, ahead: pd.DataFrame) -> np.ndarray:
    "The EWMA with one shape for all rows: a baseline that knows of no calendar."
    ewma = model.members_[2]
    shape = fit_shapes((y.to_numpy() - model.drift_) / ewma.scale(X), np.zeros(len(X), dtype=int))[0]
    return model.drift_ + ewma.scale(ahead)[:, None] * shape


def walk(
    X: pd.DataFrame, y: pd.Series, first: pd.Timestamp, last: pd.Timestamp, every: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    "The rows forecast, and what each member and a plain EWMA say, every version fitted on what was known at its grid session."
    days = pd.DatetimeIndex(X.index.get_level_values("session"))
    place, usable = NYSE.positions(days), X["vol_22"].notna().to_numpy()
    served = NYSE.sessions_in_range(first, last)
    grid = NYSE.positions(NYSE.refit_sessions(served, every))
    begin, end = NYSE.positions(served[[0, -1]])
    rows, said = [], []
    for start, until in zip(grid, [*grid[1:], end + 1]):
        known = (place + HORIZON <= start) & y.notna().to_numpy() & X["vol_66"].notna().to_numpy()
        model = PanelForecaster(HORIZON).fit(X[known], y[known])
        here = np.flatnonzero((place >= max(start, begin)) & (place < until) & usable)
        rows.append(here)
        said.append([*model.member_quantiles(X.iloc[here]), plain_ewma(model, X[known], y[known], X.iloc[here])])
    return np.concatenate(rows), [np.concatenate(parts) for parts in zip(*said)]


def calibrated(raw: np.ndarray, X: pd.DataFrame, y: np.ndarray) -> np.ndarray:
    "The width by what was known: all, VIX band, ticker."
    place = NYSE.positions(pd.DatetimeIndex(X.index.get_level_values("session")))
    bands = np.digitize(np.exp(X["vix_log"].to_numpy()), VIX_BANDS)
    return calibrate_panel(raw, y, place, X.index.get_level_values("symbol").factorize()[0], bands, HORIZON).quantiles


def pooled(members: list[np.ndarray]) -> np.ndarray:
    "The linear pool with the default's weights, in pieces."
    used = [(member, weight) for member, weight in zip(members, POOL_WEIGHTS) if weight > 0]
    weights, pieces = [weight for _, weight in used], range(0, len(members[0]), 20_000)
    return np.concatenate([linear_pool([m[at : at + 20_000] for m, _ in used], weights) for at in pieces])


def climatology(X: pd.DataFrame, y: pd.Series, rows: np.ndarray) -> np.ndarray:
    "The own climatology of 1,000 known outcomes at each row; NaN before 250."
    out = np.full((len(rows), len(PROBS)), np.nan)
    names = X.index[rows].get_level_values("symbol")
    for name in names.unique():
        mine = np.flatnonzero(names == name)
        origins = pd.DatetimeIndex(X.index[rows[mine]].get_level_values("session"))
        out[mine] = climatology_quantiles(y.xs(name, level="symbol"), origins, HORIZON, 1000, 250, calendar=NYSE)
    return out


def with_error(values: np.ndarray, place: np.ndarray) -> tuple[float, float]:
    "The mean and its standard error, clustered by blocks of sessions."
    blocks = pd.DataFrame({"value": values, "block": place // BLOCK}).groupby("block")["value"].agg(["sum", "size"])
    left = blocks["sum"] - values.mean() * blocks["size"]
    return float(values.mean()), float(np.sqrt((left**2).sum()) / len(values))


def skill(better: np.ndarray, base: np.ndarray, place: np.ndarray) -> dict[str, float]:
    "The skill of one CRPS against another, per cent, with its t."
    mean, error = with_error(base - better, place)
    return {
        "per_cent": round(100 * mean / base.mean(), 2),
        "se": round(100 * error / base.mean(), 2),
        "t": round(mean / error, 1),
    }


def coverage_by(held: np.ndarray, groups: np.ndarray, place: np.ndarray) -> dict[str, dict[str, float]]:
    "The share of outcomes in the 80 % range by group, per cent."
    found = {}
    for group in np.unique(groups):
        mine = groups == group
        mean, error = with_error(held[mine].astype(float), place[mine])
        found[str(group)] = {"per_cent": round(100 * mean, 1), "se": round(100 * error, 1), "rows": int(mine.sum())}
    return found


def main() -> None:
    "Walk, score, print."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vix", type=Path, default=Path("../shared/data/cboe/vix-daily.csv"))
    parser.add_argument("--sectors", type=Path, help="a CSV of symbols and GICS sectors")
    parser.add_argument("--first", type=pd.Timestamp, default=pd.Timestamp("2010-01-04"))
    parser.add_argument("--last", type=pd.Timestamp, default=pd.Timestamp("2018-12-31"))
    parser.add_argument("--every", type=int, default=63)
    parser.add_argument("--without-earnings", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    sectors = read_sectors(args.sectors)
    started = time.process_time()
    X, y = read_panel(args.folder, args.vix, args.last, sectors)
    if args.without_earnings:
        X = X[[feature.name for feature in panel_features()]]
    warm = NYSE.offset(NYSE.on_or_before(args.first), -WARM)
    rows, members = walk(X, y, warm, args.last, args.every)
    X_rows, truth = X.iloc[rows], y.to_numpy()[rows]
    own, final = climatology(X, y, rows), calibrated(pooled(members), X_rows, truth)
    days = X_rows.index.get_level_values("session")
    scored = np.isfinite(truth) & np.isfinite(own[:, 0]) & np.asarray(days >= args.first)
    place, values = NYSE.positions(pd.DatetimeIndex(days[scored])), truth[scored]
    base, ewma, mine = (crps(values, quantiles[scored]) for quantiles in (own, members[-1], final))
    held = (values >= final[scored, LOWER]) & (values <= final[scored, UPPER])
    names = X_rows.index.get_level_values("symbol").to_numpy()[scored]
    report = {
        "rows": int(scored.sum()), "tickers": len(set(names)), "first": f"{args.first:%Y-%m-%d}", "last": f"{args.last:%Y-%m-%d}",
        "against_climatology": skill(mine, base, place), "against_ewma": skill(mine, ewma, place), "ewma_alone": skill(ewma, base, place),
        "coverage_80": round(100 * float(held.mean()), 2),
        "by_vix": coverage_by(held, np.digitize(np.exp(X_rows["vix_log"].to_numpy()[scored]), VIX_BANDS), place),
        "by_sector": coverage_by(held, np.array([sectors.get(name, "none") for name in names]), place),
        "by_ticker": [round(100 * float(held[names == name].mean()), 1) for name in sorted(set(names))],
        "per_year": {int(year): skill(mine[days[scored].year == year], base[days[scored].year == year], place[days[scored].year == year]) for year in sorted(set(days[scored].year))},
        "processor_seconds": round(time.process_time() - started),
    }  # fmt: skip
    print(json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(json.dumps(report))


if __name__ == "__main__":
    main()
