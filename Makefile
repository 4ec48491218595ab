# Every target sets up what it needs, may be run again at any time, and may be interrupted.
SHELL := bash
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
# uv from PATH, else a copy of its own in .venv-uv.
UV := $(shell command -v uv 2>/dev/null || echo .venv-uv/bin/uv)
RUN := $(UV) run --quiet --locked

.PHONY: help
help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.venv-uv/bin/uv:
	python3 -m venv .venv-uv && .venv-uv/bin/pip install --quiet uv==$(UV_VERSION)

.PHONY: setup
setup: $(if $(findstring .venv-uv,$(UV)),.venv-uv/bin/uv) ## Install the locked dependencies
	@$(UV) sync --quiet --locked

.PHONY: demo
demo: setup ## Play the story of the three nginx Deployments, on a real node where one can be had (DEMO=kwok|node)
	@$(RUN) python -m demo

.PHONY: test
test: setup ## All tests; builds the control plane once if there is none (about 10 minutes)
	-@$(RUN) python -m controlplane binaries
	-@$(RUN) python -m realnode provide
	@$(RUN) pytest

.PHONY: test-core
test-core: setup ## The tests that need no cluster: seconds
	@$(RUN) pytest tests/core

.PHONY: test-node
test-node: setup ## The tests on a real node (kubelet, containerd, portmap): root and Linux, about 8 minutes
	-@$(RUN) python -m realnode provide
	@$(RUN) pytest tests/node

.PHONY: test-faults
test-faults: setup ## The operator killed a hundred times and more; writes the figures of README's reliability table
	-@$(RUN) python -m controlplane binaries
	@$(RUN) pytest -m faults -s tests
	@$(RUN) python -m tests.faults.report

.PHONY: lint
lint: setup ## ruff, mypy --strict, import-linter
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) mypy
	@$(RUN) lint-imports --no-cache

.PHONY: bench
bench: setup ## Speed and size, as ratios against a bare PATCH loop in the same run
	@$(RUN) python -m bench

.PHONY: cluster-up
cluster-up: setup ## A control plane that stays up; its kubeconfig is .cluster/kubeconfig
	@$(RUN) python -m controlplane up --nodes 3

.PHONY: cluster-down
cluster-down: setup ## End it
	@$(RUN) python -m controlplane down

.PHONY: build
build: setup ## The wheel and the source archive, in dist/
	@$(UV) build --quiet

.PHONY: clean
clean: ## Remove what the targets made in this folder; the built control plane stays in the user's cache
	rm -rf .venv .venv-uv dist .hypothesis .pytest_cache .mypy_cache .ruff_cache
