"The risk score: learnt once and frozen, monotone in its parts, told with a forecast without touching it, and in the views of the documents."

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import jsonschema
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from engines import made as stored_forecast
from scipy.stats import spearmanr

from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import DataError, ModelIntegrityError, Target, load_settings
from forecastkit.data import synthetic_market
from forecastkit.forecasts import Forecast
from forecastkit.ledger import PredictionDatabase
from forecastkit.models import RISK_PARTS, RiskModel, learn_risk, risk_correlations, risk_record, shipped_risk_model
from forecastkit.models.risk_score import log_width_ratio, member_disagreement, movers_drift, part_words, risk_deciles
from forecastkit.ops.model_monitor import followed_outcomes, rolling_measures
from forecastkit.pipeline import IntegratedSystem
from forecastkit.pipeline.risk import recently_scored, risk_parts

RNG = np.random.default_rng(11)
DAYS = pd.bdate_range("1992-01-02", periods=3000)
PARTS = pd.DataFrame(RNG.standard_normal((3000, 5)), DAYS, list(RISK_PARTS))
MISSED = RNG.random(3000) < 1 / (1 + np.exp(1.5 - PARTS["novelty"] + PARTS["quality"]))


@pytest.fixture(scope="module")
def shipped() -> RiskModel:
    model = shipped_risk_model(Target("VIX"))
    assert model is not None
    return model


def test_a_part_can_only_raise_the_risk_and_noise_stays_near_nothing():
    slopes = dict(zip(RISK_PARTS, learn_risk(PARTS, MISSED).coefficients))
    assert slopes["novelty"] > 0.7
    assert slopes["quality"] == 0.0  # the planted law goes the wrong way: refused
    assert abs(slopes["drift"]) + abs(slopes["width"]) + abs(slopes["disagreement"]) < 0.4


def test_too_little_to_learn_from_is_said():
    with pytest.raises(DataError, match="250 origins"):
        learn_risk(PARTS[:100], MISSED[:100])
    with pytest.raises(DataError, match="some of which were poor"):
        learn_risk(PARTS, np.zeros(3000))


def test_a_changed_file_is_no_risk_model(tmp_path):
    model = learn_risk(PARTS, MISSED)
    model.save(tmp_path / "risk.json")
    assert RiskModel.load(tmp_path / "risk.json") == model
    state = json.loads((tmp_path / "risk.json").read_text())
    (tmp_path / "risk.json").write_text(json.dumps(state | {"intercept": 0.0}))
    with pytest.raises(ModelIntegrityError, match="not the risk model that was written"):
        RiskModel.load(tmp_path / "risk.json")
    (tmp_path / "risk.json").write_text("[]")
    with pytest.raises(ModelIntegrityError, match="is no risk model"):
        RiskModel.load(tmp_path / "risk.json")


def test_the_shipped_model_was_learnt_up_to_2009_and_is_monotone(shipped):
    assert shipped.last < "2010" and (shipped.symbol, shipped.horizon) == ("VIX", 5)
    usual = pd.DataFrame([shipped.centre], columns=list(shipped.names))
    for name, spread in zip(shipped.names, shipped.scale):
        raised = pd.concat([usual] + [usual.assign(**{name: usual[name] + k * spread}) for k in (1, 2, 9)])
        steps = np.diff(shipped.score(raised))
        assert (steps >= 0).all() or (name == "width" and (steps <= 0).all())
    assert 0 <= shipped.score(usual)[0] <= 1
    assert shipped_risk_model(Target("VIX", horizon=21)) is None and shipped_risk_model(Target("AAPL")) is None


def test_an_unknown_part_counts_as_usual(shipped):
    usual = pd.DataFrame([shipped.centre], columns=list(shipped.names))
    unknown = usual * np.nan
    assert shipped.chance(unknown) == shipped.chance(usual)
    told = risk_record(shipped, unknown)
    assert set(told["parts"].values()) == {None} and told["reasons"] == ["nothing about it is unusual"]


def test_the_error_of_a_rank_correlation_knows_that_outcomes_overlap():
    "Averages of 60 days of noise against each other look correlated to a plain error; drawn in blocks they do not."
    smooth = pd.DataFrame(RNG.standard_normal((2000, 2))).rolling(60).mean().dropna()
    found = risk_correlations(smooth[[0]], smooth[[1]], draws=200)
    assert found["se"].iloc[0] > 3 / math.sqrt(len(smooth))


