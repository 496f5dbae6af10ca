"Every public method of a forecast, asked with anything: an answer or one sentence, never an error of a library."

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.core import PROBS, DataError

ODD = [
    "x", "0.5", None, [], {}, object(), np.nan, np.inf, -np.inf, True, 1 + 1j, b"x", [0.5, "x"], [None], pd.Timestamp("2018-01-01"),
    np.array(["a"]), -1, 2, 10**400, [[0.5]], pd.NA, pd.NaT, pd.Series([0.5, None]), pd.DataFrame({"a": [1.0]}), lambda: 0, Decimal(1),
]  # fmt: skip


@pytest.fixture(scope="module")
def made() -> fk.Forecast:
    return fk.Forecast(
        symbol="VIX", origin="2018-02-05", target_session="2018-02-12", horizon=5, kind="pct_change", probs=tuple(PROBS),
        values=tuple(np.linspace(-40, 60, len(PROBS))), last_value=37.32, cohort="mid_cycle", cohort_weight=1.0, feature_quality=1.0,
        regime_bounds=(15.0, 20.0, 30.0), model_version="m", code_version="c", data_fingerprint="d", made_at="2018-02-05T22:00:00+00:00",
    )  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_every_method_answers_or_refuses_in_a_sentence(made, odd):
    rng = np.random.default_rng(0)
    calls = [made.quantile, made.cdf, made.prob_above, made.interval, made.crps, made.in_points.quantile, made.in_points.interval,
             lambda x: made.sample(x, rng), lambda x: made.sample(3, x), lambda x: made.plot(history=x), fk.Forecast.from_json]  # fmt: skip
    for call in calls:
        if call == calls[-2] and odd is None:
            continue  # the history of its own
        try:
            found = call(odd)
        except DataError as error:
            assert "\n" not in str(error) and len(str(error)) < 250
        else:
            assert np.asarray(found, dtype=float).shape == np.shape(odd) or np.ndim(found) == 1


@pytest.mark.parametrize("key", ["nope", 1, None, [], ("a",)])
def test_an_unknown_key_names_those_there_are(made, key):
    with pytest.raises(KeyError, match=r"a forecast has no .* it has prediction_id, symbol"):
        made[key]
    assert made.get("nope") is None and "nope" not in made


@pytest.mark.parametrize("odd", ["x", None, [], {}, object(), 1j], ids=lambda odd: type(odd).__name__)
def test_a_record_of_anything_is_refused_by_the_name_of_its_field(made, odd):
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    for name in (
        "origin",
        "target_session",
        "last_value",
        "cohort_weight",
        "feature_quality",
        "values",
        "probs",
        "made_at",
    ):
        with pytest.raises(DataError) as refused:
            fk.Forecast(**fields | {name: odd})
        assert "\n" not in str(refused.value)


def test_numbers_of_every_kind_are_numbers(made):
    for one in (0, 0.0, np.float32(0), np.int8(0), np.array(0.0)):
        assert made.cdf(one) == made.cdf(0.0) and made.crps(one) == made.crps(0.0)
    assert made.cdf(pd.Series([0.0, 1.0])).tolist() == [made.cdf(0.0), made.cdf(1.0)]
