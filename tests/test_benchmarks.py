"The benchmarks compare fairly: rivals see what was known and no more, and the control has nothing in it to be found."

import ast
import json
import re
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
RIVALS = BENCHMARKS / "rivals"


@pytest.fixture(scope="module")
def modules():
    "The benchmark scripts as modules; the rivals' libraries are imported inside their functions."
    sys.path[:0] = [str(BENCHMARKS), str(RIVALS)]
    import compare
    import controls
    import rivals

    yield compare, controls, rivals
    del sys.path[:2]


@pytest.fixture(scope="module")
def exported(modules, tmp_path_factory):
    "What `compare.py --export` writes of the embedded data, and its plan."
    folder = tmp_path_factory.mktemp("rivals")
    modules[0].export(folder, {"sources": "sample", "start": "2016-01-04", "end": "2016-12-30"})
    dates = ["session", "known", "grid"]
    table = pd.read_csv(folder / "sessions.csv", index_col="session", parse_dates=dates)
    return folder, table, json.loads((folder / "plan.json").read_text())


def test_requirements_are_pinned_and_name_no_registry():
    for line in (RIVALS / "requirements.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line), line


def test_rivals_know_nothing_of_forecastkit():
    tree = ast.parse((RIVALS / "rivals.py").read_text())
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.split(".")[0] == "forecastkit"}


def test_a_rival_is_shown_nothing_of_tomorrow(modules, exported):
    _, table, plan = exported
    seen = []

    def spy(bars, known, origins, plan):
        seen.extend(origins)
        assert "outcome" not in bars and bars.index[-1] == origins[-1]
        assert plan["grid"] <= origins[0] and not bars.index.isin(table.index[table.index > origins[-1]]).any()
        assert (table.loc[known.index, "known"] <= plan["grid"]).all()
        latest = table.index[(table["known"] <= plan["grid"]) & table["outcome"].notna()][-1]
        assert known.index[-1] == latest, "and everything that was known by then"
        return np.tile(np.array(plan["probs"]), (len(origins), 1))

    quantiles = modules[2].walk(spy, table, plan)
    wanted = table.loc[plan["start"] : plan["end"]].index
    assert list(wanted) == seen and len(quantiles) == len(wanted) > 240


def test_exported_outcomes_are_known_five_rows_later(exported):
    table = exported[1].dropna(subset="outcome").head(300)
    later = exported[1]["close"].reindex(table["known"]).to_numpy()
    assert np.allclose(table["outcome"], np.log(later / table["close"].to_numpy()), atol=1e-12)
    assert (table["grid"] <= table.index).all()


def test_plain_features_of_a_row_need_no_later_row(modules, exported):
    bars = exported[1][["open", "high", "low", "close", "spx"]]
    features = modules[2].plain_features
    pd.testing.assert_frame_equal(features(bars.iloc[:600]), features(bars).iloc[:600])


def test_the_mean_needs_every_origin_of_every_member(modules, exported, tmp_path):
    origins = exported[1].index[:40].as_unit("us")
    for number, name in enumerate(modules[0].POOLED):
        quantiles = np.tile(np.array(exported[2]["probs"]) + number, (40, 1))
        np.savez(tmp_path / f"{name}.npz", origins=origins.to_numpy(), quantiles=quantiles, seconds=1.0)
    found = modules[0].rivals(tmp_path, origins[10:])
    assert np.allclose(found["mean of the three, quantiles"], found["garch"] + 1)
    with pytest.raises(AssertionError, match="lacks origins"):
        modules[0].rivals(tmp_path, exported[1].index[:50].as_unit("us"))


def test_the_control_is_a_random_walk(modules):
    market = modules[1].random_market(seed=3)
    vix, spx = (np.log(market.close(name)).diff().dropna() for name in ("VIX", "SPX"))
    bars = market.bars("VIX")
    assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
    assert (bars["low"] <= bars[["open", "close"]].min(axis=1)).all()
    noise = 4 / np.sqrt(len(vix))  # of a correlation of independent draws, four standard errors
    assert abs(vix.std() / 0.02 - 1) < noise and abs(vix.mean() / vix.std()) < noise
    for lag in (1, 5, 22):
        assert abs(vix.autocorr(lag)) < noise and abs(vix.abs().autocorr(lag)) < noise
    assert abs(vix.corr(spx)) < noise
    again = modules[1].random_market(seed=3)
    assert again.fingerprint() == market.fingerprint() != modules[1].random_market(seed=4).fingerprint()


FAULTY = """"text"
LEAST = 3
def f(a: int, b=0.5, *, c: "int" = 2):
    "docstring"
    a += 1
    if not (a < b and c in (1, 2)):
        raise ValueError(f"{a + 1} is wrong")
    x = max(a, b) - g(a, b) * a[1:]
    x.sort()
    return min(x)
"""


def test_a_fault_is_one_change_that_can_be_read_as_python(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import mutation

    drawn, faults_of = mutation.drawn, mutation.faults_of
    monkeypatch.setattr(mutation, "faults_of", cache(faults_of))  # the package is read once for four draws
    (tmp_path / "m.py").write_text(FAULTY)
    found = faults_of(tmp_path / "m.py", tmp_path)
    changes = {(fault.kind, fault.before, fault.after) for fault in found}
    assert changes > {
        ("constant", "3", "(4)"), ("constant", "3", "(2)"), ("constant", "0.5", "(0.75)"), ("removed statement", "a += 1", "pass"),
        ("boundary", "a < b", "(a <= b)"), ("boundary", "c in (1, 2)", "(c not in (1, 2))"), ("swapped arguments", "g(a, b)", "(g(b, a))"),
        ("and/or", "a < b and c in (1, 2)", "(a < b or c in (1, 2))"), ("dropped not", "not (a < b and c in (1, 2))", "(a < b and c in (1, 2))"),
        ("min/max", "max(a, b)", "(min(a, b))"), ("min/max", "min(x)", "(max(x))"), ("slice", "a[1:]", "(a[1 + 1:])"),
        ("removed statement", "x.sort()", "pass"), ("arithmetic", "g(a, b) * a[1:]", "(g(a, b) / a[1:])"),
    }  # fmt: skip
    assert not any("text" in before or "wrong" in before for kind, before, _ in changes if kind != "removed statement")
    root = BENCHMARKS.parent
    for fault in [*((tmp_path, one) for one in found), *((root, one) for one in drawn(root, 100, seed=1))]:
        folder, one = fault
        raw, (begin, end) = (folder / one.path).read_bytes(), one.span
        assert raw[begin:end].decode() == one.before
        changed = ast.parse(raw[:begin] + one.after.encode() + raw[end:])
        assert ast.dump(changed) != ast.dump(ast.parse(raw)), one.name
    assert drawn(root, 20, seed=1) == drawn(root, 20, seed=1) != drawn(root, 20, seed=2)
