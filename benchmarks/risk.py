"""Does the risk score rank what comes, and better than the width alone? Learnt on origins up to 2009, frozen, scored on 2010-2018.

    python benchmarks/risk.py parts --home FOLDER       the parts and outcomes of every origin of the VIX, from the daily job's walk (trained where missing)
    python benchmarks/risk.py learn --home FOLDER --poor miss|error      learn on outcomes known by 2009-12-31, write the frozen models
    python benchmarks/risk.py score --home FOLDER --poor miss|error      score 2010-2018 with the frozen model, beside the width alone

Poor is a miss of the 80 % range, or an error (CRPS) above what climatology expects of itself.

Sources are the embedded data; nothing after 2018-12-31 is read.
"""

import argparse
import json
import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pandas as pd

from forecastkit.core import load_settings
from forecastkit.metrics import coverage, crps, expected_crps, interval
from forecastkit.models import RISK_PARTS, RiskModel, climatology_quantiles, learn_risk, risk_correlations, risk_deciles
from forecastkit.pipeline import IntegratedSystem
from forecastkit.pipeline.explanation import explain_forecasts
from forecastkit.pipeline.risk import risk_parts

WORDS = {"miss": "its 80 % range misses", "error": "its error is larger than usual"}
LAST_LEARNT, LAST = pd.Timestamp("2009-12-31"), pd.Timestamp("2018-12-31")


def gather(home: Path) -> pd.DataFrame:
    settings = load_settings(overrides={"data.home": str(home), "run.progress": False})
    prepared = IntegratedSystem(settings=settings).prepared(LAST)
    target, calendar, origins = prepared.target, prepared.view.calendar, prepared.origins
    middle = explain_forecasts(prepared, origins).middle
    names = [row["contributions"] for row in middle.records()]
    added = {day: {one["feature"]: one["amount"] for one in row} for day, row in zip(middle.base.index, names)}
    y, q = prepared.outcomes.reindex(origins).to_numpy(), prepared.quantiles
    base = climatology_quantiles(prepared.outcomes, origins, target.horizon, calendar=calendar)
    came, said = target.from_log(y), target.from_log(q)
    table = risk_parts(prepared, added).assign(
        missed=1.0 - coverage(y, *interval(q, 0.8)), crps=crps(came, said), expected=expected_crps(said),
        usual=expected_crps(target.from_log(base)), active=prepared.active,
        target_session=calendar.target_sessions(origins, target.horizon), known=prepared.outcomes.reindex(origins).notna(),
    )  # fmt: skip
    return table[table["known"] & table["active"]]


def poor_of(table: pd.DataFrame, poor: str) -> pd.Series:
    "Which forecasts were poor."
    return table["missed"] if poor == "miss" else (table["crps"] > table["usual"]).astype(float)


def spans(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    "Origins whose outcome was known by the end of 2009, and origins from 2010 on."
    return table[table["target_session"] <= LAST_LEARNT], table[table.index > LAST_LEARNT]


def learn(table: pd.DataFrame, folder: Path, poor: str) -> None:
    known, _ = spans(table)
    for name, parts in ((f"risk_{poor}.json", list(RISK_PARTS)), (f"width_{poor}.json", ["width"])):
        learn_risk(known[parts], poor_of(known, poor), poor=WORDS[poor]).save(folder / name)
        model = RiskModel.load(folder / name)
        rounded = {part: round(slope, 3) for part, slope in zip(model.names, model.coefficients)}
        print(name, model.first, model.last, model.rows, rounded, round(model.intercept, 3), model.seal)


def score(table: pd.DataFrame, folder: Path, poor: str) -> dict:
    _, later = spans(table)
    full, alone = (RiskModel.load(folder / f"{name}_{poor}.json") for name in ("risk", "width"))
    outcomes = pd.DataFrame(
        {
            "over_expected": later["crps"] / later["expected"],
            "over_climatology": later["crps"] / later["usual"],
            "missed": later["missed"],
        }
    )
    scores = pd.DataFrame({"risk": full.score(later), "width": alone.score(later)}, later.index)
    found = risk_correlations(scores, outcomes)
    deciles = {name: risk_deciles(scores[name], outcomes) for name in scores}
    of_deciles = {
        name: rows[[*outcomes]].corrwith(pd.Series(rows.index, rows.index), method="spearman").round(2).to_dict()
        for name, rows in deciles.items()
    }  # fmt: skip
    return {
        "variants": 1, "origins": len(later), "first": f"{later.index[0]:%Y-%m-%d}", "last": f"{later.index[-1]:%Y-%m-%d}",
        "coefficients": {part: round(slope, 3) for part, slope in zip(full.names, full.coefficients)},
        "spearman": {f"{s} {o}": {"value": round(v, 3), "se": round(e, 3)} for (s, o), (v, e) in zip(found.index, found.to_numpy())},
        "spearman_of_decile_means": of_deciles,
        "deciles": {name: rows.drop(columns="origins").round(3).to_dict("list") for name, rows in deciles.items()},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("parts", "learn", "score"))
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--poor", choices=tuple(WORDS), default="error")
    asked = parser.parse_args()
    kept = asked.home / "risk_parts.parquet"
    if asked.part == "parts":
        gather(asked.home).to_parquet(kept)
    elif asked.part == "learn":
        learn(pd.read_parquet(kept), asked.home, asked.poor)
    else:
        print(json.dumps(score(pd.read_parquet(kept), asked.home, asked.poor), indent=1))


if __name__ == "__main__":
    main()
