"The second hand: it agrees with the package on everything, and says so where one of the two is wrong."

import ast
import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from engines import DAYS, made, opened
from hypothesis import given, settings
from hypothesis import strategies as st

import forecastkit.ledger.audit as audit
import forecastkit.ledger.records as records
import forecastkit.ledger.rescoring as rescoring
from forecastkit.core import GENESIS, PROBS, DataError
from forecastkit.forecasts.distribution import strictly_increasing
from forecastkit.ledger.audit import audit_ledger, package_scores
from forecastkit.ledger.chain import append
from forecastkit.ledger.engine import fetch, transaction
from forecastkit.ledger.exports import ledger_tables, write_csv
from forecastkit.ledger.records import with_scores
from forecastkit.ledger.rescoring import rescore
from forecastkit.ledger.schema import CHAIN, OUTCOMES, PREDICTIONS

pytest_plugins = ("engine_fixtures",)
BOUNDS = (15.0, 20.0, 30.0)


def filled(url: str, forecasts, outcomes: bool = True):
    "A database of forecasts, each stored when it was made, and its outcomes."
    moment = None
    db = opened(url, clock=lambda: moment)
    for forecast in forecasts:
        moment = forecast.made_at
        db.store_prediction(forecast, {"vix": 12.5})
    moment = moment + timedelta(days=30)
    if outcomes:
        db.record_outcomes("VIX", pd.Series(12.5 + np.arange(len(DAYS)) % 7, DAYS))
    return db


def rewritten(db, table, changes: dict[int, dict]) -> None:
    "Change rows and write the whole chain anew, as somebody would who knows how it is made."
    with transaction(db.engine, write=True) as connection:
        rows = [row._asdict() for row in connection.execute(sa.select(table).order_by(table.c.seq))]
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"ALTER TABLE {table.name} DISABLE TRIGGER USER"))
        else:
            connection.execute(sa.text(f"DROP TRIGGER {table.name}_no_delete"))
        connection.execute(sa.delete(table))
        connection.execute(sa.update(CHAIN).where(CHAIN.c.id == 1 + (table is OUTCOMES)).values(length=0, head=GENESIS))
        rows = [row | changes.get(row["seq"], {}) for row in rows]
        bare = [{k: v for k, v in row.items() if k not in ("seq", "previous_hash", "row_hash")} for row in rows]
        append(connection, table, bare)


@settings(max_examples=150, deadline=None)
@given(
    shape=st.lists(st.floats(-60, 90), min_size=len(PROBS), max_size=len(PROBS)),
    kind=st.sampled_from(["pct_change", "log_return"]),
    outcome=st.floats(-95, 400),
    at=st.one_of(st.none(), st.integers(0, len(PROBS) - 1)),
    last=st.floats(1, 100),
)
def test_both_hands_agree_on_any_forecast(shape, kind, outcome, at, last):
    values = strictly_increasing(np.array(shape), gap=0.01)
    forecast = made(3, values=values, kind=kind, last_value=last, regime_bounds=BOUNDS)
    outcome = outcome if at is None else float(values[at])  # on a quantile, too
    verdict = with_scores(pd.DataFrame({"forecast": [forecast.to_json()], "outcome": [outcome]})).to_dict("records")[0]
    ours = rescore(rescoring.json.loads(forecast.to_json()), outcome)
    edge = min(abs(outcome - values)) < audit.TOLERANCE
    assert list(audit.score_differences(ours, package_scores(forecast, verdict), edge)) == []
    assert math.isclose(sum(ours[name] for name in ours if name.startswith("p_")), 1.0)


def test_the_second_hand_uses_nothing_of_the_first():
    tree = ast.parse(Path(rescoring.__file__).read_text())
    own = ("Curve", "log_changes", "curve_of", "mean_change", "regime_chances", "stated_quantiles", "pinball_mean", "inside_range", "recomputed_id", "rescore")  # fmt: skip
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names = {n.id for name in own for n in ast.walk(defined[name]) if isinstance(n, ast.Name)}
    taken = {a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) and n.level for a in n.names}
    assert names & taken <= {"RANGE_LEVELS", "VIX_REGIMES"}  # words, no arithmetic


