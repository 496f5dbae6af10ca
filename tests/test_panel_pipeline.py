"A panel from the market to the ledger: the same bits by every way, each failure its own, nothing stored twice or lost."

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.calendars import get_calendar, reported_dates, scheduled_dates, sessions_of
from forecastkit.cli.main import main
from forecastkit.core import DataError, DataQualityError, DataWarning, Settings, load_settings
from forecastkit.data import MarketData, synthetic_market
from forecastkit.evaluation import RefitSchedule, walk_forward
from forecastkit.forecasts import Forecast
from forecastkit.ledger import PredictionDatabase
from forecastkit.ops import ModelRegistry, load_panel
from forecastkit.pipeline import (
    PreparedPanel,
    Universe,
    UniverseSystem,
    build_panel_forecast,
    forecast_universe,
    prepare_panel,
    read_universe_file,
)

NYSE, NOW = get_calendar("XNYS"), datetime(2026, 1, 5, tzinfo=UTC)
NAMES = ("AAA", "BBB", "CCC", "DDD")
UNIVERSE = Universe(NAMES, {"AAA": "Energy", "BBB": "Energy", "CCC": "Banks"})


@pytest.fixture(scope="module")
def market() -> MarketData:
    return synthetic_market(seed=3, sessions=760, start="2014-01-02", stocks=NAMES).market


def settings_at(home: Path, **more: object) -> Settings:
    given = {
        "data.home": str(home),
        "model.rounds": 5,
        "model.refit_every": 126,
        "run.n_jobs": 1,
        "run.progress": False,
    }
    return load_settings(environ={}, overrides=given | {name.replace("__", "."): value for name, value in more.items()})


@pytest.fixture(scope="module")
def panel(market: MarketData, tmp_path_factory: pytest.TempPathFactory) -> PreparedPanel:
    return prepare_panel(market, UNIVERSE, settings_at(tmp_path_factory.mktemp("home")), market.last_session())


def same_panel(one: PreparedPanel, other: PreparedPanel) -> None:
    "Equal to the last bit, as far as both reach."
    n = min(len(one.origins), len(other.origins))
    assert one.origins[:n].equals(other.origins[:n]) and n
    for name in ("raw", "quantiles", "active", "bands", "grid"):
        assert np.array_equal(getattr(one, name)[:n], getattr(other, name)[:n]), name
    assert [one.versions.name(grid) for grid in one.grid[:n].unique()] == [
        other.versions.name(grid) for grid in other.grid[:n].unique()
    ]


def without(market: MarketData, *gone: str) -> MarketData:
    "The bars of a market without some symbols."
    kinds = market.summary().set_index("symbol")["kind"]
    return MarketData({s: market.bars(s) for s in market.symbols if s not in gone and kinds[s] == "bars"})


def test_what_is_stored_gives_the_bits_that_were_computed(market, panel, tmp_path):
    system = UniverseSystem(UNIVERSE, settings_at(tmp_path), market)
    last = market.last_session()
    folder = tmp_path / "raw"
    for _ in range(3):  # computed and stored; blocks read; blocks computed again by stored models
        same_panel(prepare_panel(market, UNIVERSE, system.settings, last, system.registry, folder), panel)
        if _:
            shutil.rmtree(folder)
    assert set(system.registry.versions()["version"]) == set(panel.names.values())
    manifest = json.loads(
        sqlite3.connect(tmp_path / "forecasts.db").execute("select manifest from models").fetchone()[0]
    )
    assert manifest["symbols"] == list(NAMES)


def test_processes_decide_no_bit(market, panel, tmp_path, walks_in_processes):
    many = {"model__walk_start": "2000-01-01", "model__refit_every": 21, "model__rounds": 2}
    last = market.last_session()
    one, two = (prepare_panel(market, UNIVERSE, settings_at(tmp_path, run__n_jobs=n, **many), last) for n in (1, 2))
    assert len(one.names) >= 8, "too few versions for two processes"
    same_panel(one, two)


def test_later_sessions_change_no_earlier_row(market, panel):
    earlier = prepare_panel(market, UNIVERSE, panel.settings, panel.sessions[-70])
    same_panel(earlier, panel)
    assert earlier.last == panel.sessions[-70]
    k = len(earlier.features)
    assert np.array_equal(earlier.features.to_numpy(), panel.features.to_numpy()[:k], equal_nan=True)


