# Every command a person runs here. `make` alone lists them.
#
# A fresh machine needs python3 (3.11 or later, with venv) and make; `make test`, `make demo` and `make up` build
# the Kubernetes binaries from Go modules when they find none, and install Debian packages when they may.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.fairlead-setup
UV := $(BIN)/uv
LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"
SOURCES := crds kube telemetry operator api devstack bench tests
# Extra arguments for pytest: make test PYTEST_ARGS="tests/unit -k connector"
PYTEST_ARGS ?=
# How long `make chaos` runs, from which seed (empty: another one each time), and whether docs/reliability.md is written.
CHAOS_SECONDS ?= 180
CHAOS_SEED ?=
CHAOS_PUBLISH ?= 1
# Sections and options of the benchmarks: make bench BENCH_ARGS="--quick floor"
BENCH_ARGS ?=
IMAGES_ARGS ?=
KIND_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## create .venv with every dependency, by hash (at once when up to date)

# The stamp comes last, so an interrupted setup is simply done again. Compiled here, because where Python may not keep
# what it compiles (PYTHONDONTWRITEBYTECODE) each of the many processes that tests start would compile everything anew.
$(STAMP): pyproject.toml requirements.txt requirements-bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "setup: Python 3.11 or later is needed; '$(PYTHON)' is $$(command -v $(PYTHON) >/dev/null && \
	       $(PYTHON) --version 2>&1 || echo missing). Install one, or name it: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "setup: '$(PYTHON)' has no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  echo "setup: creating $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "setup: installing the locked dependencies"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q $(filter-out tests,$(SOURCES))
	@touch $@
	@echo "setup: done"

.PHONY: lock
lock: ## resolve the dependencies anew and write the requirements files
	@test -x $(UV) || $(MAKE) --no-print-directory setup
	$(UV) pip compile $(LOCK_FLAGS) $(LOCK_ARGS) requirements-bootstrap.in --output-file requirements-bootstrap.txt
	$(UV) pip compile $(LOCK_FLAGS) $(LOCK_ARGS) pyproject.toml requirements-build.in --extra dev --extra tracing \
	  --output-file requirements.txt
	$(UV) pip compile $(LOCK_FLAGS) $(LOCK_ARGS) devstack/keystone-requirements.in \
	  --output-file devstack/keystone-requirements.txt
	$(UV) pip compile $(LOCK_FLAGS) $(LOCK_ARGS) bench/cinder-requirements.in \
	  --output-file bench/cinder-requirements.txt

.PHONY: demo
demo: setup ## set up everything, attach a real volume, show it, clean up
	@$(BIN)/python -m fairlead_devstack.demo

.PHONY: up
up: setup ## start the stack in the background; writes .run/env
	@$(BIN)/python -m fairlead_devstack.up

.PHONY: down
down: setup ## stop what `make up` started and remove its files
	@$(BIN)/python -m fairlead_devstack.down

.PHONY: test
test: setup ## run every test against a real control plane
	@$(BIN)/python -m fairlead_devstack.provision
	@$(BIN)/python -m pytest -m "not mutation and not chaos" $(PYTEST_ARGS)

.PHONY: mutation
mutation: setup ## check that the tests notice planted faults (slow)
	@$(BIN)/python -m fairlead_devstack.provision
	@$(BIN)/python -m pytest -m mutation $(PYTEST_ARGS)

.PHONY: chaos
chaos: setup ## random clients and random failures: CHAOS_SECONDS=180 CHAOS_SEED=... (see docs/reliability.md)
	@$(BIN)/python -m fairlead_devstack.provision
	@CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_SEED=$(CHAOS_SEED) CHAOS_PUBLISH=$(CHAOS_PUBLISH) \
	  $(BIN)/python -m pytest -m chaos tests/chaos $(PYTEST_ARGS)

.PHONY: bench
bench: setup ## measure against Cinder and against the floor; writes docs/performance.md (as root)
	@$(BIN)/python -m fairlead_devstack.provision
	@$(BIN)/python -m fairlead_bench $(BENCH_ARGS)

.PHONY: e2e
e2e: setup ## the chart on a whole node, with real I/O (as root; it changes the network meanwhile)
	@$(BIN)/python -m fairlead_devstack.provision
	@FAIRLEAD_E2E=1 $(BIN)/python -m pytest tests/e2e $(PYTEST_ARGS)

.PHONY: images
images: setup ## the chart's images: by Docker or buildah, else by hand into dist/images.tar
	@$(BIN)/python -m fairlead_devstack.images $(IMAGES_ARGS)

.PHONY: kind
kind: setup ## the chart in a kind cluster, for people with Docker (KIND_ARGS=--down removes it)
	@$(BIN)/python -m fairlead_devstack.kind $(KIND_ARGS)

.PHONY: chart-lint
chart-lint: setup ## helm's linter and the chart's own tests
	@$(BIN)/python -m pytest -q tests/unit/test_chart_*.py

.PHONY: lint
lint: setup ## ruff, mypy, the import contracts and the licences of what is installed
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m fairlead_devstack.licences

.PHONY: format
format: setup ## let ruff fix and format the sources
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

.PHONY: manifests
manifests: setup ## write crds/manifests from the models
	@$(BIN)/python -m fairlead_crds.render

.PHONY: audit
audit: setup ## look the locked dependencies up in the advisory database (needs the Internet; see docs/security.md)
	@$(UV) tool run pip-audit --disable-pip --require-hashes --requirement requirements.txt

.PHONY: sbom
sbom: setup ## write dist/fairlead.cdx.json, the bill of materials
	@$(BIN)/python -m fairlead_devstack.sbom dist/fairlead.cdx.json

.PHONY: clean
clean: ## remove .venv, caches and build results of this checkout
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
