"How many examples hypothesis tries: a test's own number in `make test`, ten times as many in `make proofs`."

import os

TIMES = 10 if os.environ.get("HYPOTHESIS_PROFILE") == "proofs" else 1


def scaled(examples: int) -> int:
    "The examples of one property."
    return examples * TIMES
