"What surrounds the code cannot drift from it: every command that a workflow, a hook or a template names exists here, at a pinned version."

import ast
import importlib
import itertools
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import forecastkit
from forecastkit.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+)(?: [a-z]+)*:", MAKEFILE, re.M))
TABLES = [
    *sorted((ROOT / ".github").rglob("*.yml")), *ROOT.glob(".pre-commit-*.yaml"),
    ROOT / "CITATION.cff", ROOT / "compose.yaml", ROOT / "_quarto.yml",
]  # fmt: skip
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}
JOBS = [(f"{file}:{name}", job) for file, flow in WORKFLOWS.items() for name, job in flow["jobs"].items()]
RELEASE = runpy.run_path(str(ROOT / ".ci/release.py"))
SCRIPTS = {  # of a distribution whose command has another name
    "nbdev-export": "nbdev", "nbdev-test": "nbdev", "nbdev-clean": "nbdev", "nbdev-docs": "nbdev", "cyclonedx-py": "cyclonedx-bom",
}  # fmt: skip


def variants(job: dict) -> list[dict[str, str]]:
    "The rows of a job's matrix; one empty row where it has none."
    matrix = dict(job.get("strategy", {}).get("matrix", {}))
    rows = matrix.pop("include", [{}] if matrix else [])
    product = [dict(zip(matrix, values)) for values in itertools.product(*matrix.values())] if matrix else []
    return [row for row in (*product, *rows) if row] or [{}]


def filled(command: str, row: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda name: str(row[name[1]]), command)


def commands(job: dict) -> list[str]:
    found = [filled(step["run"], row) for step in job["steps"] if "run" in step for row in variants(job)]
    return [line for text in found for line in text.splitlines() if line.strip()]


def missing(command: str) -> str | None:
    "What a command names that is not here; None if all is."
    words = shlex.split(command)
    if words[0] == "make":
        unknown = [word for word in words[1:] if "=" not in word and word not in TARGETS]
        return f"no target {unknown} in the Makefile" if unknown or len(words) == 1 else None
    if words[0] in ("python", "bash"):
        return None if (ROOT / words[1]).is_file() else f"no file {words[1]}"
    if words[0].startswith(".venv/bin/"):
        tool = words[0].removeprefix(".venv/bin/")
        return None if SCRIPTS.get(tool, tool) in PINS else f"{tool} is not pinned"
    if words[0] == "forecastkit":
        return missing_command(words[1:])
    return None if words[0] == "gh" else f"nobody installs {words[0]}"


def missing_command(words: list[str]) -> str | None:
    here = get_command(app)
    for word in words:
        options = {name for one in here.params for name in (*one.opts, *one.secondary_opts)}
        if word.startswith("--"):
            if word not in options:
                return f"{here.name} has no option {word}"
        elif hasattr(here, "commands"):
            if word not in here.commands:
                return f"{here.name} has no command {word}"
            here = here.commands[word]
    return None


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_the_file_parses_and_names_no_key_twice(path):
    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"{path.name}: a key stands twice in {keys}"
            return super().construct_mapping(node, deep)

    assert isinstance(yaml.load(path.read_text(), Strict), (dict, list))  # noqa: S506 (a SafeLoader)


@pytest.mark.parametrize(("name", "job"), JOBS, ids=[name for name, _ in JOBS])
def test_every_command_of_a_workflow_exists(name, job):
    assert not [fault for command in commands(job) if (fault := missing(command))]
    assert job["runs-on"] == "ubuntu-latest" and 0 < job["timeout-minutes"] <= 120


def test_every_target_that_proves_something_is_run_by_a_workflow():
    run = {word for _, job in JOBS for command in commands(job) for word in shlex.split(command)[1:]}
    assert "bash .ci/run" in {command for _, job in JOBS for command in commands(job)}
    assert {"proofs", "lowest", "latest", "weaknesses", "report"} <= run


