"Evaluation: what is scored is what would have been stored, however it is computed, interrupted or asked for."

import json
import re
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import kill_evaluate
import pandas as pd
import pytest
import typer
from kill_evaluate import SPAN, card_at, system_at
from typer.testing import CliRunner

from forecastkit.cli.evaluation import evaluate as command
from forecastkit.core import DataError, DataWarning
from forecastkit.core.experiments import ExperimentLog, shipped_log, variants_tried
from forecastkit.core.settings import load_settings
from forecastkit.pipeline.baselines import baseline_quantiles
from forecastkit.pipeline.daily import user_logs
from forecastkit.pipeline.evaluation import scored_origins, span_of
from forecastkit.pipeline.preparation import build_forecast
from forecastkit.pipeline.system import IntegratedSystem


def without_clock(card) -> str:
    "The card as its JSON, but for the seconds it took."
    return json.dumps({name: value for name, value in card.to_dict().items() if not name.startswith("seconds")})


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def card(home):
    "The scorecard of an undisturbed run."
    return card_at(home)


@pytest.mark.no_cover
def test_what_is_scored_is_what_would_have_been_stored(card, home):
    system = system_at(home)
    prepared = system.prepared(system.origin())
    for origin in card.origins[::40]:
        made = build_forecast(prepared, origin, datetime.now(UTC))
        closes = prepared.level
        outcome = 100 * (closes[made.target_session] / closes[origin] - 1)
        assert made.crps(outcome) == pytest.approx(card.scores.loc[origin, "crps"], rel=1e-9)
        assert made.prob_above(closes[origin]) == pytest.approx(card.scores.loc[origin, "rise"], rel=1e-9)
        for name, p in made.regime_probabilities.items():
            assert card.scores.loc[origin, name] == pytest.approx(p, abs=1e-12)
    assert list(card.baselines) == ["climatology", "ar1", "har", "garch"]
    assert card.seconds > 0
    stages = card.to_dict()["seconds_by_stage"]
    assert {"market", "features", "walk", "calibration", "baselines", "scoring"} <= set(stages)
    assert set(stages) >= {"fit_linear_quantile", "fit_quantile_forest_raw"}
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in stages)
    assert all(seconds >= 0 for seconds in stages.values())


