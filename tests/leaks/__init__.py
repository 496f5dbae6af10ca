"""
The corpus of leaks: small functions of a market that know too much, and innocent ones that only look as if they did.

Each is what somebody has written, in good faith, in a notebook or a library. The docstring of a leak says what is wrong with it,
that of a look-alike why nothing is. All of them are judged through the same door, `lookahead.audit`, which knows
none of them; a new kind of leak is added by writing it down here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from forecastkit.data.market import MarketData

Function = Callable[[MarketData], Any]


@dataclass(frozen=True)
class Case:
    "A function to be audited, and when its rows are used."

    fn: Function
    decide: str = "close"

    def __str__(self) -> str:
        return f"{self.fn.__module__.split('.')[-1]}.{self.fn.__name__}"


LEAKS: list[Case] = []
LOOKALIKES: list[Case] = []


def leak(fn: Function | None = None, *, decide: str = "close"):
    "Marks a function as one that must be found."
    return _listed(LEAKS, fn, decide)


def innocent(fn: Function | None = None, *, decide: str = "close"):
    "Marks a function as one that must pass."
    return _listed(LOOKALIKES, fn, decide)


def _listed(cases: list[Case], fn: Function | None, decide: str):
    def note(one: Function) -> Function:
        if one.__module__.startswith(f"{__name__}."):  # not where `verify --function` loads a file again
            cases.append(Case(one, decide))
        return one

    return note if fn is None else note(fn)


for part in (
    "windows",
    "scaling",
    "answers",
    "published",
    "calendars",
    "universe",
    "models",
    "opens",
    "panel",
    "lookalikes",
):
    import_module(f"leaks.{part}")