def test_the_order_of_the_symbols_decides_no_bit(market, panel):
    turned = Universe(NAMES[::-1], UNIVERSE.sectors)
    same_panel(prepare_panel(market, turned, panel.settings, panel.last), panel)


def test_a_version_learns_from_outcomes_known_at_its_grid_session_alone(panel):
    schedule = RefitSchedule(NYSE, 5, needs=("vol_66",))
    for grid in panel.grid.unique():
        X, y = schedule.training_rows(panel.features, panel.outcomes, grid)
        assert sessions_of(X.index)[-1] <= grid
        assert (NYSE.positions(sessions_of(y.index)) + 5 <= NYSE.positions([grid])[0]).all() and y.notna().all()
        assert panel.features.loc[y.index, "vol_66"].notna().all()


def test_a_walk_counts_sessions_and_serves_whole_sessions(panel):
    schedule = RefitSchedule(NYSE, 5, needs=("vol_66",), min_train_rows=400)

    class Flat:
        def fit(self, X: pd.DataFrame, y: pd.Series) -> "Flat":
            assert sessions_of(y.index).nunique() >= 400 and len(y) > 1000
            return self

        def predict_quantiles(self, X: pd.DataFrame, last: int) -> np.ndarray:
            return np.tile(np.linspace(-1, 1, 23), (last, 1)) * X["vol_22"].to_numpy()[-last:, None]

    raw = walk_forward(panel.features, panel.outcomes, Flat, schedule)
    first = schedule.first_origin(panel.features, panel.outcomes)
    assert raw.origins.equals(panel.features.index[sessions_of(panel.features.index) >= first])
    assert np.allclose(raw.quantiles[:, -1], panel.features["vol_22"].to_numpy()[-len(raw.origins) :])
    assert (
        len(pd.MultiIndex.from_arrays([raw.grid, sessions_of(raw.origins)]).unique())
        == sessions_of(raw.origins).nunique()
    )


def test_a_forecast_of_a_panel_is_an_ordinary_record(market, panel):
    made = build_panel_forecast(panel, panel.last, "BBB", NOW)
    row = panel.quantiles[panel.at(panel.last, "BBB")]
    assert made.kind == "log_return" and made.values == tuple(100 * row)
    assert made.last_value == market.close("BBB").iloc[-1]
    assert made.metadata["panel"] == {"version": made.model_version, "tickers": 4, "universe": panel.universe.key}
    assert made.label == "neutral" and not made.regime_bounds
    assert fk.Forecast.from_json(made.to_json()) == made
    assert any("earnings" in said for said in made.metadata["data_notes"])


def test_results_ahead_are_the_cohort(market, panel):
    due = pd.DatetimeIndex([panel.last - pd.Timedelta(days=364 - 3), sessions_of(panel.features.index)[400]])
    told = replace(UNIVERSE, earnings=reported_dates("AAA", due.sort_values()))
    found = prepare_panel(market, told, panel.settings, panel.last)
    made = {name: build_panel_forecast(found, panel.last, name, NOW) for name in ("AAA", "BBB")}
    assert made["AAA"].cohort == "earnings_ahead" != made["BBB"].cohort == str(panel.cohorts[panel.last])
    assert made["AAA"].metadata["results_expected"] == {
        "date": f"{panel.last + pd.Timedelta(days=3):%Y-%m-%d}", "known": "predicted",
    }  # fmt: skip
    assert "results_expected" not in made["BBB"].metadata
    assert set(found.names.values()).isdisjoint(panel.names.values()), "another calendar is another version"
    later = reported_dates("AAA", due.append(pd.DatetimeIndex([panel.last + pd.Timedelta(days=30)])).sort_values())
    again = prepare_panel(market, replace(UNIVERSE, earnings=later), panel.settings, panel.last)
    same_panel(again, found)  # what is reported after the session is not known there


