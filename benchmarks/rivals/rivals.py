"""What a skilled user could put together in a day, with the best known libraries and the options that they document.

    RIVALS_PYTHON benchmarks/rivals/rivals.py DIR [garch arima boosting conformal predictive]

Runs in an environment of its own (see README.md) and knows nothing of forecastkit: it reads `sessions.csv` and `plan.json`
in DIR, as `compare.py DIR --export` wrote them, and leaves `NAME.npz` there: origins, quantiles of the log change, seconds.
A rival is a function of three things: all bars up to the last origin of a block (a row is forecast from itself and the rows
before it), the outcomes known at the refit session, and the origins of the block.
"""

import argparse
import json
import logging
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

SEED = 42


def garch(bars: pd.DataFrame, known: pd.Series, origins: pd.DatetimeIndex, plan: dict) -> np.ndarray:
    "arch: GJR-GARCH(1,1) with Student's t shocks around an AR(5) mean of the daily log change, 2,000 simulated paths."
    from arch import arch_model
    from arch.univariate import StudentsT

    change = 100 * np.log(bars["close"]).diff().dropna().loc[plan["train_start"] :]
    model = arch_model(change, mean="AR", lags=5, vol="GARCH", p=1, o=1, q=1)
    model.distribution = StudentsT(seed=np.random.RandomState(SEED))
    fitted = model.fit(last_obs=int(change.index.searchsorted(plan["grid"], side="right")), disp="off")
    paths = fitted.forecast(
        horizon=plan["horizon"], start=int(change.index.searchsorted(origins[0])), method="simulation", simulations=2000
    )
    total = pd.DataFrame(
        paths.simulations.values.sum(axis=2) / 100, index=change.index[-len(paths.simulations.values) :]
    )
    return np.quantile(total.loc[origins], plan["probs"], axis=1).T


def arima(bars: pd.DataFrame, known: pd.Series, origins: pd.DatetimeIndex, plan: dict) -> np.ndarray:
    "statsforecast: AutoARIMA of the log VIX; order and coefficients of the refit session, carried forward day by day."
    from statsforecast.models import AutoARIMA

    log_vix = np.log(bars["close"]).loc[plan["train_start"] :]
    model = AutoARIMA().fit(log_vix.loc[: plan["grid"]].to_numpy())
    levels = {p: round(100 * abs(2 * p - 1), 6) for p in plan["probs"]}
    table = []
    for origin in origins:
        path = log_vix.loc[:origin].to_numpy()
        ahead = model.forward(path, h=plan["horizon"], level=sorted({level for level in levels.values() if level}))
        names = ["mean" if p == 0.5 else f"{'lo' if p < 0.5 else 'hi'}-{level}" for p, level in levels.items()]
        table.append([np.asarray(ahead[name])[-1] - path[-1] for name in names])
    return np.array(table)


def plain_features(bars: pd.DataFrame) -> pd.DataFrame:
    "Two dozen columns that anyone would think of first."
    vix, spx = np.log(bars["close"]), np.log(bars["spx"])
    day, market = vix.diff(), spx.diff()
    reach = np.log(bars["high"] / bars["low"])
    columns = {"level": vix, "range": reach, "range 5": reach.rolling(5).mean(), "range 22": reach.rolling(22).mean()}
    columns |= {f"change {n}": vix.diff(n) for n in (1, 2, 3, 5, 10, 22)}
    columns |= {f"from mean {n}": vix - vix.rolling(n).mean() for n in (5, 10, 22, 66, 252)}
    columns |= {f"vol of vix {n}": day.rolling(n).std() for n in (5, 22, 66)}
    columns |= {f"spx return {n}": spx.diff(n) for n in (1, 5, 22)}
    columns |= {f"spx vol {n}": market.rolling(n).std() for n in (5, 22, 66)}
    columns |= {"premium": vix - np.log(columns["spx vol 22"]), "drawdown": spx - spx.rolling(252).max()}
    return pd.DataFrame(columns)


def boosting(bars: pd.DataFrame, known: pd.Series, origins: pd.DatetimeIndex, plan: dict) -> np.ndarray:
    "XGBoost: one booster for all quantiles of the log change, straight on plain features."
    import xgboost

    X = plain_features(bars)
    params = {
        "objective": "reg:quantileerror", "quantile_alpha": plan["probs"], "max_depth": 2, "learning_rate": 0.03,
        "min_child_weight": 20, "subsample": 0.5, "colsample_bytree": 0.5, "nthread": 1, "seed": SEED,
    }  # fmt: skip
    trees = xgboost.train(params, xgboost.QuantileDMatrix(X.loc[known.index], known), num_boost_round=100)
    return trees.predict(xgboost.DMatrix(X.loc[origins]))


