"""How many faults would the tests notice? Random faults, one at a time, in the districts that decide numbers.

    .venv/bin/python benchmarks/mutation.py [--faults 200] [--seed 25] [--minutes 45] [--share 1/2] [--again] [--files 3] [--only TEXT]

Every place in `calendars, data, features, models, evaluation, ledger` and `ops` where a fault of one of nine kinds can be put
in is listed; a seed draws from the list without regard to what the tests look at. A copy of the checkout in a temporary folder gets one fault at a
time. This process imports the libraries, but nothing of the package, and forks a child for each run, so that a run costs a
second and its tests. A test file is run as a whole the first time it is asked; when it is asked again, it is traced once, each test a context of its own, and what
runs which line is kept beside the results. From then on the tests that run the line of the fault come first, the fastest before the others; then the whole file,
as a test may reach a line through what another one has made. What no test notices is tried in the module's notebook, whose cell gets the fault too, and in those of
three modules that import it; a notebook that shows something else than what is stored in it fails, as it does in `make test`. A fault is noticed where something
fails, or does not end within its limit of processor seconds.

One line of JSON for each fault goes to `mutation.jsonl` in the temporary folder (`TMPDIR`), so that a run that was killed goes on;
the order is that of the draw, and what was done by then is an unbiased part of it. Two processes share the work by modules, with
`--share 1/2` and `--share 2/2`. `--again` tries the survivors once more, with `--files` test files if they should be more than three, and the last
line of a fault counts. A survivor that was judged to change nothing that can be seen stands with its reason in
`mutation_survivors.md`; it counts as survived.

Measured: of the first 84 of seed 28, 72 as drawn (86 %, 95 % interval 77 to 92 %), without tests of its own. Of the 160 of seed 27, 108 as drawn
(68 %, 60 to 74 %) and 149 with the tests that the survivors asked for; of the 116 drawn after `test_known_numbers` was written 74 % (65 to 81 %)
are noticed with it. Of the 160 of seed 26, 111 and 141. See `mutation_survivors.md`.

Own code and not mutmut or cosmic-ray: both run a test command in a new process for every fault, five seconds of imports each, and know nothing
of notebooks whose cells become the package.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

ROOT = Path(__file__).resolve().parents[1]
DISTRICTS = ("calendars", "data", "features", "models", "evaluation", "ledger", "ops")
LIBRARIES = [
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "scipy.optimize",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.isotonic",
    "sklearn.covariance",
    "sklearn.calibration",
    "sklearn.model_selection",
    "xgboost",
    "arch",
    "hmmlearn.hmm",
    "sqlalchemy",
    "alembic.command",
    "typer",
    "rich.table",
    "jinja2",
    "httpx",
    "exchange_calendars",
    "talib",
    "skops.io",
    "statsmodels.api",
    "optuna",
    "matplotlib.pyplot",
    "hypothesis.extra.numpy",
    "pytest",
    "coverage",
    "nbformat",
    "execnb.shell",
    "tqdm",
    "filelock",
]
SECONDS = 30  # of the processor, for all tests of one fault; as much again for the notebook
FASTEST = 12  # tests that run the line, before whole files
IMPORTERS = 3  # modules that import the one with the fault, whose notebooks are run too
CAP = 25  # of the processor, for one test file: the tests beyond are left out


class Fault(NamedTuple):
    "A change of one place of one file."

    path: str  # from the root
    line: int
    kind: str
    before: str
    after: str
    span: tuple[int, int]  # bytes of the file that are replaced
    lines: tuple[int, int]  # of the statement (its head where it has a body), first and last
    function: tuple[int, int]  # lines of the function around it, (0, 0) in the body of a module

    @property
    def name(self) -> str:
        return f"{self.path}:{self.line} {self.kind}: {self.before} -> {self.after}"


# Kinds of faults: from a node all its changed versions

COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
COMPARE |= {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div}
LEAST = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "idxmin": "idxmax", "idxmax": "idxmin",
         "argmin": "argmax", "argmax": "argmin", "cummax": "cummin", "cummin": "cummax"}  # fmt: skip


def changed_numbers(value: object) -> list[object]:
    "Constants that stand one off, or the other truth."
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1] if value else [1]
    return [value * 1.5 if value else 1.0] if isinstance(value, float) else []


def with_field(node: ast.AST, **fields: Any) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    "Kind and changed version."
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            ops = [*node.ops[:place], COMPARE[type(operator)](), *node.ops[place + 1 :]]
            yield "boundary", with_field(node, ops=ops)
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield "arithmetic", with_field(node, op=ARITHMETIC[type(node.op)]())
    elif isinstance(node, ast.Constant):
        yield from (("constant", ast.Constant(value)) for value in changed_numbers(node.value))
    elif isinstance(node, ast.BoolOp):
        yield "and/or", with_field(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
        yield "dropped not", node.operand
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        for side in ("lower", "upper"):
            if (bound := getattr(node.slice, side)) is not None:
                moved = with_field(node.slice, **{side: ast.BinOp(bound, ast.Add(), ast.Constant(1))})
                yield "slice", with_field(node, slice=moved)
    elif isinstance(node, ast.Call):
        known = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        starred = known in LEAST or any(isinstance(one, ast.Starred) for one in node.args[:2])
        if len(node.args) > 1 and not starred and ast.dump(node.args[0]) != ast.dump(node.args[1]):
            yield "swapped arguments", with_field(node, args=[node.args[1], node.args[0], *node.args[2:]])
        if isinstance(node.func, ast.Name) and node.func.id in LEAST:
            yield "min/max", with_field(node, func=ast.Name(LEAST[node.func.id]))
        if isinstance(node.func, ast.Attribute) and node.func.attr in LEAST:
            yield "min/max", with_field(node, func=with_field(node.func, attr=LEAST[node.func.attr]))


def removable(node: ast.AST) -> bool:
    "A statement without which the rest still has all its names."
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    return isinstance(node, (ast.AugAssign, ast.Raise, ast.Continue, ast.Break)) or (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Subscript, ast.Attribute))
    )


def skipped(node: ast.AST) -> list[ast.AST]:
    "Parts of a node in which a fault is none: annotations, decorators, texts with values in them, patterns, imports, the list of public names."
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return [node.value]
    parts = [getattr(node, name, None) for name in ("annotation", "returns")]
    return [*(part for part in parts if part), *getattr(node, "decorator_list", [])]


OPAQUE = (ast.JoinedStr, ast.Import, ast.ImportFrom, ast.match_case)


def faults_of(path: Path, root: Path) -> list[Fault]:
    "All faults of a file, in the order of their places."
    text = path.read_text()
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found, raw = list[Fault](), text.encode()

    def add(
        node: ast.expr | ast.stmt, kind: str, after: str, lines: tuple[int, int], function: tuple[int, int]
    ) -> None:
        begin, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        place, before = str(path.relative_to(root)), raw[begin:end].decode()
        found.append(Fault(place, node.lineno, kind, before, after, (begin, end), lines, function))

    def walk(node: ast.AST, lines: tuple[int, int], function: tuple[int, int]) -> None:
        if isinstance(node, OPAQUE):
            return
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            lines = (node.lineno, max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno)
            if function != (0, 0) and removable(node):
                add(node, "removed statement", "pass", lines, function)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = function = (node.body[0].lineno, node.end_lineno or node.lineno)  # there its defaults are seen
        if isinstance(node, ast.expr):
            for kind, after in variants(node):
                add(node, kind, f"({ast.unparse(ast.fix_missing_locations(after))})", lines, function)
        without = skipped(node)
        for child in ast.iter_child_nodes(node):
            if child not in without:
                walk(child, lines, function)

    walk(ast.parse(text), (0, 0), (0, 0))
    return found


def drawn(root: Path, count: int, seed: int) -> list[Fault]:
    "So many faults at random, in the order of the draw."
    files = [path for district in DISTRICTS for path in sorted((root / "forecastkit" / district).glob("[!_]*.py"))]
    return random.Random(seed).sample([fault for path in files for fault in faults_of(path, root)], count)  # noqa: S311


# One run: a child with the libraries of this process and the package of the copy


def child(work: Callable[[], int], seconds: float, log: Path) -> tuple[int, float]:
    "The exit code of some work in a forked process (-1 where it took too long), and its processor seconds."
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    number = os.fork()
    if not number:
        code = 3
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 3))
            where = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(where, 1)
            os.dup2(where, 2)
            code = int(work())
        except BaseException as error:  # whatever it is, the child ends here
            print(repr(error), flush=True)
        finally:
            sys.stdout.flush()
            os._exit(code)
    status = wait_for(number, 20 * seconds + 60)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    return (os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else -1), used


def wait_for(number: int, longest: float) -> int:
    "The status of a child; after so many seconds by the clock it and what it began are ended."
    until = time.monotonic() + longest
    while True:
        done, status = os.waitpid(number, os.WNOHANG)
        if done:
            break
        if time.monotonic() > until:
            os.killpg(number, signal.SIGKILL)
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)  # what a test has left behind
    return status


def used_by_now() -> float:
    "Processor seconds of this process and of what it waited for."
    return sum(os.times()[:4])


def limit(seconds: float) -> float:
    "Processor seconds after which what takes so long without a fault is taken to have no end."
    return 15 + 2 * seconds


OPTIONS = ["-q", "-p", "no:cacheprovider", "-m", "not slow", "--hypothesis-seed=0"]


def without_shrinking() -> None:
    "Properties stop at the first example that fails: nobody reads it."
    from hypothesis import Phase, settings

    plain, phases = settings.register_profile, (Phase.explicit, Phase.generate)
    changed = staticmethod(lambda name, *args, **told: plain(name, *args, **told, phases=phases))
    type.__setattr__(settings, "register_profile", changed)  # the class forbids it, and has no hook


class Cap:
    "A plugin of pytest: no further test after so many seconds."

    def pytest_runtest_teardown(self, item: Any) -> None:
        if used_by_now() > CAP:
            item.session.shouldstop = "the cap"


class Contexts(Cap):
    "A plugin of pytest: each test a context of the tracer, and how long each took."

    def __init__(self, tracer: Any):
        self.tracer, self.seconds, self.failed, self.began = tracer, dict[str, float](), set[str](), used_by_now()

    def pytest_runtest_setup(self, item: Any) -> None:
        self.began = used_by_now()
        self.tracer.switch_context("setup")

    def pytest_runtest_call(self, item: Any) -> None:
        self.tracer.switch_context(item.nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if not report.passed:  # in the copy, without a fault
            self.failed.add(report.nodeid)
        self.seconds[report.nodeid] = used_by_now() - self.began


class Copy:
    "The checkout as it was at the first call, with the tests of now; faults are put in."

    def __init__(self, folder: Path):
        folder.mkdir(exist_ok=True)
        self.root, self.plain = folder / "copy", folder / "plain"
        if not self.plain.is_dir():
            left_out = (".git", ".venv", ".nbpy", "__pycache__", ".hypothesis", ".*_cache", "_docs", "_proc")
            shutil.copytree(ROOT, self.plain, ignore=shutil.ignore_patterns(*left_out), symlinks=True)
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.plain, self.root, symlinks=True)
        shutil.copytree(ROOT / "tests", self.root / "tests", dirs_exist_ok=True)
        self.kept, self.asked = folder / "traced", set[str]()
        self.kept.mkdir(exist_ok=True)

    def enter(self) -> None:
        "From here on this process works in the copy."
        os.environ["PYTHONPATH"] = str(self.root)
        os.chdir(self.root)
        sys.path[:0] = [str(self.root / "tests"), str(self.root / ".ci"), str(self.root)]

    @contextlib.contextmanager
    def spoilt(self, fault: Fault) -> Iterator[None]:
        "With a fault in its file."
        path = self.root / fault.path
        raw = path.read_bytes()
        begin, end = fault.span
        try:
            self.write(path, raw[:begin] + fault.after.encode() + raw[end:])
            yield
        finally:
            self.write(path, raw)

    def write(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        for old in (path.parent / "__pycache__").glob(f"{path.stem}.*"):  # its time counts in seconds
            old.unlink()

    def tests(self, chosen: list[str], seconds: float) -> tuple[int, float, str]:
        "Exit code of pytest, seconds, and the first test that failed; `seconds` is what it takes without a fault."

        def work() -> int:
            import pytest

            without_shrinking()
            return int(pytest.main([*OPTIONS, "-x", "--tb=line", *chosen], plugins=[Cap()]))

        log = self.root.parent / "log.txt"
        code, used = child(work, limit(seconds), log)
        failed = [line for line in log.read_text(errors="replace").splitlines() if line.startswith(("FAILED", "ERROR"))]
        by = failed[0].split(" - ")[0].partition(" ")[2] if failed else f"exit {code}"
        if code == 3:
            raise RuntimeError(f"pytest did not run: {log.read_text(errors='replace')[-400:]}")
        return (code, used, by) if failed or code not in (0, 2, 5) else (0, used, "")  # 2: stopped by the cap

    def first_time(self, file: str) -> bool:
        "Whether a test file is asked for the first time: then it is run as a whole, and traced when it is asked again."
        first = file not in self.asked and not (self.kept / f"{file}.json").is_file()
        self.asked.add(file)
        return first

    def whole(self, fault: Fault, file: str) -> tuple[int, float, str]:
        "`tests` of a whole file, without what fails without the fault too."
        left_out, spent = list[str](), 0.0
        while True:
            chosen = [f"tests/{file}.py", *(f"--deselect={one}" for one in left_out)]
            code, used, by = self.tests(chosen, CAP)
            spent += used
            if "::" not in by or by in left_out:
                return code, spent, by
            spoilt = (self.root / fault.path).read_bytes()
            self.write(self.root / fault.path, (self.plain / fault.path).read_bytes())
            plain, used, _ = self.tests([by], CAP)
            self.write(self.root / fault.path, spoilt)
            spent += used
            if plain == 0:
                return code, spent, by
            left_out.append(by)

    @cache  # noqa: B019 (there is one copy)
    def traced(self, file: str) -> dict[str, Any]:
        "Of a test file: seconds of each test, and by module the lines of each; empty where it takes too long."
        kept = self.kept / f"{file}.json"
        if kept.is_file():
            return json.loads(kept.read_text())

        def work() -> int:
            import coverage
            import pytest

            looked_at = [f"{self.root}/forecastkit/{one}/*" for one in DISTRICTS]
            tracer = coverage.Coverage(data_file=None, config_file=False, include=looked_at)
            plugin = Contexts(tracer)
            tracer.start()
            pytest.main([*OPTIONS, "--tb=no", f"tests/{file}.py"], plugins=[plugin])
            tracer.stop()
            data, lines = tracer.get_data(), dict[str, dict[str, list[str]]]()
            for path in data.measured_files():
                by_line = data.contexts_by_lineno(path)
                lines[str(Path(path).relative_to(self.root))] = {str(line): sorted(by_line[line]) for line in by_line}
            seconds = {name: used for name, used in plugin.seconds.items() if name not in plugin.failed}
            kept.write_text(json.dumps({"seconds": seconds, "lines": lines}))
            return 0

        _, used = child(work, 3 * CAP, self.root.parent / "log.txt")
        if not kept.is_file():
            kept.write_text(json.dumps({"seconds": {}, "lines": {}}))
        print(f"  traced {file}: {used:.0f} s", flush=True)
        return json.loads(kept.read_text())

    def notebook(self, fault: Fault) -> tuple[bool, float]:
        "Whether the module's notebook fails with the fault in its cell, and not without it; seconds."
        lines = (self.root / fault.path).read_text().splitlines()
        heads = [place for place, line in enumerate(lines) if line.startswith("# %%")]
        head = max((place for place in heads if place < fault.line), default=0)
        book, _, cell = lines[head].removeprefix("# %% ").partition(" #")
        path = (self.root / fault.path).parent.joinpath(book).resolve()
        raw, found = path.read_bytes(), json.loads(path.read_text())
        code = "\n".join(lines[head + 1 : next((place for place in heads if place > head), len(lines))])
        code = re.sub(r"^(\s+)from \.\.", r"\1from forecastkit.", code, flags=re.M)
        code = re.sub(r"^(\s+)from \.", rf"\1from forecastkit.{Path(fault.path).parent.name}.", code, flags=re.M)
        for node in found["cells"]:
            if node.get("id") == cell:
                node["source"] = f"#| export\n{code}"
        spent, spoilt = 0.0, (self.root / fault.path).read_bytes()
        path.write_text(json.dumps(found))
        try:
            for book in [path, *(self.book_of(other) for other in importers(fault.path)[:IMPORTERS])]:
                fails, used = self.book_fails(book)
                spent += used
                if fails:
                    path.write_bytes(raw)
                    self.write(self.root / fault.path, (self.plain / fault.path).read_bytes())
                    fails = not self.plain_book_fails(book)
                    path.write_text(json.dumps(found))
                    self.write(self.root / fault.path, spoilt)
                if fails:
                    return True, spent
            return False, spent
        finally:
            path.write_bytes(raw)

    def book_of(self, module: str) -> Path:
        "The notebook that a module is exported from."
        said = re.search(r"File to edit: (\S+)", (self.plain / module).read_text())
        return (self.root / module).parent.joinpath(said[1]).resolve() if said else self.root / module

    def book_fails(self, path: Path) -> tuple[bool, float]:
        def work() -> int:
            from nbdev import test
            from stored_outputs import same_outputs

            test.write_nb = same_outputs
            os.chdir(path.parent)
            good, _ = test.test_nb(path, basepath=self.root, save=True)
            return 0 if good else 1

        code, used = child(work, 3 * SECONDS, self.root.parent / "log.txt")
        return bool(code), used

    @cache  # noqa: B019
    def plain_book_fails(self, path: Path) -> bool:
        return self.book_fails(path)[0]


# Which tests


@cache
def public_names(path: str) -> frozenset[str]:
    "Functions and classes of a module."
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)))


GENERAL = (
    "architecture",
    "notebooks",
    "package",
    "promised_names",
    "proofs",
    "habits",
    "help",
    "benchmarks",
    "container",
)


@cache
def test_words() -> dict[str, tuple[str, frozenset[str]]]:
    "Of each test file its text and the names in it."
    files = [
        path for path in sorted((ROOT / "tests").glob("test_*.py")) if path.stem.removeprefix("test_") not in GENERAL
    ]
    return {path.stem: (text := path.read_text(), frozenset(re.findall(r"\w+", text))) for path in files}


@cache
def importers(path: str) -> tuple[str, ...]:
    "Modules of the same district that import this one."
    place = Path(path)
    line = re.compile(rf"^from (\.|{'.'.join(place.parent.parts)}\.){place.stem} import", re.M)
    others = sorted((ROOT / place.parent).glob("[!_]*.py"))
    return tuple(str(other.relative_to(ROOT)) for other in others if line.search(other.read_text()))


KNOWN = "test_known_numbers"  # looks at every module's constants, and at numbers of features and models


@cache
def naming(path: str) -> dict[str, float]:
    "Test files that name a module or what is in it, and how much: a name that stands in few files says more."
    dotted, scores = path.removesuffix(".py").replace("/", "."), dict[str, float]()
    for name in public_names(path):
        files = [file for file, (_, words) in test_words().items() if name in words]
        for file in files:
            scores[file] = scores.get(file, 0.0) + 1 / len(files)
    for file, (text, _) in test_words().items():
        if Path(path).stem in file:
            scores[file] = scores.get(file, 0.0) + 20
        if dotted in text or f"from {dotted.rpartition('.')[0]} import {Path(path).stem}" in text:
            scores[file] = scores.get(file, 0.0) + 10
    return scores


def candidates(fault: Fault, most: int) -> list[str]:
    "The test of known numbers and the test files that name most of a module; where they are few, those of the modules that import it too."
    scores = dict(naming(fault.path))
    if len(scores) < most:
        for other in importers(fault.path):
            for file, score in naming(other).items():
                scores[file] = scores.get(file, 0.0) + score / 100
    return [KNOWN, *(file for file in sorted(scores, key=lambda file: -scores[file]) if file != KNOWN)][: most + 1]


def covering(copied: Copy, fault: Fault, file: str) -> list[tuple[float, str]]:
    "Seconds and names of the tests of a file that run the statement of a fault, the fastest first."
    traced = copied.traced(file)
    if file == KNOWN:  # which looks at constants and defaults without a line of theirs being run
        return sorted((used, one) for one, used in traced["seconds"].items())
    lines = traced["lines"].get(fault.path, {})
    reached = {one for line in range(fault.lines[0], fault.lines[1] + 1) for one in lines.get(str(line), ())}
    if fault.function == (0, 0) or not reached - {"", "setup"}:  # run on import, or to make what tests share
        reached |= set(traced["seconds"]) if reached else set()
    return sorted((traced["seconds"][one], one) for one in reached if one in traced["seconds"])


def judged(copied: Copy, fault: Fault, most: int) -> dict[str, Any]:
    "What became of a fault: noticed by which test, by the notebook, or survived."
    spent, files = 0.0, dict[str, float]()
    with copied.spoilt(fault):
        for file in candidates(fault, most):
            if spent > SECONDS:
                break
            if copied.first_time(file):
                code, used, by = copied.whole(fault, file)
                files[file] = CAP
            elif tests := covering_clean(copied, fault, file)[:FASTEST]:
                files[file] = sum(copied.traced(file)["seconds"].values())
                code, used, by = copied.tests([one for _, one in tests], sum(seconds for seconds, _ in tests))
            else:
                continue
            spent += used
            if code:
                return {"status": "noticed", "by": by, "seconds": round(spent, 1)}
        for file in sorted(files, key=lambda one: files[one]):
            if files[file] == CAP or spent + files[file] > 2 * SECONDS:
                continue
            code, used, by = copied.tests([*copied.traced(file)["seconds"]], files[file])
            spent += used
            if code:
                return {"status": "noticed", "by": by, "seconds": round(spent, 1)}
        fails, used = copied.notebook(fault)
    status = "notebook" if fails else "survived" if files else "not reached"
    return {"status": status, "by": "", "seconds": round(spent + used, 1)}


def covering_clean(copied: Copy, fault: Fault, file: str) -> list[tuple[float, str]]:
    "`covering`, with the file of the fault as it was while a test file is traced."
    path = copied.root / fault.path
    spoilt = path.read_bytes()
    if not (copied.kept / f"{file}.json").is_file():
        copied.write(path, (copied.plain / fault.path).read_bytes())
    try:
        return covering(copied, fault, file)
    finally:
        copied.write(path, spoilt)


# The account


def results(path: Path) -> dict[str, dict[str, Any]]:
    "The last line of each fault."
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return {row["fault"]: row for row in rows}


def wilson(k: int, n: int) -> tuple[float, float]:
    "The interval of a share, 95 %."
    z = 1.96
    middle, width = (k + z * z / 2) / (n + z * z), z * sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    return middle - width, middle + width


def account(faults: list[Fault], found: dict[str, dict[str, Any]]) -> None:
    "Print the score and the survivors."
    done = [found[fault.name] for fault in faults if fault.name in found]
    if not done:
        return
    tests = sum(row["status"] == "noticed" for row in done)
    both = tests + sum(row["status"] == "notebook" for row in done)
    for row in done:
        if row["status"] in ("survived", "not reached"):
            print(f"{row['status']}: {row['fault']}")
    low, high = wilson(both, len(done))
    print(
        f"{len(done)} faults: {both} noticed ({both / len(done):.1%}, 95 % {low:.1%} to {high:.1%}), {tests} of them by tests/ and the others by notebooks"
    )


def to_do(row: dict[str, Any] | None, again: bool) -> bool:
    return row is None or (again and row["status"] in ("survived", "not reached"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=25)
    parser.add_argument(
        "--minutes", type=float, default=45.0, help="by the clock; what is not done by then is left for the next call"
    )
    parser.add_argument("--again", action="store_true", help="try the survivors once more, test files traced anew")
    parser.add_argument("--share", default="1/1", help="the first of two parts of the modules: 1/2")
    parser.add_argument("--files", type=int, default=3, help="test files that are asked, at most")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    asked = parser.parse_args()
    os.nice(10)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MPLBACKEND="agg")
    folder = Path(tempfile.gettempdir())
    part, parts = (int(number) for number in asked.share.split("/"))
    copied = Copy(folder / f"share-{part}")
    faults = drawn(copied.plain, asked.faults, asked.seed)
    kept, until = folder / "mutation.jsonl", time.monotonic() + 60 * asked.minutes
    found = results(kept)
    mine = [fault for fault in faults if asked.only in fault.name and crc32(fault.path.encode()) % parts == part - 1]
    todo = [fault for fault in mine if to_do(found.get(fault.name), asked.again)]
    if todo and asked.minutes:
        if asked.again:
            shutil.rmtree(copied.kept)
            copied.kept.mkdir()
        copied.enter()
        for name in LIBRARIES:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        for fault in todo:
            if time.monotonic() > until:
                break
            row = {"fault": fault.name, **judged(copied, fault, asked.files)}
            with kept.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{row['status']:<12}{row['seconds']:>6} s  {fault.name}  {row['by']}", flush=True)
    account(faults, results(kept))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