def test_a_command_that_is_not_here_is_found():
    assert missing("make nothing") and missing("python .ci/nothing.py") and missing("forecastkit settings shw")
    assert missing(".venv/bin/black .") and missing("forecastkit evaluate --modle x") and missing("cargo build")
    assert not missing("make lowest PYTHON=python3") and not missing("forecastkit settings show")


@pytest.mark.parametrize(("name", "job"), JOBS, ids=[name for name, _ in JOBS])
def test_actions_are_pinned_and_get_no_more_rights_than_they_need(name, job):
    flow = WORKFLOWS[name.partition(":")[0]]
    assert flow["permissions"] == {"contents": "read"}
    for step in job["steps"]:
        if "uses" in step:
            assert re.search(r"@v\d+(\.\d+)*$", step["uses"]), step["uses"]
            if step["uses"].startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False
    assert "id-token" not in job.get("permissions", {}) or job["environment"]
    assert not any("secrets." in str(step) for step in job["steps"]), "a release needs no stored password"


def test_an_action_has_one_version_everywhere():
    used = {step["uses"] for _, job in JOBS for step in job["steps"] if "uses" in step}
    assert len({one.partition("@")[0] for one in used}) == len(used)


def test_the_matrix_begins_at_the_oldest_python_that_the_package_takes():
    pythons = WORKFLOWS["test.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert PROJECT["project"]["requires-python"] == f">={pythons[0]}"
    assert pythons == sorted(pythons, key=lambda one: int(one.split(".")[1])) and len(pythons) >= 3
    bounds = {row["bound"]: row["python"] for row in variants(WORKFLOWS["test.yml"]["jobs"]["versions"])}
    assert bounds == {"lowest": pythons[0], "latest": pythons[-1]}
    stated = {line.rpartition(" ")[2] for line in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", line)}
    assert stated == set(pythons)


def test_every_week_the_versions_and_their_weaknesses_are_looked_at():
    flow = WORKFLOWS["test.yml"]
    assert flow[True]["schedule"]  # `on` is a truth value in YAML
    for name in ("versions", "weaknesses"):
        assert "schedule" in flow["jobs"][name]["if"]
    assert "pip-audit --requirement constraints.txt" in MAKEFILE


def test_every_direct_dependency_says_from_which_version_on():
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [
        *PROJECT["project"]["dependencies"],
        *itertools.chain(*(extras[name] for name in extras if name != "dev")),
    ]
    assert [line for line in wanted if ">=" not in line] == []
    assert all(word.isalnum() for word in PROJECT["project"]["keywords"])
    told = set(re.search(r"^EXTRAS := (.*)$", MAKEFILE, re.M)[1].split(","))
    assert told == set(extras) - {"dev"}


def test_tools_of_the_makefile_are_pinned():
    tools = set(re.findall(r"\$\(BIN\)/([a-z-]+)", MAKEFILE)) - {"python", "forecastkit"}
    tools |= set(re.findall(r"\$\(TOOL\) (?:--from )?([a-z-]+)", MAKEFILE))
    assert tools >= {"uv", "ruff", "twine", "pip-audit", "cyclonedx-bom"}
    assert {SCRIPTS.get(tool, tool) for tool in tools} <= set(PINS)


def test_hooks_run_the_tools_of_the_project():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    entries = {hook["id"]: hook["entry"] for hook in local["hooks"]}
    assert {"ruff", "ruff-format", "nbdev-clean"} <= set(entries)
    assert not [fault for entry in entries.values() if (fault := missing(entry))]
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()):
        assert missing(hook["entry"]) is None


def test_new_versions_cool_down_before_they_are_proposed():
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    assert {one["package-ecosystem"] for one in updates} == {"pip", "github-actions", "docker"}
    assert all(one["cooldown"]["default-days"] >= 7 and one["schedule"]["interval"] == "weekly" for one in updates)
    together = next(one for one in updates if one["package-ecosystem"] == "pip")["groups"]["nbdev"]["patterns"]
    assert set(together) <= set(PINS)


@pytest.mark.parametrize("path", [*sorted((ROOT / ".github").rglob("*.md")), *sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))], ids=lambda path: path.name)  # fmt: skip
def test_templates_name_commands_and_files_that_exist(path):
    for text in re.findall(r"`([^`]+)`", path.read_text()):
        if text.startswith(("make ", "forecastkit ")):
            assert missing(text) is None, text
        elif re.fullmatch(r"[\w./-]+\.(md|jsonl|ini)|\w+/", text):
            assert (ROOT / text).exists(), text