def conformal(bars: pd.DataFrame, known: pd.Series, origins: pd.DatetimeIndex, plan: dict) -> np.ndarray:
    "MAPIE: conformalised quantile regression, one interval for each pair of probabilities; the last quarter conformalises."
    from mapie.regression import ConformalizedQuantileRegressor
    from sklearn.ensemble import HistGradientBoostingRegressor

    X, cut = plain_features(bars), int(0.75 * len(known))
    learnt, held = known.iloc[: cut - plan["horizon"]], known.iloc[cut:]  # outcomes across the cut would overlap

    def line(p: float) -> HistGradientBoostingRegressor:
        model = HistGradientBoostingRegressor(
            loss="quantile", quantile=p, learning_rate=0.05, max_iter=40, max_depth=3, min_samples_leaf=40,
            max_features=0.5, random_state=SEED,
        )  # fmt: skip
        return model.fit(X.loc[learnt.index], learnt)

    lines = {p: line(p) for p in plan["probs"]}
    found = {0.5: lines[0.5].predict(X.loc[origins])}
    for low in (p for p in plan["probs"] if p < 0.5):
        high = round(1 - low, 6)
        three = [lines[low], lines[high], lines[0.5]]
        model = ConformalizedQuantileRegressor(three, confidence_level=round(high - low, 6), prefit=True)
        _, ends = model.conformalize(X.loc[held.index], held).predict_interval(X.loc[origins])
        found[low], found[high] = ends[:, 0, 0], ends[:, 1, 0]
    return np.column_stack([found[p] for p in plan["probs"]])


def predictive(bars: pd.DataFrame, known: pd.Series, origins: pd.DatetimeIndex, plan: dict) -> np.ndarray:
    "crepes: a normalised conformal predictive system around a random forest, its difficulty the distance to neighbours."
    from crepes import WrapRegressor
    from crepes.extras import DifficultyEstimator
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.preprocessing import StandardScaler

    X, cut = plain_features(bars), int(0.75 * len(known))
    middle, scaler = X.loc[known.index].median(), StandardScaler()
    learnt, held = known.iloc[: cut - plan["horizon"]], known.iloc[cut:]  # outcomes across the cut would overlap

    def rows(index: pd.DatetimeIndex) -> np.ndarray:
        return scaler.transform(X.loc[index].fillna(middle).to_numpy())

    scaler.fit(X.loc[learnt.index].fillna(middle).to_numpy())
    forest = RandomForestRegressor(100, min_samples_leaf=20, max_features=0.33, random_state=SEED, n_jobs=1)
    model = WrapRegressor(forest)
    model.fit(rows(learnt.index), learnt.to_numpy())
    difficulty = DifficultyEstimator()
    difficulty.fit(X=rows(learnt.index), residuals=learnt.to_numpy() - model.predict(rows(learnt.index)), scaler=True)
    model.calibrate(rows(held.index), held.to_numpy(), de=difficulty, cps=True, seed=SEED)
    return model.predict_percentiles(rows(origins), lower_percentiles=[100 * p for p in plan["probs"]])


RIVALS: dict[str, Callable[..., np.ndarray]] = {f.__name__: f for f in (garch, arima, boosting, conformal, predictive)}


def walk(rival: Callable[..., np.ndarray], table: pd.DataFrame, plan: dict) -> np.ndarray:
    "The quantiles of all origins, refitted on the grid with the outcomes known there."
    asked, made = table.loc[plan["start"] : plan["end"]], []
    for grid, block in asked.groupby("grid"):
        since = table.loc[plan["train_start"] :]
        known = since.loc[since["known"] <= grid, "outcome"].dropna()
        bars = table.loc[: block.index[-1], ["open", "high", "low", "close", "spx"]]
        made.append(rival(bars, known, block.index, plan | {"grid": grid}))
    return np.sort(np.concatenate(made), axis=1)


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)  # MAPIE mentions every pair of quantiles that cross
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    allowed = [*RIVALS, []]  # argparse holds "none given" against the choices, too
    parser.add_argument("names", nargs="*", choices=allowed, metavar="NAME", help=f"{', '.join(RIVALS)}; default all")
    asked = parser.parse_args()
    plan = json.loads((asked.folder / "plan.json").read_text())
    dates = ["session", "known", "grid"]
    table = pd.read_csv(asked.folder / "sessions.csv", index_col="session", parse_dates=dates)
    for name in asked.names or RIVALS:
        start = time.perf_counter()
        quantiles = walk(RIVALS[name], table, plan)
        origins = table.loc[plan["start"] : plan["end"]].index.to_numpy()
        seconds = time.perf_counter() - start
        np.savez(asked.folder / f"{name}.npz", origins=origins, quantiles=quantiles, seconds=seconds)
        print(f"{name}: {len(origins)} origins in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
