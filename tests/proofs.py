"What `make proofs` adds to `make test`: ten times as many examples of hypothesis, and the cases that are left out for their length."

import os
from collections.abc import Iterable

import pytest

TIMES = 10 if os.environ.get("HYPOTHESIS_PROFILE") == "proofs" else 1


def scaled(examples: int) -> int:
    "The examples of one property."
    return examples * TIMES


def mostly_slow(cases: Iterable, short: int = 2) -> list:
    "The cases of one test: the first ones in `make test`, the others in `make proofs`."
    return [
        pytest.param(case, marks=pytest.mark.slow("the first cases")) if at >= short else case
        for at, case in enumerate(cases)
    ]
