"""What becomes of 2,000 damaged files and 5,000 frames at the public doors; exits 1 if one row is silently changed, or one error is no sentence.

    .venv/bin/python benchmarks/fuzz.py [how many files] [first seed] [how many frames]

Refused: one sentence that names the file. Same: read as if nothing had happened. Noticed: rows that were damaged differ or are
gone, all others are there bit for bit. A file that takes longer than 20 seconds counts as a hang.
"""

import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from handed_in import handed_in
from handed_in import verdict as frame_verdict
from mutations import mutation, verdict

LONGEST = 20  # seconds
OUTCOMES = ("refused", "same", "noticed", "violation")


class Hang(BaseException):
    "Raised by the alarm; no reader may swallow it."


def alarm(*_: object) -> None:
    raise Hang


def tried(seed: int, folder: Path) -> tuple[str, str, str, float]:
    "Kind, outcome, reason and seconds of one mutation."
    damage, start = mutation(seed), time.perf_counter()
    signal.alarm(LONGEST)
    try:
        outcome, why = verdict(folder, damage)
    except Hang:
        outcome, why = "violation", f"no answer after {LONGEST} s"
    finally:
        signal.alarm(0)
    return damage.kind, outcome, why, time.perf_counter() - start


def main(count: int = 2000, first: int = 0) -> int:
    "Print a table by kind; the number of violations."
    signal.signal(signal.SIGALRM, alarm)
    table, slowest, violations = defaultdict(Counter), Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for seed in tqdm(range(first, first + count), leave=False):
            kind, outcome, why, took = tried(seed, Path(folder))
            table[kind][outcome] += 1
            slowest[kind] = max(slowest[kind], took)
            if outcome == "violation":
                violations.append(f"seed {seed}, {kind}: {why}")
    print(f"{'kind':24s}" + "".join(f"{name:>11s}" for name in ("files", *OUTCOMES, "slowest")))
    for kind, counts in sorted(table.items()):
        print(
            f"{kind:24s}{counts.total():11d}"
            + "".join(f"{counts[name]:11d}" for name in OUTCOMES)
            + f"{slowest[kind]:9.2f} s"
        )
    total = sum(table.values(), Counter())
    print(f"{'all':24s}{total.total():11d}" + "".join(f"{total[name]:11d}" for name in OUTCOMES))
    print(*violations[:20], sep="\n")
    return len(violations)


def frames(count: int = 5000, first: int = 0) -> int:
    "Print what became of frames that were handed in; the number of violations."
    outcomes, violations = Counter(), []
    for seed in tqdm(range(first, first + count), leave=False):
        handed = handed_in(seed)
        outcome, why = frame_verdict(handed)
        outcomes[outcome] += 1
        if outcome == "violation":
            violations.append(f"seed {seed}, {', '.join(handed.kinds)}: {why}")
    print("frames  " + "".join(f"{name:>11s}{outcomes[name]:6d}" for name in OUTCOMES))
    print(*violations[:20], sep="\n")
    return len(violations)


if __name__ == "__main__":
    counts = [*map(int, sys.argv[1:])]
    sys.exit(main(*counts[:2]) + frames(*counts[2:3]) > 0)
