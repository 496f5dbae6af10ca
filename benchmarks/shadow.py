"""Does a shadow test hold its level read daily, how long does a decision take, and what does a day of a thousand symbols cost?

    python benchmarks/shadow.py walk FILE.npz                          CRPS of the built-in pool, climatology, AR(1), HAR, GARCH, linear quantiles on the embedded VIX
    python benchmarks/shadow.py null FILE.npz [--runs 500]             two models of equal expected score, read on each of 500 sessions
    python benchmarks/shadow.py power FILE.npz [--runs 200]            a challenger better by 2 % and by 5 %: sessions until decided
    python benchmarks/shadow.py daily [--symbols 1000]                 an evening of predict_daily with two arms beside a plain loop: time, success, memory
    python benchmarks/shadow.py kills [--runs 20]                      processes killed while they store both arms: both or none of an origin is left
    python benchmarks/shadow.py split                                  the share of a traffic of 20 % against its binomial error

Null and power take pairs of models: the signs of their real differences are flipped in blocks, which makes their expected scores equal; two pairs are
simulated (too narrow against too wide ranges of equal CRPS; two forecasters with errors of their own). Beside the sequential test stands Diebold-Mariano at the
same one-sided level, read daily from the 60th session on.
"""

import argparse
import json
import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.special import ndtr

from forecastkit.metrics import decision_time, log_e_values

HORIZON, LEVEL, CLIP, BLOCK, LAST = 5, 0.05, 0.5, 20, "2018-12-31"
PAIRS = (
    ("climatology", "house"),
    ("har", "house"),
    ("climatology", "har"),
    ("ar1", "har"),
    ("har", "linear"),
    ("garch", "har"),
    ("garch", "linear"),
)


def walk(path: str) -> None:
    "The CRPS of each model at each origin of the embedded VIX, in per cent, in order of time."
    from functools import partial

    import pandas as pd

    from forecastkit.core import PROBS, Target, load_settings
    from forecastkit.data import load_market
    from forecastkit.evaluation import walk_forward
    from forecastkit.metrics import crps
    from forecastkit.models import GARCHHAR, HARLocationScale, LinearQuantile, ar1_quantiles, climatology_quantiles
    from forecastkit.pipeline.preparation import prepare, refit_schedule
    from forecastkit.pipeline.profile import profile_of

    given = {"data.sources": "sample", "run.progress": False, "run.n_jobs": 1}
    target, settings = Target("VIX"), load_settings(environ={}, overrides=given)
    profile, market = profile_of(target), load_market("sample", symbols={"VIX", "SPX"}).as_of(pd.Timestamp(LAST))
    calendar, level = market.calendar, market.close("VIX")
    X = profile.engine().build_features(market).loc["1992":].drop(columns="cohort_weight").select_dtypes("number")
    y = calendar.outcomes(level, HORIZON).reindex(X.index)
    known = y.dropna()
    schedule = refit_schedule(target, settings, calendar)
    first = known.index[800]
    origins = known.index[known.index >= first]
    log_level = pd.Series(np.log(level.to_numpy()), level.index)
    found = {
        "climatology": climatology_quantiles(y, origins, HORIZON, calendar=calendar),
        "ar1": ar1_quantiles(log_level, known, origins, HORIZON, calendar),
    }
    makers = {
        "har": partial(HARLocationScale, profile.har_recipe),
        "linear": partial(LinearQuantile, profile.recipe),
        "garch": partial(GARCHHAR, profile.recipe, HORIZON, seed=0),
    }
    for name, make in makers.items():
        raw = walk_forward(X.loc[: origins[-1]], y, make, schedule, first=first, progress=False)
        at = raw.origins.get_indexer(origins)
        found[name] = np.where((at >= 0)[:, None], raw.quantiles[at], np.nan)
        print(name, flush=True)
    house = prepare(load_market("sample"), target, settings, pd.Timestamp(LAST))  # the pool, calibrated, as it serves
    at = house.origins.get_indexer(origins)
    found["house"] = np.where((at >= 0)[:, None], house.quantiles[at], np.nan)
    good = np.all([np.isfinite(q).all(axis=1) for q in found.values()], axis=0)
    outcome = target.from_log(known[origins].to_numpy()[good])
    np.savez(path, **{name: crps(outcome, target.from_log(q[good]), PROBS) for name, q in found.items()})


