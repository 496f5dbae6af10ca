"The audit: every leak of the corpus is found, no look-alike is accused, and the report says what can be checked by hand."

import json

import numpy as np
import pandas as pd
import pytest
from leaks import LEAKS, LOOKALIKES, Case
from leaks.setting import corpus_market

from forecastkit.lookahead import audit


@pytest.fixture(scope="module")
def market():
    return corpus_market()


@pytest.mark.parametrize("case", LEAKS, ids=str)
def test_a_leak_is_found(case: Case, market):
    report = audit(case.fn, market, case.decide, cuts=12)
    assert not report.ok, case.fn.__doc__


@pytest.mark.parametrize("case", LOOKALIKES, ids=str)
def test_an_innocent_passes(case: Case, market):
    report = audit(case.fn, market, case.decide, cuts=24)
    assert report.ok, f"{case.fn.__doc__}\n{report}"
