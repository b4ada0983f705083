# One target per intention; each is a thin layer over `hpoe`, `dvc` and `pytest`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
UI_PORT ?= 5000
# Two processes of one thread each: threads that wait for a core take most of its time.
PYTEST := OMP_NUM_THREADS=1 pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: help repro paper report docs serve ui test test-fast accuracy accept test-stack test-faults lint audit \
	bench bench-full bench-serve clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-11s %s\n", $$1, $$2}'

repro: $(VENV)/installed ## Get MNIST, train, evaluate, track; show a summary
	@hpoe check
	@dvc repro
	@hpoe summary

paper: $(VENV)/installed ## Run the paper's experiments and write docs/replication.md (hours)
	@hpoe replicate
	@hpoe report

report: $(VENV)/installed-dev ## Write docs/replication.md and the table of faults in docs/operations.md from kept results
	@hpoe report
	@python -m tests.stack.tables

docs: $(VENV)/installed-dev ## Build the documentation into site/; every warning is an error
	@NO_MKDOCS_2_WARNING=1 mkdocs build --quiet

serve: $(VENV)/installed ## Serve the champion over REST and in a browser (HPOE_SERVE_PORT=5001)
	@hpoe serve

ui: $(VENV)/installed ## Open the MLflow UI on the tracked runs (UI_PORT=5000)
	@hpoe ui --port $(UI_PORT)

test: $(VENV)/installed-dev ## Run all tests that need neither Docker nor the results of `make repro`
	@$(PYTEST)

test-fast: $(VENV)/installed-dev ## Run the fast tests, which cover the core of every package (a minute)
	@$(PYTEST) -m "not slow" tests/unit

accuracy: $(VENV)/installed-dev ## Compare the test errors of the last `make repro` with their bounds
	@pytest tests/acceptance/test_accuracy.py

accept: $(VENV)/installed-dev ## Send the test images to the champion of the last `make repro` (some minutes)
	@pytest -s tests/acceptance

test-stack: $(VENV)/installed-dev ## Build and test the services of docker-compose.yml in containers (half an hour)
	@pytest -s tests/stack/test_stack.py

test-faults: $(VENV)/installed-dev ## Test outages of a minute each; write the table of docs/operations.md
	@FAULT_SECONDS=60 STACK_TABLES=docs/operations \
		pytest tests/stack/test_faults.py
	@python -m tests.stack.tables

lint: $(VENV)/installed-dev ## Check style and types
	@ruff check .
	@ruff format --check .
	@mypy

audit: $(VENV)/installed-dev ## Report known vulnerabilities of the pinned dependencies
	@pip-audit --strict --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

bench: $(VENV)/installed-bench ## Measure training, workers, classification and the estimators against other libraries
	@python -m benchmarks.training
	@python -m benchmarks.classification
	@python -m benchmarks.scaling --epochs 10
	@python -m benchmarks.estimators

bench-full: $(VENV)/installed-bench ## The same with more epochs and repeats, and error against seconds (an hour)
	@python -m benchmarks.training --epochs 10 --repeats 5
	@python -m benchmarks.classification
	@python -m benchmarks.scaling --repeats 5
	@python -m benchmarks.errors

bench-serve: $(VENV)/installed ## Measure the champion's server against a server that computes nothing
	@python -m benchmarks.serving

clean: ## Remove environment, outputs and checkpoints; keep runs and DVC's cache
	@rm -rf $(VENV) .hpoe/rbms .hpoe/executions .hpoe/progress data models \
		reports/runs reports/published.json reports/figures reports/*.csv reports/*.parquet

# The programs in an environment name its path: where the project was moved or copied, it is made anew.
ifneq "$(shell cat $(VENV)/path 2> /dev/null || pwd)" "$(shell pwd)"
.PHONY: $(VENV)/bin/python
endif

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "hpoe needs Python 3.11 or newer: name one with PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@pwd > $(VENV)/path

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing hpoe and its pinned dependencies into $(VENV) (some minutes)"
	@pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[pipeline,serve]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "installing what the tests need"
	@pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed
	@echo "installing the libraries that hpoe is measured against"
	@pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench,serve]'
	@touch $@