def test_correlations_are_spearmans_and_the_difference_is_that_of_the_two_scores():
    scores, outcomes = (
        PARTS[["novelty", "quality"]],
        pd.DataFrame({"missed": MISSED.astype(float), "size": PARTS["novelty"] ** 3}),
    )
    found = risk_correlations(scores, outcomes, draws=20)
    for of in outcomes:
        rank = {name: spearmanr(scores[name], outcomes[of]).statistic for name in scores}
        assert {name: found.loc[(name, of), "value"] for name in scores} == pytest.approx(rank)
        assert found.loc[("difference", of), "value"] == pytest.approx(rank["novelty"] - rank["quality"])
    assert (
        found.loc[("novelty", "size"), "value"] == pytest.approx(1.0)
        and len(found) == 6
        and (found["se"].drop(("novelty", "size")) > 0.005).all()
    )


def test_deciles_have_a_tenth_of_the_origins_each_in_the_order_of_the_score():
    score = pd.Series(np.random.default_rng(0).permutation(505) / 505.0, DAYS[:505])
    found = risk_deciles(score, pd.DataFrame({"rank": score, "none": 1.0}), block=1, draws=200)
    by_hand = [np.arange(505)[np.arange(505) * 10 // 505 == k] / 505 for k in range(10)]
    assert found["origins"].tolist() == [len(own) for own in by_hand] and [*found.index] == [*range(1, 11)]
    np.testing.assert_allclose(found["rank"], [own.mean() for own in by_hand], rtol=1e-12)
    assert (found["none"] == 1).all() and (found["none_se"] == 0).all()
    plain = 0.1 / 12**0.5 / 50**0.5  # of the mean of fifty that lie evenly over a tenth
    np.testing.assert_allclose(found["rank_se"], plain, rtol=0.25)
    whole = risk_deciles(score, pd.DataFrame({"rank": score}), block=505, draws=9)  # drawn as it is each time
    assert whole["rank_se"].max() < 1e-12


def test_the_width_is_held_against_those_before_it_from_the_sixty_first_on():
    widths = np.arange(1.0, 311.0)
    found = log_width_ratio(widths, usual=100)
    assert np.isnan(found[:60]).all()
    assert found[60] == pytest.approx(math.log(61 / 30.5)) and found[-1] == pytest.approx(math.log(310 / 259.5))


def test_members_disagree_by_the_weighted_spread_of_their_medians_beside_the_width():
    "3 and 7 with the weights 3 and 1: middle 4, variance (3 * 1 + 9) / 4 = 3."
    assert member_disagreement([[3.0, 2.0], [7.0, 2.0]], [3, 1], [10.0, 10.0]) == pytest.approx([3**0.5 / 10, 0.0])


@pytest.mark.parametrize(("before", "now", "known"), [(250, 30, True), (249, 30, False), (250, 29, False)])
def test_drift_is_measured_where_there_are_rows_enough_and_weighted_by_what_a_feature_added(before, now, known):
    "Of `a` all values lie above what was known (distance 1), of `b` none differs (0): (3 * 1 + 1 * 0) / 4."
    past = pd.DataFrame({"a": np.zeros(260), "b": np.zeros(260), "c": np.zeros(260)})
    recent = pd.DataFrame({"a": np.ones(40), "b": np.zeros(40), "c": np.ones(40)})
    past.loc[before:, "a"], recent.loc[now:, "a"] = np.nan, np.nan
    added = {"b": -1.0, "a": 3.0, "c": 0.0, "calibration": 9.0}  # c moved nothing, and calibration is no feature
    assert movers_drift(added, recent, past) == pytest.approx(0.75 if known else 0.0)
    alone = movers_drift({"a": -3.0}, recent, past)
    assert alone == 1.0 if known else math.isnan(alone)
    assert movers_drift({"a": 3.0, "b": 4.0}, recent, past, top=1) == 0.0  # the one that added most
    assert math.isnan(movers_drift({}, recent, past))


def test_a_model_is_learnt_from_250_origins_and_not_from_one_less():
    assert learn_risk(PARTS[:250], MISSED[:250]).rows == 250
    with pytest.raises(DataError, match="250 origins or more, some of which were poor; here are 249"):
        learn_risk(PARTS[:249], MISSED[:249])
    with pytest.raises(DataError, match="250 origins"):
        learn_risk(PARTS[:300], MISSED[:299])


def by_hand() -> RiskModel:
    "Odds of novelty 1 a deviation, of quality .02; the chances that were learnt are 0, .01, ... 1."
    plain = {
        "symbol": "VIX",
        "kind": "pct_change",
        "horizon": 5,
        "poor": "it is",
        "first": "1992-01-02",
        "last": "2009-12-31",
        "rows": 300,
    }
    return RiskModel(**plain, names=("novelty", "quality", "drift", "width"), centre=(1.0, 0.1, 0.2, 0.0), scale=(2.0, 0.1, 0.1, 1.0),
                     coefficients=(1.0, 0.02, 0.5, 0.2), intercept=-1.0, chances=tuple(np.linspace(0, 1, 101)))  # fmt: skip


def test_a_score_is_the_share_of_smaller_chances_and_its_reasons_are_what_raises_it_most():
    "Two deviations of novelty add 2, five of quality count as three and add .06, half a one of drift .25, a width of .24 .048: too little to tell."
    told = risk_record(by_hand(), pd.DataFrame({"novelty": [5.0], "quality": [0.6], "drift": [0.25], "width": [0.24]}))
    assert told["amounts"] == pytest.approx({"novelty": 2.0, "quality": 0.06, "drift": 0.25, "width": 0.048})
    assert told["chance"] == told["score"] == pytest.approx(1 / (1 + math.exp(1 - 2.358)))
    assert [words.split(":")[0].split(" 0")[0] for words in told["reasons"]] == [
        "unusual day",
        "what moved it has drifted",
        "feature quality",
    ]
    wide = risk_record(by_hand(), pd.DataFrame({"novelty": [5.0], "quality": [0.6], "drift": [0.25], "width": [1.0]}))
    assert len(wide["reasons"]) == 3 and wide["reasons"][2].startswith("range 2.7 times")
    assert risk_record(by_hand(), pd.DataFrame({"novelty": [1.1], "quality": [0.1], "drift": [0.2], "width": [0.25]}))["reasons"] == [
        "unusual day: one ordinary day in 13 is as far out", "range 1.3 times as wide as the median of the 250 forecasts before it"]  # fmt: skip


def test_a_chance_that_was_learnt_several_times_ranks_as_the_last_of_them():
    flat = replace(by_hand(), chances=tuple([0.2] * 51 + [0.4] * 50))
    odds = lambda chance: pd.DataFrame({"novelty": [1 + 2 * (math.log(chance / (1 - chance)) + 1)], "quality": [0.1], "drift": [0.2], "width": [0.0]})  # fmt: skip  # noqa: E731
    assert [flat.score(odds(chance))[0] for chance in (0.1, 0.2, 0.3, 0.4)] == pytest.approx([0.5, 0.5, 0.75, 1.0])


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> IntegratedSystem:
    home, market = tmp_path_factory.mktemp("home"), synthetic_market(seed=3, sessions=640, start="2014-01-02").market
    given = {"data.home": str(home), "model.rounds": 4, "run.n_jobs": 1, "run.progress": False}
    return IntegratedSystem(settings=load_settings(environ={}, overrides=given), market=market)


def test_a_new_forecast_tells_its_risk_and_an_old_one_is_not_touched(system):
    made = system.generate_forecast()
    told = made.metadata["risk"]
    assert made.risk_score == told["score"] == made["risk_score"] and 0 <= made.risk_score <= 1
    assert all(value is not None for value in told["parts"].values()) and told["evidence"]
    jsonschema.validate(json.loads(json.dumps(made.to_dict())), SCHEMAS["forecast"])
    assert f"risk score      {made.risk_score:.2f}" in str(made) and told["evidence"][:40] in made._repr_html_()
    old = replace(made, metadata={name: value for name, value in made.metadata.items() if name != "risk"})
    assert old.prediction_id == made.prediction_id and old.values == made.values
    assert old.risk_score is None and "risk" not in old.to_json() and "risk_score" not in old.to_dict()
    again = system.generate_forecast()
    assert again.to_json() == made.to_json()


def test_a_batch_tells_what_single_days_tell(system):
    prepared = system.prepared(system.origin())
    days = prepared.origins[-4:]
    together = risk_parts(prepared, {day: {} for day in days})
    alone = pd.concat([risk_parts(prepared, {day: {}}) for day in days])
    pd.testing.assert_frame_equal(together, alone, rtol=1e-12)


def test_a_part_that_fails_costs_no_forecast(system, monkeypatch):
    prepared = system.prepared(system.origin())
    made = [stored_forecast(1)]
    monkeypatch.setattr("forecastkit.pipeline.risk.risk_parts", lambda *_: 1 / 0)
    with pytest.warns(match="no risk score is stored"):
        assert recently_scored(prepared, made, pd.DatetimeIndex([made[0].origin])) == made


def test_an_edited_risk_is_refused():
    with pytest.raises(DataError, match="risk must be a score"):
        replace(stored_forecast(1), metadata={"risk": {"score": 2.0, "reasons": []}})


def test_the_view_of_the_documents_has_the_score_and_null_without_one():
    with_risk = replace(
        stored_forecast(1),
        metadata={"risk": {"amounts": {}, "reasons": ["x"], "score": 0.25}},
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    without: Forecast = stored_forecast(1, "other")
    db = PredictionDatabase("sqlite://")
    db.store_predictions([(with_risk, None), (without, None)])
    with db.engine.connect() as connection:
        words = "SELECT model_version, risk_score FROM model_predictions_enhanced"
        found = {row.model_version: row.risk_score for row in connection.execute(sa.text(words))}
    assert found == {with_risk.model_version: 0.25, "other": None}


def test_a_monitor_reads_the_expected_crps_and_a_baseline_out_of_the_ledger():
    "Ratio and skill need nothing but stored forecasts and outcomes; outcomes later than an origin never count there."
    rows = [stored_forecast(i) for i in range(200)]
    came = RNG.normal(0, 10, 200)
    table = pd.DataFrame(
        {"origin": [f.origin for f in rows], "target_session": [f.target_session for f in rows], "outcome": came, "pit": 0.5,
         "crps": [f.crps(x) for f, x in zip(rows, came)], "forecast": [f.to_json() for f in rows]}
    )  # fmt: skip
    followed = followed_outcomes(table)
    assert followed["baseline_crps"].isna().sum() == 64 and followed["crps_ratio"].notna().all()
    later = table.assign(outcome=np.where(np.arange(200) > 150, 99.0, came))
    assert followed_outcomes(later)["baseline_crps"][:151].equals(followed["baseline_crps"][:151])
    measured = rolling_measures(followed, 60)["skill"].iloc[-1]
    assert measured == pytest.approx(1 - followed["crps"][-60:].mean() / followed["baseline_crps"][-60:].mean())


def test_the_words_of_a_forecast_tell_its_risk_and_what_its_width_is_held_against(shipped):
    "The daily page is made of these words; every sentence in them begins as one."
    reasons = [part_words("width", math.log(1.1), 0.0)]
    risk = {"score": 0.68, "reasons": reasons, "evidence": shipped.evidence}
    direction = {"label": "neutral", "reasons": ["no direction is told", "the distribution sees a rise at 48%"]}
    told = " ".join(replace(stored_forecast(3), metadata={"risk": risk, "direction": direction}).words())
    assert "risk score is 0.68 (0 to 1): range 1.1 times as wide as the median of the 250 forecasts before it." in told
    assert "no better than the width" in told  # no number without what it was worth
    assert "told. The distribution" in told


def test_a_model_that_was_not_measured_claims_nothing_of_the_shipped_one(shipped):
    "What a score was worth belongs to the model that was measured, and is under its seal."
    own = learn_risk(PARTS, MISSED)
    assert "was not measured" in risk_record(own, PARTS[:1])["evidence"]
    assert "rank correlation 0.33" in shipped.evidence
    assert replace(shipped, evidence="perfect").seal != shipped.seal
