"""Was it luck, and what carried it: what the measures of selection bias and the ablation study find where the truth is known.

    python benchmarks/judgement.py [selection] [ablation] [--seeds 100]

`selection`: 50 strategies of 2,520 sessions without any edge, heavy-tailed, counted in an experiment log: the deflated Sharpe ratio of the best of them must
not be significant in 95 of 100 histories, and the probability of overfitting must lie near one half. With one strategy of a yearly ratio of 1.5
among the 50, 3,150 sessions (12.5 years) must be enough to find it in 90 of 100.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from forecastkit.core import ExperimentLog
from forecastkit.evaluation import AblationStudy
from forecastkit.metrics import measure_selection, sharpe_ratio

TRIES, SESSIONS = 50, 2520
EDGE, LENGTHS = 1.5, (3150, 3780)  # a yearly Sharpe ratio; the sessions at which theory finds it in 90 and in 97 of 100


def strategies(seed: int, sessions: int, edge: float = 0.0, tries: int = TRIES) -> np.ndarray:
    "Heavy-tailed returns of strategies, (sessions, tries); the first has the edge."
    noise = np.random.default_rng(seed).standard_t(5, (sessions, tries)) * np.sqrt(3 / 5)
    noise[:, 0] += edge / np.sqrt(252)
    return 0.01 * noise


def best_in(seed: int, sessions: int, edge: float, log: ExperimentLog) -> tuple[int, object]:
    "Which strategy is the best of a history, and what it is worth as that."
    returns = strategies(seed, sessions, edge)
    best = int(np.argmax([sharpe_ratio(one) for one in returns.T]))
    return best, measure_selection(returns[:, best], log.count(), returns)


def selection(seeds: int) -> None:
    "Both histories of many seeds, beside what was asked."
    with tempfile.TemporaryDirectory() as folder:
        log = ExperimentLog(Path(folder) / "experiments.jsonl")
        log.append("search", "strategies", "which is the best?", {"variants": TRIES})
        null = [best_in(seed, SESSIONS, 0.0, log)[1] for seed in range(seeds)]
        edge = {n: [best_in(seed, n, EDGE, log) for seed in range(n, n + seeds)] for n in LENGTHS}
    pbo = np.array([one.overfitting.probability for one in null])
    quiet, alone = (sum(flags) for flags in zip(*((not one.significant, one.psr >= 0.95) for one in null)))
    print(f"no edge, {seeds} histories of {TRIES} strategies, {SESSIONS:,} sessions:")
    print(
        f"  best not significant: asked >= {0.95 * seeds:.0f}, measured {quiet} (taken for a single try, {alone} look significant)"
    )
    print(
        f"  probability of overfitting: asked near 0.50, measured {pbo.mean():.3f} (s.e. {pbo.std(ddof=1) / seeds**0.5:.3f})"
    )
    for n, rows in edge.items():
        found = sum(one.significant and best == 0 for best, one in rows)
        fit = np.mean([one.overfitting.probability for _, one in rows])
        needed = np.median([one.needed_of_trials for _, one in rows])
        print(f"a Sharpe ratio of {EDGE} among {TRIES}, {n:,} sessions ({n / 252:g} years):")
        print(
            f"  found and significant: asked >= {0.9 * seeds:.0f}, measured {found}; probability of overfitting {fit:.3f}"
        )
        print(f"  needed by such a record as the best of {TRIES}, median: {needed:,.0f} sessions")


ASSETS, DAYS, KNOWN = 10, 6000, 0.05  # half of the days to fit on; what a carrying signal knows of a move


def traded_signals(seed: int) -> tuple[tuple[str, ...], Callable[[tuple[str, ...]], pd.Series]]:
    "Four signals, of which the first two know something, and a strategy that is fitted on the first half of the days with those kept."
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((DAYS, ASSETS, 4))
    moves = X[..., :2].sum(axis=-1) * KNOWN + rng.standard_normal((DAYS, ASSETS))
    names, half = ("carries 1", "carries 2", "idle 1", "idle 2"), DAYS // 2

    def run(kept: tuple[str, ...]) -> pd.Series:
        at = [names.index(name) for name in kept]
        learnt = np.linalg.lstsq(X[:half, :, at].reshape(-1, len(at)), moves[:half].ravel(), rcond=None)[0]
        return pd.Series(0.01 * ((X[half:, :, at] @ learnt) * moves[half:]).mean(axis=1))

    return names, run


def ablation(seeds: int) -> None:
    "The study of a strategy with two carrying and two idle signals."
    found = []
    for seed in range(seeds):
        names, run = traded_signals(seed)
        found.append(AblationStudy(names, run, "return").results())
    right = sum(set(one.carrying) == {"carries 1", "carries 2"} for one in found)
    effects = [[one.effect for one in result.effects] for result in found]
    print(
        f"ablation of four signals, two of them carrying, {DAYS // 2:,} sessions after {DAYS // 2:,} to fit on, {seeds} seeds:"
    )
    print(f"  names the right two: asked >= {0.9 * seeds:.0f}, measured {right}")
    print(f"  what each adds to the yearly Sharpe ratio, mean: {np.round(np.mean(effects, axis=0), 2).tolist()}")
    print(
        f"  smallest effect found four times in five, mean: {np.mean([e.smallest for r in found for e in r.effects]):.2f}"
    )


PARTS = {"selection": selection, "ablation": ablation}
SEEDS = {"selection": 100, "ablation": 20}


def main() -> None:
    "The parts asked for."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without any")
    parser.add_argument("--seeds", type=int, help="instead of 100 and 20")
    args = parser.parse_args()
    for name in args.parts or PARTS:
        begun = time.process_time()
        PARTS[name](args.seeds or SEEDS[name])
        print(f"  {time.process_time() - begun:.0f} s of the processor\n", flush=True)


if __name__ == "__main__":
    main()
