"""Before a release is built: tag, package, citation and changelog agree, and pyproject.toml names the repository that builds it.

    python .ci/release.py ADDRESS-OF-THE-REPOSITORY v0.3.0
    python .ci/release.py ADDRESS-OF-THE-REPOSITORY         # the address alone: before the site is built, whose source links need it

The addresses are those of the repository whose workflow runs: no file has to name one, and a fork never names another's."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"Repository": "", "Issues": "/issues", "Changelog": "/blob/main/CHANGELOG.md"}


def disagreements(tag: str, root: Path = ROOT) -> list[str]:
    "What does not name the version of the tag."
    version = tag.removeprefix("v")
    places = {
        "forecastkit/__init__.py": rf'^__version__ = "{re.escape(version)}"$',
        "CITATION.cff": rf"^version: {re.escape(version)}$",
        "CHANGELOG.md": rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$",
    }
    return [name for name, line in places.items() if not re.search(line, (root / name).read_text(), re.M)]


def with_urls(project: str, repository: str) -> str:
    "pyproject.toml with the addresses of its repository, before the table of the scripts."
    table = "".join(f'{name} = "{repository}{page}"\n' for name, page in PAGES.items())
    return project.replace("[project.scripts]", f"[project.urls]\n{table}\n[project.scripts]", 1)


def main(repository: str, tag: str | None = None) -> None:
    if tag and (found := disagreements(tag)):
        sys.exit(f"{tag}: {', '.join(found)} do not say this version (the changelog with its date)")
    project = ROOT / "pyproject.toml"
    project.write_text(with_urls(project.read_text(), repository))


if __name__ == "__main__":
    main(*sys.argv[1:])
