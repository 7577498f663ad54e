# Penstock. `make` alone says what there is.

PYTHON   ?=
VENV     ?= .venv
PIPELINE ?= auto
INPUT    ?= packages:
QUESTION ?= $(if $(filter packages:,$(INPUT)),which library retries a function until it succeeds?)
ENTITY   ?= $(if $(filter packages:,$(INPUT)),tenacity)
JOBS     ?= 2
DATA     ?= ../shared/data
ACCEPTANCE ?= ../shared/acceptance

export PYTHON
unexport PYTHONDONTWRITEBYTECODE # where it is set, each process compiles all that it imports anew: twice the time
bin      := $(VENV)/bin
ready    := $(VENV)/.ready
penstock := $(bin)/penstock
pytest   := $(bin)/python -m pytest
covered  := spec plan compiler execution ledger

.DEFAULT_GOAL := help
.PHONY: help setup run test test-services test-slow sweep test-pythons coverage check fix acceptance acceptance-slow benchmark benchmark-peers benchmark-search benchmark-resilience benchmark-gate benchmark-pdf benchmark-extraction benchmark-retrieval benchmark-pdf-gate timelines constraints clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "  make run INPUT=papers/ PIPELINE=auto   takes your own documents"

setup: $(ready) ## Make .venv with Penstock in it (done once; quick when nothing changed)

$(ready): pyproject.toml ops/constraints.txt ops/model.txt ops/setup
	@ops/setup $(VENV)
	@touch $@

run: setup ## Run a pipeline over documents, then ask it a question: INPUT=…, PIPELINE=…, QUESTION=…, ENTITY=…
	@$(penstock) run $(PIPELINE) --input '$(INPUT)' || test $$? -eq 1 # 1: a document failed, as the summary has said
ifneq ($(QUESTION),)
	@printf '\n$$ %s search "%s" --explain\n' '$(penstock)' '$(QUESTION)'
	@$(penstock) search '$(QUESTION)' --top-k 2 --explain
endif
ifneq ($(ENTITY),)
	@printf '\n$$ %s graph %s\n' '$(penstock)' '$(ENTITY)'
	@$(penstock) graph '$(ENTITY)'
endif

test: setup ## Run every test that needs no server, and hold the coverage of the engine above 90 %
	@$(bin)/coverage erase
	@$(pytest) -n $(JOBS) -m "not services and not slow" --cov --cov-report=
	@ops/coverage $(bin)/coverage $(covered)

test-services: setup ## Run the tests on real servers, which they start themselves
	@$(pytest) -n $(JOBS) -m "services and not slow"

test-slow: setup ## Run the tests that take minutes to hours: the same faults, more often
	@$(pytest) -n $(JOBS) -m slow

sweep: setup ## Let every external effect go wrong in every way (hours; goes on where it stopped); writes docs/reliability.md
	@$(bin)/python -m tests.faults.sweep --jobs $(JOBS) --report docs/reliability.md $(SWEEP_ARGS)

test-pythons: ## Run the tests on each Python 3.11 to 3.13 that is installed, each in .venvs/
	@set -e; for version in 3.11 3.12 3.13; do \
	  if python=$$(PYTHON= ops/find-python $$version 2>/dev/null); then \
	    echo "── Python $$version ($$python)"; \
	    $(MAKE) --no-print-directory test VENV=.venvs/$$version PYTHON=$$python; \
	  else echo "── Python $$version is not installed"; fi; done

coverage: setup ## Show the lines of all of Penstock that the last `make test` did not reach
	@$(bin)/coverage report --show-missing --skip-covered

check: setup ## Check format, lint, types, imports between packages and the shape of the code
	@$(bin)/ruff format --check .
	@$(bin)/ruff check .
	@$(bin)/mypy
	@$(bin)/lint-imports --no-cache
	@$(pytest) -q tests/test_architecture.py tests/test_public_api.py

fix: setup ## Format, and mend what the linter can
	@$(bin)/ruff check --fix .
	@$(bin)/ruff format .

acceptance: setup ## Run the checks of the command line from outside (../shared/acceptance), where they are present
	@$(call acceptance,not slow)

acceptance-slow: setup ## Run the slow ones as well
	@$(call acceptance,slow or not slow)

define acceptance
if [ -d $(ACCEPTANCE) ]; then \
  PENSTOCK_BIN=$(abspath $(penstock)) $(pytest) $(ACCEPTANCE) -m "$(1)" \
    -p no:cacheprovider --rootdir=$(ACCEPTANCE) -c /dev/null; \
else echo "skipped: $(ACCEPTANCE) is not here"; fi
endef

benchmark: setup ## Measure the engine on this machine and write docs/performance.md (minutes)
	@$(bin)/python -m benchmarks.orchestration --write docs/performance.md

benchmark-peers: setup ## Measure the same job beside Haystack, LlamaIndex and CocoIndex (docs/performance.md); installs them once
	@$(bin)/python -m benchmarks.peers --write docs/performance.md

benchmark-search: setup ## Measure `penstock search` over 100,000 chunks (docs/performance.md)
	@$(bin)/python -m benchmarks.search --write docs/performance.md

benchmark-resilience: setup ## Measure what resilience costs and how exactly it is shared (docs/resilience-figures.md)
	@$(bin)/python -m benchmarks.resilience --write docs/resilience-figures.md

benchmark-gate: setup ## Measure sensors with many documents waiting, and how soon they go on (docs/performance.md)
	@$(bin)/python -m benchmarks.gate --write docs/performance.md

timelines: setup ## Draw what each shipped policy does, from real runs (docs/guides/resilience-*.svg)
	@$(bin)/python -m benchmarks.resilience.timelines --write docs/guides

benchmark-pdf: setup ## Measure the reader of PDFs beside pypdf and pdfplumber (docs/pdf.md), where ../shared/data is
	@if [ -d $(DATA) ]; then $(bin)/python -m benchmarks.pdf $(DATA) --write docs/pdf.md; \
	else echo "skipped: $(DATA) is not here"; fi

benchmark-pdf-gate: setup ## See what becomes of every PDF of ../shared/data behind the gate (docs/pdf-gate.md), where that is
	@if [ -d $(DATA) ]; then $(bin)/python -m benchmarks.pdf.gate $(DATA) --write docs/pdf-gate.md; \
	else echo "skipped: $(DATA) is not here"; fi

benchmark-extraction: setup ## Measure dictionaries on BC5CDR (docs/extraction.md), where ../shared/data is
	@if [ -d $(DATA) ]; then $(bin)/python -m benchmarks.extraction $(DATA)/ner-bc5cdr --write docs/extraction.md; \
	else echo "skipped: $(DATA) is not here"; fi

benchmark-retrieval: setup ## Measure the answers beside plain and stemmed BM25 (docs/relevance.md), where ../shared/data is
	@if [ -d $(DATA) ]; then $(bin)/python -m benchmarks.retrieval $(DATA) --write docs/relevance.md; \
	else echo "skipped: $(DATA) is not here"; fi

constraints: setup ## Pin every dependency anew, for all supported Pythons
	@echo uv | $(bin)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-header --no-annotate \
	  --extra local --extra postgres --extra kafka --group dev --output-file ops/constraints.txt pyproject.toml -
	@git --no-pager diff --stat ops/constraints.txt

clean: ## Remove what was built; the state folder .penstock stays
	@rm -rf $(VENV) .venvs dist build .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
