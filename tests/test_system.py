"""The composition root: the same bits however asked, nothing from tomorrow, nothing stored that should not be."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError, DataQualityError, DataWarning, ModelIntegrityError, SettingsError, Target
from forecastkit.core.settings import load_settings
from forecastkit.data.market import MarketData
from forecastkit.data.sources import load_market
from forecastkit.data.synthetic import synthetic_market
from forecastkit.forecasts import Forecast
from forecastkit.pipeline import forecast, profile_of
from forecastkit.pipeline.daily import filtered_regimes
from forecastkit.pipeline.preparation import prepare
from forecastkit.pipeline.system import IntegratedSystem

NYSE = get_calendar("XNYS")


def settings_at(home, **more):
    "Quiet settings with their own home, few versions and a short boosting: what is tested here does not depend on them."
    return load_settings(
        environ={},
        overrides={"data.home": str(home), "run.progress": False, "model.rounds": 5, "model.refit_every": 126}
        | {k.replace("__", "."): v for k, v in more.items()},
    )


def without_clock(text: str) -> dict:
    return {k: v for k, v in json.loads(text).items() if k != "made_at"}


@pytest.fixture(scope="module")
def market():
    return synthetic_market(seed=11, sessions=1000).market


@pytest.fixture(scope="module")
def system(market, tmp_path_factory):
    made = IntegratedSystem(settings=settings_at(tmp_path_factory.mktemp("home")), market=market)
    made.daily()
    return made


def test_two_runs_in_two_homes_give_the_same_bytes(system, market, tmp_path):
    other = IntegratedSystem(settings=settings_at(tmp_path), market=market).generate_forecast()
    assert without_clock(other.to_json()) == without_clock(system.generate_forecast().to_json())
    stored = system.database.get_forecast(other.prediction_id)
    assert without_clock(stored.to_json()) == without_clock(other.to_json())


@pytest.mark.slow("test_forecaster.py::test_one_thread_and_two_give_the_same_bits")
def test_one_thread_and_two_give_the_same_bytes(tmp_path, five_years):
    made = []
    for threads in ("1", "2"):
        quick = {
            "OMP_WAIT_POLICY": "passive",
            "FORECASTKIT_MODEL_ROUNDS": "5",
            "FORECASTKIT_MODEL_REFIT_EVERY": "126",
            "FORECASTKIT_RUN_N_JOBS": "1",
        }
        env = os.environ | quick | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-m", "forecastkit", "forecast", "--json", "--sources", f"folder:{five_years}", "--as-of", "2016-09-30", "--home", str(tmp_path / threads)]  # fmt: skip
        run = subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd=tmp_path)
        made.append(without_clock(run.stdout))
    assert made[0] == made[1]


def test_asking_twice_stores_once(system):
    before = len(system.forecast_history)
    system.generate_forecast()
    again = system.daily()
    assert len(system.forecast_history) == before
    assert again.stored == 0 and again.outcomes_recorded == 0


def test_the_provisional_forecast_is_what_the_version_in_force_gives_and_is_not_stored(market, tmp_path):
    fresh = IntegratedSystem(settings=settings_at(tmp_path), market=market)
    assert fresh.first_run_notice()
    early = fresh.provisional_forecast()
    assert fresh.last_forecast is None
    prepared = fresh.prepared(fresh.origin())
    model = prepared.versions.load(prepared.grid[-1])
    raw = model.predict_quantiles(prepared.features, last=1)[0]
    np.testing.assert_array_equal(early.values, fresh.target.from_log(raw))
    assert early.metadata["calibration"].startswith("off")
    assert fresh.generate_forecast().model_version == early.model_version


def test_a_warm_system_finds_out_that_its_stored_model_was_damaged_or_replaced(market, tmp_path):
    "The version loaded last stays in memory, not past its files."
    warm = IntegratedSystem(settings=settings_at(tmp_path), market=market)
    version = warm.generate_forecast().model_version
    versions, registry = warm.prepared(market.close("VIX").index[-1]).versions, warm.registry
    grid = next(day for day in reversed(versions.fingerprints.index) if versions.name(day) == version)
    assert versions.load(grid) is versions.load(grid)
    another = registry.load(version)
    another.tail_share_ = 0.5
    folder = registry.folder / version
    file = next(path for path in sorted(folder.rglob("*")) if path.is_file())
    stat, held = file.stat(), file.read_bytes()
    file.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))  # as long as before, and as old
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(ModelIntegrityError, match="was changed"):
        versions.load(grid)
    shutil.rmtree(folder)
    assert versions.load(grid) is None
    registry.save(version, another, target=warm.target, origin=grid)  # as trained on another machine
    assert versions.load(grid).tail_share_ == 0.5


def test_not_storing_stores_nothing(market, tmp_path):
    quiet = IntegratedSystem(settings=settings_at(tmp_path), market=market)
    quiet.generate_forecast(store_prediction=False)
    assert quiet.forecast_history.empty and quiet.last_forecast is None


def test_batch_names_skipped_sessions_with_reasons(system, market):
    days = market.bars("VIX").index
    batch = system.generate_forecast_batch(days[300], days[560], frequency="weekly", store_prediction=False)
    assert batch and batch.skipped
    assert all("possible as of" in reason for reason in batch.skipped.values())
    weeks = pd.DatetimeIndex([f.origin for f in batch]).isocalendar()
    assert not weeks.duplicated(["year", "week"]).any()
    nothing = system.generate_forecast_batch(days[0], days[20], store_prediction=False)
    assert not nothing and len(nothing.skipped) == 21
    with pytest.raises(DataError, match="frequency"):
        system.generate_forecast_batch(days[-3], days[-1], frequency="hourly")


def test_batch_and_single_agree(system, market):
    days = market.bars("VIX").index[-5:]
    batch = system.generate_forecast_batch(days[0], days[-1], store_prediction=False)
    for made in batch:
        single = system.generate_forecast(made.origin, store_prediction=False)
        assert without_clock(single.to_json()) == without_clock(made.to_json())


def test_run_is_deprecated_and_forwards(system):
    with pytest.warns(DeprecationWarning, match="generate_forecast"):
        assert isinstance(system.run(store_prediction=False), Forecast)


def test_poor_data_store_nothing_and_the_day_says_so(market, tmp_path):
    bars = market.bars("VIX").copy()
    bars.loc[bars.index[-30:], ["open", "high", "low"]] = np.nan
    broken = MarketData({"VIX": bars, "SPX": market.bars("SPX")})
    good_until = bars.index[-31]
    strict = settings_at(tmp_path, quality__usable=0.97, quality__good=0.98, quality__excellent=0.99)
    system = IntegratedSystem(settings=strict, market=broken)
    system.generate_forecast(good_until)
    with pytest.raises(DataQualityError) as caught:
        system.generate_forecast()
    assert caught.value.report["issues"]
    assert list(system.forecast_history["origin"]) == [good_until]
    day = system.daily()
    assert day.forecast is None and day.failure is not None
    assert day.last_good.origin <= day.as_of


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("2018-07-04", "2018-07-03"),
        ("2018-07-07", "weekend"),
        ("2019-03-01", "lies after the data"),
        ("1999-01-04", "set walk_start to"),
        ("soon", "no date"),
    ],
)
def test_wrong_dates_are_refused_in_one_sentence(tmp_path, when, says):
    system = IntegratedSystem(settings=settings_at(tmp_path))
    with pytest.raises(DataError, match=says):
        system.generate_forecast(when)
    assert not (tmp_path / "forecasts.db").exists() or system.forecast_history.empty


def equal_frames(left, right):
    pd.testing.assert_frame_equal(left, right, check_exact=True, check_freq=False)


def check_as_of(market, dates, whole):
    "Rows computed from the whole market equal, bit for bit, those computed from the market cut at each date."
    target, settings = Target("VIX"), settings_at("unused", model__refit_every=63)
    engine = profile_of(target).engine()
    X = engine.build_features(market)
    regimes = filtered_regimes(market)
    for date in dates:
        view = market.as_of(date)
        equal_frames(engine.build_features(view).loc[[date]], X.loc[[date]])
        equal_frames(filtered_regimes(view).loc[[date]], regimes.loc[[date]])
    everything = prepare(market, target, settings, market.last_session(["VIX", "SPX"]))
    for date in whole:
        then = prepare(market.as_of(date), target, settings, date)
        np.testing.assert_array_equal(then.quantiles[-1], everything.quantiles[everything.at(date)])
        assert then.names[then.grid[-1]] == everything.names[everything.grid[everything.at(date)]]


def first_possible(market):
    with pytest.raises(DataError, match="possible as of") as caught:
        prepare(market, Target("VIX"), settings_at("unused"), market.bars("VIX").index[100])
    return pd.Timestamp(str(caught.value).split("possible as of ")[-1][:10])


def test_the_settings_of_drift_and_dask_reach_the_walk(five_years):
    market, target = load_market(f"folder:{five_years}"), Target("VIX")
    end = market.bars("VIX").loc[:"2017-06-30"].index[-1]
    base = settings_at("unused")
    limited = replace(base, model=replace(base.model, drift_limit=0.5))
    early, usual = prepare(market, target, limited, end), prepare(market, target, base, end)
    off = early.grid.difference(usual.grid)
    assert len(off), "no drift was found: the test shows nothing"
    served = early.origins[early.grid.isin(off)]
    then = prepare(market.as_of(served[0]), target, limited, served[0])
    assert then.names[then.grid[-1]] == early.names[early.grid[early.at(served[0])]]
    np.testing.assert_array_equal(then.quantiles[-1], early.quantiles[early.at(served[0])])
    with pytest.raises(SettingsError, match="Dask"):
        prepare(market, target, replace(base, run=replace(base.run, dask="tcp://127.0.0.1:9")), end)


@pytest.mark.parametrize(
    ("end", "cuts", "whole"),
    [
        ("2016-12-30", 8, [2, 6]),
        pytest.param("2018-12-31", 20, [1, 6, 10, 14, 18], marks=pytest.mark.slow("test_nothing_sees_tomorrow")),
    ],
)
def test_nothing_sees_tomorrow(five_years, end, cuts, whole):
    market = load_market(f"folder:{five_years}").as_of(end)
    days = market.bars("VIX").loc[first_possible(market) :].index
    rng = np.random.default_rng(20181231)
    dates = days[np.sort(rng.choice(len(days), cuts, replace=False))]
    check_as_of(market, dates, dates[whole])


def test_own_bars_train_few_versions_and_are_forecast_by_the_one_in_force(monkeypatch):
    from forecastkit.models import ProbabilisticForecaster

    fitted, fit = [], ProbabilisticForecaster.fit
    monkeypatch.setattr(
        ProbabilisticForecaster, "fit", lambda self, X, y: fitted.append(X.index[-1]) or fit(self, X, y)
    )
    market = synthetic_market(seed=3, sessions=1700).market
    bars, nyse = market.bars("SPX"), market.calendar
    made = forecast(bars, symbol="MINE", kind="log_return", progress=False)
    assert fitted == sorted(set(fitted)) and len(fitted) <= 7  # 17 spans of the grid, every fourth and both ends
    assert made.metadata["trained_at"] == f"{nyse.grid_session(bars.index[-1]):%Y-%m-%d}" == f"{fitted[-1]:%Y-%m-%d}"
    assert made.metadata["calibration"] == "on"


@pytest.mark.slow("test_own_bars_train_few_versions_and_are_forecast_by_the_one_in_force")
def test_few_versions_of_own_bars_give_the_median_of_many_and_about_their_width():
    market = synthetic_market(seed=3, sessions=1700).market
    bars, nyse = market.bars("SPX"), market.calendar
    settings, own = load_settings(), MarketData({"MINE": bars}, events=market.events, calendar=nyse)
    target, last = Target("MINE", "log_return"), bars.index[-1]
    dense, held = (prepare(own, target, settings, last, first=bars.index[-1000], hold=hold) for hold in (1, 4))
    np.testing.assert_array_equal(
        held.quantiles[-1][11], dense.quantiles[-1][11]
    )  # the median comes from one and the same version
    width = [float(q.quantiles[-1][19] - q.quantiles[-1][3]) for q in (dense, held)]
    assert width[1] == pytest.approx(width[0], rel=0.1)


def test_own_bars_need_nothing_but_themselves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bars = synthetic_market(seed=3, sessions=1000).market.bars("SPX")
    for horizon in (1, 5, 21):
        made = forecast(
            bars, symbol="MINE", kind="log_return", horizon=horizon, settings=settings_at("home"), progress=False
        )
        assert (made.symbol, made.kind, made.horizon, made.origin) == ("MINE", "log_return", horizon, bars.index[-1])
        assert made.target_session == NYSE.offset(bars.index[-1], horizon)
        assert not made.regime_probabilities
    assert not list(tmp_path.iterdir()), "own bars are never stored"


def test_too_few_bars_name_the_remedy():
    bars = synthetic_market(seed=3, sessions=200).market.bars("SPX")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match="400"):
            forecast(bars, symbol="MINE", kind="log_return", progress=False)


def test_a_ledger_that_was_lost_is_not_begun_anew_without_a_word(tmp_path):
    system = IntegratedSystem(settings=settings_at(tmp_path))
    (system.home.models / "vix-2018").mkdir(parents=True)
    with pytest.warns(DataWarning, match="1 model versions lie beside it: it was lost; a new one is begun"):
        assert system.forecast_history.empty
