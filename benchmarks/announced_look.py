"""The one announced look at 2019-2022: forecasts, ranges, books and crises on years that nobody tuned on, beside 2010-2018.

    python benchmarks/announced_look.py rehearsal   # the same code on 2015-2018 beside 2010-2014; may be run at will
    python benchmarks/announced_look.py look        # the look itself; its protocol stands in experiments.jsonl before it

The closes of 20 stocks and of the S&P 500 come with skfolio and end on 2022-12-28. No library brings the VIX after 2018, so neither span uses it: both
are forecast from the same columns. One walk forward with the default settings serves both spans, five sessions ahead. Two books: the panel's forecasts and
equal weight, with default costs, limits and a fill at the next close. The stocks are those left in 2022, which flatters every return: what counts is the
difference between the two books, whose error a paired stationary bootstrap gives. The look counts nothing as a success: it is reported whatever comes.
"""

import argparse
import json
import tempfile
import time

import numpy as np
import pandas as pd
from arch.bootstrap import StationaryBootstrap
from skfolio.datasets import load_sp500_index

from forecastkit.calendars import get_calendar
from forecastkit.core import load_settings
from forecastkit.data import MarketData, load_market, open_sources
from forecastkit.metrics import sharpe_ratio
from forecastkit.pipeline import BacktestTerms, UniverseSystem, evaluate_panel, read_universe_file
from forecastkit.pipeline.backtest_inputs import StrategySizer, panel_decisions, without_refused
from forecastkit.pipeline.panel_preparation import PreparedPanel
from forecastkit.pipeline.scenarios import equal_weight
from forecastkit.trading import ANNOUNCED, REPLAYS, BacktestEngine, BacktestResult, ScenarioTester

NYSE, HORIZON, LEAD, DRAWS, BLOCK = get_calendar("XNYS"), 5, 520, 2000, 21
SPANS = {
    "rehearsal": {"before": ("2010-01-04", "2014-12-31"), "looked at": ("2015-01-02", "2018-12-31")},
    "look": {"before": ("2010-01-04", "2018-12-31"), "looked at": ("2019-01-02", "2022-12-28")},
}
CRISES = {
    "rehearsal": {name: span for name, span in REPLAYS.items() if name.startswith(("2015", "2018-02"))},
    "look": ANNOUNCED,
}


def read_market(last: pd.Timestamp) -> MarketData:
    "Closes of the embedded stocks and of the index up to a day, without the VIX."
    names = read_universe_file("sample").symbols
    stocks = load_market(open_sources("sample"), set(names), names, NYSE)
    index = load_sp500_index()["SP500"].loc[:last]
    spx = pd.DataFrame({"close": index.to_numpy()}, index=pd.DatetimeIndex(index.index).as_unit("us"))
    return MarketData({name: stocks.bars(name).loc[:last] for name in names} | {"SPX": spx})


def judged(prepared: PreparedPanel, first: str, last: str) -> dict:
    "Skill against each baseline, coverage of the ranges, of all stocks and of the one with the least and the most, by year."
    end = NYSE.offset(NYSE.on_or_before(last), -HORIZON)
    card = evaluate_panel(prepared, first, end)
    told = card.to_dict()
    by_symbol = sorted((part["coverage_80"], name) for name, part in told["by_symbol"].items())
    inside = card.scores["inside_0.8"].groupby(card.outcomes.sessions.year.to_numpy()).mean()
    return {
        "rows": told["rows"], "origins": told["origins"], "start": told["start"], "end": told["end"], "refused": told["refused"],
        "crps": told["forecaster"]["crps"], "skill": told["forecaster"]["skill"],
        "baselines_against_climatology": {name: one["skill"]["climatology"] for name, one in told["baselines"].items()},
        "coverage": told["forecaster"]["coverage"], "coverage_se": told["forecaster"]["coverage_se"], "pit": told["forecaster"]["pit"],
        "coverage_80_by_stock": {"least": by_symbol[0], "most": by_symbol[-1]}, "coverage_80_by_year": {str(year): float(share) for year, share in inside.items()},
    }  # fmt: skip


