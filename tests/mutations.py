"""Damaged files, and what may become of them: shared by test_fuzz and benchmarks/fuzz.

A mutation knows which rows it touched. The reader may refuse the file in one sentence. If it does not, every row that was not
touched must be there, bit for bit, and nothing may be there that is neither an original row nor a touched one. A digit changed
inside a price cannot be noticed by anyone, and a file of text cut at the end of a line is only a shorter file: those rows count
as touched.
"""

import csv
import gzip
import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from forecastkit.calendars import get_calendar
from forecastkit.core import DataError
from forecastkit.data.formats import MAX_BYTES
from forecastkit.data.market import BAR_COLUMNS
from forecastkit.data.sources import load_market

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("2018-01-02", "2018-06-29")
TIMEFRAME_SPELLINGS = ["Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"]
EVERY = frozenset(DAYS)
NONE: frozenset[pd.Timestamp] = frozenset()


@cache
def original() -> pd.DataFrame:
    "Seeded bars to the cent."
    rng = np.random.default_rng(7)
    close = 100 * np.exp(rng.normal(0, 0.01, len(DAYS)).cumsum())
    begin = close * np.exp(rng.normal(0, 0.003, len(DAYS)))
    above, below = rng.uniform(0.1, 1, (2, len(DAYS)))
    high, low = np.maximum(begin, close) + above, np.minimum(begin, close) - below
    volume = rng.integers(10_000, 99_999, len(DAYS)).astype(float)
    return pd.DataFrame(dict(zip(BAR_COLUMNS, (begin, high, low, close, volume))), DAYS).round(2)


@cache
def lines() -> tuple[bytes, ...]:
    "The file that is damaged, header first."
    frame = original().set_axis(TIMEFRAME_SPELLINGS[1:5] + TIMEFRAME_SPELLINGS[6:], axis=1)
    frame.insert(4, "Adj Close", (frame["Close"] * 0.97).round(2))
    return tuple(line.encode() for line in frame.to_csv(index_label="Date", date_format="%Y-%m-%d").splitlines())


@cache
def text() -> bytes:
    return b"\n".join(lines()) + b"\n"


@dataclass(frozen=True)
class Mutation:
    "A damaged file."

    kind: str
    content: bytes = field(repr=False)
    touched: frozenset[pd.Timestamp] = NONE  # sessions whose rows may have changed
    header: bool = False  # whether the header may have lost a column
    name: str = "MINE.csv"


def rows_at(start: int, stop: int) -> tuple[frozenset[pd.Timestamp], bool]:
    "The sessions whose lines the bytes start..stop of the text lie in, ends of lines counted to both, and whether the header is hit."
    ends = np.cumsum([len(line) + 1 for line in lines()])
    first, last = np.searchsorted(ends, [start, max(start, stop - 1)], side="right")
    last = min(last + (stop in ends), len(DAYS))  # an end of line that is gone joins the next
    return frozenset(DAYS[max(first, 1) - 1 : last]), first == 0


Rng = np.random.Generator


def put(rng: Rng, kind: str, piece: bytes, over: int = 0) -> Mutation:
    "A piece put at some place of the text, over some bytes."
    at = int(rng.integers(len(text())))
    touched, header = rows_at(at, at + max(over, 1))
    return Mutation(kind, text()[:at] + piece + text()[at + over :], touched, header)


def flipped(rng: Rng) -> Mutation:
    "Half of the bytes are such as stand in tables."
    usual = b'0123456789.,-/:;e"\n\r\t '
    byte = usual[rng.integers(len(usual))] if rng.random() < 0.5 else int(rng.integers(256))
    return put(rng, "csv: byte changed", bytes([byte]), 1)


def nul(rng: Rng) -> Mutation:
    return put(rng, "csv: NUL", b"\0" * int(rng.integers(1, 9)))


def pasted(rng: Rng) -> Mutation:
    start, length = rng.integers(len(text())), rng.integers(1, 200)
    return put(rng, "csv: piece pasted", text()[start : start + length])


def gone(rng: Rng) -> Mutation:
    return put(rng, "csv: piece gone", b"", int(rng.integers(1, 200)))


def cut(rng: Rng) -> Mutation:
    at = int(rng.integers(len(text())))
    touched, header = rows_at(at, len(text()))
    return Mutation("csv: cut off", text()[:at], touched, header)