@pytest.mark.parametrize("place", [1, 2, 5, len(PROBS) - 1])
@pytest.mark.parametrize("name", ["probs", "values"])
def test_equal_neighbours_are_no_distribution_wherever_they_stand(name, place):
    record = {"probs": list(PROBS), "values": [float(k) for k in range(len(PROBS))], "kind": "log_return"}
    rescoring.curve_of(record)
    record[name][place] = record[name][place - 1]
    with pytest.raises(ValueError, match="do not increase strictly"):
        rescoring.curve_of(record)


def test_differences_are_named_in_one_order_whatever_the_seed_of_hashes():
    names = ["crps", "inside_80", "mean", "pit", "p_low", "p_normal", "p_elevated", "p_crisis"]
    told = list(audit.score_differences(dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0)))
    assert [words.split()[1] for words in told] == sorted(names)


def test_a_sound_ledger_has_nothing_to_report(url):
    late, version = made(2, "late"), made(4, "two", made_at=made(4).made_at + timedelta(days=400))
    forecasts = [made(i, regime_bounds=BOUNDS) for i in range(12)]
    given = [*forecasts, late, made(5, symbol="SPX", kind="log_return"), version]
    db = filled(url, sorted(given, key=lambda forecast: forecast.made_at))
    found = audit_ledger(db, batch=4)
    assert found.ok and str(found).count("\n") == 3 and "390 days after" in str(found), str(found)
    assert dict(found.counts) == {"forecasts": 15, "with_outcome": 14, "outcomes": 12}
    assert "revised" in found.notes[0]  # closes that are not those the forecasts were made from


def test_an_empty_ledger_is_sound(url):
    assert audit_ledger(opened(url)).ok and audit_ledger(opened(url)).head == GENESIS


WRITTEN = made(2).to_json()
SPELLED_OTHERWISE = [
    WRITTEN.replace('"values":', '"values":[1.0,2.0],"values":'),
    WRITTEN.replace('"metadata":{', '"metadata":{"note":"\\ud800",').replace(",}", "}"),
    WRITTEN.replace('"cohort":"m', '"cohort":"\\u006d'),
    WRITTEN.replace(",", ", "),
    WRITTEN.replace("12.5", "12.50"),
]  # a field twice, half a character, a letter as its escape, blanks, a number with a nought behind


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        (PREDICTIONS, {"timeliness": "late"}, "(VIX 2017-01-05) is called late, but was written down at 2017-01-05 21:30 UTC: live"),
        (PREDICTIONS, {"symbol": "SPX"}, "has symbol SPX, but its record says VIX"),
        (PREDICTIONS, {"target_session": DAYS[9].date()}, "says that 2017-01-17 is 5 sessions on: that is 2017-01-12"),
        (PREDICTIONS, {"prediction_id": "0" * 36}, "has prediction_id 000000000000000000000000000000000000, but its record says"),
        (PREDICTIONS, {"made_at": made(0).made_at}, "was made at 2017-01-03 21:30 UTC, before its origin's close"),
        (PREDICTIONS, {"forecast": made(3).to_json()}, "has origin 2017-01-05, but its record says 2017-01-06"),
        (PREDICTIONS, {"forecast": "no JSON"}, "cannot be read: this is no stored forecast"),
        (PREDICTIONS, {"forecast": made(2).to_json().replace('"values":[-20.0,', '"values":[99.0,')}, "cannot be read"),
        *((PREDICTIONS, {"forecast": text}, "is not written as forecasts are") for text in SPELLED_OTHERWISE),
        (PREDICTIONS, {"forecast": made(2).to_json().replace("mid_cycle", "\\u001b[31m")}, "must be printable texts"),
        (OUTCOMES, {"target_session": DAYS[9].date()}, "says that 2017-01-17 is 5 sessions on: that is 2017-01-12"),
        (OUTCOMES, {"recorded_at": made(2).made_at}, "was recorded at 2017-01-05 21:30 UTC, before its session had closed"),
        (OUTCOMES, {"level": -3.0}, "which no closes give"),
        (OUTCOMES, {"symbol": "SPX"}, "belongs to no stored forecast"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_found_even_if_the_chain_was_written_anew(url, table, change, words):
    db = filled(url, [made(i) for i in range(6)])
    rewritten(db, table, {3: change})
    assert db.verify() == []
    found = audit_ledger(db)
    assert not found.ok and any(words in str(problem) for problem in found.problems), str(found)
    assert {problem.row for problem in found.problems if problem.table == table.name} == {3}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WRITTEN.replace(":", ": "), "is not as it was written"),
        ("no JSON", "is not as it was written"),
        (WRITTEN.replace("mid_cycle", "\\ud800"), "must be printable texts"),
    ],
)
def test_a_row_that_cannot_be_exported_is_named_in_a_sentence(tmp_path, text, words):
    db = filled(f"sqlite:///{tmp_path}/ledger.db", [made(i) for i in range(4)])
    rewritten(db, PREDICTIONS, {3: {"forecast": text}})
    with pytest.raises(DataError, match=words):
        write_csv(ledger_tables(db), tmp_path / "ledger.csv")
    assert not (tmp_path / "ledger.csv").exists()


