"Evaluate a small market; run as a script it is the victim that `test_evaluation.py` kills."

import sys
from pathlib import Path

from forecastkit.core.settings import load_settings
from forecastkit.data.synthetic import synthetic_market
from forecastkit.evaluation.scorecard import Scorecard
from forecastkit.pipeline.system import IntegratedSystem

SPAN = ("2011-12-01", "2012-09-14")


def system_at(home: Path, **more: object) -> IntegratedSystem:
    "A system over a seeded market, with a short boosting: what is tested does not depend on its length."
    given = {"data.home": str(home), "run.progress": False, "model.rounds": 5} | {
        k.replace("__", "."): v for k, v in more.items()
    }
    market = synthetic_market(seed=5, sessions=700).market
    return IntegratedSystem(settings=load_settings(environ={}, overrides=given), market=market)


def card_at(home: Path, **more: object) -> Scorecard:
    return system_at(home, **more).evaluate(*SPAN)


if __name__ == "__main__":
    card_at(Path(sys.argv[1]))
