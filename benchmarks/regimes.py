"""Do the names of the regimes keep their meaning from one refit to the next? Fifty refits, and three ways of starting them.

    .venv/bin/python benchmarks/regimes.py [--refits 50] [--sources "folder:PATH, sample"]

On 1,500 sessions of the seeded market, whose true states are known, the model is refitted as the data grow from 750 sessions to
all of them. Agreement is the share of sessions that two consecutive refits give the same most probable regime, over the
sessions that the earlier one had seen. With --sources the same on real data, one refit a year from the first on. Three ways:

- one fresh start, from the meaning of the words: what the house does;
- five fresh starts, the likeliest wins: `RegimeDetector(n_starts=5)`;
- warm: from what the version before believes of the rows, as refits are usually started.

Seconds are of the processor; the ratio to the first way says more.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from forecastkit.calendars import get_calendar
from forecastkit.data.sources import load_market
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features.regime import regime_features
from forecastkit.regimes.detector import Regime, RegimeDetector, risk_signs
from forecastkit.regimes.hmm import (
    HMMParameters,
    expectation_maximisation,
    initial_states,
    risk_score,
    stationary_distribution,
)

NYSE = get_calendar("XNYS")

Fit = Callable[[pd.DataFrame, RegimeDetector | None], RegimeDetector]


def fresh(starts: int) -> Fit:
    return lambda rows, before: RegimeDetector(n_starts=starts).fit(rows)


def warm(rows: pd.DataFrame, before: RegimeDetector | None) -> RegimeDetector:
    "A detector whose search begins with what the version before believes of these rows."
    detector = RegimeDetector().fit(rows)  # its scaling and the prior of its levels are those of a fresh fit
    if before is None:
        return detector
    z, chain = detector.fitted_.scaling.apply(rows[detector.features]), before.fitted_.model
    belief = before.fitted_.probabilities(rows, use_later_rows=True)
    whole = np.isfinite(z).all(axis=1)
    pairs = np.flatnonzero(whole[1:] & whole[:-1])
    signs = risk_signs(detector.features)
    guess = initial_states(risk_score(z[pairs + 1], signs), (0.40, 0.75))
    levels = np.einsum("nk,nd->kd", guess, z[pairs + 1]) / guess.sum(axis=0)[:, None]
    turn = expectation_maximisation(z[pairs], z[pairs + 1], belief[pairs + 1], chain.transition, levels, 0.01)
    found = np.asarray(turn.hmm.means_) / (1 - turn.memory)
    order = risk_score(found, signs).argsort(kind="stable")
    transition = np.asarray(turn.hmm.transmat_)[np.ix_(order, order)]
    model = HMMParameters(
        turn.memory, found[order], np.asarray(turn.hmm.covars_)[0], transition, stationary_distribution(transition)
    )
    training = {**detector.fitted_.training, "log_likelihood": float(turn.monitor.history[-1])}
    detector.fitted_ = replace(detector.fitted_, model=model, training=training)
    return detector


def refitted(X: pd.DataFrame, stops: list[int], fit: Fit) -> tuple[list[RegimeDetector], list[float], float]:
    "The versions, the agreement of each with the next on the rows that it had seen, and the seconds of the processor."
    versions, begin = [], time.process_time()
    for stop in stops:
        versions.append(fit(X.iloc[:stop], versions[-1] if versions else None))
    took = time.process_time() - begin
    agreement = []
    for (stop, old), (_, new) in pairwise(zip(stops, versions)):
        named = [version.filtered_probabilities(X.iloc[:stop]).idxmax(axis=1) for version in (old, new)]
        agreement.append(float((named[0] == named[1]).mean()))
    return versions, agreement, took


def compare(what: str, X: pd.DataFrame, stops: list[int], truth: pd.Series | None = None) -> None:
    print(f"{what}: {len(X)} sessions, {len(stops) - 1} refits")
    base = None
    for name, fit in (("one fresh start", fresh(1)), ("five fresh starts", fresh(5)), ("warm", warm)):
        versions, agreement, took = refitted(X, stops, fit)
        base = base or took
        likelihood = (
            versions[-1].fitted_.training["log_likelihood"] / versions[-1].fitted_.training["n_samples_trained"]
        )
        words = f"  {name:18s} agreement {np.mean(agreement):.3f}, least {min(agreement):.3f}; log likelihood a row {likelihood:+.4f}; seconds x {took / base:.1f}"
        if truth is not None:
            named = versions[-1].filtered_probabilities(X).idxmax(axis=1)
            words += f"; right {(named == truth.loc[X.index]).mean():.3f}"
        print(words, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refits", type=int, default=50)
    parser.add_argument("--sources", default="", help="real data to refit on once a year")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    market, truth = synthetic_market(seed=7, sessions=1500)
    X = regime_features(market)
    first = 750 - (1500 - len(X))  # rows of features that 750 sessions leave
    compare(
        "the seeded market",
        X,
        np.linspace(first, len(X), asked.refits + 1).astype(int).tolist(),
        truth["state"].map(Regime),
    )
    if asked.sources:
        names = {"VIX", "SPX", "DGS2", "DGS10", "BAMLH0A0HYM2"}
        real = regime_features(load_market([part.strip() for part in asked.sources.split(",")], symbols=names))
        grid = NYSE.refit_sessions(real.index, 252)
        stops = [stop for stop in (int(real.index.searchsorted(day)) + 1 for day in grid) if stop > 504]
        compare("real data", real, [*stops, len(real)])


if __name__ == "__main__":
    main()
