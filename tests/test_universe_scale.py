"A panel walked by two Dask workers has the bits of one process."

from pathlib import Path

import numpy as np
import pytest

from forecastkit.core import load_settings
from forecastkit.data import MarketData, synthetic_market
from forecastkit.pipeline import PreparedPanel, Universe, prepare_panel

NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")


def prepared(market: MarketData, home: Path, **run: object) -> PreparedPanel:
    "The panel of the six tickers with many small versions, walked as `run` says."
    given = {"data.home": str(home), "model.rounds": 5, "model.walk_start": "2000-01-01", "model.refit_every": 21}
    given |= {"run.progress": False} | {f"run.{name}": value for name, value in run.items()}
    settings = load_settings(environ={}, overrides=given)
    return prepare_panel(market, Universe(NAMES), settings, market.last_session())


@pytest.mark.slow("test_universe_backtest.py::test_dask_workers_keep_the_same_books")
def test_two_dask_workers_give_the_bits_of_one_process(tmp_path):
    distributed = pytest.importorskip("distributed", reason="two Dask workers need the extra forecastkit[dask]")
    market = synthetic_market(seed=5, sessions=700, start="2014-01-02", stocks=NAMES).market
    alone = prepared(market, tmp_path, n_jobs=1)
    assert len(alone.names) >= 4 and len(alone.origins) > 500, "too few versions for two workers"
    quiet = {"dashboard_address": None, "processes": True, "threads_per_worker": 1}
    with distributed.LocalCluster(n_workers=2, **quiet) as cluster:
        shared = prepared(market, tmp_path, dask=cluster.scheduler_address)
        assert cluster.scheduler.transition_counter > 0, "no task reached the cluster"
    assert shared.origins.equals(alone.origins) and shared.grid.equals(alone.grid)
    assert np.isfinite(alone.raw).all()
    for name in ("raw", "quantiles", "active"):
        assert np.array_equal(getattr(shared, name), getattr(alone, name)), name