def test_an_announced_day_of_results_is_told_from_a_predicted_one(market, panel):
    day, said = panel.last + pd.Timedelta(days=2), pd.Timestamp(panel.last, tz="UTC")
    told = replace(UNIVERSE, earnings=scheduled_dates("AAA", pd.DatetimeIndex([day]), said))
    found = prepare_panel(market, told, panel.settings, panel.last)
    made = build_panel_forecast(found, panel.last, "AAA", NOW)
    assert made.metadata["results_expected"] == {"date": f"{day:%Y-%m-%d}", "known": "scheduled"}
    bare = {name: value for name, value in made.metadata.items() if name != "results_expected"}
    assert replace(made, metadata=bare).prediction_id == made.prediction_id


def test_who_is_compared_with_whom_names_the_version(market, panel):
    for other in (Universe(NAMES), Universe(NAMES[:3], UNIVERSE.sectors)):
        assert prepare_panel(market, other, panel.settings, panel.last).names != panel.names


@pytest.mark.parametrize("gone", [("VIX",), ("SPX",), ("VIX", "SPX")])
def test_a_market_without_index_or_vix_is_forecast_and_says_so(market, panel, gone):
    found = prepare_panel(without(market, *gone), Universe(NAMES), panel.settings, panel.last)
    made = build_panel_forecast(found, panel.last, "AAA", NOW)
    assert all(any(f"no {symbol}" in said for said in made.metadata["data_notes"]) for symbol in gone)
    assert any("no sectors" in said for said in made.metadata["data_notes"])
    assert found.features.filter(regex="vix" if "VIX" in gone else "beta").isna().all(axis=None)
    assert ("VIX" in gone) == (found.bands == 0).all()


def test_one_ticker_that_fails_stops_no_other(market, tmp_path):
    flat = market.bars("DDD").assign(open=5.0, high=5.0, low=5.0, close=5.0)
    odd = market.with_series("FLAT", flat).with_series("YOUNG", market.bars("AAA").tail(30))
    odd = odd.with_series("LEFT", market.bars("BBB").iloc[:-40]).with_series("TINY", market.bars("AAA").tail(9))
    made = UniverseSystem([*NAMES, "FLAT", "YOUNG", "LEFT", "TINY", "NONE"], settings_at(tmp_path), odd).forecast()
    assert set(NAMES) <= set(made) and set(made) | set(made.skipped) == {
        *NAMES,
        "FLAT",
        "YOUNG",
        "LEFT",
        "TINY",
        "NONE",
    }
    assert "did not move" in made.skipped["FLAT"] and "last close" in made.skipped["LEFT"]
    assert "needs 23" in made.skipped["TINY"] and "no bars" in made.skipped["NONE"]
    assert "quality" in made.skipped["YOUNG"] if "YOUNG" in made.skipped else made["YOUNG"].feature_quality < 1
    table = made.table()
    assert table["error"].ne("").sum() == len(made.skipped) and table.index.is_monotonic_increasing
    assert (table["q10"] < table["q90"]).sum() == len(made)


def test_poor_quality_is_refused_with_its_report(panel):
    strict = replace(panel.settings, quality=replace(panel.settings.quality, usable=0.98, good=0.985, excellent=0.99))
    gap = panel.features.copy()
    gap.iloc[-4:, :40] = np.nan
    with pytest.raises(DataQualityError, match="feature quality") as refused:
        build_panel_forecast(replace(panel, settings=strict, features=gap), panel.last, "AAA", NOW)
    assert refused.value.report["score"] < 0.98


def test_asked_twice_stored_once_and_verified(market, tmp_path):
    system = UniverseSystem(UNIVERSE, settings_at(tmp_path), market)
    groups: list[int] = []
    first = system.forecast(on_stored=lambda made: groups.append(len(made)))
    again = UniverseSystem(UNIVERSE, settings_at(tmp_path), market).forecast()  # as a new process would
    assert (first.stored, again.stored, groups) == (4, 0, [4])
    assert {s: f.prediction_id for s, f in first.items()} == {s: f.prediction_id for s, f in again.items()}
    assert {s: f.values for s, f in first.items()} == {s: f.values for s, f in again.items()}
    assert not system.database.verify()
    features = system.database.get_features(first["AAA"].prediction_id)
    assert features["vol_22"] == system.prepared(system.origin()).row(system.origin(), "AAA")["vol_22"]