def sharpe_gain(book: pd.Series, other: pd.Series, seed: int = 0) -> dict[str, float]:
    "How much higher the Sharpe ratio of a book is than that of another on the same sessions, with the error of a paired stationary bootstrap."
    pairs = pd.concat([book, other], axis=1).dropna().to_numpy()
    gain = lambda rows: sharpe_ratio(rows[:, 0]) - sharpe_ratio(rows[:, 1])  # noqa: E731
    draws = StationaryBootstrap(BLOCK, pairs, seed=np.random.default_rng(seed)).apply(gain, DRAWS)
    return {"gain": float(gain(pairs)), "se": float(np.std(draws, ddof=1))}


def book_told(result: BacktestResult) -> dict:
    "What a book earned, with its error and the fall from its highest equity."
    sharpe = result.sharpe
    return {"annual_return": result.measures["annual_return"], "volatility": result.measures["annual_volatility"], "sharpe": sharpe.value,
            "sharpe_se": sharpe.se, "drawdown": float(result.drawdown.min()), "fills": len(result.books.fills.ticker)}  # fmt: skip


def main() -> None:
    "Walk, judge, book, print one JSON object."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("which", choices=SPANS)
    parser.add_argument("--quick", action="store_true", help="five rounds, fitted once a year: whether the code runs")
    args = parser.parse_args()
    which, began = args.which, time.process_time()
    spans, last = SPANS[which], NYSE.on_or_before(SPANS[which]["looked at"][1])
    walk = NYSE.offset(NYSE.on_or_before(spans["before"][0]), -LEAD)
    market, universe = read_market(last), read_universe_file("sample")
    with tempfile.TemporaryDirectory() as home:
        quick = {"model.rounds": 5, "model.refit_every": 252} if args.quick else {}
        settings = load_settings(environ={}, overrides=quick | {
            "data.home": home, "model.walk_start": f"{walk:%Y-%m-%d}", "forecast.horizon": HORIZON, "run.n_jobs": 2, "run.progress": False,
        })  # fmt: skip
        prepared = UniverseSystem(universe, settings, market).prepared(last)
        sessions = prepared.sessions[prepared.sessions >= pd.Timestamp(spans["before"][0])]
        decisions, refused = without_refused(prepared, panel_decisions(prepared, sessions))
        terms, names = BacktestTerms(), tuple(prepared.symbols)

        def run(given: MarketData, first: pd.Timestamp, end: pd.Timestamp, equal: bool = False) -> BacktestResult:
            engine = BacktestEngine(given.as_of(end), terms.costs, terms.rules(False), terms.capital, universe.sectors)
            sizer = terms.sizer(universe.sectors)
            if equal:
                return engine.run_walk_forward_backtest(
                    equal_weight, names, first, end, StrategySizer(sizer), 21, benchmarks=False
                )
            return engine.run_walk_forward_backtest(decisions, names, first, end, sizer, terms.every, benchmarks=False)

        found: dict = {"which": which, "refused_forecasts": refused, "versions": len(prepared.names)}
        for name, (first, end) in spans.items():
            days = NYSE.sessions_in_range(first, end)
            books = {kind: run(market, days[0], days[-1], kind == "equal weight") for kind in ("panel", "equal weight")}
            found[name] = judged(prepared, first, end) | {
                "books": {kind: book_told(book) for kind, book in books.items()},
                "sharpe_gain_over_equal_weight": sharpe_gain(books["panel"].returns, books["equal weight"].returns),
            }
        for kind in ("panel", "equal weight"):
            tester = ScenarioTester(
                lambda *given, kind=kind: run(*given, kind == "equal weight"), market, names, known_until=last
            )
            found[f"crises, {kind}"] = [vars(one) for one in tester.replays(CRISES[which])]
    print(json.dumps(found | {"processor_seconds": round(time.process_time() - began)}, default=str))


if __name__ == "__main__":
    main()
