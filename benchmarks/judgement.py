"""Was it luck, and what carried it: what the measures of selection bias and the ablation study find where the truth is known.

    python benchmarks/judgement.py [selection] [--seeds 100]

`selection`: 50 strategies of 2,520 sessions without any edge, heavy-tailed, counted in an experiment log: the deflated Sharpe ratio of the best of them must
not be significant in 95 of 100 histories, and the probability of overfitting must lie near one half. With one strategy of a yearly ratio of 1.5
among the 50, 3,150 sessions (12.5 years) must be enough to find it in 90 of 100.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from forecastkit.core import ExperimentLog
from forecastkit.metrics import measure_selection, minimum_track_record, sharpe_ratio

TRIES, SESSIONS = 50, 2520
EDGE, LONG = 1.5, 3150  # a yearly Sharpe ratio, and the sessions at which it is found in 90 of 100 histories


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
        edge = [best_in(seed, LONG, EDGE, log) for seed in range(1000, 1000 + seeds)]
    pbo = np.array([one.overfitting.probability for one in null])
    quiet, found = sum(not one.significant for one in null), sum(one.significant and best == 0 for best, one in edge)
    one = strategies(0, LONG, EDGE)[:, 0]
    print(f"no edge, {seeds} histories of {TRIES} strategies, {SESSIONS:,} sessions:")
    print(
        f"  best of all not significant      asked >= {0.95 * seeds:.0f}, measured {quiet} (alone, P(> 0) >= .95: {sum(s.psr >= 0.95 for s in null)} look significant)"
    )
    print(
        f"  probability of overfitting       asked near 0.50, measured {pbo.mean():.3f} (s.e. {pbo.std(ddof=1) / seeds**0.5:.3f})"
    )
    print(f"one Sharpe ratio of {EDGE} among {TRIES}, {LONG:,} sessions:")
    print(f"  found and significant            asked >= {0.9 * seeds:.0f}, measured {found}")
    print(f"  probability of overfitting       measured {np.mean([s.overfitting.probability for _, s in edge]):.3f}")
    print(
        f"  one such record needs            {minimum_track_record(one):,.0f} sessions alone, {minimum_track_record(one, trials=TRIES):,.0f} as the best of {TRIES}"
    )


PARTS = {"selection": selection}


def main() -> None:
    "The parts asked for."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without any")
    parser.add_argument("--seeds", type=int, default=100)
    args = parser.parse_args()
    for name in args.parts or PARTS:
        begun = time.process_time()
        PARTS[name](args.seeds)
        print(f"  {time.process_time() - begun:.0f} s of the processor\n", flush=True)


if __name__ == "__main__":
    main()
