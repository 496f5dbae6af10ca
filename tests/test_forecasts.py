"The forecast record: exact through JSON, refused when it makes no sense, and never in contradiction with itself."

import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecastkit.core import KINDS, PROBS, DataError, SettingsError, Target
from forecastkit.forecasts import Forecast


def make(kind: str = "pct_change", logs: np.ndarray | None = None, **changes: object) -> Forecast:
    logs = np.linspace(-0.4, 0.6, len(PROBS)) ** 3 if logs is None else logs
    given = {
        "symbol": "VIX", "origin": "2018-02-05", "target_session": "2018-02-12", "horizon": 5, "kind": kind, "probs": PROBS,
        "values": Target("VIX", kind).from_log(logs), "last_value": 37.32, "cohort": "mid_cycle", "cohort_weight": 1.0,
        "feature_quality": 0.9, "regime_bounds": (15.0, 20.0, 30.0), "model_version": "m", "code_version": "c",
        "data_fingerprint": "d", "made_at": datetime(2018, 2, 5, 22, tzinfo=UTC), "metadata": {"features_used": 12},
    }  # fmt: skip
    return Forecast(**(given | changes))


steps = arrays(float, len(PROBS), elements=st.floats(1e-3, 0.1))
forecasts = st.builds(
    lambda s, start, kind, last, quality: make(kind, start + np.cumsum(s), last_value=last, feature_quality=quality),
    steps, st.floats(-2, 0.5), st.sampled_from(KINDS), st.floats(0.01, 1e5), st.floats(0, 1),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(f=forecasts)
def test_json_keeps_every_bit(f):
    again = Forecast.from_json(f.to_json())
    assert again == f
    assert again.to_json() == f.to_json()
    assert again.to_dict() == f.to_dict()
    assert hash(again) == hash(f)


@settings(deadline=None, max_examples=60)
@given(f=forecasts, p=st.floats(0.001, 0.999))
def test_nothing_derived_contradicts_anything_else(f, p):
    change, level = f.quantile(p), f.in_points.quantile(p)
    assert f.cdf(change) == pytest.approx(p, abs=1e-9)
    assert f.prob_above(level) == pytest.approx(1 - p, abs=1e-9)
    assert level == pytest.approx(f.last_value * np.exp(f.target.to_log(change)), rel=1e-9)
    assert sum(f.regime_probabilities.values()) == pytest.approx(1)
    assert min(f.regime_probabilities.values()) >= 0
    assert f.regime_probabilities["crisis"] == pytest.approx(f.prob_above(30))
    assert 0.5 <= f.confidence_score <= 1
    assert f.confidence_score - 0.5 == pytest.approx((max(f.cdf(0.0), 1 - f.cdf(0.0)) - 0.5) * f.feature_quality)
    assert f.in_points.interval(0.8)[0] < f.in_points.median < f.in_points.interval(0.8)[1]
    if f.kind == "pct_change":
        assert f.in_points.expected == pytest.approx(f.last_value * (1 + f.point_estimate / 100))
    np.testing.assert_allclose(f.quantile(np.array(f.probs)), f.values, rtol=1e-9, atol=1e-9)


def test_a_direction_is_stated_only_where_past_outcomes_support_it():
    "Shrunk wholly to the base rate, a forecast names no direction; shrunk by nothing, it says what its quantiles say."
    known = make(metadata={"base_rate": 0.55, "direction_share": 0.0})
    assert (known.chance_of_rise, known.label, known.direction) == (pytest.approx(0.55), "neutral", "rise")
    assert "likelier" not in str(known) + " ".join(known.words()) + known._repr_html_()
    whole = make(metadata={"base_rate": 0.55, "direction_share": 1.0})
    assert whole.chance_of_rise == pytest.approx(whole.prob_rise) == make().chance_of_rise
    half = make(metadata={"base_rate": 0.55, "direction_share": 0.5})
    assert half.chance_of_rise == pytest.approx((0.55 + half.prob_rise) / 2)
    assert {half["prob_rise"], half["chance_of_rise"]} == {half.prob_rise, half.chance_of_rise}


def test_the_record_of_the_design():
    record = make().to_dict()
    assert list(record) == [
        "prediction_id",
        "symbol",
        "kind",
        "made_at",
        "point_estimate",
        "quantiles",
        "regime_probabilities",
        "confidence_score",
        "prob_rise",
        "chance_of_rise",
        "base_rate",
        "label",
        "cohort",
        "forecast_date",
        "feature_quality",
        "metadata",
    ]
    assert list(record["quantiles"]) == ["q05", "q10", "q25", "q50", "q75", "q90", "q95"]
    assert list(record["regime_probabilities"]) == ["low", "normal", "elevated", "crisis"]
    assert set(record["metadata"]) == {
        "observation_date", "forecast_date", "horizon_sessions", "feature_quality", "cohort_weight", "current_value",
        "expected_value", "range_80", "range_90", "features_used", "model_version", "code_version", "data_fingerprint",
        "horizon_days", "current_vix", "data_notes",
    }  # fmt: skip
    assert json.loads(json.dumps(record)) == record
    assert "regime_probabilities" not in make(regime_bounds=())
    assert "current_vix" not in make(symbol="SPX")["metadata"]


def test_it_is_a_mapping_that_cannot_be_changed():
    f = make()
    assert isinstance(f, Mapping)
    assert dict(f) == f.to_dict()
    assert dict(f.items()) == f.to_dict()
    assert f.get("nothing") is None
    with pytest.raises(KeyError):
        f["nothing"]
    with pytest.raises(FrozenInstanceError):
        f.symbol = "SPX"
    assert pickle.loads(pickle.dumps(f)) == f  # noqa: S301  (processes hand forecasts to each other)


def test_the_id_depends_on_the_question_alone():
    f = make()
    later = make(made_at=datetime(2024, 1, 1, tzinfo=UTC), metadata={}, cohort="opex_week")
    assert f.prediction_id == later.prediction_id
    changes = [
        {"symbol": "SPX"},
        {"origin": "2018-02-02"},
        {"horizon": 6},
        {"kind": "log_return"},
        {"model_version": "n"},
        {"data_fingerprint": "e"},
    ]
    assert len({make(**change).prediction_id for change in changes} | {f.prediction_id}) == 7
    assert f.prediction_id == "183316e4-f8ca-5222-9a02-ee4903c62516"  # stored ones must be found again, in any version


def test_moments_are_kept_in_utc():
    f = make(made_at=datetime(2018, 2, 5, 17, tzinfo=timezone(timedelta(hours=-5))))
    assert f.made_at == datetime(2018, 2, 5, 22, tzinfo=UTC)
    assert '"made_at":"2018-02-05T22:00:00+00:00"' in f.to_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.linspace(-100, 50, len(PROBS))}, "100%"),
        ({"values": np.r_[np.linspace(-50, 50, len(PROBS) - 1), np.inf]}, "finite"),
        ({"values": np.r_[np.linspace(-50, 50, len(PROBS) - 1), 50.0]}, "strictly"),
        ({"probs": PROBS[1:], "values": np.linspace(-50, 50, len(PROBS) - 1)}, "core.PROBS"),
        ({"probs": PROBS[::-1]}, "increase strictly"),
        ({"last_value": 0.0}, "positive"),
        ({"last_value": float("nan")}, "positive"),
        ({"cohort_weight": -1.0}, "positive"),
        ({"feature_quality": 1.1}, "within 0..1"),
        ({"regime_bounds": (15.0, 20.0)}, "three"),
        ({"regime_bounds": (20.0, 15.0, 30.0)}, "three"),
        ({"origin": "2018-02-05 16:00"}, "time of day"),
        ({"origin": "2018-02-12"}, "does not lie after"),
        ({"made_at": datetime(2018, 2, 5)}, "time zone"),
        ({"symbol": ""}, "texts"),
        ({"model_version": None}, "texts"),
    ],
)
def test_records_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        make(**changes)