def test_a_repeat_reads_what_was_kept_and_says_the_same(card, home, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("a repeat fits nothing")

    monkeypatch.setattr("forecastkit.evaluation.walkforward._train", never)
    assert without_clock(card_at(home)) == without_clock(card)


def test_killed_in_the_middle_and_run_again(card, tmp_path):
    victim = subprocess.Popen([sys.executable, kill_evaluate.__file__, str(tmp_path)])
    until = time.monotonic() + 300
    while len(list(tmp_path.rglob("*.npz"))) < 2 and victim.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL, "it was not killed in the middle"
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.npz") if not path.name.startswith(".")}
    assert len(kept) >= 2
    assert without_clock(card_at(tmp_path)) == without_clock(card)
    assert len(list(tmp_path.rglob("*.npz"))) > len(kept), "it had finished before it was killed"
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_a_damaged_file_is_computed_again(card, home):
    victim = next(path for path in sorted(home.rglob("*.npz")) if path.name.startswith("garch"))
    victim.write_bytes(victim.read_bytes()[:100])
    with pytest.warns(DataWarning, match="is not as it was written and is computed again"):
        again = card_at(home)
    assert without_clock(again) == without_clock(card)


def test_two_processes_give_the_same_bits(card, tmp_path, walks_in_processes):
    assert without_clock(card_at(tmp_path, run__n_jobs=2)) == without_clock(card)


@pytest.mark.slow("test_walkforward.py::test_two_dask_workers_give_the_same_bits")
def test_two_dask_workers_give_the_same_bits(card, tmp_path):
    from distributed import LocalCluster

    quiet = {"dashboard_address": None, "processes": True, "threads_per_worker": 1}
    with LocalCluster(n_workers=2, **quiet) as cluster:
        assert without_clock(card_at(tmp_path, run__dask=cluster.scheduler_address)) == without_clock(card)


def test_poor_features_are_not_scored(home):
    system = system_at(home)
    prepared = system.prepared(system.origin())
    span = span_of(system.market, system.target, *SPAN)
    poor = prepared.features["feature_quality"].copy()
    poor.loc[span[10:20]] = 0.5
    worse = replace(prepared, features=prepared.features.assign(feature_quality=poor))
    assert list(scored_origins(worse, span)) == list(scored_origins(prepared, span).delete(range(10, 20)))


@pytest.mark.no_cover
def test_baselines_know_nothing_of_later_days(home):
    whole, cut = system_at(home), pd.Timestamp("2012-05-18")
    through = whole.origin()
    prepared = whole.prepared(through)
    origins = scored_origins(prepared, span_of(whole.market, whole.target, *SPAN))
    then = system_at(home / "then")
    short = then.prepared(cut)
    said, before = baseline_quantiles(prepared, origins), baseline_quantiles(short, origins[origins <= cut])
    for name, quantiles in before.items():
        assert quantiles.tobytes() == said[name][: len(quantiles)].tobytes(), name


@pytest.mark.parametrize(
    ("symbol", "horizon"),
    [("SPX", 1), pytest.param("SPX", 21, marks=pytest.mark.slow("test_a_stock_and_other_horizons"))],
)
@pytest.mark.no_cover
def test_a_stock_and_other_horizons(symbol, horizon, tmp_path):
    system = system_at(tmp_path, forecast__symbol=symbol, forecast__horizon=horizon, forecast__kind="log_return")
    told = system.evaluate().to_dict()
    assert (told["symbol"], told["horizon"]) == (symbol, horizon)
    assert told["forecaster"]["ece"] == told["forecaster"]["coverage_by_regime"] == {}
    assert list(told["forecaster"]["skill"]) == ["climatology", "ar1", "har", "garch"]


def test_variants_of_both_logs_are_counted_and_a_broken_log_makes_them_unknown(tmp_path):
    shipped = shipped_log().count()
    log = ExperimentLog(tmp_path / "experiments.jsonl")
    log.append("try", "another width", "is it better?", {"variants": 4})
    assert variants_tried(shipped_log(), *user_logs(tmp_path)) == shipped + 4
    assert variants_tried(shipped_log(), *user_logs(tmp_path / "elsewhere")) == shipped
    log.path.write_bytes(log.path.read_bytes()[:-10])
    assert variants_tried(shipped_log(), *user_logs(tmp_path)) is None


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("2012-06-01", "2012-05-01", "let the start lie before the end"),
        ("2012-10-10", None, "is known: the data run from|too few"),
        ("2019-01-02", "2019-12-31", "is known: the data run from"),
        ("2012-06-01", "2012-07-31", "too few"),
        ("2010-02-01", "2011-02-01", "the first forecast will be possible as of 2011-09-28"),
        ("soon", None, "no date"),
    ],
)
def test_spans_that_cannot_be_scored_are_refused_in_one_sentence(start, end, says, home):
    with pytest.raises(DataError, match=says):
        system_at(home).evaluate(start, end)


APP = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
APP.command()(command)


@pytest.mark.usefixtures("few_years")
def test_the_command_prints_json_and_tables_and_a_page(tmp_path, five_years, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")  # as servers have it, and as an import of Streamlit leaves it
    options = ["--home", str(tmp_path / "home"), "--sources", f"folder:{five_years}"]
    options += ["--start", "2018-01-02", "--end", "2018-12-21"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        asked = CliRunner().invoke(APP, [*options, "--json"])
        assert asked.exit_code == 0, asked.exception
        told = json.loads(asked.stdout)
        assert (told["symbol"], told["horizon"], told["start"], told["end"]) == ("VIX", 5, "2018-01-02", "2018-12-21")
        assert 0.4 < told["forecaster"]["coverage"]["0.8"] < 1
        page = tmp_path / "card.html"
        shown = CliRunner().invoke(APP, [*options, "--quiet", "--html", str(page)])
    assert shown.exit_code == 0, shown.exception
    for word in (
        "climatology",
        "GARCH",
        "t, origins 5 apart",
        "base rate",
        "lowest over 250 origins",
        "variants tried",
    ):
        assert word in shown.stdout
    html = page.read_text()
    assert (
        html.count('class="drawing"') == 6
        and "data:image" not in html
        and "<script" not in html
        and "The ten worst forecasts" in html
    )
    assert "&lt;Axes" not in html and f"{told['origins']} origins" in html


def test_an_unknown_symbol_is_refused(tmp_path):
    settings = load_settings(environ={}, overrides={"data.home": str(tmp_path), "forecast.symbol": "NOSUCH"})
    with pytest.raises(DataError, match="NOSUCH is in none of the sources"):
        IntegratedSystem(settings=settings).evaluate()
