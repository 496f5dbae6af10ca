"`help` shows what the source says beside each parameter, for every name on every face, and costs nothing until it is asked."

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

import forecastkit as fk
from forecastkit.core.docstrings import LazyDoc, parameters_of

PACKAGE = Path(fk.__file__).parent
DISTRICTS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.pyi"))


def names_of(folder: Path) -> list[str]:
    "The names that a face takes from modules."
    nodes = ast.parse((folder / "__init__.pyi").read_text()).body
    return [alias.name for node in nodes if isinstance(node, ast.ImportFrom) and node.module for alias in node.names]


NAMES = [(f"forecastkit.{d}", name) for d in DISTRICTS for name in names_of(PACKAGE / d)]
NAMES += [("forecastkit", name) for name in names_of(PACKAGE)]


def has_parameters(thing: object) -> bool:
    return isinstance(inspect.unwrap(thing) if callable(thing) else thing, (FunctionType, type)) and bool(
        parameters_of(thing)
    )


@pytest.mark.parametrize(("face", "name"), NAMES)
def test_help_of_a_name_shows_its_parameters(face, name):
    thing = getattr(importlib.import_module(face), name)
    if not has_parameters(thing):
        return
    doc = inspect.getdoc(thing)
    assert "\nParameters\n----------\n" in f"\n{doc}"
    for parameter in parameters_of(thing):
        assert f"\n{parameter.name} : " in doc, parameter
        assert " ".join(parameter.comment.split()) in " ".join(doc.split())
    if isinstance(inspect.unwrap(thing), FunctionType):
        called = {name for name in inspect.signature(thing).parameters if name not in ("self", "cls")}
        assert called == {p.name.lstrip("*") for p in parameters_of(thing)}


@pytest.mark.parametrize(("face", "name"), [(face, name) for face, name in NAMES if name[0].isupper()])
def test_help_of_a_class_shows_the_parameters_of_its_methods(face, name):
    thing = getattr(importlib.import_module(face), name)
    if not isinstance(thing, type):
        return
    for method in vars(thing).values():
        method = getattr(method, "__func__", method)
        if (
            isinstance(method, FunctionType)
            and method.__doc__
            and not method.__name__.startswith("_")
            and parameters_of(method)
        ):
            assert "Parameters\n" in inspect.getdoc(method), method


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_help_as_it_is_printed():
    shown = run("import forecastkit as fk; help(fk.forecast); help(fk.Target.from_log)")
    assert "Parameters" in shown
    assert "horizon : int" in shown
    assert "sessions ahead" in shown
    assert "Raises `DataError`" in shown


def test_help_of_the_package_is_a_map_of_the_districts():
    doc = inspect.getdoc(fk)
    for district in DISTRICTS:
        assert f"\n{district}: " in doc
        for name in names_of(PACKAGE / district):
            assert name in doc
    assert "Begin with: " in doc
    metrics = inspect.getdoc(fk.metrics)
    assert "\nscores: " in metrics
    assert "diebold_mariano" in metrics


def test_nothing_is_read_before_somebody_asks():
    code = "import forecastkit.pipeline, sys; from forecastkit import forecast, MarketData; print(forecast.__doc__._text, MarketData.__doc__._text)"
    assert run(code).split() == ["None", "None"]


def test_a_lazy_docstring_is_a_string():
    doc = LazyDoc("short", lambda: "short and long")
    assert isinstance(doc, str)
    assert (str(doc), f"{doc}", doc.split()[-1], len(doc), doc == "short and long") == (
        "short and long",
        "short and long",
        "long",
        14,
        True,
    )
