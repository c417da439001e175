# make run, make test, … set up what they need by themselves: .venv from requirements/dev.txt, and for the SAM commands a second
# one in .cache/sam. PYTHON chooses the interpreter (3.11 or newer); a changed lock file or interpreter makes a new set-up.

PYTHON ?= python3
SEEDS  ?= 200
CONFIG ?= default
ARGS   ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

LOCKS := requirements/bootstrap.txt requirements/dev.txt layers/dependencies/requirements.txt
KEY   := $(shell { $(PYTHON) -V; cat $(LOCKS); } 2>&1 | cksum | cut -d' ' -f1)
SAM_KEY := $(shell { $(PYTHON) -V; cat requirements/bootstrap.txt requirements/sam.txt; } 2>&1 | cksum | cut -d' ' -f1)
READY     := .venv/.ready-$(KEY)
SAM_READY := .cache/sam/.ready-$(SAM_KEY)

RUN := PYTHONPATH=shared:. .venv/bin/python
SAM := SAM_CLI_TELEMETRY=0 .cache/sam/bin/sam
UV  := .venv/bin/uv --quiet

.PHONY: help setup run admin listen test lint types openapi openapi-check networks platforms platforms-check bench simulate template build deploy check lock clean

help: ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(READY) ## Set up .venv (every other target does it when needed)

run: $(READY) ## The whole stack on this machine (PORT=8787)
	@$(RUN) -m local $(ARGS)

admin: $(READY) ## Workspaces and keys of a deployed stack (ARGS="create-workspace --name Acme")
	@$(RUN) -m dateline.admin $(ARGS)

listen: $(READY) ## Print every event of the running local stack
	@$(RUN) -m local.listen $(ARGS)

test: $(READY) ## All tests; ARGS go to pytest
	$(RUN) -m pytest -q -n auto --dist loadfile $(ARGS)

lint: $(READY) ## ruff
	.venv/bin/ruff check .

types: $(READY) ## mypy, strict
	.venv/bin/mypy shared functions local tools

openapi: $(READY) ## Write the OpenAPI file
	$(RUN) -m tools.openapi

openapi-check: $(READY) ## Fail if the OpenAPI file is stale
	$(RUN) -m tools.openapi --check

platforms: $(READY) ## Write docs/platforms.md from the catalogue
	$(RUN) -m tools.platforms_page

networks: $(READY) ## Play every shape of post on every network through every failure; write docs/networks.md
	$(RUN) -m tests.networks.matrix $(ARGS)

platforms-check: $(READY) ## Fail if docs/platforms.md is stale
	$(RUN) -m tools.platforms_page --check

bench: $(READY) ## Measure cold starts, requests and writes
	$(RUN) -m tools.bench $(ARGS)

simulate: $(READY) ## The seeded simulation; SEEDS=n
	$(RUN) -m tools.simulate --seeds $(SEEDS) $(ARGS)

# The check builds into a folder of its own and for this machine's processor, so that it can run what it built and never
# leaves packages of the wrong processor where `sam deploy` would find them.
template: $(READY) $(SAM_READY) ## Validate and lint the template, build it, run what was built
	.venv/bin/cfn-lint --regions us-east-1 eu-central-1 -- template.yaml
	$(SAM) validate --lint
	@if python=$$($(RUN) -m tools.check_build --find-python); then \
	  PATH="$$(dirname "$$python"):$$PATH" $(SAM) build --build-dir .aws-sam/check --cache-dir .aws-sam/check-cache \
	    --parameter-overrides Architecture=$$(uname -m | sed 's/aarch64/arm64/'); \
	  $(RUN) -m tools.check_build .aws-sam/check; \
	fi

# Wheels carry no bytecode and Lambda cannot keep what it compiles: without this step every cold start compiles every module.
build: $(READY) $(SAM_READY) ## sam build, plus bytecode (halves the imports of a cold start)
	@python=$$($(RUN) -m tools.check_build --find-python); \
	PATH="$$(dirname "$$python"):$$PATH" $(SAM) build --config-env $(CONFIG) $(ARGS); \
	"$$python" -m compileall -q --invalidation-mode unchecked-hash -s .aws-sam/build .aws-sam/build

deploy: build ## build, then sam deploy (CONFIG=prod for the prod section)
	$(SAM) deploy --config-env $(CONFIG)

check: lint types test openapi-check platforms-check template ## All that CI does

lock: $(READY) ## Resolve the pinned requirement files again (ARGS=--upgrade for newer versions)
	@compile="$(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url $(ARGS)"; \
	$$compile --group dev -o requirements/dev.txt >/dev/null; \
	$$compile -c requirements/dev.txt -o layers/dependencies/requirements.txt >/dev/null; \
	compile="$${compile/ pyproject.toml/}"; \
	$$compile --group sam -o requirements/sam.txt >/dev/null; \
	$$compile --group bootstrap -o requirements/bootstrap.txt >/dev/null

clean: ## Remove everything made here
	rm -rf .venv .cache .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

define OLD_ENOUGH
import sys
if sys.version_info < (3, 11):
    sys.exit(f"Dateline needs Python 3.11 or newer and $(PYTHON) is {sys.version.split()[0]}; try make PYTHON=python3.12 …")
endef
export OLD_ENOUGH

# pip fetches uv, uv fetches the rest in seconds. Where uv finds no way out (pip may know a mirror that uv does not), pip does it.
$(READY):
	@$(PYTHON) -c "$$OLD_ENOUGH"
	@echo "Setting up .venv …"
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(UV) pip install --python .venv/bin/python --require-hashes -r requirements/dev.txt || \
	  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(SAM_READY): | $(READY)
	@echo "Setting up the SAM command …"
	@$(PYTHON) -m venv --clear .cache/sam
	@$(UV) pip install --python .cache/sam/bin/python --require-hashes -r requirements/sam.txt || \
	  .cache/sam/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/sam.txt
	@touch $@