def test_a_panel_has_a_profile_as_every_target_has(panel):
    bare, own = fk.pipeline.profile_of(panel.target), panel.profile
    assert own.default_kind == bare.default_kind == "log_return" and own.needed == () and own.regime_bounds == ()
    assert own.wanted == tuple(sorted({*panel.universe.symbols, "SPX", "VIX"})) and bare.wanted == ("SPX", "VIX")
    assert [f.name for f in own.declarations] == [*panel.features.columns] == [f.name for f in panel.declarations]
    dated = replace(panel.universe, earnings=reported_dates("AAA", pd.DatetimeIndex(["2015-02-03"])))
    more = {f.name for f in dated.profile(panel.target).declarations} - {f.name for f in bare.declarations}
    assert {"earnings_ahead", "clean_vol_22"} <= more
    assert own.recipe is fk.PanelForecaster and set(own.used(panel.view)) <= set(own.wanted)
    assert own.features_by_series["VIX"] == ["vix_log", "vix_change_5"]
    with pytest.raises(DataError, match="forecast them with forecast_universe"):
        own.engine()


def test_sectors_that_differ_in_case_alone_are_one_and_it_is_said():
    with pytest.warns(DataWarning, match=r"taken as one \(Tech and tech: Tech\)"):
        mixed = Universe(("AAA", "BBB", "CCC"), {"AAA": "tech ", "BBB": "Tech", "CCC": "Energy"})
    plain = Universe(("AAA", "BBB", "CCC"), {"AAA": "Tech", "BBB": "Tech", "CCC": "Energy"})
    assert mixed.sectors == plain.sectors and mixed.key == plain.key


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"results_expected": {"day": "2018-02-01"}}, "results_expected must be a day as 2018-02-01"),
        ({"results_expected": {"date": "soon", "known": "predicted"}}, "results_expected must be a day"),
        ({"results_expected": ["2018-02-01", "scheduled"]}, "results_expected must be a day"),
        ({"history": [["2018-02-01"]]}, "history must be pairs"),
        ({"history": 5}, "history must be pairs"),
        ({"data_notes": 5}, "data_notes must be a list"),
        ({"base_rate": "high"}, "base_rate must be a share"),
        ({"explanation": {"middle": {}}}, "explanation must be base, value and"),
    ],
)
def test_edited_metadata_of_a_stored_forecast_is_one_clear_sentence(panel, edit, words):
    made = build_panel_forecast(panel, panel.last, "AAA", NOW)
    record = json.loads(made.to_json())
    text = json.dumps(record | {"metadata": record["metadata"] | edit})
    with pytest.raises(DataError, match=f"forecast of AAA at .* its metadata were edited: {words}"):
        Forecast.from_json(text)
    assert Forecast.from_json(made.to_json()) == made


def test_outcomes_of_earlier_forecasts_are_joined_when_a_universe_is_forecast_again(market, tmp_path):
    system = UniverseSystem(UNIVERSE, settings_at(tmp_path), market)
    early = system.prepared(system.origin()).sessions[-20]
    assert system.forecast(early).outcomes_recorded == 0
    assert system.forecast(system.market.calendar.offset(early, 4)).outcomes_recorded == 0  # one session too early
    assert system.forecast(store=False).outcomes_recorded == 0
    assert [system.forecast().outcomes_recorded, system.forecast().outcomes_recorded] == [8, 0]
    stored = system.database.get_predictions(end=early)
    assert stored["outcome"].notna().all() and stored["crps"].notna().all()
    for row in stored.itertuples():
        close = market.close(row.symbol)
        change = 100 * np.log(close[row.target_session] / close[row.origin])
        assert row.outcome == pytest.approx(change)
    assert not system.database.verify()


def test_an_earlier_session_is_read_off_the_same_panel(market, tmp_path):
    system = UniverseSystem(UNIVERSE, settings_at(tmp_path), market)
    last = system.prepared(system.origin())
    day = last.sessions[-20]
    made = system.forecast(day, store=False)
    assert system.prepared(day) is last and {one.origin for one in made.values()} == {day}
    alone = UniverseSystem(UNIVERSE, settings_at(tmp_path), market).forecast(day, store=False)
    assert {s: f.values for s, f in made.items()} == {s: f.values for s, f in alone.items()}
    assert {s: f.base_rate for s, f in made.items()} == {s: f.base_rate for s, f in alone.items()}


