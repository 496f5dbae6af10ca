"""What the panel forecaster is worth: the scorecard of a universe of stocks with OHLCV bars, and what the earnings calendar adds.

    python benchmarks/panel_skill.py ../shared/market --sectors ../shared/data/meta/sp500_constituents.csv [--every 63] [--without-earnings]
    python benchmarks/panel_skill.py sample --first 2005-01-03        # the 20 embedded stocks, closes alone

The folder holds stocks/*.csv.gz, index/GSPC.csv.gz and earnings_dates.csv; the VIX comes from --vix. Horizon five sessions. A version is
fitted at each refit session on all outcomes known there and serves until the next; the widths are warmed on 400 sessions before the first
origin. Everything is scored by `pipeline.evaluate_panel`. Dates of results are predicted from those of the year before (364 days on): what was
announced is not in these data. The stocks are those left in 2026. No bar after --last is read, and none after 2018.
"""

import argparse
import json
import time
from pathlib import Path

import pandas as pd

from forecastkit.calendars import get_calendar, read_earnings
from forecastkit.core import canonical_symbol, load_settings
from forecastkit.data import MarketData, load_market, open_sources
from forecastkit.evaluation import PanelScorecard
from forecastkit.pipeline import Universe, evaluate_panel, prepare_panel, read_universe_file

NYSE, HORIZON, WARM, FINAL = get_calendar("XNYS"), 5, 400, pd.Timestamp("2018-12-31")
VIX_HISTORY = Path("../shared/data/cboe/vix-daily.csv")


def bars_of(path: Path, last: pd.Timestamp) -> pd.DataFrame:
    "Bars on sessions, by lower-case name, up to a day."
    bars = pd.read_csv(path, index_col=0, parse_dates=True).rename(columns=str.lower)
    bars.index = pd.DatetimeIndex(bars.index).as_unit("us")
    return bars[bars.index.isin(NYSE.sessions) & (bars.index <= last)].astype(float)


def read_folder(folder: Path, vix: Path, sectors: Path | None, last: pd.Timestamp) -> tuple[MarketData, Universe]:
    "The market of a folder up to a day, and its stocks with what is known of them."
    paths = {
        path.name.removesuffix(".csv.gz").replace("_", "."): path
        for path in sorted((folder / "stocks").glob("*.csv.gz"))
    }
    series = {name: bars_of(path, last) for name, path in paths.items()}
    stocks = tuple(name for name, bars in series.items() if len(bars))  # those listed by then
    market = MarketData(
        {name: series[name] for name in stocks}
        | {"SPX": bars_of(folder / "index" / "GSPC.csv.gz", last), "VIX": bars_of(vix, last)}
    )
    table = pd.read_csv(sectors) if sectors else pd.DataFrame({"Symbol": [], "GICS Sector": []})
    known = dict(zip(table["Symbol"].map(canonical_symbol), table["GICS Sector"]))
    return market, Universe(stocks, known, read_earnings(folder / "earnings_dates.csv"), name=f"{len(stocks)} stocks")


def read_sample(last: pd.Timestamp) -> tuple[MarketData, Universe]:
    "The embedded stocks up to a day: closes, and no calendar of results."
    universe = read_universe_file("sample")
    whole = load_market(open_sources("sample"), {*universe.symbols, "SPX", "VIX"}, universe.symbols, NYSE)
    return MarketData({name: whole.bars(name).loc[:last] for name in (*universe.symbols, "SPX", "VIX")}), universe


def shown(card: PanelScorecard) -> str:
    "The card in some lines."
    told, parts = card.to_dict(), card.summary
    lines = [f"{told['symbols']} symbols, {told['rows']:,} rows, {told['start']} .. {told['end']}"]
    lines += [f"against {name}: {found.text()}" for name, found in parts.skill.items()]
    lines += [
        f"{name} against climatology: {judged.skill['climatology'].text()}"
        for name, judged in card.baselines.items()
        if name != "climatology"
    ]
    lines += [
        f"inside {level}: {100 * share:.2f} % (s.e. {100 * error:.2f})"
        for level, (share, error) in parts.coverage.items()
    ]
    for by in ("by_sector", "by_vix", "by_earnings"):
        lines += [
            f"{by} {name}: inside .8 {100 * part['coverage_80']:.1f} % (s.e. {100 * part['coverage_80_se']:.1f}; climatology {100 * part['climatology_coverage_80']:.1f})"
            for name, part in told.get(by, {}).items()
        ]
    own = sorted((part["coverage_80"], name) for name, part in told["by_symbol"].items())
    return "\n".join(
        [*lines, f"by symbol: {100 * own[0][0]:.1f} ({own[0][1]}) .. {100 * own[-1][0]:.1f} ({own[-1][1]})"]
    )


def main() -> None:
    "Prepare, score, print."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="of bars, or: sample")
    parser.add_argument("--vix", type=Path, default=VIX_HISTORY)
    parser.add_argument("--sectors", type=Path, help="a CSV of symbols and GICS sectors")
    parser.add_argument("--first", type=pd.Timestamp, default=pd.Timestamp("2010-01-04"))
    parser.add_argument("--last", type=pd.Timestamp, default=FINAL)
    parser.add_argument("--every", type=int, default=63)
    parser.add_argument("--without-earnings", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    started, last = time.process_time(), min(args.last, FINAL)
    sample = str(args.folder) == "sample"
    market, universe = read_sample(last) if sample else read_folder(args.folder, args.vix, args.sectors, last)
    if args.without_earnings:
        universe = Universe(universe.symbols, universe.sectors, None, name=universe.name)
    warm = NYSE.offset(NYSE.on_or_before(args.first), -WARM)
    settings = load_settings(overrides={
        "model.refit_every": args.every, "model.walk_start": f"{warm:%Y-%m-%d}", "forecast.horizon": HORIZON, "run.n_jobs": 1, "run.progress": False,
    })  # fmt: skip
    card = evaluate_panel(prepare_panel(market, universe, settings, market.last_session()), args.first)
    print(shown(card), f"processor seconds: {time.process_time() - started:.0f}", sep="\n")
    if args.out:
        args.out.write_text(json.dumps(card.to_dict()))


if __name__ == "__main__":
    main()