@pytest.mark.parametrize("change", [{"kind": "points"}, {"horizon": 0}, {"horizon": 5.0}])
def test_an_impossible_target_is_refused(change):
    with pytest.raises(SettingsError):
        make(**change)


@pytest.mark.parametrize("name", [f.name for f in fields(Forecast)])
@pytest.mark.parametrize("wrong", [None, [], {}, "x", -5, 1e400, [None] * 23, "absent"])
def test_a_damaged_record_is_a_data_error_or_a_forecast(name, wrong):
    record = json.loads(make().to_json())
    if wrong == "absent":
        del record[name]
    else:
        record[name] = wrong
    try:
        found = Forecast.from_json(json.dumps(record))
    except DataError as error:
        assert "no stored forecast" in str(error)
    else:
        assert Forecast.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"symbol": "VIX"',
        make().to_json()[:-20],
        make().to_json().replace('"symbol"', '"simbol"'),
    ],
)
def test_text_that_is_no_forecast(text):
    with pytest.raises(DataError, match="no stored forecast"):
        Forecast.from_json(text)


def test_samples_follow_the_distribution():
    f = make()
    drawn = f.sample(100_000, np.random.default_rng(0))
    for p in (0.005, 0.1, 0.5, 0.9, 0.995):
        assert (drawn <= f.quantile(p)).mean() == pytest.approx(p, abs=0.006)
    assert np.array_equal(f.sample(5, np.random.default_rng(1)), f.sample(5, np.random.default_rng(1)))


