"""Is a forecast of three years of bars worth more than three lags? The VIX's closes, ten funds and twenty stocks, as the door forecasts them.

    python benchmarks/few_rows.py [--funds ../shared/market/etf] [--jobs 2] [--out few_rows.json]

Each series is cut to its years and forecast from its own bars five sessions ahead, from the first session on which that is possible:
by the version in force, refitted every 63 sessions, its widths calibrated as `fk.forecast` does it (which three years are too few
for). Beside it walk HAR, the same baseline as in `evaluate`, and climatology. Pooled: losses in units of each series' mean HAR loss,
averaged over the series of a cut by session, the cuts one after another, t by HAC.
"""

import argparse
import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

import forecastkit as fk
from forecastkit.calendars import get_calendar
from forecastkit.core import Target, load_settings
from forecastkit.data import MarketData, load_market, read_frame
from forecastkit.evaluation import walk_forward
from forecastkit.metrics import coverage, crps, hac_lag, hac_se, interval, skill
from forecastkit.models import Climatology, HARLocationScale, ProbabilisticForecaster, calibrate
from forecastkit.pipeline.forecasting import CALIBRATION_HOLD, CALIBRATION_ORIGINS
from forecastkit.pipeline.preparation import known_positions, refit_schedule
from forecastkit.pipeline.profile import profile_of

NYSE, HORIZON = get_calendar("XNYS"), 5
FUNDS = ["SPY", "QQQ", "IWM", "GLD", "TLT", "HYG", "UUP", "USO", "XLE", "XLF"]
STOCKS = [
    "AAPL",
    "AMD",
    "BAC",
    "BBY",
    "CVX",
    "GE",
    "HD",
    "JNJ",
    "JPM",
    "KO",
    "LLY",
    "MRK",
    "MSFT",
    "PEP",
    "PFE",
    "PG",
    "RRC",
    "UNH",
    "WMT",
    "XOM",
]
CUTS = ((2016, 2018), (2004, 2006), (2010, 2012))  # years of the stocks, first and last


def tables(funds: Path | None) -> Iterator[tuple[str, str, pd.DataFrame]]:
    "Name, cut and bars of each series."
    market = load_market("sample", symbols={"VIX", *STOCKS}).as_of(pd.Timestamp("2018-12-31"))
    closes = {symbol: market.close(symbol).rename("close").to_frame() for symbol in ("VIX", *STOCKS)}
    yield "VIXCLOSE", "2014-2018", closes["VIX"].loc["2014":"2018"]  # by this name it is a series like any other
    for symbol in FUNDS if funds else ():
        bars = pd.read_csv(funds / f"{symbol}.csv.gz", index_col=0, parse_dates=True)
        yield symbol, "2016-2018", bars.loc["2016":"2018"]
    for first, last in CUTS:
        for symbol in STOCKS:
            yield symbol, f"{first}-{last}", closes[symbol].loc[str(first) : str(last)]


def calibrated(
    fine: np.ndarray, held: np.ndarray, truth: np.ndarray, origins: pd.DatetimeIndex, start: int
) -> np.ndarray:
    "Each origin's quantiles with the width that the door would give them: from the walk of held versions up to it."
    made = fine.copy()
    for i in range(start, len(origins)):
        part = slice(max(i + 1 - CALIBRATION_ORIGINS, 0), i + 1)
        raw, known = np.vstack([held[part][:-1], fine[i]]), known_positions(origins[part], HORIZON, NYSE)
        made[i] = calibrate(raw, truth[part], np.zeros(len(raw), int), known, start=start).quantiles[-1]
    return made


def scores_of(symbol: str, cut: str, bars: pd.DataFrame) -> pd.DataFrame:
    "What each forecast of a series scored, by origin."
    warnings.simplefilter("ignore")  # some spans lie before the table of meetings
    settings = load_settings(environ={}, overrides={"run.progress": False})
    target, frame = Target(symbol, "log_return", HORIZON), read_frame(bars, symbol, "XNYS").frame
    market, profile = MarketData({symbol: frame}, calendar="XNYS"), profile_of(target)
    X, y = profile.engine().build_features(market), NYSE.outcomes(market.close(symbol), HORIZON)
    schedule = replace(refit_schedule(target, settings, NYSE), drift_limit=None)
    make = partial(ProbabilisticForecaster, target, profile.recipe, settings.model.rounds, settings.model.seed)
    walk = walk_forward(X, y, make, schedule)
    origins, truth, start = walk.origins, y.reindex(walk.origins).to_numpy(), settings.model.min_calibration_origins
    made = walk.quantiles
    if len(origins) > start:
        held = walk_forward(X, y, make, replace(schedule, hold=CALIBRATION_HOLD))
        made = calibrated(made, held.quantiles, truth, origins, start)
    lags = walk_forward(X.drop(columns="cohort_weight"), y, partial(HARLocationScale, profile.har_recipe), schedule)
    past = walk_forward(X, y, Climatology, schedule)
    loss = {
        name: crps(truth, q) for name, q in (("own", made), ("har", lags.quantiles), ("climatology", past.quantiles))
    }
    found = pd.DataFrame(loss, origins).assign(inside=coverage(truth, *interval(made, 0.8)), cut=cut, last=made[:, 11])
    good = X["feature_quality"].reindex(origins).to_numpy() >= settings.quality.usable
    return found[np.isfinite(truth) & good]


