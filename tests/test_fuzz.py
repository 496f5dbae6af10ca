"Damaged files through the public door: refused in one sentence, or every row that was not damaged is there."

import pytest
from mutations import KINDS, Mutation, mutation, original, text, verdict


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_file_is_refused_or_read_right(seed, tmp_path):
    damage = mutation(seed)
    outcome, why = verdict(tmp_path, damage)
    assert outcome != "violation", f"{damage.kind}: {why}"
    if damage.kind in ("csv: no table", "json as csv", "csv: NUL"):
        assert outcome == "refused"
    if damage.kind == "csv: columns moved":
        assert outcome == "same"


def test_the_whole_file_is_read_whole(tmp_path):
    assert verdict(tmp_path, Mutation("none", text())) == ("same", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (text().replace(b"2018-02-05", b"2018-02-06", 1), ""),
        (text().replace(b"2018-03-01,", b"2018-03-01,1", 1), "1 rows differ, the first 2018-03-01"),
        (text().replace(b"2018-03-01", b"2018-07-02", 1), "1 rows are gone, the first 2018-03-01"),
        (text() + b"2018-07-02,1,2,1,2,2,10\n", "1 rows are new, the first 2018-07-02"),
    ],
)
def test_the_judge_sees_what_no_reader_can(content, words, tmp_path):
    "Changes that no reader can notice are violations where the mutation does not own up to them."
    outcome, why = verdict(tmp_path, Mutation("forged", content))
    assert (outcome, why) == ("violation", words) if words else outcome == "refused"


def test_mutations_are_seeded_and_of_many_kinds():
    assert [mutation(seed).content for seed in range(40)] == [mutation(seed).content for seed in range(40)]
    assert len({mutation(seed).kind for seed in range(40)}) >= 17
    assert len(KINDS) == 20 and len(original()) == 125
