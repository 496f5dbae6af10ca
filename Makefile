# Two commands set everything up, each from nothing: `make report` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# Idle threads that spin, and two-thread fits on a busy machine, cost far more than they bring.
export OMP_WAIT_POLICY := passive
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install report test proofs check ruff pyrefly bandit prose notebooks docs dist lowest latest weaknesses rivals figures pictures controls clean

help:  ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.installed  ## The environment in .venv, pinned by constraints.txt

.venv/.installed: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "forecastkit needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 " + "$(MAKECMDGOALS)")'
	@echo "Installing into .venv (once; about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv; then \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt setuptools wheel && \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --no-build-isolation --config-settings editable_mode=compat -c constraints.txt -e '.[dev]'; \
	else \
	  $(BIN)/python -m pip install --quiet -c constraints.txt setuptools wheel && \
	  $(BIN)/python -m pip install --quiet --no-build-isolation --config-settings editable_mode=compat -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@

report: install  ## The main job on the embedded real data: forecast card, stored forecast, HTML page
	@$(BIN)/forecastkit daily

test: install  ## Everything that must hold
	@FORECASTKIT_RUN_N_JOBS=1 $(BIN)/python .ci/notebooks.py
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" --durations=10 \
	  --cov=forecastkit --cov-report=term:skip-covered --cov-fail-under=85
	@$(MAKE) --no-print-directory check

proofs: install  ## The long proofs (marker `slow`), and properties on ten times as many examples
	@$(BIN)/python -m pytest -q -n 2 -m slow --durations=10
	@HYPOTHESIS_PROFILE=proofs $(BIN)/python -m pytest -q -n 2 -m "not slow" $$(grep -lw scaled tests/test_*.py)

check: install  ## ruff, pyrefly, bandit, codespell, proselint
	@$(MAKE) --no-print-directory -j2 ruff pyrefly bandit prose

ruff:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check nbs tests benchmarks reports

pyrefly:
	@$(BIN)/pyrefly check

bandit:
	@$(BIN)/bandit -q -r forecastkit -c pyproject.toml

prose:
	@$(BIN)/codespell .
	@$(BIN)/python .ci/prose.py

notebooks: install  ## Export, run every notebook with its outputs stored, clean
	@$(BIN)/nbdev-export
	@$(BIN)/nbdev-test --save --n-workers 1
	@$(BIN)/nbdev-clean

docs: install  ## The documentation site in _docs (needs Quarto, which no package registry carries)
	@command -v quarto >/dev/null || { echo "the site needs Quarto (quarto.org); without it open the same pages as notebooks, beginning with nbs/index.ipynb" >&2; exit 2; }
	@PYTHONPATH=.ci $(BIN)/nbdev-docs

# Tools that are wanted a few times a year run in environments of their own, at the versions of constraints.txt.
TOOL := $(BIN)/uv tool run --quiet --constraints constraints.txt

dist: install  ## Wheel and sources in dist/, checked and tried elsewhere; build/sbom.json lists what a user gets
	@rm -rf dist build
	@$(BIN)/python -m build --no-isolation >/dev/null
	@$(TOOL) twine check --strict dist/*
	@$(BIN)/uv venv --quiet --python $(BIN)/python build/environment
	@$(BIN)/uv pip install --quiet --python build/environment/bin/python -c constraints.txt dist/*.whl
	@cd build && FORECASTKIT_MODEL_WALK_START=1995-01-03 environment/bin/forecastkit daily --quiet --sources sample --as-of 1996-06-28 && ls reports/output/*/daily.html
	@$(TOOL) --from cyclonedx-bom cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --output-file build/sbom.json build/environment

EXTRAS := live,postgres,dask,explain,tune,alerts,api,dashboard,notebooks
lowest: install  ## Every test at the oldest versions that pyproject.toml allows, in .venv-lowest
	@$(BIN)/uv venv --quiet --allow-existing --python $(PYTHON) .venv-lowest
	@$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct '.[$(EXTRAS)]'
	@$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --config-settings editable_mode=compat -e '.[dev]'
	@.venv-lowest/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not pinned"

latest: install  ## Every test at the newest versions that there are, in .venv-latest
	@$(BIN)/uv venv --quiet --allow-existing --python $(PYTHON) .venv-latest
	@$(BIN)/uv pip install --quiet --python .venv-latest/bin/python --upgrade --config-settings editable_mode=compat -e '.[dev]'
	@.venv-latest/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not pinned"

weaknesses: install  ## pip-audit: known weaknesses of the pinned versions
	@$(TOOL) pip-audit --requirement constraints.txt --no-deps --disable-pip

RIVALS ?= /tmp/forecastkit-rivals
rivals: install  ## forecastkit beside other libraries, in an environment of their own (half an hour)
	@$(BIN)/uv venv -q --allow-existing $(RIVALS)/venv
	@$(BIN)/uv pip install -q --python $(RIVALS)/venv/bin/python -r benchmarks/rivals/requirements.txt
	@$(BIN)/python benchmarks/rivals/compare.py $(RIVALS)/run --export
	@$(RIVALS)/venv/bin/python benchmarks/rivals/rivals.py $(RIVALS)/run
	@$(BIN)/python benchmarks/rivals/compare.py $(RIVALS)/run --jobs 2

figures: install  ## What the forecasts were worth, 1, 5 and 21 sessions ahead, into docs/figures.json and docs/how_good.md
	@$(BIN)/python benchmarks/figures.py

AXE ?= $(wildcard node_modules/axe-core/axe.min.js)
pictures: install  ## Every page of reports/output at 1,280 and 400 pixels, light and dark, into build/pictures, with what is wrong in it (needs Chromium)
	@$(BIN)/python benchmarks/look.py $$(find reports/output -name '*.html') --folder build/pictures $(if $(AXE),--axe $(AXE))

controls: install  ## Four random walks, where there is nothing to see (five minutes)
	@$(BIN)/python benchmarks/controls.py

clean:  ## Everything that was made here, but not your data and not .venv
	@rm -rf build dist .venv-lowest .venv-latest *.egg-info _docs _proc .pytest_cache .ruff_cache .hypothesis .coverage reports/output nbs/nbdev.yml nbs/sidebar.yml
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
