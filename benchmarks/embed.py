"""The files of `forecastkit/data/sample` out of the published CSVs: the same numbers in another container.

    .venv/bin/python benchmarks/embed.py PUBLISHED [FOLDER]

PUBLISHED holds `cboe/vix-daily.csv` and `fred/ID.csv` as their publishers wrote them. Each becomes one Parquet file with the columns
and the values of its CSV, in its order: nothing is corrected here, what is wrong is repaired and listed when it is read. With the
pinned pyarrow the bytes are the same on every run. Printed are the rows of the table in DATA_LICENSES.md and the sums that
`nbs/20_data/10_sources.ipynb` seals.
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from forecastkit.core import file_checksum

SERIES = ("VIX", "DGS3MO", "DGS2", "DGS10", "T10Y2Y", "T10Y3M", "DFF", "ICSA", "PAYEMS", "UNRATE", "DTWEXBGS")
LAST_YEAR = 2018  # nothing later is embedded
SAMPLE = Path(__file__).resolve().parents[1] / "forecastkit" / "data" / "sample"


def published(folder: Path, symbol: str) -> Path:
    "The CSV of a series."
    return folder / ("cboe/vix-daily.csv" if symbol == "VIX" else f"fred/{symbol}.csv")


def embed(source: Path, target: Path) -> pa.Table:
    "Write one CSV as Parquet: days as differences, numbers as a dictionary, zstd at its best level."
    table = pa.csv.read_csv(source)
    date, *values = table.column_names
    assert pa.types.is_date(table.schema.field(date).type), f"{source}: {date} holds no dates"
    assert table[date].to_pylist()[-1].year <= LAST_YEAR, f"{source} reaches beyond {LAST_YEAR}"
    pq.write_table(
        table, target, compression="zstd", compression_level=19, use_dictionary=values,
        column_encoding={date: "DELTA_BINARY_PACKED"}, write_statistics=False, store_schema=False,
    )  # fmt: skip
    return table


def main(folder: Path, target: Path = SAMPLE) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for symbol in SERIES:
        source, file = published(folder, symbol), target / f"{symbol}.parquet"
        days = embed(source, file).column(0)
        span = f"{days[0]} to {days[-1]} | {len(days):,}"
        print(f"| `{file.name}` | {span} | `{file_checksum(source)}` | `{file_checksum(file)}` |")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