def test_the_citation_is_of_this_version_and_licence():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert (cited["version"], cited["license"]) == (forecastkit.__version__, PROJECT["project"]["license"])
    assert cited["authors"] == PROJECT["project"]["authors"]


def test_a_release_is_refused_unless_tag_package_citation_and_changelog_agree(tmp_path):
    (tmp_path / "forecastkit").mkdir()
    (tmp_path / "forecastkit/__init__.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("version: 1.2.0\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## 1.2.0 (unreleased)\n")
    disagree = RELEASE["disagreements"]
    assert disagree("v1.2.0", tmp_path) == ["CHANGELOG.md"]
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## 1.2.0 (2026-12-01)\n")
    assert disagree("v1.2.0", tmp_path) == []
    assert disagree("v1.2.1", tmp_path) == ["forecastkit/__init__.py", "CITATION.cff", "CHANGELOG.md"]


def test_a_release_names_the_repository_that_builds_it():
    text = RELEASE["with_urls"]((ROOT / "pyproject.toml").read_text(), "https://example.org/ours")
    made = tomllib.loads(text)
    urls = made["project"].pop("urls")
    assert urls == {
        "Repository": "https://example.org/ours",
        "Issues": "https://example.org/ours/issues",
        "Changelog": "https://example.org/ours/blob/main/CHANGELOG.md",
    }
    assert made == PROJECT, "and changes nothing else"  # Documentation would stand in front of every docstring


def test_the_site_is_described_once():
    assert (ROOT / "nbs/_quarto.yml").is_symlink() and (ROOT / "nbs/_quarto.yml").resolve() == ROOT / "_quarto.yml"
    bars = yaml.safe_load((ROOT / "_quarto.yml").read_text())["website"]["sidebar"]
    told = next(bar for bar in bars if bar["id"] == "reference")["contents"]
    sections = {one["contents"].split("/")[0] for one in told if isinstance(one, dict)}
    assert sections == {path.name for path in (ROOT / "nbs").iterdir() if re.match(r"\d\d_", path.name)}


def test_no_file_carries_the_marks_of_an_unfinished_merge():
    found = [
        path.name
        for path in (*ROOT.glob("*.md"), *ROOT.glob("*.toml"), *ROOT.glob("docs/**/*.md"), ROOT / "Makefile")
        if re.search(r"^(<{7}|>{7}) ", path.read_text(), re.M)
    ]
    assert found == []


def taken_late() -> set[str]:
    "Names that a function of the package takes from a face when it is called."
    found = set()
    for path in sorted((ROOT / "forecastkit").rglob("*.py")):
        functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
        imports = [node for one in functions for node in ast.walk(one) if isinstance(node, ast.ImportFrom)]
        for node in imports:
            base = (
                [*path.relative_to(ROOT).parts[: -node.level], node.module or ""] if node.level else [node.module or ""]
            )
            face = ".".join(filter(None, base))
            found |= {f"{face}.{name.name}" for name in node.names}
    return found


def test_what_is_taken_from_a_face_at_each_call_is_replaced_there():
    "A face keeps a name once it was asked for: to replace it in its module has an effect only before that, by the order of the tests."
    late, wrong = taken_late(), []
    assert "forecastkit.pipeline.search_book" in late
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for target in re.findall(r'setattr\(\s*"(forecastkit\.\w+\.\w+\.\w+)"', path.read_text()):
            module, _, name = target.rpartition(".")
            kept = getattr(sys.modules.get(module) or importlib.import_module(module), name)
            if getattr(kept, "__module__", module) == module and f"{module.rpartition('.')[0]}.{name}" in late:
                wrong.append(f"{path.name}: {target}")
    assert not wrong
