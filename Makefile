# Everything a person or a machine runs here. `make demo` and `make test` work on a fresh clone.
PYTHON ?= python3
VENV := .venv
TRAIN_VENV ?= .venv-train
BIN := $(VENV)/bin
PYTEST_ARGS ?=

.PHONY: help demo test check test-train lint format types docs env clean
.DELETE_ON_ERROR:

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 14

env: $(VENV)/.stamp  ## the environment alone (the first time builds llama.cpp: about 10 minutes)

$(VENV)/.stamp: pyproject.toml constraints.txt scripts/environment.py
	$(PYTHON) scripts/environment.py $(VENV) quantize dev

$(TRAIN_VENV)/.stamp: pyproject.toml constraints.txt scripts/environment.py
	$(PYTHON) scripts/environment.py $(TRAIN_VENV) quantize dev train

demo: env  ## quantize the shipped pico and hold the demo conversation, offline
	$(BIN)/python -m benchmarks.demo

test: env  ## all tests that need no torch
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-train: $(TRAIN_VENV)/.stamp  ## the tests that need torch and transformers
	$(TRAIN_VENV)/bin/python -m pytest -m train $(PYTEST_ARGS)

lint: env  ## format and lint, without changing a file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: env  ## format and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: env  ## strict types
	$(BIN)/mypy

check: lint types test  ## what must be green before a commit lands

docs: env  ## refresh the generated parts of README.md and docs/
	$(BIN)/python -m benchmarks.readme

clean:  ## remove what was made here; the wheel cache in ~/.cache stays
	rm -rf $(VENV) $(TRAIN_VENV) demo-out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
