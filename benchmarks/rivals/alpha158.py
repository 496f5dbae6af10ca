"""How fast qlib computes its Alpha158 on the bars that `panel_speed.py` wrote: feature-rows a second, each number of processes.

    QLIB_PYTHON benchmarks/rivals/alpha158.py DIR [--processes 1 2] [--times 3]

Runs in an environment of its own (`pip install pyqlib`, see README.md) and knows nothing of forecastkit. Caches on the disk are off, and the one in memory is
emptied before each run. Prints JSON: for each number of processes the fastest wall-clock seconds, and the rows and columns of the frame.
"""

import argparse
import json
import logging
import os
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"


def measure(folder: Path, processes: int, times: int) -> dict[str, float]:
    "The fastest of a few runs over all instruments and sessions of the folder."
    import qlib
    from qlib.contrib.data.loader import Alpha158DL
    from qlib.data import D
    from qlib.data.cache import H

    qlib.init(
        provider_uri=str(folder),
        region="us",
        kernels=processes,
        expression_cache=None,
        dataset_cache=None,
        logging_level=logging.ERROR,
    )
    fields, _ = Alpha158DL.get_feature_config({
        "kbar": {}, "price": {"windows": [0], "feature": ["OPEN", "HIGH", "LOW", "VWAP"]}, "rolling": {},
    })  # fmt: skip
    taken = []
    for _ in range(times):
        H.clear()
        began = time.perf_counter()
        frame = D.features(D.instruments("all"), fields, freq="day", disk_cache=0)
        taken.append(time.perf_counter() - began)
    return {
        "seconds": min(taken),
        "rows": len(frame),
        "columns": frame.shape[1],
        "finite": float(frame.notna().mean().mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    print(json.dumps(measure(asked.folder, asked.processes, asked.times)))


if __name__ == "__main__":
    main()
