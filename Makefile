# Everything works from a fresh clone: Python 3.11 to 3.13 with venv, make, and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: setup assets demo test test-fast lint bench serve clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[cpu,dev]'
	touch $@

# What a report is drawn with, from npm; installing does it too, where npm is there.
assets:
	$(PYTHON) lscube/products/report/fetch.py

demo: $(STAMP)
	$(BIN)/lscube demo --out demo --overwrite

# Files of tests run side by side, long ones first; each keeps to one process.
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder
# Many tests start Python anew: what it has compiled is kept, whatever the environment says.
test test-fast: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP)
	$(PYTEST)

# For the inner loop: without TensorFlow, servers and further processes.
test-fast: $(STAMP)
	$(PYTEST) --fast

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m tests.benchmarks

# A real STAC API with the demo's scenes, on this machine alone, until Ctrl-C.
serve: $(STAMP)
	$(BIN)/python -m tests.servers

clean:
	rm -rf $(VENV) lscube/products/report/web/libraries demo bench.json build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