def row_of(symbol: str, rows: int, scores: pd.DataFrame) -> dict[str, object]:
    "The line of one series."
    lag = hac_lag(HORIZON)
    own, har, past = (scores[name].to_numpy() for name in ("own", "har", "climatology"))
    beside, above = skill(own, har, lag, HORIZON), skill(own, past, lag, HORIZON)
    return {
        "series": symbol, "cut": scores["cut"].iloc[0], "rows": rows, "origins": len(scores), "climatology": 100 * above.value,
        "har": 100 * beside.value, "t": beside.t, "inside": 100 * scores["inside"].mean(),
    }  # fmt: skip


def pooled(parts: list[pd.DataFrame]) -> dict[str, object]:
    "The gain over HAR in per cent with its HAC t, and the coverage, over some series."
    by_cut: dict[str, list[pd.Series]] = {}
    for scores in parts:
        gain = (scores["har"] - scores["own"]) / scores["har"].mean()
        by_cut.setdefault(scores["cut"].iloc[0], []).append(gain)
    daily = np.concatenate([pd.concat(gains, axis=1).mean(axis=1).to_numpy() for gains in by_cut.values()])
    inside = np.concatenate([scores["inside"].to_numpy() for scores in parts])
    return {
        "har": 100 * daily.mean(),
        "t": daily.mean() / hac_se(daily, hac_lag(HORIZON)),
        "inside": 100 * inside.mean(),
    }


def same_as_the_door(symbol: str, bars: pd.DataFrame, rows: int = 600) -> bool:
    "Whether `fk.forecast` of a cut gives the quantiles that the walk gives there."
    settings = load_settings(environ={}, overrides={"run.progress": False})
    door = fk.forecast(bars.iloc[:rows], symbol=symbol, settings=settings)
    walked = scores_of(symbol, "", bars)["last"]
    return bool(abs(door.quantile(0.5) - Target(symbol, "log_return", HORIZON).from_log(walked[door.origin])) < 1e-12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--funds", type=Path, help="folder of the funds' bars; without it they are left out")
    parser.add_argument("--jobs", type=int, default=2, help="processes, a series each")
    parser.add_argument("--out", type=Path, default=Path("few_rows.json"))
    asked = parser.parse_args()
    given = list(tables(asked.funds))
    print(f"{given[1][0]}: the same as fk.forecast: {same_as_the_door(given[1][0], given[1][2])}")
    print("series       years      rows origins   % against climatology     HAR      t   80 % range")
    parts, lines = [], []
    work = Parallel(n_jobs=asked.jobs, return_as="generator")(delayed(scores_of)(*one) for one in given)
    for (symbol, _, bars), scores in zip(given, work):
        parts.append(scores)
        lines.append(line := row_of(symbol, len(bars), scores))
        print("{series:12} {cut} {rows:6d} {origins:7d} {climatology:+23.2f} {har:+7.2f} {t:+6.2f} {inside:12.1f}".format(**line), flush=True)  # fmt: skip
    cuts = dict.fromkeys(line["cut"] for line in lines)
    sums = {"all": pooled(parts)} | {cut: pooled([s for s in parts if s["cut"].iloc[0] == cut]) for cut in cuts}
    for name, sum_ in sums.items():
        print(
            f"{name:10} against HAR {sum_['har']:+.2f} %, t {sum_['t']:+.2f}; the 80% range held {sum_['inside']:.1f}"
        )
    worst = min(lines, key=lambda line: line["t"])
    print(f"lowest t {worst['t']:+.2f} ({worst['series']} {worst['cut']})")
    asked.out.write_text(json.dumps({"series": lines, "pooled": sums}, indent=1, default=float) + "\n")
    kept = sums["all"]["t"] > -1 and worst["t"] > -3 and 76 <= sums["all"]["inside"] <= 84
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
