"""Does the direction ensemble find an effect that is there, and claim none that is not? Twenty seeded markets with one, twenty without.

    .venv/bin/python benchmarks/direction.py [--seeds 20]

Fifty stocks, 2,000 sessions, outcomes over five sessions. With an effect, one of eight columns of a stock explains 1 % of the variance of its
change; two further columns belong to the market, as in a real panel, and the market's own part of the changes is never explained. The
ensemble is fitted at the sessions of `REFITS`, each time on the outcomes known there, and scored up to the next: log loss, mean of each
session, against the base rate of the training rows, with a HAC standard error over three horizons.

It must show: skill above 0 with t >= 3 in at least 15 of 20 markets with an effect; without one, t > 2 in at most 3 of 20, a mean loss
below `COST`, and labels other than neutral on at most 5 % of rows.
"""

import argparse
import os
import time
from itertools import pairwise

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.metrics import hac_lag, skill
from forecastkit.models import DirectionEnsemble
from forecastkit.models.online_weights import log_losses

HORIZON, PERSISTENCE, MARKET, OWN = 5, 0.9, 0.008, 0.015
REFITS = (500, 1000, 1500)
COST = 0.0005  # nats a row: what a claim without ground may lose against the base rate


def planted_market(
    seed: int,
    r2: float,  # share of the variance of a change that column x0 explains; 0: none
    stocks: int = 50,
    sessions: int = 2000,
) -> tuple[pd.DataFrame, np.ndarray]:
    "The long frame, and the log change over the next five sessions of each row."
    rng = np.random.default_rng([seed, 15])
    n = sessions + HORIZON
    own, common = rng.standard_normal((n, stocks, 8)), rng.standard_normal((n, 2))
    for t in range(1, n):
        for x in (own, common):
            x[t] = PERSISTENCE * x[t - 1] + np.sqrt(1 - PERSISTENCE**2) * x[t]
    pull = np.sqrt(r2 * HORIZON * (MARKET**2 + OWN**2)) / sum(PERSISTENCE**j for j in range(HORIZON))
    daily = 0.0003 + MARKET * rng.standard_normal((n, 1)) + OWN * rng.standard_normal((n, stocks))
    daily[1:] += pull * own[:-1, :, 0]
    changes = np.array([daily[t + 1 : t + 1 + HORIZON].sum(axis=0) for t in range(sessions)])
    days = get_calendar("XNYS").sessions_in_range("2005-01-03", "2018-12-31")[:sessions]
    index = pd.MultiIndex.from_product([days, [f"S{i:02d}" for i in range(stocks)]], names=["session", "symbol"])
    columns = np.concatenate([own[:sessions], np.repeat(common[:sessions, None], stocks, axis=1)], axis=2)
    return pd.DataFrame(columns.reshape(len(index), -1), index, [f"x{j}" for j in range(10)]), changes.ravel()


def market_score(
    X: pd.DataFrame,
    changes: np.ndarray,
    refits: tuple[int, ...] = REFITS,
    ensemble: DirectionEnsemble | None = None,
) -> dict[str, float]:
    "Skill with t, the loss against the base rate in nats, the share of rows with a label, and the mean share of claims kept."
    place, up = pd.factorize(X.index.get_level_values(0))[0], (changes > 0).astype(int)
    losses, labels, shares = [], [], []
    for start, end in pairwise([*refits, place[-1] + 1]):
        early, late = place <= start - HORIZON, (place >= start) & (place < end)
        model = (ensemble or DirectionEnsemble(horizon=HORIZON)).fit(X[early], up[early], changes[early])
        said = model.directions(X[late])
        table = np.column_stack([said.chance, np.full(late.sum(), model.base_rate_)])
        losses.append(pd.DataFrame(log_losses(table, up[late])).groupby(place[late]).mean().to_numpy())
        labels.append((said.label != "neutral").to_numpy())
        shares.append(model.share_)
    own, base = np.concatenate(losses).T
    found = skill(own, base, hac_lag(HORIZON), HORIZON)
    return {
        "skill": found.value, "t": found.t if np.isfinite(found.t) else 0.0, "loss": float((own - base).mean()),
        "labels": float(np.concatenate(labels).mean()), "share": float(np.mean(shares)),
    }  # fmt: skip


def main() -> int:
    "Print each market and the four sentences; 1 where one of them fails."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    seeds = given.seeds
    found = {}
    for r2 in (0.01, 0.0):
        rows = []
        for seed in range(given.first, given.first + seeds):
            start = time.process_time()
            rows.append(market_score(*planted_market(seed, r2)))
            told = ", ".join(f"{name} {value:.4f}" for name, value in rows[-1].items())
            print(f"R2 {r2:.0%}, seed {seed:2d}: {told} ({time.process_time() - start:.1f} s)", flush=True)
        found[r2] = pd.DataFrame(rows)
    planted, none = found[0.01], found[0.0]
    good = int(((planted["skill"] > 0) & (planted["t"] >= 3)).sum())
    false = int((none["t"] > 2).sum())
    checks = {
        f"effect found with t >= 3 in {good} of {seeds}; mean skill {planted['skill'].mean():.2%}": good >= 0.75 * seeds,
        f"none planted: t > 2 in {false} of {seeds}": false <= 0.15 * seeds,
        f"none planted: mean loss {none['loss'].mean():.6f} nats (allowed {COST})": none["loss"].mean() < COST,
        f"none planted: labels on {none['labels'].mean():.2%} of rows, at most {none['labels'].max():.2%}": none["labels"].max() <= 0.05,
    }  # fmt: skip
    for told, holds in checks.items():
        print("ok  " if holds else "FAIL", told)
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
