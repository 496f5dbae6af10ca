"The feature cache: the same bits with and without it, what misses and what does not, damage, limits, many processes."

import os
import pickle
import random
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markets import frame_of, whole_market, without

from forecastkit.calendars import get_calendar
from forecastkit.core import DataWarning
from forecastkit.data.market import MarketData, Repair
from forecastkit.features.base import Feature, Inputs, compute_features
from forecastkit.features.cache import FeatureCache, code_digest, column_keys, engine_digest
from forecastkit.features.stock import stock_features
from forecastkit.features.volatility import volatility_features

NYSE = get_calendar("XNYS")

pytestmark = pytest.mark.filterwarnings("ignore:.*FOMC.*")
FEATURES = volatility_features()


@pytest.fixture(scope="module")
def market() -> MarketData:
    return whole_market(700, start="2012-01-03")


@pytest.fixture(scope="module")
def plain(market):
    return compute_features(FEATURES, market, "VIX")


@pytest.fixture(scope="module")
def keys(market):
    return column_keys(FEATURES, Inputs(market, "VIX"))


def moved(keys, market, features=FEATURES) -> set[str]:
    "The features whose columns are looked for under another name."
    return {f.name for f, old, new in zip(features, keys, column_keys(features, Inputs(market, "VIX"))) if old != new}


def declare(compute, name="own", needs=("VIX",), **other) -> Feature:
    return Feature(name, "test", needs, 0, "", -1e9, 1e9, "A test.", compute, **other)


def test_the_same_bits_with_and_without_the_cache(market, plain, tmp_path):
    drawn = replace(FEATURES[0], name="drawn", winsor=0.01)
    features, cache = (*FEATURES, drawn), FeatureCache(tmp_path / "features.sqlite")
    whole = compute_features(features, market, "VIX")
    assert whole.iloc[:, :-1].to_numpy().tobytes() == plain.to_numpy().tobytes()
    for order in (features, features, features[::-1], features[50:90]):
        found = compute_features(order, market, "VIX", cache=pickle.loads(pickle.dumps(cache)))  # noqa: S301  as workers get it
        assert list(found.columns) == [f.name for f in order]
        assert found.to_numpy().tobytes() == whole[found.columns].to_numpy().tobytes()
        assert found.to_numpy().flags["C_CONTIGUOUS"] == whole.to_numpy().flags["C_CONTIGUOUS"]
    assert np.isnan(whole).any(axis=None)


def test_the_second_visit_computes_nothing(market, tmp_path):
    cache, inputs, asked = FeatureCache(tmp_path / "features.sqlite"), Inputs(market, "VIX"), []

    def column(feature):
        asked.append(feature.name)
        return feature.compute(inputs).to_numpy()

    for expected in ([f.name for f in FEATURES], []):
        asked.clear()
        assert len(list(cache.columns(FEATURES, inputs, column))) == len(FEATURES)
        assert asked == expected


@pytest.mark.parametrize("series", ["VIX", "SPX", "VIX3M", "IXIC", "BTC", "BAA", "DGS2"])
def test_a_changed_row_renames_the_columns_that_read_it_and_no_other(market, keys, series):
    frame = frame_of(market, series)
    numbers = [name for name in ("close", "value") if name in frame]
    frame.iloc[-9, frame.columns.get_indexer(numbers)] *= 1 + 1e-12
    reading = {feature.name for feature in FEATURES if series in feature.needs}
    assert reading
    assert moved(keys, market.with_series(series, frame)) == reading


def test_what_no_formula_reads_renames_nothing(market, keys):
    repair = Repair("SPX", market.close("SPX").index[5], "no row for this session", "left absent")
    told = market.with_series("SPX", market.bars("SPX"), [repair], "another source")
    assert moved(keys, told) == set()
    assert moved(keys, market.with_series("AAPL", market.bars("SPX"))) == set()
    shuffled = MarketData({s: frame_of(market, s).sample(frac=1, random_state=1) for s in market.symbols[::-1]})
    assert moved(keys, shuffled) == set()


