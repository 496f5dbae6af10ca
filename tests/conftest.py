"Fixtures shared by all tests."

import functools
import gc
import subprocess
import sys
from functools import wraps
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# The files that take longest, longest first: they begin first, so that no worker ends with a long one.
# fmt: off
LONG_FILES = [
    "database", "user_code", "system", "cli", "backups", "data_commands", "panel_pipeline", "directions", "forecaster",
    "universe_backtest", "panel_verification", "evaluation", "lookahead", "horizons", "multi_target", "verification", "package",
    "stored_explanations", "promised_names", "day", "watch", "seals", "reports", "earnings", "direction",
    "confidence_calibrator", "sources", "hostile_vendors", "estimators", "universe", "universe_page", "training", "shadow",
    "forecasting", "told_symbols", "regimes", "explain", "retention", "rescoring", "serving", "walkforward", "backtest",
    "volatility_features", "stored_horizons", "types", "alerts", "doubtful_tickers", "kills",
]
# fmt: on


settings.register_profile("untimed", deadline=None)  # timing decides no test
settings.load_profile("untimed")

# Objects by the hundred thousand live as long as a worker: to look through them for circles took a twelfth of the time.
gc.set_threshold(200_000, 20, 20)


# What trains models over lines that the others run too: its tests are run untraced, because a traced model takes half as long again.
# fmt: off
UNTRACED = {
    "system", "forecaster", "data_commands", "panel_pipeline", "day", "directions", "verification", "panel_verification",
    "lookahead", "horizons", "promised_names", "seals", "told_symbols", "forecasting", "universe", "earnings", "direction",
    "regimes", "rescoring", "retention", "walkforward", "backtest", "types", "package", "explain", "training", "database", "estimators",
    "volatility_features", "doubtful_tickers", "kills", "user_code", "stored_explanations", "multi_target",
    "panel_recomputation", "serving", "quality", "hostile_vendors", "audit_attacks", "audit_others", "known_numbers",
    "site", "notebooks", "architecture", "habits", "proofs",  # which read text, and run no line of the package that others do not
}
# fmt: on


def pytest_collection_modifyitems(items):
    place = {f"test_{name}": number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
    for item in items:
        if item.path.stem.removeprefix("test_") in UNTRACED:
            item.add_marker("no_cover")


@pytest.fixture(scope="session", autouse=True)
def names_of_parameters_are_read_once():
    "scikit-learn reads the signature of a class four times for each tree that it grows, which takes a quarter of a forest's fit; here once a class."
    from sklearn.base import BaseEstimator

    read = functools.cache(BaseEstimator._get_param_names.__func__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseEstimator, "_get_param_names", classmethod(lambda cls: list(read(cls))))
        yield


@pytest.fixture(scope="session", autouse=True)
def walks_stay_here():
    "Models are fitted in the test's own process: to start two more takes seconds, the small models of tests take tenths of one."
    from forecastkit.evaluation import walkforward

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walkforward, "VERSIONS_A_PROCESS", 10**6)
        yield


MIGRATED = {
    "database",
    "old_homes",
    "kills",
    "pauses",
    "ledger_commands",
}  # files whose ledgers go through every migration


@functools.cache
def ledger_statements() -> tuple[str, ...]:
    "What all migrations leave in an empty ledger, as SQL: twenty times as quick as the migrations."
    from forecastkit.ledger.engine import REVISIONS, make_engine, transaction, upgrade

    engine = make_engine("sqlite://")
    with transaction(engine, write=True) as connection:
        upgrade(connection, REVISIONS[-1])
    with engine.connect() as connection:
        dumped = tuple(connection.connection.driver_connection.iterdump())
    engine.dispose()
    return dumped[1:-1]  # without BEGIN and COMMIT


@pytest.fixture(scope="module", autouse=True)
def ledgers_begin_at_the_end(request):
    "An empty SQLite ledger gets its tables in one go; `test_database` proves them those of the migrations."
    from forecastkit.ledger import engine

    migrate = engine.upgrade

    @wraps(migrate)  # the tests of `help` read it too
    def upgrade(connection, revision="head"):
        if connection.dialect.name != "sqlite" or revision != "head" or sa.inspect(connection).get_table_names():
            return migrate(connection, revision)
        for statement in ledger_statements():
            connection.exec_driver_sql(statement)

    with pytest.MonkeyPatch.context() as patch:
        if request.path.stem.removeprefix("test_") not in MIGRATED:
            patch.setattr(engine, "upgrade", upgrade)
        yield


@pytest.fixture
def walks_in_processes(monkeypatch):
    "Models are fitted in as many processes as `run.n_jobs` says, as they are for users."
    from forecastkit.evaluation import walkforward

    monkeypatch.setattr(walkforward, "VERSIONS_A_PROCESS", 4)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    "Real market data beside the checkout; the tests that want them are skipped where they are absent."
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder shared/data does not lie beside the checkout")
    return folder


@pytest.fixture(scope="session")
def five_years(tmp_path_factory) -> Path:
    "A folder with the VIX and the S&P 500 of 2014-2018 out of the sample: the first forecast is possible in 2015, a walk takes seconds."
    from forecastkit.data import load_market

    folder, market = tmp_path_factory.mktemp("five_years"), load_market("sample", symbols={"VIX", "SPX"})
    for symbol in ("VIX", "SPX"):
        market.bars(symbol).loc["2014":].rename_axis("date").to_csv(folder / f"{symbol}.csv")
    return folder


@pytest.fixture(scope="module")
def few_years(five_years):
    "That folder is what the settings name as their sources, versions are few, their boosting is short, and one process works."
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORECASTKIT_MODEL_ROUNDS", "5")
        patch.setenv("FORECASTKIT_MODEL_REFIT_EVERY", "126")
        patch.setenv("FORECASTKIT_RUN_N_JOBS", "1")
        patch.setenv("FORECASTKIT_DATA_SOURCES", f"folder:{five_years}")
        yield


@pytest.fixture(scope="session")
def installed_wheel(tmp_path_factory) -> Path:
    "The wheel of this checkout, installed into a folder of its own."
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("forecastkit-*.whl")
    target = folder / "site"
    subprocess.run(
        [*pip, "install", "--no-compile", "--no-deps", "--no-index", "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
    )
    return target