def normal_crps(middle, width, y):
    "The CRPS of normal forecasts in closed form (Gneiting and Raftery, 2007)."
    z = (y - middle) / width
    return width * (z * (2 * ndtr(z) - 1) + np.sqrt(2 / np.pi) * np.exp(-z * z / 2) - 1 / np.sqrt(np.pi))


def persistent(rng, shape, memory):
    "Autoregressive errors of unit variance."
    return lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.standard_normal((shape[0], shape[1] + 300)), axis=-1)[
        :, 300:
    ]


def simulated(kind: str, runs: int, n: int, seed: int):
    "CRPS of two forecasters of equal expected score on markets whose volatility clusters, (runs, n) each."
    rng = np.random.default_rng(seed)
    vol = np.exp(0.35 * persistent(rng, (runs, n + HORIZON), 0.98))
    sums = np.cumsum(np.pad(vol * rng.standard_normal(vol.shape), ((0, 0), (1, 0))), axis=1)
    y = (sums[:, HORIZON:] - sums[:, :-HORIZON])[:, :n]
    sigma = np.sqrt(np.cumsum(np.pad(vol**2, ((0, 0), (1, 0))), axis=1))
    sigma = np.sqrt(sigma[:, HORIZON:] ** 2 - sigma[:, :-HORIZON] ** 2)[:, :n]
    if (
        kind == "narrow and wide"
    ):  # both wrong by as much: the true width is known, so the conditional expectations are equal
        expected = lambda s: np.sqrt(2 * (1 + s**2)) - s  # noqa: E731
        wide = brentq(lambda s: expected(s) - expected(0.7), 1.0, 3.0)
        return normal_crps(0.0, 0.7 * sigma, y), normal_crps(0.0, wide * sigma, y)
    own = [(0.1 * persistent(rng, y.shape, 0.9), np.exp(0.08 * persistent(rng, y.shape, 0.95))) for _ in range(2)]
    return tuple(normal_crps(middle * sigma, width * sigma, y) for middle, width in own)


