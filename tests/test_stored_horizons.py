"Forecasts of several horizons in the ledger: stored once, read back to the bit, chained, checked, listed, exported and backed up."

import json
from contextlib import closing
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

import forecastkit as fk
from forecastkit.cli.main import main
from forecastkit.core import PROBS, DataError, load_settings
from forecastkit.forecasts import MultiHorizonForecast
from forecastkit.ledger import (
    HORIZONS,
    PredictionDatabase,
    audit_ledger,
    horizon_tables,
    store_horizons,
    stored_horizons,
    transaction,
)
from forecastkit.ops import back_up, restore

pytest_plugins = ["engine_fixtures"]
MADE = datetime(2018, 2, 5, 22, tzinfo=UTC)


def record_of(symbol: str = "XYZ", origin: str = "2018-02-05", scale: float = 0.02) -> MultiHorizonForecast:
    return MultiHorizonForecast.from_quantiles(
        np.outer(scale * np.sqrt([1, 5, 21]), np.linspace(-2, 2, len(PROBS))), symbol=symbol, timeframe="d1", origin=origin, horizons=(1, 5, 21),
        targets=("2018-02-06", "2018-02-12", "2018-03-07"), kind="log_return", probs=PROBS, last_value=30.1, feature_quality=1.0,
        model_versions=("a", "b", "c"), code_version="1", data_fingerprint="f", made_at=MADE,
    )  # fmt: skip


def database_at(url: str, tmp_path) -> PredictionDatabase:
    (tmp_path / "home").mkdir(exist_ok=True)
    return PredictionDatabase(url)


def test_a_record_is_stored_once_and_read_back_equal_in_every_bit(url, tmp_path):
    with closing(database_at(url, tmp_path)) as database:
        records = [record_of(origin=day) for day in ("2018-02-05", "2018-02-06", "2018-02-07")] + [record_of("ABC")]
        assert [store_horizons(database, one) for one in (*records, records[0])] == [True] * 4 + [False]
        assert [one.to_json() for one in stored_horizons(database, symbol="XYZ")] == [
            one.to_json() for one in records[:3]
        ]
        assert [one.origin for one in stored_horizons(database, start="2018-02-06", end="2018-02-06")] == ["2018-02-06"]
        assert [one.origin for one in stored_horizons(database, symbol="XYZ", limit=1)] == ["2018-02-07"]
        assert [len(stored_horizons(database, horizon=h)) for h in (1, 5, 21, 2)] == [4, 4, 4, 0]  # 2 is not 21
        found = audit_ledger(database)
        assert found.ok and found.counts["of_several_horizons"] == 4 and found.ends[HORIZONS.name][0] == 4


def test_rows_can_be_neither_changed_nor_deleted(url, tmp_path):
    with closing(database_at(url, tmp_path)) as database:
        store_horizons(database, record_of())
        for words in ("UPDATE horizon_predictions SET symbol = 'ABC'", "DELETE FROM horizon_predictions"):
            with pytest.raises(DataError, match="append-only"), transaction(database.engine, write=True) as connection:
                connection.execute(sa.text(words))


def drop_guard(database: PredictionDatabase) -> None:
    with transaction(database.engine, write=True) as connection:
        connection.exec_driver_sql("DROP TRIGGER horizon_predictions_no_update")


@pytest.mark.parametrize(("column", "value"), [("symbol", "ABC"), ("horizons", "1,5"), ("origin", "2018-02-06")])
def test_a_row_that_was_changed_is_named(tmp_path, column, value):
    with closing(database_at(f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path)) as database:
        store_horizons(database, record_of())
        drop_guard(database)
        with transaction(database.engine, write=True) as connection:
            connection.execute(sa.update(HORIZONS).values({column: value}))
        words = "\n".join(map(str, audit_ledger(database).problems))
        assert "was changed after it was written" in words and f"has {column} {value}, and its record says" in words
        assert database.verify()


def test_a_record_that_is_yet_to_come_is_refused(tmp_path):
    early = datetime(2018, 2, 5, tzinfo=UTC)
    database = PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db", clock=lambda: early)
    with closing(database), pytest.raises(DataError, match="yet to come"):
        store_horizons(database, record_of())


def test_backups_and_exports_carry_the_records(tmp_path):
    with closing(database_at(f"sqlite:///{tmp_path}/home/forecasts.db", tmp_path)) as database:
        assert [len(table) for table in horizon_tables(database)] == [0]
        store_horizons(database, record_of())
        [table] = horizon_tables(database)
        back_up(database, tmp_path / "models", tmp_path / "all.tar.gz")
    assert table["horizon"].tolist() == [1, 5, 21] and np.allclose(table["raw_q10"], table["q10"])
    restore(tmp_path / "all.tar.gz", f"sqlite:///{tmp_path}/again.db", tmp_path / "again")
    with closing(PredictionDatabase(f"sqlite:///{tmp_path}/again.db")) as again:
        assert [one.to_json() for one in stored_horizons(again)] == [record_of().to_json()] and audit_ledger(again).ok


@pytest.fixture(scope="module")
def forecast_home(tmp_path_factory):
    "A home in which one forecast of several horizons was made through the door, and one of its horizons alone before it."
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("bars")
    days = fk.calendars.get_calendar("XNYS").sessions_in_range("2016-01-04", "2018-06-29")
    close = 50 * np.exp(np.cumsum(0.01 * np.random.default_rng(2).standard_normal(len(days))))
    pd.DataFrame(
        {"date": days, "open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": 1e6}
    ).to_csv(folder / "XYZ.csv", index=False)
    settings = load_settings(
        overrides={"data.home": str(home), "data.sources": f"folder:{folder}", "run.progress": False, "run.n_jobs": 1, "model.refit_every": 252,
                   "model.walk_start": "2018-04-02"}
    )  # fmt: skip
    alone = fk.forecast("XYZ", horizon=5, settings=settings)
    return home, alone, fk.forecast("XYZ", horizons=(1, 5), settings=settings), settings


def test_the_door_stores_the_record_beside_single_forecasts_that_keep_their_bits(forecast_home):
    _, alone, record, settings = forecast_home
    with closing(PredictionDatabase(settings.database_url())) as database:
        assert [one.to_json() for one in stored_horizons(database)] == [record.to_json()]
        assert database.get_forecast(alone.prediction_id) == alone and len(database.get_predictions("XYZ")) == 2
        assert audit_ledger(database).ok
        fk.forecast("XYZ", horizons=(1, 5), settings=settings)
        assert len(stored_horizons(database)) == 1


def run(*words: str) -> int:
    try:
        return main(list(words))
    except SystemExit as end:
        return int(end.code or 0)


def test_the_commands_list_check_and_export_the_record(forecast_home, tmp_path, capsys):
    home, _, record, _ = forecast_home
    assert run("forecasts", "list", "--multi-horizon", "--home", str(home), "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["horizon"] for row in rows] == [1, 5] and {row["id"] for row in rows} == {record.prediction_id}
    assert run("forecasts", "verify", "--home", str(home), "--recompute", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["of_several_horizons"] == 1
    for name in ("x.csv", "x.parquet"):
        assert run("forecasts", "export", "--multi-horizon", str(tmp_path / name), "--home", str(home)) == 0
    assert pd.read_csv(tmp_path / "x.csv")["q50"].tolist() == pd.read_parquet(tmp_path / "x.parquet")["q50"].tolist()
