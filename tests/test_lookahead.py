"The audit: every leak of the corpus is found, no look-alike is accused, and the report says what can be checked by hand."

import json

import numpy as np
import pandas as pd
import pytest
from leaks import LEAKS, LOOKALIKES, Case
from leaks.setting import corpus_market

from forecastkit.lookahead import audit, audits


@pytest.fixture(scope="module")
def market():
    return corpus_market()


@pytest.fixture(scope="module")
def verdicts(market):
    "The report on every function of the corpus; they share the made-up markets."
    reports = {}
    for decide in ("close", "open"):
        for cases in (LEAKS, LOOKALIKES):
            chosen = {str(case): case.fn for case in cases if case.decide == decide}
            reports |= dict(zip(chosen, audits(chosen, market, decide, cuts=18)))
    return reports


@pytest.mark.parametrize("case", LEAKS, ids=str)
def test_a_leak_is_found(case: Case, verdicts):
    assert not verdicts[str(case)].ok, case.fn.__doc__


@pytest.mark.parametrize("case", LOOKALIKES, ids=str)
def test_an_innocent_passes(case: Case, verdicts):
    assert verdicts[str(case)].ok, f"{case.fn.__doc__}\n{verdicts[str(case)]}"
