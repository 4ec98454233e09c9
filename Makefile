# Everything a person types.  `make run` and `make test` need Python 3.11 or newer and make, nothing else of ours.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
WORKERS ?= 2
UPGRADE ?=
# Only files with the hashes of the lock are installed; no build fetches anything that is not locked.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := $(PIP_INSTALL) --require-hashes --no-deps
COMPILE := pip-compile --quiet --no-config --generate-hashes --strip-extras --allow-unsafe --no-emit-options \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(if $(UPGRADE),--upgrade)
PYPROJECT := import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb"));

.DEFAULT_GOAL := help
.PHONY: help run install test check check-nats lint format types imports bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run ## install what running needs and start everything: `make run ARGS="--nats-port 0"`
	exec $(BIN)/homelab up $(ARGS)

install: $(VENV)/.dev ## make .venv with the locked dependencies and the project

test: install ## install, check, and the whole test suite: `make test ARGS="-k docker"`
	$(MAKE) check
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

check: lint format types imports check-nats ## ruff, its format, mypy, the import contracts, nats.conf

lint: install
	$(BIN)/ruff check .

format: install
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

check-nats: $(VENV)/.run ## ask nats-server whether nats.conf is good
	$(BIN)/python -m daemon.runtime.check_nats

bench: install ## measure what is promised, in five minutes: `make bench ARGS=latency`, `ARGS=--json`
	$(BIN)/python -m tests.bench $(ARGS)

# Locked on the oldest Python we run on: newer ones need a part of what it needs, never more.
lock: ## write requirements/*.txt anew from pyproject.toml; `make lock UPGRADE=1` takes newer versions
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
		echo "the lock is made with Python 3.11: make lock PYTHON=python3.11" >&2; exit 1; }
	@set -eu; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT INT TERM; \
	$(PYTHON) -m venv "$$tools"; "$$tools/bin/pip" install --quiet --disable-pip-version-check pip-tools; \
	python=$$tools/bin/python; export PATH="$$tools/bin:$$PATH" CUSTOM_COMPILE_COMMAND="make lock"; \
	"$$python" -c '$(PYPROJECT) print(*project["build-system"]["requires"], sep="\n")' \
		| $(COMPILE) -o requirements/build.txt -; \
	"$$python" -c '$(PYPROJECT) print(*project["project"]["dependencies"], sep="\n")' \
		| $(COMPILE) -o requirements/run.txt -; \
	"$$python" -c '$(PYPROJECT) print(*project["dependency-groups"]["dev"], sep="\n")' \
		| $(COMPILE) -c requirements/run.txt -o requirements/dev.txt -; \
	sed -i -E 's/^(    # +(via )?)-r -$$/\1pyproject.toml/' requirements/*.txt; \
	if grep -nE '^ *-|://| /' requirements/*.txt | grep -vE '^[^:]*:[0-9]+: +--hash=sha256:'; then \
		echo "an address or a path of this machine stands in the lock (above)" >&2; exit 1; fi

clean: ## remove .venv and everything that tools left
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "homelabd needs Python 3.11 or newer, and '$(PYTHON)' is" \
			"$$($(PYTHON) --version 2>/dev/null || echo not there). Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments. On Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.python requirements/build.txt requirements/run.txt pyproject.toml
	$(LOCKED) -r requirements/build.txt -r requirements/run.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(LOCKED) -r requirements/dev.txt
	@touch $@