def test_an_absent_series_renames_its_columns(market, keys):
    gone = without(market, "GLD")
    assert moved(keys, gone) == {feature.name for feature in FEATURES if "GLD" in feature.needs}


def test_views_of_one_session_share_columns_whatever_came_later(market):
    day = market.close("VIX").index[499]
    shorter = MarketData({s: frame_of(market, s).loc[: day + pd.Timedelta(days=50)] for s in market.symbols})
    then = column_keys(FEATURES, Inputs(market.as_of(day), "VIX"))
    assert moved(then, shorter.as_of(day)) == set()
    assert moved(then, market.as_of(market.close("VIX").index[500])) == {feature.name for feature in FEATURES}


CHANGES = {
    "name": "other", "family": "other", "needs": ("VIX", "SPX"), "warmup": 9, "unit": "%", "low": -5.0, "high": 5.0, "why": "So.",
    "columns": ("close", "high"), "pulse": True, "either": ("VIX",), "winsor": 0.01, "compute": lambda x: x.close("VIX") + 1,
}  # fmt: skip


@pytest.mark.parametrize("field", CHANGES)
def test_a_changed_declaration_renames_its_column_and_no_other(market, keys, field):
    assert set(CHANGES) == set(Feature.__dataclass_fields__)
    changed = [*FEATURES]
    changed[7] = replace(FEATURES[7], **{field: CHANGES[field]})
    found = column_keys(changed, Inputs(market, "VIX"))
    assert [i for i, (old, new) in enumerate(zip(keys, found)) if old != new] == [7]


def helper(x):
    return x.close("VIX") * 2


TABLE = {"one": lambda x: x.close("VIX"), "two": lambda x: x.log("VIX")}
FACTOR = 2.0


def test_what_a_formula_calls_is_part_of_it(monkeypatch):
    formulas = [lambda x: helper(x), lambda x: TABLE["one"](x), lambda x: x.close("VIX") * FACTOR]

    def digests():
        return [code_digest(formula) for formula in formulas]

    first, here = digests(), sys.modules[__name__]
    assert digests() == first
    assert len({*first}) == 3
    monkeypatch.setattr(here, "helper", lambda x: x.close("VIX") * 3)
    monkeypatch.setattr(here, "TABLE", {"one": TABLE["two"], "two": TABLE["one"]})
    monkeypatch.setattr(here, "FACTOR", 2.5)
    assert all(old != new for old, new in zip(first, digests()))


def test_parameters_are_part_of_a_formula():
    def made(n, how="mean"):
        return lambda x, m=n: x.rolling("VIX", "log", m, how)

    assert code_digest(made(5)) == code_digest(made(5))
    assert len({code_digest(one) for one in (made(5), made(6), made(5, "max"), made(5.0))}) == 4


def test_a_formula_with_a_state_is_computed_each_time(market, tmp_path):
    class Counter:
        seen = 0

        def __call__(self, x):
            self.seen += 1
            return x.close("VIX")

    counter, cache = Counter(), FeatureCache(tmp_path / "features.sqlite")
    draw = np.random.default_rng(0).normal
    for _ in range(2):
        compute_features([declare(lambda x: counter(x))], market, "VIX", cache=cache)
    assert counter.seen == 2
    assert code_digest(lambda x: draw()) is None


def test_the_engine_is_part_of_every_name(market, keys, monkeypatch):
    monkeypatch.setattr("forecastkit.features.cache.engine_digest", lambda: ("other", engine_digest()[1]))
    assert moved(keys, market) == {feature.name for feature in FEATURES}