def quoted(rng: Rng) -> Mutation:
    "Quotation marks where they open or close a cell, or anywhere."
    kind, table = "csv: quotation marks", [list(row) for row in csv.reader(io.StringIO(text().decode()))]
    if rng.random() < 0.2:
        return put(rng, kind, b'"')
    hit = sorted(rng.choice(len(table), int(rng.integers(1, 3)), replace=False))
    column = int(rng.integers(len(TIMEFRAME_SPELLINGS)))
    for nth, row in enumerate(hit):
        cell = table[row][column]
        table[row][column] = rng.choice([f'"{cell}', f'{cell}"']) if nth == 0 else f'{cell}"'
    content = "\n".join(",".join(row) for row in table).encode() + b"\n"
    touched = frozenset(DAYS[row - 1] for row in hit if row)
    return Mutation(kind, content, touched, 0 in hit)


def relined(rng: Rng) -> Mutation:
    "Whole lines doubled, gone, in another order; blank ones between."
    head, *rows = lines()
    at = int(rng.integers(len(rows)))
    done, touched = {
        0: lambda: ([*rows[: at + 1], *rows[at:]], NONE),
        1: lambda: ([*rows[:at], *rows[at + 1 :]], frozenset([DAYS[at]])),
        2: lambda: ([rows[i] for i in rng.permutation(len(rows))], NONE),
        3: lambda: ([*rows[:at], b"", b"", *rows[at:]], NONE),
        4: lambda: (rows[::-1], NONE),
        5: lambda: ([*rows, *rows], NONE),
        6: lambda: ([*rows[:at], head, *rows[at:]], NONE),
    }[int(rng.integers(7))]()
    return Mutation("csv: lines moved", b"\n".join([head, *done]) + b"\n", touched)


def reheaded(rng: Rng) -> Mutation:
    "A column under another name, or two names in each other's place."
    head, *rows = lines()
    names = head.decode().split(",")
    if rng.random() < 0.5:
        names[int(rng.integers(len(names)))] = str(
            rng.choice(["", "Price", "close", "time", "Close.1", "known_at", "x" * 500])
        )
    else:
        one, other = rng.choice([(2, 3), (2, 4), (1, 2), (3, 4), (1, 3), (0, 4), (4, 6), (0, 6)])
        names[one], names[other] = names[other], names[one]
    return Mutation("csv: columns renamed", b"\n".join([",".join(names).encode(), *rows]) + b"\n", NONE, True)


def reordered(rng: Rng) -> Mutation:
    "Columns in another order, headers with them."
    order = rng.permutation(len(TIMEFRAME_SPELLINGS))
    table = [[row.split(",")[i] for i in order] for row in text().decode().splitlines()]
    return Mutation("csv: columns moved", "\n".join(map(",".join, table)).encode() + b"\n")


def encoded(rng: Rng) -> Mutation:
    "Other encodings, ends of lines and separators."
    plain = text().decode()
    forms: list[bytes] = [
        plain.encode("utf-16"), plain.encode("utf-16-le"), plain.encode("utf-32"), plain.encode("utf-8-sig"),
        b"\xef\xbb\xbf" * 2 + text(), plain.replace("Adj", "Adj\u00e9").encode("latin-1"), plain.encode("utf-7"),
        text().replace(b"\n", b"\r\n"), text().replace(b"\n", b"\r"), text().replace(b"\n", b"\n\r"),
        text().replace(b"\n", "\u2028".encode()), text().replace(b",", b";"), text().replace(b",", b"\t"),
        text().replace(b".", b","), text().replace(b"-", b"/"), text().replace(b",", b", "), text().replace(b"\n", b",\n"),
        b'"' + text().replace(b",", b'","').replace(b"\n", b'"\n"')[:-1], text()[:-1], text() + b"\x1a", text() + b"\n" * 50,
    ]  # fmt: skip
    return Mutation("csv: written otherwise", forms[int(rng.integers(len(forms)))], NONE, True)


def celled(rng: Rng) -> Mutation:
    "A cell that holds something strange."
    strange = ["1e400", "9" * 400, "-1e308", "1e-400", "inf", "-inf", "NaN", "nan", "", ".", "null", "True", "0x1F", "1_000", "1,5",
               "\u0661\u0662", "1 000", "-5", "0", "=1+1", "1e5", "2018-02-30", "20180205", "02/05/2018", "9999999999", "x" * 200_000]  # fmt: skip
    row, column = int(rng.integers(1, len(lines()))), int(rng.integers(len(TIMEFRAME_SPELLINGS)))
    cells = lines()[row].split(b",")
    cells[column] = str(rng.choice(strange)).encode()
    content = b"\n".join([*lines()[:row], b",".join(cells), *lines()[row + 1 :]]) + b"\n"
    return Mutation("csv: strange cell", content, frozenset([DAYS[row - 1]]))


