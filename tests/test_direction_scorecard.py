"What directions in a ledger were worth: planted knowledge is found, none is invented, and few data have no number."

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from forecastkit.calendars import get_calendar
from forecastkit.cli.ledger import forecasts_app
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import PROBS
from forecastkit.evaluation import score_directions
from forecastkit.forecasts import Forecast
from forecastkit.ledger import PredictionDatabase
from forecastkit.pipeline import direction_scorecards, stored_directions

NYSE = get_calendar("XNYS")
DAYS = NYSE.sessions[(NYSE.sessions >= "2010-01-04") & (NYSE.sessions <= "2016-12-30")]
APP = typer.Typer()
APP.add_typer(forecasts_app, name="forecasts")


def told(chance: float, state: str | None = None) -> dict:
    "A direction as the metadata of a forecast carries it."
    label = "bullish" if chance > 0.6 else "bearish" if chance < 0.5 else "neutral"
    return {"label": label, "chance": chance, "base_rate": 0.55} | ({"state": state} if state else {})


def forecast(origin: pd.Timestamp, direction: dict | None) -> Forecast:
    return Forecast(
        symbol="AAA", origin=origin, target_session=NYSE.offset(origin, 5), horizon=5, kind="log_return", probs=PROBS, values=np.linspace(-9, 9, len(PROBS)),
        last_value=100.0, cohort="mid_cycle", cohort_weight=1.0, feature_quality=1.0, model_version="one", code_version="-", data_fingerprint="-",
        made_at=(NYSE.closes_of([origin])[0] + timedelta(minutes=20)).to_pydatetime(), metadata={} if direction is None else {"direction": direction},
    )  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    "A ledger of 300 directions a week apart that know which way, beside forecasts without one."
    home, rng = tmp_path_factory.mktemp("told") / "home", np.random.default_rng(2)
    home.mkdir()
    database = PredictionDatabase(f"sqlite:///{home}/forecasts.db", clock=lambda: datetime(2017, 1, 3, 12, tzinfo=UTC))
    days, up = DAYS[::5][:300], rng.random(300) < 0.5
    close = pd.Series(100.0, DAYS)
    for day, rises in zip(days, up):
        close[NYSE.offset(day, 5)] = close[day] * (1.02 if rises else 0.98)
    right = rng.random(300) < 0.75
    said = [told(0.75 if rises == knows else 0.25, "bull_low") for rises, knows in zip(up, right)]
    database.store_predictions([(forecast(day, one), {}) for day, one in zip(days, said)])
    database.store_predictions([(forecast(day, None), {}) for day in DAYS[1:100:5]])
    database.record_outcomes("AAA", close)
    database.close()
    return home


def test_knowledge_in_a_ledger_is_found_and_forecasts_without_direction_are_not_counted(home):
    database = PredictionDatabase(f"sqlite:///{home}/forecasts.db")
    rows, card = stored_directions(database), direction_scorecards(database)["log_return", 5]
    database.close()
    assert len(rows) == 300 and card.rows == 300 and card.sessions_apart == 300
    assert card.measures["brier"].t > 3 and card.measures["log_loss"].t > 3 and card.measures["hit_rate"].t > 3
    assert "knew more than the base rate" in card.sentence and card.neutral == 0
    assert card.by_state["bull_low"]["rows"] == 300 and card.by_state["bull_low"]["p_family"] > 0.05


def test_guesses_are_found_to_be_worse_and_silence_equals_the_base_rate():
    rng, place = np.random.default_rng(0), np.arange(0, 2000, 5)
    rose = (rng.random(400) < 0.55).astype(float)
    rows = pd.DataFrame({"rose": rose, "place": place, "base_rate": 0.55, "chance": 0.55, "label": "neutral"})
    silent = score_directions(rows, 5)
    assert (
        silent.measures["brier"].gain == 0 and "hit_rate" not in silent.measures and "not its sign" in silent.sentence
    )
    guess = np.where(rng.random(400) < 0.5, 0.8, 0.3)
    loud = score_directions(rows.assign(chance=guess, label=np.where(guess > 0.5, "bullish", "bearish")), 5)
    assert loud.measures["brier"].t < -3 and "worse than the base rate" in loud.sentence
    assert abs(loud.measures["hit_rate"].t) < 3 and loud.calibration["ece"] > loud.calibration["ece_perfect_95"]


def test_stocks_that_move_together_do_not_count_as_many():
    rng, place = np.random.default_rng(5), np.arange(0, 1000, 5)
    rows = pd.DataFrame({"rose": (rng.random(200) < 0.55).astype(float), "place": place, "base_rate": 0.55})
    rows["chance"] = rng.uniform(0.45, 0.65, 200)
    rows["label"] = np.where(rows["chance"] > 0.55, "bullish", "neutral")
    once, often = score_directions(rows, 5), score_directions(pd.concat([rows] * 20), 5)
    for name, one in once.measures.items():
        assert often.measures[name].gain_se == pytest.approx(one.gain_se)
    assert often.calibration["p"] == pytest.approx(once.calibration["p"], abs=0.02) and often.sessions == once.sessions


@pytest.mark.parametrize("apart", [59, 60])
def test_below_sixty_sessions_apart_there_is_no_number(apart):
    rows = pd.DataFrame(
        {"rose": 1.0, "place": np.arange(apart) * 5, "base_rate": 0.55, "chance": 0.6, "label": "bullish"}
    )
    dense = pd.concat([rows, rows.assign(place=rows["place"] + 1)])  # sessions that overlap add nothing
    card = score_directions(dense, 5)
    assert (card.sessions_apart, card.enough) == (apart, apart == 60)
    assert ("not enough data" in card.sentence) == (card.measures == {}) == (apart < 60)


@pytest.mark.parametrize("words", [(), ("--end", "2010-06-30"), ("--symbol", "BBB")])
def test_the_command_keeps_its_schema(words, home):
    shown = CliRunner().invoke(APP, ["forecasts", "directions", *words, "--home", str(home), "--json"])
    found = json.loads(shown.output)
    jsonschema.validate(found, SCHEMAS["forecasts directions"])
    assert [one["state"] for one in found] == (
        {(): ["scored"], ("--symbol", "BBB"): []}.get(words, ["not enough data"])
    )
    text = CliRunner().invoke(APP, ["forecasts", "directions", *words, "--home", str(home)]).output
    assert {(): "brier", ("--symbol", "BBB"): "no stored forecast carries"}.get(words, "not enough data") in text