def test_names_are_the_same_in_every_process():
    code = (
        "from forecastkit.features.cache import code_digest, engine_digest; from forecastkit.features.volatility import volatility_features\n"
        "print(engine_digest()[0], *[code_digest(f, engine_digest()[1]) for f in volatility_features()])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert "None" not in told[0]


def test_every_feature_reads_what_it_declares(market, plain):
    "Otherwise a column would be found again although a row that it reads has changed."
    stock = (*stock_features("GLD"), *stock_features("GLD", "SPX"))
    groups = {}
    for feature in FEATURES:
        groups.setdefault(feature.needs, []).append(feature)
    for needs, features in groups.items():
        small = without(market, *(set(market.symbols) - {*needs, "VIX"}))
        found = compute_features(features, small, "VIX")
        assert found.to_numpy().tobytes() == plain[found.columns].to_numpy().tobytes(), needs
    for feature in stock:
        inputs = Inputs(market, "GLD")
        feature.compute(inputs)
        assert inputs.series_read <= {*feature.needs, "calendar"}, feature.name


def test_what_is_read_unannounced_is_not_kept(market, tmp_path):
    cache, silent = FeatureCache(tmp_path / "features.sqlite"), declare(lambda x: x.close("VIX") - x.close("SPX"))
    before = compute_features([silent], market, "VIX", cache=cache)
    other = market.with_series("SPX", market.bars("SPX") + 1)
    after = compute_features([silent], other, "VIX", cache=cache)
    assert np.allclose(before - after, 1)


def filler(n: int):
    return [declare(lambda x, i=i: x.close("VIX") + i, f"f{i}") for i in range(n)]


def test_the_file_is_bounded_and_the_least_used_go(market, tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite", megabytes=0.2)  # 35 columns of 700 rows
    features = filler(300)
    for start in range(0, 300, 10):
        compute_features([features[0], *features[start : start + 10]], market, "VIX", cache=cache) if start else None
    with sqlite3.connect(cache.path) as db:
        (size,) = db.execute("SELECT sum(size) FROM kept").fetchone()
        assert size <= 200_000
        assert db.execute("SELECT count(*) FROM bytes").fetchone() == db.execute("SELECT count(*) FROM kept").fetchone()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1.2 * 200_000 + 200_000
    seen, inputs = [], Inputs(market, "VIX")
    list(
        cache.columns(
            [features[0], features[15], features[299]],
            inputs,
            lambda f: seen.append(f.name) or f.compute(inputs).to_numpy(),
        )
    )
    assert seen == ["f15"]
    wide = compute_features(features, market, "VIX", cache=cache)  # more than the file may hold
    assert wide.equals(compute_features(features, market, "VIX"))


@pytest.mark.filterwarnings("ignore::forecastkit.core.errors.DataWarning")
def test_no_damage_moves_a_number(market, tmp_path):
    features, path = filler(12), tmp_path / "features.sqlite"
    plain, cache, rng, warned = compute_features(features, market, "VIX"), FeatureCache(path), random.Random(0), 0
    compute_features(features, market, "VIX", cache=cache)
    whole = path.read_bytes()
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 3, 200])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data[: rng.choice([len(data)] * 3 + [rng.randrange(len(data))])])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = compute_features(features, market, "VIX", cache=cache)
            again = compute_features(features, market, "VIX", cache=cache)
        assert found.to_numpy().tobytes() == again.to_numpy().tobytes() == plain.to_numpy().tobytes()
        assert {one.category for one in caught} <= {DataWarning}
        warned += bool(caught)
        for end in ("-wal", "-shm"):
            Path(f"{path}{end}").unlink(missing_ok=True)
    assert warned > 20


