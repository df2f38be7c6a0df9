# Onsale. `make` alone says what there is.

.DEFAULT_GOAL := help
.PHONY: help setup run test lint format soak lock clean
SHELL := /bin/sh

# The first Python on the path that is new enough; PYTHON=... chooses another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$each && break; done)

BIN := .venv/bin
# Wheels alone: nothing is built on your machine. The lock holds the versions. pip writes byte code on one core and
# left to the first use eight processes would write the same: hence --no-compile, and all cores afterwards.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-compile --only-binary :all: -c requirements.lock
COMPILE := { $(BIN)/python -m compileall -q -j 0 .venv/lib/python3*/site-packages || true; }
SOURCES := setup.cfg pyproject.toml requirements.lock
WORKERS ?= 2
# Each process takes a half and, when it is through, what the other has not begun: what is made once for a file, or once
# for a process that needs it (Elasticsearch, a standby), is seldom made twice.
BESIDE := -n $(WORKERS) --dist worksteal
# These wait more than they work, so they run beside the small ones.
PATIENT := tests/faults/test_every_edge.py tests/faults/test_killed_workers.py
# These start houses of their own and look at the clock: they want the machine for themselves.
ALONE := tests/journeys/test_run.py tests/journeys/test_locust.py tests/faults/test_failover.py tests/faults/test_rehearsals.py

help: ## Say what there is
	@echo "Onsale: ticket booking that survives the minute tickets go on sale."
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "First: make run. CROWD=0 make run leaves the demo crowd out. Then: $(BIN)/onsale --help"

setup: .venv/.for-run .venv/.for-test ## Make .venv with everything to run and to test

run: .venv/.for-run ## Start everything and print where to look; Ctrl-C stops it
	@exec $(BIN)/onsale run

test: setup lint ## Lint, then every test but the soaks
	$(BIN)/pytest $(PATIENT) tests/unit tests/services tests/test_layout.py $(BESIDE)
	$(BIN)/pytest tests/journeys tests/faults $(PATIENT:%=--ignore=%) $(ALONE:%=--ignore=%) $(BESIDE)
	$(BIN)/pytest $(ALONE)

lint: .venv/.for-test ## Style, form and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.for-test ## Mend what a machine can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

soak: setup ## The tests that take minutes
	$(BIN)/pytest tests -m soak

lock: .venv/.for-test ## Write the versions installed now to requirements.lock
	@{ sed '/^[^#]/,$$d' requirements.lock; $(BIN)/python -m pip freeze --exclude-editable; } > requirements.lock.new
	@mv requirements.lock.new requirements.lock

clean: ## Remove .venv and .onsale: the next run begins anew
	rm -rf .venv .onsale

# One line per step; pip's own words go to a file that is shown when it fails.
define install
	@printf '%s' "  $(1) ... "; began=$$(date +%s); \
	if { $(2); } >.venv/install.log 2>&1; then echo "$$(($$(date +%s) - began)) s"; touch $@; \
	else echo failed; tail -n 20 .venv/install.log; exit 1; fi
endef

.venv/bin/python:
	@if ! $(or $(PYTHON),false) -c '$(NEW_ENOUGH)' 2>/dev/null; then \
		echo "Onsale needs Python 3.11 or newer; $(or $(PYTHON),python3) is: $$($(or $(PYTHON),python3) -V 2>&1 | head -n 1)"; \
		echo "Install one and name it: make run PYTHON=python3.12"; exit 1; fi
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; fi
	@echo "  .venv with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv .venv

.venv/.for-run: $(SOURCES) | .venv/bin/python
	$(call install,what Onsale runs on,$(PIP) -e . && $(COMPILE))

.venv/.for-test: $(SOURCES) | .venv/.for-run
	$(call install,what its tests need,$(PIP) -e '.[test]' && $(COMPILE))
