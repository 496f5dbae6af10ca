"""A home that an older version wrote opens, verifies, exports and goes on serving: fixtures/home-0.2 is a backup by 0.2.

It holds 21 forecasts of the VIX and of a stock by five model versions, three of which are in the backup; what 0.2 said of
them stands beside it.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.cli.main import main
from forecastkit.data import Reading, SampleSource, clean_series
from forecastkit.data.sources import EMBEDDED

OLD = Path(__file__).parent / "fixtures" / "home-0.2"
LAST = {"VIX": "2015-08-31", "AAPL": "1993-08-19"}  # as of when 0.2 asked each model


def run(*arguments: str) -> int:
    "The exit code of a command."
    try:
        return main(list(arguments))
    except SystemExit as leave:
        return int(leave.code or 0)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "home"
    assert run("restore", str(OLD / "backup.tar.gz"), "--home", str(folder)) == 0
    return folder


def test_the_ledger_lists_as_it_did(home, capsys):
    assert run("forecasts", "list", "--json", "--last", "100", "--home", str(home)) == 0
    found, expected = (json.loads(text) for text in (capsys.readouterr().out, (OLD / "list.json").read_text()))
    assert {row["id"] for row in found} == {row["id"] for row in expected}
    for row in expected:
        (same,) = [one for one in found if one["id"] == row["id"]]
        assert {key: same[key] for key in row} == row


def test_the_ledger_verifies(home, capsys):
    assert run("forecasts", "verify", "--json", "--home", str(home)) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["forecasts"], told["outcomes"], told["models"]) == (True, 21, 10, [])
    assert told["head"] == "f3a77fe1464186b97771e73ec0fd2d5075f6659741e7cf49a6fdeb593f005cab"


def test_an_export_is_the_same_to_the_letter(home, tmp_path):
    assert run("forecasts", "export", "--csv", str(tmp_path / "export.csv"), "--home", str(home)) == 0
    found, expected = (pd.read_csv(path, dtype=str) for path in (tmp_path / "export.csv", OLD / "export.csv"))
    pd.testing.assert_frame_equal(found[expected.columns], expected)


@pytest.mark.filterwarnings("ignore::forecastkit.core.DataWarning")
def test_old_models_say_what_they_said(home):
    """Not to the last bit: processors differ."""
    expected = json.loads((OLD / "models.json").read_text())
    assert {path.name for path in (home / "models").iterdir() if path.name[0] != "."} == set(expected)
    for version, said in expected.items():
        model = fk.ProbabilisticForecaster.load(home / "models" / version)
        market = market_of_0_2().as_of(LAST[said["target"]["symbol"]])
        X = model_features(fk.Target(**said["target"]), market)
        assert [f"{day:%Y-%m-%d}" for day in X.index[-8:]] == said["sessions"]
        np.testing.assert_allclose(model.predict_quantiles(X, last=8), said["raw_quantiles"], rtol=1e-9, atol=1e-12)


def market_of_0_2() -> fk.MarketData:
    "What `sample` gave then: the VIX closes of arch from 2014, and none of the series that are embedded now."
    from arch.data import vix

    class OldVIX:
        name, symbols, ignored = "arch", ("VIX",), {}

        def __contains__(self, symbol):
            return symbol == "VIX"

        def read(self, symbol, calendar):
            closes = vix.load()["vix"].dropna().rename("close").to_frame()
            return Reading(*clean_series(symbol, closes, calendar), "arch")

    return fk.load_market([OldVIX(), "sample"], symbols={*SampleSource().symbols} - {*EMBEDDED} | {"VIX"})


def model_features(target: fk.Target, market: fk.MarketData) -> pd.DataFrame:
    features = (
        fk.features.volatility_features() if target.symbol == "VIX" else fk.features.stock_features(target.symbol)
    )
    return fk.FeatureEngine(features, symbol=target.symbol, horizon=target.horizon).build_features(market)
