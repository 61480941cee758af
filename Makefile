# Chores of the workbench. `run` and `test` need GNU make and Python 3.11 to 3.14, nothing else.
.DEFAULT_GOAL := help
.PHONY: help run test test-slow test-toolchain test-all lint format bench conformance filters core scan labextension captures clean

VENV := .venv
PY := $(VENV)/bin/python
# The first of these that is new enough; or name one: make PYTHON=/path/to/python3
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python /usr/bin/python3; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && { echo $$p; break; }; done)
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
# More words for pytest: make test ARGS="-k import"
ARGS ?=

help: ## list the chores
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## replay the sample capture, then open the tour in JupyterLab (without a terminal: write it as HTML)
	@$(PY) -m workbench tour

test: lint ## linters, types and every quick test
	$(PY) -m pytest -m "not slow and not toolchain" $(ARGS)

test-slow: $(VENV)/.installed-test ## the tests that take longer
	$(PY) -m pytest -m "slow and not toolchain" $(ARGS)

test-toolchain: $(VENV)/.installed-test ## the tests that rebuild from source; needs Rust and Go
	$(PY) -m pytest -m toolchain $(ARGS)

test-all: test test-slow test-toolchain ## all of them

lint: $(VENV)/.installed-test ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(VENV)/.installed-test ## mend what ruff can mend
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)/.installed-test ## the benchmarks, each with its table
	BENCH=1 $(PY) -m pytest -s tests/benchmarks $(ARGS)

conformance: $(VENV)/.installed-test ## run every conformance case here and on real Envoy, write CONFORMANCE.md
	@$(PY) -m tests.conformance

filters: $(VENV)/.installed ## rebuild the sample filters; needs Rust and Go
	$(PY) -m sample_filters.build

core: $(VENV)/.installed ## rebuild workbench/host/core.wasm; needs Rust
	$(PY) -m workbench.core.build

scan: $(VENV)/.installed ## rebuild workbench/capture/scan.wasm; needs Rust
	$(PY) -m workbench.scan.build

labextension: $(VENV)/.installed ## rebuild workbench/labextension from workbench/lab; needs Node
	$(PY) -m workbench.lab.build

captures: $(VENV)/.installed ## record the sample captures anew
	$(PY) captures/record.py

clean: ## remove what was installed, built and cached
	rm -rf $(VENV) out build dist .cache .mypy_cache .pytest_cache .ruff_cache sample_filters/target workbench/core/target workbench/scan/target workbench/lab/lib workbench/lab/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.14 with venv and pip found. Install one (Debian: python3 and python3-venv), or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Installing into $(VENV): a minute or two, this once"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing what the tests need into $(VENV)"
	@$(PIP) --editable '.[test]'
	@touch $@
