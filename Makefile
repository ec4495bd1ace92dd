# Two commands on a fresh machine: `make demo` shows the main job, `make test` checks everything.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PEER   ?= .anomalib
DATA   ?= $(or $(WALKDOWN_TEST_DATA),../shared/datasets)

.DEFAULT_GOAL := help
.PHONY: help demo test lint types layers unit proof bench compare false-alarms labelled functions cascade quality views template clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "walkdown needs Python 3.11 or later; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,query]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## train and inspect real solar cells, write the report
	$(BIN)/walkdown demo

test: lint types layers unit  ## lint, types, layers and tests (under ten minutes)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

unit: $(VENV)/.dev $(if $(shell command -v npm),$(VENV)/.asl)
	$(BIN)/pytest

template: $(VENV)/.dev  ## write the CloudFormation that is shipped, and its tables in docs/aws.md
	$(BIN)/python -m deploy.aws.expand
	$(BIN)/python -m deploy.aws.tables

$(VENV)/.asl: | $(BIN)/python
	npm install --silent --no-fund --no-audit --prefix $(VENV)/asl asl-validator@4.0.0
	@touch $@

proof: $(VENV)/.dev  ## the long proofs: kills, fuzzing, large inputs
	$(BIN)/pytest -m proof

bench: $(VENV)/.dev  ## speed, memory and quality on DATA=folder
	$(BIN)/python benchmarks/bench.py --data $(DATA) --json bench.json $(if $(README),--readme $(README))

compare: $(VENV)/.dev  ## walkdown beside anomalib, for hours, into docs/benchmarks.md; PEER=folder
	$(BIN)/python -m benchmarks.anomalib.setup --venv $(PEER)
	$(BIN)/python -m benchmarks.anomalib.compare --data $(DATA) --peer $(PEER) $(if $(README),--readme $(README)) $(OPTIONS)

false-alarms: $(VENV)/.dev  ## do the bounds of the false-alarm rate hold? into docs/benchmarks.md
	$(BIN)/python -m benchmarks.false_alarms --data $(DATA) --page docs/benchmarks.md $(OPTIONS)

quality: $(VENV)/.dev  ## which photographs are called unusable, into docs/models/local.md
	$(BIN)/python -m benchmarks.quality --data $(DATA) --page docs/models/local.md $(OPTIONS)

views: $(VENV)/.dev  ## does template see what was changed on a view? into docs/models/local.md
	$(BIN)/python -m benchmarks.views --data $(DATA) --page docs/models/local.md $(OPTIONS)

labelled: $(VENV)/.dev  ## what a few labelled anomalies are worth, into docs/benchmarks.md
	$(BIN)/python -m benchmarks.labelled --data $(DATA) --page docs/benchmarks.md $(OPTIONS)

functions: $(VENV)/.dev  ## what the function on AWS takes beside the local runner, into docs/benchmarks.md
	$(BIN)/python -m benchmarks.functions --data $(DATA) --page docs/benchmarks.md $(OPTIONS)

cascade: $(VENV)/.dev  ## what a cascade saves and misses, and do its audits tell it? into docs/benchmarks.md
	$(BIN)/python -m benchmarks.cascade --data $(DATA) --page docs/benchmarks.md $(OPTIONS)

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
