# nmevision: set-up, tests and demo. `make` alone lists the targets.
#   make test PYTHON=python3.12 VENV=/somewhere/venv JOBS=4

VENV ?= .venv
JOBS ?= 2
PYTHON ?= python3

# A default python3 that is too old gives way to a newer one beside it; one named by the user does not.
ifeq ($(origin PYTHON),file)
CANDIDATES := $(PYTHON) python3.12 python3.11 python3.13
else
CANDIDATES := $(PYTHON)
endif

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.nmevision-installed

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## make the virtual environment and install the tested versions
	@echo "$(VENV) is ready."

demo: $(STAMP) ## train, predict and evaluate two small models on synthetic images
	@$(BIN)/python scripts/demo.py

test: $(STAMP) ## run every test, slow ones too, on two processes (JOBS=n)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --max-worker-restart 0

lint: $(STAMP) ## check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lock: ## write requirements.lock from what is installed in the virtual environment
	@test -x $(BIN)/python || { echo "no virtual environment in $(VENV); run: make setup" >&2; exit 1; }
	@{ echo '# The exact versions that nmevision was tested with, on Linux with Python 3.11; written by: make lock'; \
	  echo '# A constraints file: pip install -c requirements.lock -e ".[dev,serve,heatmaps,onnx,sweeps,optuna]"'; \
	  $(PIP) list --format=freeze | LC_ALL=C sort -f | awk -F '==' \
	    '$$1 !~ /^(nmevision|pip|wheel|pyright|nodeenv)$$/ {sub(/[+].*/, "", $$2); print $$1 "==" $$2}'; \
	} > requirements.lock.new
	@mv requirements.lock.new requirements.lock
	@echo "requirements.lock: $$(grep -c == requirements.lock) packages"

clean: ## remove caches and build leftovers; never the environment, runs, models or demo
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find nmevision scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Runs again when the dependencies change; an interrupted installation leaves no stamp and is continued.
$(STAMP): pyproject.toml requirements.lock
	@python=; for name in $(CANDIDATES); do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "nmevision needs Python 3.11 or newer; tried: $(CANDIDATES)." >&2; \
	  echo "Install one and name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  echo "Making the virtual environment $(VENV) with $$("$$python" --version) ..."; \
	  "$$python" -m venv $(VENV) || { \
	    echo "Could not make it. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }; \
	fi
	@echo "Installing the tested versions; the first time about 6 GB and a few minutes ..."
	@$(PIP) install -q -c requirements.lock -e ".[dev,serve,heatmaps,onnx,sweeps,optuna]"
	@touch $@
	@echo "Installed. Look over this machine with: $(BIN)/nmevision doctor"
