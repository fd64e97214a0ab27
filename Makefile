# What this project can do, one target each. `make demo` and `make test` need no set-up before them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
DEV := $(PY) -m devcluster
KIND_CLUSTER ?= buildandpush
E2E_WORKERS ?= 8
export PYTHONPATH := operator:.

# `##@` begins a group of `make help`, `##` explains a target.
.PHONY: help
help:
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-9s  %s\n", $$1, $$2}' \
		$(MAKEFILE_LIST)

# Debian has python3 without the part that creates virtual environments.
$(VENV)/ready: tests/requirements.lock
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed"; exit 1; }
	@python3 -c 'import ensurepip' 2>/dev/null || { [ $$(id -u) = 0 ] && apt-get install --yes --no-install-recommends python3-venv; } \
		|| { echo "python3-venv is needed: apt-get install python3-venv"; exit 1; }
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.lock
	@touch $@

##@ Use it

.PHONY: demo
demo: $(VENV)/ready ## Start a local cluster, build the examples, run the images (CLUSTER=kind: with Docker)
ifeq ($(CLUSTER),kind)
	$(PY) -m devcluster.demo --kind $(KIND_CLUSTER)
else
	$(PY) -m devcluster.demo
endif

.PHONY: up
up: $(VENV)/ready ## Start the local cluster and install the operator of this folder
	$(DEV) up
	$(DEV) images
	$(DEV) deploy

.PHONY: down
down: $(VENV)/ready ## Remove the local cluster
	$(DEV) down

##@ Check it

# Two things are done at the same time: the checks while the cluster comes up, and the unit tests beside the tests of
# faults, which wait for much of their time and go first where both want the processor.
TOGETHER := $(MAKE) --no-print-directory --jobs=2 --output-sync=target
.PHONY: test
test: $(VENV)/ready ## Run all checks and all tests
	$(TOGETHER) checks up forge
	$(MAKE) --no-print-directory contract-tests
	$(MAKE) --no-print-directory e2e-together-tests
	SIMULATION_STEPS=10000 SIMULATED_BUILDS=1000 $(TOGETHER) waiting unit-beside
	$(MAKE) --no-print-directory timed

.PHONY: waiting
waiting: $(VENV)/ready
	$(MAKE) --no-print-directory bench-short
	$(MAKE) --no-print-directory alone

.PHONY: unit-beside
unit-beside: $(VENV)/ready
	nice -n 10 $(MAKE) --no-print-directory untimed
	nice -n 10 $(MAKE) --no-print-directory image-unit

.PHONY: checks
checks: lint types layers go-test

.PHONY: lint
lint: $(VENV)/ready ## Check style, and that generated files are up to date
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(PY) -m buildandpush.api.crd --check crds charts/buildandpush-operator/crds
	$(PY) -m buildandpush.api.docs --check docs
	$(PY) -m buildandpush.handlers.observability.metricspage --check docs
	$(PY) -m tests.proofs --check docs

.PHONY: types
types: $(VENV)/ready ## Check types (mypy --strict)
	$(VENV)/bin/mypy

.PHONY: layers
layers: $(VENV)/ready ## Check which package imports which
	$(VENV)/bin/lint-imports

.PHONY: unit
unit: $(VENV)/ready ## Run the unit tests, with a short simulation; no root, no cluster
	$(MAKE) --no-print-directory untimed
	$(MAKE) --no-print-directory timed

.PHONY: untimed
untimed: $(VENV)/ready
	$(PY) -m pytest tests/unit -m "not chaos and not timed" -n auto --dist worksteal

# Beside other work a text takes its time for the caches that this work holds.
.PHONY: timed
timed: $(VENV)/ready
	$(PY) -m pytest tests/unit -m timed -n auto

# Python's own library differs between versions, and so does git. What depends on them most is tried with the image's.
.PHONY: image-unit
image-unit: $(VENV)/ready ## Run the unit tests of sources and TLS with the Python of the operator's image
	$(DEV) python -- -m pytest tests/unit/source tests/unit/test_tls.py -m "not chaos" -n 2 -p no:cacheprovider

.PHONY: go-test
go-test: ## Test the double of kaniko
	cd devcluster/kaniko && go vet ./... && go test ./...

.PHONY: contract
contract: up contract-tests ## Test CRDs, chart, samples and permissions against the API server