def ragged(rng: Rng) -> Mutation:
    "A line with a cell too many or too few."
    row = int(rng.integers(len(lines())))
    line = lines()[row]
    other = rng.choice([line + b",", b"," + line, line.rpartition(b",")[0], line.partition(b",")[2], line + b",1,2,3"])
    content = b"\n".join([*lines()[:row], bytes(other), *lines()[row + 1 :]]) + b"\n"
    return Mutation("csv: ragged", content, frozenset(DAYS[row - 1 : row] if row else []), row == 0)


def nothing(rng: Rng) -> Mutation:
    "Files that hold no table at all."
    forms = [b"", b"\n", b" ", b"\xef\xbb\xbf", lines()[0], lines()[0] + b"\n", b"\0" * 1000, b"PAR1", b"\x1f\x8b", bytes(rng.integers(256, size=999, dtype="u1"))]  # fmt: skip
    return Mutation("csv: no table", forms[int(rng.integers(len(forms)))], EVERY)


def jsons(rng: Rng) -> Mutation:
    "Documents of JSON, whole and damaged, and pages, under the name of a table."
    document = json.dumps(
        {"Meta Data": {"1": "x"}, "Error Message": "Invalid API call, try again", "rows": [[1, 2.5, None]] * 9},
        indent=int(rng.integers(3)),
    )
    at = int(rng.integers(len(document)))
    forms = [document, document[:at], document[:at] + chr(rng.integers(32, 127)) + document[at + 1 :], "[" * 60_000, '{"a": 1e999}',
             '{"close": "' + "9" * 5000 + '"}', "<!doctype html><html><body>busy</body></html>", "\ufeff" + document, "null", '"x"', document * 2]  # fmt: skip
    return Mutation("json as csv", forms[int(rng.integers(len(forms)))].encode(), EVERY)


def damaged(rng: Rng, content: bytes) -> bytes:
    "Bytes changed, gone, doubled, or more at the end."
    at, length = int(rng.integers(len(content))), int(rng.integers(1, 64))
    forms = [
        content[:at] + bytes([content[at] ^ int(rng.integers(1, 256))]) + content[at + 1 :], content[:at],
        content[:at] + content[at + length :], content[:at] + content[at : at + length] + content[at:],
        content + bytes(rng.integers(1, 256, size=length, dtype="u1")), content[:at] + b"\0" * length + content[at + length :],
    ]  # fmt: skip
    return forms[int(rng.integers(len(forms)))]


def gzipped(rng: Rng) -> Mutation:
    packed = gzip.compress(text(), mtime=0)
    return Mutation("gzip: bytes", damaged(rng, packed), NONE, False, "MINE.csv.gz")


