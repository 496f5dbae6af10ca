"A fit that is looked up leaves the bits of one that is made; a number, name or parameter that changes is another fit."

import numpy as np
import pandas as pd
import pytest
import xgboost
from same_fits import MEMORY, looked_up
from sklearn.ensemble import IsolationForest, RandomForestClassifier

from forecastkit.models.boosting import grow_trees
from forecastkit.models.forest import grow_forest, trees_of_forest
from forecastkit.models.garch import fit_variance

RNG = np.random.default_rng(5)
TABLE, OUTCOME = RNG.normal(size=(300, 6)).astype(np.float32), RNG.normal(size=300)
NAMED = pd.DataFrame(TABLE, columns=list("abcdef"))
UP = (OUTCOME > 0).astype(int)


def forest(table=TABLE, outcome=OUTCOME, seed=1, trees=5):
    grown = trees_of_forest(grow_forest(table, outcome, trees, seed))
    return b"".join(np.asarray(part).tobytes() for part in grown)


def booster(table=TABLE, outcome=OUTCOME, seed=1, trees=5):
    grown = grow_trees(table, outcome, trees, seed)
    return bytes(grown.save_raw("ubj")) + grown.inplace_predict(TABLE).tobytes()


def classifier(table=NAMED, outcome=UP, seed=1, trees=5):
    fitted = RandomForestClassifier(trees, max_depth=3, random_state=seed).fit(table, outcome)
    return fitted.predict_proba(table).tobytes() + repr(list(fitted.feature_names_in_)).encode()


def isolation(table=TABLE, outcome=None, seed=1, trees=5):
    return IsolationForest(n_estimators=trees, random_state=seed).fit(table).score_samples(TABLE).tobytes()


MAKERS = pytest.mark.parametrize("make", [forest, booster, classifier, isolation])


@pytest.fixture
def memory():
    MEMORY.kept.clear()
    with looked_up():
        yield MEMORY


def of_one(function, memory):
    before = memory.found
    return function(), memory.found - before


@MAKERS
def test_the_second_is_looked_up_and_has_the_same_bits(make, memory):
    assert of_one(make, memory) == (make(), 0)
    again, found = of_one(make, memory)
    assert found == 1
    memory.off = True
    try:
        assert of_one(make, memory) == (again, 0)  # made anew
    finally:
        memory.off = False


@MAKERS
def test_one_number_a_seed_and_a_parameter_are_another_fit(make, memory):
    make()
    table = TABLE.copy()
    table[7, 3] = np.nextafter(table[7, 3], np.float32(9))
    changes = {"table": pd.DataFrame(table, columns=list("abcdef")) if make is classifier else table}
    for more in (changes, {"seed": 2}, {"trees": 6}):
        assert of_one(lambda more=more: make(**more), memory)[1] == 0, more
    if make is classifier:  # a name of a column
        assert of_one(lambda: make(NAMED.rename(columns={"a": "g"})), memory)[1] == 0
    if make is not isolation:  # an outcome
        other = OUTCOME.copy() if make is not classifier else UP.copy()
        other[3] = 1 - other[3]
        assert of_one(lambda: make(outcome=other), memory)[1] == 0


def test_a_garch_too(memory):
    surprise = RNG.standard_t(5, 600)
    made, found = of_one(lambda: fit_variance(surprise), memory)
    assert made.fitted and found == 0
    assert of_one(lambda: fit_variance(surprise), memory) == (made, 1)
    surprise[5] += 1e-12
    assert of_one(lambda: fit_variance(surprise), memory)[1] == 0


def test_without_a_seed_nothing_is_looked_up(memory):
    for _ in range(2):
        assert of_one(lambda: RandomForestClassifier(3).fit(NAMED, UP), memory)[1] == 0
    data = xgboost.DMatrix(TABLE, OUTCOME)  # not a table whose source is known
    assert of_one(lambda: [xgboost.train({}, data, 2) for _ in range(2)], memory)[1] == 0


def test_outside_the_block_the_libraries_are_their_own():
    before = RandomForestClassifier.fit, xgboost.train, xgboost.QuantileDMatrix.__init__
    with looked_up():
        assert xgboost.train is not before[1]
    assert (RandomForestClassifier.fit, xgboost.train, xgboost.QuantileDMatrix.__init__) == before


@pytest.mark.refits
def test_where_a_test_bears_the_marker_each_fit_is_made(memory):
    forest()
    assert of_one(forest, memory)[1] == 0
