"""What evidently's and nannyml's defaults say of data that never drifted: the files of `benchmarks/drift.py export FOLDER`.

    python benchmarks/drift.py export FOLDER --runs 5            (in this project's environment)
    python benchmarks/rivals/drift_rivals.py FOLDER              (in one with evidently, nannyml and pandas below 3)

1,260 rows of reference, 63 of now, 232 features of noise or those of a synthetic market: columns said to drift, seconds of the whole check.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path

import pandas as pd

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # it would report to its makers
REFERENCE = 1260


def evidently_columns(frame: pd.DataFrame) -> int:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    result = Report([DataDriftPreset()]).run(frame.iloc[REFERENCE:], frame.iloc[:REFERENCE])
    counts = [metric["value"] for metric in result.dict()["metrics"] if isinstance(metric["value"], dict)]
    return int(next(value["count"] for value in counts if "count" in value))


def nannyml_columns(frame: pd.DataFrame) -> int:
    import nannyml

    names = frame.columns.tolist()
    model = nannyml.UnivariateDriftCalculator(column_names=names, chunk_size=63).fit(frame.iloc[:REFERENCE])
    table = model.calculate(frame.iloc[REFERENCE:]).filter(period="analysis").to_df()
    alerts = table.loc[:, [column for column in table if column[-1] == "alert"]]
    return int(alerts.any().sum())


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    for path in sorted(folder.glob("*.parquet")):
        frame = pd.read_parquet(path).reset_index(drop=True).dropna(axis=1)
        found = {"file": path.name, "columns": frame.shape[1]}
        for name, count in (("evidently", evidently_columns), ("nannyml", nannyml_columns)):
            try:
                start = time.perf_counter()
                found |= {name: count(frame), f"{name}_s": round(time.perf_counter() - start, 1)}
            except ImportError as error:
                found[name] = f"not installed: {error}"
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
