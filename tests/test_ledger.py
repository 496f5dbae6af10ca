"The chain, whatever is done to it: every row that was touched is named, and none that was not."

from hypothesis import given
from hypothesis import strategies as st

from forecastkit.core import GENESIS
from forecastkit.ledger.chain import ROWS as CHAIN
from forecastkit.ledger.chain import broken_links

N = 9
ROWS = CHAIN.append([{"symbol": "VIX", "origin": f"day {k}", "median": float(k)} for k in range(1, N + 1)])
HEAD = ROWS[-1]["row_hash"]
NUMBERS = st.integers(1, N)


def named(rows, length: int = N, head: str = HEAD) -> dict[int, str]:
    "Row -> what is said of it; one sentence a row."
    problems = broken_links(rows, length, head)
    assert len({problem.row for problem in problems}) == len(problems)
    return {problem.row: problem.words for problem in problems}


def test_a_chain_as_it_was_written():
    assert named(ROWS) == {} and named([], 0, GENESIS) == {}


@given(st.sets(NUMBERS, min_size=1), st.sampled_from(["symbol", "origin", "median", "previous_hash", "row_hash"]))
def test_changed_rows_are_named_and_no_others(touched, column):
    rows = [row | ({column: "0" * 64} if row["seq"] in touched else {}) for row in ROWS]
    expected = touched - {1} if column == "previous_hash" else touched  # the first row follows just that
    assert named(rows) == dict.fromkeys(expected, "was changed after it was written")


@given(st.sets(NUMBERS, min_size=1))
def test_deleted_rows_are_named_and_no_others(gone):
    found = broken_links([row for row in ROWS if row["seq"] not in gone], N, HEAD)
    told = set()
    for problem in found:
        last = int(problem.words.split()[-3]) if "up to row" in problem.words else problem.row
        told |= set(range(problem.row, last + 1))
    assert told == gone


@given(st.permutations(range(N)))
def test_rows_in_another_order_are_named_with_the_number_they_were_written_under(order):
    rows = [ROWS[k] | {"seq": number} for number, k in enumerate(order, start=1)]
    moved = {number: f"was written as row {k + 1}" for number, k in enumerate(order, start=1) if number != k + 1}
    assert named(rows) == moved


@given(NUMBERS)
def test_a_row_that_was_replaced_with_a_hash_of_its_own_is_found(number):
    before = ROWS[number - 2]["row_hash"] if number > 1 else GENESIS
    bare = {k: v for k, v in ROWS[number - 1].items() if k != "seq"}
    forged = CHAIN.append([{**bare, "median": 99.0}], before, number - 1)
    found = named([*ROWS[: number - 1], *forged, *ROWS[number:]])
    assert list(found) == [min(number + 1, N)]  # the link to the next row is broken, or that to the noted head


@given(NUMBERS)
def test_a_chain_written_anew_from_a_row_on_does_not_end_where_it_did(number):
    bare = [{k: v for k, v in row.items() if k not in ("seq", "previous_hash", "row_hash")} for row in ROWS]
    bare[number - 1]["median"] = 99.0
    assert list(named(CHAIN.append(bare))) == [N]
