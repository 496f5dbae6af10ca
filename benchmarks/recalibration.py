"""How often does `needs_recalibration` raise a false alarm, and how soon does it notice that outcomes are the reverse of what is stated?

    python benchmarks/recalibration.py [--first 5000] [--seeds 200] [--powers 100]

Simulated histories of overlapping outcomes over five sessions, asked after every twenty outcomes until the first alarm. False alarms: any
alarm within 1,000 sessions of a forecaster that goes on as before, with the one curve that the tests use and with a curve of its own for each
history, both fitted on 8,000 sessions. Power: outcomes reversed, an alarm at any look, and at the last look alone. Each rate stands
beside its binomial standard error. Seeds that have been looked at once are no longer fresh: the rule may not be changed on them.
"""

import argparse
import json

import numpy as np

from forecastkit.models import ConfidenceCalibrator
from forecastkit.models.confidence_calibrator import LOOK

HORIZON, FITTED, LENGTHS = 5, 8000, (500, 1000, 2000, 4000)


def history(seed, n):
    "Stated chances that are true, and outcomes that overlap over the horizon: as in tests/test_confidence_calibrator.py."
    rng = np.random.default_rng(seed)
    truth = np.clip(0.53 + 0.08 * rng.standard_normal(n // HORIZON).repeat(HORIZON), 0.2, 0.85)
    return truth, (rng.random(n // HORIZON).repeat(HORIZON) < truth).astype(float)


def calibrator(seed):
    "A curve that was fitted on a history of its own."
    return ConfidenceCalibrator(HORIZON, methods=("share",)).fit(*history(seed, FITTED))


def first_alarm(model, p, rose):
    "Outcomes at the first look that asks for a new curve; infinite where none does."
    looks = range(LOOK, len(p) + 1, LOOK)
    return next((k for k in looks if model.needs_recalibration(p[:k], rose[:k])), np.inf)


def rate(hits):
    "A share with its binomial standard error."
    share = float(np.mean(hits))
    return {"rate": share, "se": round(float(np.sqrt(share * (1 - share) / len(hits))), 4), "histories": len(hits)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--first", type=int, default=5000, help="the first seed")
    parser.add_argument("--seeds", type=int, default=200, help="histories for false alarms")
    parser.add_argument("--powers", type=int, default=100, help="histories for power")
    asked = parser.parse_args()
    model, seeds = calibrator(50), range(asked.first, asked.first + asked.seeds)
    found = {"false_alarms": rate([first_alarm(model, *history(seed, 1000)) <= 1000 for seed in seeds])}
    found["false_alarms_own_curve"] = rate(
        [first_alarm(calibrator(seed + 100_000), *history(seed, 1000)) <= 1000 for seed in seeds]
    )
    reversed_ = [(p, 1 - rose) for p, rose in (history(seed, max(LENGTHS)) for seed in seeds[: asked.powers])]
    noticed = np.array([first_alarm(model, p, rose) for p, rose in reversed_])
    for n in LENGTHS:
        found[f"power_{n}"] = rate(noticed <= n)
        found[f"power_{n}_last_look"] = rate([model.needs_recalibration(p[:n], rose[:n]) for p, rose in reversed_])
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