@cache
def bomb() -> bytes:
    "Some hundred kilobytes that unfold to more than a table may hold."
    piece = gzip.compress(b"0" * 2**24, mtime=0)
    return gzip.compress(text(), mtime=0) + piece * (MAX_BYTES // 2**24 + 1)


def nested(rng: Rng) -> Mutation:
    "Packed twice, not at all, in pieces, or far too much."
    packed = gzip.compress(text(), mtime=0)
    head = lines()[0] + b"\n"
    halves = gzip.compress(text()[:2000], mtime=0) + gzip.compress(text()[2000:], mtime=0)
    forms = [(gzip.compress(packed), "MINE.csv.gz"), (packed, "MINE.csv"), (text(), "MINE.csv.gz"), (halves, "MINE.csv.gz"), (packed * 2, "MINE.csv.gz"),
             (gzip.compress(b""), "MINE.csv.gz"), (gzip.compress(head), "MINE.csv.gz"), (packed, "MINE.parquet"), (bomb(), "MINE.csv.gz")]  # fmt: skip
    content, name = forms[int(rng.integers(len(forms)))]
    return Mutation("gzip: nested", content, NONE, False, name)


def in_parquet(table: pa.Table, **options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, write_page_checksum=True, **options)
    return out.getvalue()


@cache
def parquet(compression: str) -> bytes:
    return in_parquet(pa.Table.from_pandas(original()), compression=compression)


def bytes_of_parquet(rng: Rng) -> Mutation:
    whole = parquet(str(rng.choice(["snappy", "none", "zstd"])))
    return Mutation("parquet: bytes", damaged(rng, whole), NONE, True, "MINE.parquet")


def table_of_parquet(rng: Rng) -> Mutation:
    "Whole Parquet files of other columns, types and sizes."
    frame = original().reset_index()
    texts = frame.assign(close=frame["close"].astype(str))
    forms: list[tuple[Callable[[], pa.Table], frozenset[pd.Timestamp]]] = [
        (lambda: pa.Table.from_pandas(texts), NONE),
        (lambda: pa.Table.from_pandas(frame.assign(session=frame["session"].astype("int64"))), NONE),
        (lambda: pa.Table.from_pandas(frame.assign(session=frame["session"].dt.tz_localize("Asia/Tokyo"))), NONE),
        (lambda: pa.Table.from_pandas(frame.assign(close=[[1.0]] * len(frame))), NONE),
        (lambda: pa.Table.from_pandas(frame.assign(close=b"x")), NONE),
        (lambda: pa.Table.from_pandas(frame.assign(close=True)), NONE),
        (lambda: pa.Table.from_pandas(frame.assign(session=None)), NONE),
        (lambda: pa.table({"session": pa.array([2**40], pa.timestamp("s")), "close": [1.0]}), NONE),
        (lambda: pa.table([pa.array(DAYS), pa.array(original()["close"]), pa.array(original()["open"])], ["date", "close", "close"]), NONE),
        (lambda: pa.table({"date": pa.nulls(40_000_000), "close": pa.nulls(40_000_000)}), EVERY),
        (lambda: pa.table({}), EVERY),
        (lambda: pa.Table.from_pandas(frame[:0]), EVERY),
        (lambda: pa.Table.from_pandas(frame.sample(frac=1, random_state=1)), NONE),
    ]  # fmt: skip
    make, touched = forms[int(rng.integers(len(forms)))]
    return Mutation("parquet: other tables", in_parquet(make()), touched, True, "MINE.parquet")


KINDS: tuple[Callable[[Rng], Mutation], ...] = (
    flipped, nul, pasted, gone, cut, quoted, relined, reheaded, reordered, encoded, celled, ragged, nothing, jsons,
    gzipped, gzipped, nested, bytes_of_parquet, bytes_of_parquet, table_of_parquet,
)  # fmt: skip


def mutation(seed: int) -> Mutation:
    "The mutation of a seed; all kinds in turn."
    return KINDS[seed % len(KINDS)](np.random.default_rng([2018, seed]))


def verdict(folder: Path, damage: Mutation) -> tuple[str, str]:
    "What became of a damaged file: refused, same, or noticed (rows touched are told or gone), else violation; and why."
    (folder / damage.name).write_bytes(damage.content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            market = load_market(f"folder:{folder}", needed=["MINE"])
    except DataError as error:
        return judged_words(str(error), damage)
    except Exception as error:  # any other is what is looked for
        return "violation", f"{type(error).__name__}: {error}"
    finally:
        (folder / damage.name).unlink()
    return judged_rows(market.bars("MINE"), damage)


def judged_words(said: str, damage: Mutation) -> tuple[str, str]:
    "A refusal is one sentence of readable length that names the file."
    fine = said.isprintable() and len(said) < 400 and (damage.name in said or "MINE" in said)
    return ("refused" if fine else "violation"), said


def judged_rows(found: pd.DataFrame, damage: Mutation) -> tuple[str, str]:
    "Rows that were not touched are all there, bit for bit; no more others than were touched."
    wanted = original()[~original().index.isin(damage.touched)]
    absent, strange = wanted.index.difference(found.index), found.index.difference(original().index)
    if len(absent):
        return "violation", f"{len(absent)} rows are gone, the first {absent[0]:%Y-%m-%d}"
    if len(strange) > len(damage.touched):
        return "violation", f"{len(strange)} rows are new, the first {strange[0]:%Y-%m-%d}"
    kept = found.loc[wanted.index]
    lost = [name for name in BAR_COLUMNS if damage.header and name != "close" and kept[name].isna().all()]
    same = (kept.drop(columns=lost) == wanted.drop(columns=lost)).all(axis=1)
    if not same.all():
        return "violation", f"{(~same).sum()} rows differ, the first {kept.index[~same][0]:%Y-%m-%d}"
    return ("same" if len(wanted) == len(original()) and len(found) == len(wanted) and not lost else "noticed"), ""
