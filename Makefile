# make sweep   one command from a fresh checkout to a Pareto plot
# make test    the whole test suite, a few tests at a time
# make test-fast   what needs neither Ray nor training nor seconds of waiting
# make lint    ruff, mypy and the import law
# make docs    the documentation and the API reference as HTML in site/; a broken link is an error
# The environment is made once in .venv and made again only when pyproject.toml or constraints.txt change.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SPACE ?= named_schedules
RESULTS ?= results
DEPENDENCIES := pyproject.toml constraints.txt

.PHONY: sweep test test-fast lint docs clean

sweep: $(VENV)/.installed
	@run=$$($(BIN)/python -m lwq_tune sweep --space $(SPACE) --results "$(RESULTS)"); \
	$(BIN)/python -m analysis pareto "$$run"; \
	echo; echo "The plot: $$run/analysis/pareto.png"

# One process more than CPUs: end-to-end tests wait for Ray, for limits and for servers most of the time.
CPUS := $(shell nproc 2>/dev/null || echo 2)
WORKERS ?= $(shell echo $$(($(CPUS) < 4 ? $(CPUS) + 1 : 4)))
FAST_WORKERS ?= $(shell echo $$(($(CPUS) < 8 ? $(CPUS) : 8)))

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses $(FAST_WORKERS) --dist loadfile -m "not slow" $(PYTEST_ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs
	$(BIN)/python -m mkdocs build --strict

$(VENV)/.installed: $(DEPENDENCIES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[deploy]'
	@touch $@

$(VENV)/.installed-test: $(DEPENDENCIES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: $(DEPENDENCIES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache
