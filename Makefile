# make play: set everything up, compose a piece.    make test: set everything up, run all checks.
# make live: set everything up, start the server for the phone.
# make quick: the fast tests, for work at hand.
PYTHON ?= python3
PY = .venv/bin/python
# one more than there are cores: many tests wait for a browser or for sound
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
# only what is imported is compiled, when it is: installing takes a third less time
PIP = $(PY) -m pip install -q --disable-pip-version-check --no-compile
# without their bytecode each of many processes would compile TensorFlow anew: 8 seconds of a core
unexport PYTHONDONTWRITEBYTECODE
# files in the order of tests/conftest.py, the longest first
PYTEST = $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: play live quick test types tests setup clean

play: setup
	$(PY) play_bach.py -pm --wav --instrument "church organ"

live: setup
	$(PY) play_bach.py -st

quick: setup .venv/dev-ready
	$(PYTEST) -m "not slow"

test: setup .venv/dev-ready
	@$(PY) -m cli.doctor --install-browser
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	@$(MAKE) --no-print-directory -j2 types tests

# beside each other: mypy has one core to itself, and many tests wait
types:
	$(PY) -m mypy

tests:
	$(PYTEST)

setup: .venv/ready
	@$(PY) -m cli.doctor --install-library

.venv/ready: requirements.txt | .venv/bin/python
	$(PIP) -r requirements.txt
	@touch $@

.venv/dev-ready: requirements-dev.txt requirements.txt | .venv/bin/python
	$(PIP) -r requirements-dev.txt
	@touch $@

# some systems carry Python without its venv module: virtualenv does the same
.venv/bin/python:
	$(PYTHON) -m venv .venv 2>/dev/null || { rm -rf .venv; \
		$(PYTHON) -m pip install -q --target .cache/virtualenv virtualenv && \
		PYTHONPATH=.cache/virtualenv $(PYTHON) -m virtualenv -q .venv; }

clean:
	rm -rf .venv .cache
