"""What the checkers that read sources say of the functions that `audits.py DIR --export` wrote.

    RIVALS_PYTHON benchmarks/rivals/audits_rivals.py DIR

Runs in an environment of its own (see README.md) and knows nothing of forecastkit. A function is accused where a checker names
look-ahead or leakage in its file at any grade but "info"; what it says of costs, statistics or style does not count.
"""

import ast
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def leakguard() -> Callable[[str], list[str]]:
    "leakguard-mcp: all rules."
    from leakguard.core import LeakGuard

    guard = LeakGuard()
    return lambda source: [finding.rule_id for finding in guard.scan(source)]


def backtest_auditor() -> Callable[[str], list[str]]:
    "backtest-auditor: the rules LA."
    from nba_auditor import check_code

    return lambda source: [found.rule_id for found in check_code(source).findings
                           if found.severity != "info" and found.rule_id.startswith("LA")]  # fmt: skip


def backtest_audit() -> Callable[[str], list[str]]:
    "backtest-audit: the rules LAB and LEAK."
    from backtest_audit.cli import run_rules
    from backtest_audit.parser.resolver import resolve_constants, resolve_method_assignments

    def check(source: str) -> list[str]:
        tree = ast.parse(source)
        told = run_rules(tree, source.splitlines(), frozenset(), resolve_constants(tree), resolve_method_assignments(tree), True)  # fmt: skip
        return [found.code for found in told if found.code.startswith(("LAB", "LEAK"))]

    return check


def temporal_leaks() -> str:
    "What is installed of temporal-leaks; nothing can be asked of a package without a module."
    try:
        from temporal_leaks import TemporalAudit
    except ImportError as error:
        return f"temporal-leaks holds no code: {error}"
    return f"temporal-leaks can be asked: {TemporalAudit}"


def main(folder: Path) -> None:
    cases, rows = json.loads((folder / "sources.json").read_text()), []
    for name, make in (("backtest-auditor", backtest_auditor), ("leakguard-mcp", leakguard), ("backtest-audit", backtest_audit)):  # fmt: skip
        check = make()
        for case in cases:
            begun = time.process_time()
            rules = check(case["source"])
            rows.append({key: case[key] for key in ("set", "name", "leak")} | {"rival": name, "accused": bool(rules), "rules": rules, "seconds": time.process_time() - begun})  # fmt: skip
        for part in ("suite", "corpus"):
            said = [row for row in rows if row["rival"] == name and row["set"] == part]
            found = sum(row["accused"] for row in said if row["leak"])
            wrong = [row["name"] for row in said if row["accused"] and not row["leak"]]
            print(f"{name}, {part}: {found} of {sum(row['leak'] for row in said)} leaks, innocents accused: {wrong}")
    print(temporal_leaks())
    (folder / "rivals.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