.PHONY: contract-tests
contract-tests: $(VENV)/ready
	$(PY) -m pytest tests/contract

.PHONY: e2e
e2e: e2e-together e2e-alone ## Run the end-to-end tests (KANIKO_EXECUTOR=PATH: with a real executor)

.PHONY: e2e-together
e2e-together: up e2e-together-tests

# The e2e tests alone need it, so it is no part of the cluster.
.PHONY: forge
forge: $(VENV)/ready
	$(PY) -m tests.e2e.harness.forge

# Without maxschedchunk a worker begins with a dozen tests in a row, and many of the first wait for minutes.
.PHONY: e2e-together-tests
e2e-together-tests: forge
	$(PY) -m pytest tests/e2e -m "e2e and not alone" -n $(E2E_WORKERS) --maxschedchunk=1 --durations=30

.PHONY: e2e-alone
e2e-alone: $(VENV)/ready
	$(PY) -m pytest tests/e2e -m "e2e and alone" --durations=5

# Both need the whole cluster for themselves.
.PHONY: alone
alone: e2e-alone
	$(MAKE) --no-print-directory brief-chaos

.PHONY: brief-chaos
brief-chaos: $(VENV)/ready
	CHAOS_BUILDS=6 $(PY) -m pytest tests/chaos -m brief

.PHONY: chaos
chaos: up ## Break whatever builds depend on, and write what came of it to chaos.json; takes half an hour
	$(PY) -m pytest tests/chaos
	$(PY) -m pytest tests/e2e -m chaos

# Needs no cluster, and so it is no part of `chaos`.
.PHONY: simulation
simulation: $(VENV)/ready ## Take 200,000 random steps through a simulated world, and measure hostile text thoroughly
	SIMULATION_STEPS=200000 SIMULATION_EXPLORES=yes $(PY) -m pytest tests/unit/simulation
	HOSTILE_TEXT=thorough $(PY) -m pytest $(shell grep -rl check_linear tests/unit --include='test_*.py')

# mutmut needs its sources under src/. So it works on a copy of this folder.
MUTATION_SCORE := 85
.PHONY: mutation
mutation: $(VENV)/ready ## Count the changes of core/ that the unit tests notice; takes more than an hour
	rm -rf build/mutation && mkdir -p build/mutation && git ls-files | tar cf - -T - | tar xf - -C build/mutation
	cd build/mutation && mv operator src && sed -i 's#pythonpath = \["operator"#pythonpath = ["src"#' pyproject.toml \
		&& PYTHONPATH= $(CURDIR)/$(VENV)/bin/mutmut run > mutmut.log
	$(PY) -m tests.mutation build/mutation/mutants --at-least $(MUTATION_SCORE)

.PHONY: bench
bench: up ## Measure bursts and latencies into bench/latest.json, and the fetch of a large repository; takes 25 minutes
	$(PY) -m bench.builds
	$(PY) -m bench.burst
	$(PY) -m bench.finished
	$(PY) -m bench.clone

.PHONY: bench-short
bench-short: $(VENV)/ready
	$(PY) -m bench.burst --short

##@ Change it

.PHONY: format
format: $(VENV)/ready ## Format the code
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

.PHONY: crds
crds: $(VENV)/ready ## Generate the CRDs
	$(PY) -m buildandpush.api.crd --write crds charts/buildandpush-operator/crds

.PHONY: docs
docs: $(VENV)/ready ## Generate the pages of docs/ that come from code
	$(PY) -m buildandpush.api.docs --write docs
	$(PY) -m buildandpush.handlers.observability.metricspage --write docs
	$(PY) -m tests.proofs --write docs

.PHONY: golden
golden: $(VENV)/ready ## Generate the golden files of the unit tests; read the diff before you commit
	GOLDEN=write $(PY) -m pytest -q tests/unit/core/*/test_golden_*.py tests/unit/pipelines/test_golden_*.py

LOCK := --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' --no-emit-index-url --no-emit-find-links
.PHONY: lock
lock: ## Pin the Python dependencies, with hashes (needs uv)
	uv pip compile --quiet $(LOCK) pyproject.toml -o operator/requirements.lock
	uv pip compile --quiet $(LOCK) --group dev pyproject.toml -o tests/requirements.lock
