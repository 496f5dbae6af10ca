"""What evidently's and nannyml's defaults say of data that never drifted, that drifted as planted, and of the VIX.

    python benchmarks/drift_validation.py export FOLDER --runs 3                     (in this project's environment)
    python benchmarks/rivals/drift_rivals.py FOLDER [--into nbs/validation_drift.json]    (in one with evidently, nannyml and pandas below 3)

Each file is named law,kind,number: 1,260 rows of reference (of the VIX so many as its number says) and 63 of now. Columns said to drift, those
that were planted among them, and processor seconds of the whole check.
"""

import json
import os
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import pandas as pd

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # it would report to its makers
PLANTED = {"mean + .5 sd": 10, "scale x 1.5": 10, "correlation to .8": 2, "missing": 3, "unit x 100": 3, "stale": 3}


def evidently_columns(frame: pd.DataFrame, n: int) -> set[str]:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    result = Report([DataDriftPreset()]).run(frame.iloc[n:], frame.iloc[:n]).dict()
    found = set()
    for metric in result["metrics"]:
        config = metric.get("config") or {}
        if "column" in config and isinstance(metric["value"], float):
            distance = "p_value" not in config.get("method", "") and "p-value" not in config.get("method", "")
            limit = config.get("threshold") or (0.1 if distance else 0.05)
            if metric["value"] >= limit if distance else metric["value"] < limit:
                found.add(config["column"])
    return found


def nannyml_columns(frame: pd.DataFrame, n: int) -> set[str]:
    import nannyml

    names = frame.columns.tolist()
    model = nannyml.UnivariateDriftCalculator(column_names=names, chunk_size=63).fit(frame.iloc[:n])
    table = model.calculate(frame.iloc[n:]).filter(period="analysis").to_df()
    return {column[0] for column in table if column[-1] == "alert" and table[column].any()}


def summary(rows: list[dict]) -> dict:
    "Means over the files of one law and kind."
    table = pd.DataFrame(rows)
    numbers = table.drop(columns=["law", "kind"]).groupby([table["law"], table["kind"]], sort=False).mean().round(2)
    return {f"{law}: {kind}": row | {"runs": int(((table["law"] == law) & (table["kind"] == kind)).sum())} for (law, kind), row in zip(numbers.index, numbers.to_dict("records"))}  # fmt: skip


def main(folder: Path, into: Path | None) -> None:
    warnings.simplefilter("ignore")
    rows: list[dict] = []
    for path in sorted(folder.glob("*.parquet"), key=lambda path: (path.stem.split(",")[1] in PLANTED, path.stem)):
        law, kind, number = path.stem.split(",")
        frame = pd.read_parquet(path).reset_index(drop=True).dropna(axis=1, how="all")
        n, planted = int(number) if law == "vix" else 1260, {f"f{i}" for i in range(PLANTED.get(kind, 0))}
        found: dict = {"law": law, "kind": kind, "columns": frame.shape[1]}
        for name, ask in (("evidently", evidently_columns), ("nannyml", nannyml_columns)):
            start = time.process_time()
            named = ask(frame, n)
            found |= {f"{name} right": len(named & planted), f"{name} wrong": len(named - planted)}
            found[f"{name} seconds"] = round(time.process_time() - start, 1)
        rows.append(found)
        print(json.dumps(found), flush=True)
        if into is not None:
            kept = json.loads(into.read_text()) if into.exists() else {}
            versions = {name: version(name) for name in ("evidently", "nannyml")}
            into.write_text(
                json.dumps(kept | {"rivals": {"versions": versions, "rows": summary(rows)}}, indent=1) + "\n"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[3]) if "--into" in sys.argv else None)
