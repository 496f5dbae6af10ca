"""Models and forecasts of one's own in the ring: scored as the house is, refused where they know tomorrow, counted as trials."""

import json

import pytest

import forecastkit as fk
from forecastkit.cli.main import main as command
from forecastkit.core import LookAheadError, UserCodeError, load_settings, shipped_log
from forecastkit.core.experiments import ExperimentLog
from forecastkit.data.synthetic import synthetic_market
from forecastkit.models import ProbabilisticForecaster
from forecastkit.pipeline import IntegratedSystem

MARKET = synthetic_market(seed=11, sessions=640, start="2013-01-02").market
SMALL = {
    "model.train_start": "2010-01-04", "model.walk_start": "2010-01-04", "model.min_train_rows": "400", "model.rounds": "3",
    "run.progress": False,
}  # fmt: skip
FILE = """import numpy as np
from sklearn.linear_model import LinearRegression
from forecastkit.models import ProbabilisticForecaster

pool = ProbabilisticForecaster(rounds=3)
linear = LinearRegression()


class Normal:
    def fit(self, X, y):
        self.middle, self.width = y.mean(), y.std()
        return self

    def predict_quantiles(self, X):
        return np.tile(self.middle + self.width * np.linspace(-2, 2, 23), (len(X), 1))


class Peeks(Normal):
    def predict_quantiles(self, X):
        return super().predict_quantiles(X) + X["vix_log"].diff(-5).fillna(0.0).to_numpy()[:, None]


class Crosses(Normal):
    def predict_quantiles(self, X):
        return super().predict_quantiles(X)[:, ::-1]
"""
START = "2015-01-05"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "A folder of bars, a file of models, and a home in which the house was evaluated."
    folder, patch = tmp_path_factory.mktemp("ring"), pytest.MonkeyPatch()
    (folder / "bars").mkdir()
    for symbol in ("VIX", "SPX"):
        MARKET.bars(symbol).rename_axis("Date").reset_index().to_csv(folder / "bars" / f"{symbol}.csv", index=False)
    (folder / "mine.py").write_text(FILE)
    for key, value in {**SMALL, "data.home": folder / "home", "data.sources": f"folder:{folder / 'bars'}"}.items():
        patch.setenv(f"FORECASTKIT_{key.replace('.', '_').upper()}", str(value))
    patch.chdir(folder)
    yield folder
    patch.undo()


def main(arguments):
    "The exit code of a command."
    try:
        return command(arguments)
    except SystemExit as leave:
        return leave.code or 0


@pytest.fixture(scope="module")
def house(home):
    "The scorecard of the house."
    return IntegratedSystem().evaluate(START)


def log():
    return ExperimentLog(load_settings().home.experiments)


def test_the_pool_of_the_house_as_ones_own_model_gets_the_same_score_to_the_last_bit(house):
    card = IntegratedSystem(model="mine.py:pool").evaluate(START)
    assert card.scores.equals(house.scores) and card.baseline_scores["house"].equals(house.scores)
    assert card.summary.crps == house.summary.crps == card.baselines["house"].crps
    assert card.summary.direction == card.baselines["house"].direction == house.summary.direction
    assert card.summary.skill["house"].value == 0.0
    assert {name: card.summary.skill[name] for name in house.summary.skill} == house.summary.skill


def test_a_regressor_and_a_bare_class_stand_beside_the_house_and_each_counts_as_one_trial(house, capsys):
    before = log().count() or 0
    for name in ("linear", "Normal", "Normal"):
        assert main(["evaluate", "--model", f"mine.py:{name}", "--start", START, "--json", "--quiet"]) == 0
        card = json.loads(capsys.readouterr().out)
        assert list(card["baselines"]) == ["house", "climatology", "ar1", "har", "garch"]
        assert card["baselines"]["house"]["crps"] == house.summary.crps
        assert card["forecaster"]["skill"]["house"]["se"] > 0
    assert log().count() == before + 2 and log().unanswered() == []
    assert card["variants_tried"] == shipped_log().count() + before + 2
    assert main(["evaluate", "--model", "mine.py:Normal", "--start", START, "--quiet"]) == 0
    assert "house pool" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("Peeks", "member Peeks is refused: Peeks: 20", 1),
        ("Crosses", "numbers that are no quantiles", 2),
        ("nothing", "defines no function nothing", 2),
    ],
)
def test_a_model_that_peeks_or_is_none_is_refused_in_one_line_and_counts_nothing(home, capsys, name, words, code):
    before = log().count()
    left = main(["evaluate", "--model", f"mine.py:{name}", "--start", START, "--quiet"])
    told = capsys.readouterr()
    assert (left, told.out) == (code, "") and words in told.err and len(told.err.strip().splitlines()) == 1
    assert log().count() == before


def test_a_model_that_reads_the_outcomes_elsewhere_is_refused(home):
    answers = MARKET.calendar.outcomes(MARKET.close("VIX"), 5).fillna(0.0).to_dict()

    class Reads:
        def __init__(self):
            self.answers = answers

        def fit(self, X, y):
            self.width = y.std()
            return self

        def predict_quantiles(self, X):
            middle = [[self.answers[day]] for day in X.index]
            return middle + self.width * fk.core.PROBS[None, :]

    with pytest.raises(LookAheadError, match="outcomes that it was not told"):
        IntegratedSystem(market=MARKET, model=Reads()).evaluate(START)


def test_an_installed_package_offers_models_by_name(house, home, monkeypatch, capsys):
    site = home / "site"
    (site / "ringmodels-1.0.dist-info").mkdir(parents=True)
    (site / "ringmodels-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: ringmodels\nVersion: 1.0\n"
    )
    (site / "ringmodels-1.0.dist-info" / "entry_points.txt").write_text(
        "[forecastkit.models]\nplain = ringmodels:Normal\n"
    )
    (site / "ringmodels.py").write_text(FILE)
    monkeypatch.syspath_prepend(str(site))
    named = IntegratedSystem(model="plain")
    assert named.profile.user_code[0].name == "plain"
    assert named.evaluate(START).summary.crps == IntegratedSystem(model="mine.py:Normal").evaluate(START).summary.crps
    assert main(["evaluate", "--model", "plane", "--start", START, "--quiet"]) == 2
    assert "no model is called plane" in (told := capsys.readouterr().err) and "installed packages offer plain" in told


def test_one_model_alone_and_not_beside_members(home):
    with pytest.raises(UserCodeError, match="forecasts alone"):
        IntegratedSystem(market=MARKET, members="mine.py:Normal", model=ProbabilisticForecaster())
    with pytest.raises(UserCodeError, match="forecasts alone"):
        IntegratedSystem(market=MARKET, model=["mine.py:Normal", "mine.py:linear"])