@pytest.mark.parametrize("edit", ["one byte", "another number", "cut", "swapped", "text", "a sum for another value"])
def test_an_edited_number_is_found_and_computed_again(market, tmp_path, edit):
    "What decides a forecast is compared with its sum when it is read, whoever changed it and however well."
    features, cache = filler(6), FeatureCache(tmp_path / "features.sqlite")
    plain = compute_features(features, market, "VIX")
    compute_features(features, market, "VIX", cache=cache)
    with sqlite3.connect(cache.path) as db:
        (place, value), (other, second) = db.execute("SELECT place, value FROM bytes ORDER BY place LIMIT 2").fetchall()
        numbers = np.frombuffer(value, dtype="<f8").copy()
        numbers[-1] *= 1.5
        first = bytearray(value)
        first[3] ^= 1
        match edit:
            case "one byte":
                db.execute("UPDATE bytes SET value = ? WHERE place = ?", [bytes(first), place])
            case "another number":
                db.execute("UPDATE bytes SET value = ? WHERE place = ?", [numbers.tobytes(), place])
            case "cut":
                db.execute("UPDATE bytes SET value = ? WHERE place = ?", [value[:-8], place])
            case "swapped":  # each value is whole and has a sum of its own, but stands under the other's key
                db.execute("UPDATE bytes SET value = ? WHERE place = ?", [second, place])
                db.execute("UPDATE bytes SET value = ? WHERE place = ?", [value, other])
            case "text":
                db.execute("UPDATE bytes SET value = 'none' WHERE place = ?", [place])
            case "a sum for another value":
                db.execute("UPDATE bytes SET value = ? WHERE place = ?", [numbers.tobytes(), place])
                db.execute("UPDATE kept SET checksum = ? WHERE place = ?", [zlib.crc32(numbers.tobytes()), place])
    with pytest.warns(DataWarning, match="not as they were written and are computed again"):
        found = compute_features(features, market, "VIX", cache=cache)
    assert found.to_numpy().tobytes() == plain.to_numpy().tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compute_features(features, market, "VIX", cache=cache).equals(plain)


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_none_of_ours_is_begun_anew(market, tmp_path, content):
    cache = FeatureCache(tmp_path / "features.sqlite")
    cache.path.write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = compute_features(filler(3), market, "VIX", cache=cache)
    assert found.equals(compute_features(filler(3), market, "VIX"))
    assert [str(one.message) for one in caught if "begun anew" not in str(one.message)] == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compute_features(filler(3), market, "VIX", cache=cache).equals(found)


def test_other_tables_are_begun_anew(market, tmp_path):
    cache = FeatureCache(tmp_path / "features.sqlite")
    with sqlite3.connect(cache.path) as db:
        db.execute("CREATE TABLE kept (of TEXT, another TEXT, kind TEXT)")
    with pytest.warns(DataWarning, match="begun anew"):
        compute_features(filler(3), market, "VIX", cache=cache)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compute_features(filler(3), market, "VIX", cache=cache)


def test_where_no_file_can_be_the_features_are_computed(market, tmp_path):
    (tmp_path / "taken").write_text("a file where the folder should be")
    cache = FeatureCache(tmp_path / "taken" / "features.sqlite")
    with pytest.warns(DataWarning, match="is not used"):
        found = compute_features(filler(3), market, "VIX", cache=cache)
    assert found.equals(compute_features(filler(3), market, "VIX"))


WORK = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_feature_cache import FeatureCache, compute_features, filler, whole_market
cache, market, features = FeatureCache(Path(sys.argv[2]), megabytes=0.1), whole_market(300, start="2012-01-03"), filler(80)
plain = compute_features(features, market, "VIX")
print("ready", flush=True)
for i in range(int(sys.argv[3])):
    part = [features[(7 * i + k) % 80] for k in range(20)]
    found = compute_features(part, market, "VIX", cache=cache)
    assert found.to_numpy().tobytes() == plain[found.columns].to_numpy().tobytes()
"""


def worker(path: Path, rounds: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-W", "error::forecastkit.core.errors.DataWarning", "-c", WORK, str(Path(__file__).parent), str(path), str(rounds)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_many_processes_share_one_file_and_one_may_be_killed(tmp_path):
    path = tmp_path / "features.sqlite"
    victim, *workers = [worker(path, rounds) for rounds in (100_000, 40, 40)]
    assert victim.stdout.readline() == "ready\n"
    time.sleep(0.5)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    for process in workers:
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM bytes").fetchone() == db.execute("SELECT count(*) FROM kept").fetchone()