def test_what_a_hostile_ledger_says_of_itself_controls_no_terminal(tmp_path):
    db = filled(f"sqlite:///{tmp_path}/ledger.db", [made(i) for i in range(4)])
    rewritten(db, PREDICTIONS, {3: {"symbol": "V\x1b[2J", "timeliness": "\x1b[36mlive", "prediction_id": "\u202e1"}})
    said = str(audit_ledger(db))
    assert "\\x1b[36mlive" in said and all(line.isprintable() for line in said.splitlines())


@pytest.mark.parametrize(("name", "words"), [("crps", "has crps"), ("cdf_at", "has pit")])
def test_a_mistake_of_the_package_is_found(tmp_path, monkeypatch, name, words):
    right = getattr(records, name)
    db = filled(f"sqlite:///{tmp_path}/forecasts.db", [made(i) for i in range(6)])
    monkeypatch.setattr(records, name, lambda *given: right(*given) * 1.001)
    found = audit_ledger(db)
    assert len(found.problems) >= 6 and words in str(found) and "but the package says" in str(found)


def test_wrong_probabilities_of_the_package_are_found(tmp_path, monkeypatch):
    db = filled(f"sqlite:///{tmp_path}/forecasts.db", [made(i, regime_bounds=BOUNDS) for i in range(3)])
    right = audit.Forecast.prob_above
    monkeypatch.setattr(audit.Forecast, "prob_above", lambda self, level: right(self, level) * 0.99)
    assert "has p_low" in str(audit_ledger(db))


def test_the_audit_is_for_programs_too(tmp_path):
    db = filled(f"sqlite:///{tmp_path}/forecasts.db", [made(i) for i in range(6)])
    rewritten(db, PREDICTIONS, {2: {"timeliness": "backfill"}})
    told = audit_ledger(db).to_dict()
    assert told["ok"] is False and told["forecasts"] == 6
    assert told["problems"][0] | {"words": ""} == {
        "table": "predictions",
        "row": 2,
        "name": "VIX 2017-01-04",
        "words": "",
    }
    with transaction(db.engine) as connection:
        last = fetch(connection, sa.select(PREDICTIONS.c.row_hash).order_by(PREDICTIONS.c.seq.desc()).limit(1))
    assert told["head"] == last["row_hash"][0]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["history", "note", 'x","history":[["2018-01-02",1.0]],"y']),
        st.one_of(
            st.lists(st.tuples(st.sampled_from(["2018-01-02", "2018-01-0", '18"01"02']), st.floats(allow_nan=False))),
            st.text(),
            st.just('"history":[["2018-01-02",1.0]]'),
        ),
    )
)
def test_cutting_the_history_cuts_nothing_else(metadata):
    """The rest of a record is what it would be without the cut, whatever stands in its texts."""
    import json

    from forecastkit.core import canonical_json

    text = canonical_json({"metadata": metadata, "values": [1.0, 2.0], "symbol": 'A"history":[["2018-01-02",1.0]]'})
    whole, cut = json.loads(text), json.loads(audit.HISTORY.sub('"history":[]', text))
    whole["metadata"].pop("history", None), cut["metadata"].pop("history", None)
    assert cut == whole


@pytest.mark.parametrize(
    "history", ['["2018-01-02",01.5]', '["2018-01-02",1.5],', '["2018-01-02",1.5', '["2018-01-02",1.]']
)
def test_what_is_no_json_stays_none(history):
    import json

    with pytest.raises(ValueError):
        json.loads(audit.HISTORY.sub('"history":[]', f'{{"history":[{history}]}}'))
