"A universe evaluated: what would have been stored, scored from the sources, through the door and at the terminal."

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest

from forecastkit.cli.main import main
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import DataError, load_settings
from forecastkit.data import MarketData, synthetic_market
from forecastkit.metrics import crps
from forecastkit.pipeline import Universe, evaluate_panel, evaluate_universe, prepare_panel

SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
QUICK = {"model.rounds": 5, "model.refit_every": 252, "run.n_jobs": 1, "run.progress": False}


@pytest.fixture(scope="module")
def market():
    return synthetic_market(seed=9, sessions=1000, start="2012-01-03", stocks=SYMBOLS).market


@pytest.fixture(scope="module")
def prepared(market):
    return prepare_panel(
        market,
        Universe(SYMBOLS, dict.fromkeys(SYMBOLS[:2], "Energy"), name="four"),
        load_settings(overrides=QUICK),
        market.last_session(),
    )


def test_the_rows_scored_are_those_that_would_have_been_stored(prepared):
    card = evaluate_panel(prepared)
    row = card.scores.index[len(card.scores) // 2]
    at = prepared.origins.get_loc(row)
    came = prepared.outcomes.loc[row]
    assert card.scores.loc[row, "crps"] == pytest.approx(crps([100 * came], 100 * prepared.quantiles[at : at + 1])[0])
    assert card.outcomes.sessions.max() == prepared.view.calendar.offset(prepared.last, -5)
    assert card.to_dict()["by_sector"].keys() == {"Energy", "no sector"}


def test_what_came_after_an_outcome_does_not_change_its_row(market, prepared):
    cut = prepared.sessions[-120]
    changed = {s: market.bars(s).copy() for s in (*SYMBOLS, "SPX", "VIX")}
    late = market.calendar.offset(cut, 5)
    for bars in changed.values():
        bars.loc[bars.index > late] *= 1.7
    other = prepare_panel(MarketData(changed), prepared.universe, prepared.settings, market.last_session())
    one, two = (evaluate_panel(each, end=cut) for each in (prepared, other))
    pd.testing.assert_frame_equal(one.scores, two.scores)
    for name, scores in one.baseline_scores.items():
        pd.testing.assert_frame_equal(scores, two.baseline_scores[name])


def test_a_span_that_cannot_be_scored_is_refused(prepared, market):
    with pytest.raises(DataError, match="too few"):
        evaluate_panel(prepared, prepared.sessions[-30])
    with pytest.raises(DataError, match="no session"):
        evaluate_panel(prepared, "2014-06-02", "2014-01-02")
    with pytest.raises(DataError, match="no symbol of the universe has bars"):
        evaluate_universe(["NONE"], market=market)


def test_an_end_shuts_out_what_came_later(market, tmp_path, monkeypatch):
    from forecastkit.pipeline import panel_forecasting

    seen = []
    whole = panel_forecasting.prepare_panel
    monkeypatch.setattr(
        panel_forecasting, "prepare_panel", lambda *given, **more: seen.append(given[3]) or whole(*given, **more)
    )
    settings = load_settings(overrides=QUICK | {"data.home": str(tmp_path)})
    card = evaluate_universe(SYMBOLS, end="2015-03-31", settings=settings, market=market)
    assert seen == [market.calendar.offset("2015-03-31", 5)]
    assert card.sessions[-1] == pd.Timestamp("2015-03-31")


def test_the_terminal_prints_it_as_json_and_as_tables(market, tmp_path, capsys):
    folder = tmp_path / "bars"
    folder.mkdir()
    for symbol in (*SYMBOLS, "SPX", "VIX"):
        market.bars(symbol).rename_axis("date").dropna(axis=1, how="all").to_csv(folder / f"{symbol}.csv")
    (tmp_path / "four.csv").write_text("symbol,sector\nAAA,Energy\nBBB,Energy\nCCC,Utilities\nDDD,\n")
    (tmp_path / "results.csv").write_text(
        "symbol,date\n" + "".join(f"AAA,{day}\n" for day in ("2013-01-24", "2013-04-23", "2013-07-23", "2013-10-28"))
    )
    words = ["evaluate", "--universe", str(tmp_path / "four.csv"), "--earnings", str(tmp_path / "results.csv"), "--start", "2015-01-02",
             "--sources", f"folder:{folder}", "--home", str(tmp_path / "home"), "--quiet"]  # fmt: skip

    def said(*more: str) -> str:
        with pytest.raises(SystemExit) as left:
            main([*words, *more])
        assert not left.value.code
        return capsys.readouterr().out

    found = json.loads(said("--json"))
    jsonschema.validate(found, SCHEMAS["evaluate --universe"])
    assert found["symbols"] == 4 and set(found["baselines"]) == {"climatology", "ewma", "garch"}
    assert set(found["by_sector"]) == {"Energy", "Utilities", "no_sector"} and "by_earnings" in found
    text = said()
    for title in ("Skill by the CRPS", "By VIX band at the origin", "By sector", "By symbol", "By year"):
        assert title in text
    assert np.isfinite(found["forecaster"]["skill"]["ewma"]["t"])