def test_a_panel_that_cannot_begin_says_until_when(market, tmp_path):
    short = MarketData({name: market.bars(name).head(300) for name in NAMES})
    with pytest.raises(DataError, match="the first forecast will be possible as of"):
        UniverseSystem(NAMES, settings_at(tmp_path), short).forecast()
    with pytest.raises(DataError, match="no symbol of the universe has bars"):
        UniverseSystem(["ZZZ"], settings_at(tmp_path), market).origin()


def bars_in(folder: Path, market: MarketData) -> Path:
    folder.mkdir()
    for name in NAMES:
        market.bars(name).rename_axis("date").to_csv(folder / f"{name}.csv")
    return folder


def test_the_doors_of_python(market, tmp_path):
    source = f"folder:{bars_in(tmp_path / 'bars', market)}"
    options = {"sources": source, "settings": settings_at(tmp_path / "home")}
    made = fk.forecast_universe(NAMES, **options)
    with pytest.warns(UserWarning, match="GONE has no forecast"):
        both = fk.forecast([*NAMES, "GONE"], **options)
    assert made.stored == 4 and set(both) == set(NAMES) and set(both.skipped) == {"GONE"}
    assert fk.PanelForecaster is not None and forecast_universe is fk.forecast_universe


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    "Exit code and output of one command."
    try:
        code = main([*arguments])
    except SystemExit as leave:
        code = int(leave.code or 0)
    return code, capsys.readouterr().out


def test_the_door_of_the_terminal(market, tmp_path, capsys):
    bars_in(tmp_path / "bars", market)
    (tmp_path / "mine.csv").write_text("symbol,sector\nAAA,Energy\nBBB,Energy\nGONE,\n")
    ask = ["forecast", "--universe", str(tmp_path / "mine.csv"), "--sources", f"folder:{tmp_path / 'bars'}"]
    ask += ["--home", str(tmp_path / "home"), "--as-of", f"{market.last_session():%Y-%m-%d}"]
    code, out = said(capsys, *ask, "--json")
    rows = {row["symbol"]: row for row in json.loads(out)}
    assert code == 1 and rows["AAA"]["q10"] < rows["AAA"]["q90"] and "no bars" in rows["GONE"]["error"]
    code, out = said(capsys, *ask, "--csv")
    assert code == 1 and out.splitlines()[0].startswith("symbol,origin,target_session,last_value,q10")
    assert said(capsys, "forecast", "--csv")[0] == 2


def test_the_sample_is_a_universe():
    sample = read_universe_file("sample")
    assert len(sample.symbols) == 20 and sample.sectors["AAPL"] and sample.earnings is None


VICTIM = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_panel_pipeline import big_system
system = big_system(Path(sys.argv[1]))
print("ready", flush=True)
for day in system.prepared(system.origin()).sessions[-3:]:
    system.forecast(day, on_stored=lambda made: print(*(f.prediction_id for f in made), sep="\\n", flush=True))
