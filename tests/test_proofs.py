"What is too long for `make test` is proved by `make proofs`, and a short test stands for it."

import ast
from pathlib import Path

import pytest
from conftest import LONG_FILES, UNTRACED

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "tests").glob("test_*.py"))


def is_slow(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "slow" and ast.unparse(node).endswith("mark.slow")


def cousins(test: ast.FunctionDef) -> list[str | None]:
    "What the slow marks of a test name: of the whole test, or of some of its cases."
    marks = [node for decorator in test.decorator_list for node in ast.walk(decorator) if is_slow(node)]
    named = {
        call.func: ast.literal_eval(call.args[0])
        for decorator in test.decorator_list
        for call in ast.walk(decorator)
        if isinstance(call, ast.Call) and is_slow(call.func) and len(call.args) == 1
    }
    return [named.get(mark) for mark in marks]


def wholly_slow(test: ast.FunctionDef) -> bool:
    return any(is_slow(one.func if isinstance(one, ast.Call) else one) for one in test.decorator_list)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_long_proof_names_a_short_test_of_its_file(path):
    tree = ast.parse(path.read_text())
    tests = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    short = {name for name, node in tests.items() if name.startswith("test_") and not wholly_slow(node)}
    for name, node in tests.items():
        for cousin in cousins(node):
            if cousin and "::" in cousin:  # of another file
                file, cousin = cousin.split("::")
                assert f"\ndef {cousin}(" in (path.parent / file).read_text()
                continue
            assert cousin in short, f"{path.name}: {name} is slow and no short test stands for it: {cousin}"
    assert sum(map(is_slow, ast.walk(tree))) == sum(len(cousins(node)) for node in tests.values()), (
        "a slow mark outside the decorators of a test"
    )


def test_make_test_leaves_out_what_make_proofs_runs():
    text = (ROOT / "Makefile").read_text()
    recipes = {part.split(":")[0]: part for part in text.split("\n\n")}
    assert '-m "not slow"' in recipes["test"] and "-m slow" not in recipes["test"]
    assert "pytest -q -n 2 -m slow --durations=10\n" in recipes["proofs"]


def test_every_file_that_begins_first_is_there_and_others_are_traced():
    assert len(LONG_FILES) == len(set(LONG_FILES))
    assert {f"test_{name}" for name in {*LONG_FILES, *UNTRACED}} < {path.stem for path in FILES}
