"""The one door for features: what is handed to an estimator is read right, refused in a sentence, or changed with a warning.

Each estimator of this package and the quality check are held against the same strange frames."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.utils.estimator_checks import check_estimator

from forecastkit.core import DataError, DataWarning, FeatureDimensionError, SettingsError
from forecastkit.data import synthetic_market
from forecastkit.features import TemporalValidator, checked_features, checked_outcomes, regime_features
from forecastkit.regimes import AnomalyDetector, RegimeDetector, anomaly_versions, regime_history, regime_versions

X = regime_features(synthetic_market(seed=3, sessions=1300).market)
NAMES = list(X.columns)
REGIMES = RegimeDetector().fit(X)
ANOMALIES = AnomalyDetector(trees=20).fit(X.iloc[:800])
READERS = {
    "check": lambda frame: checked_features(frame, NAMES),
    "regimes": REGIMES.filtered_probabilities,
    "anomalies": ANOMALIES.p_values,
    "quality": lambda frame: TemporalValidator().compute_feature_quality(frame, frame.index[-1]),
}


def answer(read, frame):
    "What a reader says of a frame, and what it warned of; an error of ours as its text."
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = read(frame)
        except (DataError, FeatureDimensionError) as error:
            assert "\n" not in str(error)
            return str(error), []
    return found, [str(one.message) for one in caught if issubclass(one.category, DataWarning)]


def same(one, other) -> bool:
    "Whether two answers hold the same bits."
    if isinstance(one, float):
        return one == other
    return np.array_equal(np.asarray(one), np.asarray(other), equal_nan=True)


# what is the same table in other clothes


HARMLESS = {
    "float32 whole numbers": lambda f: f.astype({"curve_slope": np.float64}),
    "nullable": lambda f: f.convert_dtypes(),
    "nullable with NA": lambda f: f.astype("Float64"),
    "objects": lambda f: f.astype(object),
    "columns turned round": lambda f: f[f.columns[::-1]],
    "one more column": lambda f: f.assign(more=1.0),
    "one more column of text": lambda f: f.assign(calendar_cohort="mid_cycle"),
    "Fortran order": lambda f: pd.DataFrame(np.asfortranarray(f.to_numpy()), f.index, f.columns),
    "nanoseconds": lambda f: f.set_axis(f.index.as_unit("ns")),
    "an index with a name": lambda f: f.rename_axis("day"),
    "arrow": lambda f: f.astype("float64[pyarrow]"),
}


@pytest.mark.parametrize("kind", HARMLESS)
@pytest.mark.parametrize("name", ["check", "regimes", "anomalies"])
def test_the_same_table_in_another_form_gives_the_same_bits(kind, name):
    frame = X.iloc[800:900].copy()
    frame.iloc[5, 2] = np.nan
    clean, other = answer(READERS[name], frame), answer(READERS[name], HARMLESS[kind](frame))
    assert other[1] == []
    assert same(other[0], clean[0])


@pytest.mark.parametrize("form", ["array", "list", "dict", "unnamed frame", "arrow"])
def test_tables_without_sessions_are_read_in_their_order(form):
    rows = X.iloc[800:850]
    unnamed = {
        "array": rows.to_numpy(), "list": rows.to_numpy().tolist(), "dict": rows.to_dict("list"),
        "unnamed frame": pd.DataFrame(rows.to_numpy()), "arrow": pa.table(rows.to_dict("list")),
    }[form]  # fmt: skip
    assert same(REGIMES.filtered_probabilities(unnamed), REGIMES.filtered_probabilities(rows))
    assert same(ANOMALIES.p_values(unnamed), ANOMALIES.p_values(rows))


def test_a_detector_fitted_on_an_array_equals_that_of_a_frame_with_its_names():
    names = [f"feature_{j}" for j in range(len(NAMES))]
    rows = RegimeDetector().fit(X.to_numpy())
    frame = RegimeDetector().fit(X.set_axis(names, axis=1).reset_index(drop=True))
    assert rows.model_version == frame.model_version
    assert same(rows.filtered_probabilities(X.to_numpy().tolist()), frame.filtered_probabilities(X.to_numpy()))


def test_an_array_stands_for_all_columns_of_the_fit_also_those_that_were_dropped(tmp_path):
    holes = X.assign(vix_percentile=np.nan)
    detector = RegimeDetector().fit(holes)
    assert detector.fitted_.dropped == ("vix_percentile",)
    assert same(detector.filtered_probabilities(holes.to_numpy()), detector.filtered_probabilities(holes))
    detector.save(tmp_path)
    assert same(
        RegimeDetector.load(tmp_path).filtered_probabilities(holes.to_numpy()), detector.filtered_probabilities(holes)
    )
    with pytest.raises(FeatureDimensionError, match="X has 6 features, but RegimeDetector is expecting 7"):
        detector.predict_regime(holes.drop(columns="vix_percentile").to_numpy())


# what cannot be read right is refused


REFUSED = {
    "newest first": (lambda f: f[::-1], "newest first"),
    "shuffled": (lambda f: f.sample(frac=1, random_state=0), "not in order of time"),
    "a doubled session": (lambda f: pd.concat([f.iloc[:3], f.iloc[2:]]), "more than once"),
    "panel": (lambda f: pd.concat({"A": f}, names=["symbol"]), "one symbol"),
    "no date": (lambda f: f.set_axis([*f.index[:-1], pd.NaT]), "without a session"),
    "no rows": (lambda f: f.iloc[:0], "no rows"),
    "no columns": (lambda f: f[[]], "0 feature"),
    "a column gone": (lambda f: f.drop(columns="drawdown"), "lack drawdown"),
    "doubled columns": (lambda f: pd.concat([f, f[["drawdown"]]], axis=1), "called drawdown"),
    "columns of two levels": (lambda f: f.set_axis(pd.MultiIndex.from_product([["x"], f.columns]), axis=1), "several levels"),
    "text": (lambda f: f.assign(drawdown="deep"), "column drawdown of X holds 'deep'"),
    "numbers as text": (lambda f: f.assign(drawdown=f["drawdown"].astype(str)), "column drawdown of X holds"),
    "dates": (lambda f: f.assign(drawdown=f.index), "column drawdown of X holds"),
    "categories": (lambda f: f.assign(drawdown=pd.Categorical(f["drawdown"].round())), "column drawdown of X holds"),
    "complex": (lambda f: f.assign(drawdown=1j), "Complex data not supported"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", ["check", "regimes"])
def test_what_would_be_misread_is_refused_in_one_sentence(kind, name):
    change, words = REFUSED[kind]
    said, _ = answer(READERS[name], change(X.iloc[800:900]))
    assert isinstance(said, str) and words in said


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind != "a column gone"])
@pytest.mark.parametrize("estimator", [RegimeDetector(), AnomalyDetector(trees=5)])
def test_a_fit_refuses_the_same(kind, estimator):
    change, words = REFUSED[kind]
    with pytest.raises((DataError, FeatureDimensionError), match=words.replace("(", r"\(")):
        clone(estimator).fit(change(X))


@pytest.mark.parametrize("kind", ["newest first", "shuffled", "a doubled session"])
def test_the_quality_of_rows_out_of_order_is_refused(kind):
    change, words = REFUSED[kind]
    with pytest.raises(DataError, match=words):
        TemporalValidator().compute_feature_quality(change(X), X.index[5])


def test_rows_judged_each_by_itself_may_stand_in_any_order():
    rows = X.iloc[800:900]
    shuffled = rows.sample(frac=1, random_state=0)
    assert same(ANOMALIES.p_values(shuffled).sort_index(), ANOMALIES.p_values(rows))


@pytest.mark.parametrize("index", ["numbers", "a time zone"])
def test_histories_need_sessions(index):
    other = X.reset_index(drop=True) if index == "numbers" else X.tz_localize("UTC")
    for history in (
        lambda: regime_versions(other, X.index[[400]]),
        lambda: regime_history(other, X.index[[400]]),
        lambda: anomaly_versions(other, X.index[[400]], dict.fromkeys(NAMES, "all")),
    ):
        with pytest.raises(DataError, match="need sessions"):
            history()


# infinity is absence, the same at a fit and at a prediction


def test_an_infinite_value_counts_as_absent_and_the_warning_blames_its_column():
    infinite, absent = X.copy(), X.copy()
    infinite.iloc[[10, 900], 5], absent.iloc[[10, 900], 5] = [np.inf, -np.inf], np.nan
    told = rf"RegimeDetector: 2 infinite values in {NAMES[5]} count as absent"
    with pytest.warns(DataWarning, match=told):
        fitted = RegimeDetector().fit(infinite)
    assert fitted.model_version == RegimeDetector().fit(absent).model_version
    with pytest.warns(DataWarning, match=told):
        assert same(fitted.filtered_probabilities(infinite), fitted.filtered_probabilities(absent))
    with pytest.warns(DataWarning, match="AnomalyDetector: 2 infinite"):
        judged = AnomalyDetector(trees=20).fit(infinite)
    assert same(judged.ranked_, AnomalyDetector(trees=20).fit(absent).ranked_)
    with pytest.warns(DataWarning, match="the quality check: 2 infinite"):
        quality = TemporalValidator().compute_feature_quality(infinite, X.index[900])
    assert quality == TemporalValidator().compute_feature_quality(absent, X.index[900]) < 1


# any frame


@st.composite
def strange_frames(draw):
    "A clean frame and what was done to it, one step after the other."
    frame, steps = X.iloc[700:740].copy(), []
    for kind in draw(
        st.lists(st.sampled_from(sorted([*HARMLESS, *REFUSED, "infinity", "gap"])), min_size=1, max_size=3)
    ):
        if kind in ("infinity", "gap"):
            row, column = draw(st.integers(0, 39)), draw(st.sampled_from(NAMES))
            if (
                column not in frame
                or row >= len(frame)
                or not isinstance(frame.columns, pd.Index)
                or frame.columns.nlevels > 1
            ):
                continue
            if not pd.api.types.is_numeric_dtype(frame.dtypes.get(column)) or not frame.columns.is_unique:
                continue
            values = (
                frame[column]
                .to_numpy(dtype=complex if frame[column].dtype.kind == "c" else float, na_value=np.nan)
                .copy()
            )
            values[row] = np.inf if kind == "infinity" else np.nan
            frame = frame.assign(**{column: values})
        else:
            try:
                frame = (HARMLESS | {k: change for k, (change, _) in REFUSED.items()})[kind](frame)
            except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError):
                continue  # a step that the frame no longer allows
        steps.append(kind)
    return frame, steps


@given(strange_frames())
@settings(max_examples=400, deadline=None)
def test_a_strange_frame_is_read_as_the_clean_one_refused_or_warned_of(strange):
    frame, steps = strange
    for name in ("check", "regimes", "anomalies"):
        found, warned = answer(READERS[name], frame)
        if isinstance(found, str) or warned:
            assert {*steps} & {*REFUSED, "infinity"}, (steps, found)
            continue
        if name == "anomalies" and {*steps} & {"newest first", "shuffled", "a doubled session", "panel", "no date"}:
            continue  # each row is judged by itself
        gaps = frame[NAMES].astype(float).set_axis(X.index[700 : 700 + len(frame)])
        assert same(found, READERS[name](gaps)), steps


# outcomes beside them


def test_outcomes_belong_to_their_rows():
    rows = checked_features(X.iloc[:50])
    y = pd.Series(np.arange(50.0), rows.index)
    for form in (
        y,
        y.to_frame(),
        y.to_numpy(),
        y.tolist(),
        y.astype("Float64"),
        y.astype(int),
        y.reset_index(drop=True),
    ):
        pd.testing.assert_series_equal(checked_outcomes(form, rows), y.rename("y"), check_freq=False)
    for wrong, words in (
        (y[::-1], "other rows"), (y.iloc[1:], "50 rows and y 49"), (y.where(y > 3), "contains NaN"), (y * np.inf, "contains NaN"),
        (y + np.inf, "contains infinity"), (None, "requires y"), (np.zeros((50, 2)), "2 dimensions"),
        (pd.Series("up", rows.index), "column y of X holds 'up'"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=words):
            checked_outcomes(wrong, rows)


# scikit-learn


EXPECTED = {
    "check_dtype_object": "an object that is no number is refused by a DataError, a ValueError, not by a TypeError"
}


def test_the_anomaly_detector_is_an_estimator_of_scikit_learn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(AnomalyDetector(trees=5, min_rows=2), on_fail=None, on_skip=None)
    assert {one["check_name"] for one in results if one["status"] == "failed"} == set(EXPECTED)


def test_the_regime_detector_claims_only_what_it_keeps():
    "It reads sequences and refuses short histories, so it is no estimator of scikit-learn; its parameters are those of one."
    assert not isinstance(RegimeDetector(), BaseEstimator)
    detector = RegimeDetector(n_states=2, random_state=7, n_starts=2)
    assert clone(detector).get_params() == detector.get_params()
    assert detector.set_params(n_states=3).n_states == 3
    assert repr(detector) == "RegimeDetector(n_states=3, random_state=7, n_starts=2)"
    with pytest.raises(SettingsError, match="'states' is no parameter"):
        detector.set_params(states=3)


@pytest.mark.parametrize(
    "wrong",
    [{"n_states": 3.0}, {"n_states": True}, {"n_states": "3"}, {"n_states": 4}, {"n_starts": 0}, {"n_starts": 1.0}, {"random_state": None}],
)  # fmt: skip
def test_wrong_parameters_are_refused_at_the_fit(wrong):
    with pytest.raises(SettingsError, match="is not allowed"):
        RegimeDetector(**wrong).fit(X)


def test_parameters_of_numpy_make_the_round_trip(tmp_path):
    detector = RegimeDetector(n_states=np.int64(3), random_state=np.int64(42)).fit(X)
    detector.save(tmp_path)
    assert RegimeDetector.load(tmp_path).get_params() == RegimeDetector().get_params()
    assert RegimeDetector.load(tmp_path).model_version == REGIMES.model_version
    for wrong in ({"trees": 0}, {"trees": 5.0}, {"seed": None}, {"min_rows": True}):
        with pytest.raises(SettingsError, match="is not allowed"):
            AnomalyDetector(**wrong).fit(X)