def test_more_probabilities_than_asked_for_change_no_score():
    f = make()
    probs = np.sort(np.r_[PROBS, 0.005, 0.33, 0.995])
    richer = replace(f, probs=probs, values=f.quantile(probs))
    assert richer.crps(-10.0) == pytest.approx(f.crps(-10.0))


class Reader(HTMLParser):
    "Collects what a browser would load, and checks that tags are closed."

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"regime_bounds": ()},
        {"symbol": "<script>alert(1)</script>", "cohort": "<b>"},
        {"metadata": {"history": [["2018-02-02", 17.31], ["2018-02-05", 37.32]]}},
    ],
)
def test_the_card_is_whole_self_contained_and_safe(changes):
    reader = Reader()
    f = make(**changes)
    reader.feed(f._repr_html_())
    assert reader.open == []
    assert all(source.startswith("data:image/png;base64,") for source in reader.sources)
    assert len(reader.sources) == 1
    assert not reader.tags & {"script", "iframe", "link", "style"}
    assert f._repr_html_() == f._repr_html_()


@settings(deadline=None, max_examples=60)
@given(f=forecasts, horizon=st.integers(1, 252))
def test_the_terminal_card_keeps_its_width(f, horizon):
    f = replace(f, horizon=horizon)
    lines = str(f).splitlines()
    assert str(f).isascii()
    assert max(len(line) for line in lines) == 72
    assert 18 <= len(lines) <= 24
    assert 3 <= len(f.words()) <= 5


def test_levels_far_from_the_bounds_leave_the_ruler_empty():
    assert "^15" not in str(make(last_value=500.0))
    assert "^15" in str(make(last_value=15.0))


def test_the_record_is_light_to_import():
    heavy = ["matplotlib", "scipy", "sklearn", "seaborn", "xgboost", "arch", "exchange_calendars"]
    code = f"import sys, forecastkit.forecasts.record; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_what_was_repaired_in_the_data_stands_on_the_card_and_in_the_words():
    note = "3 times a row on a holiday: row dropped (2018-07-04, 2018-09-03, 2018-11-22)"
    noted = replace(make(), metadata={"data_notes": [note]})
    assert noted["metadata"]["data_notes"] == [note] and make()["metadata"]["data_notes"] == []
    assert noted.words()[-1] == f"In the data: {note}." and not any("In the data" in line for line in make().words())
    assert note.split(":")[0] in str(noted) and max(map(len, str(noted).splitlines())) <= 72
    assert note in noted._repr_html_() and note not in make()._repr_html_()
    assert noted.prediction_id == make().prediction_id


SAID = {
    "predicted": "expected about 2018-02-08 (predicted from last year's date): the range is wider for it",
    "scheduled": "scheduled for 2018-02-08: the range is wider for it",
    "overdue": "overdue since 2018-02-08 (predicted from last year's date): the range is wider for it",
}


@pytest.mark.parametrize("known", SAID)
def test_expected_results_stand_on_the_cards_in_the_words_and_not_in_the_id(known):
    plain = make(regime_bounds=())
    f = replace(plain, metadata=plain.metadata | {"results_expected": {"date": "2018-02-08", "known": known}})
    assert f.prediction_id == plain.prediction_id
    said = SAID[known]
    assert f"results {said}" in " ".join(str(f).split())
    assert f"results {said}" in unescape(f._repr_html_())
    assert f.words() == [*plain.words(), f"Results are {said}."]
    assert not any("results" in shown.lower() for shown in (str(plain), plain._repr_html_(), *plain.words()))
    assert max(len(line) for line in str(f).splitlines()) == 72


@pytest.mark.parametrize(
    ("day", "marked"), [("2018-02-08", True), ("2018-02-12", True), ("2018-02-13", False), ("2018-01-02", False)]
)
def test_expected_results_are_marked_on_the_fan_within_the_sessions_shown(day, marked):
    from forecastkit.forecasts.plotting import blank_axes

    plain = make(metadata={"history": [["2018-02-01", 13.0], ["2018-02-05", 37.32]]})
    f = replace(plain, metadata=plain.metadata | {"results_expected": {"date": day, "known": "scheduled"}})
    before, after = plain.plot(ax=blank_axes()), f.plot(ax=blank_axes())
    assert ("results" in [text.get_text() for text in after.texts]) == marked
    assert len(after.lines) - len(before.lines) == marked
    assert after.get_xlim() == before.get_xlim() and after.get_ylim() == before.get_ylim()
