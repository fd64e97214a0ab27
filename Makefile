# What this project can do, a target each. `make demo` and `make test` do all their own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
DEV := $(PY) -m devcluster
KIND_CLUSTER ?= buildandpush
E2E_WORKERS ?= 8
export PYTHONPATH := operator:.

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# Debian ships python3 without the part that makes virtual environments.
$(VENV)/ready: tests/requirements.lock
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed"; exit 1; }
	@python3 -c 'import ensurepip' 2>/dev/null || { [ $$(id -u) = 0 ] && apt-get install --yes --no-install-recommends python3-venv; } \
		|| { echo "python3-venv is needed: apt-get install python3-venv"; exit 1; }
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.lock
	@touch $@

.PHONY: demo
demo: $(VENV)/ready ## Build and push the examples on a local cluster and run the result (CLUSTER=kind where Docker is)
ifeq ($(CLUSTER),kind)
	$(PY) -m devcluster.demo --kind $(KIND_CLUSTER)
else
	$(PY) -m devcluster.demo
endif

# The e2e tests that run by themselves mostly wait, so the unit tests run beside them.
.PHONY: test
test: lint types layers go-test contract e2e-together ## Everything: checks, unit, contract and e2e tests
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target unit e2e-alone

.PHONY: lint
lint: $(VENV)/ready ## Ruff, and whether generated files are up to date
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(PY) -m buildandpush.api.crd --check crds charts/buildandpush-operator/crds
	$(PY) -m buildandpush.api.docs --check docs
	$(PY) -m tests.proofs --check docs

.PHONY: types
types: $(VENV)/ready ## mypy --strict
	$(VENV)/bin/mypy

.PHONY: layers
layers: $(VENV)/ready ## Which package may import which
	$(VENV)/bin/lint-imports

.PHONY: unit
unit: $(VENV)/ready ## Unit tests; needs neither root nor a cluster
	$(PY) -m pytest tests/unit -m "not chaos" -n auto --dist worksteal

.PHONY: go-test
go-test: ## Tests of the kaniko double
	cd devcluster/kaniko && go vet ./... && go test ./...

.PHONY: up
up: $(VENV)/ready ## Bring the dev cluster up with the operator installed
	$(DEV) up
	$(DEV) images
	$(DEV) deploy

.PHONY: down
down: $(VENV)/ready ## Take the dev cluster down
	$(DEV) down

.PHONY: contract
contract: up ## What the API server makes of CRDs, chart, samples and permissions
	$(PY) -m pytest tests/contract

.PHONY: e2e
e2e: e2e-together e2e-alone ## End-to-end tests only; KANIKO_EXECUTOR=PATH runs them with a real executor

.PHONY: e2e-together
e2e-together: up
	$(PY) -m pytest tests/e2e -m "e2e and not alone" -n $(E2E_WORKERS)

.PHONY: e2e-alone
e2e-alone: $(VENV)/ready
	$(PY) -m pytest tests/e2e -m "e2e and alone" --durations=5

.PHONY: chaos
chaos: up ## Minutes of it: 200,000 steps of the simulated world, and the operator killed again and again
	SIMULATION_STEPS=200000 $(PY) -m pytest tests/unit/simulation
	$(PY) -m pytest tests/e2e -m chaos

# mutmut wants its sources under src/, so it works on a copy that has them there.
MUTATION_SCORE := 85
.PHONY: mutation
mutation: $(VENV)/ready ## How many changes of core/ the unit tests notice, in per cent; about three quarters of an hour
	rm -rf build/mutation && mkdir -p build/mutation && git ls-files | tar cf - -T - | tar xf - -C build/mutation
	cd build/mutation && mv operator src && sed -i 's#pythonpath = \["operator"#pythonpath = ["src"#' pyproject.toml \
		&& PYTHONPATH= $(CURDIR)/$(VENV)/bin/mutmut run > mutmut.log
	$(PY) -m tests.mutation build/mutation/mutants --at-least $(MUTATION_SCORE)

.PHONY: bench
bench: up ## Measure latencies and API writes per build
	$(PY) -m bench.builds

.PHONY: crds
crds: $(VENV)/ready ## Write the generated CRDs
	$(PY) -m buildandpush.api.crd --write crds charts/buildandpush-operator/crds

.PHONY: docs
docs: $(VENV)/ready ## Write the generated pages of the documentation
	$(PY) -m buildandpush.api.docs --write docs
	$(PY) -m tests.proofs --write docs

.PHONY: golden
golden: $(VENV)/ready ## Write the golden files of the unit tests afresh; read the diff before you commit it
	GOLDEN=write $(PY) -m pytest -q tests/unit/core/*/test_golden_*.py

.PHONY: format
format: $(VENV)/ready ## Format the code
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

LOCK := --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' --no-emit-index-url --no-emit-find-links
.PHONY: lock
lock: ## Pin what pyproject.toml asks for, with hashes (needs uv)
	uv pip compile --quiet $(LOCK) pyproject.toml -o operator/requirements.lock
	uv pip compile --quiet $(LOCK) --group dev pyproject.toml -o tests/requirements.lock