"""
MANY = tuple(f"S{i:02d}" for i in range(60))


def big_system(home: Path) -> UniverseSystem:
    "Sixty tickers: two groups a session."
    bars = synthetic_market(seed=5, sessions=560, stocks=("AAA",)).market.bars("AAA")
    rng = np.random.default_rng(1)
    closes = {name: bars[["close"]] * np.exp(np.cumsum(rng.normal(0, 0.01, (len(bars), 1)), axis=0)) for name in MANY}
    return UniverseSystem(MANY, settings_at(home, model__rounds=2), MarketData(closes))


def test_a_kill_loses_nothing_that_was_reported_stored(tmp_path):
    big_system(tmp_path).registry  # noqa: B018
    system = big_system(tmp_path)
    system.prepared(system.origin())  # the models are not what is killed here
    system.database.close()
    code = VICTIM.format(tests=str(Path(__file__).parent))
    victim = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    lines = [victim.stdout.readline().strip() for _ in range(52)]
    victim.send_signal(signal.SIGKILL)
    lines += victim.communicate()[0].split()
    reported = {line for line in lines if len(line) == 36}
    database = PredictionDatabase(settings_at(tmp_path).database_url())
    stored = set(database.get_predictions()["prediction_id"])
    assert len(reported) >= 50 and reported <= stored and not database.verify()
    again = big_system(tmp_path)
    days = again.prepared(again.origin()).sessions[-3:]
    assert sum(again.forecast(day).stored for day in days) == 180 - len(stored)


def test_a_registry_of_panels_loads_panels_alone(panel, tmp_path):
    database = PredictionDatabase(f"sqlite:///{tmp_path}/x.db")
    registry = ModelRegistry(tmp_path / "models", database, load_panel)
    model = fk.PanelForecaster(5, rounds=2).fit(panel.features.iloc[:2000], panel.outcomes.iloc[:2000])
    registry.save("v1", model, target=panel.target, origin=panel.last, symbols=NAMES)
    assert isinstance(registry.load("v1"), fk.PanelForecaster)
    with pytest.raises(fk.core.ModelIntegrityError):
        ModelRegistry(tmp_path / "models", database).load("v1")


def test_a_ticker_without_bars_by_then_changes_no_name(market: MarketData, panel: PreparedPanel, tmp_path: Path):
    late = market.bars("AAA").iloc[-60:]
    listed = without(market, "NEW").with_series("NEW", late)
    wider = replace(UNIVERSE, symbols=(*NAMES, "NEW", "GONE"))
    grown = prepare_panel(listed, wider, settings_at(tmp_path), market.last_session())
    known = without(market, "NEW")
    whole = prepare_panel(known, UNIVERSE, settings_at(tmp_path), market.last_session())
    before = whole.sessions[whole.sessions < late.index[0]]
    assert len(before) and grown.names.keys() == whole.names.keys()
    assert grown.versions.fingerprints[before].equals(whole.versions.fingerprints[before])
    assert not grown.versions.fingerprints[late.index].isin(whole.versions.fingerprints).any()
    old = sessions_of(whole.origins) < late.index[0]
    assert np.array_equal(grown.quantiles[: old.sum()], whole.quantiles[old])


def test_spans_of_a_universe_file_say_who_is_forecast_and_ranked(market: MarketData, tmp_path: Path):
    days = market.bars("AAA").index
    (tmp_path / "mine.csv").write_text(
        f"symbol,from,to\nAAA,,{days[-10]:%Y-%m-%d}\nBBB,,\nCCC,{days[-5]:%Y-%m-%d},\nDDD,2014-01-02,\nVIX,,\n"
    )
    universe = read_universe_file(tmp_path / "mine.csv")
    prepared = prepare_panel(market, universe, settings_at(tmp_path), market.last_session())
    assert prepared.skipped == {"VIX": "VIX has a model of its own: forecast it alone"}
    rows = prepared.features.index
    assert (days[-10], "AAA") in rows and (days[-9], "AAA") not in rows
    assert (days[-6], "CCC") not in rows and (days[-5], "CCC") in rows
    with pytest.raises(DataError, match=r"AAA .* it was no member of the universe then"):
        prepared.at(days[-1], "AAA")
    ranks = prepared.features["rank_return_5"].loc[days[-7]]
    assert sorted(ranks) == [0.0, 1.0]  # BBB and DDD alone


def test_a_doubt_stands_in_the_table(market: MarketData, tmp_path: Path):
    bars = market.bars("AAA").copy()
    bars.loc[bars.index[-8] :, ["open", "high", "low", "close"]] /= 10
    made = UniverseSystem(UNIVERSE, settings_at(tmp_path), without(market, "AAA").with_series("AAA", bars)).forecast(
        store=False
    )
    notes = made.table()["notes"]
    assert "quality" in notes["AAA"] and notes["BBB"] == "" and made["AAA"].feature_quality < 1


def test_one_form_of_a_table_at_a_time(capsys: pytest.CaptureFixture[str]):
    assert main(["forecast", "--universe", "sample", "--json", "--csv"]) == 2
    assert "give one of them" in capsys.readouterr().err
