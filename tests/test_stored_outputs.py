"What a notebook shows is held to what is stored in it, up to what depends on the machine and the moment."

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / ".ci"))
from stored_outputs import VARIES, difference, near, same_outputs

NBS = Path(__file__).resolve().parents[1] / "nbs"


def printed(text: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": text.splitlines(keepends=True)}


def html(text: str) -> dict:
    return {"output_type": "display_data", "data": {"text/html": text.splitlines(keepends=True)}}


PICTURE = {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "<Figure>"}}


@pytest.mark.parametrize(
    "stored, now",
    [
        ("skill 5.5 %", "skill 5.6 %"),  # the last place: another processor rounds the other way
        ("0.6341070147", "0.6341070148"),
        ("version 5e55ff3cb8a6e40a", "version da351e2020028939"),
        ("code 0.3.0+g163beb97, made 2026-11-28 17:57 UTC", "code 0.3.0+g6426e2d2, made 2026-11-29 06:08 UTC"),
        ("a  1.25   b", "a 1.25 b"),  # columns of another width
        ("c645bf3e-1111-4abc-8abc-0123456789ab", "a3d96327-2222-4abc-9abc-0123456789ac"),
        ("from 2026-11-27 on", "from 2027-01-04 on"),
        ("cuts 2, seconds of processor 0.6", "cuts 2, seconds of processor 1.2"),
    ],
)
def test_what_depends_on_machine_and_moment_is_no_difference(stored, now):
    assert difference([printed(stored)], [printed(now)]) == ""


@pytest.mark.parametrize(
    "stored, now, said",
    [
        ("skill 5.5 %", "skill 5.8 %", "5.5 %' is stored"),
        ("332 modules", "333 modules", "332 modules' is stored, '333 modules"),
        ("from 2016-01-04", "from 2016-01-05", "01-04' is stored"),
        ("the range held", "the range failed", "is stored"),
        ("1.10", "-1.10", "is stored"),
        ("1.1e+02", "110", "is stored"),
        ("one line", "one line\nand another", "is stored"),
        ("known at 2020-01-02 16:00 UTC", "known at 2021-07-02 09:30 UTC", "is stored"),
        ("<td>2027-09-10T20:00Z</td><td>bear</td>", "<td>2027-09-10T20:00Z</td><td>bull</td>", "is stored"),
        ("1.23456789e-05", "1.98765432e-05", "is stored"),
        ("equity 1200000.5\nchance 0.10", "equity 1200000.5\nchance 0.55", "is stored"),
    ],
)
def test_another_word_or_number_is_told(stored, now, said):
    assert said in difference([printed(stored)], [printed(now)])
    assert said in difference([html(stored)], [html(now)])


def test_a_picture_must_be_there_and_progress_is_no_content():
    assert difference([PICTURE], [{**PICTURE, "data": {"image/png": "BBBB"}}]) == ""
    assert "<picture>" in difference([PICTURE], [])
    assert difference([printed("50%|##", "stderr")], []) == ""


def test_a_whole_number_has_no_last_place():
    assert not near("10", "11")
    assert not near("10", "10.0")
    assert near("0.999", "1.000")
    assert near("1.25e-05", "1.25e-05")
    assert near("0.00000812", "0.00000412", largest=0.05)  # a contribution that vanishes beside the others
    assert not near("1.25e-05", "1.35e-05")


def test_a_stale_cell_is_named_and_nothing_is_written(tmp_path):
    cell = {"cell_type": "code", "id": "ab12cd34", "metadata": {}, "execution_count": None, "source": ["print(2.5)"]}
    book = {"cells": [{**cell, "outputs": [printed("2.5\n")]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path = tmp_path / "page.ipynb"
    path.write_text(json.dumps(book))
    before = path.read_bytes()
    same_outputs(book, path)
    stale = {**book, "cells": [{**cell, "outputs": [printed("3.5\n")]}]}
    with pytest.raises(AssertionError, match=r"page.ipynb, cell ab12cd34: ...'2.5' is stored, '3.5' is shown"):
        same_outputs(stale, path)
    assert path.read_bytes() == before


def test_what_is_left_out_is_there():
    "A cell of the list that was renamed or removed would stand in it for ever."
    for stem, cells in VARIES.items():
        (path,) = NBS.rglob(f"{stem}.ipynb")
        held = {cell["id"]: cell for cell in json.loads(path.read_text())["cells"]}
        assert all(held[one]["outputs"] for one in cells), stem
