# `make serve` and `make test` do all their own set-up, in .venv. `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The newest Python there is, from 3.11 on.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
# Processes that the tests are spread over.
JOBS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: help
help: ## List what can be made
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

# Set-up: each stamp says that what it is named for is installed.

$(VENV)/.made: constraints.txt
	@test -n "$(PYTHON)" || { echo "Holdfast needs Python 3.11 or newer, and found none." >&2; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip
	@touch $@

$(VENV)/.runs: $(VENV)/.made pyproject.toml
	@$(PIP) --editable .
	@touch $@

$(VENV)/.tests: $(VENV)/.runs
	@echo "Installing what the tests and checks need …"
	@$(PIP) --group check --group test
	@touch $@

$(VENV)/.docs: $(VENV)/.tests
	@$(PIP) --group docs
	@touch $@

$(VENV)/.bench: $(VENV)/.tests
	@echo "Installing what Holdfast is measured beside …"
	@$(PIP) --group bench
	@touch $@

# The main job.

.PHONY: serve
serve: $(VENV)/.runs ## Start the server on http://127.0.0.1:8420/ (ARGS="--handler module:function")
	@exec $(BIN)/holdfast serve $(ARGS)

.PHONY: demo
demo: $(VENV)/.tests ## Play it: two terminals on one thread, kill -9, restart
	@$(BIN)/python -m tests.demo

.PHONY: example
example: $(VENV)/.runs ## Run one of the example programs (NAME=transcription)
	@$(BIN)/python docs/examples/$(NAME).py

# Tests and checks.

.PHONY: test
test: check tests ## Everything that has to pass: the checks and the tests

.PHONY: tests
tests: $(VENV)/.tests ## The tests alone (ARGS="-k name")
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: check
check: $(VENV)/.tests ## Types, lint, layers, and the count of exceptions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright --warnings
	@$(BIN)/flake8-async --disable ASYNC124,ASYNC900,ASYNC910,ASYNC911,ASYNC912,ASYNC913 \
		--startable-in-context-manager serve,_run_link $$(find actors transport docs -name '*.py')
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.count_exceptions

.PHONY: race
race: $(VENV)/.tests ## 100,000 schedules of every profile, under every explorer (RUNS=n JOBS=n)
	@$(BIN)/python -m tests.simulation.campaign --runs $(or $(RUNS),100000) --jobs $(JOBS) \
		--profiles all --explorers all

.PHONY: sim
sim: $(VENV)/.tests ## A shorter campaign from a seed of yours (SEED=n RUNS=n JOBS=n)
	@$(BIN)/python -m tests.simulation.campaign --seed $(or $(SEED),0) --runs $(or $(RUNS),2000) \
		--jobs $(JOBS) --profiles all

.PHONY: zoo
zoo: $(VENV)/.tests ## Wrong versions of the runtime, each hunted under 20 seeds, for the docs (SEEDS=n)
	@$(BIN)/python -m tests.zoo --seeds $(or $(SEEDS),20) --jobs $(JOBS) \
		--table docs/explanation/the-bug-zoo.generated.md

.PHONY: test-long
test-long: $(VENV)/.tests race ## The long campaigns: races at drawn schedules, and all tests drawn anew
	@HOLDFAST_TIMES=1000 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile \
		--hypothesis-profile anew $(ARGS)

.PHONY: bench
bench: $(VENV)/.bench ## Measure it beside others, for the docs (QUICK=1: a minute; ROWS="fan-out")
	@$(BIN)/python -m tests.benchmarks $(if $(QUICK),--quick) $(ROWS)

.PHONY: docs
docs: $(VENV)/.docs ## Build the documentation into docs/_build/html
	@$(BIN)/sphinx-build --quiet --fail-on-warning -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

.PHONY: clean
clean: ## Remove what was built, not your databases
	@rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