def flipped(a: np.ndarray, b: np.ndarray, runs: int, n: int, seed: int):
    "Real differences with signs drawn by block, each run beginning somewhere else, and the score of the champion beside: (runs, n) each."
    rng = np.random.default_rng(seed)
    rows = (rng.integers(0, len(a), runs)[:, None] + np.arange(n)) % len(a)
    signs = rng.choice([-1.0, 1.0], (runs, n // BLOCK + 1)).repeat(BLOCK, axis=1)[:, :n]
    return (a - b)[rows] * signs, np.maximum(a, 0)[rows]


def pairs_of(path: str, runs: int, n: int):
    "Name, differences of mean zero and champion's scores of each pair."
    kept = np.load(path)
    for champion, challenger in PAIRS:
        yield f"{champion} and {challenger}", *flipped(kept[champion], kept[challenger], runs, n, 1)
    for kind in ("narrow and wide", "errors of their own"):
        a, b = simulated(kind, runs, n, 2)
        yield kind, a - b, a


def daily_t(difference: np.ndarray, first: int = 60, lag: int = 3 * HORIZON) -> np.ndarray:
    "Diebold-Mariano's t (Newey-West) of each run, read on each session from `first` on, (runs, n - first)."
    found = []
    for n in range(first, difference.shape[1] + 1):
        d = difference[:, :n] - difference[:, :n].mean(axis=1, keepdims=True)
        total = (d * d).sum(axis=1)
        for k in range(1, lag + 1):
            total = total + 2 * (1 - k / (lag + 1)) * (d[:, k:] * d[:, :-k]).sum(axis=1)
        found.append(difference[:, :n].mean(axis=1) * n / np.sqrt(np.maximum(total, 1e-12)))
    return np.stack(found, axis=1)


def null(path: str, runs: int, n: int = 500) -> dict:
    "How often a test of two equal models says that one is better, ever in 500 sessions."
    found = {}
    for name, difference, score in pairs_of(path, runs, n):
        bound = CLIP * score.mean()
        e = (log_e_values(difference, bound, HORIZON) >= -np.log(LEVEL)).any(axis=1)
        t = daily_t(difference[:200]) > 1.645
        share = float(e.mean())
        found[name] = {"sequential": share, "se": round(float(np.sqrt(share * (1 - share) / runs)), 4), "daily DM": float(t.any(axis=1).mean()),
                       "DM once": float(t[:, -1].mean()), "relative sd": round(float(difference.std() / score.mean()), 3),
                       "clipped": round(float((np.abs(difference) > bound).mean()), 4)}  # fmt: skip
        print(name, json.dumps(found[name]), flush=True)
    return found


def power(path: str, runs: int) -> dict:
    "Sessions until a challenger better by a share of the champion's score is found so: median and quartiles, and what was announced."
    found = {}
    for effect, n in ((0.02, 8000), (0.05, 2500)):
        for name, difference, score in pairs_of(path, runs, n):
            bound, better = CLIP * score.mean(), difference + effect * score
            over = log_e_values(better, bound, HORIZON) >= -np.log(LEVEL)
            first = np.where(over.any(axis=1), over.argmax(axis=1) + 1, 10 * n)
            announced = decision_time(effect * score.mean(), float(better.std()), bound, HORIZON, LEVEL)
            quartiles = [int(q) if q <= n else None for q in np.quantile(first, (0.25, 0.5, 0.75))]
            kept = float(np.clip(better, -bound, bound).mean() / better.mean())
            found[f"{name} {effect:.0%}"] = {
                "quartiles": quartiles,
                "announced": announced,
                "mean kept by the clip": round(kept, 3),
            }
            print(f"{name} {effect:.0%}", json.dumps(found[f"{name} {effect:.0%}"]), flush=True)
    return found


def split(runs: int, traffic: float = 20.0) -> dict:
    "How far the share that the challenger serves lies from what was asked, in binomial standard errors."
    import pandas as pd

    from forecastkit.ops import arm_of

    days, z = [str(day.date()) for day in pd.bdate_range("2010-01-04", periods=1000)], []
    for number in range(1, runs + 1):
        share = np.mean([arm_of(number, "VIX", day, traffic) == "challenger" for day in days])
        z.append((share - traffic / 100) / np.sqrt(traffic / 100 * (1 - traffic / 100) / len(days)))
    found = {
        "deployments": runs,
        "within 2 standard errors": float(np.mean(np.abs(z) < 2)),
        "expected": 0.954,
        "largest": float(np.abs(z).max()),
    }
    print(json.dumps(found), flush=True)
    return found


def kills(runs: int, symbols: int = 40) -> dict:
    "Processes killed by SIGKILL while they store a batch of both arms: how often a kill fell between, and whether an arm was ever left alone."
    import random
    import signal
    import tempfile
    import time
    from datetime import UTC, datetime

    from forecastkit.core import PROBS
    from forecastkit.forecasts import Forecast
    from forecastkit.ledger import PredictionDatabase
    from forecastkit.ops import Line, LineTarget, OtherArm, create_shadow_deployment, store_arms, stored_deployments

    def forecast(calendar, symbol, day, version):
        return Forecast(
            symbol=symbol, origin=day, target_session=calendar.offset(day, 5), horizon=5, kind="pct_change", probs=PROBS, values=np.linspace(-9, 9, len(PROBS)),
            last_value=20.0, model_version=version, code_version="0", data_fingerprint="d", cohort="mid_cycle", cohort_weight=1.0, feature_quality=1.0,
            made_at=datetime(2018, 12, 28, tzinfo=UTC),
        )  # fmt: skip

    def batches(url, days):
        database = PredictionDatabase(url)
        one = stored_deployments(database)[0]
        for day in days:
            made = [
                (forecast(database.calendar, f"S{k}", day, "ours"), forecast(database.calendar, f"S{k}", day, "theirs"))
                for k in range(symbols)
            ]
            store_arms(
                database,
                [(ours, None) for ours, _ in made],
                [OtherArm(one, theirs, "champion", ours.prediction_id) for ours, theirs in made],
            )

    chance, alone, partial, stored = random.Random(0), 0, 0, 0  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/f.db"
        database = PredictionDatabase(url)
        create_shadow_deployment(
            database,
            LineTarget("VIX_d1", "pct_change", 5),
            Line("deep", {"model.rounds": 200}),
            0.0,
            4000,
            bound=3.0,
            first="2003-01-02",
        )
        calendar, at = database.calendar, 0
        days = calendar.sessions_in_range("2003-01-02", "2018-12-20")
        database.close()
        for _ in range(runs):
            if not (child := os.fork()):
                batches(url, days[at:])
                os._exit(0)
            time.sleep(chance.uniform(0.2, 1.5))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            database = PredictionDatabase(url)
            with database.engine.connect() as connection:
                served = dict(
                    connection.exec_driver_sql("SELECT origin, count(*) FROM predictions GROUP BY origin").fetchall()
                )
                pairs = dict(
                    connection.exec_driver_sql(
                        "SELECT origin, count(*) FROM shadow_events WHERE event = 'pair' GROUP BY origin"
                    ).fetchall()
                )
            alone += served != pairs
            partial += any(n != symbols for n in served.values())
            stored, at = sum(served.values()), len(served)
            assert database.verify() == []
            database.close()
    found = {
        "kills": runs,
        "origins": at,
        "forecasts": stored,
        "an arm alone (asked 0)": alone,
        "half a batch (asked 0)": partial,
    }
    print(json.dumps(found), flush=True)
    return found


def daily(symbols: int) -> dict:
    "An evening of `predict_daily` with a challenger, in one batch of a thousand, beside a plain loop that forecasts and stores symbol after symbol."
    import resource
    import tempfile
    import time

    from forecastkit.core import load_settings
    from forecastkit.data import synthetic_market
    from forecastkit.ledger import PredictionDatabase
    from forecastkit.ops import Line
    from forecastkit.pipeline import AdvancedDailyPredictor
    from forecastkit.pipeline.panel_forecasting import make_panel_forecasts

    peak = lambda: round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # noqa: E731
    names = tuple(f"S{k:04d}" for k in range(symbols))
    market = synthetic_market(seed=3, sessions=640, start="2014-01-02", stocks=names).market
    with tempfile.TemporaryDirectory() as home:
        given = {"data.home": home, "model.rounds": 5, "run.n_jobs": 1, "run.progress": False}
        predictor = AdvancedDailyPredictor([*names, "GONE"], load_settings(environ={}, overrides=given), market)
        predictor.create_shadow_deployment(
            Line("few", {"model.rounds": 3}), 20.0, 250, bound=1.0, first=market.last_session()
        )
        session = predictor._system.origin()
        began = time.process_time()
        panel = predictor._system.prepared(session)
        ready = {"preparation": round(time.process_time() - began, 1), "MB": peak()}
        began = time.process_time()
        loop = PredictionDatabase(f"sqlite:///{home}/loop.db")
        for name in names:
            make_panel_forecasts(panel, session, [name], loop)
        plain = {
            "seconds": round(time.process_time() - began, 2),
            "symbols a second": round(symbols / (time.process_time() - began), 1),
            "MB": peak(),
        }
        loop.close()
        found = {"symbols": symbols, "preparation": ready, "plain loop, one arm": plain}
        for arms in (False, True):
            began = time.process_time()
            evening = predictor.predict_daily(arms, False, 1000)
            took = time.process_time() - began
            found[f"predict_daily, {1 + arms} arm(s)"] = {"seconds": round(took, 2), "symbols a second": round(symbols / took, 1), "success": round(evening.success_rate, 4), "pairs": evening.to_dict()["pairs"], "MB": peak()}  # fmt: skip
            print(json.dumps(found), flush=True)
        predictor.database.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("walk", "null", "power", "daily", "kills", "split"))
    parser.add_argument("file", nargs="?", help="of walk, null and power")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--symbols", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.part == "walk":
        return walk(asked.file)
    if asked.part in ("null", "power"):
        found = null(asked.file, asked.runs or 500) if asked.part == "null" else power(asked.file, asked.runs or 200)
    elif asked.part == "daily":
        found = daily(asked.symbols)
    else:
        found = kills(asked.runs or 20) if asked.part == "kills" else split(asked.runs or 200)
    if asked.out:
        asked.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
